/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unwind.h - from registers and a copy of the stack to return addresses.
 *
 * Hybrid per frame: CFI (.eh_frame, .debug_frame) where there is some, Go's
 * function table, else the code itself (code.h), and frame pointers where they are
 * plausible. Where the copy ends, the kernel's own callchain is spliced on if it
 * agrees with the last frames in place and value (splice.c); of a stack with more
 * frames than asked for both ends are kept. Rows are decoded on
 * demand and cached by (module, pc); nothing is set up per process or sample.
 * Every address into the stack copy is bounds-checked, a walk always moves up
 * the stack or stops, and every walk ends with a reason.
 *
 * Needs no live process: tests drive it from stored bytes. Memory read after the
 * sample is of another moment too often to be used, see tests/truth/known_chain.c.
 */
#ifndef COLLECT_UNWIND_H
#define COLLECT_UNWIND_H

#include "collect/maps.h"
#include "collect/unwind_end.h"

#include <stdint.h>

#define UNWIND_REGS_MAX 33

struct unwind_sample {
	const uint64_t *regs; /* in DWARF register order of this architecture, see regs.h */
	const uint8_t *stack; /* copy of the stack from the sampled SP upwards */
	uint64_t stack_size;  /* bytes really copied */
	/* The kernel's own user callchain (frame pointers), innermost first, no PERF_CONTEXT_* markers; NULL:
	 * none */
	const uint64_t *chain;
	uint32_t n_chain;
};

struct unwind_frame {
	uint64_t pc;               /* lookup address: exact for the innermost frame, a signal trampoline
				      and the frame below it; return address - 1 for callers */
	const struct mapping *map; /* NULL: in no mapping (the last frame, or an interrupted one) */
};

struct unwind_result {
	enum unwind_end end;
	uint32_t n;       /* frames */
	uint32_t spliced; /* of these, taken from the kernel's callchain */
	uint32_t gap; /* index of the first frame after a gap: a [truncated] mark belongs before it; 0: no gap
		       */
	uint64_t stack_used; /* bytes of the copy, from the sampled SP up, that the walk needed */
};

struct unwinder; /* caches shared by all processes; bounded */

int unwinder_new(struct unwinder **out, struct modules *ms);
void unwinder_free(struct unwinder *u);

/*
 * Walk. Fills @frames leaf first, at most @max, and *@out. Frames' map pointers
 * are borrowed from @maps.
 */
void unwind_walk(struct unwinder *u, struct maps *maps, const struct unwind_sample *sample,
		 struct unwind_frame *frames, uint32_t max, struct unwind_result *out);

/*
 * How many bytes from the stack pointer on the next sample's walk will probably
 * need, by those before it. Who knows where that sample is asks for them with
 * a prefetch before it walks the one at hand: mostly the
 * kernel wrote them on another processor, and a walk would wait for each.
 */
uint32_t unwinder_ahead(const struct unwinder *u);

#endif

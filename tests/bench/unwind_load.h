/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unwind_load.h - what bench-unwind unwinds: samples of a program, with the
 * mappings of their time, and our own unwinder set up over them.
 *
 * Failures end the program, as in tests/truth/stacks.h.
 */
#ifndef TESTS_BENCH_UNWIND_LOAD_H
#define TESTS_BENCH_UNWIND_LOAD_H

#include "tests/truth/stacks.h"

#include <stdint.h>

#define LOAD_MAX   32
#define MAX_FRAMES 4096

struct load_sample {
	struct unwind_sample u; /* borrowed from the load */
	uint32_t load, space;   /* space: which state of the load's mappings */
	uint32_t frames;        /* as our walk finds */
	uint64_t used;          /* bytes of the copy, from the stack pointer up, that the walk needs */
};

struct load {
	const char *name;
	uint32_t index; /* its place among all loads */
	struct stacks st;
	struct load_sample *s;
	uint64_t n, frames, used;
	uint64_t (*regs)[UNWIND_REGS_MAX];
	void *copies; /* of the stacks, in memory of their own */
	size_t copies_size;
	uint32_t n_spaces; /* all that were seen; few of them are used */
};

/*
 * Record the shell command @command: @max samples at @hz with copies of @copy
 * bytes. Samples from mappings that lasted for less than 1 % of them
 * (start-up) are left out.
 */
void load_record(struct load *l, uint32_t index, const char *name, const char *command, uint64_t max,
		 uint64_t hz, uint32_t copy);
void load_release(struct load *l);

/* Our side: modules of some loads opened, nothing in any cache. Arrays are by a load's index. */
struct world {
	struct replay r;
	struct maps **spaces[LOAD_MAX];
	uint32_t n_spaces[LOAD_MAX];
};

void world_init(struct world *w, struct load *const *loads, uint32_t n);
void world_release(struct world *w);

static inline struct maps *world_maps(const struct world *w, const struct load_sample *s)
{
	return w->spaces[s->load][s->space];
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unwind_private.h - one walk's state, and what the unwinder's files share.
 *
 *   unwind.c        the walk: rows, and steps by packed rows
 *   unwind_fast.c   the walk of nearly all stacks; unwind_memo.c: what it need not do again
 *   unwind_full.c   steps by rows that need everything: expressions, signal frames
 *   unwind_guess.c  steps where there is no CFI: frame pointers, the code itself
 *   splice.c        the kernel's callchain, where the copy ends
 */
#ifndef COLLECT_UNWIND_PRIVATE_H
#define COLLECT_UNWIND_PRIVATE_H

#include "collect/cfi.h"
#include "collect/regs.h"
#include "collect/rowcache.h"
#include "collect/unwind.h"
#include "collect/unwind_memo.h"

#include <string.h>

#define GO_ON UNWIND_END_COUNT /* not an end */

/* An address this far above the copy is where a deep stack goes on; beyond it is nonsense. */
#define STACK_REACH (64u << 20)

#define TRAIL 8 /* frames whose place on the stack is remembered */

struct unwinder {
	struct modules *ms;
	struct cfi *cfi;
	struct rowcache *rows;
	struct memos *memos;
	uint32_t need; /* bytes of their copies that walks used of late, on average; times 2^NEED_SHIFT */
	const uint8_t *list; /* registers that rows speak of */
	struct cfi_row full; /* of the frame at hand, if its row is ROW_FULL */
	struct row uncached; /* where the cache has no place, for the fast walk */
};

struct walk {
	struct unwinder *u;
	struct maps *maps;
	const struct unwind_sample *sample;
	const uint8_t *stack;
	uint64_t at, size; /* of the stack copy */
	uint64_t high;     /* the farthest up that the walk came on the sampled stack */
	uint64_t regs[REGS_MAX];
	uint64_t valid;        /* bit per register whose value is known */
	bool exact;            /* pc is where it was interrupted, not where a call returns to */
	bool guessed;          /* some frame was found by its frame pointer */
	bool switched;         /* left for another stack, of which there is no copy */
	bool go_switch;        /* so did the Go runtime, on its own terms */
	uint64_t trail[TRAIL]; /* stack pointer of frame i at [i % TRAIL] */
	uint32_t n;            /* frames so far */
	struct row row;        /* where the cache has no place */
};

static inline uint64_t bit(unsigned reg)
{
	return 1ull << reg;
}

static inline bool load(const struct walk *w, uint64_t addr, uint64_t *v)
{
	uint64_t off = addr - w->at;

	if (off >= w->size || w->size - off < sizeof(*v))
		return false;
	memcpy(v, w->stack + off, sizeof(*v));
	return true;
}

/* What it means that @addr cannot be read. */
static inline enum unwind_end unreadable(const struct walk *w, uint64_t addr)
{
	uint64_t top = w->at + w->size;

	if (w->switched || (addr + 8 > top && addr < top + STACK_REACH))
		return UNWIND_END_STACK;
	return UNWIND_END_BAD_MEMORY;
}

/* A function that has not yet saved its return address in memory may have no frame. */
static inline bool ascends(const struct walk *w, uint64_t cfa)
{
	uint64_t sp = w->regs[regs_arch.sp];

	return cfa > sp || (cfa == sp && regs_arch.lr >= 0 && w->exact);
}

/* The caller is at @pc with stack pointer @sp; other registers are in place. */
static inline enum unwind_end arrive(struct walk *w, uint64_t pc, uint64_t sp, bool signal)
{
	pc = regs_strip_pc(pc);
	w->regs[regs_arch.sp] = sp;
	w->regs[regs_arch.pc] = pc;
	w->valid |= bit(regs_arch.sp) | bit(regs_arch.pc);
	w->exact = signal;
	/* Who makes a stack by hand ends it with a return address of 0. */
	if (!pc && !signal)
		return w->guessed ? UNWIND_END_NO_MAPPING : UNWIND_COMPLETE_RULE;
	return GO_ON;
}

/* unwind.c: the row for @pc, which lies in @map. Borrowed until the next. */
const struct row *unwind_row(struct walk *w, const struct mapping *map, uint64_t pc, bool exact);

/* unwind.c: whether what is before @ra, in @map, is a call. */
bool unwind_follows_call(struct walk *w, const struct mapping *map, uint64_t ra);
enum unwind_end unwind_step_row(struct walk *w, const struct row *row);

/* unwind.c: the full row for what @map has at @pc. 0, or as cfi_row_at(). */
int unwind_full_row(struct walk *w, const struct mapping *map, uint64_t pc);

/* unwind_full.c: by w->u->full of @pc in @map. */
enum unwind_end unwind_step_full(struct walk *w, const struct mapping *map, uint64_t pc);

/* unwind_guess.c */
enum unwind_end unwind_step_frame_pointer(struct walk *w, enum unwind_end reason);
enum unwind_end unwind_step_code(struct walk *w, const struct row *row);
enum unwind_end unwind_step_noreturn(struct walk *w);
enum unwind_end unwind_step_unknown(struct walk *w, const struct mapping *map);

/*
 * splice.c: go on with the kernel's callchain behind the w->n frames found.
 * Returns how many frames were added to @frames, which holds @max; *@end, if any.
 */
uint32_t splice(struct walk *w, struct unwind_frame *frames, uint32_t max, enum unwind_end *end);

#endif

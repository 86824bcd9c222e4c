/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unwind_fast.h - the walk that nearly all stacks need, and nothing else.
 *
 * Follows stack pointer, frame pointer and return addresses through plain rows
 * (rowcache.h), to an end that is complete. Other registers matter only where a
 * row says so, which is rare; then, and at everything else out of the ordinary,
 * it gives up, and unwind.c's walk does the stack from its start. What both
 * can do comes out equal.
 *
 * A walk costs as much as the loads that wait for one another, and the branches
 * that could not be foreseen. So there is one branch in a frame that depends on
 * the data, and stack memory is asked for well ahead of its use.
 */
#ifndef COLLECT_UNWIND_FAST_H
#define COLLECT_UNWIND_FAST_H

#include "collect/maps.h"
#include "collect/rowcache.h"
#include "collect/unwind.h"
#include "collect/unwind_memo.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * The row at @pc in @map: in the cache if it can be, else anywhere. Never NULL.
 * @exact: @pc was interrupted; else it is the last byte of a call.
 */
typedef const struct row *unwind_row_fn(void *arg, const struct mapping *map, uint64_t pc, bool exact);

/*
 * True: @frames and @out are filled, the stack is complete. False: whatever was
 * written to @frames means nothing, @out is untouched. @row is asked for what
 * @rc does not have. What the outer frames of an earlier stack are good for,
 * @memos tells.
 */
bool unwind_fast(struct rowcache *rc, struct memos *memos, unwind_row_fn *row, void *arg, struct maps *maps,
		 const struct unwind_sample *sample, struct unwind_frame *frames, uint32_t max,
		 struct unwind_result *out);

/* Ask the processor for @size bytes of memory: it does not wait, and minds no address. */
static inline void unwind_prefetch(const void *p, size_t size)
{
	size_t i;

	for (i = 0; i < size; i += 64)
		__builtin_prefetch((const uint8_t *)p + i);
}

/* unwind_walk() without the fast way: what that must agree with, for tests. */
void unwind_thorough(struct unwinder *u, struct maps *maps, const struct unwind_sample *sample,
		     struct unwind_frame *frames, uint32_t max, struct unwind_result *out);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unwind_memo.h - the last stacks that were walked, to be taken up again.
 *
 * Samples of a thread follow one another, and most of their outer frames are
 * the same. A walk that comes to a frame with the stack pointer, frame pointer
 * and pc of one that is remembered needs no rows from there on: what the frames
 * above read of the stack is all that decides them, so it is enough to see that
 * each of those words is still the same. They are at known places, so the loads
 * need not wait for one another, as those of a walk do.
 *
 * This takes nothing on trust: equal addresses alone are no ground (a frame may
 * be entered twice from different callers), every word that the walk would have
 * read is compared, and mappings that have changed since make another memo.
 *
 * Only for frames that unwind_fast.c walks. Bounded: MEMOS stacks of MEMO_FRAMES.
 */
#ifndef COLLECT_UNWIND_MEMO_H
#define COLLECT_UNWIND_MEMO_H

#include "collect/unwind.h"

#include <stdbool.h>
#include <stdint.h>

#define MEMOS       64
#define MEMO_FRAMES 255 /* a longer stack is not remembered */

#define MEMO_SLOT_NONE  0 /* the frame does not save fp */
#define MEMO_SLOT_BELOW 1 /* it does, where this copy did not reach and another may */

/* What a frame's walk began with: addresses are the program's. */
struct memo_frame {
	uint64_t sp, fp, pc;
	const struct mapping *map; /* borrowed from maps of the memo's version */
	uint64_t slot;             /* where the caller's fp is saved, or MEMO_SLOT_* */
};

struct memo {
	uint64_t version; /* of the maps; 0: nothing is remembered */
	uint32_t n;       /* frames */
	enum unwind_end end;
	struct memo_frame
		f[1 + MEMO_FRAMES]; /* f[1] is the outermost, f[n] the innermost; f[0].sp: above all */
};

struct memos {
	struct memo m[MEMOS];
};

/* Pages that are never used cost nothing. 0 or -ENOMEM. */
int memos_new(struct memos **out);
void memos_free(struct memos *ms); /* NULL is fine */

/* The memo for a stack at @sp under maps of @version, emptied if it was of another one. */
struct memo *memo_for(struct memos *ms, uint64_t version, uint64_t sp);

/*
 * Frame @from of @memo is the one at hand: write the frames above it to @out,
 * as long as @s's stack has what they read. Returns the index of the last frame
 * that is certain: 1 if the whole stack is; @from if there is nothing above it.
 */
uint32_t memo_follow(const struct memo *memo, uint32_t from, const struct unwind_sample *s, uint64_t at,
		     struct unwind_frame *out);

/*
 * Remember a stack: @trail[@n], innermost first, and behind it what @memo already
 * has as frames @kept .. 1 (0: nothing). Forgets it if that is too much.
 */
void memo_keep(struct memo *memo, const struct memo_frame *trail, uint32_t n, uint32_t kept,
	       enum unwind_end end);

#endif

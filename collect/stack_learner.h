/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stack_learner.h - which of a few sizes of stack copies samples need.
 *
 * A copy takes ring space at its full size even when the stack is short, so
 * the smallest size is wanted at which stacks are still complete. One learner
 * speaks for all threads whose copies change size together. It is told what
 * each walk needed and answers which size to go on with:
 *
 * - down, to the smallest size that would have done for all but 1 in 200 of the
 *   samples since the last change (1024 of them at least);
 * - up, to the largest, as soon as more walks run out of copy than 1 in 200
 *   and one; each time it waits twice as long before it goes down again.
 *
 * Walks that leave the copy however large it is (a signal handler's stack,
 * read from the process) are no ground for a change: their rate is measured
 * with the largest copies and allowed for with smaller ones.
 *
 * Plain data and arithmetic: needs no events.
 */
#ifndef COLLECT_STACK_LEARNER_H
#define COLLECT_STACK_LEARNER_H

#include <stdbool.h>
#include <stdint.h>

#define STACK_SIZES_MAX 3

struct stack_learner {
	uint32_t sizes[STACK_SIZES_MAX]; /* bytes, largest first */
	uint32_t n;
	uint32_t now;                   /* index of the size in use */
	uint32_t seen;                  /* samples of that size since the last change (halved now and then) */
	uint32_t cut;                   /* of these: the walk left the copy */
	uint32_t over[STACK_SIZES_MAX]; /* of these: would not have been complete with that size */
	uint32_t wait;                  /* samples to see before going down */
	uint32_t base_cut, base_seen;   /* cut and seen with the largest size: what no size helps */
	uint32_t ups;                   /* times it had to go up */
};

/* What the walk of one sample found out. */
struct stack_need {
	uint64_t used; /* bytes of the copy */
	bool cut;      /* it needed stack that was not in the copy */
	bool ended;    /* it could not go on for that reason */
};

/* @sizes[@n], largest first, the first in use. */
void stack_learner_init(struct stack_learner *l, const uint32_t *sizes, uint32_t n);

/*
 * Learn from a sample with a copy of sizes[@index]. Returns true when
 * samples should from now on have copies of sizes[l->now], another than
 * before. Samples of other sizes than the one in use teach nothing.
 */
bool stack_learner_add(struct stack_learner *l, uint32_t index, const struct stack_need *need);

/* The largest from now on, for a reason of the caller's. True if it was not. */
bool stack_learner_rise(struct stack_learner *l);

#endif

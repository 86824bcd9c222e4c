/* SPDX-License-Identifier: Apache-2.0 */
/* attach_plan.c - see attach_plan.h. */
#include "collect/attach_plan.h"

#define OPEN_NS_MAX 1000000000u /* for all threads together */
#define RESERVE     512         /* descriptors for the files that are mapped and for what is written; */
#define FULL_MAX    512         /* threads with events that are only good to have */

/* of few, half. */
static uint64_t usable(uint64_t fds_free)
{
	return fds_free - (fds_free / 2 < RESERVE ? fds_free / 2 : RESERVE);
}

struct attach_plan attach_plan(const struct attach_need *need)
{
	uint64_t fds = usable(need->fds_free), per_thread = need->fds ? need->fds : 1;
	uint64_t by_fds = fds / per_thread;
	uint64_t by_time = need->open_ns ? OPEN_NS_MAX / need->open_ns / per_thread : UINT32_MAX;
	uint64_t least = by_fds < by_time ? by_fds : by_time;
	struct attach_plan plan = {.threads = need->threads};

	if (need->threads <= least) {
		plan.full = need->threads <= FULL_MAX && (uint64_t)need->threads * need->fds_full <= fds;
		return plan;
	}
	plan.limit = by_fds <= by_time ? ATTACH_FDS : ATTACH_TIME;
	plan.threads = least ? (uint32_t)least : 1;
	return plan;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attach_plan.h - how to watch processes of very many threads.
 *
 * Events per thread and CPU are exact, but cost a descriptor and some 20
 * microseconds each. Where the descriptors allowed, or a second, do not
 * suffice, there are two other ways: events of whole CPUs, whose records of
 * other processes are thrown away (takes privilege), and events on the busiest
 * threads only. This decides between the first and these, and how many
 * threads the last may have; plain arithmetic.
 */
#ifndef COLLECT_ATTACH_PLAN_H
#define COLLECT_ATTACH_PLAN_H

#include <stdbool.h>
#include <stdint.h>

struct attach_need {
	uint32_t threads;
	uint32_t fds;      /* descriptors of each, at least */
	uint32_t fds_full; /* with the events that are only good to have */
	uint64_t fds_free; /* descriptors that may still be opened */
	uint64_t open_ns;  /* for one descriptor */
};

enum attach_limit {
	ATTACH_FITS,
	ATTACH_FDS,  /* too few descriptors */
	ATTACH_TIME, /* it would take too long */
};

struct attach_plan {
	enum attach_limit limit; /* what the threads do not fit in, the tighter of the two */
	bool full;               /* there is room for what is only good to have, too */
	uint32_t threads;        /* how many may be opened, at least 1 */
};

struct attach_plan attach_plan(const struct attach_need *need);

#endif

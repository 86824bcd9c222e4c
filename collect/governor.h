/* SPDX-License-Identifier: Apache-2.0 */
/*
 * governor.h - when sampling has to become slower so that it costs no more than allowed.
 *
 * Cost: the profiler's own CPU time (collector; exporter and symbolizer spread
 * over the window they worked for) and the interrupts, which the program pays:
 * so many at the price that was measured (calibrate.h), and the copying of
 * their stacks. It is set against the program's CPU time, which samples tell:
 * time that nobody runs in costs nothing either way.
 *
 * Judged over a sliding window of GOVERNOR_WINDOW_NS of the program's CPU time,
 * never over less, and not before the first GOVERNOR_SKIP_NS have passed, in
 * which files are opened and tables read for the first time. Slower when the
 * cost is above the limit. Back when at the full rate it would be below three
 * quarters of it, after as much CPU time as it took to be sure, which doubles
 * with each time that going back was wrong.
 *
 * Plain data and arithmetic: reads no clock, switches no event.
 */
#ifndef COLLECT_GOVERNOR_H
#define COLLECT_GOVERNOR_H

#include <stdbool.h>
#include <stdint.h>

#define GOVERNOR_SKIP_NS   UINT64_C(1000000000)
#define GOVERNOR_WINDOW_NS UINT64_C(4000000000)
#define GOVERNOR_POINTS    16

/* All since the capture began. */
struct governor_reading {
	uint64_t target_ns;   /* the program's CPU time */
	uint64_t own_ns;      /* the collector's */
	uint64_t interrupts;  /* samples taken, for the program or thrown away */
	uint64_t stack_bytes; /* copied with them */
};

struct governor_config {
	uint32_t limit_ppm;    /* of the program's CPU time */
	uint64_t interrupt_ns; /* one costs, without its stack */
	uint64_t period;       /* of the full rate */
	uint64_t slow_period;  /* of the slower one; 0: there is none */
};

struct governor {
	struct governor_config cfg;
	struct governor_reading points[GOVERNOR_POINTS]; /* the window, oldest first */
	uint32_t n;
	uint32_t export_ppm; /* what exporting the last window cost */
	uint32_t ppm;        /* as last judged; 0: not yet */
	uint64_t since_ns;   /* target_ns at the last change */
	uint64_t wait_ns;    /* of the program's CPU time before going back */
	uint32_t changes;
	bool begun, slow;
};

void governor_init(struct governor *g, const struct governor_config *cfg);

/*
 * A period that keeps within the limit, with half of it to spare for all else:
 * four times @cfg->period at least. @handling_ns: what the collector does with a sample.
 */
uint64_t governor_slow_period(const struct governor_config *cfg, uint64_t handling_ns);

/* Exporting cost @own_ns for a window in which the program used @target_ns. */
void governor_exported(struct governor *g, uint64_t own_ns, uint64_t target_ns);

/* Some time later. True: the rate should change now, to the one that g->slow says. */
bool governor_look(struct governor *g, const struct governor_reading *now);

/* The change that was asked for could not be made. */
void governor_refused(struct governor *g);

/* Millionths of @r->target_ns that it all cost; 0 without any CPU time. */
uint32_t governor_cost(const struct governor *g, const struct governor_reading *r);

#endif

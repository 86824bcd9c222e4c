/* SPDX-License-Identifier: Apache-2.0 */
/*
 * collector_private.h - what collector.c, attach.c, sample.c and account.c share.
 */
#ifndef COLLECT_COLLECTOR_PRIVATE_H
#define COLLECT_COLLECTOR_PRIVATE_H

#include "collect/collector.h"
#include "collect/event_plan.h"
#include "collect/governor.h"
#include "collect/ladder.h"
#include "collect/module.h"
#include "collect/order.h"
#include "collect/perf.h"
#include "collect/procs.h"
#include "collect/timer.h"
#include "collect/tracer.h"
#include "collect/unwind.h"
#include "collect/window_clock.h"

#define USED_KB_MAX (PERF_STACK_MAX / 1024 + 2)

/* CPU time that has been accounted for since the capture began, in nanoseconds. */
struct account {
	uint64_t event;  /* as the events count */
	uint64_t denied; /* of it: kernel time not permitted; the rest is with the clock, the first event */
	uint64_t rusage; /* the kernel's own count of the targets */
};

/* The same of one event of the plan, in its own unit. */
struct event_account {
	uint64_t total, user, enabled, running; /* as it counts */
	uint64_t samples, lost_samples, throttled;
	uint64_t sampled, lost, unsampled; /* what they stand for, and the rest */
};

struct capture_event {
	uint32_t type_count, type_value; /* the profile's; PROFILE_NONE: there is no such */
	uint64_t weight;                 /* the most that one sample has stood for */
	bool counted, counted_user;      /* when the counts were read last */
	struct event_account now, begin;
};

/* The end of a window: what the events had counted, and the kernel accounted, by then. */
struct mark {
	bool set, settled;
	bool timed;        /* user_ns and system_ns were read already, */
	uint64_t timed_ns; /* at this monotonic time */
	struct perf_counts counts;
	uint64_t user_ns, system_ns;
	uint64_t targets_ns; /* of these: of the targets alone */
};

/* The governor, and what it goes by. */
struct govern {
	bool on;
	bool measured; /* interrupt_ns; else assumed */
	struct governor governor;
	uint64_t interrupt_ns;
	uint64_t interrupts, stack_bytes;  /* samples taken in, and what was copied with them */
	uint64_t exports_ns;               /* CPU time of exporters and symbolizers */
	uint64_t window_ns, window_end_ns; /* the program's CPU time: in the last window, and at its end */
	uint64_t next_look_ns;             /* monotonic */
};

struct target { /* an attached process */
	pid_t pid;
	int pidfd;                             /* -1: kernel without pidfd_open */
	uint64_t start_ticks;                  /* tells it from a later process with the same pid */
	uint64_t base_user_ns, base_system_ns; /* its CPU time before we came, in clock ticks */
	uint64_t base_cpu_ns;                  /* the two together, to the nanosecond; 0: unknown */
	uint64_t user_ns, system_ns;           /* since: as last read */
	bool ended;
};

struct collector {
	struct collector_options opt;
	struct event_plan plan;
	struct capture_event events[EVENT_PLAN_MAX]; /* as in the plan */
	uint64_t period;                             /* of the first event; 0: it has a rate */
	struct ladder ladder;
	struct perf *perf;
	struct timer *timer;   /* used instead of perf; borrowed */
	struct tracer *tracer; /* or this is */
	bool unarmed_told;
	struct order *order;
	struct procs *procs;
	struct modules *modules;
	struct unwinder *unwinder;
	struct profile profile;
	int epfd;

	bool attached;
	bool many_threads; /* to be attached to: only what was asked for is opened on each */
	struct target *targets;
	uint32_t n_targets;
	struct profile_attach attach; /* which of their threads have events */
	uint64_t sampled_others;      /* of whole CPUs: period x samples of what the targets started */
	uint64_t foreign;             /* samples of other processes, from events of whole CPUs, thrown away */

	/* Set by the caller when the launched program was reaped. */
	uint64_t reaped_user_ns, reaped_system_ns;

	struct govern govern;
	struct account now, begin;                               /* totals now, and at the window's begin */
	uint64_t side_band_lost, throttled, sample_records_lost; /* since the capture began */
	struct window_clock clock;
	struct mark mark;
	bool stopped;                  /* for good */
	uint64_t malformed_before;     /* until the window began */
	uint32_t used_kb[USED_KB_MAX]; /* user stacks of the window by KB needed, rounded up */
	uint64_t generation;           /* of label sets: one up at each profile_reset() */
	bool rescan_wanted;            /* side-band records were lost */
	uint64_t next_rescan_ns;       /* monotonic: not before */
	uint64_t next_prune_ns;        /* likewise; with a timer */
	uint32_t prunes;

	uint32_t loc_truncated, loc_incomplete, loc_unknown_mapping, loc_unwind_failure;
	uint32_t kernel_mapping;
	uint32_t *locations;         /* scratch of one stack */
	struct unwind_frame *frames; /* scratch */
	uint32_t max_frames;

	int *fds; /* for collector_fds() */
};

/* sample.c: one sample into the profile. 0 or -ENOMEM. */
int sample_add(struct collector *c, const struct record *rec);

/* collect/profile_types.c: the events' sample types, once it is known which are sampled. */
void collector_set_types(struct collector *c);

/* account_event.c: what of event @i of the plan samples do not show, into the profile. 0 or -ENOMEM. */
int account_event(struct collector *c, uint32_t i);
void account_counters(struct collector *c); /* the window's table of events */
int account_synthetic(struct collector *c, uint32_t event, const char *name, uint64_t count, uint64_t value);
uint64_t account_lost(const struct collector *c, uint32_t event); /* samples, since the capture began */
uint64_t account_not_yet(const struct collector *c, uint64_t period);

/* account.c */
void account_begin(struct collector *c); /* the first window */
void account_mark(struct collector *c);
bool account_is_target(const struct collector *c, pid_t pid);
void account_times(struct collector *c); /* before it: read the kernel's accounting now */
void account_next(struct collector *c);  /* the window after the one that was marked */
int account_window(struct collector *c); /* fills the quality figures and adds the synthetic stacks */

/* govern.c */
void govern_plan(struct collector *c,
		 struct perf_options *opt);        /* before events are opened: the slower class */
void govern_look(struct collector *c);             /* now and then */
uint64_t govern_period(const struct collector *c); /* that is sampled with now */
void govern_window(struct collector *c, struct profile_quality *q);

/*
 * fallback.c: timers in the program, or a tracer outside of it, instead of
 * perf events, and what the kernel would have told.
 */
static inline bool fallback_used(const struct collector *c)
{
	return c->timer || c->tracer;
}
int fallback_launch(struct collector *c, pid_t pid);
int fallback_trace(struct collector *c, const pid_t *pids, uint32_t n); /* 0 or -errno */
int fallback_trace_launched(struct collector *c, pid_t pid);            /* the same */
void fallback_look(struct collector *c);
struct order_source *fallback_sources(struct collector *c, uint32_t *n);

/* attach.c: read an attached process's CPU times while it can be read. */
void attach_read_times(struct target *t);

/* attach.c: notice which attached processes have ended. */
void attach_check_targets(struct collector *c);

/* collector.c, for attach.c: climb the ladder and make c->perf; then, after the first events are open. 0 or
 * -errno. */
int collector_open(struct collector *c);
int collector_poll_rings(struct collector *c);

#endif

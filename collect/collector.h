/* SPDX-License-Identifier: Apache-2.0 */
/*
 * collector.h - from perf events to a profile, one thread, never blocking.
 *
 * Owns the events, rings, process table, unwinder and profile. The caller owns
 * the poll loop: poll collector_epoll_fd(), call collector_drain(); at the end
 * of a window call collector_window() and hand the profile to an exporter.
 */
#ifndef COLLECT_COLLECTOR_H
#define COLLECT_COLLECTOR_H

#include "collect/event_plan.h"
#include "collect/ladder.h"
#include "collect/profile.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct timer;
struct tracer_stats;

struct collector_options {
	uint32_t frequency;              /* Hz */
	const struct event_list *events; /* what to sample and count; NULL or empty: CPU time. Borrowed */
	uint32_t stack_size;  /* bytes of user stack per sample; 0: chosen to fit the ring budget */
	bool user_only;       /* do not ask for kernel frames */
	uint32_t max_frames;  /* per stack; 0: PROFILE_MAX_FRAMES */
	bool timeline;        /* keep the time of each sample */
	struct timer *timer;  /* launch: what to use when perf events are refused; NULL: nothing. Borrowed */
	bool timer_only;      /* do not ask for perf events */
	bool trace;           /* nor for timers: interrupt running threads (tracer.h) at @frequency */
	uint32_t max_modules; /* files at a time; 0: 16384 */
	uint32_t max_overhead_ppm; /* of the program's CPU time; above it the rate goes down. 0: no limit */
	bool max_overhead_asked;   /* the user did; else it is the default */
	bool skip_gone;            /* attach: only the first process has to be there and ours */
};

struct collector;

/* 0 or -errno. Opens nothing yet. */
int collector_new(struct collector **out, const struct collector_options *opt);
void collector_free(struct collector *c); /* NULL is fine; closes everything */

/*
 * Open events on @pid, a child of ours held before its exec: they start at
 * the exec and are inherited by everything it starts. Refused, they are
 * replaced by timers in the program, if there is opt.timer: collector_ladder()
 * tells. 0, or -errno when no rung of the ladder holds, which it tells, too.
 */
int collector_launch(struct collector *c, pid_t pid);

/*
 * Go on with what a collector before this one launched, and timers were put
 * into: @pids are the processes that are known. 0 or -errno.
 */
int collector_resume(struct collector *c, const pid_t *pids, uint32_t n);

/*
 * Open events on all threads of the @n processes and their later threads and
 * children, without stopping them. 0; -ESRCH/-EPERM for a pid that is gone or
 * not ours with *@bad set to it; else -errno as above.
 */
int collector_attach(struct collector *c, const pid_t *pids, uint32_t n, pid_t *bad);

const struct ladder *collector_ladder(const struct collector *c);

/* Which events are sampled, which counted, and which refused why; all of them once events are open. */
const struct event_plan *collector_plan(const struct collector *c);

/* Of interrupting threads; false: that is not done. */
bool collector_tracer(const struct collector *c, struct tracer_stats *out);

/* Bytes of user stack taken with each sample; 0 before events are open. */
uint32_t collector_stack_size(const struct collector *c);

/* Readable when rings want draining or attached processes ended. */
int collector_epoll_fd(const struct collector *c);

/*
 * Take in what the rings hold, in time order. With @final everything, else
 * what is old enough for the order to be certain. 0 or -errno (out of memory).
 */
int collector_drain(struct collector *c, bool final);

/* True once every attached process has ended; after a launch: the program and all that it started. */
bool collector_targets_ended(struct collector *c);

/* Stop counting: the window, which is the last one, ends here. */
void collector_stop(struct collector *c);

/*
 * The window ends here: counts and clocks are read. What is stamped later is
 * left in the rings for the next one; collector_settled() is true once a
 * drain has taken in all that is older (about a millisecond).
 */
void collector_mark(struct collector *c);
bool collector_marked(const struct collector *c);
void collector_unmark(struct collector *c); /* it goes on after all */
bool collector_settled(const struct collector *c);

/*
 * Close the window, which ends now unless it was marked: read the events' counts, account for what was not
 * sampled, stamp times. The profile is then complete and may be handed over;
 * collector_next() begins another (@keep: on top of this one's data).
 */
struct profile *collector_window(struct collector *c);
void collector_next(struct collector *c, bool keep);

/*
 * Between drains, at a window's end: let go of files that nobody has mapped
 * any more. Now and then the profile's tables are numbered anew for that
 * (profile_renumber.h): then *@locations, the caller's to free, says for each
 * of the former *@n locations what number it has now, or PROFILE_NONE. Else
 * NULL. No exporter may be at work then, which knows the former numbers. 0, or
 * -ENOMEM: nothing has changed.
 */
int collector_tidy(struct collector *c, uint32_t **locations, uint32_t *n);

/* Number of the window that is being collected; and: begin with window @seq instead of 0. */
uint64_t collector_window_seq(const struct collector *c);
void collector_start_at(struct collector *c, uint64_t seq);

/* Processes alive by the records, at most @max. Returns how many were put into @pids. */
uint32_t collector_processes(struct collector *c, pid_t *pids, uint32_t max);

/* What exporting the last window cost, the symbolizer included: it belongs to the overhead. */
void collector_exported(struct collector *c, uint64_t cpu_ns);

/* CPU time of the launched tree by rusage, for the quality figures; the caller has it from wait4(). */
void collector_set_rusage(struct collector *c, uint64_t user_ns, uint64_t system_ns);

/* Every descriptor of ours that counts or waits, for a forked child to close. Borrowed until the next call.
 */
const int *collector_fds(struct collector *c, uint32_t *n);

#endif

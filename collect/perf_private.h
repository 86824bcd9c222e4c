/* SPDX-License-Identifier: Apache-2.0 */
/*
 * perf_private.h - what perf.c, perf_task.c, perf_rings.c and perf_stack.c share.
 */
#ifndef COLLECT_PERF_PRIVATE_H
#define COLLECT_PERF_PRIVATE_H

#include "base/hash.h"
#include "collect/perf.h"
#include "collect/stack_learner.h"

/* Instead of the index of a size: */
#define PERF_SIDE_BAND (-1) /* takes no samples, counts CPU time */
#define PERF_FURTHER   (-2) /* of an event behind the first: samples, with stack copies of one size */
#define PERF_COUNTS    (-3) /* only counts */
#define PERF_USER_PART (-4) /* only counts, and in user mode only */
#define PERF_HOLDER    (-5) /* counts nothing: has the sample ring where the first event is not counted */

struct fd_event {
	int fd;         /* -1: closed */
	uint32_t cpu;   /* index */
	uint32_t task;  /* index */
	int size;       /* index of the size of its stack copies, p->slow, or one of the above */
	uint32_t event; /* of the plan; 0 for the side-band */
	uint64_t id;
};

struct task {
	pid_t tid;         /* PERF_NO_TASK: ended or closed */
	uint32_t first, n; /* its events */
	struct stack_learner learner;
};

struct perf {
	struct perf_options opt;
	struct record_layout sample_layout, side_layout;
	int *cpus; /* kernel numbers of the online CPUs */
	uint32_t n_cpus;
	struct fd_event *events;
	uint32_t n, cap;
	struct order_source *sources; /* [2 * n_cpus]: samples, side-band of each CPU; 0 until mapped */
	int *out_fds;                 /* [2 * n_cpus] whose ring others are redirected to; duplicates */
	uint32_t n_sources;
	uint32_t sizes[STACK_SIZES_MAX]; /* of stack copies, largest first */
	uint32_t n_sizes;
	uint32_t further_size; /* of the copies of PERF_FURTHER */
	uint64_t *ran;         /* [n_cpus] for perf_count() */
	uint32_t slow;         /* index behind them of the class with the longer period; 0: none */
	bool slowed;           /* it is in use */
	int *fds;              /* for perf_fds() */
	uint32_t fds_cap;
	struct idmap by_id; /* index into events */
	struct task *tasks;
	uint32_t n_tasks, cap_tasks;
	struct idmap by_tid;                  /* index into tasks */
	uint64_t closed_lost[EVENT_PLAN_MAX]; /* samples lost by events closed since */
	bool stopped;
	bool whole_cpus; /* events of CPUs, not of tasks */
	bool spare;      /* no events that are only good to have */
};

static inline bool perf_side_band(const struct fd_event *e)
{
	return e->size == PERF_SIDE_BAND;
}

/* Of the first event: one size is enabled at a time. */
static inline bool perf_sized(const struct fd_event *e)
{
	return e->size >= 0;
}

/* perf_attr.c: what is asked of the kernel for event @event of the plan; @size as in struct fd_event. */
void perf_fill(const struct perf *p, struct perf_event_attr *attr, uint32_t event, int size, bool on_exec);

/* perf_further.c: those of @tid behind the first event, on all CPUs; the first one's are the last from index
 * @first. 0 or -errno: then the caller closes all from there. */
int perf_open_further(struct perf *p, pid_t tid, uint32_t first, bool on_exec);

/* perf_task.c: add the events of @tid, as the next task, on all CPUs. */

/* Is the event counted on that CPU? */
bool perf_counts_on(const struct event *ev, int cpu);

/* One; joined to its CPU's ring when that is mapped already. 0 or -errno. */
int perf_open_one(struct perf *p, pid_t tid, uint32_t cpu, uint32_t event, int size, int group_fd,
		  bool on_exec);
void perf_close_one(struct fd_event *e);

/* perf_further.c: what the task's events lost, before they are closed. */
void perf_keep_lost(struct perf *p, const struct task *t);

/* Those that samples with the largest copies and the side-band come from. 0 or -errno, then nothing was
 * added. */
int perf_open_events(struct perf *p, pid_t tid, bool on_exec);
void perf_close_from(struct perf *p, uint32_t first);             /* the events from index @first on */
struct fd_event *perf_find_id(const struct perf *p, uint64_t id); /* NULL: none, or closed */

/* perf_rings.c: the first task's events; settles stack sizes and rings together. 0 or -errno, as above. */
int perf_open_first(struct perf *p, pid_t tid, bool on_exec);
void perf_unmap_rings(struct perf *p);

#endif

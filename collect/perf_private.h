/* SPDX-License-Identifier: Apache-2.0 */
/*
 * perf_private.h - what perf.c, perf_task.c, perf_rings.c and perf_stack.c share.
 */
#ifndef COLLECT_PERF_PRIVATE_H
#define COLLECT_PERF_PRIVATE_H

#include "base/hash.h"
#include "collect/perf.h"
#include "collect/stack_learner.h"

#define PERF_SIDE_BAND (-1)

struct fd_event {
	int fd;        /* -1: closed */
	uint32_t cpu;  /* index */
	uint32_t task; /* index */
	int size;      /* index of the size of its stack copies; PERF_SIDE_BAND: takes no samples */
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
	int *fds; /* for perf_fds() */
	uint32_t fds_cap;
	struct idmap by_id; /* index into events */
	struct task *tasks;
	uint32_t n_tasks, cap_tasks;
	struct idmap by_tid;  /* index into tasks */
	uint64_t closed_lost; /* samples lost by events closed since */
	bool stopped;
};

static inline bool perf_side_band(const struct fd_event *e)
{
	return e->size == PERF_SIDE_BAND;
}

/* perf_task.c: add the events of @tid, as the next task, on all CPUs. */

/* Those that samples with the largest copies and the side-band come from. 0 or -errno, then nothing was
 * added. */
int perf_open_events(struct perf *p, pid_t tid, bool on_exec);
void perf_close_from(struct perf *p, uint32_t first);             /* the events from index @first on */
struct fd_event *perf_find_id(const struct perf *p, uint64_t id); /* NULL: none, or closed */

/* perf_rings.c: the first task's events; settles stack sizes and rings together. 0 or -errno, as above. */
int perf_open_first(struct perf *p, pid_t tid, bool on_exec);
void perf_unmap_rings(struct perf *p);

#endif

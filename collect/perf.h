/* SPDX-License-Identifier: Apache-2.0 */
/*
 * perf.h - the events of one capture: opened per task and CPU, with the rings they write to.
 *
 * Per CPU there are two rings: samples, and side-band records from an event
 * that takes no samples, because a full sample ring would lose mmap and fork
 * records. All tasks' events of a CPU write to that CPU's rings. Events are
 * inherited by everything the task starts later.
 *
 * Samples come with stack copies of one of a few sizes. Inherited events cannot
 * be tuned anew, so for each size there is an event per task and CPU, of
 * which one is enabled; enabling and disabling reaches all that inherited it.
 * One more class may have a longer period, for when sampling costs too much.
 * CPU time is counted by the side-band's event, for which no change matters.
 *
 * That is so for the first event of the plan, if it is CPU time and in no
 * group. Each further one has one event per task and CPU, with stack copies of
 * one, smaller size, and if its user part is wanted another, which only counts.
 */
#ifndef COLLECT_PERF_H
#define COLLECT_PERF_H

#include "collect/event_plan.h"
#include "collect/order.h"
#include "collect/stack_learner.h"

#include <linux/perf_event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PERF_STACK_MAX      65528 /* largest attr.sample_stack_user */
#define PERF_SLOW_CPUS_MAX  16    /* likewise no class with a longer period, unless it is asked for */
#define PERF_SIZES_CPUS_MAX 32    /* with more CPUs all copies are of one size: see choose_sizes() */

/* perf_event_open(2), close-on-exec. Descriptor or -errno. */
int perf_open(struct perf_event_attr *attr, pid_t pid, int cpu, int group_fd);

struct perf_options {
	/* Borrowed. What cannot be opened on the first task after all is marked as refused in it. */
	struct event_plan *plan;
	uint32_t stack_size;    /* 0: by need, at most as large as the rings that fit the budget can take */
	uint64_t slow_period;   /* of a further class of events that waits until perf_slow(); 0: none */
	bool slow_on_many_cpus; /* also where smaller sizes are left out: see choose_sizes() */
	/* From the ladder: */
	bool count_lost;
	bool user_chain;    /* the largest copies come with the kernel's own walk of the user stack */
	uint16_t max_chain; /* frames of it; 0: as many as the kernel takes */
};

struct perf;

/* 0 or -errno. */
int perf_new(struct perf **out, const struct perf_options *opt);
void perf_free(struct perf *p); /* closes and unmaps all; NULL is fine */

/*
 * Open sample and side-band events of thread @tid on every CPU. The first
 * call also maps the rings, smaller ones if the mlock budget refuses large
 * ones, and settles the stack size. @on_exec: they start at the task's next
 * exec; else at once. 0; -ESRCH: the thread is gone; -ENOBUFS: no rings, the mlock budget is used up; other
 * -errno. After a failure nothing of @tid is open.
 */
int perf_open_task(struct perf *p, pid_t tid, bool on_exec);

/*
 * Instead of tasks: whatever runs on each CPU, nothing inherited, idle time left out.
 * Takes privilege (-EACCES, -EPERM). Clocks of CPUs count all tasks' time:
 * perf_count() then tells only what was lost. 0 or -errno, as above.
 */
int perf_open_cpus(struct perf *p);
bool perf_whole_cpus(const struct perf *p);

/*
 * Descriptors that a task takes at least, or (@full) with the smaller sizes of stack copies, which are no
 * more than good to have; and: from now on open tasks without these.
 */
uint32_t perf_task_fds(const struct perf *p, bool full);
void perf_spare(struct perf *p);

/*
 * Thread @tid has ended. What it started goes on counting in its events, whose
 * owner is PERF_NO_TASK from now on: the number may come to mean another thread.
 */
#define PERF_NO_TASK (-1)
void perf_task_ended(struct perf *p, pid_t tid);

/* Close the events of @tid, if any; perf_count() no longer has what they counted. */
void perf_close_task(struct perf *p, pid_t tid);

/* The thread that the event with this id was opened for, or PERF_NO_TASK; 0: no such event. */
pid_t perf_id_owner(const struct perf *p, uint64_t id);

struct perf_resize {
	pid_t tid;         /* whose event it is; PERF_NO_TASK: it has ended, what it started goes on */
	uint32_t from, to; /* bytes */
};

/*
 * Learn what a sample of event @id needed of its stack copy, and when the
 * time has come, let all that the event's task started have copies of another
 * size. True when the size changed: *@out. Allocates nothing. @threads: how
 * many are alive in all. A change visits each thread that inherited the event,
 * and none can be started meanwhile: where there are many, the size stays.
 */
bool perf_learn(struct perf *p, uint64_t id, const struct stack_need *need, uint32_t threads,
		struct perf_resize *out);

/*
 * All tasks, and what they started, sample with opt.slow_period and the
 * largest copies from now on, or (@slow false) as before it. False: there are no such events,
 * or too many of @threads inherited them (see perf_learn()); nothing is changed then.
 */
bool perf_slow(struct perf *p, bool slow, uint32_t threads);

/* Bytes of the stack copies that come with samples of event @id; 0: no such event. */
uint32_t perf_id_stack_size(const struct perf *p, uint64_t id);

/* Stop all, those inherited included. */
void perf_disable(struct perf *p);

/* The plan's event that samples with this id are of; UINT32_MAX: no such. */
uint32_t perf_id_event(const struct perf *p, uint64_t id);

/* All tasks and CPUs, inherited included, since opened. */
struct perf_event_counts {
	uint64_t value;             /* scaled up by enabled / running */
	uint64_t user;              /* of that in user mode; with user_part only */
	uint64_t enabled, running;  /* ns that the tasks ran on CPUs it counts on, and that it counted */
	uint64_t lost;              /* samples dropped; only with count_lost */
	bool counted, counted_user; /* false: it was never given a counter, its value means nothing */
};

struct perf_counts {
	uint64_t cpu_time;                               /* ns, whatever is sampled */
	struct perf_event_counts events[EVENT_PLAN_MAX]; /* as in the plan */
};
void perf_count(struct perf *p, struct perf_counts *out);

/* The rings, for order_new(). Borrowed; fixed after the first perf_open_task(). */
struct order_source *perf_sources(struct perf *p, uint32_t *n);

uint32_t perf_stack_size(const struct perf *p); /* of the largest copies */
size_t perf_ring_bytes(const struct perf *p);   /* of one CPU's sample ring */
size_t perf_ring_wanted(const struct perf *p);  /* what it would be without an mlock budget */
uint32_t perf_cpus(const struct perf *p);

/* Every descriptor; borrowed until the next open or close. */
const int *perf_fds(struct perf *p, uint32_t *n);

/* One descriptor per ring, to be polled edge-triggered (an ended task hangs up for good). */
const int *perf_wake_fds(struct perf *p, uint32_t *n);

/*
 * True when every task opened on has ended, and all that inherited from it.
 * (The kernel reports hang-up only then.)
 */
bool perf_all_ended(struct perf *p);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * account.c - what the samples do not show, so that a profile adds up.
 *
 * The events count all CPU time of their tasks; samples show less of it:
 * some were lost, kernel time is dropped by the kernel where we may not see
 * it, and a task that ends within its first period gives none. The difference
 * is put into the profile under names of its own.
 */
#include "collect/collector_private.h"
#include "base/io.h"
#include "collect/procfs.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TICKS_SLACK_NS 20000000u

struct times {
	const struct collector *c;
	uint64_t user, system;
};

bool account_is_target(const struct collector *c, pid_t pid)
{
	uint32_t i;

	for (i = 0; i < c->n_targets; i++)
		if (c->targets[i].pid == pid)
			return true;
	return false;
}

static void add_times(struct proc *p, void *arg)
{
	struct times *t = arg;
	struct procfs_stat st;

	if (account_is_target(t->c, p->pid) || procfs_stat(p->pid, &st))
		return;
	if (!p->start_ticks)
		p->start_ticks = st.start_ticks;
	if (p->start_ticks != st.start_ticks)
		return; /* its exit was lost, and this is another process */
	t->user += st.user_ns;
	t->system += st.system_ns;
	/* Of an attached process's descendants this may be of children from before we came. */
	if (!t->c->attached) {
		t->user += st.children_user_ns;
		t->system += st.children_system_ns;
	}
}

/* User and system time of the targets and their descendants since we came, as far as it can be read. */
static struct times tree_times(struct collector *c)
{
	struct times t = {c, c->reaped_user_ns, c->reaped_system_ns};
	uint32_t i;

	procs_each(c->procs, add_times, &t);
	for (i = 0; i < c->n_targets; i++) {
		if (!c->targets[i].ended)
			attach_read_times(&c->targets[i]);
		t.user += c->targets[i].user_ns;
		t.system += c->targets[i].system_ns;
	}
	return t;
}

static uint64_t resident_kb(void)
{
	struct buf b;
	uint64_t pages = 0;
	char *end;

	buf_init(&b, 256);
	if (!io_read_file(AT_FDCWD, "/proc/self/statm", &b) && !buf_put_u8(&b, 0)) {
		strtoull((char *)b.data, &end, 10);
		pages = strtoull(end, NULL, 10);
	}
	buf_release(&b);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE) / 1024;
}

static uint64_t minus(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

static uint64_t malformed(struct collector *c)
{
	uint32_t i, n;
	const struct order_source *sources =
		fallback_used(c) ? fallback_sources(c, &n) : perf_sources(c->perf, &n);
	uint64_t sum = 0;

	for (i = 0; i < n; i++)
		sum += sources[i].malformed;
	return sum;
}

static uint64_t stack_p995(const struct collector *c)
{
	uint64_t all = 0, sum = 0;
	uint32_t i;

	for (i = 0; i < USED_KB_MAX; i++)
		all += c->used_kb[i];
	for (i = 0; i < USED_KB_MAX; i++) {
		sum += c->used_kb[i];
		if (sum && sum * 1000 >= all * 995)
			return i * UINT64_C(1024);
	}
	return 0;
}

void account_begin(struct collector *c)
{
	uint32_t i;

	c->begin = c->now;
	for (i = 0; i < c->plan.n; i++)
		c->events[i].begin = c->events[i].now;
	window_clock_begin(&c->clock, io_clock_ns(CLOCK_MONOTONIC), io_clock_ns(CLOCK_REALTIME));
}

void account_next(struct collector *c)
{
	uint32_t i;

	c->begin = c->now;
	for (i = 0; i < c->plan.n; i++)
		c->events[i].begin = c->events[i].now;
	c->malformed_before = malformed(c);
	memset(c->used_kb, 0, sizeof(c->used_kb));
	window_clock_next(&c->clock);
}

void account_times(struct collector *c)
{
	struct times tree = tree_times(c);
	uint32_t i;

	c->mark.targets_ns = 0;
	for (i = 0; i < c->n_targets; i++)
		c->mark.targets_ns += c->targets[i].user_ns + c->targets[i].system_ns;
	c->mark.user_ns = tree.user;
	c->mark.system_ns = tree.system;
	c->mark.timed = true;
	c->mark.timed_ns = io_clock_ns(CLOCK_MONOTONIC);
}

/* The clock first: what is stamped before it has been counted by the time the counts are read. */
void account_mark(struct collector *c)
{
	window_clock_end(&c->clock, io_clock_ns(CLOCK_MONOTONIC), io_clock_ns(CLOCK_REALTIME));
	if (!c->mark.timed)
		account_times(c);
	c->mark.timed = false;
	c->mark.set = true;
	c->mark.settled = false;
	c->mark.counts = (struct perf_counts){0};
	if (c->timer)
		c->mark.counts.events[0].lost = timer_lost(c->timer);
	else if (c->perf)
		perf_count(c->perf, &c->mark.counts);
}

/*
 * The clock of a CPU ticks whoever runs: how many ticks a process gets for its
 * time is chance, by three standard deviations of a Poisson process at most;
 * and each CPU has begun a period.
 */
static uint64_t sampling_noise(const struct collector *c)
{
	uint64_t samples = c->events[0].now.sampled / c->period, root = 0, bit;

	for (bit = UINT64_C(1) << 31; bit; bit >>= 1)
		if ((root + bit) * (root + bit) <= samples)
			root += bit;
	return c->period * perf_cpus(c->perf) + 3 * root * c->period;
}

/* Of the samples that CPUs lost, others' are as many as of those that they took. */
static double own_share(const struct collector *c)
{
	double own = (double)c->events[0].now.samples;

	return c->foreign ? own / (own + (double)c->foreign) : 1;
}

/* Some threads of the targets have no events: their time is known from the process's. */
static bool partial(const struct collector *c)
{
	return !c->attach.whole_cpus && c->attach.threads < c->attach.threads_all;
}

/* Split what CPU time is missing since the last window into lost, not permitted and not sampled. */
static int explain(struct collector *c)
{
	uint64_t total, missing, lost, lost_ns, denied = 0, tree = c->mark.user_ns + c->mark.system_ns;
	struct event_account *clock = &c->events[0].now;
	int err;

	if (c->mark.counts.cpu_time > c->now.event)
		c->now.event = c->mark.counts.cpu_time;
	if (!c->plan.events[0].event->cpu_time)
		return 0;
	lost = minus(account_lost(c, 0), clock->lost_samples);
	lost_ns = (uint64_t)((double)(lost * c->period) * own_share(c));
	err = account_synthetic(c, 0, "[lost]", lost, lost_ns);
	clock->lost_samples += lost;
	clock->lost += lost_ns;
	/* A task's events end before it frees its memory, which for short-lived tasks is a good part of their
	 * time. */
	total = (c->attached && c->perf && !partial(c)) || tree < c->now.event ? c->now.event : tree;
	missing = minus(total, clock->sampled + clock->lost + c->now.denied + clock->unsampled);
	missing = minus(missing,
			c->attach.whole_cpus ? sampling_noise(c) : account_not_yet(c, govern_period(c)));
	if (!c->ladder.kernel && c->perf) /* others count it, at the call that entered the kernel */
		denied = minus(c->mark.system_ns, c->now.denied);
	if (denied > missing)
		denied = missing;
	missing -= denied;
	c->now.denied += denied;
	clock->unsampled += missing;
	if (!err)
		err = account_synthetic(c, 0, "[kernel, not permitted]", 0, denied);
	if (!err)
		err = account_synthetic(c, 0, "[not sampled]", 0, missing);
	return err;
}

static void set_time_quality(const struct collector *c, struct profile_quality *q)
{
	const struct event_account *now = &c->events[0].now, *begin = &c->events[0].begin;

	q->event_cpu_ns = c->now.event - c->begin.event;
	q->rusage_cpu_ns = c->now.rusage - c->begin.rusage;
	if (!c->plan.n || !c->plan.events[0].event->cpu_time)
		return; /* nothing of it was to be sampled */
	q->sampled_cpu_ns = now->sampled - begin->sampled;
	q->lost_cpu_ns = now->lost - begin->lost;
	q->unsampled_ns = now->unsampled - begin->unsampled;
	q->kernel_denied_ns = c->now.denied - c->begin.denied;
}

/* What the targets started may have ended unseen: it is counted by its samples. */
static void count_whole_cpus(struct collector *c)
{
	struct perf_event_counts *first = &c->mark.counts.events[0];

	c->mark.counts.cpu_time = c->mark.targets_ns + c->sampled_others;
	if (!c->plan.events[0].event->cpu_time)
		return;
	first->counted = true;
	first->value = first->enabled = first->running = c->mark.counts.cpu_time;
}

int account_window(struct collector *c)
{
	struct profile_quality *q = &c->profile.quality;
	struct tracer_stats traced;
	uint32_t i;
	int err;

	if (!c->mark.set)
		account_mark(c);
	if (c->attach.whole_cpus)
		count_whole_cpus(c);
	err = explain(c);
	for (i = 0; i < c->plan.n && !err; i++)
		err = account_event(c, i);
	q->lost = 0;
	for (i = 0; i < c->plan.n; i++)
		q->lost += c->events[i].now.lost_samples - c->events[i].begin.lost_samples;
	account_counters(c);
	if (c->mark.user_ns + c->mark.system_ns > c->now.rusage)
		c->now.rusage = c->mark.user_ns + c->mark.system_ns;
	set_time_quality(c, q);
	q->lost_sideband = c->side_band_lost;
	q->throttled = c->throttled;
	q->malformed = malformed(c) - c->malformed_before;
	q->stack_p995 = stack_p995(c);
	q->own_cpu_ns = io_clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	if (collector_tracer(c, &traced))
		q->own_cpu_ns += traced.cpu_ns;
	q->own_rss_kb = resident_kb();
	govern_window(c, q);
	q->attach = c->attach;
	q->foreign = c->foreign;
	procs_seen(c->procs, &q->processes, &q->threads, false);
	c->profile.start_ns = c->clock.start_real;
	c->profile.end_ns = c->clock.end_real;
	c->profile.duration_ns = c->clock.end_mono - c->clock.start_mono;
	return err;
}

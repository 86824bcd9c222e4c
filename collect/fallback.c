/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fallback.c - a capture by timers in the program (timer.h), or by a tracer
 * outside of it (tracer.h), instead of perf events.
 *
 * No record tells of exits: processes are looked at now and then. Mappings are
 * read when a sample needs them (sample.c).
 */
#include "collect/collector_private.h"

#include "base/io.h"
#include "base/log.h"

#include <errno.h>
#include <sys/epoll.h>

#define PRUNE_NS       1000000000u
#define PRUNES_THREADS 10 /* each so many, the threads are looked at too */

static void only_time(struct collector *c, const char *why)
{
	if (!c->plan.n)
		event_plan_make(&c->plan, c->opt.events, c->opt.frequency, c->opt.user_only);
	event_plan_only_time(&c->plan, c->opt.frequency, why);
}

static int begin(struct collector *c)
{
	struct epoll_event ev = {.events = EPOLLIN};
	struct order_source *sources;
	uint32_t n;
	int err;

	only_time(c, "timers in the program know CPU time only");
	err = timer_begin(c->opt.timer, c->plan.events[0].period, c->opt.stack_size);
	if (err)
		return err;
	collector_set_types(c);
	c->timer = c->opt.timer;
	ladder_timer(&c->ladder, c->opt.timer_only);
	sources = timer_sources(c->timer, &n);
	err = order_new(&c->order, sources, n);
	if (!err && epoll_ctl(c->epfd, EPOLL_CTL_ADD, timer_wake_fd(c->timer), &ev))
		err = -errno;
	return err;
}

int fallback_launch(struct collector *c, pid_t pid)
{
	int err = begin(c);

	if (!err)
		log_debug("timers in pid %d, %u bytes of stack a sample", (int)pid,
			  timer_stack_size(c->timer));
	return err;
}

int collector_resume(struct collector *c, const pid_t *pids, uint32_t n)
{
	uint32_t i;
	int err = begin(c);

	for (i = 0; i < n && !err; i++)
		if (procs_scan(c->procs, pids[i]) == -ENOMEM)
			err = -ENOMEM;
	if (err)
		return err;
	account_begin(c);
	/* What they used before was the business of the collector before this one. */
	account_mark(c);
	c->now.rusage = c->mark.user_ns + c->mark.system_ns;
	c->events[0].now.unsampled = c->now.rusage;
	c->events[0].now.lost_samples = account_lost(c, 0);
	collector_unmark(c);
	account_begin(c);
	return 0;
}

int fallback_trace(struct collector *c, const pid_t *pids, uint32_t n)
{
	const struct tracer_options opt = {c->opt.frequency, c->opt.stack_size};
	struct epoll_event ev = {.events = EPOLLIN};
	struct order_source *sources;
	int err = tracer_new(&c->tracer, &opt, pids, n);

	ladder_trace(&c->ladder);
	if (err)
		return err;
	only_time(c, "a tracer knows CPU time only");
	collector_set_types(c);
	sources = tracer_sources(c->tracer, &n);
	err = order_new(&c->order, sources, n);
	if (!err && epoll_ctl(c->epfd, EPOLL_CTL_ADD, tracer_wake_fd(c->tracer), &ev))
		err = -errno;
	return err;
}

/* A program of ours, and yet it may be refused: by a security module, or to a sandbox. */
int fallback_trace_launched(struct collector *c, pid_t pid)
{
	pid_t by;
	int err = tracer_check(pid, &by);

	if (err)
		ladder_trace_refused(&c->ladder, err, pid, by);
	return err ? err : fallback_trace(c, &pid, 1);
}

bool collector_tracer(const struct collector *c, struct tracer_stats *out)
{
	if (!c->tracer)
		return false;
	tracer_stats(c->tracer, out);
	return true;
}

struct order_source *fallback_sources(struct collector *c, uint32_t *n)
{
	return c->timer ? timer_sources(c->timer, n) : tracer_sources(c->tracer, n);
}

static void look_at_timers(struct collector *c)
{
	timer_look(c->timer);
	if (c->unarmed_told || !timer_unarmed(c->timer))
		return;
	c->unarmed_told = true;
	log_warn("some threads have no timer and are not sampled: this user has too many signals queued, or "
		 "may have "
		 "no timers\n  fix: raise the limit of pending signals (ulimit -i)");
}

void fallback_look(struct collector *c)
{
	uint64_t now = io_clock_ns(CLOCK_MONOTONIC);
	uint32_t i;

	if (c->timer)
		look_at_timers(c);
	else if (tracer_look(c->tracer))
		log_warn("the process that interrupts threads has died: no more samples are taken");
	/* Once they are reaped, what was read last is all there is. */
	for (i = 0; c->tracer && i < c->n_targets; i++)
		if (!c->targets[i].ended)
			attach_read_times(&c->targets[i]);
	if (now < c->next_prune_ns)
		return;
	c->next_prune_ns = now + PRUNE_NS;
	procs_prune(c->procs, ++c->prunes % PRUNES_THREADS == 0);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* collector.c - life of a capture: open, drain, close a window, begin the next. */
#include "collect/collector_private.h"

#include "base/io.h"
#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#define MODULES_MAX     16384
#define RESCAN_PAUSE_NS 1000000000u
#define RECORD_HEAD     512 /* bytes of a sample before its stack copy: registers, some callchain */

static int init_profile(struct collector *c)
{
	struct profile *p = &c->profile;
	struct module *kernel;

	p->max_events = c->opt.timeline ? PROFILE_MAX_EVENTS : 0;
	c->loc_truncated = profile_synthetic(p, "[truncated]");
	c->loc_incomplete = profile_synthetic(p, "[incomplete]");
	c->loc_unknown_mapping = profile_synthetic(p, "[unknown mapping]");
	c->loc_unwind_failure = profile_synthetic(p, "[unwind failure]");
	kernel = modules_kernel(c->modules);
	if (!kernel)
		return -ENOMEM;
	c->kernel_mapping = profile_mapping(p, kernel->id, UINT64_C(1) << 63, UINT64_MAX, UINT64_C(1) << 63);
	return 0;
}

int collector_new(struct collector **out, const struct collector_options *opt)
{
	struct collector *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return -ENOMEM;
	c->opt = *opt;
	c->generation = 1;
	c->max_frames = opt->max_frames ? opt->max_frames : PROFILE_MAX_FRAMES;
	c->epfd = epoll_create1(EPOLL_CLOEXEC);
	err = c->epfd < 0 ? -errno : profile_init(&c->profile);
	if (err)
		goto fail;
	/* Room for the marks of a gap and of the end beside the frames. */
	c->locations = calloc(c->max_frames + 2, sizeof(*c->locations));
	c->frames = calloc(c->max_frames, sizeof(*c->frames));
	err = c->locations && c->frames ? 0 : -ENOMEM;
	if (!err)
		err = modules_new(&c->modules, &c->profile,
				  opt->max_modules ? opt->max_modules : MODULES_MAX);
	if (!err)
		err = procs_new(&c->procs, c->modules, &c->profile);
	if (!err)
		err = unwinder_new(&c->unwinder, c->modules);
	if (!err)
		err = init_profile(c);
	if (err)
		goto fail;
	*out = c;
	return 0;
fail:
	collector_free(c);
	return err;
}

void collector_free(struct collector *c)
{
	uint32_t i;

	if (!c)
		return;
	for (i = 0; i < c->n_targets; i++)
		if (c->targets[i].pidfd >= 0)
			close(c->targets[i].pidfd);
	order_free(c->order);
	tracer_free(c->tracer);
	perf_free(c->perf);
	unwinder_free(c->unwinder);
	procs_free(c->procs);
	modules_free(c->modules);
	profile_release(&c->profile);
	if (c->epfd >= 0)
		close(c->epfd);
	free(c->targets);
	free(c->locations);
	free(c->frames);
	free(c->fds);
	free(c);
}

/* Of a clock that has no period of its own; the plan sees to the rates of counters. 0: none is asked for. */
static uint32_t clock_rate(const struct collector *c)
{
	const struct event *ev = c->plan.events[0].event;
	uint64_t rate = ev->freq ? ev->freq : c->opt.frequency;

	return ev->cpu_time && !ev->period && rate < UINT32_MAX ? (uint32_t)rate : 0;
}

/* The kernel takes rates up to a limit, which it lowers by itself when interrupts take it too long. */
static void settle_rate(struct collector *c, uint32_t wanted)
{
	if (c->ladder.rate >= wanted)
		return;
	log_warn("%u samples a second, not %u: kernel.perf_event_max_sample_rate allows no more\n"
		 "  fix: sudo sysctl kernel.perf_event_max_sample_rate=100000",
		 c->ladder.rate, wanted);
	c->plan.events[0].period = 1000000000u / c->ladder.rate;
}

int collector_open(struct collector *c)
{
	struct perf_options opt = {.plan = &c->plan, .stack_size = c->opt.stack_size};
	struct rlimit rl;
	uint32_t rate;
	int err;

	event_plan_make(&c->plan, c->opt.events, c->opt.frequency, c->opt.user_only);
	if (c->many_threads || sysconf(_SC_NPROCESSORS_ONLN) > PERF_SIZES_CPUS_MAX)
		event_plan_drop_optional(&c->plan);
	rate = clock_rate(c);
	err = ladder_probe(&c->ladder, c->plan.events[0].event, rate, c->opt.user_only);
	if (err)
		return err;
	settle_rate(c, rate);
	/* Ours only: the program was forked before and keeps its limit. */
	if (!getrlimit(RLIMIT_NOFILE, &rl) && rl.rlim_cur < rl.rlim_max) {
		rl.rlim_cur = rl.rlim_max;
		setrlimit(RLIMIT_NOFILE, &rl);
	}
	govern_plan(c, &opt);
	c->plan.events[0].kernel_frames = c->ladder.kernel;
	c->plan.events[0].kernel = c->ladder.kernel || ladder_kernel_only(c->plan.events[0].event);
	opt.count_lost = c->ladder.count_lost;
	opt.user_chain = c->ladder.user_chain;
	opt.max_chain = c->ladder.max_chain;
	return perf_new(&c->perf, &opt);
}

int collector_poll_rings(struct collector *c)
{
	struct order_source *sources;
	uint32_t i, n;
	const int *fds;
	int err;

	collector_set_types(c);
	sources = perf_sources(c->perf, &n);
	err = order_new(&c->order, sources, n);
	if (err)
		return err;
	fds = perf_wake_fds(c->perf, &n);
	for (i = 0; i < n; i++) {
		struct epoll_event ev = {.events = EPOLLIN | EPOLLET};

		if (fds[i] >= 0 && epoll_ctl(c->epfd, EPOLL_CTL_ADD, fds[i], &ev))
			return -errno;
	}
	if (perf_ring_bytes(c->perf) < perf_ring_wanted(c->perf) &&
	    perf_stack_size(c->perf) < PERF_STACK_MAX && !c->opt.stack_size)
		ladder_note(&c->ladder, LADDER_RINGS, -EPERM);
	log_debug("rings of %zu KB on %u CPUs, %u bytes of stack a sample, %s",
		  perf_ring_bytes(c->perf) / 1024, perf_cpus(c->perf), perf_stack_size(c->perf),
		  ladder_mode(&c->ladder));
	return 0;
}

/* Everything of perf events, or nothing. */
static int launch_perf(struct collector *c, pid_t pid)
{
	int err = collector_open(c);

	if (!err) {
		err = perf_open_task(c->perf, pid, true);
		if (err)
			ladder_refused(&c->ladder, err, "opening events on the program");
	}
	if (!err)
		return collector_poll_rings(c);
	perf_free(c->perf);
	c->perf = NULL;
	return err;
}

int collector_launch(struct collector *c, pid_t pid)
{
	int err = c->opt.timer_only || c->opt.trace ? -EPERM : launch_perf(c, pid);

	if (c->opt.trace)
		err = fallback_trace_launched(c, pid);
	else if (err && !c->perf && c->opt.timer)
		err = fallback_launch(c, pid);
	if (!err)
		err = procs_adopt(c->procs, pid);
	if (!err)
		account_begin(c);
	return err;
}

const struct ladder *collector_ladder(const struct collector *c)
{
	return &c->ladder;
}

const struct event_plan *collector_plan(const struct collector *c)
{
	return &c->plan;
}

uint32_t collector_stack_size(const struct collector *c)
{
	if (c->timer)
		return timer_stack_size(c->timer);
	if (c->tracer)
		return tracer_stack_size(c->tracer);
	return c->perf ? perf_stack_size(c->perf) : 0;
}

int collector_epoll_fd(const struct collector *c)
{
	return c->epfd;
}

static void note_throttled(struct collector *c, uint64_t id)
{
	uint32_t i = c->perf ? perf_id_event(c->perf, id) : 0;

	c->throttled++;
	if (i < c->plan.n)
		c->events[i].now.throttled++;
}

/* Events of whole CPUs tell of all processes: of ours, and what they start. */
static bool of_targets(struct collector *c, const struct record *rec)
{
	if (!c->perf || !perf_whole_cpus(c->perf) || rec->kind == RECORD_LOST || rec->kind == RECORD_THROTTLE)
		return true;
	/* Their CPU time was read already: the two are compared. */
	if (c->stopped && rec->kind == RECORD_SAMPLE && rec->time > c->mark.timed_ns)
		return false;
	return procs_find(c->procs, (pid_t)rec->pid) ||
	       (rec->kind == RECORD_FORK && procs_find(c->procs, (pid_t)rec->u.task.ppid));
}

static int take(struct collector *c, const struct record *rec, const struct order_source *from, bool *rescan)
{
	if (rec->kind == RECORD_SAMPLE) {
		c->govern.interrupts++;
		c->govern.stack_bytes += rec->u.sample.stack_size;
	}
	if (!of_targets(c, rec)) {
		c->foreign += rec->kind == RECORD_SAMPLE;
		return 0;
	}
	switch (rec->kind) {
	case RECORD_SAMPLE:
		return sample_add(c, rec);
	case RECORD_LOST:
		if (from->side_band) {
			c->side_band_lost += rec->u.lost.lost;
			*rescan = true;
		} else {
			c->sample_records_lost += rec->u.lost.lost;
		}
		return 0;
	case RECORD_THROTTLE:
		note_throttled(c, rec->id);
		return 0;
	case RECORD_EXIT:
		if (c->attached && c->perf)
			perf_task_ended(c->perf, (pid_t)rec->tid);
		return procs_record(c->procs, rec);
	default:
		return procs_record(c->procs, rec);
	}
}

/* Records older than this are taken in now. */
static uint64_t drain_until(struct collector *c, bool final)
{
	uint64_t now = io_clock_ns(CLOCK_MONOTONIC), until = now - ORDER_GRACE_NS;

	if (final)
		return UINT64_MAX;
	if (!c->mark.set) {
		window_clock_look(&c->clock, now, io_clock_ns(CLOCK_REALTIME));
		return until;
	}
	if (until < c->clock.end_mono)
		return until;
	c->mark.settled = true; /* after this round */
	return c->clock.end_mono;
}

int collector_drain(struct collector *c, bool final)
{
	struct order_source *from;
	struct epoll_event ev[16];
	bool rescan = false;
	struct record rec;
	int err = 0;

	if (!c->order)
		return 0;
	/* Edges are taken before the rings are marked, so none is missed. */
	while (epoll_wait(c->epfd, ev, 16, 0) == 16)
		;
	jits_poll(procs_jits(c->procs));
	if (fallback_used(c))
		fallback_look(c);
	order_begin(c->order, drain_until(c, final));
	order_expect(c->order, RECORD_HEAD + unwinder_ahead(c->unwinder));
	while (!err && order_next(c->order, &rec, &from))
		err = take(c, &rec, from, &rescan);
	govern_look(c);
	c->rescan_wanted |= rescan;
	/* Reading many processes' maps takes long, and meanwhile more may be lost: not in every round. */
	if (c->rescan_wanted && (final || io_clock_ns(CLOCK_MONOTONIC) >= c->next_rescan_ns)) {
		procs_rescan(c->procs);
		c->rescan_wanted = false;
		c->next_rescan_ns = io_clock_ns(CLOCK_MONOTONIC) + RESCAN_PAUSE_NS;
	}
	return err;
}

bool collector_targets_ended(struct collector *c)
{
	uint32_t i;

	if (fallback_used(c) && !c->attached)
		return !procs_threads(c->procs);
	if (!c->attached)
		return perf_all_ended(c->perf);
	attach_check_targets(c);
	for (i = 0; i < c->n_targets; i++)
		if (!c->targets[i].ended)
			return false;
	return true;
}

void collector_mark(struct collector *c)
{
	account_mark(c);
}

bool collector_marked(const struct collector *c)
{
	return c->mark.set;
}

void collector_unmark(struct collector *c)
{
	c->mark = (struct mark){0};
}

bool collector_settled(const struct collector *c)
{
	return c->mark.settled;
}

/* Disabling the events of thousands of threads takes its time, in which they go on. */
static void stop_perf(struct collector *c)
{
	if (c->attached)
		account_times(c);
	perf_disable(c->perf);
}

void collector_stop(struct collector *c)
{
	if (c->timer)
		timer_end(c->timer);
	else if (c->tracer)
		tracer_end(c->tracer);
	else if (c->perf)
		stop_perf(c);
	else
		return;
	c->stopped = true;
	account_mark(c);
}

void collector_set_rusage(struct collector *c, uint64_t user_ns, uint64_t system_ns)
{
	c->reaped_user_ns = user_ns;
	c->reaped_system_ns = system_ns;
}

struct profile *collector_window(struct collector *c)
{
	jits_window(procs_jits(c->procs));
	if (account_window(c))
		log_warn("out of memory: the window's totals are incomplete");
	return &c->profile;
}

void collector_next(struct collector *c, bool keep)
{
	uint32_t processes, threads;

	c->profile.seq++;
	c->mark = (struct mark){0};
	jits_next(procs_jits(c->procs));
	if (keep)
		return;
	profile_reset(&c->profile);
	c->generation++;
	c->side_band_lost = c->throttled = 0;
	procs_seen(c->procs, &processes, &threads, true);
	account_next(c);
}

uint64_t collector_window_seq(const struct collector *c)
{
	return c->profile.seq;
}

void collector_start_at(struct collector *c, uint64_t seq)
{
	c->profile.seq = seq;
}

struct pid_list {
	pid_t *pids;
	uint32_t n, max;
};

static void list_process(struct proc *p, void *arg)
{
	struct pid_list *l = arg;

	if (l->n < l->max)
		l->pids[l->n++] = p->pid;
}

uint32_t collector_processes(struct collector *c, pid_t *pids, uint32_t max)
{
	struct pid_list l = {pids, 0, max};

	procs_each(c->procs, list_process, &l);
	return l.n;
}

const int *collector_fds(struct collector *c, uint32_t *n)
{
	uint32_t i, n_perf = 0;
	const int *perf = c->perf ? perf_fds(c->perf, &n_perf) : NULL;
	int *fds = realloc(c->fds, (n_perf + c->n_targets + 5) * sizeof(*fds));

	*n = 0;
	if (!fds)
		return c->fds;
	c->fds = fds;
	for (i = 0; i < n_perf; i++)
		c->fds[(*n)++] = perf[i];
	for (i = 0; i < c->n_targets; i++)
		if (c->targets[i].pidfd >= 0)
			c->fds[(*n)++] = c->targets[i].pidfd;
	if (c->timer)
		*n += timer_fds(c->timer, c->fds + *n);
	if (c->tracer)
		*n += tracer_fds(c->tracer, c->fds + *n);
	c->fds[(*n)++] = c->epfd;
	return c->fds;
}

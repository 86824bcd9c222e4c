/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attach.c - events on the threads of running processes, without stopping them:
 * on every one; or where those are too many (attach_plan.h), on the CPUs; or if
 * that is not permitted, on the busiest threads.
 *
 * Threads started while we open events on the others are found by looking
 * again until a look finds nothing new. One that a FORK record tells of was
 * born of a thread already sampled and has inherited its events; any other
 * gets its own. Where both happened after all, sample.c closes the surplus.
 */
#include "collect/collector_private.h"

#include "base/io.h"
#include "base/log.h"
#include "collect/attach_busy.h"
#include "collect/attach_plan.h"
#include "collect/procfs.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOOKS_MAX   32
#define THREADS_MAX PROCS_MAX
#define FEW_THREADS 64
#define DRAIN_EACH  128 /* threads */
#define OPEN_TRIES  9
#define OPEN_NS_MIN 10000 /* where a try is not interrupted; all of it takes more */

struct tids {
	pid_t *tid;
	uint32_t n, cap;
	struct idmap map;
};

static bool same_tid(const void *owner, uint32_t id, const void *key)
{
	return ((const struct tids *)owner)->tid[id] == *(const pid_t *)key;
}

static uint64_t rehash_tid(const void *owner, uint32_t id)
{
	return hash_u64((uint64_t)((const struct tids *)owner)->tid[id]);
}

/* 1: new, 0: known, -errno. */
static int tids_add(struct tids *s, pid_t tid)
{
	uint64_t hash = hash_u64((uint64_t)tid);

	if (idmap_find(&s->map, hash, same_tid, s, &tid) != IDMAP_NONE)
		return 0;
	if (s->n >= THREADS_MAX)
		return -E2BIG;
	if (s->n == s->cap) {
		uint32_t cap = s->cap ? s->cap * 2 : 64;
		pid_t *p = realloc(s->tid, cap * sizeof(*p));

		if (!p)
			return -ENOMEM;
		s->tid = p;
		s->cap = cap;
	}
	s->tid[s->n] = tid;
	if (idmap_add(&s->map, hash, s->n, rehash_tid, s))
		return -ENOMEM;
	s->n++;
	return 1;
}

static int list_task(pid_t tid, void *arg)
{
	int got = tids_add(arg, tid);

	return got < 0 ? got : 0;
}

struct attaching {
	struct collector *c;
	struct tids seen;
	struct busy_list busy;
	struct attach_plan plan;
	uint32_t opened, refused;
	int err; /* why the CPUs' events were refused */
};

/* The first events are open, and count. */
static int begin(struct collector *c)
{
	int err = collector_poll_rings(c);

	if (!err)
		account_begin(c);
	return err;
}

static int open_thread(struct attaching *a, pid_t tid, bool first_look)
{
	struct thread *t = first_look ? NULL : procs_find_thread(a->c->procs, tid);
	int err;

	if (t && t->forked)
		return 0;
	if (a->refused || (a->plan.limit && a->opened >= a->plan.threads)) {
		a->refused++;
		return 0;
	}
	err = perf_open_task(a->c->perf, tid, false);
	if (err == -ESRCH)
		return 0;
	if (!err && !a->opened++)
		err = begin(a->c);
	/* The first are sampled already while the others are opened. */
	else if (!err && !(a->opened % DRAIN_EACH))
		err = collector_drain(a->c, false);
	if ((err == -EMFILE || err == -ENFILE || err == -ENOMEM) && a->opened) {
		a->refused++; /* go on with the threads that fit, and say so */
		return 0;
	}
	return err;
}

/* One look at @pid's threads; *@fresh is how many had not been seen before. */
static int look(struct attaching *a, pid_t pid, bool first_look, uint32_t *fresh)
{
	uint32_t i = a->seen.n;
	int err = procfs_tasks(pid, list_task, &a->seen);

	*fresh = a->seen.n - i;
	if (!err && *fresh && !first_look)
		err = collector_drain(a->c, true); /* FORK records of threads born meanwhile */
	for (; !err && i < a->seen.n; i++)
		err = open_thread(a, a->seen.tid[i], first_look);
	return err;
}

static int attach_threads(struct attaching *a, pid_t pid)
{
	uint32_t fresh = 1, looks;
	int err = 0;

	for (looks = 0; !err && fresh && looks < LOOKS_MAX; looks++)
		err = look(a, pid, !looks, &fresh);
	return err ? err : procs_scan(a->c->procs, pid);
}

static int add_target(struct collector *c, pid_t pid)
{
	struct epoll_event ev = {.events = EPOLLIN};
	struct target *t = &c->targets[c->n_targets];
	struct procfs_stat st;
	int err = procfs_stat(pid, &st);

	if (err)
		return err;
	if (procfs_tgid(pid) != pid)
		return -ESRCH; /* a thread's id */
	*t = (struct target){.pid = pid,
			     .start_ticks = st.start_ticks,
			     .base_user_ns = st.user_ns,
			     .base_system_ns = st.system_ns};
	t->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	c->n_targets++;
	if (t->pidfd >= 0 && epoll_ctl(c->epfd, EPOLL_CTL_ADD, t->pidfd, &ev))
		return -errno;
	return 0;
}

static int count_few(pid_t tid, void *arg)
{
	uint32_t *n = arg;

	(void)tid;
	return ++*n > FEW_THREADS ? -E2BIG : 0;
}

static bool many_threads(const pid_t *pids, uint32_t n)
{
	uint32_t i, threads = 0;

	for (i = 0; i < n && threads <= FEW_THREADS; i++)
		(void)procfs_tasks(pids[i], count_few, &threads);
	return threads > FEW_THREADS;
}

/* By a tracer, which finds the threads itself: all that has to be known is that it may. */
static int attach_traced(struct collector *c, const pid_t *pids, uint32_t n, pid_t *bad)
{
	pid_t by, *fit = calloc(n ? n : 1, sizeof(*fit));
	uint32_t i, n_fit = 0;
	int err = 0;

	c->targets = calloc(n ? n : 1, sizeof(*c->targets));
	if (!c->targets || !fit)
		err = -ENOMEM;
	for (i = 0; i < n && !err; i++) {
		err = add_target(c, pids[i]);
		if (err == -ESRCH)
			*bad = pids[i];
		if (!err) {
			err = tracer_check(pids[i], &by);
			if (err && err != -ESRCH)
				ladder_trace_refused(&c->ladder, err, pids[i], by);
		}
		if (!err)
			fit[n_fit++] = pids[i];
		else if (i && c->opt.skip_gone && err == -ESRCH)
			err = *bad = 0;
	}
	if (!err)
		err = fallback_trace(c, fit, n_fit);
	for (i = 0; i < n_fit && !err; i++)
		if (procs_scan(c->procs, fit[i]) == -ENOMEM)
			err = -ENOMEM;
	free(fit);
	if (!err)
		account_begin(c);
	return err;
}

/* ---- how ---- */

static int count_task(pid_t tid, void *arg)
{
	(void)tid;
	return ++*(uint32_t *)arg < THREADS_MAX ? 0 : -E2BIG;
}

static int count_fd(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return n;
}

static uint64_t fds_free(void)
{
	uint64_t used = (uint64_t)count_fd();
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) || rl.rlim_cur == RLIM_INFINITY)
		return UINT32_MAX;
	return rl.rlim_cur > used ? rl.rlim_cur - used : 0;
}

static int by_value(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* What opening an event on a thread takes: the median of a few tries. */
static uint64_t open_ns(const struct collector *c, pid_t pid)
{
	struct perf_event_attr attr = c->plan.events[0].event->attr;
	uint64_t begin, ns[OPEN_TRIES];
	int fd, i;

	attr.disabled = 1;
	attr.exclude_kernel = attr.exclude_hv = 1;
	for (i = 0; i < OPEN_TRIES; i++) {
		begin = io_clock_ns(CLOCK_MONOTONIC);
		fd = perf_open(&attr, pid, 0, -1);
		ns[i] = io_clock_ns(CLOCK_MONOTONIC) - begin;
		if (fd < 0)
			return 0; /* opening its threads will tell why */
		close(fd);
	}
	qsort(ns, OPEN_TRIES, sizeof(*ns), by_value);
	return ns[OPEN_TRIES / 2] > OPEN_NS_MIN ? ns[OPEN_TRIES / 2] : OPEN_NS_MIN;
}

static struct attach_plan make_plan(struct collector *c, const pid_t *pids, uint32_t n)
{
	struct attach_need need = {
		.fds = perf_task_fds(c->perf, false),
		.fds_full = perf_task_fds(c->perf, true),
		.fds_free = fds_free(),
		.open_ns = open_ns(c, n ? pids[0] : 0),
	};
	struct attach_plan plan;
	uint32_t i;

	for (i = 0; i < n; i++)
		(void)procfs_tasks(pids[i], count_task, &need.threads);
	plan = attach_plan(&need);
	log_debug("attach: %u threads, descriptors %u for each, %llu free, %llu ns to open one: %s",
		  need.threads, need.fds, (unsigned long long)need.fds_free, (unsigned long long)need.open_ns,
		  plan.limit == ATTACH_FITS  ? "all threads"
		  : plan.limit == ATTACH_FDS ? "too many descriptors"
					     : "too slow");
	if (!plan.full)
		perf_spare(c->perf);
	c->attach.threads_all = need.threads;
	return plan;
}

static int list_busy(struct attaching *a, pid_t pid)
{
	return busy_add(&a->busy, pid);
}

static int scan(struct attaching *a, pid_t pid)
{
	return procs_scan(a->c->procs, pid);
}

static int add_only(struct attaching *a, pid_t pid)
{
	return add_target(a->c, pid);
}

static int add_and_attach(struct attaching *a, pid_t pid)
{
	int err = add_target(a->c, pid);

	return err ? err : attach_threads(a, pid);
}

/* @how with each process; one that is gone or not ours ends it with *@bad, unless it may be skipped. */
static int each(struct attaching *a, int (*how)(struct attaching *, pid_t), const pid_t *pids, uint32_t n,
		pid_t *bad)
{
	uint32_t i;
	int err = 0;

	for (i = 0; i < n && !err; i++) {
		err = how(a, pids[i]);
		if (err != -ESRCH && err != -EPERM && err != -EACCES)
			continue;
		if (i && a->c->opt.skip_gone)
			err = 0;
		else
			*bad = pids[i];
	}
	return err;
}

/* What was used while we looked around is not in the events. */
static void count_from_now(struct collector *c)
{
	uint32_t i;

	for (i = 0; i < c->n_targets; i++) {
		struct target *t = &c->targets[i];
		struct procfs_stat st;

		if (!procfs_stat(t->pid, &st) && st.start_ticks == t->start_ticks) {
			t->base_user_ns = st.user_ns;
			t->base_system_ns = st.system_ns;
			if (procfs_cpu(t->pid, &t->base_cpu_ns))
				t->base_cpu_ns = 0;
		}
	}
}

/* The busiest threads, as many as the plan allows. */
static int attach_busiest(struct attaching *a, const pid_t *pids, uint32_t n, pid_t *bad)
{
	const char *limit = a->plan.limit == ATTACH_FDS ? "the limit of open files allows no more (ulimit -n)"
							: "more would take longer than a second";
	int err = each(a, list_busy, pids, n, bad);
	uint32_t i;

	if (err)
		return err;
	busy_sort(&a->busy);
	count_from_now(a->c);
	for (i = 0; i < a->busy.n && !err; i++) {
		err = open_thread(a, a->busy.threads[i].tid, true);
		if (err == -EPERM || err == -EACCES)
			*bad = a->busy.threads[i].pid;
	}
	if (!err && a->opened)
		err = each(a, scan, pids, n, bad);
	if (err || !a->opened)
		return err;
	a->c->attach.share_ppm = busy_share(&a->busy, a->opened);
	log_warn("sampling the %u busiest of %u threads, which use %.1f %% of their CPU time: %s\n"
		 "  all are sampled by root, or with CAP_PERFMON",
		 a->opened, a->busy.n, a->c->attach.share_ppm / 1e4, limit);
	a->refused = 0;
	return 0;
}

/* Asked of the kernel itself, before anything is read for it. */
static int may_watch_cpus(void)
{
	struct perf_event_attr attr = event_default()->attr;
	int fd;

	attr.disabled = 1;
	fd = perf_open(&attr, -1, 0, -1);
	if (fd >= 0)
		close(fd);
	return fd < 0 ? fd : 0;
}

/* What was mapped since it was scanned; reading the names of thousands of threads would let rings overflow.
 */
static int scan_maps(struct attaching *a, pid_t pid)
{
	struct proc *p = procs_find(a->c->procs, pid);

	if (p)
		(void)procs_refresh(a->c->procs, p, io_clock_ns(CLOCK_MONOTONIC));
	return 0;
}

static int attach_cpus(struct attaching *a, const pid_t *pids, uint32_t n, pid_t *bad)
{
	int err;

	a->err = may_watch_cpus();
	if (a->err)
		return a->err;
	err = each(a, scan, pids, n, bad);
	if (err)
		return err;
	count_from_now(a->c);
	err = a->err = perf_open_cpus(a->c->perf);
	if (err)
		return err;
	a->c->attach.whole_cpus = true;
	a->opened = 1;
	err = begin(a->c);
	return err ? err : each(a, scan_maps, pids, n, bad);
}

/* Too many threads for events on each. */
static int attach_many(struct attaching *a, const pid_t *pids, uint32_t n, pid_t *bad)
{
	int err = each(a, add_only, pids, n, bad);

	if (err)
		return err;
	err = attach_cpus(a, pids, n, bad);
	if (a->err)
		err = attach_busiest(a, pids, n, bad);
	else if (!err)
		log_debug("attach: events of %u CPUs for %u threads", perf_cpus(a->c->perf),
			  a->c->attach.threads_all);
	return err;
}

int collector_attach(struct collector *c, const pid_t *pids, uint32_t n, pid_t *bad)
{
	uint64_t asked_ns = io_clock_ns(CLOCK_MONOTONIC);
	struct attaching a = {.c = c};
	int err;

	*bad = 0;
	c->attached = true;
	if (c->opt.trace)
		return attach_traced(c, pids, n, bad);
	c->many_threads = many_threads(pids, n);
	err = collector_open(c);
	if (err)
		return err;
	c->targets = calloc(n ? n : 1, sizeof(*c->targets));
	if (!c->targets)
		return -ENOMEM;
	a.plan = make_plan(c, pids, n);
	err = a.plan.limit ? attach_many(&a, pids, n, bad) : each(&a, add_and_attach, pids, n, bad);
	if (!err && !a.opened) {
		err = -ESRCH;
		*bad = n ? pids[0] : 0;
	}
	if (a.refused)
		ladder_note(&c->ladder, LADDER_FILES, -EMFILE);
	if (a.refused)
		log_warn("attached to %u of %u threads: the limit of open files is reached (ulimit -n)",
			 a.opened, a.opened + a.refused);
	c->attach.threads = c->attach.whole_cpus ? 0 : a.opened;
	/* Of those counted first some may have ended, or inherited their events. */
	if (!c->attach.whole_cpus)
		c->attach.threads_all = a.plan.limit ? a.busy.n : a.opened + a.refused;
	free(a.seen.tid);
	idmap_release(&a.seen.map);
	busy_release(&a.busy);
	log_debug("attach: took %.0f ms", (double)(io_clock_ns(CLOCK_MONOTONIC) - asked_ns) / 1e6);
	if (err && !*bad)
		ladder_refused(&c->ladder, err, "opening events on the process");
	return err;
}

/* In clock ticks, brought to the nanosecond where it can be had. */
void attach_read_times(struct target *t)
{
	struct procfs_stat st;
	uint64_t cpu;

	if (procfs_stat(t->pid, &st) || st.start_ticks != t->start_ticks)
		return; /* gone: what was read last stays */
	t->user_ns = st.user_ns > t->base_user_ns ? st.user_ns - t->base_user_ns : 0;
	t->system_ns = st.system_ns > t->base_system_ns ? st.system_ns - t->base_system_ns : 0;
	if (t->base_cpu_ns && !procfs_cpu(t->pid, &cpu) && cpu >= t->base_cpu_ns + t->system_ns)
		t->user_ns = cpu - t->base_cpu_ns - t->system_ns;
}

void attach_check_targets(struct collector *c)
{
	struct procfs_stat st;
	uint32_t i;

	for (i = 0; i < c->n_targets; i++) {
		struct target *t = &c->targets[i];
		struct pollfd pfd = {.fd = t->pidfd, .events = POLLIN};

		if (t->ended)
			continue;
		if (t->pidfd >= 0)
			t->ended = poll(&pfd, 1, 0) == 1;
		else
			t->ended = procfs_stat(t->pid, &st) || st.start_ticks != t->start_ticks;
		if (t->ended)
			attach_read_times(t); /* a zombie still has them */
		if (t->ended && t->pidfd >= 0)
			epoll_ctl(c->epfd, EPOLL_CTL_DEL, t->pidfd, NULL); /* readable for ever */
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attach.c - events on every thread of running processes, without stopping them.
 *
 * Threads started while we open events on the others are found by looking
 * again until a look finds nothing new. One that a FORK record tells of was
 * born of a thread already sampled and has inherited its events; any other
 * gets its own. Where both happened after all, sample.c closes the surplus.
 */
#include "collect/collector_private.h"

#include "base/log.h"
#include "collect/procfs.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOOKS_MAX   32
#define THREADS_MAX PROCS_MAX
#define FEW_THREADS 64

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
	uint32_t opened, refused;
};

static int open_thread(struct attaching *a, pid_t tid, bool first_look)
{
	struct thread *t = first_look ? NULL : procs_find_thread(a->c->procs, tid);
	int err;

	if (t && t->forked)
		return 0;
	if (a->refused) {
		a->refused++;
		return 0;
	}
	err = perf_open_task(a->c->perf, tid, false);
	if (err == -ESRCH)
		return 0;
	if (!err && !a->opened++)
		err = collector_poll_rings(a->c);
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

static int attach_process(struct attaching *a, pid_t pid)
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

int collector_attach(struct collector *c, const pid_t *pids, uint32_t n, pid_t *bad)
{
	struct attaching a = {.c = c};
	uint32_t i;
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
	for (i = 0; i < n && !err; i++) {
		err = add_target(c, pids[i]);
		if (!err)
			err = attach_process(&a, pids[i]);
		if (err != -ESRCH && err != -EPERM && err != -EACCES)
			continue;
		if (i && c->opt.skip_gone)
			err = 0;
		else
			*bad = pids[i];
	}
	if (!err && !a.opened) {
		err = -ESRCH;
		*bad = n ? pids[0] : 0;
	}
	if (a.refused)
		ladder_note(&c->ladder, LADDER_FILES, -EMFILE);
	if (a.refused)
		log_warn("attached to %u of %u threads: the limit of open files is reached (ulimit -n)",
			 a.opened, a.opened + a.refused);
	free(a.seen.tid);
	idmap_release(&a.seen.map);
	if (!err)
		account_begin(c);
	else if (!*bad)
		ladder_refused(&c->ladder, err, "opening events on the process");
	return err;
}

void attach_read_times(struct target *t)
{
	struct procfs_stat st;

	if (procfs_stat(t->pid, &st) || st.start_ticks != t->start_ticks)
		return; /* gone: what was read last stays */
	t->user_ns = st.user_ns > t->base_user_ns ? st.user_ns - t->base_user_ns : 0;
	t->system_ns = st.system_ns > t->base_system_ns ? st.system_ns - t->base_system_ns : 0;
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

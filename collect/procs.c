/* SPDX-License-Identifier: Apache-2.0 */
/* procs.c - two chained hash tables, processes by pid and threads by tid. */
#include "collect/procs_private.h"

#include "base/io.h"
#include "base/log.h"
#include "collect/procfs.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static uint32_t bucket(pid_t id)
{
	return (uint32_t)hash_u64((uint64_t)id) % PROCS_BUCKETS;
}

int procs_new(struct procs **out, struct modules *modules, struct profile *profile)
{
	struct procs *ps = calloc(1, sizeof(*ps));
	int err;

	if (!ps)
		return -ENOMEM;
	ps->modules = modules;
	ps->profile = profile;
	err = jits_new(&ps->jits, profile);
	if (!err)
		err = strtab_put(&profile->strings, "thread id", &ps->key_tid);
	if (!err)
		err = strtab_put(&profile->strings, "thread name", &ps->key_tname);
	if (!err)
		err = strtab_put(&profile->strings, "process_id", &ps->key_pid);
	if (!err)
		err = strtab_put(&profile->strings, "process_name", &ps->key_pname);
	if (err) {
		jits_free(ps->jits);
		free(ps);
		return err;
	}
	*out = ps;
	return 0;
}

void procs_free(struct procs *ps)
{
	uint32_t i;

	if (!ps)
		return;
	for (i = 0; i < PROCS_BUCKETS; i++) {
		struct proc *p, *p_next;
		struct thread *t, *t_next;

		for (p = ps->procs[i]; p; p = p_next) {
			p_next = p->next;
			maps_unref(p->maps);
			free(p);
		}
		for (t = ps->threads[i]; t; t = t_next) {
			t_next = t->next;
			free(t);
		}
	}
	jits_free(ps->jits);
	free(ps);
}

struct proc *procs_find(struct procs *ps, pid_t pid)
{
	struct proc *p = ps->procs[bucket(pid)];

	while (p && p->pid != pid)
		p = p->next;
	return p;
}

struct thread *procs_find_thread(struct procs *ps, pid_t tid)
{
	struct thread *t = ps->threads[bucket(tid)];

	while (t && t->tid != tid)
		t = t->next;
	return t;
}

/* The address space of @pid is gone, and what it made in it. */
static void end_jit(struct procs *ps, pid_t pid)
{
	struct module *anon = modules_retire_anon(ps->modules, pid);

	if (anon)
		jits_ended(ps->jits, anon->jit);
}

static void remove_proc(struct procs *ps, struct proc *p)
{
	struct proc **at = &ps->procs[bucket(p->pid)];

	end_jit(ps, p->pid);
	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	maps_unref(p->maps);
	free(p);
}

/* The last thread takes its process along. */
static void remove_thread(struct procs *ps, struct thread *t)
{
	struct thread **at = &ps->threads[bucket(t->tid)];
	struct proc *p = t->proc;

	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	for (at = &p->threads; *at != t; at = &(*at)->next_in_proc)
		;
	*at = t->next_in_proc;
	free(t);
	ps->n_threads--;
	if (!--p->n_threads)
		remove_proc(ps, p);
}

/* All threads but @keep, which may be NULL: then the process goes as well. */
static void forget_threads(struct procs *ps, struct proc *p, const struct thread *keep)
{
	struct thread *t, *next;
	uint32_t left = p->n_threads;

	for (t = p->threads; t && left; t = next, left--) {
		next = t->next_in_proc; /* the last removal frees p, but then there is no next */
		if (t != keep)
			remove_thread(ps, t);
	}
}

/* Names come from records and /proc, both of which end them within 16 bytes; others are cut. */
static void set_comm(char to[16], const char *from)
{
	snprintf(to, 16, "%s", from);
}

static struct proc *add_proc(struct procs *ps, pid_t pid, pid_t ppid, struct maps *maps, const char *comm)
{
	struct proc *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->maps = maps ? maps_ref(maps) : maps_new();
	if (!p->maps) {
		free(p);
		return NULL;
	}
	p->pid = pid;
	p->ppid = ppid;
	set_comm(p->comm, comm);
	p->next = ps->procs[bucket(pid)];
	ps->procs[bucket(pid)] = p;
	ps->seen_processes++;
	return p;
}

static struct thread *add_thread(struct procs *ps, struct proc *p, pid_t tid, const char *comm)
{
	struct thread *t;

	if (ps->n_threads >= PROCS_MAX)
		return NULL;
	t = calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	t->tid = tid;
	t->proc = p;
	set_comm(t->comm, comm);
	t->next_in_proc = p->threads;
	p->threads = t;
	t->next = ps->threads[bucket(tid)];
	ps->threads[bucket(tid)] = t;
	p->n_threads++;
	ps->n_threads++;
	ps->seen_threads++;
	return t;
}

/* ---- what /proc tells ---- */

struct scan {
	struct procs *ps;
	struct proc *p;
};

static int insert_mapping(struct procs *ps, struct proc *p, const struct procfs_map *m, uint64_t generation)
{
	struct module_ident ident = {m->maj, m->min, m->ino, generation};
	struct mapping map = {.start = m->start, .end = m->end, .pgoff = m->pgoff};
	enum module_kind kind;

	if (jits_is_dump(m->path)) {
		struct module *anon = modules_anon(ps->modules, p->pid);

		if (anon && anon->info->pid == p->pid)
			jits_dump(ps->jits, anon, p->pid, m->path, &ident, m->start, m->end);
		return 0; /* no code: the mapping is a message to us */
	}
	map.module = modules_get(ps->modules, p->pid, m->path, &ident, m->start, m->end);
	if (!map.module)
		return -ENOMEM;
	kind = ps->profile->modules[map.module->id].kind;
	if (kind == MODULE_ANON)
		map.pgoff = m->start;
	else if (kind == MODULE_VDSO)
		map.pgoff = 0;
	if (kind == MODULE_ANON && ps->profile->modules[map.module->id].pid == p->pid)
		jits_code(ps->jits, map.module, p->pid);
	map.mapping_id = profile_mapping(ps->profile, map.module->id, m->start, m->end, map.pgoff);
	return maps_insert(&p->maps, &map);
}

static int scan_map(const struct procfs_map *m, void *arg)
{
	struct scan *s = arg;

	/* One bad mapping (absurd size, table full) must not cost the others. */
	if (m->exec && insert_mapping(s->ps, s->p, m, 0) == -ENOMEM)
		return -ENOMEM;
	return 0;
}

static int scan_task(pid_t tid, void *arg)
{
	struct scan *s = arg;
	struct thread *t = procs_find_thread(s->ps, tid);
	char comm[16];

	if (procfs_comm(s->p->pid, tid, comm))
		return 0; /* it has ended */
	if (t && t->proc != s->p) {
		remove_thread(s->ps, t);
		t = NULL;
	}
	if (!t)
		t = add_thread(s->ps, s->p, tid, comm);
	if (!t)
		return 0;
	set_comm(t->comm, comm);
	t->labels_gen = 0;
	if (tid == s->p->pid)
		set_comm(s->p->comm, comm);
	return 0;
}

static int rescan_maps(struct procs *ps, struct proc *p)
{
	struct scan s = {ps, p};
	struct maps *fresh = maps_new(), *old = p->maps;
	int err;

	if (!fresh)
		return -ENOMEM;
	p->synced_ns = io_clock_ns(CLOCK_MONOTONIC);
	p->maps = fresh;
	err = procfs_maps(p->pid, scan_map, &s);
	/* An exiting process shows no mappings: what we knew is better than nothing. */
	if (err || !p->maps->n) {
		maps_unref(p->maps);
		p->maps = old;
	} else {
		maps_unref(old);
	}
	return err;
}

int procs_scan(struct procs *ps, pid_t pid)
{
	struct scan s = {ps, procs_find(ps, pid)};
	int err;

	if (!s.p)
		s.p = add_proc(ps, pid, 0, NULL, "");
	if (!s.p)
		return -ENOMEM;
	err = rescan_maps(ps, s.p);
	if (!err)
		err = procfs_tasks(pid, scan_task, &s);
	if (!s.p->n_threads)
		remove_proc(ps, s.p);
	return err;
}

/* Its exit was lost, or those of some of its threads: believe /proc. */
static void rescan_threads(struct procs *ps, struct proc *p)
{
	struct scan s = {ps, p};
	struct thread *t, *next;
	char comm[16];

	for (t = p->threads; t; t = next) {
		next = t->next_in_proc;
		if (p->n_threads > 1 && procfs_comm(p->pid, t->tid, comm))
			remove_thread(ps, t);
	}
	procfs_tasks(p->pid, scan_task, &s);
}

static uint32_t count_procs(const struct procs *ps)
{
	const struct proc *p;
	uint32_t i, n = 0;

	for (i = 0; i < PROCS_BUCKETS; i++)
		for (p = ps->procs[i]; p; p = p->next)
			n++;
	return n;
}

void procs_rescan(struct procs *ps)
{
	uint32_t i, n = 0, cap = count_procs(ps);
	pid_t *pids = calloc(cap ? cap : 1, sizeof(*pids));
	struct proc *p;

	if (!pids)
		return;
	/* By number: looking at one process may show that a thread, and with it another process, is gone. */
	for (i = 0; i < PROCS_BUCKETS; i++)
		for (p = ps->procs[i]; p && n < cap; p = p->next)
			pids[n++] = p->pid;
	for (i = 0; i < n; i++) {
		p = procs_find(ps, pids[i]);
		if (p && rescan_maps(ps, p) == -ESRCH)
			forget_threads(ps, p, NULL);
		else if (p)
			rescan_threads(ps, p);
	}
	free(pids);
}

bool procs_refresh(struct procs *ps, struct proc *p, uint64_t time_ns)
{
	return p->synced_ns < time_ns && !rescan_maps(ps, p);
}

static void prune_threads(struct procs *ps, struct proc *p)
{
	struct thread *t, *next;
	char comm[16];

	for (t = p->threads; t && p->n_threads > 1; t = next) {
		next = t->next_in_proc;
		if (procfs_comm(p->pid, t->tid, comm) && t->tid != p->pid)
			remove_thread(ps, t);
	}
}

void procs_prune(struct procs *ps, bool threads)
{
	struct procfs_stat st;
	struct proc *p, *next;
	uint32_t i;

	for (i = 0; i < PROCS_BUCKETS; i++)
		for (p = ps->procs[i]; p; p = next) {
			next = p->next;
			/* A zombie's CPU time can still be read, and is nobody else's yet. */
			if (procfs_stat(p->pid, &st) == -ESRCH) {
				if (p->gone)
					forget_threads(ps, p, NULL);
				else
					p->gone = true;
			} else if (threads)
				prune_threads(ps, p);
		}
}

int procs_adopt(struct procs *ps, pid_t pid)
{
	struct proc *p = add_proc(ps, pid, 0, NULL, "");

	return p && add_thread(ps, p, pid, "") ? 0 : -ENOMEM;
}

struct thread *procs_thread(struct procs *ps, pid_t pid, pid_t tid)
{
	struct thread *t = procs_find_thread(ps, tid);
	struct proc *p;
	char comm[16];

	if (t && t->proc->pid == pid)
		return t;
	if (t)
		remove_thread(ps, t); /* the tid was reused and the records of it are lost */
	if (!procs_find(ps, pid))
		procs_scan(ps, pid);
	t = procs_find_thread(ps, tid);
	if (t)
		return t;
	p = procs_find(ps, pid);
	if (!p)
		p = add_proc(ps, pid, 0, NULL, "");
	if (!p)
		return NULL;
	return add_thread(ps, p, tid, procfs_comm(pid, tid, comm) ? p->comm : comm);
}

/* ---- what records tell ---- */

static int on_mmap(struct procs *ps, const struct record *rec)
{
	struct procfs_map m = {
		.start = rec->u.mmap.start,
		.end = rec->u.mmap.start + rec->u.mmap.len,
		.pgoff = rec->u.mmap.pgoff,
		.ino = rec->u.mmap.ino,
		.maj = rec->u.mmap.maj,
		.min = rec->u.mmap.min,
		.exec = rec->u.mmap.prot & PROT_EXEC,
		.path = rec->u.mmap.path,
	};
	struct thread *t;
	int err;

	if (!m.exec || (int32_t)rec->pid < 0)
		return 0;
	t = procs_thread(ps, (pid_t)rec->pid, (pid_t)rec->tid);
	if (!t || rec->time < t->proc->synced_ns)
		return 0;
	err = insert_mapping(ps, t->proc, &m, rec->u.mmap.ino_generation);
	return err == -ENOMEM ? err : 0;
}

static int on_comm(struct procs *ps, const struct record *rec)
{
	struct thread *t;
	struct maps *fresh;

	if (rec->u.comm.exec && !procs_find(ps, (pid_t)rec->pid) && procs_adopt(ps, (pid_t)rec->pid))
		return -ENOMEM;
	t = procs_thread(ps, (pid_t)rec->pid, (pid_t)rec->tid);
	if (!t)
		return 0;
	set_comm(t->comm, rec->u.comm.name);
	t->labels_gen = 0;
	if (t->tid == t->proc->pid) {
		struct thread *other;

		set_comm(t->proc->comm, t->comm);
		for (other = t->proc->threads; other; other = other->next_in_proc)
			other->labels_gen = 0;
	}
	if (!rec->u.comm.exec || rec->time < t->proc->synced_ns)
		return 0;
	/* Only the thread that called exec is left, and some have no EXIT record. */
	forget_threads(ps, t->proc, t);
	end_jit(ps, t->proc->pid);
	fresh = maps_new();
	if (!fresh)
		return -ENOMEM;
	maps_unref(t->proc->maps);
	t->proc->maps = fresh;
	return 0;
}

static int on_fork(struct procs *ps, const struct record *rec)
{
	pid_t pid = (pid_t)rec->pid, tid = (pid_t)rec->tid;
	struct thread *t = procs_find_thread(ps, tid), *parent;
	struct proc *p;

	if (pid == tid && rec->u.task.ppid != rec->pid) {
		p = procs_find(ps, pid);
		if (p && p->synced_ns > rec->time)
			return 0; /* /proc told us already */
		if (p)
			forget_threads(ps, p, NULL);
		parent = procs_thread(ps, (pid_t)rec->u.task.ppid, (pid_t)rec->u.task.ptid);
		p = add_proc(ps, pid, (pid_t)rec->u.task.ppid, parent ? parent->proc->maps : NULL,
			     parent ? parent->proc->comm : "");
		if (!p)
			return -ENOMEM;
		t = add_thread(ps, p, tid, parent ? parent->comm : "");
		if (t)
			t->forked = true;
		return 0;
	}
	if (t && t->proc->pid == pid) {
		t->forked = true;
		return 0;
	}
	if (t)
		remove_thread(ps, t);
	parent = procs_find_thread(ps, (pid_t)rec->u.task.ptid);
	p = procs_find(ps, pid);
	t = p ? add_thread(ps, p, tid, parent ? parent->comm : p->comm) : NULL;
	if (t)
		t->forked = true;
	return 0;
}

int procs_record(struct procs *ps, const struct record *rec)
{
	struct thread *t;

	switch (rec->kind) {
	case RECORD_MMAP:
		return on_mmap(ps, rec);
	case RECORD_COMM:
		return on_comm(ps, rec);
	case RECORD_FORK:
		return on_fork(ps, rec);
	case RECORD_EXIT:
		t = procs_find_thread(ps, (pid_t)rec->tid);
		if (t && t->proc->pid == (pid_t)rec->pid)
			remove_thread(ps, t);
		return 0;
	default:
		return 0;
	}
}

void procs_seen(struct procs *ps, uint32_t *processes, uint32_t *threads, bool reset)
{
	*processes = ps->seen_processes;
	*threads = ps->seen_threads;
	if (reset) {
		ps->seen_processes = count_procs(ps);
		ps->seen_threads = ps->n_threads;
	}
}

uint32_t procs_threads(const struct procs *ps)
{
	return ps->n_threads;
}

struct jits *procs_jits(struct procs *ps)
{
	return ps->jits;
}

void procs_each(struct procs *ps, void (*fn)(struct proc *p, void *arg), void *arg)
{
	uint32_t i;

	for (i = 0; i < PROCS_BUCKETS; i++) {
		struct proc *p;

		for (p = ps->procs[i]; p; p = p->next)
			fn(p, arg);
	}
}

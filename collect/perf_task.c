/* SPDX-License-Identifier: Apache-2.0 */
/*
 * perf_task.c - the events of each task: opened, closed, and who one belongs to.
 */
#include "collect/perf_private.h"

#include "base/hash.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int perf_open(struct perf_event_attr *attr, pid_t pid, int cpu, int group_fd)
{
	long fd = syscall(SYS_perf_event_open, attr, pid, cpu, group_fd, PERF_FLAG_FD_CLOEXEC);

	return fd < 0 ? -errno : (int)fd;
}

static uint64_t rehash_id(const void *owner, uint32_t index)
{
	return hash_u64(((const struct perf *)owner)->events[index].id);
}

static int add_event(struct perf *p, int fd, uint32_t cpu, uint32_t event, int size)
{
	struct fd_event *e;

	if (p->n == p->cap) {
		uint32_t cap = p->cap ? p->cap * 2 : 64;

		e = realloc(p->events, cap * sizeof(*e));
		if (!e)
			return -ENOMEM;
		p->events = e;
		p->cap = cap;
	}
	e = &p->events[p->n];
	*e = (struct fd_event){fd, cpu, p->n_tasks, size, event, 0};
	if (ioctl(fd, PERF_EVENT_IOC_ID, &e->id))
		return -errno;
	p->n++; /* before the map grows: it hashes all events again */
	if (idmap_add(&p->by_id, hash_u64(e->id), p->n - 1, rehash_id, p)) {
		p->n--;
		return -ENOMEM;
	}
	return 0;
}

int perf_open_one(struct perf *p, pid_t tid, uint32_t cpu, uint32_t event, int size, int group_fd,
		  bool on_exec)
{
	int fd, err = 0, ring_fd = p->out_fds[2 * cpu + (size == PERF_SIDE_BAND)];
	struct perf_event_attr attr;

	perf_fill(p, &attr, event, size, on_exec);
	fd = perf_open(&attr, tid, p->cpus[cpu], group_fd);
	if (fd < 0)
		return fd;
	if (ring_fd >= 0 && attr.sample_type && ioctl(fd, PERF_EVENT_IOC_SET_OUTPUT, ring_fd))
		err = -errno;
	if (!err)
		err = add_event(p, fd, cpu, event, size);
	if (err)
		close(fd);
	return err;
}

void perf_close_from(struct perf *p, uint32_t first)
{
	uint32_t i;

	if (p->n == first)
		return;
	while (p->n > first)
		if (p->events[--p->n].fd >= 0)
			close(p->events[p->n].fd);
	idmap_clear(&p->by_id);
	for (i = 0; i < p->n; i++)
		if (idmap_add(&p->by_id, hash_u64(p->events[i].id), i, rehash_id, p))
			break; /* the map does not grow here */
}

int perf_open_events(struct perf *p, pid_t tid, bool on_exec)
{
	const struct event *first_event = p->opt.plan->events[0].event;
	uint32_t cpu, first = p->n;
	int err = 0;

	for (cpu = 0; cpu < p->n_cpus && !err; cpu++) {
		err = perf_open_one(p, tid, cpu, 0,
				    perf_counts_on(first_event, p->cpus[cpu]) ? 0 : PERF_HOLDER, -1, on_exec);
		if (!err)
			err = perf_open_one(p, tid, cpu, 0, PERF_SIDE_BAND, -1, on_exec);
		if (err == -ENODEV) /* went offline since we looked */
			err = 0;
	}
	if (!err && p->n == first)
		err = -ENODEV;
	if (err)
		perf_close_from(p, first);
	return err;
}

/* On all CPUs or on none. */
static bool open_class(struct perf *p, pid_t tid, uint32_t size)
{
	uint32_t cpu, first = p->n;
	int err = 0;

	for (cpu = 0; cpu < p->n_cpus && (!err || err == -ENODEV); cpu++)
		err = perf_open_one(p, tid, cpu, 0, (int)size, -1, false);
	if (err && err != -ENODEV) {
		perf_close_from(p, first);
		return false;
	}
	return true;
}

/*
 * The events with smaller copies, which wait disabled. They are no more than
 * good to have: where one cannot be opened, all copies are of the larger sizes.
 * Returns how many sizes there are.
 */
static uint32_t open_smaller(struct perf *p, pid_t tid)
{
	uint32_t size = 1;

	while (size < p->n_sizes && !p->spare && open_class(p, tid, size))
		size++;
	if (p->slow && !p->spare)
		(void)open_class(p, tid, p->slow);
	return size;
}

static bool same_task(const void *owner, uint32_t index, const void *key)
{
	return ((const struct perf *)owner)->tasks[index].tid == *(const pid_t *)key;
}

static uint64_t rehash_task(const void *owner, uint32_t index)
{
	return hash_u64((uint64_t)((const struct perf *)owner)->tasks[index].tid);
}

/* Remember where the events of @tid are: from @first to the last, of @n_sizes sizes. */
static int add_task(struct perf *p, pid_t tid, uint32_t first, uint32_t n_sizes)
{
	if (p->n_tasks == p->cap_tasks) {
		uint32_t cap = p->cap_tasks ? p->cap_tasks * 2 : 16;
		struct task *t = realloc(p->tasks, cap * sizeof(*t));

		if (!t)
			return -ENOMEM;
		p->tasks = t;
		p->cap_tasks = cap;
	}
	p->tasks[p->n_tasks] = (struct task){.tid = tid, .first = first, .n = p->n - first};
	stack_learner_init(&p->tasks[p->n_tasks++].learner, p->sizes, n_sizes);
	if (!idmap_add(&p->by_tid, hash_u64((uint64_t)tid), p->n_tasks - 1, rehash_task, p))
		return 0;
	p->n_tasks--;
	return -ENOMEM;
}

int perf_open_task(struct perf *p, pid_t tid, bool on_exec)
{
	uint32_t first = p->n;
	uint32_t sizes;
	int err = p->n_sources ? perf_open_events(p, tid, on_exec) : perf_open_first(p, tid, on_exec);

	if (err)
		return err;
	sizes = open_smaller(p, tid);
	err = perf_open_further(p, tid, first, on_exec);
	if (!err)
		err = add_task(p, tid, first, sizes);
	if (err)
		perf_close_from(p, first);
	return err;
}

int perf_open_cpus(struct perf *p)
{
	int err;

	p->whole_cpus = true;
	err = perf_open_task(p, PERF_NO_TASK, false);
	if (err)
		p->whole_cpus = false;
	return err;
}

uint32_t perf_task_fds(const struct perf *p, bool full)
{
	/* How many sizes there will be is known once the first task has rings. */
	uint32_t smaller = p->opt.stack_size || p->n_cpus > PERF_SIZES_CPUS_MAX ? 0 : 1;
	uint32_t n = 2 + (full ? smaller + (p->opt.slow_period != 0) : 0), i;

	for (i = 1; i < p->opt.plan->n; i++)
		if (!p->opt.plan->events[i].err)
			n += 1 + p->opt.plan->events[i].user_part;
	return p->n_cpus * n;
}

static struct task *find_task(struct perf *p, pid_t tid)
{
	uint32_t i = idmap_find(&p->by_tid, hash_u64((uint64_t)tid), same_task, p, &tid);

	return i == IDMAP_NONE ? NULL : &p->tasks[i];
}

void perf_task_ended(struct perf *p, pid_t tid)
{
	struct task *t = find_task(p, tid);

	if (t)
		t->tid = PERF_NO_TASK;
}

/* A ring's descriptor may hold it open. The place stays: by_id knows events by their index. */
void perf_close_one(struct fd_event *e)
{
	if (e->fd < 0)
		return;
	ioctl(e->fd, PERF_EVENT_IOC_DISABLE, 0);
	close(e->fd);
	e->fd = -1;
}

void perf_close_task(struct perf *p, pid_t tid)
{
	struct task *t = find_task(p, tid);
	uint32_t i;

	if (!t)
		return;
	perf_keep_lost(p, t);
	for (i = t->first; i < t->first + t->n; i++)
		perf_close_one(&p->events[i]);
	t->tid = PERF_NO_TASK;
}

static bool same_id(const void *owner, uint32_t index, const void *key)
{
	const struct perf *p = owner;

	return index < p->n && p->events[index].id == *(const uint64_t *)key;
}

struct fd_event *perf_find_id(const struct perf *p, uint64_t id)
{
	uint32_t i = idmap_find(&p->by_id, hash_u64(id), same_id, p, &id);

	return i != IDMAP_NONE && p->events[i].fd >= 0 ? &p->events[i] : NULL;
}

pid_t perf_id_owner(const struct perf *p, uint64_t id)
{
	const struct fd_event *e = perf_find_id(p, id);

	return e ? p->tasks[e->task].tid : 0;
}

uint32_t perf_id_event(const struct perf *p, uint64_t id)
{
	const struct fd_event *e = perf_find_id(p, id);

	return e ? e->event : UINT32_MAX;
}

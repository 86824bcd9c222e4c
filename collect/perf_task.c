/* SPDX-License-Identifier: Apache-2.0 */
/*
 * perf_task.c - the events of each task: what is asked of the kernel, who an
 * event belongs to, and what it has counted.
 */
#include "collect/perf_private.h"

#include "base/hash.h"
#include "collect/regs.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef PERF_FORMAT_LOST
#define PERF_FORMAT_LOST (1U << 4)
#endif

#define SIDE_WAKEUP_BYTES 16384
/* Often enough that few more stacks are cut before a larger size is in use; else a ring half full wakes us.
 */
#define SMALLER_WAKEUP_EVENTS 16
/* Attached threads have events of their own: beyond this many, of one size only, to spare descriptors. */
#define SIZED_TASKS_MAX 512

int perf_open(struct perf_event_attr *attr, pid_t pid, int cpu, int group_fd)
{
	long fd = syscall(SYS_perf_event_open, attr, pid, cpu, group_fd, PERF_FLAG_FD_CLOEXEC);

	return fd < 0 ? -errno : (int)fd;
}

static void fill_common(struct perf_event_attr *attr, bool on_exec)
{
	*attr = (struct perf_event_attr){
		.size = sizeof(*attr),
		.disabled = on_exec,
		.enable_on_exec = on_exec,
		.inherit = 1,
		.exclude_hv = 1,
		.sample_id_all = 1,
		.use_clockid = 1,
		.clockid = CLOCK_MONOTONIC,
		.watermark = 1,
	};
}

/* Only the largest size starts by itself, and only it has the kernel's walk of the user stack: it may be cut.
 */
static void fill_sample(const struct perf *p, struct perf_event_attr *attr, bool on_exec, int size)
{
	fill_common(attr, on_exec && !size);
	if (size) {
		attr->disabled = 1;
		attr->watermark = 0;
		attr->wakeup_events = SMALLER_WAKEUP_EVENTS;
	}
	attr->type = p->opt.event->attr.type;
	attr->config = p->opt.event->attr.config;
	attr->sample_period = p->opt.period;
	attr->sample_type = p->sample_layout.sample_type;
	attr->read_format = p->opt.count_lost ? PERF_FORMAT_LOST : 0;
	attr->exclude_kernel = !p->opt.kernel;
	attr->exclude_callchain_kernel = !p->opt.kernel;
	attr->exclude_callchain_user = !p->opt.user_chain || size;
	if (p->opt.user_chain)
		attr->sample_max_stack = p->opt.max_chain;
	attr->sample_regs_user = regs_arch.perf_mask;
	attr->sample_stack_user = p->sizes[size];
}

/*
 * Also the count of all CPU time, whichever event samples and while none does. Any software event takes
 * side-band records; a dummy counts nothing.
 */
static void fill_side_band(const struct perf *p, struct perf_event_attr *attr, bool on_exec)
{
	fill_common(attr, on_exec);
	attr->type = PERF_TYPE_SOFTWARE;
	attr->config = p->opt.event->cpu_time ? PERF_COUNT_SW_TASK_CLOCK : PERF_COUNT_SW_DUMMY;
	attr->sample_type = p->side_layout.sample_type;
	attr->exclude_kernel = 1;
	attr->mmap = 1;
	attr->mmap2 = 1;
	attr->comm = 1;
	attr->comm_exec = 1;
	attr->task = 1;
	attr->wakeup_watermark = SIDE_WAKEUP_BYTES;
}

static uint64_t rehash_id(const void *owner, uint32_t index)
{
	return hash_u64(((const struct perf *)owner)->events[index].id);
}

static int add_event(struct perf *p, int fd, uint32_t cpu, int size)
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
	*e = (struct fd_event){fd, cpu, p->n_tasks, size, 0};
	if (ioctl(fd, PERF_EVENT_IOC_ID, &e->id))
		return -errno;
	p->n++; /* before the map grows: it hashes all events again */
	if (idmap_add(&p->by_id, hash_u64(e->id), p->n - 1, rehash_id, p)) {
		p->n--;
		return -ENOMEM;
	}
	return 0;
}

/* One event; joined to its CPU's ring when that is mapped already. */
static int open_one(struct perf *p, pid_t tid, uint32_t cpu, int size, bool on_exec)
{
	bool side_band = size == PERF_SIDE_BAND;
	struct perf_event_attr attr;
	int fd, err, ring_fd = p->out_fds[2 * cpu + side_band];

	if (side_band)
		fill_side_band(p, &attr, on_exec);
	else
		fill_sample(p, &attr, on_exec, size);
	fd = perf_open(&attr, tid, p->cpus[cpu], -1);
	if (fd < 0)
		return fd;
	err = ring_fd < 0 || !ioctl(fd, PERF_EVENT_IOC_SET_OUTPUT, ring_fd) ? 0 : -errno;
	if (!err)
		err = add_event(p, fd, cpu, size);
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
		close(p->events[--p->n].fd);
	idmap_clear(&p->by_id);
	for (i = 0; i < p->n; i++)
		if (idmap_add(&p->by_id, hash_u64(p->events[i].id), i, rehash_id, p))
			break; /* the map does not grow here */
}

int perf_open_events(struct perf *p, pid_t tid, bool on_exec)
{
	uint32_t cpu, first = p->n;
	int err = 0;

	for (cpu = 0; cpu < p->n_cpus && !err; cpu++) {
		err = open_one(p, tid, cpu, 0, on_exec);
		if (!err)
			err = open_one(p, tid, cpu, PERF_SIDE_BAND, on_exec);
		if (err == -ENODEV) /* went offline since we looked */
			err = 0;
	}
	if (!err && p->n == first)
		err = -ENODEV;
	if (err)
		perf_close_from(p, first);
	return err;
}

/*
 * The events with smaller copies, which wait disabled. They are no more than
 * good to have: where one cannot be opened, all copies are of the larger sizes.
 * Returns how many sizes there are.
 */
static uint32_t open_smaller(struct perf *p, pid_t tid)
{
	uint32_t size, cpu, first;
	int err = 0;

	for (size = 1; size < p->n_sizes && p->n_tasks < SIZED_TASKS_MAX; size++) {
		first = p->n;
		for (cpu = 0; cpu < p->n_cpus && (!err || err == -ENODEV); cpu++)
			err = open_one(p, tid, cpu, (int)size, false);
		if (err && err != -ENODEV) {
			perf_close_from(p, first);
			break;
		}
	}
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
	int err = p->n_sources ? perf_open_events(p, tid, on_exec) : perf_open_first(p, tid, on_exec);

	if (!err) {
		err = add_task(p, tid, first, open_smaller(p, tid));
		if (err)
			perf_close_from(p, first);
	}
	return err;
}

/* The value comes from the side-band's event where that is a clock, what was lost from those that sample. */
static void read_event(const struct perf *p, const struct fd_event *e, struct perf_counts *sum)
{
	uint64_t v[2] = {0, 0};

	if (e->fd < 0 || read(e->fd, v, sizeof(v)) < (ssize_t)sizeof(v[0]))
		return;
	if (perf_side_band(e) == p->opt.event->cpu_time)
		sum->value += v[0];
	sum->lost += v[1];
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

void perf_close_task(struct perf *p, pid_t tid)
{
	struct perf_counts closed = {0};
	struct task *t = find_task(p, tid);
	uint32_t i;

	if (!t)
		return;
	for (i = t->first; i < t->first + t->n; i++) {
		struct fd_event *e = &p->events[i];

		if (e->fd < 0)
			continue;
		read_event(p, e, &closed);
		/* A ring's descriptor may hold it open. */
		ioctl(e->fd, PERF_EVENT_IOC_DISABLE, 0);
		close(e->fd);
		e->fd = -1; /* the place stays: by_id knows events by their index */
	}
	p->closed_lost += closed.lost;
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

void perf_count(struct perf *p, struct perf_counts *out)
{
	uint32_t i;

	*out = (struct perf_counts){.lost = p->closed_lost};
	for (i = 0; i < p->n; i++)
		read_event(p, &p->events[i], out);
}

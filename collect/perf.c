/* SPDX-License-Identifier: Apache-2.0 */
/*
 * perf.c - events per task and CPU, and the fitting of rings to the mlock budget.
 *
 * A stack copy takes ring space at its full size even when the stack is short,
 * so the stack size follows from the rings that the user's budget allows.
 */
#include "collect/perf.h"

#include "base/hash.h"
#include "base/io.h"
#include "base/log.h"
#include "collect/regs.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef PERF_FORMAT_LOST
#define PERF_FORMAT_LOST (1U << 4)
#endif

#define RING_PAGES_MAX    1024 /* 4 MB a CPU holds 60 of the largest samples */
#define RING_PAGES_MIN    4
#define RING_TOTAL_MAX    (32u << 20) /* over all CPUs, to keep big machines cheap */
#define SIDE_PAGES_MAX    64
#define SAMPLES_PER_RING  12  /* a ring should hold at least this many */
#define SAMPLE_OVERHEAD   512 /* bytes of a sample besides its stack, about */
#define SIDE_WAKEUP_BYTES 16384

static const uint32_t stack_sizes[] = {PERF_STACK_MAX, 32760, 16376, 8184};

struct fd_event {
	int fd;
	uint32_t cpu; /* index */
	pid_t tid;
	uint64_t id;
	bool side_band;
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
	uint32_t stack_size;
	int *fds; /* for perf_fds() */
	uint32_t fds_cap;
	struct idmap by_id; /* index into events */
	struct task {
		pid_t tid;         /* PERF_NO_TASK: ended or closed */
		uint32_t first, n; /* its events */
	} * tasks;
	uint32_t n_tasks, cap_tasks;
	struct idmap by_tid;  /* index into tasks */
	uint64_t closed_lost; /* samples lost by events closed since */
};

int perf_open(struct perf_event_attr *attr, pid_t pid, int cpu, int group_fd)
{
	long fd = syscall(SYS_perf_event_open, attr, pid, cpu, group_fd, PERF_FLAG_FD_CLOEXEC);

	return fd < 0 ? -errno : (int)fd;
}

/* "0-3,5" from sysfs; one CPU, number 0, if it cannot be read. */
static int read_cpus(struct perf *p)
{
	struct buf b;
	char *s, *end;
	long lo, hi;

	p->cpus = malloc(sizeof(int));
	if (!p->cpus)
		return -ENOMEM;
	buf_init(&b, 65536);
	if (io_read_file(AT_FDCWD, "/sys/devices/system/cpu/online", &b) || buf_put_u8(&b, 0))
		buf_clear(&b);
	for (s = (char *)b.data; b.len && *s >= '0' && *s <= '9'; s = *end == ',' ? end + 1 : end) {
		lo = hi = strtol(s, &end, 10);
		if (*end == '-')
			hi = strtol(end + 1, &end, 10);
		for (; lo <= hi && p->n_cpus < 8192; lo++) {
			int *cpus = realloc(p->cpus, (p->n_cpus + 1) * sizeof(*cpus));

			if (!cpus)
				goto nomem;
			p->cpus = cpus;
			p->cpus[p->n_cpus++] = (int)lo;
		}
	}
	buf_release(&b);
	if (!p->n_cpus)
		p->cpus[p->n_cpus++] = 0;
	return 0;
nomem:
	buf_release(&b);
	return -ENOMEM;
}

int perf_new(struct perf **out, const struct perf_options *opt)
{
	struct perf *p = calloc(1, sizeof(*p));
	uint32_t i;
	int err = -ENOMEM;

	if (!p)
		return -ENOMEM;
	p->opt = *opt;
	err = read_cpus(p);
	if (err)
		goto fail;
	err = -ENOMEM;
	p->sources = calloc(2 * (size_t)p->n_cpus, sizeof(*p->sources));
	p->out_fds = malloc(2 * p->n_cpus * sizeof(int));
	if (!p->sources || !p->out_fds)
		goto fail;
	for (i = 0; i < 2 * p->n_cpus; i++)
		p->out_fds[i] = -1;
	p->side_layout.sample_type = PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_TID | PERF_SAMPLE_TIME;
	p->sample_layout.sample_type = PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_IP | PERF_SAMPLE_TID |
				       PERF_SAMPLE_TIME | PERF_SAMPLE_PERIOD | PERF_SAMPLE_REGS_USER |
				       PERF_SAMPLE_STACK_USER | (opt->kernel ? PERF_SAMPLE_CALLCHAIN : 0);
	p->sample_layout.n_regs = (unsigned)__builtin_popcountll(regs_arch.perf_mask);
	*out = p;
	return 0;
fail:
	perf_free(p);
	return err;
}

static void unmap_rings(struct perf *p)
{
	uint32_t i;

	for (i = 0; i < p->n_sources; i++)
		ring_free(p->sources[i].ring);
	memset(p->sources, 0, 2 * p->n_cpus * sizeof(*p->sources));
	p->n_sources = 0;
}

void perf_free(struct perf *p)
{
	uint32_t i;

	if (!p)
		return;
	if (p->sources)
		unmap_rings(p);
	for (i = 0; i < p->n; i++)
		if (p->events[i].fd >= 0)
			close(p->events[i].fd);
	for (i = 0; p->out_fds && i < 2 * p->n_cpus; i++)
		if (p->out_fds[i] >= 0)
			close(p->out_fds[i]);
	free(p->events);
	free(p->sources);
	free(p->out_fds);
	free(p->cpus);
	free(p->fds);
	idmap_release(&p->by_id);
	idmap_release(&p->by_tid);
	free(p->tasks);
	free(p);
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

static void fill_sample(const struct perf *p, struct perf_event_attr *attr, bool on_exec)
{
	fill_common(attr, on_exec);
	attr->type = p->opt.event->type;
	attr->config = p->opt.event->config;
	attr->sample_period = p->opt.period;
	attr->sample_type = p->sample_layout.sample_type;
	attr->read_format = p->opt.count_lost ? PERF_FORMAT_LOST : 0;
	attr->exclude_kernel = !p->opt.kernel;
	attr->exclude_callchain_user = 1;
	attr->sample_regs_user = regs_arch.perf_mask;
	attr->sample_stack_user = p->stack_size;
}

static void fill_side_band(const struct perf *p, struct perf_event_attr *attr, bool on_exec)
{
	fill_common(attr, on_exec);
	attr->type = PERF_TYPE_SOFTWARE;
	attr->config = PERF_COUNT_SW_DUMMY;
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

static int add_event(struct perf *p, int fd, uint32_t cpu, pid_t tid, bool side_band)
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
	*e = (struct fd_event){fd, cpu, tid, 0, side_band};
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
static int open_one(struct perf *p, pid_t tid, uint32_t cpu, bool side_band, bool on_exec)
{
	struct perf_event_attr attr;
	int fd, err, ring_fd = p->out_fds[2 * cpu + side_band];

	if (side_band)
		fill_side_band(p, &attr, on_exec);
	else
		fill_sample(p, &attr, on_exec);
	fd = perf_open(&attr, tid, p->cpus[cpu], -1);
	if (fd < 0)
		return fd;
	err = ring_fd < 0 || !ioctl(fd, PERF_EVENT_IOC_SET_OUTPUT, ring_fd) ? 0 : -errno;
	if (!err)
		err = add_event(p, fd, cpu, tid, side_band);
	if (err)
		close(fd);
	return err;
}

static void close_from(struct perf *p, uint32_t first)
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

static int open_all_cpus(struct perf *p, pid_t tid, bool on_exec)
{
	uint32_t cpu, first = p->n;
	int err = 0;

	for (cpu = 0; cpu < p->n_cpus && !err; cpu++) {
		err = open_one(p, tid, cpu, false, on_exec);
		if (!err)
			err = open_one(p, tid, cpu, true, on_exec);
		if (err == -ENODEV) /* went offline since we looked */
			err = 0;
	}
	if (!err && p->n == first)
		err = -ENODEV;
	if (err)
		close_from(p, first);
	return err;
}

static int map_one(struct perf *p, const struct fd_event *e, size_t pages)
{
	struct order_source *s = &p->sources[p->n_sources];
	int err = ring_new(&s->ring, e->fd, pages);

	if (err)
		return err;
	s->side_band = e->side_band;
	s->layout = e->side_band ? &p->side_layout : &p->sample_layout;
	p->n_sources++;
	return 0;
}

static int map_at(struct perf *p, size_t pages)
{
	size_t side = pages / 8 < SIDE_PAGES_MAX ? pages / 8 : SIDE_PAGES_MAX;
	uint32_t i;
	int err = 0;

	for (i = 0; i < p->n && !err; i++)
		err = map_one(p, &p->events[i], p->events[i].side_band ? (side ? side : 1) : pages);
	if (err)
		unmap_rings(p);
	return err;
}

static size_t pages_wanted(const struct perf *p)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), pages = RING_PAGES_MAX;

	while (pages > RING_PAGES_MIN && pages * page * p->n_cpus > RING_TOTAL_MAX)
		pages /= 2;
	return pages;
}

/* The largest rings that the budget allows, the same on every CPU. */
static int map_rings(struct perf *p)
{
	size_t pages = pages_wanted(p);
	int err;

	do
		err = map_at(p, pages);
	while (err && (err == -EPERM || err == -ENOMEM) && (pages /= 2) >= RING_PAGES_MIN);
	return err;
}

/* First task: settle stack size and rings together. */
static int open_first(struct perf *p, pid_t tid, bool on_exec)
{
	uint32_t i, last = sizeof(stack_sizes) / sizeof(stack_sizes[0]) - 1;
	int err;

	for (i = 0;; i++) {
		p->stack_size = p->opt.stack_size ? p->opt.stack_size : stack_sizes[i];
		err = open_all_cpus(p, tid, on_exec);
		if (err)
			return err;
		err = map_rings(p);
		if (err == -EPERM || err == -ENOMEM)
			err = -ENOBUFS;
		if (err)
			break;
		if (p->opt.stack_size || i == last ||
		    perf_ring_bytes(p) / (p->stack_size + SAMPLE_OVERHEAD) >= SAMPLES_PER_RING)
			break;
		unmap_rings(p);
		close_from(p, 0);
	}
	for (i = 0; i < p->n && !err; i++) {
		int *fd = &p->out_fds[2 * p->events[i].cpu + p->events[i].side_band];

		*fd = fcntl(p->events[i].fd, F_DUPFD_CLOEXEC, 3);
		if (*fd < 0)
			err = -errno;
	}
	if (err) {
		unmap_rings(p);
		close_from(p, 0);
	}
	return err;
}

static bool same_task(const void *owner, uint32_t index, const void *key)
{
	return ((const struct perf *)owner)->tasks[index].tid == *(const pid_t *)key;
}

static uint64_t rehash_task(const void *owner, uint32_t index)
{
	return hash_u64((uint64_t)((const struct perf *)owner)->tasks[index].tid);
}

/* Remember where the events of @tid are: from @first to the last. */
static int add_task(struct perf *p, pid_t tid, uint32_t first)
{
	if (p->n_tasks == p->cap_tasks) {
		uint32_t cap = p->cap_tasks ? p->cap_tasks * 2 : 16;
		struct task *t = realloc(p->tasks, cap * sizeof(*t));

		if (!t)
			return -ENOMEM;
		p->tasks = t;
		p->cap_tasks = cap;
	}
	p->tasks[p->n_tasks++] = (struct task){tid, first, p->n - first};
	if (!idmap_add(&p->by_tid, hash_u64((uint64_t)tid), p->n_tasks - 1, rehash_task, p))
		return 0;
	p->n_tasks--;
	return -ENOMEM;
}

int perf_open_task(struct perf *p, pid_t tid, bool on_exec)
{
	uint32_t first = p->n;
	int err = p->n_sources ? open_all_cpus(p, tid, on_exec) : open_first(p, tid, on_exec);

	if (!err) {
		err = add_task(p, tid, first);
		if (err)
			close_from(p, first);
	}
	return err;
}

static void read_event(const struct fd_event *e, struct perf_counts *sum)
{
	uint64_t v[2] = {0, 0};

	if (read(e->fd, v, sizeof(v)) < (ssize_t)sizeof(v[0]))
		return;
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
	uint32_t i;

	if (!t)
		return;
	for (i = t->first; i < t->first + t->n; i++)
		p->events[i].tid = PERF_NO_TASK;
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
		if (!e->side_band)
			read_event(e, &closed);
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

pid_t perf_id_owner(const struct perf *p, uint64_t id)
{
	uint32_t i = idmap_find(&p->by_id, hash_u64(id), same_id, p, &id);

	return i != IDMAP_NONE && p->events[i].fd >= 0 ? p->events[i].tid : 0;
}

void perf_disable(struct perf *p)
{
	uint32_t i;

	for (i = 0; i < p->n; i++)
		if (p->events[i].fd >= 0)
			ioctl(p->events[i].fd, PERF_EVENT_IOC_DISABLE, 0);
}

void perf_count(struct perf *p, struct perf_counts *out)
{
	uint32_t i;

	*out = (struct perf_counts){.lost = p->closed_lost};
	for (i = 0; i < p->n; i++)
		if (!p->events[i].side_band && p->events[i].fd >= 0)
			read_event(&p->events[i], out);
}

struct order_source *perf_sources(struct perf *p, uint32_t *n)
{
	*n = p->n_sources;
	return p->sources;
}

uint32_t perf_stack_size(const struct perf *p)
{
	return p->stack_size;
}

size_t perf_ring_bytes(const struct perf *p)
{
	uint32_t i;

	for (i = 0; i < p->n_sources; i++)
		if (!p->sources[i].side_band)
			return ring_size(p->sources[i].ring);
	return 0;
}

uint32_t perf_cpus(const struct perf *p)
{
	return p->n_cpus;
}

const int *perf_fds(struct perf *p, uint32_t *n)
{
	uint32_t i, count = 0, want = p->n + 2 * p->n_cpus;

	*n = 0;
	if (want > p->fds_cap) {
		int *fds = realloc(p->fds, want * sizeof(*fds));

		if (!fds)
			return NULL;
		p->fds = fds;
		p->fds_cap = want;
	}
	for (i = 0; i < p->n; i++)
		if (p->events[i].fd >= 0)
			p->fds[count++] = p->events[i].fd;
	for (i = 0; i < 2 * p->n_cpus; i++)
		if (p->out_fds[i] >= 0)
			p->fds[count++] = p->out_fds[i];
	*n = count;
	return p->fds;
}

const int *perf_wake_fds(struct perf *p, uint32_t *n)
{
	*n = 2 * p->n_cpus; /* -1 for a CPU that went offline */
	return p->out_fds;
}

bool perf_all_ended(struct perf *p)
{
	struct pollfd pfd = {.events = POLLIN};
	uint32_t i;

	for (i = 0; i < p->n; i++) {
		if (p->events[i].side_band || p->events[i].fd < 0)
			continue;
		pfd.fd = p->events[i].fd;
		if (poll(&pfd, 1, 0) < 0 || !(pfd.revents & POLLHUP))
			return false;
	}
	return true;
}

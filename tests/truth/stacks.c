/* SPDX-License-Identifier: Apache-2.0 */
/* stacks.c - see stacks.h. */
#include "stacks.h"

#include "base/io.h"
#include "collect/record.h"
#include "collect/regs.h"
#include "collect/ring.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_CPUS 512
#define SAMPLE_TYPE                                                                                          \
	(PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_CALLCHAIN | PERF_SAMPLE_REGS_USER |                \
	 PERF_SAMPLE_STACK_USER)

enum event_kind { EVENT_MAP, EVENT_EXEC, EVENT_SAMPLE };

/* What is kept of a record; stored back to back, each padded to 8 bytes. */
struct event {
	uint64_t time;
	uint32_t kind, len; /* len: of what follows this header */
};

struct event_map {
	uint64_t start, end, pgoff, ino, ino_generation;
	uint32_t maj, min;
	char path[]; /* with its NUL */
};

/* Followed by the chain, and by the stack up to the event's end. */
struct event_sample {
	uint64_t regs[REGS_MAX];
	uint64_t n_chain;
};

struct recorder {
	struct ring *rings[MAX_CPUS];
	struct pollfd fds[MAX_CPUS];
	nfds_t n;
	pid_t pid;
	uint64_t max, hz;
	uint32_t copy;
};

void stacks_die(const char *what, int err)
{
	fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(err));
	exit(2);
}

void stacks_init(struct stacks *st)
{
	memset(st, 0, sizeof(*st));
	buf_init(&st->events, (size_t)4 << 30);
}

void stacks_release(struct stacks *st)
{
	buf_release(&st->events);
}

/* ---- recording ---- */

static void put(struct stacks *st, const void *data, size_t len)
{
	if (len)
		buf_put(&st->events, data, len);
	if (st->events.error)
		stacks_die("keeping samples", -st->events.error);
}

static void keep(struct stacks *st, enum event_kind kind, uint64_t time, const void *data, size_t len)
{
	static const uint8_t zeros[8];
	struct event e = {time, kind, (uint32_t)((len + 7) & ~(size_t)7)};

	put(st, &e, sizeof(e));
	put(st, data, len);
	put(st, zeros, e.len - len);
}

static void keep_map(struct stacks *st, const struct record *r)
{
	struct event_map m = {r->u.mmap.start, r->u.mmap.start + r->u.mmap.len, r->u.mmap.pgoff,
			      r->u.mmap.ino,   r->u.mmap.ino_generation,        r->u.mmap.maj,
			      r->u.mmap.min};
	static uint8_t e[sizeof(m) + 4096];
	size_t len = strlen(r->u.mmap.path) + 1;

	if (len > sizeof(e) - sizeof(m))
		stacks_die("a path", ENAMETOOLONG);
	memcpy(e, &m, sizeof(m));
	memcpy(e + sizeof(m), r->u.mmap.path, len);
	keep(st, EVENT_MAP, r->time, e, sizeof(m) + len);
}

static void keep_sample(struct stacks *st, const struct record *r)
{
	struct event_sample s = {{0}, 0};
	struct event e = {r->time, EVENT_SAMPLE, 0};
	uint64_t chain[PERF_MAX_STACK_DEPTH + 8], i;
	size_t len;

	if (!regs_from_perf(r->u.sample.regs, r->u.sample.n_regs, s.regs))
		return;
	for (i = 0; i < r->u.sample.n_chain && s.n_chain < PERF_MAX_STACK_DEPTH; i++)
		if (r->u.sample.chain[i] < PERF_CONTEXT_MAX)
			chain[s.n_chain++] = r->u.sample.chain[i];
	len = sizeof(s) + s.n_chain * sizeof(*chain) + r->u.sample.stack_size;
	if (len % 8)
		stacks_die("a stack copy", EBADMSG);
	e.len = (uint32_t)len;
	put(st, &e, sizeof(e));
	put(st, &s, sizeof(s));
	put(st, chain, s.n_chain * sizeof(*chain));
	put(st, r->u.sample.stack, r->u.sample.stack_size);
	st->n++;
}

static void keep_record(struct stacks *st, const struct record *r, const struct recorder *rec)
{
	if (r->kind == RECORD_LOST)
		st->lost += r->u.lost.lost;
	else if ((pid_t)r->pid != rec->pid)
		return; /* of a child */
	else if (r->kind == RECORD_MMAP)
		keep_map(st, r);
	else if (r->kind == RECORD_COMM && r->u.comm.exec)
		keep(st, EVENT_EXEC, r->time, NULL, 0);
	else if (r->kind == RECORD_SAMPLE && r->u.sample.regs && r->u.sample.abi == regs_arch.perf_abi &&
		 st->n < rec->max)
		keep_sample(st, r);
}

static void drain(struct stacks *st, struct ring *ring, const struct record_layout *layout,
		  const struct recorder *rec)
{
	static uint64_t scratch[RING_RECORD_MAX / 8];
	struct perf_event_header hdr;
	struct record r;

	ring_mark(ring);
	while (ring_peek(ring, &hdr) > 0) {
		if (!record_decode(ring_record(ring, scratch), layout, &r))
			keep_record(st, &r, rec);
		ring_consume(ring);
	}
}

static pid_t start_held(char **argv, int *go)
{
	int p[2];
	pid_t pid;
	char c;

	if (pipe(p))
		stacks_die("pipe", errno);
	pid = fork();
	if (pid < 0)
		stacks_die("fork", errno);
	if (!pid) {
		setpgid(0, 0);
		close(p[1]);
		if (read(p[0], &c, 1) == 1) {
			close(p[0]);
			execvp(argv[0], argv);
			fprintf(stderr, "stacks: '%s': %s\n", argv[0], strerror(errno));
		}
		_exit(127);
	}
	setpgid(pid, pid);
	close(p[0]);
	*go = p[1];
	return pid;
}

static int open_event(const struct recorder *rec, int cpu)
{
	struct perf_event_attr a = {.size = sizeof(a), .type = PERF_TYPE_SOFTWARE};

	a.config = PERF_COUNT_SW_TASK_CLOCK;
	a.freq = 1;
	a.sample_freq = rec->hz;
	a.sample_type = SAMPLE_TYPE;
	a.sample_regs_user = regs_arch.perf_mask;
	a.sample_stack_user = rec->copy ? rec->copy : 65528; /* cut by the kernel to what fits a record */
	a.disabled = a.enable_on_exec = a.exclude_kernel = a.exclude_hv = a.exclude_callchain_kernel = 1;
	a.mmap = a.mmap2 = a.comm = a.comm_exec = a.task = a.sample_id_all = a.inherit = 1;
	a.wakeup_events = 1;
	return (int)syscall(SYS_perf_event_open, &a, rec->pid, cpu, -1, PERF_FLAG_FD_CLOEXEC);
}

static void open_events(struct recorder *rec)
{
	long cpus = sysconf(_SC_NPROCESSORS_CONF), cpu;
	size_t pages;
	int fd, err = -1;

	for (cpu = 0; cpu < cpus && rec->n < MAX_CPUS; cpu++) {
		fd = open_event(rec, (int)cpu);
		if (fd < 0 && errno == ENODEV)
			continue; /* offline */
		if (fd < 0)
			stacks_die("perf_event_open", errno);
		for (pages = 512; pages >= 32 && err; pages /= 2)
			err = ring_new(&rec->rings[rec->n], fd, pages);
		if (err)
			stacks_die("mmap of the ring", -err);
		rec->fds[rec->n++] = (struct pollfd){.fd = fd, .events = POLLIN};
		err = -1;
	}
}

/* What the rings of several CPUs held, in one order. */
static const struct buf *sorting;

static int by_time(const void *a, const void *b)
{
	size_t x = *(const size_t *)a, y = *(const size_t *)b;
	struct event ex, ey;

	memcpy(&ex, sorting->data + x, sizeof(ex));
	memcpy(&ey, sorting->data + y, sizeof(ey));
	if (ex.time != ey.time)
		return ex.time < ey.time ? -1 : 1;
	return x < y ? -1 : x > y;
}

static void sort_events(struct stacks *st)
{
	struct buf sorted, offsets;
	size_t at, n, i, *off;
	struct event e;

	buf_init(&sorted, st->events.max);
	buf_init(&offsets, st->events.max);
	for (at = 0; at < st->events.len; at += sizeof(e) + e.len) {
		memcpy(&e, st->events.data + at, sizeof(e));
		buf_put(&offsets, &at, sizeof(at));
	}
	off = (size_t *)offsets.data;
	n = offsets.len / sizeof(*off);
	sorting = &st->events;
	if (n)
		qsort(off, n, sizeof(*off), by_time);
	for (i = 0; i < n; i++) {
		memcpy(&e, st->events.data + off[i], sizeof(e));
		buf_put(&sorted, st->events.data + off[i], sizeof(e) + e.len);
	}
	if (sorted.error || offsets.error)
		stacks_die("sorting samples", ENOMEM);
	buf_release(&offsets);
	buf_release(&st->events);
	st->events = sorted;
}

/* Run @argv, and call @take for the rings whenever there is something, until it ends or has taken enough. */
static void run(struct stacks *st, struct recorder *rec, char **argv, void (*take)(struct recorder *, void *),
		void *arg)
{
	bool running = true;
	int go, status = 0;
	nfds_t i;

	rec->pid = start_held(argv, &go);
	rec->copy = st->copy;
	open_events(rec);
	if (write(go, "x", 1) != 1)
		stacks_die("starting the command", errno);
	close(go);
	while (running && st->n < rec->max) {
		poll(rec->fds, rec->n, 100);
		running = waitpid(rec->pid, &status, WNOHANG) == 0;
		take(rec, arg);
	}
	kill(-rec->pid, SIGKILL); /* the command's group, and what it left behind */
	if (running)
		waitpid(rec->pid, &status, 0);
	else if (WIFEXITED(status) && WEXITSTATUS(status))
		fprintf(stderr, "stacks: the command returned %d\n", WEXITSTATUS(status));
	for (i = 0; i < rec->n; i++) {
		ring_free(rec->rings[i]);
		close(rec->fds[i].fd);
	}
}

static struct record_layout layout_of(void)
{
	return (struct record_layout){SAMPLE_TYPE, (unsigned)__builtin_popcountll(regs_arch.perf_mask)};
}

static void take_all(struct recorder *rec, void *arg)
{
	struct record_layout layout = layout_of();
	nfds_t i;

	for (i = 0; i < rec->n; i++)
		drain(arg, rec->rings[i], &layout, rec);
}

void stacks_record(struct stacks *st, char **argv, uint64_t max, uint64_t hz)
{
	struct recorder rec = {.max = max, .hz = hz};

	run(st, &rec, argv, take_all, st);
	sort_events(st);
}

void stacks_save(const struct stacks *st, const char *path)
{
	FILE *f = fopen(path, "wbe");

	if (!f || fwrite(st->events.data, 1, st->events.len, f) != st->events.len || fclose(f))
		stacks_die(path, errno);
}

/* True if replaying the event stays inside its bytes. */
static bool well_formed(const struct event *e, const uint8_t *data)
{
	const struct event_sample *s = (const void *)data;

	switch (e->kind) {
	case EVENT_MAP:
		return e->len > sizeof(struct event_map) && !data[e->len - 1];
	case EVENT_EXEC:
		return true;
	case EVENT_SAMPLE:
		return e->len >= sizeof(*s) && s->n_chain <= (e->len - sizeof(*s)) / 8;
	default:
		return false;
	}
}

/* A file made by stacks_save() may have been cut off since: what is whole is taken. */
void stacks_load(struct stacks *st, const char *path)
{
	const struct buf *b = &st->events;
	struct event e;
	size_t at = 0;
	int err = io_read_file(AT_FDCWD, path, &st->events);

	if (err)
		stacks_die(path, -err);
	while (b->len - at >= sizeof(e)) {
		memcpy(&e, b->data + at, sizeof(e));
		if (e.len > b->len - at - sizeof(e) || e.len % 8 ||
		    !well_formed(&e, b->data + at + sizeof(e)))
			break;
		at += sizeof(e) + e.len;
		st->n += e.kind == EVENT_SAMPLE;
	}
	st->events.len = at;
}

/* ---- replaying ---- */

void replay_init(struct replay *r)
{
	int err;

	memset(r, 0, sizeof(*r));
	err = profile_init(&r->profile);
	if (!err)
		err = modules_new(&r->modules, &r->profile, 1024);
	if (!err)
		err = unwinder_new(&r->unwinder, r->modules);
	r->maps = maps_new();
	if (err || !r->maps)
		stacks_die("setting up", -err);
}

void replay_release(struct replay *r)
{
	maps_unref(r->maps);
	unwinder_free(r->unwinder);
	modules_free(r->modules);
	profile_release(&r->profile);
}

static void replay_map(struct replay *r, const struct event_map *m)
{
	struct module_ident id = {m->maj, m->min, m->ino, m->ino_generation};
	struct mapping map = {m->start, m->end, m->pgoff, NULL, 0};

	map.module = modules_get(r->modules, getpid(), m->path, &id, m->start, m->end);
	if (!map.module)
		stacks_die("modules", ENOMEM);
	if (map.module->info->kind == MODULE_ANON)
		map.pgoff = m->start;
	else if (map.module->info->kind == MODULE_VDSO)
		map.pgoff = 0;
	(void)maps_insert(&r->maps, &map); /* the kernel's records are not empty */
	r->generation++;
}

static struct unwind_sample sample_of(const struct event_sample *s, uint32_t len)
{
	const uint64_t *chain = (const void *)(s + 1);

	return (struct unwind_sample){.regs = s->regs,
				      .chain = s->n_chain ? chain : NULL,
				      .n_chain = (uint32_t)s->n_chain,
				      .stack = (const uint8_t *)(chain + s->n_chain),
				      .stack_size = len - sizeof(*s) - s->n_chain * 8};
}

void replay_all(struct replay *r, const struct stacks *st,
		void (*sample)(struct replay *, const struct unwind_sample *, void *), void *arg)
{
	struct event e;
	size_t at;

	maps_unref(r->maps);
	r->maps = maps_new();
	if (!r->maps)
		stacks_die("maps", ENOMEM);
	r->generation++;
	for (at = 0; at < st->events.len; at += sizeof(e) + e.len) {
		const void *data = st->events.data + at + sizeof(e);

		memcpy(&e, st->events.data + at, sizeof(e));
		if (e.kind == EVENT_MAP) {
			replay_map(r, data);
		} else if (e.kind == EVENT_EXEC) {
			maps_unref(r->maps);
			r->maps = maps_new();
			r->generation++;
		} else if (e.kind == EVENT_SAMPLE) {
			struct unwind_sample u = sample_of(data, e.len);

			sample(r, &u, arg);
		}
	}
}

/* ---- while it runs ---- */

struct watch {
	struct stacks *st;
	struct replay *r;
	void (*sample)(struct replay *, const struct unwind_sample *, void *);
	void *arg;
};

/* One record's events are kept, gone through and forgotten. */
static void watch_record(struct watch *w, const struct record *r, const struct recorder *rec)
{
	struct event e;

	buf_clear(&w->st->events);
	keep_record(w->st, r, rec);
	if (!w->st->events.len)
		return;
	memcpy(&e, w->st->events.data, sizeof(e));
	if (e.kind == EVENT_SAMPLE) {
		struct unwind_sample s = sample_of((const void *)(w->st->events.data + sizeof(e)), e.len);

		w->sample(w->r, &s, w->arg);
	} else if (e.kind == EVENT_MAP) {
		replay_map(w->r, (const void *)(w->st->events.data + sizeof(e)));
	} else if (e.kind == EVENT_EXEC) {
		maps_unref(w->r->maps);
		w->r->maps = maps_new();
		w->r->generation++;
	}
}

static void take_watch(struct recorder *rec, void *arg)
{
	static uint64_t scratch[RING_RECORD_MAX / 8];
	struct record_layout layout = layout_of();
	struct perf_event_header hdr;
	struct record r;
	nfds_t i;

	for (i = 0; i < rec->n; i++) {
		ring_mark(rec->rings[i]);
		while (ring_peek(rec->rings[i], &hdr) > 0) {
			if (!record_decode(ring_record(rec->rings[i], scratch), &layout, &r))
				watch_record(arg, &r, rec);
			ring_consume(rec->rings[i]);
		}
	}
}

void stacks_watch(struct stacks *st, struct replay *r, char **argv, uint64_t max, uint64_t hz,
		  void (*sample)(struct replay *, const struct unwind_sample *, void *), void *arg)
{
	struct recorder rec = {.max = max, .hz = hz};
	struct watch w = {st, r, sample, arg};
	cpu_set_t all, one;

	CPU_ZERO(&one);
	if (sched_getaffinity(0, sizeof(all), &all))
		stacks_die("affinity", errno);
	CPU_SET((size_t)sched_getcpu(), &one);
	sched_setaffinity(0, sizeof(one), &one);
	run(st, &rec, argv, take_watch, &w);
	sched_setaffinity(0, sizeof(all), &all);
}

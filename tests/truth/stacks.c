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
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum event_kind { EVENT_MAP, EVENT_EXEC, EVENT_SAMPLE };

/* What is kept of a record; stored back to back, each padded to 8 bytes. */
struct event {
	uint32_t kind, len; /* len: of what follows this header */
};

struct event_map {
	uint64_t start, end, pgoff, ino, ino_generation;
	uint32_t maj, min;
	char path[]; /* with its NUL */
};

struct event_sample {
	uint64_t regs[REGS_MAX];
	uint8_t stack[];
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

static void keep(struct stacks *st, enum event_kind kind, const void *a, size_t a_len, const void *b,
		 size_t b_len)
{
	static const uint8_t zeros[8];
	struct event e = {kind, (uint32_t)((a_len + b_len + 7) & ~(size_t)7)};

	buf_put(&st->events, &e, sizeof(e));
	buf_put(&st->events, a, a_len);
	buf_put(&st->events, b, b_len);
	buf_put(&st->events, zeros, e.len - a_len - b_len);
	if (st->events.error)
		stacks_die("keeping samples", -st->events.error);
}

static void keep_record(struct stacks *st, const struct record *r, uint64_t max)
{
	uint64_t regs[REGS_MAX] = {0};

	if (r->kind == RECORD_MMAP) {
		struct event_map m = {r->u.mmap.start, r->u.mmap.start + r->u.mmap.len, r->u.mmap.pgoff,
				      r->u.mmap.ino,   r->u.mmap.ino_generation,        r->u.mmap.maj,
				      r->u.mmap.min};

		keep(st, EVENT_MAP, &m, sizeof(m), r->u.mmap.path, strlen(r->u.mmap.path) + 1);
	} else if (r->kind == RECORD_COMM && r->u.comm.exec) {
		keep(st, EVENT_EXEC, NULL, 0, NULL, 0);
	} else if (r->kind == RECORD_LOST) {
		st->lost += r->u.lost.lost;
	} else if (r->kind == RECORD_SAMPLE && r->u.sample.regs && r->u.sample.abi == regs_arch.perf_abi &&
		   st->n < max && regs_from_perf(r->u.sample.regs, r->u.sample.n_regs, regs)) {
		keep(st, EVENT_SAMPLE, regs, sizeof(regs), r->u.sample.stack, r->u.sample.stack_size);
		st->n++;
	}
}

static void drain(struct stacks *st, struct ring *ring, const struct record_layout *layout, uint64_t max)
{
	static uint64_t scratch[RING_RECORD_MAX / 8];
	struct perf_event_header hdr;
	struct record rec;

	ring_mark(ring);
	while (ring_peek(ring, &hdr) > 0) {
		if (!record_decode(ring_record(ring, scratch), layout, &rec))
			keep_record(st, &rec, max);
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

static int open_event(pid_t pid, uint64_t hz, struct ring **ring)
{
	struct perf_event_attr a = {.size = sizeof(a), .type = PERF_TYPE_SOFTWARE};
	size_t pages;
	int fd;

	a.config = PERF_COUNT_SW_TASK_CLOCK;
	a.freq = 1;
	a.sample_freq = hz;
	a.sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_REGS_USER | PERF_SAMPLE_STACK_USER;
	a.sample_regs_user = regs_arch.perf_mask;
	a.sample_stack_user = 65528 - 512; /* room for the rest of the record */
	a.disabled = a.enable_on_exec = a.exclude_kernel = a.exclude_hv = 1;
	a.mmap = a.mmap2 = a.comm = a.comm_exec = a.sample_id_all = 1;
	a.wakeup_events = 1;
	fd = (int)syscall(SYS_perf_event_open, &a, pid, -1, -1, PERF_FLAG_FD_CLOEXEC);
	if (fd < 0)
		stacks_die("perf_event_open", errno);
	for (pages = 1024; pages >= 32; pages /= 2)
		if (!ring_new(ring, fd, pages))
			return fd;
	stacks_die("mmap of the ring", errno);
}

void stacks_record(struct stacks *st, char **argv, uint64_t max, uint64_t hz)
{
	struct record_layout layout = {PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_REGS_USER |
					       PERF_SAMPLE_STACK_USER,
				       (unsigned)__builtin_popcountll(regs_arch.perf_mask)};
	struct ring *ring = NULL;
	int go, fd, status = 0;
	pid_t pid = start_held(argv, &go);
	struct pollfd p;
	bool running = true;

	fd = open_event(pid, hz, &ring);
	if (write(go, "x", 1) != 1)
		stacks_die("starting the command", errno);
	close(go);
	p = (struct pollfd){.fd = fd, .events = POLLIN};
	while (running && st->n < max) {
		poll(&p, 1, 100);
		running = waitpid(pid, &status, WNOHANG) == 0;
		drain(st, ring, &layout, max);
	}
	kill(-pid, SIGKILL); /* the command's group, and what it left behind */
	if (running)
		waitpid(pid, &status, 0);
	else if (WIFEXITED(status) && WEXITSTATUS(status))
		fprintf(stderr, "stacks: the command returned %d\n", WEXITSTATUS(status));
	ring_free(ring);
	close(fd);
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
	switch (e->kind) {
	case EVENT_MAP:
		return e->len > sizeof(struct event_map) && !data[e->len - 1];
	case EVENT_EXEC:
		return true;
	case EVENT_SAMPLE:
		return e->len >= sizeof(struct event_sample);
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
			const struct event_sample *s = data;
			struct unwind_sample u = {
				.regs = s->regs, .stack = s->stack, .stack_size = e.len - sizeof(*s)};

			sample(r, &u, arg);
		}
	}
}

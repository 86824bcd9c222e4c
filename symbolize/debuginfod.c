/* SPDX-License-Identifier: Apache-2.0 */
/*
 * debuginfod.c - see debuginfod.h. First the child's side, then the parent's.
 *
 * The library's functions are declared here as its documentation has them
 * (debuginfod_find_debuginfo(3)), so that building needs no header of it.
 */
#include "symbolize/debuginfod.h"

#include "base/io.h"
#include "symbolize/debugfile.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIBRARY     "libdebuginfod.so.1"
#define MAX_FILE    "1073741824" /* bytes; the user's own DEBUGINFOD_MAXSIZE wins */
#define PROGRESS_NS 200000000u
#define GRACE_MS    300  /* beyond the deadline, for the library to clean up */
#define MAX_FETCHED 4096 /* modules */
#define MS_NS       UINT64_C(1000000)

enum kind { PROGRESS, DEBUG_FILE, ALT_FILE, NOT_THERE, NO_LIBRARY, FINISHED };

struct message {
	uint32_t kind, i; /* i: in the order they are fetched */
	uint64_t got, total;
};

struct client;

struct library {
	struct client *(*begin)(void);
	void (*end)(struct client *);
	int (*find_debuginfo)(struct client *, const unsigned char *id, int id_len, char **path);
	void (*set_progressfn)(struct client *, int (*fn)(struct client *, long a, long b));
};

/* ---- the child ---- */

/* The library's callback has no argument of ours before 0.180. */
static struct {
	int fd;
	uint32_t i;
	uint64_t deadline_ns, told_ns;
} fetching;

/* With @fd, unless it is -1. */
static int tell(int socket, const struct message *m, int fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {{0}};
	struct iovec iov = {(void *)(uintptr_t)m, sizeof(*m)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	struct cmsghdr *c;

	if (fd >= 0) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control.bytes);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(int));
	}
	return sendmsg(socket, &msg, MSG_NOSIGNAL) == (ssize_t)sizeof(*m) ? 0 : -EPIPE;
}

/* Nonzero ends the transfer. */
static int on_progress(struct client *c, long a, long b)
{
	uint64_t now = io_clock_ns(CLOCK_MONOTONIC);
	struct message m = {PROGRESS, fetching.i, a > 0 ? (uint64_t)a : 0, b > 0 ? (uint64_t)b : 0};

	(void)c;
	if (now >= fetching.deadline_ns)
		return 1;
	if (now - fetching.told_ns < PROGRESS_NS)
		return 0;
	fetching.told_ns = now;
	return tell(fetching.fd, &m, -1);
}

static bool load(struct library *l)
{
	void *lib = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);

	if (!lib)
		return false;
	*(void **)&l->begin = dlsym(lib, "debuginfod_begin");
	*(void **)&l->end = dlsym(lib, "debuginfod_end");
	*(void **)&l->find_debuginfo = dlsym(lib, "debuginfod_find_debuginfo");
	*(void **)&l->set_progressfn = dlsym(lib, "debuginfod_set_progressfn");
	return l->begin && l->end && l->find_debuginfo && l->set_progressfn;
}

static int fetch_one(const struct library *l, struct client *c, const struct source_module *m, uint32_t i)
{
	struct message msg = {.kind = DEBUG_FILE, .i = i};
	uint8_t id[PROFILE_BUILD_ID_MAX], len;
	int fd, alt, err;

	fetching.i = i;
	fetching.told_ns = 0;
	fd = l->find_debuginfo(c, m->mod->build_id, m->mod->build_id_len, NULL);
	if (fd < 0) {
		msg = (struct message){.kind = NOT_THERE, .i = i, .got = (uint64_t)-fd};
		return tell(fetching.fd, &msg, -1);
	}
	err = tell(fetching.fd, &msg, fd);
	len = err ? 0 : debugfile_alt_id(fd, id);
	alt = len ? l->find_debuginfo(c, id, len, NULL) : -1;
	close(fd);
	if (alt < 0)
		return err;
	msg.kind = ALT_FILE;
	err = tell(fetching.fd, &msg, alt);
	close(alt);
	return err;
}

/* Progress is ours to show; sizes and times are bounded unless the user has set them. */
static void settle(pid_t parent, uint32_t deadline_ms)
{
	char seconds[16];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	prctl(PR_SET_NAME, "ddprof-fetch");
	snprintf(seconds, sizeof(seconds), "%u", deadline_ms / 1000 + 1);
	unsetenv("DEBUGINFOD_PROGRESS");
	setenv("DEBUGINFOD_MAXSIZE", MAX_FILE, 0);
	setenv("DEBUGINFOD_MAXTIME", seconds, 0);
}

_Noreturn static void child(const struct source_module *const *order, uint32_t n, int fd, pid_t parent,
			    uint32_t deadline_ms, uint64_t deadline_ns)
{
	struct message last = {.kind = FINISHED};
	struct library l;
	struct client *c;
	uint32_t i;

	settle(parent, deadline_ms);
	fetching.fd = fd;
	fetching.deadline_ns = deadline_ns;
	c = load(&l) ? l.begin() : NULL;
	if (!c) {
		last.kind = NO_LIBRARY;
	} else {
		l.set_progressfn(c, on_progress);
		for (i = 0; i < n && io_clock_ns(CLOCK_MONOTONIC) < deadline_ns; i++)
			if (fetch_one(&l, c, order[i], i))
				_exit(1);
		l.end(c);
	}
	_exit(tell(fd, &last, -1) ? 1 : 0);
}

/* ---- the parent ---- */

struct fetch {
	struct source_module **order; /* [n] */
	uint32_t n, taken, missing, failed;
	uint64_t deadline_ns;
	const struct debuginfod_options *opt;
	bool late, no_library, ended;
};

/* 1: a message, 0: the end, -ETIMEDOUT. *@fd is the caller's to close, or -1. */
static int receive(const struct fetch *f, int socket, struct message *m, int *fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = {m, sizeof(*m)};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control.bytes,
			     .msg_controllen = sizeof(control.bytes)};
	struct pollfd p = {.fd = socket, .events = POLLIN};
	uint64_t now = io_clock_ns(CLOCK_MONOTONIC), end = f->deadline_ns + GRACE_MS * MS_NS;
	struct cmsghdr *c;
	ssize_t n;

	*fd = -1;
	if (now >= end || poll(&p, 1, (int)((end - now) / MS_NS) + 1) == 0)
		return -ETIMEDOUT;
	n = recvmsg(socket, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	if (n < 0 && (errno == EINTR || errno == EAGAIN)) {
		m->kind = PROGRESS;
		m->i = UINT32_MAX;
		return 1;
	}
	c = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL;
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
	    c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(fd, CMSG_DATA(c), sizeof(int));
	return n == (ssize_t)sizeof(*m);
}

static void progress(const struct fetch *f, const struct message *m)
{
	const char *path = f->order[m->i]->path, *slash = strrchr(path, '/');

	if (f->opt->progress)
		f->opt->progress(f->opt->progress_arg, slash ? slash + 1 : path, m->i + 1, f->n, m->got,
				 m->total);
}

/* A server may send anything: only what has the build id is taken. */
static bool take_debug(struct source_module *m, int fd)
{
	struct debugfile found;

	if (m->debug_fd >= 0 || !debugfile_has_id(fd, m->mod->build_id, m->mod->build_id_len))
		return false;
	debugfile_companions(m->mod, m->path, m->dirs, fd, &found);
	m->debug_fd = fd;
	m->alt_fd = found.alt_fd;
	source_take_split(m, &found);
	return true;
}

static bool take_alt(struct source_module *m, int fd)
{
	uint8_t id[PROFILE_BUILD_ID_MAX], len;

	if (m->debug_fd < 0 || m->alt_fd >= 0)
		return false;
	len = debugfile_alt_id(m->debug_fd, id);
	if (!len || !debugfile_has_id(fd, id, len))
		return false;
	m->alt_fd = fd;
	return true;
}

static void take(struct fetch *f, const struct message *m, int fd)
{
	bool kept = false;

	if (m->kind == NO_LIBRARY || m->kind == FINISHED) {
		f->no_library = m->kind == NO_LIBRARY;
		f->ended = true;
	} else if (m->i < f->n) {
		if (m->kind == PROGRESS)
			progress(f, m);
		else if (m->kind == NOT_THERE && m->got == ENOENT)
			f->missing++;
		else if (m->kind == NOT_THERE)
			f->failed++;
		else if (fd >= 0 && m->kind == DEBUG_FILE)
			kept = take_debug(f->order[m->i], fd);
		else if (fd >= 0 && m->kind == ALT_FILE)
			kept = take_alt(f->order[m->i], fd);
		f->taken += kept && m->kind == DEBUG_FILE;
		f->failed += m->kind == DEBUG_FILE && !kept;
	}
	if (fd >= 0 && !kept)
		close(fd);
}

static void collect(struct fetch *f, int socket)
{
	struct message m;
	int fd, got;

	while (!f->ended) {
		got = receive(f, socket, &m, &fd);
		if (got <= 0) {
			f->late = got == -ETIMEDOUT;
			if (fd >= 0)
				close(fd);
			return;
		}
		take(f, &m, fd);
	}
	f->late = f->taken + f->missing + f->failed < f->n && !f->no_library;
}

static int hotter(const void *a, const void *b)
{
	const struct source_module *x = *(struct source_module *const *)a;
	const struct source_module *y = *(struct source_module *const *)b;

	if (x->heat != y->heat)
		return x->heat < y->heat ? 1 : -1;
	return x->mod < y->mod ? -1 : x->mod > y->mod;
}

static void run(struct fetch *f)
{
	pid_t parent = getpid(), pid;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return;
	pid = fork();
	if (!pid)
		child((const struct source_module *const *)f->order, f->n, pair[1], parent,
		      f->opt->deadline_ms, f->deadline_ns);
	close(pair[1]);
	if (pid > 0) {
		collect(f, pair[0]);
		kill(pid, SIGKILL);
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	close(pair[0]);
	if (f->opt->progress)
		f->opt->progress(f->opt->progress_arg, NULL, 0, 0, 0, 0);
}

static void explain(const struct fetch *f, char *why)
{
	int n;

	if (f->no_library) {
		snprintf(why, DEBUGINFOD_WHY, "nothing fetched: " LIBRARY " is not installed");
		return;
	}
	n = snprintf(why, DEBUGINFOD_WHY, "%u of %u debug files fetched", f->taken, f->n);
	if (f->missing)
		n += snprintf(why + n, DEBUGINFOD_WHY - (size_t)n, ", %u not on the servers", f->missing);
	if (f->late)
		snprintf(why + n, DEBUGINFOD_WHY - (size_t)n, ", given up after %.1f s",
			 f->opt->deadline_ms / 1000.0);
	else if (f->failed || !f->ended)
		snprintf(why + n, DEBUGINFOD_WHY - (size_t)n, ", %u failed", f->n - f->taken - f->missing);
}

void debuginfod_fetch(struct source_module *modules, uint32_t n, const struct debuginfod_options *opt,
		      char *why)
{
	struct fetch f = {.opt = opt};
	const char *urls = getenv("DEBUGINFOD_URLS");
	uint32_t i;

	why[0] = '\0';
	if (!opt->deadline_ms)
		return;
	f.order = calloc((size_t)n + 1, sizeof(*f.order));
	for (i = 0; f.order && i < n && f.n < MAX_FETCHED; i++)
		if (modules[i].wants_debug && modules[i].debug_fd < 0 && modules[i].mod->build_id_len > 1)
			f.order[f.n++] = &modules[i];
	if (f.n && (!urls || !urls[strspn(urls, " ")])) {
		snprintf(why, DEBUGINFOD_WHY, "nothing fetched: DEBUGINFOD_URLS names no server");
	} else if (f.n) {
		qsort(f.order, f.n, sizeof(*f.order), hotter);
		f.deadline_ns = io_clock_ns(CLOCK_MONOTONIC) + opt->deadline_ms * MS_NS;
		run(&f);
		explain(&f, why);
	}
	free(f.order);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* tracer.c - the collector's side: the memory, the process, its end. */
#include "collect/tracer_private.h"

#include "base/io.h"
#include "base/log.h"
#include "collect/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAP_BYTES (2 * TRACER_HEAD + (size_t)TRACER_RING_BYTES)
#define END_MS    1000 /* for a process that has only to exit */

struct tracer {
	struct tracer_shared *shared;
	struct record_layout layout;
	struct order_source source;
	uint32_t stack_size;
	pid_t pid;   /* 0: none */
	int ctl_fd;  /* closed: the process ends; at its end: it has */
	int wake_fd; /* eventfd */
	bool dead;   /* said once */
};

/* ---- may it be traced? ---- */

static pid_t traced_by(pid_t pid)
{
	char path[32], text[4096], *p;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : io_read_full(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		close(fd);
	if (n < 0)
		return 0;
	text[n] = '\0';
	p = strstr(text, "\nTracerPid:");
	return p ? (pid_t)strtol(p + 11, NULL, 10) : 0;
}

/* Seized by a child that ends at once: nothing was done to it, and the kernel lets it go. */
int tracer_check(pid_t pid, pid_t *by)
{
	int status, err;
	pid_t child;

	*by = traced_by(pid);
	if (*by)
		return -EBUSY;
	child = fork();
	if (child < 0)
		return -errno;
	if (!child)
		_exit(ptrace(PTRACE_SEIZE, pid, NULL, NULL) ? errno & 0xff : 0);
	while ((err = waitpid(child, &status, 0)) < 0 && errno == EINTR)
		;
	if (err < 0)
		return -errno;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -EPERM;
}

/* ---- start ---- */

static int make_memory(struct tracer *t)
{
	void *map = mmap(NULL, MAP_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (map == MAP_FAILED)
		return -errno;
	t->shared = map;
	t->layout.sample_type = TRACER_SAMPLE_TYPE;
	t->layout.n_regs = (unsigned)__builtin_popcountll(regs_arch.perf_mask);
	t->source.layout = &t->layout;
	return ring_new_shared(&t->source.ring, (char *)map + TRACER_HEAD, TRACER_HEAD, TRACER_RING_BYTES);
}

static struct tracing *new_tracing(struct tracer *t, const struct tracer_options *opt, const pid_t *pids,
				   uint32_t n)
{
	struct tracing *p = calloc(1, sizeof(*p));
	uint32_t i;

	if (!p)
		return NULL;
	p->opt = *opt;
	p->opt.rate = !opt->rate || opt->rate > TRACER_RATE_MAX ? TRACER_RATE_MAX : opt->rate;
	p->opt.stack_size = t->stack_size;
	p->shared = t->shared;
	p->ring = (char *)t->shared + TRACER_HEAD;
	p->wake_fd = t->wake_fd;
	p->ctl_fd = p->signal_fd = -1;
	p->begin_ticks = io_clock_ns(CLOCK_BOOTTIME) / (1000000000u / (uint64_t)sysconf(_SC_CLK_TCK));
	for (i = 0; i < n; i++)
		p->processes[p->n_processes++] = (struct traced_process){.pid = pids[i], .running = true};
	return p;
}

static int start(struct tracer *t, struct tracing *p)
{
	pid_t self = getpid();
	int pair[2], err = 0;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return -errno;
	t->ctl_fd = pair[0];
	p->ctl_fd = pair[1];
	t->pid = fork();
	if (!t->pid)
		tracer_process(p, self);
	if (t->pid < 0) {
		err = -errno;
		t->pid = 0;
	}
	close(pair[1]);
	/* An exporter forked later has no business with it. */
	madvise(t->shared, MAP_BYTES, MADV_DONTFORK);
	return err;
}

int tracer_new(struct tracer **out, const struct tracer_options *opt, const pid_t *pids, uint32_t n)
{
	struct tracer *t = calloc(1, sizeof(*t));
	struct tracing *p = NULL;
	int err;

	if (!t)
		return -ENOMEM;
	t->ctl_fd = -1;
	t->stack_size = opt->stack_size && opt->stack_size < TRACER_STACK_MAX ? opt->stack_size & ~7u
									      : TRACER_STACK_MAX;
	t->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	err = t->wake_fd < 0 ? -errno : n > TRACER_PROCESS_MAX ? -E2BIG : make_memory(t);
	if (!err) {
		p = new_tracing(t, opt, pids, n);
		err = p ? start(t, p) : -ENOMEM;
	}
	free(p);
	if (err) {
		tracer_free(t);
		return err;
	}
	*out = t;
	return 0;
}

/* ---- end ---- */

void tracer_end(struct tracer *t)
{
	struct pollfd pfd = {.fd = t->ctl_fd, .events = POLLIN};

	if (t->ctl_fd < 0)
		return;
	shutdown(t->ctl_fd, SHUT_WR);
	(void)poll(&pfd, 1, END_MS); /* its end is closed when it exits */
	close(t->ctl_fd);
	t->ctl_fd = -1;
	/* Whoever reaps all children may have been first. */
	(void)waitpid(t->pid, NULL, WNOHANG);
}

void tracer_free(struct tracer *t)
{
	if (!t)
		return;
	tracer_end(t);
	ring_free(t->source.ring);
	if (t->shared)
		munmap(t->shared, MAP_BYTES);
	if (t->wake_fd >= 0)
		close(t->wake_fd);
	free(t);
}

/* ---- use ---- */

struct order_source *tracer_sources(struct tracer *t, uint32_t *n)
{
	*n = 1;
	return &t->source;
}

int tracer_wake_fd(const struct tracer *t)
{
	return t->wake_fd;
}

int tracer_look(struct tracer *t)
{
	struct pollfd pfd = {.fd = t->ctl_fd, .events = POLLIN};
	uint64_t ignored;

	(void)!read(t->wake_fd, &ignored, sizeof(ignored));
	if (t->dead || t->ctl_fd < 0 || poll(&pfd, 1, 0) != 1)
		return 0;
	t->dead = true;
	return -EPIPE;
}

uint32_t tracer_stack_size(const struct tracer *t)
{
	return t->stack_size;
}

void tracer_stats(const struct tracer *t, struct tracer_stats *out)
{
	*out = t->shared->stats;
}

uint32_t tracer_fds(const struct tracer *t, int fds[2])
{
	uint32_t n = 0;

	fds[n++] = t->wake_fd;
	if (t->ctl_fd >= 0)
		fds[n++] = t->ctl_fd;
	return n;
}

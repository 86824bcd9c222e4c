/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exporter.c - the collector's side: fork, read the reply as it comes, reap.
 *
 * The reply is complete when as many bytes are there as its head announces;
 * if the pipe ends before, the child died, and its wait status says how.
 */
#include "export/exporter_private.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHUNK 65536

struct exporter {
	pid_t pid; /* -1: done in this process, or reaped */
	bool reaped;
	int status; /* if reaped is set; as from waitpid() */
	int fd;
	struct names *names;
	struct sink *sink;
	struct kept *kept;
	uint64_t seq;
	uint32_t n_locations; /* when it was forked: names for others are not believed */
	struct buf in;
	bool finished;
	struct export_result result;
};

/* A pipe above the standard descriptors, reading end non-blocking. */
static int make_pipe(int fds[2])
{
	int i, moved;

	if (pipe2(fds, O_CLOEXEC))
		return -errno;
	for (i = 0; i < 2; i++) {
		if (fds[i] > STDERR_FILENO)
			continue;
		moved = fcntl(fds[i], F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
		close(fds[i]);
		fds[i] = moved;
	}
	if (fds[0] >= 0 && fds[1] >= 0 && fcntl(fds[0], F_SETFL, O_NONBLOCK) >= 0)
		return 0;
	if (fds[0] >= 0)
		close(fds[0]);
	if (fds[1] >= 0)
		close(fds[1]);
	return -EMFILE;
}

/* What was kept is written or not, and what this exporter could not write is kept. */
static void keep(struct exporter *e, uint32_t written, const uint8_t *data, size_t len)
{
	if (!e->kept)
		return;
	if (written > e->kept->n)
		written = e->kept->n;
	e->kept->written += written;
	kept_remove(e->kept, written);
	if (len)
		kept_add(e->kept, e->seq, data, len);
}

/* The last resort: here, blocking, with addresses and the names known already. */
static void work_here(struct exporter *e, const struct export_job *job, int err)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN}, pipe_was, size_was;
	struct exporter_leftover left;
	char why[96];

	snprintf(why, sizeof(why), "no process for the export: %s", strerror(-err));
	log_debug("%s", why);
	sigaction(SIGPIPE, &ignore, &pipe_was);
	sigaction(SIGXFSZ, &ignore, &size_was);
	exporter_work(job, why, &e->result, &left);
	keep(e, left.kept_written, left.unwritten.data, left.unwritten.len);
	buf_release(&left.unwritten);
	sigaction(SIGPIPE, &pipe_was, NULL);
	sigaction(SIGXFSZ, &size_was, NULL);
	e->finished = true;
}

/* ---- descriptors set aside for the pipe ---- */

static int spare[2] = {-1, -1};
static bool reserving;

void exporter_reserve(void)
{
	int i;

	reserving = true;
	for (i = 0; i < 2; i++)
		if (spare[i] < 0)
			spare[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void use_reserve(void)
{
	int i;

	for (i = 0; i < 2; i++) {
		if (spare[i] >= 0)
			close(spare[i]);
		spare[i] = -1;
	}
}

/* As far as the pipe leaves room; the rest when it is closed. */
static void restore_reserve(void)
{
	if (reserving)
		exporter_reserve();
}

int exporter_start(struct exporter **out, const struct export_job *job)
{
	struct exporter *e = calloc(1, sizeof(*e));
	int fds[2] = {-1, -1};
	int err;

	if (!e)
		return -ENOMEM;
	*e = (struct exporter){.pid = -1,
			       .fd = -1,
			       .names = job->names,
			       .sink = job->sink,
			       .kept = job->kept,
			       .seq = job->profile->seq};
	e->n_locations = job->profile->n_locations;
	buf_init(&e->in, EXPORTER_MAX_REPLY);
	symbolize_outdated(job->profile, job->names);
	use_reserve();
	err = make_pipe(fds);
	if (!err) {
		e->pid = fork();
		if (!e->pid)
			exporter_child(job, fds[1]);
		err = e->pid < 0 ? -errno : 0;
		/* without a child this end is at its end already, so whoever polls it looks */
		e->fd = fds[0];
		close(fds[1]);
	}
	restore_reserve();
	if (err) {
		e->pid = -1;
		work_here(e, job, err);
	}
	*out = e;
	return 0;
}

int exporter_fd(const struct exporter *e)
{
	return e->fd;
}

pid_t exporter_pid(const struct exporter *e)
{
	return e->pid;
}

/* ---- the reply ---- */

static void failed(struct exporter *e, const char *why)
{
	memset(&e->result, 0, sizeof(e->result));
	e->result.status = -EPIPE;
	snprintf(e->result.why, sizeof(e->result.why), "%s", why);
	e->finished = true;
	sink_sweep(e->sink);
}

/* What is in the reply is checked as if a stranger had sent it: it read strangers' files. */
static bool plausible(const struct exporter_reply *r)
{
	const struct export_result *res = &r->result;
	uint32_t i;

	if (r->magic != EXPORTER_MAGIC || r->size != sizeof(*r) ||
	    r->names_len > EXPORTER_MAX_REPLY - sizeof(*r) - KEPT_MAX_BYTES ||
	    r->unwritten_len > KEPT_MAX_BYTES || res->n_top > EXPORT_TOP_MAX || res->status > 0 ||
	    !memchr(r->path, 0, sizeof(r->path)) || !memchr(r->base, 0, sizeof(r->base)) ||
	    !memchr(res->why, 0, sizeof(res->why)) || !memchr(res->path, 0, sizeof(res->path)) ||
	    !memchr(res->symbolize.why, 0, sizeof(res->symbolize.why)) ||
	    !memchr(res->symbolize.fetched, 0, sizeof(res->symbolize.fetched)) ||
	    !memchr(res->upload.result.why, 0, sizeof(res->upload.result.why)) ||
	    res->upload.result.end > UPLOAD_GAVE_UP)
		return false;
	for (i = 0; i < res->n_top; i++)
		if (!memchr(res->top[i].name, 0, sizeof(res->top[i].name)))
			return false;
	return true;
}

/* Use the reply if it is all there. */
static void try_finish(struct exporter *e)
{
	const struct exporter_reply *r = (const struct exporter_reply *)(const void *)e->in.data;
	int err;

	if (e->in.len < sizeof(*r))
		return;
	if (!plausible(r)) {
		failed(e, "the exporter's reply is damaged");
		return;
	}
	if (e->in.len - sizeof(*r) < r->names_len + r->unwritten_len)
		return;
	keep(e, r->kept_written, e->in.data + sizeof(*r) + r->names_len, (size_t)r->unwritten_len);
	e->result = r->result;
	e->sink->created = r->created;
	memcpy(e->sink->path, r->path, sizeof(r->path));
	memcpy(e->sink->base, r->base, sizeof(r->base));
	/* only the exporter's copy was made pending: without its answers the cache keeps the old reasons */
	if (r->names_len)
		names_retry(e->names, e->n_locations);
	err = r->names_len
		      ? names_decode(e->names, e->n_locations, e->in.data + sizeof(*r), (size_t)r->names_len)
		      : 0;
	if (err)
		log_debug("names from the exporter are lost: %s", strerror(-err));
	e->finished = true;
}

/* Has it ended? Never blocks. */
static bool reap(struct exporter *e)
{
	pid_t pid = e->pid > 0 ? waitpid(e->pid, &e->status, WNOHANG) : 0;

	if (pid > 0)
		e->reaped = true;
	if (pid)
		e->pid = -1; /* reaped, now or by somebody who did not tell */
	return e->pid < 0;
}

void exporter_reaped(struct exporter *e, int status)
{
	e->pid = -1;
	e->reaped = true;
	e->status = status;
}

/* The pipe has ended early: the child died or is about to. Nothing yet if it is not dead. */
static void ended_early(struct exporter *e)
{
	char why[96] = "the exporter ended without a result";

	if (!reap(e))
		return;
	if (e->reaped && WIFSIGNALED(e->status))
		snprintf(why, sizeof(why), "the exporter was killed by signal %d (%s)", WTERMSIG(e->status),
			 strsignal(WTERMSIG(e->status)));
	else if (e->reaped && WIFEXITED(e->status))
		snprintf(why, sizeof(why), "the exporter ended without a result (status %d)",
			 WEXITSTATUS(e->status));
	failed(e, why);
}

int exporter_read(struct exporter *e, struct export_result *result)
{
	ssize_t n;

	while (!e->finished) {
		if (buf_reserve(&e->in, CHUNK)) {
			failed(e, "the exporter's reply does not fit memory");
			break;
		}
		n = read(e->fd, e->in.data + e->in.len, CHUNK);
		if (n > 0) {
			e->in.len += (size_t)n;
			try_finish(e);
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return 0;
		ended_early(e);
		if (!e->finished)
			return 0;
	}
	*result = e->result;
	buf_release(&e->in);
	(void)reap(e);
	return 1;
}

void exporter_abandon(struct exporter *e)
{
	e->pid = -1;
	exporter_free(e);
}

void exporter_hurry(const struct exporter *e)
{
	if (e->pid > 0)
		kill(e->pid, SIGUSR1);
}

void exporter_free(struct exporter *e)
{
	if (!e)
		return;
	/* 0: it is our child and not reaped, so the number cannot mean another process */
	if (!reap(e)) {
		kill(e->pid, SIGKILL);
		while (waitpid(e->pid, NULL, 0) < 0 && errno == EINTR)
			;
		if (!e->finished)
			sink_sweep(e->sink);
	}
	if (e->fd >= 0)
		close(e->fd);
	restore_reserve();
	buf_release(&e->in);
	free(e);
}

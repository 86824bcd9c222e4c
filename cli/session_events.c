/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session_events.c - what a session hears: signals, the program's end, its exporter.
 *
 * In a collector process the program's end comes twice: from its pidfd, and
 * from the supervisor with the CPU time it used. The latter is waited for as
 * long as there is a supervisor, which has to reap the program anyway.
 */
#include "cli/session.h"

#include "base/io.h"
#include "base/log.h"
#include "cli/supervise.h"
#include "collect/procfs.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

static uint64_t timeval_ns(const struct timeval *t)
{
	return (uint64_t)t->tv_sec * 1000000000u + (uint64_t)t->tv_usec * 1000u;
}

/* A window that is kept is not lost: said when that begins, and when it is over. */
static void tell_written(struct session *s, const struct kept *before)
{
	uint64_t written = s->kept.written - before->written;

	if (!s->result.status && s->sink.kind == SINK_NONE)
		; /* nothing to be written */
	else if (!s->result.status)
		s->files++;
	else if (!s->kept.n || s->kept.dropped > before->dropped) {
		log_error("the profile was not written: %s", s->result.why);
		if (s->sink.numbered)
			gate_missing(gate_of(s), "a window was not written");
	} else if (!before->n)
		log_warn("a window is kept in memory until it can be written: %s", s->result.why);
	s->files += (uint32_t)written;
	if (written)
		log_notice("%llu windows that had been kept are written", (unsigned long long)written);
}

static int note_end(struct session *s, uint64_t user_ns, uint64_t system_ns)
{
	s->program_ended = true;
	/* One that attached to a running program knows its CPU time from /proc, without what was before. */
	if (s->collector && !(s->state && s->state->restarts))
		collector_set_rusage(s->collector, user_ns, system_ns);
	return SESSION_HEARD_END;
}

void session_take_result(struct session *s)
{
	const struct kept before = s->kept;

	if (!s->exporter || !exporter_read(s->exporter, &s->result))
		return;
	exporter_free(s->exporter);
	s->exporter = NULL;
	s->have_result = true;
	tell_written(s, &before);
	if (s->collector)
		collector_exported(s->collector, s->result.cpu_ns + s->result.symbolize.cpu_ns);
	destination_result(&s->dest, &s->result.upload);
	if (s->state)
		s->state->files = s->files;
	log_debug("memory: collector %llu KB, exporter %llu KB, symbolizer %llu KB",
		  (unsigned long long)s->quality.own_rss_kb, (unsigned long long)s->result.peak_rss_kb,
		  (unsigned long long)s->result.symbolize.peak_rss_kb);
	log_debug("exporting took %.0f ms, of which symbolizing %.0f ms; CPU %.0f and %.0f ms",
		  (double)s->result.wall_ns / 1e6, (double)s->result.symbolize.wall_ns / 1e6,
		  (double)s->result.cpu_ns / 1e6, (double)s->result.symbolize.cpu_ns / 1e6);
	if (s->result.symbolize.fetched[0])
		/* once is enough: later windows only ask for what they are the first to need */
		log_at(s->files <= 1 ? LOG_LEVEL_NOTICE : LOG_LEVEL_INFO, "debuginfod: %s",
		       s->result.symbolize.fetched);
	if (s->result.symbolize.mode != SYMBOLIZE_FULL)
		log_notice("names are incomplete: %s", s->result.symbolize.why);
}

/* ---- in the process whose child the program is ---- */

static int hear_launch(struct session *s)
{
	int got = launch_signals(s->launch), heard = 0, status;

	if (s->exporter && (got & LAUNCH_REAPED) &&
	    launch_reaped(s->launch, exporter_pid(s->exporter), &status))
		exporter_reaped(s->exporter, status);
	if (got & LAUNCH_EXITED) {
		const struct rusage *ru = launch_rusage(s->launch);

		heard |= note_end(s, timeval_ns(&ru->ru_utime), timeval_ns(&ru->ru_stime));
	}
	return heard | (got & LAUNCH_INTERRUPT ? SESSION_HEARD_INTERRUPT : 0);
}

/* ---- in a collector process ---- */

static void close_news(struct session *s)
{
	close(s->news_fd);
	s->news_fd = -1;
	s->program_started |= !s->program_ended; /* not after NEWS_FAILED */
}

static int hear_news(struct session *s)
{
	struct news n;
	ssize_t got = read(s->news_fd, &n, sizeof(n));

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (got != (ssize_t)sizeof(n)) {
		close_news(s);
		return 0;
	}
	switch ((enum news_kind)n.kind) {
	case NEWS_FAILED:
		s->program_ended = true;
		return SESSION_HEARD_END;
	case NEWS_STARTED:
		s->program_started = true;
		return 0;
	case NEWS_ENDED:
		return s->program_ended ? 0 : note_end(s, n.user_ns, n.system_ns);
	case NEWS_INTERRUPT:
		return SESSION_HEARD_INTERRUPT;
	}
	return 0;
}

/* The pidfd, or where there is none a look at /proc. */
static bool program_is_gone(const struct session *s)
{
	struct pollfd pfd = {.fd = s->program_fd, .events = POLLIN};
	struct procfs_stat st;

	if (s->program_fd >= 0)
		return poll(&pfd, 1, 0) == 1;
	return procfs_stat(s->pid, &st) || st.state == 'Z' || st.start_ticks != s->program_ticks;
}

static int hear_signals(struct session *s)
{
	struct signalfd_siginfo si;
	int heard = 0;

	while (read(s->signal_fd, &si, sizeof(si)) == (ssize_t)sizeof(si))
		heard |= SESSION_HEARD_TERMINATE;
	return heard;
}

static int hear_collector(struct session *s)
{
	int heard = hear_signals(s);

	while (s->news_fd >= 0) {
		struct pollfd pfd = {.fd = s->news_fd, .events = POLLIN};

		if (poll(&pfd, 1, 0) != 1)
			break;
		heard |= hear_news(s);
	}
	/* Without a supervisor nobody else tells. What it used is as last read from /proc. */
	if (s->news_fd < 0 && s->runs_program && !s->program_ended && program_is_gone(s)) {
		s->program_ended = true;
		heard |= SESSION_HEARD_END;
	}
	return heard;
}

int session_wait(struct session *s, int timeout_ms)
{
	bool watch = s->runs_program && !s->program_ended && s->news_fd < 0;
	struct pollfd pfd[5] = {
		{.fd = s->launch ? launch_signal_fd(s->launch) : s->signal_fd, .events = POLLIN},
		{.fd = s->collector ? collector_epoll_fd(s->collector) : -1, .events = POLLIN},
		{.fd = s->exporter ? exporter_fd(s->exporter) : -1, .events = POLLIN},
		{.fd = s->news_fd, .events = POLLIN},
		{.fd = watch && !s->launch ? s->program_fd : -1, .events = POLLIN},
	};

	if (poll(pfd, 5, timeout_ms) < 0)
		return 0;
	if (pfd[2].revents)
		session_take_result(s);
	if (!s->launch)
		return hear_collector(s);
	return pfd[0].revents ? hear_launch(s) : 0;
}

bool session_await_start(struct session *s)
{
	while (!s->program_started && !s->program_ended && s->news_fd >= 0)
		(void)session_wait(s, -1);
	return s->program_started;
}

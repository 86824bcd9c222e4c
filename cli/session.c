/* SPDX-License-Identifier: Apache-2.0 */
/* session.c - see session.h. */
#include "cli/session.h"

#include "base/io.h"
#include "base/log.h"
#include "cli/summary.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <stdio.h>
#include <unistd.h>

#define POLL_MS        250 /* at least this often the rings are looked at */
#define PROGRESS_NS    1000000000u
#define COMMENTS_MAX   8
#define EXPORT_WAIT_MS 120000 /* while sampling goes on; symbolizing is bounded well below it */
#define FINISH_WAIT_MS 30000  /* at the end, for all that is still to be written */
#define FORMER_WAIT_MS 10000  /* of it for the window before the last */
#define SYMBOLIZE_MS   20000  /* of it until symbolizing has to make do with less, and the file is written */
#define MS_NS          UINT64_C(1000000)

/* Names may hold anything: control characters must not reach the terminal. */
static void clean(char *name)
{
	for (; *name; name++)
		if ((unsigned char)*name < 0x20 || *name == 0x7f)
			*name = '?';
}

int session_init(struct session *s, const struct options *opt, struct launch *launch, const char *program)
{
	const char *base = strrchr(program, '/');
	uint32_t i;
	int err;

	*s = (struct session){.opt = opt, .launch = launch, .end_ns = UINT64_MAX};
	snprintf(s->program, sizeof(s->program), "%s", base && base[1] ? base + 1 : program);
	clean(s->program);
	exporter_reserve();
	err = names_init(&s->names);
	if (err)
		return err;
	tags_init(&s->tags);
	for (i = 0; i < opt->tags.n && !err; i++)
		err = tags_set(&s->tags, opt->tags.tags[i].key, opt->tags.tags[i].value);
	if (!err && opt->service)
		err = tags_set(&s->tags, "service", opt->service);
	if (!err && opt->env)
		err = tags_set(&s->tags, "env", opt->env);
	if (!err && opt->version)
		err = tags_set(&s->tags, "version", opt->version);
	if (err == -EINVAL || err == -E2BIG)
		err = 0; /* options.c has already warned about what is no tag */
	s->progress = !opt->quiet && isatty(STDERR_FILENO);
	return err;
}

void session_release(struct session *s)
{
	exporter_free(s->exporter);
	collector_free(s->collector);
	names_release(&s->names);
	tags_release(&s->tags);
	if (s->sink_open)
		sink_close(&s->sink);
}

int session_open_sink(struct session *s, pid_t pid)
{
	struct sink_name name = {s->program, pid, io_clock_ns(CLOCK_REALTIME)};
	bool numbered = s->opt->window_given, moved = false;
	char why[512] = "";
	int err;

	if (s->sink_open)
		return 0;
	err = sink_open(&s->sink, s->opt->output, &name, numbered, s->opt->keep, &moved, why, sizeof(why));
	if (err) {
		log_error("%s", why);
		return err;
	}
	s->sink_open = true;
	if (moved)
		log_notice("the current directory is not writable, the profile goes to '%s'", s->sink.path);
	return 0;
}

int session_check_sink(struct session *s)
{
	int err = session_open_sink(s, 0);

	if (!err) {
		sink_close(&s->sink);
		s->sink_open = false;
	}
	return err;
}

void session_start(struct session *s)
{
	uint64_t now = io_clock_ns(CLOCK_MONOTONIC);

	s->started_ns = now;
	s->window_end_ns = now + s->opt->window_ns;
	if (s->opt->duration_ns)
		s->end_ns = now + s->opt->duration_ns;
}

/* ---- exporting ---- */

static void not_written(struct session *s, int err, const char *why)
{
	log_error("the profile was not written: %s", why);
	s->have_result = true;
	s->result = (struct export_result){.status = err};
	snprintf(s->result.why, sizeof(s->result.why), "%s", why);
}

static void give_up_exporter(struct session *s, const char *why)
{
	exporter_free(s->exporter);
	s->exporter = NULL;
	not_written(s, -ETIMEDOUT, why);
}

static void take_result(struct session *s)
{
	if (!s->exporter || !exporter_read(s->exporter, &s->result))
		return;
	exporter_free(s->exporter);
	s->exporter = NULL;
	s->have_result = true;
	if (s->result.status)
		log_error("the profile was not written: %s", s->result.why);
	else
		s->files++;
	log_debug("memory: collector %llu KB, exporter %llu KB, symbolizer %llu KB",
		  (unsigned long long)s->quality.own_rss_kb, (unsigned long long)s->result.peak_rss_kb,
		  (unsigned long long)s->result.symbolize.peak_rss_kb);
	log_debug("exporting took %.0f ms, of which symbolizing %.0f ms; CPU %.0f and %.0f ms",
		  (double)s->result.wall_ns / 1e6, (double)s->result.symbolize.wall_ns / 1e6,
		  (double)s->result.cpu_ns / 1e6, (double)s->result.symbolize.cpu_ns / 1e6);
	if (s->result.symbolize.mode != SYMBOLIZE_FULL)
		log_notice("names are incomplete: %s", s->result.symbolize.why);
}

/* Settings and mode, for the profile's comments. Returns how many of @lines were used. */
static uint32_t describe(const struct session *s, char lines[][160], const char **comments)
{
	const struct ladder *l = collector_ladder(s->collector);
	struct utsname u;
	uint32_t n = 0, i;

	snprintf(lines[n++], 160, "ddprof.event: %s", collector_event(s->collector));
	snprintf(lines[n++], 160, "ddprof.mode: %s", ladder_mode(l));
	snprintf(lines[n++], 160, "ddprof.frequency_hz: %u", s->opt->frequency);
	snprintf(lines[n++], 160, "ddprof.stack_size: %u", collector_stack_size(s->collector));
	snprintf(lines[n++], 160, "ddprof.target: %s (pid %d)", s->program, (int)s->pid);
	if (!uname(&u))
		snprintf(lines[n++], 160, "ddprof.kernel: %s %s", u.sysname, u.release);
	for (i = 0; i < n; i++)
		comments[i] = lines[i];
	return n;
}

/* @deadline_ms is for symbolizing, 0: the default. */
static int export_window(struct session *s, uint32_t deadline_ms)
{
	char lines[COMMENTS_MAX][160];
	const char *comments[COMMENTS_MAX];
	const struct profile *p = collector_window(s->collector);
	struct export_job job = {
		.profile = p,
		.names = &s->names,
		.sink = &s->sink,
		.tags = &s->tags,
		.comments = comments,
		.n_comments = describe(s, lines, comments),
		.symbolize = {.inlines = s->opt->inlines, .deadline_ms = deadline_ms},
		.awaited = s->finishing,
		.keep_stdout = s->sink.kind == SINK_STDOUT,
	};
	int err;

	s->quality = p->quality;
	s->duration_ns = p->duration_ns;
	job.close_fds = collector_fds(s->collector, &job.n_close_fds);
	s->export_started_ns = io_clock_ns(CLOCK_MONOTONIC);
	err = exporter_start(&s->exporter, &job);
	if (err)
		not_written(s, err, strerror(-err));
	return err;
}

/* A window is over. Skipped, to be tried again at once, while the one before is still being written. */
static void next_window(struct session *s, uint64_t now)
{
	take_result(s); /* one that worked in this process has nothing to poll */
	if (s->exporter && now - s->export_started_ns > EXPORT_WAIT_MS * MS_NS)
		give_up_exporter(s, "the exporter hangs");
	if (s->exporter)
		return;
	/* Standard output takes one profile, the last. */
	if (s->sink.kind != SINK_STDOUT && !export_window(s, 0))
		collector_next(s->collector, !s->sink.numbered);
	while (s->window_end_ns <= now)
		s->window_end_ns += s->opt->window_ns;
}

/* ---- the loop ---- */

static int poll_timeout(const struct session *s, uint64_t now)
{
	uint64_t until = now + POLL_MS * 1000000u;

	if (s->collector && s->window_end_ns < until && !s->exporter)
		until = s->window_end_ns;
	if (s->end_ns < until)
		until = s->end_ns;
	return until > now ? (int)((until - now + 999999) / 1000000) : 0;
}

/* Wait for something to happen; returns the LAUNCH_* bits of the signals that came. */
static int wait_once(struct session *s, int timeout)
{
	struct pollfd pfd[3] = {
		{.fd = launch_signal_fd(s->launch), .events = POLLIN},
		{.fd = s->collector ? collector_epoll_fd(s->collector) : -1, .events = POLLIN},
		{.fd = s->exporter ? exporter_fd(s->exporter) : -1, .events = POLLIN},
	};

	if (poll(pfd, 3, timeout) < 0)
		return 0;
	if (pfd[2].revents)
		take_result(s);
	return pfd[0].revents ? launch_signals(s->launch) : 0;
}

static uint64_t timeval_ns(const struct timeval *t)
{
	return (uint64_t)t->tv_sec * 1000000000u + (uint64_t)t->tv_usec * 1000u;
}

static void note_end(struct session *s)
{
	const struct rusage *ru = launch_rusage(s->launch);

	s->program_ended = true;
	if (s->collector)
		collector_set_rusage(s->collector, timeval_ns(&ru->ru_utime), timeval_ns(&ru->ru_stime));
}

static bool ended(struct session *s)
{
	if (s->pid && launch_pid(s->launch) == s->pid && !s->program_ended)
		return false;
	if (!s->collector || (s->program_ended && !s->opt->follow))
		return true;
	return collector_targets_ended(s->collector);
}

enum session_until session_loop(struct session *s)
{
	for (;;) {
		uint64_t now = io_clock_ns(CLOCK_MONOTONIC);
		int got = wait_once(s, poll_timeout(s, now));

		if (got & LAUNCH_EXITED)
			note_end(s);
		if (s->collector && collector_drain(s->collector, false)) {
			log_error("out of memory: profiling stops");
			return SESSION_TIME_IS_UP;
		}
		if (got & LAUNCH_INTERRUPT)
			return SESSION_INTERRUPTED;
		if (ended(s))
			return s->program_ended ? SESSION_PROGRAM_ENDS : SESSION_TARGETS_END;
		now = io_clock_ns(CLOCK_MONOTONIC);
		if (now >= s->end_ns)
			return SESSION_TIME_IS_UP;
		if (s->collector && now >= s->window_end_ns)
			next_window(s, now);
		if (s->progress && s->collector && !launch_pid(s->launch) && now >= s->progress_ns) {
			summary_progress(s);
			s->progress_ns = now + PROGRESS_NS;
		}
	}
}

static void wait_exporter(struct session *s, uint64_t deadline)
{
	unsigned interrupts = 0;

	take_result(s); /* one that worked in this process is ready at once */
	/* One Ctrl-C is what ended it all; who sends two more does not want the profile. */
	while (s->exporter && interrupts < 2 && io_clock_ns(CLOCK_MONOTONIC) < deadline) {
		int got = wait_once(s, POLL_MS);

		if (got & LAUNCH_EXITED)
			note_end(s);
		interrupts += (got & LAUNCH_INTERRUPT) != 0;
		if (s->collector)
			collector_drain(s->collector, false);
	}
	if (s->exporter)
		give_up_exporter(s, interrupts ? "interrupted" : "the exporter hangs");
}

int session_finish(struct session *s)
{
	uint64_t begin = io_clock_ns(CLOCK_MONOTONIC), used_ms;
	int err;

	s->finishing = s->program_ended || !launch_pid(s->launch);
	summary_progress_clear(s);
	collector_stop(s->collector);
	wait_exporter(s, begin + FORMER_WAIT_MS * MS_NS);
	collector_drain(s->collector, true);
	used_ms = (io_clock_ns(CLOCK_MONOTONIC) - begin) / MS_NS;
	err = export_window(s, used_ms < SYMBOLIZE_MS ? (uint32_t)(SYMBOLIZE_MS - used_ms) : 1);
	wait_exporter(s, begin + FINISH_WAIT_MS * MS_NS);
	collector_free(s->collector);
	s->collector = NULL;
	s->end_ns = UINT64_MAX;
	return err ? err : s->result.status;
}

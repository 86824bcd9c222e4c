/* SPDX-License-Identifier: Apache-2.0 */
/* session.c - see session.h. */
#include "cli/session.h"

#include "base/io.h"
#include "base/log.h"
#include "cli/summary.h"
#include "cli/supervise_targets.h"
#include "collect/tracer.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define POLL_MS                  250 /* at least this often the rings are looked at */
#define PROGRESS_NS              1000000000u
#define COMMENTS_MAX             (13 + LADDER_RUNGS)
#define EXPORT_WAIT_MS           120000 /* while sampling goes on; symbolizing is bounded well below it */
#define EXIT_TIMEOUT_NS          UINT64_C(5000000000)
#define SILENCE_NS               UINT64_C(2000000000)  /* that somebody at a terminal takes for work */
#define EXIT_TIMEOUT_TERMINAL_NS UINT64_C(30000000000) /* somebody is there who can interrupt */
#define UNHURRIED_NS             UINT64_C(30000000000)
#define RESULT_NS                UINT64_C(500000000)
#define SETTLE_NS                1000000u /* between looks whether a window's records are complete */
#define DEBUGINFOD_MS            10000    /* per window, and at most half of what symbolizing has */
#define MS_NS                    UINT64_C(1000000)

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

	*s = (struct session){
		.opt = opt,
		.launch = launch,
		.news_fd = -1,
		.signal_fd = -1,
		.program_fd = -1,
		.runs_program = opt->command == COMMAND_RUN,
		.end_ns = UINT64_MAX,
		.exit_timeout_ns = opt->exit_timeout_ns    ? opt->exit_timeout_ns
				   : isatty(STDERR_FILENO) ? EXIT_TIMEOUT_TERMINAL_NS
							   : EXIT_TIMEOUT_NS,
	};
	snprintf(s->program, sizeof(s->program), "%s", base && base[1] ? base + 1 : program);
	clean(s->program);
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
	if (!err)
		err = destination_init(&s->dest, opt, s->program);
	sink_nowhere(&s->nowhere);
	s->progress = !opt->quiet && isatty(STDERR_FILENO);
	return err;
}

void session_release(struct session *s)
{
	exporter_free(s->exporter);
	collector_free(s->collector);
	timer_free(s->timer);
	names_release(&s->names);
	kept_release(&s->kept);
	tags_release(&s->tags);
	destination_release(&s->dest);
	if (s->sink_open)
		sink_close(&s->sink);
}

/*
 * A collector started again has only what comes from now on: what its
 * predecessor wrote into the one file stays, and the rest goes beside it.
 */
static const char *output_name(const struct session *s, char *buf, size_t len)
{
	const char *out = s->opt->output, *end;
	struct stat st;

	if (!s->state || !s->state->one_file || !out || !strcmp(out, "-") || !out[0] ||
	    out[strlen(out) - 1] == '/' || (!stat(out, &st) && S_ISDIR(st.st_mode)))
		return out;
	end = out + strlen(out);
	if (end - out > 6 && !strcmp(end - 6, ".pb.gz"))
		end -= 6;
	snprintf(buf, len, "%.*s-restarted%u%s", (int)(end - out), out, s->state->restarts, end);
	return buf;
}

int session_open_sink(struct session *s, pid_t pid)
{
	struct sink_name name = {s->program, pid, io_clock_ns(CLOCK_REALTIME)};
	bool numbered = s->opt->window_given, moved = false;
	char why[512] = "", path[PATH_MAX];
	const char *output = output_name(s, path, sizeof(path));
	int err;

	if (s->sink_open)
		return 0;
	if (!s->dest.file) {
		sink_nowhere(&s->sink);
		s->sink_open = true;
		return 0;
	}
	if (s->state && numbered && s->state->name_time_ns)
		name.time_ns = s->state->name_time_ns; /* the same series of files */
	err = sink_open(&s->sink, output, &name, numbered, s->opt->keep, &moved, why, sizeof(why));
	if (err) {
		log_error("%s", why);
		return err;
	}
	s->sink_open = true;
	if (s->state)
		s->state->name_time_ns = name.time_ns;
	if (moved)
		log_notice("the current directory is not writable, the profile goes to '%s'", s->sink.path);
	if (s->state && s->state->one_file)
		log_notice("what was written before stays as it is, the rest goes to '%s'", s->sink.path);
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

bool session_timeline(const struct session *s)
{
	if (s->opt->timeline_given)
		return s->opt->timeline;
	return s->opt->timeline_variable == TIMELINE_ON ||
	       (s->opt->timeline_variable == TIMELINE_BY_DESTINATION && s->dest.upload);
}

uint32_t session_frequency(const struct session *s)
{
	uint32_t wanted = s->opt->frequency;

	if (s->opt->fallback == FALLBACK_PTRACE)
		return !s->opt->frequency_given && wanted > TRACER_RATE ? TRACER_RATE
		       : wanted > TRACER_RATE_MAX                       ? TRACER_RATE_MAX
									: wanted;
	return s->collector && collector_ladder(s->collector)->timer ? timer_rate(wanted) : wanted;
}

void session_announce(const struct session *s)
{
	if (!s->state || !s->state->restarts)
		destination_announce(&s->dest, s->opt, s->sink.kind == SINK_FILE ? s->sink.path : NULL);
}

void session_start(struct session *s)
{
	uint64_t now = io_clock_ns(CLOCK_MONOTONIC);

	s->started_ns = now;
	s->window_end_ns = now + s->opt->window_ns;
	if (s->opt->duration_ns)
		s->end_ns = now + s->opt->duration_ns;
	if (!s->collector)
		return;
	if (s->opt->n_pids)
		(void)destination_target(&s->dest, s->opt, s->opt->pids, s->opt->n_pids, true, &s->tags);
	else
		(void)destination_target(&s->dest, s->opt, &s->pid, 1, false, &s->tags);
	if (!s->detached)
		session_announce(s);
}

/* ---- exporting ---- */

/* A file that is written anew at each window's end is of all windows. */
static bool keeps_whole_run(const struct session *s)
{
	return s->sink.kind == SINK_STDOUT || (s->sink.kind == SINK_FILE && !s->sink.numbered);
}

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
	destination_lost(&s->dest);
	not_written(s, -ETIMEDOUT, why);
	if (!keeps_whole_run(s))
		gate_missing(gate_of(s), why);
}

/* What was refused of what was wanted. Returns how many of @lines were used. */
static uint32_t describe_ladder(const struct ladder *l, char lines[][160])
{
	uint32_t n = 0, i;

	for (i = 0; i < l->n; i++) {
		char text[136];

		ladder_step_text(&l->steps[i], text, sizeof(text));
		if (*text)
			snprintf(lines[n++], 160, "ddprof.ladder.%s: %s", ladder_table[l->steps[i].rung].key,
				 text);
	}
	return n;
}

/* Settings and mode, for the profile's comments. Returns how many of @lines were used. */
static uint32_t describe(const struct session *s, char lines[][160], const char **comments)
{
	const struct ladder *l = collector_ladder(s->collector);
	uint32_t n = 0, i, rate = event_plan_frequency(collector_plan(s->collector));
	struct tracer_stats traced;
	struct utsname u;
	struct rusage ru;

	snprintf(lines[n++], 160, "ddprof.event: %.140s",
		 collector_plan(s->collector)->events[0].event->name);
	snprintf(lines[n++], 160, "ddprof.mode: %s", ladder_mode(l));
	if (rate)
		snprintf(lines[n++], 160, "ddprof.frequency_hz: %u", l->timer ? timer_rate(rate) : rate);
	if (collector_tracer(s->collector, &traced)) {
		snprintf(lines[n++], 160, "ddprof.ptrace.looks_hz: %.1f",
			 traced.look_ns ? (double)traced.looks * 1e9 / (double)traced.look_ns : 0.0);
		snprintf(lines[n++], 160,
			 "ddprof.ptrace.stops: %llu, %.1f us each at most, the longest %.1f us",
			 (unsigned long long)traced.stops,
			 traced.stops ? (double)traced.pause_ns / 1e3 / (double)traced.stops : 0.0,
			 (double)traced.pause_max_ns / 1e3);
		if (traced.refused)
			snprintf(lines[n++], 160, "ddprof.ptrace.refused: %llu",
				 (unsigned long long)traced.refused);
		if (traced.repeated)
			snprintf(lines[n++], 160, "ddprof.ptrace.repeated_calls: %llu",
				 (unsigned long long)traced.repeated);
	}
	snprintf(lines[n++], 160, "ddprof.stack_size: %u", collector_stack_size(s->collector));
	snprintf(lines[n++], 160, "ddprof.target: %s (pid %d)", s->program, (int)s->pid);
	if (!getrusage(RUSAGE_SELF, &ru))
		snprintf(lines[n++], 160, "ddprof.quality.own_peak_kb: %ld", ru.ru_maxrss);
	if (!uname(&u))
		snprintf(lines[n++], 160, "ddprof.kernel: %s %s", u.sysname, u.release);
	n += describe_ladder(l, lines + n);
	for (i = 0; i < n; i++)
		comments[i] = lines[i];
	return n;
}

/* An upload must be over when the next window ends, or the next would wait for it. */
static uint32_t upload_deadline_ms(const struct session *s)
{
	uint64_t now = io_clock_ns(CLOCK_MONOTONIC), ms = s->opt->window_ns / MS_NS / 10 * 9;

	/* with a little time left for its result to come back */
	if (s->last_window)
		ms = s->finish_by_ns > now + RESULT_NS ? (s->finish_by_ns - now - RESULT_NS) / MS_NS : 1;

	return ms < UINT32_MAX ? (uint32_t)ms : UINT32_MAX;
}

/* For the summary, which comes when the collector is gone. */
static void keep_counters(struct session *s, const struct profile *p)
{
	uint32_t i;

	s->n_counters = 0;
	for (i = 0; i < p->n_counters; i++)
		if (!p->counters[i].refused)
			s->counters[s->n_counters++] = p->counters[i];
}

/* @deadline_ms is for symbolizing, 0: the default. */
static int export_window(struct session *s, uint32_t deadline_ms)
{
	char lines[COMMENTS_MAX][160];
	const char *comments[COMMENTS_MAX];
	struct profile *p = collector_window(s->collector);
	bool whole_run = keeps_whole_run(s),
	     kernel = !strcmp(ladder_mode(collector_ladder(s->collector)), "user+kernel");
	struct export_job job = {
		.profile = p,
		.names = &s->names,
		.sink = s->sink.kind == SINK_STDOUT && !s->last_window ? &s->nowhere : &s->sink,
		.kept = &s->kept,
		.tags = &s->tags,
		.comments = comments,
		.n_comments = describe(s, lines, comments),
		.symbolize = {.inlines = s->opt->inlines,
			      .deadline_ms = deadline_ms,
			      .debug_dirs = {s->opt->debug_dirs, s->opt->n_debug_dirs},
			      .debuginfod = {.deadline_ms = s->opt->debuginfod ? DEBUGINFOD_MS : 0,
					     .progress =
						     s->progress && s->finishing ? summary_fetching : NULL}},
		.show_names = s->opt->names,
		.awaited = s->finishing,
		.keep_stdout = s->sink.kind == SINK_STDOUT,
	};
	int err;

	job.upload = destination_job(&s->dest, s->opt, whole_run, kernel, upload_deadline_ms(s),
				     s->finishing && !s->detached);
	keep_counters(s, p);
	s->quality = p->quality;
	s->duration_ns = p->duration_ns;
	gate_window(gate_of(s), &p->quality, whole_run);
	job.close_fds = collector_fds(s->collector, &job.n_close_fds);
	s->export_started_ns = io_clock_ns(CLOCK_MONOTONIC);
	if (s->state && s->sink.kind == SINK_FILE && !s->sink.numbered)
		s->state->one_file = true;
	err = exporter_start(&s->exporter, &job);
	if (err) {
		destination_lost(&s->dest);
		not_written(s, err, strerror(-err));
	} else {
		destination_exported(&s->dest, s->opt, p, whole_run);
	}
	return err;
}

static void next_seq(struct session *s)
{
	collector_next(s->collector, keeps_whole_run(s));
	if (s->state)
		s->state->next_seq = collector_window_seq(s->collector);
}

/* Names are by location, and those may have other numbers then. */
static void tidy(struct session *s)
{
	uint32_t *locations, n;

	if (collector_tidy(s->collector, &locations, &n))
		log_debug("out of memory: files that are gone are let go of later");
	if (locations)
		names_renumber(&s->names, locations, n);
	free(locations);
}

/* A window is over. Skipped, to be tried again at once, while the one before is still being written. */
static void next_window(struct session *s, uint64_t now)
{
	uint64_t length = s->opt->window_ns;

	session_take_result(s); /* one that worked in this process has nothing to poll */
	if (s->exporter && now - s->export_started_ns > EXPORT_WAIT_MS * MS_NS)
		give_up_exporter(s, "the exporter hangs");
	if (s->exporter)
		return;
	/* Standard output takes one profile, the last. */
	if (s->sink.kind != SINK_STDOUT || s->dest.upload) {
		if (!collector_marked(s->collector))
			collector_mark(s->collector);
		if (!collector_settled(s->collector))
			return;
		tidy(s);
		if (export_window(s, 0))
			collector_unmark(s->collector); /* nothing is lost, the window is longer */
		else
			next_seq(s);
	} else {
		tidy(s);
	}
	/*
	 * After a standstill (stopped, frozen, out of processor time) one long
	 * window, not many: on with the next full one.
	 */
	s->window_end_ns += (now - s->window_end_ns) / length * length + length;
	if (s->window_end_ns - now < length / 2)
		s->window_end_ns += length;
}

/* ---- the loop ---- */

static int poll_timeout(const struct session *s, uint64_t now)
{
	uint64_t until = now + POLL_MS * 1000000u;

	if (s->collector && collector_marked(s->collector))
		until = now + SETTLE_NS;
	else if (s->collector && s->window_end_ns < until && !s->exporter)
		until = s->window_end_ns;
	if (s->end_ns < until)
		until = s->end_ns;
	return until > now ? (int)((until - now + 999999) / 1000000) : 0;
}

static bool ended(struct session *s)
{
	if (s->runs_program && !s->program_ended)
		return false;
	if (!s->collector || (s->program_ended && !s->opt->follow))
		return true;
	return collector_targets_ended(s->collector);
}

/* The program is likely to have been asked as well: its last seconds belong into the profile. */
static void asked_to_end(struct session *s)
{
	uint64_t end = io_clock_ns(CLOCK_MONOTONIC) + s->exit_timeout_ns;

	s->asked_to_end = true;
	if (end < s->end_ns)
		s->end_ns = end;
}

enum session_until session_loop(struct session *s)
{
	for (;;) {
		uint64_t now = io_clock_ns(CLOCK_MONOTONIC);
		int heard = session_wait(s, poll_timeout(s, now));

		if (s->collector && collector_drain(s->collector, false)) {
			log_error("out of memory: profiling stops");
			return SESSION_TIME_IS_UP;
		}
		if (heard & SESSION_HEARD_INTERRUPT) {
			s->asked_to_end = true;
			return SESSION_INTERRUPTED;
		}
		if (heard & SESSION_HEARD_TERMINATE)
			asked_to_end(s);
		if (ended(s))
			return s->program_ended ? SESSION_PROGRAM_ENDS : SESSION_TARGETS_END;
		if (s->state && s->collector)
			supervise_note(s->state, s->collector);
		destination_look(&s->dest);
		now = io_clock_ns(CLOCK_MONOTONIC);
		if (now >= s->end_ns)
			return SESSION_TIME_IS_UP;
		if (s->collector && now >= s->window_end_ns)
			next_window(s, now);
		if (s->progress && s->collector && !s->runs_program && now >= s->progress_ns) {
			summary_progress(s);
			s->progress_ns = now + PROGRESS_NS;
		}
	}
}

/* Somebody sits there and sees nothing happen: an Agent that hangs, a large program's names. */
static void tell_waiting(const struct session *s)
{
	if (s->progress && !s->detached)
		log_notice("the profile is still being %s, Ctrl-C twice gives it up",
			   s->dest.upload ? "finished or uploaded" : "finished");
}

/* What one Ctrl-C began, a second ends: whoever sends it does not want the profile. False: not finished. */
static bool wait_exporter(struct session *s, uint64_t deadline)
{
	uint64_t tell_ns = io_clock_ns(CLOCK_MONOTONIC) + SILENCE_NS;
	unsigned interrupts = 0;

	session_take_result(s); /* one that worked in this process is ready at once */
	while (s->exporter && interrupts < 2 && io_clock_ns(CLOCK_MONOTONIC) < deadline) {
		interrupts += (session_wait(s, POLL_MS) & SESSION_HEARD_INTERRUPT) != 0;
		/* fetching debug files has a line of its own */
		if (s->exporter && !s->opt->debuginfod && io_clock_ns(CLOCK_MONOTONIC) >= tell_ns) {
			tell_waiting(s);
			tell_ns = UINT64_MAX;
		}
		if (s->collector)
			collector_drain(s->collector, false);
	}
	if (s->exporter && interrupts)
		give_up_exporter(s, "interrupted");
	return !s->exporter;
}

/* The window before the last: a file of its own is left to itself, one that the last would replace is not
 * needed. */
static void wait_former(struct session *s, uint64_t deadline)
{
	if (wait_exporter(s, deadline))
		return;
	if (s->sink.numbered || s->sink.kind == SINK_NONE) {
		log_notice("the window before the last is still being %s",
			   s->sink.numbered ? "written" : "uploaded");
		exporter_abandon(s->exporter);
	} else {
		exporter_free(s->exporter);
		destination_lost(&s->dest);
	}
	s->exporter = NULL;
}

/*
 * Whoever waits for us goes on when the exit timeout is over; names have to be
 * found well before, so that the file is there in time. If it is not, it may
 * still become complete in as much time again.
 */
int session_finish(struct session *s)
{
	uint64_t begin = io_clock_ns(CLOCK_MONOTONIC), used, patience = s->exit_timeout_ns, symbolize_ns;
	int err;

	/* Only our own time is up, and the machine may be busy with what was profiled. */
	if (!s->program_ended && !s->asked_to_end && patience < UNHURRIED_NS)
		patience = UNHURRIED_NS;
	symbolize_ns = patience / 10 * 6;
	s->finishing = s->program_ended || !s->runs_program;
	summary_progress_clear(s);
	collector_stop(s->collector);
	if (s->exporter)
		exporter_hurry(s->exporter);
	wait_former(s, begin + patience / 3);
	collector_drain(s->collector, true);
	s->last_window = true;
	s->finish_by_ns = begin + 2 * patience;
	used = io_clock_ns(CLOCK_MONOTONIC) - begin;
	err = export_window(s, used < symbolize_ns ? (uint32_t)((symbolize_ns - used) / MS_NS) + 1 : 1);
	if (!wait_exporter(s, s->finish_by_ns))
		give_up_exporter(s, "it takes too long");
	if (s->kept.n + s->kept.dropped)
		log_error("%llu windows could not be written at all",
			  (unsigned long long)s->kept.n + (unsigned long long)s->kept.dropped);
	gate_finish(s, err);
	summary_details(s);
	collector_free(s->collector);
	s->collector = NULL;
	s->end_ns = UINT64_MAX;
	return err ? err : s->result.status;
}

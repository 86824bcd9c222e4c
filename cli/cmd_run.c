/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_run.c - ddprof run: profile a program from start to exit, wrapped or in place.
 *
 * Only what can be told before the program starts is refused (125). From
 * then on the exit status is the program's, whatever becomes of the profile.
 */
#include "base/io.h"
#include "base/log.h"
#include "cli/capture.h"
#include "cli/command.h"
#include "cli/inplace.h"
#include "cli/launch.h"
#include "cli/options.h"
#include "cli/session.h"
#include "cli/supervise.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int cannot_run(const struct session *s, int err)
{
	const char *near = err == -ENOENT ? command_nearest(s->opt->argv[0]) : NULL;

	log_error("cannot run '%s': %s%s%s%s", s->opt->argv[0], strerror(-err),
		  near ? "\n  did you mean 'ddprof " : "", near ? near : "", near ? "'?" : "");
	return launch_exec_status(err);
}

/* No process to hold the program in: become it. */
static int run_alone(struct session *s, struct launch *l, int err)
{
	log_warn("'%s' runs without being profiled: no process for it: %s", s->program, strerror(-err));
	err = launch_exec(l, s->opt->argv);
	log_error("cannot run '%s': %s", s->opt->argv[0], strerror(-err));
	return launch_exec_status(err);
}

/* ---- wrapped: supervise the collector, and be the program's parent ---- */

static uint64_t timeval_ns(const struct timeval *t)
{
	return (uint64_t)t->tv_sec * 1000000000u + (uint64_t)t->tv_usec * 1000u;
}

static uint64_t from_now(uint64_t ns)
{
	return io_clock_ns(CLOCK_MONOTONIC) + ns;
}

static void tell_end(struct supervisor *sup, const struct launch *l)
{
	const struct rusage *ru = launch_rusage(l);

	supervise_tell(sup, &(struct news){.kind = NEWS_ENDED,
					   .user_ns = timeval_ns(&ru->ru_utime),
					   .system_ns = timeval_ns(&ru->ru_stime)});
}

static bool wait_signal(const struct launch *l, uint64_t until)
{
	struct pollfd pfd = {.fd = launch_signal_fd(l), .events = POLLIN};
	uint64_t now = io_clock_ns(CLOCK_MONOTONIC);
	int ms = until == UINT64_MAX ? -1 : until > now ? (int)((until - now + 999999) / 1000000) : 0;

	return poll(&pfd, 1, ms) > 0;
}

/* Until both have ended, the program's status being known, or the collector has had its time. */
static void supervise(struct supervisor *sup, struct launch *l)
{
	const struct session *s = sup->session;
	uint64_t until = UINT64_MAX;
	bool ended = false;
	int got, status;

	while (!ended || sup->collector) {
		if (!wait_signal(l, until)) {
			if (io_clock_ns(CLOCK_MONOTONIC) < until)
				continue;
			log_warn(
				"the profile is not finished within %g s, it will be written later or not at "
				"all\n  --exit-timeout SECONDS allows more",
				(double)s->exit_timeout_ns / 1e9);
			return;
		}
		got = launch_signals(l);
		if (got & LAUNCH_EXITED) {
			ended = true;
			tell_end(sup, l);
			if (!s->opt->follow)
				until = from_now(s->exit_timeout_ns);
		}
		if (sup->collector && (got & LAUNCH_REAPED) && launch_reaped(l, sup->collector, &status))
			supervise_reaped(sup, status, !ended);
		if ((got & LAUNCH_INTERRUPT) && sup->collector) {
			supervise_tell(sup, &(struct news){.kind = NEWS_INTERRUPT});
			if (until == UINT64_MAX)
				until = from_now(s->exit_timeout_ns);
		}
	}
}

/* As the program ended; only where nothing is to be told of that, the quality has a say. */
static int end_run(struct session *s, struct launch *l)
{
	int status = launch_wait_status(l);
	bool good = gate_passes(s);

	session_release(s);
	if (!good && WIFEXITED(status) && !WEXITSTATUS(status))
		return EXIT_REFUSED;
	launch_exit_like(l);
}

/* No process for a collector: be it, too. */
static int run_here(struct session *s, struct launch *l)
{
	int err;

	exporter_reserve();
	if (!s->collector)
		(void)capture_open(s);
	err = launch_go(l);
	if (err) {
		err = cannot_run(s, err);
		session_release(s);
		return err;
	}
	s->program_started = true;
	capture_loop(s);
	while (!s->program_ended)
		(void)session_wait(s, -1); /* nothing is profiled any more; the program may take its time */
	return end_run(s, l);
}

static void hand_over(void *arg)
{
	(void)timer_hand_over(arg); /* without it the program runs unprofiled */
}

/* What all processes to come share, should perf events turn out to be refused. */
static void prepare_fallback(struct session *s, struct launch *l)
{
	bool none = s->opt->fallback == FALLBACK_NONE || s->opt->fallback == FALLBACK_PTRACE;
	int err = none ? -ECANCELED : timer_new(&s->timer);

	if (err == -ENOENT)
		log_debug("no fallback: " TIMER_LIBRARY " is not installed with this program");
	else if (err && err != -ECANCELED)
		log_debug("no fallback: %s", strerror(-err));
	if (err)
		return;
	timer_keep(s->timer, getpid());
	launch_on_exec(l, hand_over, s->timer);
}

static int run_wrapped(struct session *s, struct launch *l)
{
	struct supervisor sup;
	int keep[3], err = launch_fork(l, s->opt->argv);

	if (err) {
		err = run_alone(s, l, err);
		session_release(s);
		return err;
	}
	s->pid = launch_pid(l);
	err = supervise_init(&sup, s);
	if (!err)
		err = supervise_start(&sup);
	if (err) {
		log_debug("no process for the collector: %s", strerror(-err));
		supervise_release(&sup);
		return run_here(s, l);
	}
	err = launch_go(l);
	supervise_tell(&sup, &(struct news){.kind = err ? NEWS_FAILED : NEWS_STARTED});
	if (err) {
		err = cannot_run(s, err);
		session_release(s);
		return err;
	}
	/* What the program got is its own: who reads from it shall see it closed. */
	keep[0] = launch_signal_fd(l);
	keep[1] = sup.news_fd;
	keep[2] = s->timer ? timer_fd(s->timer) : -1;
	capture_drop_descriptors(keep, 3, s->opt->output && !strcmp(s->opt->output, "-"), true);
	supervise(&sup, l);
	return end_run(s, l);
}

/* ---- the command ---- */

/* Errors that are no fault of the command line: they cost the profile, not the program. */
static bool for_want_of_something(int err)
{
	return err == -EMFILE || err == -ENFILE || err == -ENOMEM;
}

int cmd_run(struct options *opt, struct launch *l)
{
	struct session s;
	int err = session_init(&s, opt, l, opt->argv[0]);

	if (!err && opt->output)
		err = session_check_sink(&s);
	if (err && !for_want_of_something(err)) {
		session_release(&s);
		return EXIT_REFUSED;
	}
	prepare_fallback(&s, l);
	if (!inplace_wanted(opt, s.dest.upload, getenv))
		return run_wrapped(&s, l);
	if (opt->min_quality)
		log_warn("in place nobody waits for the profile: --min-quality changes no exit status\n"
			 "  --wrap does, which makes the program a child");
	err = cannot_run(&s, inplace_run(&s, l));
	session_release(&s);
	return err;
}

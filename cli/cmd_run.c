/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_run.c - ddprof run: profile a program from start to exit, wrapped.
 *
 * Only what can be told before the program starts is refused (125). From
 * then on the exit status is the program's, whatever becomes of the profile.
 */
#include "base/log.h"
#include "cli/command.h"
#include "cli/launch.h"
#include "cli/options.h"
#include "cli/session.h"
#include "cli/summary.h"

#include <errno.h>
#include <string.h>

/* Events on the held program. On failure the program runs all the same, after one line. */
static void open_events(struct session *s)
{
	struct collector_options opt = {
		.frequency = s->opt->frequency,
		.stack_size = s->opt->stack_size,
		.user_only = s->opt->user_only,
		.max_frames = s->opt->max_frames,
	};
	int err = collector_new(&s->collector, &opt);

	if (!err)
		err = collector_launch(s->collector, s->pid);
	if (!err)
		return;
	if (s->collector && collector_ladder(s->collector)->err)
		log_warn("'%s' runs without being profiled: %s", s->program,
			 collector_ladder(s->collector)->advice);
	else
		log_warn("'%s' runs without being profiled: %s", s->program, strerror(-err));
	collector_free(s->collector);
	s->collector = NULL;
}

static void profile(struct session *s)
{
	enum session_until until = session_loop(s);

	if (s->collector) {
		session_finish(s);
		summary_print(s);
	}
	if (until == SESSION_TIME_IS_UP && !s->program_ended)
		session_loop(s); /* nothing is profiled any more; the program may take its time */
}

/* No process to hold the program in: become it. */
static int run_alone(struct session *s, int err)
{
	log_warn("'%s' runs without being profiled: no process for it: %s", s->program, strerror(-err));
	err = launch_exec(s->launch, s->opt->argv);
	log_error("cannot run '%s': %s", s->opt->argv[0], strerror(-err));
	session_release(s);
	return launch_exec_status(err);
}

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
	err = launch_fork(l, opt->argv);
	if (err)
		return run_alone(&s, err);
	s.pid = launch_pid(l);
	open_events(&s);
	if (s.collector && session_open_sink(&s, s.pid)) {
		log_warn("'%s' runs without being profiled", s.program);
		collector_free(s.collector);
		s.collector = NULL;
	}
	err = launch_go(l);
	if (err) {
		const char *near = err == -ENOENT ? command_nearest(opt->argv[0]) : NULL;

		log_error("cannot run '%s': %s%s%s%s", opt->argv[0], strerror(-err),
			  near ? "\n  did you mean 'ddprof " : "", near ? near : "", near ? "'?" : "");
		session_release(&s);
		return launch_exec_status(err);
	}
	session_start(&s);
	profile(&s);
	session_release(&s);
	launch_exit_like(l);
}

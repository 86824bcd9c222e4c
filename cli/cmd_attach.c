/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_attach.c - ddprof attach: profile running processes for a while.
 */
#include "base/log.h"
#include "cli/command.h"
#include "cli/events_told.h"
#include "cli/options.h"
#include "cli/session.h"
#include "cli/summary.h"
#include "collect/procfs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void complain(const struct session *s, int err, pid_t bad)
{
	pid_t process = bad ? procfs_tgid(bad) : 0;

	if (bad && access("/proc/self/stat", R_OK))
		log_error("cannot attach to pid %d: /proc is not mounted", (int)bad);
	else if (process && process != bad)
		log_error("cannot attach to pid %d: it is a thread\n  use: --pid %d, its process", (int)bad,
			  (int)process);
	else if (bad && err == -ESRCH)
		log_error("cannot attach to pid %d: there is no such process", (int)bad);
	else if (s->collector && collector_ladder(s->collector)->err && s->opt->fallback == FALLBACK_PTRACE)
		log_error("cannot attach: %s", collector_ladder(s->collector)->advice);
	else if (bad && geteuid() == 0)
		log_error("cannot attach to pid %d: %s\n  fix: it takes CAP_PERFMON or CAP_SYS_PTRACE, and "
			  "every "
			  "capability that the process has",
			  (int)bad, strerror(-err));
	else if (bad)
		log_error("cannot attach to pid %d: %s\n  fix: run as the user it belongs to, or as root",
			  (int)bad, strerror(-err));
	else if (s->collector && collector_ladder(s->collector)->err)
		log_error("cannot profile: %s%s", collector_ladder(s->collector)->advice,
			  s->opt->fallback == FALLBACK_AUTO ? "\n  or: --fallback ptrace, which interrupts "
							      "running threads, at a lower rate"
							    : "");
	else
		log_error("cannot profile: %s", strerror(-err));
}

static int open_events(struct session *s)
{
	struct collector_options opt = {
		.frequency = session_frequency(s),
		.events = &s->opt->events,
		.max_overhead_ppm = options_max_overhead(s->opt),
		.max_overhead_asked = s->opt->max_overhead_given,
		.stack_size = s->opt->stack_size,
		.user_only = s->opt->user_only,
		.max_frames = s->opt->max_frames,
		.timeline = session_timeline(s),
		.trace = s->opt->fallback == FALLBACK_PTRACE,
	};
	pid_t bad = 0;
	int err = collector_new(&s->collector, &opt);

	if (!err)
		err = collector_attach(s->collector, s->opt->pids, s->opt->n_pids, &bad);
	if (err)
		complain(s, err, bad);
	else if (opt.trace)
		log_warn("no perf events, as asked for: running threads of '%s' are interrupted by ptrace, "
			 "%u times a "
			 "second at most, without kernel frames",
			 s->program, opt.frequency);
	if (!err)
		events_tell_refused(s->collector);
	return err;
}

int cmd_attach(struct options *opt, struct launch *l)
{
	char comm[16] = "process";
	struct session s;
	bool good = true;
	int err;

	procfs_comm(opt->pids[0], opt->pids[0], comm);
	exporter_reserve();
	err = session_init(&s, opt, l, comm);
	if (!err) {
		s.pid = opt->pids[0];
		err = open_events(&s);
	}
	if (!err)
		err = session_open_sink(&s, s.pid);
	if (!err) {
		session_start(&s);
		if (s.end_ns == UINT64_MAX)
			s.end_ns = s.window_end_ns; /* one window */
		session_loop(&s);
		err = session_finish(&s);
		if (!err)
			summary_print(&s);
		good = gate_passes(&s);
	}
	session_release(&s);
	return !good ? EXIT_QUALITY : err ? EXIT_FAIL : EXIT_OK;
}

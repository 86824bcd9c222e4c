/* SPDX-License-Identifier: Apache-2.0 */
/* capture.c - see capture.h. */
#include "cli/capture.h"

#include "base/io.h"
#include "base/log.h"
#include "cli/events_told.h"
#include "cli/summary.h"
#include "cli/supervise.h"
#include "cli/supervise_targets.h"
#include "cli/unreachable.h"
#include "collect/procfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define KEEP_MAX 8

/* ---- descriptors ---- */

static int by_number(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* Without close_range(2): what /proc lists, or nothing. */
static void close_listed(const int *keep, unsigned n)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *d;

	while (dir && (d = readdir(dir))) {
		int fd = atoi(d->d_name);

		if (fd > STDERR_FILENO && fd != dirfd(dir) &&
		    !bsearch(&fd, keep, n, sizeof(*keep), by_number))
			close(fd);
	}
	if (dir)
		closedir(dir);
}

static void close_others(int *keep, unsigned n)
{
	unsigned first = STDERR_FILENO + 1, i;

	qsort(keep, n, sizeof(*keep), by_number);
	for (i = 0; i < n; i++) {
		if (keep[i] < (int)first)
			continue;
		if (keep[i] > (int)first && close_range(first, (unsigned)keep[i] - 1, 0)) {
			close_listed(keep, n);
			return;
		}
		first = (unsigned)keep[i] + 1;
	}
	if (close_range(first, ~0u, 0))
		close_listed(keep, n);
}

void capture_drop_descriptors(const int *keep, unsigned n, bool out, bool err)
{
	int all[KEEP_MAX + 1], null;
	unsigned i;

	for (i = 0; i < n && i < KEEP_MAX; i++)
		all[i] = keep[i];
	all[i++] = log_pinned_fd();
	close_others(all, i);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0)
		return;
	dup2(null, STDIN_FILENO);
	if (!out)
		dup2(null, STDOUT_FILENO);
	if (!err)
		dup2(null, STDERR_FILENO);
	if (null > STDERR_FILENO)
		close(null);
}

bool capture_detach_log(const struct session *s)
{
	struct stat st;

	if (!fstat(STDERR_FILENO, &st) && S_ISREG(st.st_mode))
		return true;
	log_unpin_stderr();
	if (s->opt->log_mode == LOG_MODE_STDERR || s->opt->log_mode == LOG_MODE_STDOUT)
		log_set_mode(LOG_MODE_SYSLOG);
	return false;
}

/* ---- opening ---- */

static int open_collector(struct session *s)
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
		.skip_gone = true,
		.timer = s->timer,
		.timer_only = s->timer && s->opt->fallback == FALLBACK_PRELOAD,
		.trace = s->opt->fallback == FALLBACK_PTRACE,
	};
	static pid_t pids[SUPERVISE_PIDS];
	pid_t bad = 0;
	uint32_t n;
	int err = collector_new(&s->collector, &opt);

	if (err)
		return err;
	if (!s->state || !s->state->restarts)
		return collector_launch(s->collector, s->pid);
	n = supervise_targets(s->state, s->pid, pids, SUPERVISE_PIDS);
	if (s->timer && timer_begun(s->timer))
		err = collector_resume(s->collector, pids, n);
	else
		err = collector_attach(s->collector, pids, n, &bad);
	collector_start_at(s->collector, s->state->next_seq);
	return err;
}

static void give_up(struct session *s)
{
	collector_free(s->collector);
	s->collector = NULL;
}

/* The one line about it: why, what is done instead, and what that costs; then the fix. */
static void tell_fallback(const struct session *s)
{
	const struct ladder *l = collector_ladder(s->collector);
	const char *fix = strchr(l->advice, '\n'), *why = l->err ? l->advice : "as asked for";
	uint32_t wanted = event_plan_frequency(collector_plan(s->collector)), rate = timer_rate(wanted);
	int len = (int)strcspn(why, "\n");
	char why_not[160];

	fix = l->err && fix ? fix : "";
	if (target_unreachable(s->opt->argv[0], why_not, sizeof(why_not)))
		log_warn("'%s' itself is not profiled: %s, which shuts out timers in it; %.*s%s", s->program,
			 why_not, len, why, fix);
	else if (l->err || rate < wanted)
		log_warn("%.*s: '%s' is profiled by timers in it instead, %u Hz%s, without kernel frames%s",
			 len, why, s->program, rate,
			 rate < wanted ? " (the kernel's tick allows no more)" : "", fix);
}

int capture_open(struct session *s)
{
	int err = open_collector(s);

	if (!err && collector_ladder(s->collector)->trace)
		log_warn("no perf events, as asked for: running threads of '%s' are interrupted by ptrace, "
			 "%u times a "
			 "second at most, without kernel frames",
			 s->program, session_frequency(s));
	if (!err && collector_ladder(s->collector)->timer)
		tell_fallback(s);
	if (!err && (!s->state || !s->state->restarts))
		events_tell_refused(s->collector);
	if (err && s->collector && collector_ladder(s->collector)->err)
		log_warn("'%s' runs without being profiled: %s", s->program,
			 collector_ladder(s->collector)->advice);
	else if (err)
		log_warn("'%s' runs without being profiled: %s", s->program, strerror(-err));
	if (!err) {
		err = session_open_sink(s, s->pid);
		if (err)
			log_warn("'%s' runs without being profiled", s->program);
	}
	if (err)
		give_up(s);
	return err;
}

void capture_loop(struct session *s)
{
	session_start(s);
	session_loop(s);
	if (s->collector) {
		session_finish(s);
		summary_print(s);
		if (s->detached)
			(void)gate_passes(s); /* nobody else will ask */
	}
}

/* ---- the process ---- */

/* A signal to us alone asks for the end; others were meant for somebody else. */
static void settle_signals(struct session *s)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	s->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* When memory runs out it is the profiler that has to go: it will be started again, the program would not. */
static void settle_oom(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd >= 0) {
		(void)!write(fd, "1000", 4);
		close(fd);
	}
}

static void settle(struct session *s, int ready_fd, int news_fd)
{
	const int keep[] = {ready_fd, news_fd, s->timer ? timer_fd(s->timer) : -1};

	setsid();
	prctl(PR_SET_NAME, "ddprof-collect");
	capture_drop_descriptors(keep, 3, s->opt->output && !strcmp(s->opt->output, "-"), true);
	settle_signals(s);
	settle_oom();
	exporter_reserve();
	s->launch = NULL; /* the parent's */
	s->news_fd = news_fd;
	s->program_started = news_fd < 0;
	s->files = s->state->files;
	if (news_fd >= 0)
		(void)fcntl(news_fd, F_SETFL, O_NONBLOCK);
}

/* By number and start time: a descriptor where the kernel has such, or looks at /proc. */
static void watch_program(struct session *s)
{
	struct procfs_stat st;

	s->program_fd = (int)syscall(SYS_pidfd_open, s->pid, 0);
	if (s->program_fd < 0 && !procfs_stat(s->pid, &st))
		s->program_ticks = st.start_ticks;
}

/* From here on nothing of the program's is held: whoever reads its output sees its end. */
static void let_go(struct session *s)
{
	if (s->detached && !capture_detach_log(s)) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);

		dup2(null, STDERR_FILENO);
		close(null);
	}
	(void)!chdir("/"); /* its file system can be unmounted */
}

_Noreturn void capture_process(struct session *s, int ready_fd, int news_fd)
{
	int err, code = SUPERVISE_DONE;
	bool to_file;

	settle(s, ready_fd, news_fd);
	watch_program(s);
	if (s->directory)
		(void)!chdir(s->directory);
	err = capture_open(s);
	if (!err && s->detached && s->news_fd >= 0 && (session_wait(s, 0) & SESSION_HEARD_END))
		err = -ECANCELED; /* the program did not wait any longer, and has said so */
	to_file = s->sink.kind == SINK_FILE && !s->dest.upload; /* uploading, the next line names both */
	if (!err && s->detached && !s->state->restarts && !s->opt->quiet)
		log_notice("'%s' (pid %d) is profiled in place%s%s%s%s; the profiler's messages go to the "
			   "system log, unless standard error is a file",
			   s->program, (int)s->pid, to_file ? ", into '" : "",
			   !to_file           ? ""
			   : s->sink.numbered ? s->sink.base
					      : s->sink.path,
			   to_file && s->sink.numbered ? "-000000.pb.gz" : "", to_file ? "'" : "");
	if (!err && s->detached)
		session_announce(s);
	if (ready_fd >= 0) {
		(void)io_write_all(ready_fd, "", 1);
		close(ready_fd);
	}
	if (err)
		code = SUPERVISE_GAVE_UP;
	else if (session_await_start(s)) {
		let_go(s);
		capture_loop(s);
	}
	session_release(s);
	_exit(code);
}

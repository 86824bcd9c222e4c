/* SPDX-License-Identifier: Apache-2.0 */
/* inplace.c - see inplace.h. */
#include "cli/inplace.h"

#include "base/io.h"
#include "base/log.h"
#include "cli/capture.h"
#include "cli/supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define READY_MS 10000 /* the program does not wait longer for its events */

/* ---- whether ---- */

static bool is_self(const char *value)
{
	return value && value[0] && strtol(value, NULL, 10) == (long)getpid();
}

bool inplace_at_terminal(void)
{
	return isatty(STDIN_FILENO) || isatty(STDOUT_FILENO) || isatty(STDERR_FILENO);
}

bool inplace_wanted(const struct options *opt, bool uploads, char *(*get)(const char *name))
{
	const char *notify = get("NOTIFY_SOCKET");

	if (opt->in_place || opt->wrap)
		return opt->in_place;
	if (getpid() == 1 || (opt->output && !strcmp(opt->output, "-")))
		return false;
	if (is_self(get("LISTEN_PID")) || is_self(get("WATCHDOG_PID")) || (notify && notify[0]))
		return true;
	return uploads && !inplace_at_terminal();
}

/* ---- the daemon: a supervisor without a program ---- */

/* Readable once the program has ended; where there are no pidfds, a restart finds out. */
static bool runs(int pidfd)
{
	struct pollfd pfd = {.fd = pidfd, .events = POLLIN};

	return pidfd < 0 || poll(&pfd, 1, 0) == 0;
}

static void supervise_loop(struct supervisor *sup, int pidfd)
{
	sigset_t all;
	int signo, status;

	sigfillset(&all);
	while (sup->collector) {
		pid_t pid = waitpid(sup->collector, &status, WNOHANG);

		if (pid == sup->collector) {
			supervise_reaped(sup, status, runs(pidfd));
			continue;
		}
		signo = sigwaitinfo(&all, NULL); /* blocked since launch_prepare(): none is missed */
		if (signo == SIGTERM || signo == SIGINT)
			(void)kill(sup->collector, signo);
	}
}

static _Noreturn void daemon_main(struct session *s, int ready_fd, int news_fd)
{
	struct supervisor sup;
	int pidfd = (int)syscall(SYS_pidfd_open, s->pid, 0), keep[2], err;

	prctl(PR_SET_NAME, "ddprof-superv");
	if (s->timer)
		timer_keep(s->timer, getpid());
	err = supervise_init(&sup, s);
	if (!err)
		err = supervise_fork(&sup, ready_fd, news_fd);
	if (err) {
		log_warn("'%s' runs without being profiled: %s", s->program, strerror(-err));
		_exit(1);
	}
	keep[0] = pidfd;
	keep[1] = s->timer ? timer_fd(s->timer) : -1;
	capture_drop_descriptors(keep, 2, false, capture_detach_log(s));
	/* Our file systems can be unmounted; a collector to come finds back. */
	s->directory = getcwd(NULL, 0);
	(void)!chdir("/");
	supervise_loop(&sup, pidfd);
	_exit(0);
}

/* ---- the process that becomes the program ---- */

/* The daemon's first parent is ours and was waited for: the program is not to hear of its end. */
static void forget_child(pid_t pid)
{
	static const struct timespec now;
	siginfo_t other = {.si_pid = 0};
	sigset_t set;

	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	/* Unless there is a child from before whose end has been signalled as well. */
	if (waitid(P_ALL, 0, &other, WEXITED | WNOHANG | WNOWAIT) == 0 && other.si_pid)
		return;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	(void)sigtimedwait(&set, NULL, &now);
}

static int fork_daemon(struct session *s, int ready[2], int news[2])
{
	pid_t pid;

	/* A subreaper that ddprof-run replaced would adopt the daemon; launch_exec() sets it again. */
	(void)prctl(PR_SET_CHILD_SUBREAPER, 0);
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid) {
		close(ready[0]);
		close(news[1]);
		setsid();
		pid = fork();
		if (!pid)
			daemon_main(s, ready[1], news[0]);
		if (pid < 0)
			log_warn("'%s' runs without being profiled: %s", s->program, strerror(errno));
		_exit(0);
	}
	forget_child(pid);
	return 0;
}

/* False: it takes too long. Events that are opened after the exec would never be enabled by it. */
static bool await_ready(const struct session *s, int fd)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};
	uint64_t until = io_clock_ns(CLOCK_MONOTONIC) + READY_MS * UINT64_C(1000000), now;

	while ((now = io_clock_ns(CLOCK_MONOTONIC)) < until)
		if (poll(&pfd, 1, (int)((until - now) / 1000000) + 1) > 0)
			return true;
	log_warn("opening events takes too long: '%s' runs without being profiled", s->program);
	return false;
}

static void close_both(int fd[2])
{
	for (int i = 0; i < 2; i++) {
		if (fd[i] >= 0)
			close(fd[i]);
		fd[i] = -1;
	}
}

int inplace_run(struct session *s, struct launch *l)
{
	const struct news failed = {.kind = NEWS_FAILED};
	int ready[2] = {-1, -1}, news[2] = {-1, -1}, err = 0;

	s->pid = getpid();
	s->detached = true;
	if (s->pid == 1)
		log_notice(
			"in place as pid 1: the kernel ends the profiler with the program, the last window "
			"will be missing (--wrap keeps it)");
	if (pipe2(ready, O_CLOEXEC) || pipe2(news, O_CLOEXEC))
		err = -errno;
	if (!err)
		err = fork_daemon(s, ready, news);
	if (err) {
		log_warn("'%s' runs without being profiled: %s", s->program, strerror(-err));
	} else {
		close(ready[1]);
		close(news[0]);
		ready[1] = news[0] = -1;
		if (!await_ready(s, ready[0]))
			(void)io_write_all(news[1], &failed, sizeof(failed));
	}
	/* The collector sees the end of the pipe: that is how it learns that the program runs. */
	err = launch_exec(l, s->opt->argv);
	if (news[1] >= 0)
		(void)io_write_all(news[1], &failed, sizeof(failed));
	close_both(ready);
	close_both(news);
	return err;
}

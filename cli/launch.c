/* SPDX-License-Identifier: Apache-2.0 */
/*
 * launch.c - start the program in a held child, and end as it ended.
 *
 * Two close-on-exec pipes: one byte on the first lets the child exec (end of
 * file, because we died, does so too: the program runs, unprofiled), the
 * second brings the errno of an exec that failed, or end of file.
 */
#include "cli/launch_internal.h"

#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

void launch_set_mask(uint64_t mask)
{
	(void)syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, sizeof(mask));
}

/*
 * Our own files must not become the program's standard streams, nor take
 * output meant for them: an O_PATH descriptor holds the place, and reading or
 * writing it fails with EBADF just as the closed one would have.
 */
static int reserve_standard_fds(void)
{
	int fd;

	for (int want = 0; want <= STDERR_FILENO; want++) {
		if (fcntl(want, F_GETFD) >= 0 || errno != EBADF)
			continue;
		fd = open("/", O_PATH | O_CLOEXEC); /* the lowest free one, which is want */
		if (fd < 0)
			return -errno;
	}
	return 0;
}

static void remember(struct launch *l)
{
	static const __itimer_which_t which[3] = {ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF};
	static const struct itimerval off;
	struct sigaction sa;

	(void)syscall(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &l->mask, sizeof(l->mask));
	for (int s = 1; s <= LAUNCH_SIGNALS; s++) {
		if (sigaction(s, NULL, &sa) == 0 && !(sa.sa_flags & SA_SIGINFO) && sa.sa_handler == SIG_IGN)
			l->ignored |= SIGNAL_BIT(s);
	}
	for (int i = 0; i < RLIM_NLIMITS; i++)
		(void)getrlimit((__rlimit_resource_t)i, &l->limits[i]);
	(void)prctl(PR_GET_PDEATHSIG, &l->death_signal);
	(void)prctl(PR_GET_CHILD_SUBREAPER, &l->subreaper);
	/* "alarm 5; exec ..." is an old way to limit a program's time: the timer is the program's, not ours.
	 */
	l->timers_taken_ns = io_clock_ns(CLOCK_MONOTONIC);
	for (int i = 0; i < 3; i++)
		(void)setitimer(which[i], &off, &l->timers[i]);
}

static void set_disposition(int signo, void (*handler)(int))
{
	struct sigaction sa = {.sa_handler = handler};

	sigemptyset(&sa.sa_mask);
	(void)sigaction(signo, &sa, NULL);
}

int launch_prepare(struct launch **out)
{
	uint64_t all = UINT64_MAX;
	struct launch *l;
	int err;

	err = reserve_standard_fds();
	if (err < 0)
		return err;
	l = calloc(1, sizeof(*l));
	if (!l)
		return -ENOMEM;
	l->signal_fd = l->go_fd = l->exec_fd = -1;
	l->self = getpid();
	remember(l);
	/*
	 * Everything is blocked, faults too: one raised by ourselves still
	 * kills us, one sent by kill(1) waits to be forwarded. SIGTTOU being
	 * blocked also lets us write a message from the background.
	 */
	launch_set_mask(all);
	l->signal_fd = (int)syscall(SYS_signalfd4, -1, &all, sizeof(all), SFD_CLOEXEC | SFD_NONBLOCK);
	if (l->signal_fd < 0) {
		err = -errno;
		launch_set_mask(l->mask);
		launch_free(l);
		return err;
	}
	set_disposition(SIGCHLD, SIG_DFL); /* ignored, it would swallow exit statuses */
	set_disposition(SIGPIPE, SIG_IGN);
	*out = l;
	return 0;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void launch_on_exec(struct launch *l, void (*fn)(void *arg), void *arg)
{
	l->on_exec = fn;
	l->on_exec_arg = arg;
}

int launch_fork(struct launch *l, char *const argv[])
{
	int go[2] = {-1, -1}, ex[2] = {-1, -1}, err = 0;
	pid_t pid;

	if (l->pid != 0)
		return -EBUSY;
	if (pipe2(go, O_CLOEXEC) < 0 || pipe2(ex, O_CLOEXEC) < 0) {
		err = -errno;
		goto out;
	}
	pid = fork();
	if (pid < 0) {
		err = -errno;
		goto out;
	}
	if (pid == 0) {
		close(go[1]); /* else the end of file after our death would never come */
		close(ex[0]);
		launch_child(l, go[0], ex[1], argv);
	}
	l->pid = pid;
	l->running = true;
	l->go_fd = go[1];
	l->exec_fd = ex[0];
	go[1] = ex[0] = -1;
out:
	close_fd(&go[0]);
	close_fd(&go[1]);
	close_fd(&ex[0]);
	close_fd(&ex[1]);
	return err;
}

pid_t launch_pid(const struct launch *l)
{
	return l->pid;
}

/* The child has said why it cannot exec, and is about to exit: nobody else shall hear of it. */
static void reap_failed(struct launch *l)
{
	while (wait4(l->pid, &l->wait_status, 0, &l->rusage) < 0 && errno == EINTR)
		;
	l->running = false;
	l->events &= ~LAUNCH_EXITED;
}

/* A loop, for a Ctrl-Z may stop the child before its exec, and we must stop with it. */
static void wait_for_exec(struct launch *l)
{
	struct pollfd p[2] = {{.fd = l->exec_fd, .events = POLLIN}, {.fd = l->signal_fd, .events = POLLIN}};

	for (;;) {
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return;
		if (p[0].revents)
			return;
		if (p[1].revents)
			l->events |= launch_signals_now(l);
	}
}

int launch_go(struct launch *l)
{
	int child_errno = 0;
	ssize_t n;

	if (l->go_fd < 0)
		return -EINVAL;
	/* EPIPE: killed while held. Its status arrives as any other's does. */
	(void)io_write_all(l->go_fd, "", 1);
	close_fd(&l->go_fd);
	wait_for_exec(l);
	n = io_read_full(l->exec_fd, &child_errno, sizeof(child_errno));
	close_fd(&l->exec_fd);
	if (n == (ssize_t)sizeof(child_errno) && child_errno > 0) {
		if (l->running)
			reap_failed(l);
		return -child_errno;
	}
	if (l->events)
		(void)kill(getpid(), SIGCHLD); /* the signalfd was drained: make it readable once more */
	return 0;
}

int launch_exec_status(int err)
{
	return err == -ENOENT ? 127 : 126;
}

int launch_signal_fd(const struct launch *l)
{
	return l->signal_fd;
}

int launch_wait_status(const struct launch *l)
{
	return l->wait_status;
}

const struct rusage *launch_rusage(const struct launch *l)
{
	return &l->rusage;
}

void launch_exit_like(struct launch *l)
{
	static const struct rlimit no_core;
	int signo = WTERMSIG(l->wait_status);

	(void)fflush(stdout);
	if (WIFEXITED(l->wait_status))
		_exit(WEXITSTATUS(l->wait_status));
	/* A core file of ours would replace, or be taken for, the program's. Piped cores heed only the
	 * second. */
	(void)setrlimit(RLIMIT_CORE, &no_core);
	(void)prctl(PR_SET_DUMPABLE, 0);
	set_disposition(signo, SIG_DFL);
	(void)kill(getpid(), signo);
	launch_set_mask(~SIGNAL_BIT(signo)); /* delivered here */
	_exit(128 + signo);                  /* pid 1 of a namespace cannot die by it */
}

void launch_free(struct launch *l)
{
	if (!l)
		return;
	close_fd(&l->signal_fd);
	close_fd(&l->go_fd);
	close_fd(&l->exec_fd);
	free(l);
}

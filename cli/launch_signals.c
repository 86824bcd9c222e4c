/* SPDX-License-Identifier: Apache-2.0 */
/*
 * launch_signals.c - every signal reaches the program once.
 *
 * We share the program's process group, so what the terminal sends (si_code
 * SI_KERNEL) has reached it already, and so has what the program or one of
 * its descendants sends to its group; everything else was meant for the
 * program and is passed on. A sender that signals the whole group from outside
 * cannot be told from one that signals only us: the program then sees such a
 * signal twice, unless the two meet while pending.
 */
#include "cli/launch_internal.h"

#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define READS_MAX   1024 /* signals taken per call: a flood must not starve the rings */
#define GENERATIONS 64   /* how far up a sender's ancestry is followed */
#define STOP_FOLLOWS_NS                                                                                      \
	1000000000u       /* a SIGSTOP this soon after a SIGTSTP is the program's way to obey it             \
			   */
#define CONTINUE_TRIES 20 /* ms to see the program continued by whoever continued us */

#define STOP_SIGNALS (SIGNAL_BIT(SIGTSTP) | SIGNAL_BIT(SIGTTIN) | SIGNAL_BIT(SIGTTOU))
#define TTY_SIGNALS  (STOP_SIGNALS | SIGNAL_BIT(SIGINT) | SIGNAL_BIT(SIGQUIT) | SIGNAL_BIT(SIGWINCH))
#define FAULT_SIGNALS                                                                                        \
	(SIGNAL_BIT(SIGSEGV) | SIGNAL_BIT(SIGBUS) | SIGNAL_BIT(SIGFPE) | SIGNAL_BIT(SIGILL) |                \
	 SIGNAL_BIT(SIGTRAP) | SIGNAL_BIT(SIGSYS) | SIGNAL_BIT(SIGPIPE) | SIGNAL_BIT(SIGXCPU) |              \
	 SIGNAL_BIT(SIGXFSZ))
#define END_SIGNALS (SIGNAL_BIT(SIGINT) | SIGNAL_BIT(SIGTERM) | SIGNAL_BIT(SIGHUP))
#define HARMLESS_SIGNALS                                                                                     \
	(SIGNAL_BIT(SIGCHLD) | SIGNAL_BIT(SIGCONT) | SIGNAL_BIT(SIGURG) | SIGNAL_BIT(SIGWINCH) |             \
	 SIGNAL_BIT(SIGPIPE))

/* State letter and parent from /proc/PID/stat. False: gone, or no /proc. */
static bool read_stat(pid_t pid, char *state, pid_t *parent)
{
	char path[32], text[512];
	const char *after;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = io_read_full(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return false;
	text[n] = '\0';
	after = strrchr(text, ')'); /* the name before it may hold anything */
	return after && sscanf(after + 1, " %c %d", state, parent) == 2;
}

static bool program_stands_still(const struct launch *l)
{
	char state;
	pid_t parent;

	return l->running && read_stat(l->pid, &state, &parent) && state == 'T';
}

/*
 * Did the program, or what it started, send this? Then it went to their group,
 * which includes us, or to "the parent". As pid 1 it is different: there
 * "kill 1" is how a container is told to stop or reload.
 */
static bool from_program(const struct launch *l, pid_t sender)
{
	pid_t self = getpid();
	char state;

	if (self == 1)
		return false;
	for (int i = 0; i < GENERATIONS && sender > 1 && sender != self; i++) {
		if (sender == l->pid)
			return true;
		if (!read_stat(sender, &state, &sender))
			return false;
	}
	return false;
}

static void forward(const struct launch *l, const struct signalfd_siginfo *si)
{
	siginfo_t info;

	if (si->ssi_code != SI_QUEUE) {
		(void)kill(l->pid, (int)si->ssi_signo);
		return;
	}
	memset(&info, 0, sizeof(info));
	info.si_signo = (int)si->ssi_signo;
	info.si_code = SI_QUEUE;
	info.si_pid = (pid_t)si->ssi_pid; /* the program may want to answer */
	info.si_uid = si->ssi_uid;
	info.si_value.sival_ptr = (void *)(uintptr_t)si->ssi_ptr;
	(void)syscall(SYS_rt_sigqueueinfo, l->pid, info.si_signo, &info);
}

/* We run again: so shall the program. Usually the same SIGCONT went to it, too; give it time to arrive. */
static void continue_program(struct launch *l)
{
	static const struct timespec ms = {.tv_nsec = 1000000};

	for (int i = 0; i < CONTINUE_TRIES; i++) {
		if (!program_stands_still(l))
			return;
		nanosleep(&ms, NULL);
	}
	(void)kill(l->pid, SIGCONT);
}

/*
 * Stop as the program was stopped, so that our parent's job control sees it.
 * True if we really stopped and were continued: in an orphaned process
 * group the kernel lets the terminal's stop signals pass.
 */
static bool stop_ourselves(int signo)
{
	struct sigaction sa = {.sa_handler = SIG_DFL};
	uint64_t pending = 0;

	sigemptyset(&sa.sa_mask);
	(void)sigaction(signo, &sa, NULL);
	(void)kill(getpid(), signo);
	launch_set_mask(~SIGNAL_BIT(signo)); /* here we stop */
	launch_set_mask(UINT64_MAX);
	(void)syscall(SYS_rt_sigpending, &pending, sizeof(pending));
	return pending & SIGNAL_BIT(SIGCONT);
}

static void follow_stop(struct launch *l, int signo)
{
	bool tty = signo <= LAUNCH_SIGNALS && (SIGNAL_BIT(signo) & STOP_SIGNALS);

	if (signo == SIGSTOP && l->tty_stop_ns)
		tty = io_clock_ns(CLOCK_MONOTONIC) - l->tty_stop_ns < STOP_FOLLOWS_NS;
	l->tty_stop_ns = 0;
	if (!tty || !program_stands_still(l))
		return;
	if (stop_ourselves(signo)) {
		l->woken = true;
		continue_program(l);
	}
}

static void handle_continue(struct launch *l, const struct signalfd_siginfo *si)
{
	if (l->woken)
		l->woken = false; /* went to the whole group, and was dealt with on waking */
	else if (program_stands_still(l))
		continue_program(l);
	else if (si->ssi_code != SI_KERNEL)
		forward(l, si);
}

/* From the kernel: a terminal, a timer, or something we did ourselves. */
static void kernel_signal(struct launch *l, const struct signalfd_siginfo *si)
{
	int signo = (int)si->ssi_signo;

	if (signo == SIGTSTP)
		l->tty_stop_ns = io_clock_ns(CLOCK_MONOTONIC);
	if (SIGNAL_BIT(signo) & (TTY_SIGNALS | FAULT_SIGNALS))
		return;
	/* A hangup is told to the session's leader alone, which without us the program would be. */
	if (signo == SIGHUP && getsid(0) != getpid())
		return;
	forward(l, si);
}

static void program_signal(struct launch *l, const struct signalfd_siginfo *si)
{
	bool by_process = si->ssi_code == SI_USER || si->ssi_code == SI_QUEUE || si->ssi_code == SI_TKILL;

	if (by_process && (pid_t)si->ssi_pid == getpid())
		return; /* launch_go() waking us */
	if (si->ssi_signo == SIGCHLD && !by_process)
		return;
	if (by_process && from_program(l, (pid_t)si->ssi_pid)) {
		if (si->ssi_signo == SIGTSTP)
			l->tty_stop_ns = io_clock_ns(CLOCK_MONOTONIC);
		return;
	}
	if (si->ssi_signo == SIGCONT)
		handle_continue(l, si);
	else if (by_process)
		forward(l, si);
	else
		kernel_signal(l, si);
}

static void die_by(int signo)
{
	struct sigaction sa = {.sa_handler = SIG_DFL};

	sigemptyset(&sa.sa_mask);
	(void)sigaction(signo, &sa, NULL);
	(void)kill(getpid(), signo);
	launch_set_mask(~SIGNAL_BIT(signo));
	launch_set_mask(UINT64_MAX);
}

/* While there is no program a signal means us, and does what it does to any process. */
static int own_signal(struct launch *l, const struct signalfd_siginfo *si)
{
	uint64_t bit = SIGNAL_BIT(si->ssi_signo);

	if (bit & (l->ignored | HARMLESS_SIGNALS))
		return 0;
	if (bit & END_SIGNALS)
		return LAUNCH_INTERRUPT;
	if (bit & STOP_SIGNALS) {
		(void)stop_ourselves((int)si->ssi_signo);
		return 0;
	}
	if (l->pid == 0)
		die_by((int)si->ssi_signo);
	/* A latecomer for a program that has ended must not cost its profile and status. */
	return si->ssi_signo == SIGQUIT ? LAUNCH_INTERRUPT : 0;
}

static void note_child(struct launch *l, pid_t pid, int status)
{
	l->reaped[l->n_reaped++] = (struct launch_child){.pid = pid, .status = status};
}

/* All children: as pid 1 every orphan of the namespace is ours, and there may be more than we can note. */
static int reap(struct launch *l)
{
	int status, events = 0, stop = 0;
	struct rusage usage;
	pid_t pid;

	while (l->n_reaped < LAUNCH_REAPED_MAX &&
	       (pid = wait4(-1, &status, WNOHANG | WUNTRACED | WCONTINUED, &usage)) > 0) {
		bool program = pid == l->pid && l->running;

		if (WIFSTOPPED(status) || WIFCONTINUED(status)) {
			if (program) {
				l->stopped = WIFSTOPPED(status);
				stop = l->stopped ? WSTOPSIG(status) : 0;
			}
		} else if (program) {
			l->running = l->stopped = false;
			l->wait_status = status;
			l->rusage = usage;
			events |= LAUNCH_EXITED;
			stop = 0;
		} else {
			note_child(l, pid, status);
			events |= LAUNCH_REAPED;
		}
	}
	if (l->n_reaped == LAUNCH_REAPED_MAX)
		(void)kill(getpid(), SIGCHLD); /* the rest when these have been heard of */
	if (stop)
		follow_stop(l, stop);
	return events;
}

int launch_signals_now(struct launch *l)
{
	struct signalfd_siginfo si;
	int events = 0;

	for (int i = 0; i < READS_MAX && read(l->signal_fd, &si, sizeof(si)) == (ssize_t)sizeof(si); i++) {
		if (si.ssi_signo < 1 || si.ssi_signo > LAUNCH_SIGNALS)
			continue;
		if (l->running)
			program_signal(l, &si);
		else
			events |= own_signal(l, &si);
	}
	return events | reap(l);
}

int launch_signals(struct launch *l)
{
	int events = l->events;

	l->events = 0;
	if (!events)
		l->n_reaped = 0;
	return events | launch_signals_now(l);
}

bool launch_reaped(struct launch *l, pid_t pid, int *status)
{
	for (uint32_t i = 0; i < l->n_reaped; i++) {
		if (l->reaped[i].pid != pid)
			continue;
		*status = l->reaped[i].status;
		l->reaped[i] = l->reaped[--l->n_reaped];
		return true;
	}
	return false;
}

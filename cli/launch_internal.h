/* SPDX-License-Identifier: Apache-2.0 */
/*
 * launch_internal.h - what launch*.c share.
 *
 * Signal sets are the kernel's own 64-bit masks, set by the system calls: the
 * C library hides signals 32 and 33 from its functions, but the program has
 * to find those, too, as they were.
 */
#ifndef CLI_LAUNCH_INTERNAL_H
#define CLI_LAUNCH_INTERNAL_H

#include "cli/launch.h"

#include <stdint.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/time.h>

#define LAUNCH_SIGNALS    64
#define LAUNCH_REAPED_MAX 256
#define SIGNAL_BIT(signo) (1ull << ((signo)-1))

struct launch {
	/* as we were started, to be given to the program */
	uint64_t mask;    /* blocked signals */
	uint64_t ignored; /* signals with disposition SIG_IGN */
	struct itimerval timers[3];
	uint64_t timers_taken_ns; /* CLOCK_MONOTONIC */
	struct rlimit limits[RLIM_NLIMITS];
	int death_signal; /* PR_SET_PDEATHSIG, 0: none */
	int subreaper;

	int signal_fd;
	int go_fd;   /* write end: one byte lets the child exec; -1 otherwise */
	int exec_fd; /* read end: the exec's errno, or end of file when it worked */

	void (*on_exec)(void *arg);
	void *on_exec_arg;

	pid_t self;   /* as which we were started */
	pid_t pid;    /* the program; 0: none yet */
	bool running; /* forked and not reaped */
	bool stopped; /* as last heard from waitpid() */
	int wait_status;
	struct rusage rusage;
	int events; /* seen while launch_go() waited, for the next launch_signals() */

	uint64_t tty_stop_ns; /* when the terminal (or the program) last stopped the group; 0: never */
	bool woken;           /* we just came out of a stop: the SIGCONT to come was for all of us */

	struct launch_child {
		pid_t pid;
		int status;
	} reaped[LAUNCH_REAPED_MAX]; /* by the latest launch_signals() */
	uint32_t n_reaped;
};

/* rt_sigprocmask(SIG_SETMASK), all 64 signals. */
void launch_set_mask(uint64_t mask);

/* The child's part: wait for the go, become what we were, exec. */
void launch_child(const struct launch *l, int go_fd, int exec_fd, char *const argv[])
	__attribute__((noreturn));

/*
 * environ entry "_" as a shell would have set it for argv[0], if it now names
 * this very program; otherwise untouched.
 */
void launch_fix_underscore(const char *program);

/* As launch_signals(), without the events kept from before. */
int launch_signals_now(struct launch *l);

#endif

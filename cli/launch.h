/* SPDX-License-Identifier: Apache-2.0 */
/*
 * launch.h - run a program so that nobody can tell it is being profiled.
 *
 * The wrapped mode: the program is our child, in our process group, with the
 * descriptors, signal mask and dispositions, limits and environment that we
 * were started with. It is held before its exec until events are open.
 * Signals to us reach it; those the terminal sent to the whole group reach it
 * once. Its status becomes ours.
 */
#ifndef CLI_LAUNCH_H
#define CLI_LAUNCH_H

#include <signal.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/types.h>

struct launch;

/*
 * First thing in main(), before any descriptor is opened: remember signal
 * mask and dispositions to give back to the program, make sure 0-2 are not
 * reused for our own files if they were closed (the program still finds them
 * closed), block the signals we forward, ignore SIGPIPE, and default SIGCHLD.
 * 0 or -errno.
 */
int launch_prepare(struct launch **out);

/*
 * Call @fn in the process that becomes the program, after it was told to go
 * and before it looks at its environment: what it prepares there is for the program.
 */
void launch_on_exec(struct launch *l, void (*fn)(void *arg), void *arg);

/*
 * Fork the program @argv, held before exec. 0 or -errno. Its pid by
 * launch_pid(); it runs only after launch_go().
 */
int launch_fork(struct launch *l, char *const argv[]);
pid_t launch_pid(const struct launch *l);

/*
 * Become the program, with everything given back that launch_prepare() changed:
 * when no process can be had to hold. Returns only when it cannot be executed: -errno.
 */
int launch_exec(const struct launch *l, char *const argv[]);

/*
 * Let it exec. 0, or the exec's -errno (then the child is gone and reaped;
 * launch_exec_status() is what a shell would return: 126 or 127).
 */
int launch_go(struct launch *l);
int launch_exec_status(int err);

/*
 * What execvp()'s -errno @err means to a shell: a directory of PATH that may
 * not be searched gives -EACCES for a program that is simply not found.
 * launch_go() has done this already.
 */
int launch_exec_error(const char *program, int err);

/*
 * Poll this descriptor for reading (a signalfd); then call launch_signals(),
 * which forwards, reaps, follows stops and continues. Returns a bit set of:
 */
#define LAUNCH_EXITED 1 /* the program ended; launch_wait_status() is valid */
#define LAUNCH_REAPED 2 /* some other child of ours ended (see launch_reaped()) */
#define LAUNCH_INTERRUPT                                                                                     \
	4 /* SIGINT, SIGTERM or SIGHUP for us while there is no program (attach, or it ended) */
int launch_signal_fd(const struct launch *l);
int launch_signals(struct launch *l);
int launch_wait_status(const struct launch *l); /* as from waitpid() */

/* CPU time and the like of the program and what it waited for, once it ended. */
const struct rusage *launch_rusage(const struct launch *l);

/*
 * True, once, for @pid if it was reaped by the latest launch_signals();
 * *@status as from waitpid(). Ask after each call that says LAUNCH_REAPED: as
 * pid 1 we reap strangers too, so older answers are forgotten.
 */
bool launch_reaped(struct launch *l, pid_t pid, int *status);

/*
 * End as the program ended: exit with its status, or die by its signal
 * (without a second core file; as pid 1, where that is impossible, exit with
 * 128 + signal). Never returns.
 */
void launch_exit_like(struct launch *l) __attribute__((noreturn));

void launch_free(struct launch *l);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inplace.h - profile a program that becomes this very process.
 *
 * The program keeps the pid, parent, session, terminal and process group that
 * we were started with, for supervisors that count on them. The collector and
 * its supervisor detach first (fork, setsid, fork: adopted by init, nobody's
 * child to wait for), hold none of the program's descriptors once it
 * runs, and finish after it.
 */
#ifndef CLI_INPLACE_H
#define CLI_INPLACE_H

#include "cli/session.h"

/*
 * Should the program take our place? By --in-place and --wrap; else when a
 * supervisor said that it counts on the pid (LISTEN_PID, WATCHDOG_PID,
 * NOTIFY_SOCKET), or the profile is uploaded (@uploads) and there is no
 * terminal; never by itself as pid 1, where the kernel would kill the
 * collector together with the program, nor with the profile on standard output.
 */
bool inplace_wanted(const struct options *opt, bool uploads, char *(*get)(const char *name));

/* Is any of the standard descriptors a terminal? */
bool inplace_at_terminal(void);

/* Returns only when the program could not be executed: the exit status. */
int inplace_run(struct session *s, struct launch *l);

#endif

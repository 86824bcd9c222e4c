/* SPDX-License-Identifier: Apache-2.0 */
/*
 * capture.h - the collector process of ddprof run: events opened, windows written, and the end.
 */
#ifndef CLI_CAPTURE_H
#define CLI_CAPTURE_H

#include "cli/session.h"

#include <stdbool.h>

/*
 * Be the collector for @s, which is set up but collects nothing yet. In a
 * session of its own, so that no terminal and no signal to a process group ends
 * it before the last window; with none of the descriptors that the program
 * got, but standard error for messages (given up once the program runs if
 * s->detached, unless it is a regular file: then they go to the system log)
 * and standard output if the profile goes there. Ends with SUPERVISE_*.
 *
 * @ready_fd gets one byte when the program may run; @news_fd as in
 * supervise.h; -1: none. With s->state->restarts it attaches to what runs.
 */
_Noreturn void capture_process(struct session *s, int ready_fd, int news_fd);

/* All of it in this process, which has the program as its held child: when no other can be had. */
int capture_open(struct session *s);
void capture_loop(struct session *s);

/*
 * Close all descriptors but those in @keep (-1s allowed) and the log's;
 * /dev/null takes the place of 0, of 1 unless @out and of 2 unless @err.
 */
void capture_drop_descriptors(const int *keep, unsigned n, bool out, bool err);

/*
 * Messages go where nobody waits for an end of file: to standard error only
 * if that is a regular file, else to the system log. True: standard error is.
 */
bool capture_detach_log(const struct session *s);

#endif

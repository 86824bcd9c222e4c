/* SPDX-License-Identifier: Apache-2.0 */
/*
 * supervise_targets.h - the processes that a restarted collector attaches to.
 */
#ifndef CLI_SUPERVISE_TARGETS_H
#define CLI_SUPERVISE_TARGETS_H

#include "cli/supervise.h"

/*
 * @program first, then those that @state remembers and that still run (known
 * by not having started after state->stamp_ns), then the descendants of all
 * of these that /proc shows. Returns how many were put into @pids, at most @max.
 */
uint32_t supervise_targets(const struct supervise_state *state, pid_t program, pid_t *pids, uint32_t max);

/* Remember the processes that @collector knows of, at most once a second. */
struct collector;
void supervise_note(struct supervise_state *state, struct collector *collector);

#endif

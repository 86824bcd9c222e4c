/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gate.h - was the profile as good as --min-quality asks for?
 *
 * Of windows that are profiles of their own the worst counts; of a profile of
 * the whole run the last. What could not be written, delivered or kept, and
 * what was lost with a collector, counts as 0 %. Plain data, so that it can lie
 * in memory that a collector shares with the process that waits for it.
 */
#ifndef CLI_GATE_H
#define CLI_GATE_H

#include "export/quality.h"

#include <stdbool.h>
#include <stdint.h>

struct session;

struct gate {
	bool judged; /* worst is set */
	bool finished;
	uint32_t windows; /* judged by themselves */
	struct quality worst;
	char missing[160]; /* why there is no profile of (a part of) the run; "": there is */
};

/* The session's own, or the one that it shares with its supervisor. */
struct gate *gate_of(struct session *s);

/* A window has been handed over; @whole_run: it holds all that came before it. */
void gate_window(struct gate *g, const struct profile_quality *quality, bool whole_run);

/* Something is missing from now on; the first reason stays. */
void gate_missing(struct gate *g, const char *why);

/* The session's last window is finished: what became of it and of those before. */
void gate_finish(struct session *s, int err);

/* True if nothing was asked for, or it is reached. Else logs the figure and which part of it fell short. */
bool gate_passes(struct session *s);

#endif

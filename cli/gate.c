/* SPDX-License-Identifier: Apache-2.0 */
/* gate.c - see gate.h. */
#include "cli/gate.h"

#include "base/log.h"
#include "cli/session.h"
#include "cli/supervise.h"

#include <stdio.h>
#include <string.h>

struct gate *gate_of(struct session *s)
{
	return s->state ? &s->state->gate : &s->gate;
}

void gate_window(struct gate *g, const struct profile_quality *quality, bool whole_run)
{
	struct quality q;

	quality_of_window(&q, quality);
	if (!g->judged || whole_run || q.percent < g->worst.percent)
		g->worst = q;
	g->judged = true;
	g->windows += !whole_run;
}

void gate_missing(struct gate *g, const char *why)
{
	if (!*g->missing)
		snprintf(g->missing, sizeof(g->missing), "%s", why);
}

void gate_finish(struct session *s, int err)
{
	struct gate *g = gate_of(s);
	char why[160];

	if (err || !s->have_result || s->result.status) {
		snprintf(why, sizeof(why), "the profile was not written: %.120s",
			 s->have_result && *s->result.why ? s->result.why : strerror(-err));
		gate_missing(g, why);
	}
	if (s->kept.n + s->kept.dropped)
		gate_missing(g, "windows could not be written");
	if (s->sink.kind == SINK_NONE && s->dest.undelivered)
		gate_missing(g, "windows could not be delivered, nor kept");
	g->finished = true;
}

bool gate_passes(struct session *s)
{
	const struct gate *g = gate_of(s);
	uint32_t min = s->opt->min_quality;
	const char *missing = g->missing;
	struct buf why;

	if (!min)
		return true;
	if (!*missing && s->state && s->state->restarts)
		missing = "the collector died, and a window with it";
	if (!*missing && (!g->finished || !g->judged))
		missing = g->judged ? "the profile is not finished" : "there is no profile";
	if (*missing) {
		log_error("quality 0 %%, --min-quality asks for %u %%: %s", min, missing);
		return false;
	}
	if (g->worst.percent >= min)
		return true;
	buf_init(&why, 2048);
	if (quality_explain(&g->worst, min, &why) || buf_put_u8(&why, 0) || why.len < 2)
		log_error("quality is below the %u %% of --min-quality", min);
	else
		log_error("quality %.1f %%, --min-quality asks for %u %%%s:\n%.*s",
			  (double)(uint64_t)(g->worst.percent * 10) / 10, min,
			  g->windows > 1 ? ", in the worst window" : "", (int)why.len - 2,
			  (const char *)why.data);
	buf_release(&why);
	return false;
}

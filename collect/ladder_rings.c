/* SPDX-License-Identifier: Apache-2.0 */
/* ladder_rings.c - the rungs that are about resources, tried by taking them: rings and descriptors. */
#include "collect/ladder.h"

#include "collect/perf.h"

#include <errno.h>
#include <unistd.h>

/* Enabled by our next exec, which never comes: nothing is counted, no sample is taken. */
int ladder_try_rings(const struct ladder *l, const struct event *event, struct ladder_rings *out)
{
	struct event_plan plan = {.n = 1};
	struct perf_options opt = {
		.plan = &plan,
		.count_lost = l->count_lost,
		.user_chain = l->user_chain,
		.max_chain = l->max_chain,
	};
	struct perf *p = NULL;
	int err;

	plan.events[0] = (struct planned_event){.event = event,
						.sampled = true,
						.kernel = l->kernel,
						.period = 1000000000u / (l->rate ? l->rate : 99)};
	*out = (struct ladder_rings){0};
	err = perf_new(&p, &opt);
	if (err)
		return err;
	err = perf_open_task(p, getpid(), true);
	out->cpus = perf_cpus(p);
	out->wanted = perf_ring_wanted(p);
	if (!err) {
		out->bytes = perf_ring_bytes(p);
		out->stack_size = perf_stack_size(p);
		(void)perf_fds(p, &out->fds);
	}
	perf_free(p);
	return err;
}

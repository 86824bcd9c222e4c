/* SPDX-License-Identifier: Apache-2.0 */
/* tracer_time.c - what a sample of a traced thread stands for; see tracer_private.h. */
#include "collect/tracer_private.h"

#define PATIENCE_USER   128 /* samples in calls, before one stands for user time too */
#define PATIENCE_SYSTEM 4   /* and the other way round: page faults are no calls */

struct due {
	uint64_t user, system;
};

static uint64_t minus(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

/* Exact time, split as the coarse times are since the begin. */
static struct due due(const struct tracer_time *t, const struct tracer_used *used)
{
	uint64_t run = minus(used->run_ns, t->begin.run_ns), user = minus(used->user_ns, t->begin.user_ns),
		 system = minus(used->system_ns, t->begin.system_ns), ours;
	struct due d = {0};

	ours = user + system ? (uint64_t)((double)run * ((double)system / (double)(user + system))) : 0;
	ours = ours > run ? run : ours;
	/* The split moves: what one kind got too much of, the other has to do without. */
	d.system = minus(ours, t->system_ns);
	d.user = minus(run - ours, t->user_ns);
	run = minus(run, t->system_ns + t->user_ns);
	d.system = d.system > run ? run : d.system;
	d.user = d.user > run - d.system ? run - d.system : d.user;
	return d;
}

static struct due taken(const struct tracer_time *t, const struct tracer_used *used, int in_call)
{
	struct due d = due(t, used);

	if (in_call == 1 && t->since_user < PATIENCE_USER)
		d.user = 0;
	if (in_call == 0 && t->since_system < PATIENCE_SYSTEM)
		d.system = 0;
	return d;
}

uint64_t tracer_time_period(const struct tracer_time *time, const struct tracer_used *used, int in_call)
{
	struct due d = taken(time, used, in_call);

	return d.user + d.system;
}

void tracer_time_took(struct tracer_time *time, const struct tracer_used *used, int in_call)
{
	struct due d = taken(time, used, in_call);

	time->user_ns += d.user;
	time->system_ns += d.system;
	/* Once it stood for the other time as well, that one is waited for again. */
	time->since_user = in_call != 1 || time->since_user >= PATIENCE_USER ? 0 : time->since_user + 1;
	time->since_system = in_call || time->since_system >= PATIENCE_SYSTEM ? 0 : time->since_system + 1;
}

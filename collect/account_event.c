/* SPDX-License-Identifier: Apache-2.0 */
/* account_event.c - what each event counted, and what of it its samples do not show. */
#include "collect/collector_private.h"

static uint64_t minus(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

/* Periods are what somebody asked for: no sum of a profile is more than this. */
static uint64_t times(uint64_t a, uint64_t b)
{
	uint64_t product;

	return __builtin_mul_overflow(a, b, &product) || product > INT64_MAX ? INT64_MAX : product;
}

static void raise(uint64_t *v, uint64_t to)
{
	if (to > *v)
		*v = to;
}

int account_synthetic(struct collector *c, uint32_t event, const char *name, uint64_t count, uint64_t value)
{
	const struct capture_event *e = &c->events[event];
	uint32_t loc, stack, labels;
	int err = 0;

	if (!value || e->type_value == PROFILE_NONE)
		return 0;
	loc = profile_synthetic(&c->profile, name);
	stack = profile_stack(&c->profile, &loc, 1);
	labels = profile_labelset(&c->profile, NULL, 0);
	if (e->type_count != PROFILE_NONE)
		err = profile_add(&c->profile, stack, labels, e->type_count, (int64_t)count);
	if (!err)
		err = profile_add(&c->profile, stack, labels, e->type_value, (int64_t)value);
	return err;
}

uint64_t account_lost(const struct collector *c, uint32_t event)
{
	if (fallback_used(c) || c->ladder.count_lost)
		return c->mark.counts.events[event].lost;
	return event ? 0 : c->sample_records_lost; /* which does not tell whose */
}

/*
 * What is counted but not sampled yet: less than a period of each task on
 * each CPU it ran on. It is sampled in a window to come, or else left over at
 * the end; called "not sampled" now it would be there twice.
 */
uint64_t account_not_yet(const struct collector *c, uint64_t period)
{
	uint64_t n = (uint64_t)procs_threads(c->procs) + (c->perf ? perf_cpus(c->perf) : 0);

	if (c->stopped)
		return 0;
	/* A traced thread's next sample stands for all that it used since its last, however much that is. */
	return c->tracer ? UINT64_MAX : times(period, n);
}

/* An event that is closed takes its count with it: what was counted once remains. */
static void note_counts(struct collector *c, uint32_t i)
{
	const struct perf_event_counts *counts = &c->mark.counts.events[i];
	struct capture_event *e = &c->events[i];

	e->counted |= counts->counted;
	e->counted_user |= counts->counted_user;
	raise(&e->now.total, counts->value);
	raise(&e->now.user, counts->user);
	raise(&e->now.enabled, counts->enabled);
	raise(&e->now.running, counts->running);
}

int account_event(struct collector *c, uint32_t i)
{
	const struct planned_event *pl = &c->plan.events[i];
	struct event_account *now = &c->events[i].now;
	uint64_t lost, lost_value, missing;
	int err;

	if (pl->err || !c->perf)
		return 0;
	note_counts(c, i);
	if (!pl->sampled || (!i && pl->event->cpu_time)) /* the clock's: account.c */
		return 0;
	lost = minus(account_lost(c, i), now->lost_samples);
	lost_value = times(lost, now->samples ? now->sampled / now->samples : pl->period);
	err = account_synthetic(c, i, "[lost]", lost, lost_value);
	now->lost_samples += lost;
	now->lost += lost_value;
	missing = minus(now->total, now->sampled + now->lost + now->unsampled);
	missing = minus(missing, account_not_yet(c, c->events[i].weight));
	now->unsampled += missing;
	return err ? err : account_synthetic(c, i, "[not sampled]", 0, missing);
}

static void set_counter(const struct collector *c, uint32_t i, struct profile_counter *out)
{
	const struct planned_event *pl = &c->plan.events[i];
	const struct capture_event *e = &c->events[i];
	const struct event_account *now = &e->now, *begin = &e->begin;

	*out = (struct profile_counter){
		.name = pl->event->name,
		.unit = pl->event->value_unit,
		.refused = pl->err ? pl->why : NULL,
		.sampled = !pl->err && pl->sampled,
		.kernel = pl->kernel || pl->event->cpu_time,
		.counted = !pl->err && e->counted,
		.has_user = !pl->err && e->counted_user,
		.type = e->type_value,
		.total = now->total - begin->total,
		.user = now->user - begin->user,
		.samples = now->samples - begin->samples,
		.lost = now->lost_samples - begin->lost_samples,
		.throttled = now->throttled - begin->throttled,
		.enabled_ns = now->enabled - begin->enabled,
		.running_ns = now->running - begin->running,
		.period = pl->period,
		.freq = pl->freq,
	};
}

void account_counters(struct collector *c)
{
	struct profile *p = &c->profile;
	uint32_t i;

	p->n_counters = 0;
	for (i = 0; i < c->plan.n; i++)
		if (!c->plan.events[i].err || !c->plan.events[i].event->optional)
			set_counter(c, i, &p->counters[p->n_counters++]);
}

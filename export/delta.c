/* SPDX-License-Identifier: Apache-2.0 */
/* delta.c - see delta.h. */
#include "export/delta.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void delta_init(struct delta_base *b)
{
	*b = (struct delta_base){.values = NULL};
}

void delta_release(struct delta_base *b)
{
	free(b->values);
	delta_init(b);
}

int delta_take(struct delta_base *b, const struct profile *p)
{
	size_t n = (size_t)p->n_samples * p->n_types;
	int64_t *values = realloc(b->values, (n ? n : 1) * sizeof(*values));

	if (!values)
		return -ENOMEM;
	if (n)
		memcpy(values, p->values, n * sizeof(*values));
	b->values = values;
	b->n = n;
	b->n_events = p->n_events;
	b->merged_events = p->merged_events;
	b->end_ns = p->end_ns;
	b->duration_ns = p->duration_ns;
	b->quality = p->quality;
	memcpy(b->counters, p->counters, sizeof(b->counters));
	b->n_counters = p->n_counters;
	return 0;
}

static void minus(uint64_t *v, uint64_t before)
{
	*v = *v > before ? *v - before : 0;
}

static void quality_minus(struct profile_quality *q, const struct profile_quality *b)
{
	size_t i;

	minus(&q->samples, b->samples);
	minus(&q->user_samples, b->user_samples);
	minus(&q->complete, b->complete);
	minus(&q->truncated, b->truncated);
	for (i = 0; i < sizeof(q->ends) / sizeof(*q->ends); i++)
		minus(&q->ends[i], b->ends[i]);
	minus(&q->lost, b->lost);
	minus(&q->lost_sideband, b->lost_sideband);
	minus(&q->throttled, b->throttled);
	minus(&q->overflow, b->overflow);
	minus(&q->sampled_cpu_ns, b->sampled_cpu_ns);
	minus(&q->lost_cpu_ns, b->lost_cpu_ns);
	minus(&q->event_cpu_ns, b->event_cpu_ns);
	minus(&q->kernel_denied_ns, b->kernel_denied_ns);
	minus(&q->unsampled_ns, b->unsampled_ns);
	minus(&q->rusage_cpu_ns, b->rusage_cpu_ns);
}

static void counter_minus(struct profile_counter *c, const struct profile_counter *b)
{
	minus(&c->total, b->total);
	minus(&c->user, b->user);
	minus(&c->samples, b->samples);
	minus(&c->lost, b->lost);
	minus(&c->throttled, b->throttled);
	minus(&c->enabled_ns, b->enabled_ns);
	minus(&c->running_ns, b->running_ns);
}

void delta_apply(const struct delta_base *b, struct profile *p)
{
	size_t n = (size_t)p->n_samples * p->n_types, i;

	if (!b->values)
		return;
	for (i = 0; i < n && i < b->n; i++)
		p->values[i] -= b->values[i];
	/* added in the order of time; what is passed over is never freed: the copy ends with its process */
	if (b->n_events <= p->n_events) {
		p->events += b->n_events;
		p->n_events -= b->n_events;
	}
	minus(&p->merged_events, b->merged_events);
	if (b->end_ns < p->end_ns)
		p->start_ns = b->end_ns;
	minus(&p->duration_ns, b->duration_ns);
	quality_minus(&p->quality, &b->quality);
	for (i = 0; i < p->n_counters && i < b->n_counters; i++) /* a capture's events do not change */
		counter_minus(&p->counters[i], &b->counters[i]);
}

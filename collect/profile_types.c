/* SPDX-License-Identifier: Apache-2.0 */
/* profile_types.c - the sample types of a capture's events. */
#include "collect/collector_private.h"

#include <string.h>

/* A type's name is taken once: of two clocks the second goes by its own name. */
static bool is_taken(const struct profile *p, const char *name)
{
	uint32_t i;

	for (i = 0; i < p->n_types && strcmp(p->types[i].name, name); i++)
		;
	return i < p->n_types;
}

static void add_types(struct profile *p, const struct event *ev, struct capture_event *e)
{
	bool own = !ev->value_type || is_taken(p, ev->value_type);

	if (ev->count_type && !own)
		e->type_count = profile_add_type(p, ev->count_type, "count");
	e->type_value = profile_add_type(p, own ? ev->name : ev->value_type, ev->value_unit);
}

void collector_set_types(struct collector *c)
{
	struct profile *p = &c->profile;
	uint32_t i;

	for (i = 0; i < c->plan.n; i++) {
		c->events[i].type_count = c->events[i].type_value = PROFILE_NONE;
		if (!c->plan.events[i].err && c->plan.events[i].sampled)
			add_types(p, c->plan.events[i].event, &c->events[i]);
	}
	c->period = c->plan.events[0].period;
	if (c->events[0].type_value == PROFILE_NONE)
		return;
	p->default_type = c->events[0].type_value;
	p->period_type = p->types[p->default_type];
	p->period = (int64_t)c->period;
}

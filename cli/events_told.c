/* SPDX-License-Identifier: Apache-2.0 */
/* events_told.c - see events_told.h. */
#include "cli/events_told.h"

#include "base/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* A label may hold anything: control characters must not reach the terminal. */
static const char *shown(const char *name, char out[EVENT_NAME_MAX])
{
	size_t i;

	for (i = 0; name[i] && i + 1 < EVENT_NAME_MAX; i++)
		out[i] = (unsigned char)name[i] < 0x20 || name[i] == 0x7f ? '?' : name[i];
	out[i] = '\0';
	return out;
}

void events_tell_refused(const struct collector *c)
{
	const struct event_plan *p = collector_plan(c);
	char name[EVENT_NAME_MAX];
	uint32_t i;

	if (!p->refused)
		return;
	if (collector_ladder(c)->timer) {
		log_warn("timers in the program know CPU time only: the other events are left out");
		return;
	}
	for (i = 0; i < p->n; i++)
		if (p->events[i].err && !p->events[i].event->optional)
			log_warn("'%s' is left out: %s", shown(p->events[i].event->name, name),
				 p->events[i].why);
	if (p->replaced)
		log_warn("no event that was asked for can be sampled: CPU time is");
}

static void put_count(struct buf *b, uint64_t v)
{
	char digits[24];
	int n = snprintf(digits, sizeof(digits), "%" PRIu64, v), i;
	char text[40];
	int at = 0;

	for (i = 0; i < n; i++) {
		if (i && (n - i) % 3 == 0)
			text[at++] = ',';
		text[at++] = digits[i];
	}
	text[at] = '\0';
	buf_printf(b, "%18s", text);
}

static void put_event(struct buf *b, const struct profile_counter *c)
{
	char name[EVENT_NAME_MAX];
	bool time = !strcmp(c->unit, "nanoseconds");

	buf_put_str(b, "  ");
	if (!c->counted)
		buf_printf(b, "%18s", "not counted");
	else if (time)
		buf_printf(b, "%15.3f ms", (double)c->total / 1e6);
	else
		put_count(b, c->total);
	buf_printf(b, "  %s", shown(c->name, name));
	if (c->counted && c->has_user)
		buf_printf(b, ", %" PRIu64 " in user mode", c->user);
	else if (c->counted && !c->kernel)
		buf_put_str(b, ", in user mode only");
	if (c->sampled)
		buf_printf(b, ", %" PRIu64 " samples", c->samples);
	if (c->lost)
		buf_printf(b, ", %" PRIu64 " lost", c->lost);
	if (c->throttled)
		buf_printf(b, ", throttled %" PRIu64 " times", c->throttled);
	if (c->running_ns < c->enabled_ns)
		buf_printf(b, ", counted %.1f %% of the time",
			   100.0 * (double)c->running_ns / (double)c->enabled_ns);
	buf_put_str(b, "\n");
}

void events_put(struct buf *b, const struct profile_counter *counters, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		if (strcmp(counters[i].name, event_default()->name))
			put_event(b, &counters[i]);
}

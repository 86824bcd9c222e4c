/* SPDX-License-Identifier: Apache-2.0 */
/* totals.c - see totals.h. */
#include "export/totals.h"

#include "export/counters.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "ddprof.event."

static const char *const field_names[TOTALS_FIELDS] = {
	[TOTALS_TOTAL] = "total",        [TOTALS_USER] = "user",           [TOTALS_SAMPLES] = "samples",
	[TOTALS_LOST] = "lost",          [TOTALS_THROTTLED] = "throttled", [TOTALS_ENABLED] = "enabled_ns",
	[TOTALS_RUNNING] = "running_ns", [TOTALS_PERIOD] = "period",       [TOTALS_FREQ] = "freq",
};

/* Digits and nothing else, as a number. */
static int number(const char *s, size_t len, uint64_t *out)
{
	uint64_t v = 0;
	size_t i;

	for (i = 0; i < len; i++)
		if (s[i] < '0' || s[i] > '9' || __builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(s[i] - '0'), &v))
			return -EBADMSG;
	if (!len)
		return -EBADMSG;
	*out = v;
	return 0;
}

static bool is(const char *s, size_t len, const char *want)
{
	return len == strlen(want) && !memcmp(s, want, len);
}

static struct totals_event *event_named(struct totals *t, const char *name, size_t len)
{
	uint32_t i;

	if (!len || len >= TOTALS_NAME_MAX || memchr(name, '\0', len))
		return NULL;
	for (i = 0; i < t->n; i++)
		if (is(name, len, t->events[i].name))
			return &t->events[i];
	if (t->n == TOTALS_MAX)
		return NULL;
	memcpy(t->events[t->n].name, name, len);
	return &t->events[t->n++];
}

static void copy_text(char *out, size_t size, const char *s, size_t len)
{
	if (len >= size)
		len = size - 1;
	if (memchr(s, '\0', len) || *out)
		return; /* nothing we wrote, or told already */
	memcpy(out, s, len);
	out[len] = '\0';
}

static void take_field(struct totals_event *e, const char *field, size_t len, const char *value,
		       size_t value_len)
{
	uint64_t v;
	unsigned i;

	if (is(field, len, "type"))
		copy_text(e->type, sizeof(e->type), value, value_len);
	if (is(field, len, "mode"))
		e->user_only |= is(value, value_len, "user");
	if (is(field, len, "refused"))
		copy_text(e->refused, sizeof(e->refused), value, value_len);
	for (i = 0; i < TOTALS_FIELDS; i++)
		if (is(field, len, field_names[i]))
			break;
	if (i == TOTALS_FIELDS || e->differs[i] || number(value, value_len, &v))
		return;
	e->differs[i] = e->has[i] && e->value[i] != v;
	e->has[i] = !e->differs[i];
	e->value[i] = v;
}

static bool is_field(const char *field, size_t len)
{
	unsigned i;

	for (i = 0; i < TOTALS_FIELDS; i++)
		if (is(field, len, field_names[i]))
			return true;
	return is(field, len, "type") || is(field, len, "mode") || is(field, len, "refused");
}

static void take_comment(struct totals *t, struct pprof_str s)
{
	const size_t prefix = sizeof(PREFIX) - 1;
	const char *colon, *dot;
	struct totals_event *e;

	if (s.len <= prefix || memcmp(s.s, PREFIX, prefix))
		return;
	s.s += prefix;
	s.len -= (uint32_t)prefix;
	colon = memmem(s.s, s.len, ": ", 2);
	dot = colon ? memrchr(s.s, '.', (size_t)(colon - s.s)) : NULL;
	/* others may come to say more of an event than we know: no event by it */
	if (!dot || !is_field(dot + 1, (size_t)(colon - dot - 1)))
		return;
	e = event_named(t, s.s, (size_t)(dot - s.s));
	if (e)
		take_field(e, dot + 1, (size_t)(colon - dot - 1), colon + 2,
			   (size_t)(s.s + s.len - colon - 2));
}

int totals_comment(const struct pprof *p, const char *key, uint64_t *out)
{
	size_t len = strlen(key);
	bool found = false;
	uint64_t v;
	uint32_t i;

	for (i = 0; i < p->n_comments; i++) {
		struct pprof_str s = pprof_string(p, p->comments[i]);

		if (s.len < len || memcmp(s.s, key, len))
			continue;
		if (s.len == len || s.s[len] != ' ' || number(s.s + len + 1, s.len - len - 1, &v) ||
		    (found && v != *out))
			return -EBADMSG;
		*out = v;
		found = true;
	}
	return found ? 0 : -ENOENT;
}

int totals_read(struct totals *t, const struct pprof *p)
{
	uint64_t v;
	uint32_t i;

	*t = (struct totals){.elapsed_ns = p->duration_nanos > 0 ? (uint64_t)p->duration_nanos : 0};
	t->events = calloc(TOTALS_MAX, sizeof(*t->events));
	if (!t->events)
		return -ENOMEM;
	for (i = 0; i < p->n_comments; i++) {
		struct pprof_str s = pprof_string(p, p->comments[i]);

		t->user_mode |= is(s.s, s.len, "ddprof.mode: user");
		take_comment(t, s);
	}
	for (i = 0; i < t->n && !t->cpu_ns; i++) {
		struct counter c = counter_by_name(t->events[i].name, strlen(t->events[i].name));

		if (c.kind == COUNTER_CPU_TIME && !*c.scope && t->events[i].has[TOTALS_TOTAL])
			t->cpu_ns = t->events[i].value[TOTALS_TOTAL];
	}
	if (!t->cpu_ns && !totals_comment(p, "ddprof.quality.event_cpu_ns:", &v))
		t->cpu_ns = v;
	return 0;
}

void totals_release(struct totals *t)
{
	free(t->events);
	*t = (struct totals){0};
}

const struct totals_event *totals_for_type(const struct totals *t, const char *type, size_t len)
{
	uint32_t i;

	for (i = 0; i < t->n; i++)
		if (*t->events[i].type && is(type, len, t->events[i].type))
			return &t->events[i];
	for (i = 0; i < t->n; i++)
		if (is(type, len, t->events[i].name))
			return &t->events[i];
	return NULL;
}

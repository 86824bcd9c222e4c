/* SPDX-License-Identifier: Apache-2.0 */
/*
 * event_parse.c - the grammar of event lists.
 *
 * Commas separate events for perf's users and options of one event for the
 * former ddprof's; both are served by this rule: KEY=VALUE belongs to the
 * event before it, anything else begins a new one.
 */
#include "collect/event_private.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct parser {
	struct event_list *list;
	struct event_why why;
	uint32_t begin;       /* events before this are of earlier texts */
	uint32_t group;       /* that is open; 0: none */
	uint32_t group_first; /* its first event */
	uint32_t first, n;    /* the events that a key=value applies to */
	char trace_group[EVENT_NAME_MAX];
	bool passing; /* keys belong to a word that was passed over */
	bool passed;  /* some word was */
};

static int (*const kinds[])(struct event *, const char *, const struct event_why *) = {
	event_word, event_breakpoint, event_uprobe, event_raw, event_sysfs, event_pfm, event_tracepoint,
};

static int not_found(const struct parser *p, const char *text)
{
	char like[256];

	event_suggest(text, like, sizeof(like));
	if (like[0])
		return event_refuse(&p->why, -EINVAL, "'%s' is no event that is known here\n  nearest: %s",
				    text, like);
	return event_refuse(&p->why, -EINVAL,
			    "'%s' is no event that is known here\n  'ddprof events PATTERN' searches them",
			    text);
}

/* A lenient list goes on without what is no perf event, ... */
static void pass_over(struct parser *p, const char *text)
{
	char *out = p->list->passed_over;
	size_t len = strlen(out), room = sizeof(p->list->passed_over);

	if (!strstr(out, text) && len + strlen(text) + 3 < room)
		snprintf(out + len, room - len, "%s%s", len ? ", " : "", text);
	p->passing = p->passed = true;
	p->n = 0;
}

/* ... and keeps what this machine or user has not, with the first line of the reason. */
static int keep_refused(struct parser *p, struct event *ev, int err)
{
	const char *why = p->why.text;
	size_t len = strlen(ev->name);

	if (!p->list->lenient || (err != -ENODEV && err != -EACCES))
		return err;
	/* Who tells it begins with the name. */
	if (*why == '\'' && !strncmp(why + 1, ev->name, len) && !strncmp(why + 1 + len, "': ", 3))
		why += len + 4;
	ev->refused = strndup(why, strcspn(why, "\n"));
	if (!ev->refused)
		return event_refuse(&p->why, -ENOMEM, "out of memory");
	ev->err = err;
	return 0;
}

/* libpfm4 sets a rate, too. */
static int check_rate(const struct parser *p, const struct event *ev)
{
	if (!ev->freq || !event_counts_each(ev))
		return 0;
	return event_refuse(&p->why, -EINVAL,
			    "freq=%llu: the kernel keeps no rate of '%s', of which it sees each single one\n"
			    "  period=N takes every Nth",
			    (unsigned long long)ev->freq, ev->name);
}

static int add_event(struct parser *p, const char *text)
{
	struct event_list *l = p->list;
	struct event *ev;
	int err = -ENOENT;
	size_t i;

	p->passing = false;
	if (l->lenient && event_is_foreign(text))
		return pass_over(p, text), 0;
	if (l->n == EVENT_MAX)
		return event_refuse(&p->why, -E2BIG, "more than %d events", EVENT_MAX);
	if (strlen(text) >= EVENT_NAME_MAX)
		return event_refuse(&p->why, -EINVAL, "'%.40s...': event names have at most %d bytes", text,
				    EVENT_NAME_MAX - 1);
	ev = realloc(l->events, (l->n + 1) * sizeof(*ev));
	if (!ev)
		return event_refuse(&p->why, -ENOMEM, "out of memory");
	l->events = ev;
	ev += l->n;
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]) && err == -ENOENT; i++) {
		*ev = (struct event){.attr.size = sizeof(ev->attr), .value_unit = "count"};
		strcpy(ev->name, text);
		err = kinds[i](ev, text, &p->why);
	}
	if (err == -ENOENT)
		return not_found(p, text);
	if (!err)
		err = check_rate(p, ev);
	if (err)
		err = keep_refused(p, ev, err);
	if (err) {
		event_release(ev);
		return err;
	}
	ev->group = p->group;
	p->first = l->n++;
	p->n = 1;
	return 0;
}

static int number(const struct parser *p, const char *key, const char *text, uint64_t min, uint64_t max,
		  uint64_t *out)
{
	unsigned long long v;
	char *end;

	errno = 0;
	v = strtoull(text, &end, 0);
	if (errno || !isdigit((unsigned char)text[0]) || *end || v < min || v > max)
		return event_refuse(&p->why, -EINVAL, "%s=%s: wanted is a number from %llu to %llu", key,
				    text, (unsigned long long)min, (unsigned long long)max);
	*out = v;
	return 0;
}

static bool is_key(const char *key, const char *names)
{
	size_t len = strlen(key);
	const char *at;

	for (at = len ? strstr(names, key) : NULL; at; at = strstr(at + 1, key))
		if ((at == names || at[-1] == ' ') && (at[len] == ' ' || !at[len]))
			return true;
	return false;
}

static int set_rate(struct parser *p, const char *key, uint64_t freq, uint64_t period)
{
	uint32_t i;

	for (i = p->first; i < p->first + p->n; i++) {
		struct event *ev = &p->list->events[i];

		if (ev->freq || ev->period)
			return event_refuse(&p->why, -EINVAL, "%s: '%s' has a rate already", key, ev->name);
		ev->freq = freq;
		ev->period = period;
		if (check_rate(p, ev))
			return -EINVAL;
	}
	return 0;
}

static int set_label(struct parser *p, const char *value)
{
	struct event *ev = &p->list->events[p->first];

	if (p->n != 1 || !value[0] || strlen(value) >= sizeof(ev->name))
		return event_refuse(&p->why, -EINVAL, "label=%s: one event can have a name of 1 to %d bytes",
				    value, EVENT_NAME_MAX - 1);
	strcpy(ev->name, value);
	return 0;
}

static int set_key(struct parser *p, const char *key, const char *value)
{
	uint64_t v;
	uint32_t i;
	int err;

	if (is_key(key, "e ev event eventname")) {
		char name[2 * EVENT_NAME_MAX];

		snprintf(name, sizeof(name), "%s%s%s", p->trace_group, p->trace_group[0] ? ":" : "", value);
		p->trace_group[0] = '\0';
		return add_event(p, name);
	}
	/* Of a tracepoint whose name is still to come. */
	if (is_key(key, "g gr group groupname")) {
		snprintf(p->trace_group, sizeof(p->trace_group), "%s", value);
		return 0;
	}
	if (p->passing)
		return 0;
	if (!p->n)
		return event_refuse(&p->why, -EINVAL, "%s=%s stands before any event", key, value);
	if (is_key(key, "f freq frequency")) {
		err = number(p, key, value, 1, 1000000, &v);
		return err ? err : set_rate(p, key, v, 0);
	}
	if (is_key(key, "p per period")) {
		err = number(p, key, value, 1, INT64_MAX, &v);
		return err ? err : set_rate(p, key, 0, v);
	}
	if (is_key(key, "l label"))
		return set_label(p, value);
	if (!strcmp(key, "precise")) {
		err = number(p, key, value, 0, 3, &v);
		for (i = p->first; !err && i < p->first + p->n; i++)
			p->list->events[i].attr.precise_ip = v & 3;
		return err;
	}
	if (is_key(key, "m mode s scale value_scale n argno arg_num o argoff raw_offset z argsz raw_size r "
			"regno register"))
		return event_refuse(&p->why, -ENOTSUP,
				    "%s=%s: not supported, each event counts for a sample type of its own",
				    key, value);
	return event_refuse(&p->why, -EINVAL, "%s=%s: no such key\n  they are freq, period, precise, label",
			    key, value);
}

/* KEY=VALUE, and not an event with '=' in it: libpfm4's modifiers and sysfs terms come after ':' or '/'. */
static bool is_assignment(const char *text)
{
	const char *eq = strchr(text, '=');

	return eq && strcspn(text, ":/%") > (size_t)(eq - text);
}

static int element(struct parser *p, char *text)
{
	char *eq;

	if (is_assignment(text)) {
		eq = strchr(text, '=');
		*eq = '\0';
		return set_key(p, text, eq + 1);
	}
	return add_event(p, text);
}

static int open_group(struct parser *p)
{
	if (p->group)
		return event_refuse(&p->why, -EINVAL, "'{' inside of a group");
	p->group = ++p->list->groups;
	p->group_first = p->list->n;
	return 0;
}

static int close_group(struct parser *p, const char *mods)
{
	uint32_t i;
	int err = 0;

	if (!p->group || p->list->n == p->group_first)
		return event_refuse(&p->why, -EINVAL, p->group ? "an empty group {}" : "'}' without '{'");
	for (i = p->group_first; i < p->list->n && !err && *mods; i++)
		err = event_modifiers(&p->list->events[i], mods, &p->why);
	p->first = p->group_first;
	p->n = p->list->n - p->group_first;
	p->group = 0;
	return err;
}

/* How far the element at @s goes. Inside of PMU/.../ commas belong to it; a path of a probe has no such pair.
 */
static size_t element_length(const char *s)
{
	bool terms = false, probe = !strncmp(s, "probe:", 6);
	size_t i;

	for (i = 0; s[i]; i++) {
		if (s[i] == '/' && !probe)
			terms = !terms && strchr(s + i + 1, '/');
		if (!terms && strchr(" \t,;{}", s[i]))
			break;
	}
	return i;
}

/* Names reach terminals and the lines of a profile's comments. */
static int check_bytes(const struct parser *p, const char *s)
{
	for (; *s; s++)
		if (*s != '\t' && ((unsigned char)*s < 0x20 || *s == 0x7f))
			return event_refuse(&p->why, -EINVAL,
					    "there is a control character in the list of events");
	return 0;
}

static int parse(struct parser *p, const char *s)
{
	char text[2 * EVENT_NAME_MAX];
	int err = check_bytes(p, s);
	size_t n;

	while (!err && *s) {
		if (strchr(" \t,;", *s)) {
			s++;
		} else if (*s == '{') {
			err = open_group(p);
			s++;
		} else if (*s == '}') {
			n = s[1] == ':' ? strcspn(s + 2, " \t,;{}") : 0;
			snprintf(text, sizeof(text), "%.*s", (int)n, s + 2);
			err = close_group(p, n ? text : "");
			s += 1 + (s[1] == ':' ? n + 1 : 0);
		} else {
			n = element_length(s);
			if (n >= sizeof(text))
				return event_refuse(&p->why, -EINVAL, "'%.40s...' is too long for an event",
						    s);
			memcpy(text, s, n);
			text[n] = '\0';
			err = element(p, text);
			s += n;
		}
	}
	if (!err && p->group)
		err = event_refuse(&p->why, -EINVAL, "'{' without '}'");
	if (!err && p->list->n == p->begin && !p->passed)
		err = event_refuse(&p->why, -EINVAL, "no event is named");
	return err;
}

int event_list_parse(struct event_list *l, const char *text, char *why, size_t why_len)
{
	struct parser p = {.list = l, .why = {why, why_len}, .begin = l->n};
	uint32_t groups = l->groups;
	int err = parse(&p, text);

	if (err) {
		while (l->n > p.begin)
			event_release(&l->events[--l->n]);
		l->groups = groups;
	}
	return err;
}

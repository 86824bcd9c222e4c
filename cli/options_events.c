/* SPDX-License-Identifier: Apache-2.0 */
/* options_events.c - -e, --counters and --preset, into one list of events. */
#include "cli/options.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define AUTO_COUNTERS "cycles,instructions,cache-misses,branch-misses"
/* Four counters, each at this part of the rate, interrupt no more often than the clock does. */
#define AUTO_RATE_PART 4

/* A refusal of several lines as one, for a warning. */
static void in_one_line(char *why)
{
	char *nl;

	while ((nl = strchr(why, '\n'))) {
		*nl = ';';
		while (nl[1] == ' ' && nl[2] == ' ')
			memmove(nl + 1, nl + 2, strlen(nl + 2) + 1);
	}
}

static int parse(struct event_list *l, const char *text, char *why, size_t why_len)
{
	uint32_t i, first = l->n;
	int err;

	l->lenient = true;
	err = event_list_parse(l, text, why, why_len);
	for (i = first; i < l->n; i++)
		l->events[i].split = true;
	return err;
}

static int store_counters(struct options *o, const char *text, char *why, size_t why_len)
{
	struct event_list l;
	int err = 0;

	event_list_init(&l);
	if (strcmp(text, "auto") && strcmp(text, "none"))
		err = parse(&l, text, why, why_len);
	if (err) {
		event_list_release(&l);
		return err;
	}
	o->counters_mode = !strcmp(text, "auto")   ? COUNTERS_AUTO
			   : !strcmp(text, "none") ? COUNTERS_NONE
						   : COUNTERS_LIST;
	event_list_release(&o->counters);
	o->counters = l;
	return 0;
}

int options_store_events(struct options *o, const struct option_def *d, const char *text, char *why,
			 size_t why_len)
{
	int err;

	if (d->type == OPTION_COUNTERS) {
		err = store_counters(o, text, why, why_len);
	} else {
		/* The first on the command line takes the place of what a variable says. */
		if (d->name && !o->events_given)
			event_list_release(&o->events);
		err = parse(&o->events, text, why, why_len);
	}
	if (err && err != -ENOMEM) {
		err = -EINVAL;
		if (!d->name)
			in_one_line(why);
	}
	return err;
}

static int set_auto(struct options *o)
{
	uint32_t freq = o->frequency / AUTO_RATE_PART, i;
	char why[OPTIONS_ERROR_MAX];
	int err;

	event_list_release(&o->counters);
	err = event_list_parse(&o->counters, AUTO_COUNTERS, why, sizeof(why));
	for (i = 0; i < o->counters.n; i++) {
		o->counters.events[i].optional = true;
		o->counters.events[i].freq = freq ? freq : 1;
	}
	return err;
}

static void warn_not_there(struct options *o, bool nothing_else)
{
	char words[2 * sizeof(o->events.passed_over)];
	const char *e = o->events.passed_over, *c = o->counters.passed_over;

	snprintf(words, sizeof(words), "%.60s%s%.60s", e, *e && *c ? ", " : "", c);
	if (!*words && o->preset_set && (o->preset & PRESET_ALLOCS))
		snprintf(words, sizeof(words), "sALLOC");
	if (*words)
		options_warn(o, "%s: allocations and wall-clock time cannot be profiled yet%s", words,
			     nothing_else ? ", CPU time is instead" : "");
}

int options_settle_events(struct options *o)
{
	bool nothing = !o->events.n, time = nothing;
	int err = 0;

	/* What was said on the command line holds over what variables say. */
	if (o->preset_set && (o->preset_given || !o->events_given) && (o->preset & PRESET_TIME)) {
		time = true;
		nothing = false;
	}
	warn_not_there(o, nothing);
	if (time)
		err = event_list_add_default(&o->events);
	if (!err && o->counters_mode == COUNTERS_AUTO && (o->counters_given || !o->events_set))
		err = set_auto(o);
	if (!err)
		err = event_list_move(&o->events, &o->counters);
	if (err == -E2BIG) {
		options_warn(o, "more than %d events: --counters is left out", EVENT_MAX);
		err = 0;
	}
	return err;
}

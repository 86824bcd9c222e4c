/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_events.c - ddprof events: what this machine can count, found out by trying.
 *
 * Without a pattern: the events that make sense on any machine, and those of
 * its own PMUs. With one: all that libpfm4, sysfs and tracefs know by it.
 */
#include "cli/help.h"
#include "cli/options.h"
#include "collect/ladder.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ROWS_MAX 100000 /* libpfm4 knows some 30 000 events of all CPUs */

struct listing {
	struct buf *out;
	unsigned rows;
	bool probe_all; /* without a pattern: leave out tracepoints, of which there are thousands */
	unsigned tracepoints;
};

static const char *const access_names[] = {
	[EVENT_SAMPLE_ALL] = "sampled",
	[EVENT_SAMPLE_USER] = "sampled, user only",
	[EVENT_COUNT_ONLY] = "counted only",
	[EVENT_REFUSED] = "no",
};

/* Two columns and, where there is something to say, a third. */
static int row(struct listing *l, const char *name, const char *state, const char *text)
{
	return buf_printf(l->out, text[0] ? "%-38s %-19s %.160s\n" : "%-38s %s\n", name, state, text);
}

static int show(const struct event_info *info, void *arg)
{
	struct listing *l = arg;
	struct event_list list;
	struct event_state st;
	char why[512], both[800];
	int err;

	if (l->probe_all && !strcmp(info->pmu, "tracepoint"))
		return l->tracepoints++, 0;
	if (++l->rows > ROWS_MAX)
		return -E2BIG;
	if (!info->present)
		return row(l, info->name, "other processor", info->desc);
	event_list_init(&list);
	err = event_list_parse(&list, info->name, why, sizeof(why));
	if (err == -ENOMEM)
		return err;
	if (err) {
		/* Names of libpfm4 that need a unit mask are no events by themselves. */
		err = row(l, info->name, err == -ENOTSUP ? "not per program" : "needs a mask", info->desc);
	} else {
		ladder_event(&list.events[0], &st);
		snprintf(both, sizeof(both), "%s%s%s", st.text, st.text[0] && info->desc[0] ? "; " : "",
			 info->desc);
		err = row(l, info->name, access_names[st.access], both);
	}
	event_list_release(&list);
	return err;
}

static int list_own(struct listing *l)
{
	int err;

	l->probe_all = true;
	err = event_search("", false, show, l);
	if (!err && l->tracepoints)
		err = buf_printf(l->out, "\n%u tracepoints: ddprof events sched: (for example)\n",
				 l->tracepoints);
	if (!err)
		err = buf_printf(l->out,
				 "%salso: rNNN, PMU/terms/, mem:ADDRESS/LENGTH:rw, probe:FILE:SYMBOL\n",
				 l->tracepoints ? "" : "\n");
	return err;
}

int cmd_events(struct options *opt, struct launch *launch)
{
	const char *pattern = opt->argc ? opt->argv[0] : NULL;
	struct listing l = {0};
	struct buf out;
	int err, code;

	(void)launch;
	if (opt->argc > 1) {
		log_error("events: one pattern at a time, and '%s' is a second one", opt->argv[1]);
		return EXIT_USAGE;
	}
	buf_init(&out, 64u << 20);
	l.out = &out;
	err = pattern ? event_search(pattern, opt->all, show, &l) : list_own(&l);
	if (err) {
		log_error("events: %s", strerror(-err));
		code = EXIT_FAIL;
	} else if (!l.rows) {
		log_error("no event matches '%s'%s", pattern,
			  opt->all ? "" : "\n  --all searches those of other processors too");
		code = EXIT_FAIL;
	} else {
		code = help_print(&out);
	}
	buf_release(&out);
	return code;
}

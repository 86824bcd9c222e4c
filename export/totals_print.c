/* SPDX-License-Identifier: Apache-2.0 */
/* totals_print.c - the events' totals as text. */
#include "export/totals.h"

#include "export/counters.h"
#include "export/functions.h"
#include "export/ratios.h"
#include "export/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define NUMBERS  56 /* columns beside the name */
#define NAME_MIN 22

/* "1.23 G/s" */
static void per_second(double v, char *out, size_t len)
{
	static const char *const prefixes[] = {"", " k", " M", " G", " T"};
	char number[24];
	unsigned i = 0;

	for (; i + 1 < sizeof(prefixes) / sizeof(*prefixes) && v >= 999.5; i++)
		v /= 1000;
	ratios_format(v, number, sizeof(number));
	snprintf(out, len, "%s%s/s", number, prefixes[i]);
}

static void value(uint64_t v, bool known, bool time, char *out, size_t len)
{
	if (!known)
		snprintf(out, len, "-");
	else if (v > INT64_MAX)
		snprintf(out, len, "%.3e", (double)v);
	else
		functions_format_value((int64_t)v, time ? "nanoseconds" : "count", out, len);
}

static int put_event(const struct totals *t, const struct totals_event *e, unsigned width, struct buf *out)
{
	bool time = counter_by_name(e->name, strlen(e->name)).kind == COUNTER_CPU_TIME;
	char total[40], user[40], rate[40] = "-";
	unsigned used;
	int err = text_put_visible(out, e->name, strlen(e->name), width, &used);

	value(e->value[TOTALS_TOTAL], e->has[TOTALS_TOTAL], time, total, sizeof(total));
	value(e->value[TOTALS_USER], e->has[TOTALS_USER], time, user, sizeof(user));
	if (e->has[TOTALS_TOTAL] && time && t->elapsed_ns)
		snprintf(rate, sizeof(rate), "%.2f CPUs",
			 (double)e->value[TOTALS_TOTAL] / (double)t->elapsed_ns);
	else if (e->has[TOTALS_TOTAL] && !time && t->cpu_ns)
		per_second((double)e->value[TOTALS_TOTAL] / ((double)t->cpu_ns / 1e9), rate, sizeof(rate));
	return err ? err
		   : buf_printf(out, "%*s %20s %20s %12s\n", (int)(used < width ? width - used : 0), "",
				total, user, rate);
}

/* Of which events the kernel's part is missing. */
static int put_modes(const struct totals *t, struct buf *out)
{
	const char *sep = "  in user mode only: ";
	uint32_t i, with = 0, n = 0;
	int err = 0;

	for (i = 0; i < t->n; i++) {
		n += t->events[i].has[TOTALS_TOTAL];
		with += t->events[i].has[TOTALS_TOTAL] && t->events[i].user_only;
	}
	if (with && with == n)
		return buf_put_str(out, "  all in user mode only\n");
	for (i = 0; i < t->n && with && !err; i++) {
		if (!t->events[i].has[TOTALS_TOTAL] || !t->events[i].user_only)
			continue;
		(void)buf_put_str(out, sep);
		err = text_put_visible(out, t->events[i].name, strlen(t->events[i].name), 40, NULL);
		sep = ", ";
	}
	return err || !with ? err : buf_put_str(out, "\n");
}

/* Why a line above is less than it seems. */
static int put_notes(const struct totals_event *e, struct buf *out)
{
	uint64_t on = e->value[TOTALS_RUNNING], all = e->value[TOTALS_ENABLED];
	bool multiplexed = e->has[TOTALS_RUNNING] && e->has[TOTALS_ENABLED] && on < all;
	int err;

	if (e->differs[TOTALS_TOTAL]) {
		(void)buf_put_str(out, "  ");
		err = text_put_visible(out, e->name, strlen(e->name), 40, NULL);
		return err ? err
			   : buf_put_str(out,
					 ": several totals in one file (a merged profile?), none is shown\n");
	}
	if (multiplexed) {
		(void)buf_put_str(out, "  ");
		err = text_put_visible(out, e->name, strlen(e->name), 30, NULL);
		if (err)
			return err;
		(void)buf_printf(out, ": multiplexed, counted %.1f %% of the time%s\n",
				 100.0 * (double)on / (double)all, on ? " and scaled up" : "");
	}
	if (*e->refused) {
		(void)buf_put_str(out, "  ");
		err = text_put_visible(out, e->name, strlen(e->name), 30, NULL);
		if (!err)
			err = buf_put_str(out, ": not counted: ");
		if (!err)
			err = text_put_visible(out, e->refused, strlen(e->refused), 0, NULL);
		return err ? err : buf_put_str(out, "\n");
	}
	return out->error;
}

/* "1.25 instructions per cycle (1.31 in user mode)" */
static void put_pair(const struct totals_event *over, const struct totals_event *under, double factor,
		     const char *what, const char *scope, struct buf *out)
{
	char text[32];

	if (!over->has[TOTALS_TOTAL] || !under->has[TOTALS_TOTAL] || !under->value[TOTALS_TOTAL])
		return;
	ratios_format(factor * (double)over->value[TOTALS_TOTAL] / (double)under->value[TOTALS_TOTAL], text,
		      sizeof(text));
	buf_printf(out, "%10s %s", text, what);
	if (*scope) {
		buf_put_str(out, " (");
		text_put_visible(out, scope, strlen(scope), 0, NULL);
		buf_put_str(out, ")");
	}
	if (over->has[TOTALS_USER] && under->has[TOTALS_USER] && under->value[TOTALS_USER]) {
		ratios_format(factor * (double)over->value[TOTALS_USER] / (double)under->value[TOTALS_USER],
			      text, sizeof(text));
		buf_printf(out, ", %s in user mode", text);
	}
	buf_put_str(out, "\n");
}

static void put_pairs(const struct totals *t, struct buf *out)
{
	static const struct {
		enum counter_kind over, under;
		double factor;
		const char *what;
	} pairs[] = {
		{COUNTER_INSTRUCTIONS, COUNTER_CYCLES, 1, "instructions per cycle"},
		{COUNTER_MISSES, COUNTER_INSTRUCTIONS, 1000, "misses per 1000 instructions"},
		{COUNTER_CPU_TIME, COUNTER_INSTRUCTIONS, 1, "ns per instruction"},
	};
	struct counter c[TOTALS_MAX];
	char what[80];
	uint32_t i, k, n;

	for (i = 0; i < t->n; i++)
		c[i] = counter_by_name(t->events[i].name, strlen(t->events[i].name));
	for (n = 0; n < sizeof(pairs) / sizeof(*pairs); n++) {
		for (i = 0; i < t->n; i++) {
			if (c[i].kind != pairs[n].over)
				continue;
			snprintf(what, sizeof(what), "%s%s%s", c[i].heading ? c[i].heading : "",
				 c[i].heading ? " " : "", pairs[n].what);
			for (k = 0; k < t->n; k++)
				if (c[k].kind == pairs[n].under && !strcmp(c[i].scope, c[k].scope) &&
				    t->events[i].user_only == t->events[k].user_only)
					break;
			if (k < t->n)
				put_pair(&t->events[i], &t->events[k], pairs[n].factor, what, c[i].scope,
					 out);
		}
	}
}

static bool worth_showing(const struct totals_event *e)
{
	return e->has[TOTALS_TOTAL] || e->has[TOTALS_USER] || e->differs[TOTALS_TOTAL] || *e->refused;
}

int totals_print(const struct totals *t, unsigned columns, struct buf *out)
{
	unsigned width = columns > NUMBERS + NAME_MIN ? columns - NUMBERS : NAME_MIN;
	bool any = false;
	uint32_t i;
	int err = 0;

	if (width > 40)
		width = 40;
	for (i = 0; i < t->n; i++)
		any |= worth_showing(&t->events[i]);
	if (!any)
		return 0;
	(void)buf_printf(out, "\ntotals%*s %20s %20s %12s\n", (int)(width - (sizeof("totals") - 1)), "",
			 "count", "in user mode", "per s of CPU");
	for (i = 0; i < t->n && !err; i++)
		if (t->events[i].has[TOTALS_TOTAL] || t->events[i].has[TOTALS_USER])
			err = put_event(t, &t->events[i], width, out);
	if (!err)
		err = put_modes(t, out);
	for (i = 0; i < t->n && !err; i++)
		err = put_notes(&t->events[i], out);
	if (!err)
		put_pairs(t, out);
	return err ? err : out->error;
}

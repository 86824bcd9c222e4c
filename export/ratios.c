/* SPDX-License-Identifier: Apache-2.0 */
/* ratios.c - see ratios.h. */
#include "export/ratios.h"

#include "export/counters.h"
#include "export/totals.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define COLUMN   9 /* at least; and a blank before it */
#define NAME_MIN 20
#define TYPES    64 /* looked at, of one file */

struct finder {
	const struct pprof *p;
	const struct totals *totals;
	struct ratios *r;
	struct counter counters[TYPES];
	bool user_only[TYPES];
	uint32_t n;
};

/* ---- which ---- */

static bool type_is(const struct pprof *p, uint32_t type, const char *name)
{
	struct pprof_str s = pprof_string(p, p->types[type].type);

	return s.len == strlen(name) && !memcmp(s.s, name, s.len);
}

/* The type that counts the samples of @type: "cpu-samples", "samples", "NAME_sample" of "NAME_event". */
static uint32_t counting_type(const struct pprof *p, uint32_t type)
{
	struct pprof_str s = pprof_string(p, p->types[type].type);
	char want[128] = "";
	uint32_t i;

	if (type_is(p, type, "cpu-time"))
		snprintf(want, sizeof(want), "cpu-samples");
	else if (type_is(p, type, "cpu"))
		snprintf(want, sizeof(want), "samples");
	else if (s.len > 6 && s.len < 100 && !memcmp(s.s + s.len - 6, "_event", 6))
		snprintf(want, sizeof(want), "%.*s_sample", (int)s.len - 6, s.s);
	for (i = 0; *want && i < p->n_types; i++)
		if (type_is(p, i, want))
			return i;
	return UINT32_MAX;
}

static uint32_t add_side(struct ratios *r, uint32_t type)
{
	uint32_t i;

	for (i = 0; i < r->n_sides; i++)
		if (r->sides[i].type == type)
			return i;
	if (r->n_sides == RATIOS_SIDES_MAX)
		return UINT32_MAX;
	r->sides[i] = (struct ratio_side){.type = type, .counts = UINT32_MAX, .scale = 1};
	r->types[i] = type;
	return r->n_sides++;
}

static double sum_of(const struct pprof *p, uint32_t type)
{
	double sum = 0;
	uint32_t i;

	for (i = 0; i < p->n_samples; i++)
		sum += (double)p->values[(size_t)i * p->n_types + type];
	return sum;
}

/* The mean value of a sample of @type, or 0. */
static double weight_of(const struct pprof *p, const struct totals *totals, uint32_t type)
{
	struct pprof_str s = pprof_string(p, p->types[type].type),
			 period = pprof_string(p, p->period_type.type);
	const struct totals_event *e = totals_for_type(totals, s.s, s.len);

	if (e && e->has[TOTALS_SAMPLES] && e->value[TOTALS_SAMPLES])
		return sum_of(p, type) / (double)e->value[TOTALS_SAMPLES];
	if (e && e->has[TOTALS_PERIOD])
		return (double)e->value[TOTALS_PERIOD];
	if (p->period > 0 && s.len == period.len && !memcmp(s.s, period.s, s.len))
		return (double)p->period;
	return 0;
}

static uint32_t side_for(struct finder *f, uint32_t type)
{
	struct pprof_str unit = pprof_string(f->p, f->p->types[type].unit);
	uint32_t side = add_side(f->r, type), count;
	struct ratio_side *s;
	char text[24];

	if (side == UINT32_MAX)
		return side;
	s = &f->r->sides[side];
	snprintf(text, sizeof(text), "%.*s", unit.len < sizeof(text) ? (int)unit.len : 0, unit.s);
	if (f->counters[type].kind == COUNTER_CPU_TIME)
		s->scale = functions_unit_seconds(text);
	count = counting_type(f->p, type);
	if (count != UINT32_MAX)
		s->counts = add_side(f->r, count);
	if (s->counts == UINT32_MAX)
		s->weight = weight_of(f->p, f->totals, type);
	return side;
}

static void add_ratio(struct finder *f, uint32_t over, uint32_t under, double factor, const char *heading)
{
	struct ratios *r = f->r;
	struct ratio *x = &r->list[r->n];
	const char *scope = f->counters[over].scope;
	uint32_t i;

	if (r->n == RATIOS_MAX)
		return;
	snprintf(x->heading, sizeof(x->heading), "%.15s%s%.*s", heading, *scope && *scope != ':' ? ":" : "",
		 COUNTER_SCOPE_MAX, scope);
	for (i = 0; i < r->n; i++)
		if (!strcmp(r->list[i].heading, x->heading))
			return; /* another event for the same: the first is taken */
	x->over = side_for(f, over);
	x->under = side_for(f, under);
	x->factor = factor;
	x->rows_only = f->user_only[over] != f->user_only[under];
	if (x->over != UINT32_MAX && x->under != UINT32_MAX)
		r->n++;
}

static bool same_mode(const struct finder *f, uint32_t a, uint32_t b)
{
	bool time = f->counters[a].kind == COUNTER_CPU_TIME || f->counters[b].kind == COUNTER_CPU_TIME;

	return f->user_only[a] == f->user_only[b] || (time && f->totals->user_mode);
}

/* All ratios of an event of kind @over to one of kind @under that counts in the same place. */
static void pair(struct finder *f, enum counter_kind over, enum counter_kind under, double factor,
		 const char *heading)
{
	char text[16];
	uint32_t i, k;

	for (i = 0; i < f->n; i++) {
		if (f->counters[i].kind != over)
			continue;
		for (k = 0; k < f->n; k++)
			if (f->counters[k].kind == under && same_mode(f, i, k) &&
			    !strcmp(f->counters[i].scope, f->counters[k].scope))
				break;
		if (k == f->n)
			continue;
		snprintf(text, sizeof(text), "%s%s", f->counters[i].heading ? f->counters[i].heading : "",
			 heading);
		add_ratio(f, i, k, factor, text);
	}
}

void ratios_find(struct ratios *r, const struct pprof *p, const struct totals *totals)
{
	struct finder f = {.p = p, .totals = totals, .r = r};
	const struct totals_event *e;
	uint32_t i;

	*r = (struct ratios){0};
	f.n = p->n_types < TYPES ? p->n_types : TYPES;
	for (i = 0; i < f.n; i++) {
		struct pprof_str s = pprof_string(p, p->types[i].type),
				 unit = pprof_string(p, p->types[i].unit);
		char text[24] = "";

		e = totals_for_type(totals, s.s, s.len);
		f.user_only[i] = e && e->user_only;
		f.counters[i] = counter_by_name(s.s, s.len);
		if (unit.len < sizeof(text))
			snprintf(text, sizeof(text), "%.*s", (int)unit.len, unit.s);
		if (f.counters[i].kind == COUNTER_CPU_TIME && functions_unit_seconds(text) == 0)
			f.counters[i].kind = COUNTER_OTHER;
	}
	pair(&f, COUNTER_INSTRUCTIONS, COUNTER_CYCLES, 1, "IPC");
	pair(&f, COUNTER_MISSES, COUNTER_INSTRUCTIONS, 1000, "/ki");
	pair(&f, COUNTER_CPU_TIME, COUNTER_INSTRUCTIONS, 1e9, "ns/instr");
	pair(&f, COUNTER_FAULTS, COUNTER_CPU_TIME, 1, "faults/s");
}

/* ---- how large ---- */

static double samples_of(const struct ratios *r, uint32_t side, const struct functions_own *own)
{
	const struct ratio_side *s = &r->sides[side];

	if (s->counts != UINT32_MAX)
		return (double)own[s->counts].value;
	if (s->weight > 0)
		return (double)own[side].value / s->weight;
	return own[side].stacks;
}

bool ratios_value(const struct ratios *r, uint32_t i, const struct functions_own *own, double *out)
{
	const struct ratio *x = &r->list[i];
	/* a hundredth below: a mean is seldom a whole number */
	const double enough = RATIOS_MIN_SAMPLES - 0.01;

	if (own[x->over].value <= 0 || own[x->under].value <= 0 || samples_of(r, x->over, own) < enough ||
	    samples_of(r, x->under, own) < enough)
		return false;
	*out = x->factor * (double)own[x->over].value * r->sides[x->over].scale /
	       ((double)own[x->under].value * r->sides[x->under].scale);
	return true;
}

/* ---- table ---- */

void ratios_format(double v, char *out, size_t len)
{
	if (v >= 999999.5)
		snprintf(out, len, "%.2e", v);
	else
		snprintf(out, len, "%.*f",
			 v >= 99.95     ? 0
			 : v >= 9.995   ? 1
			 : v >= 0.9995  ? 2
			 : v >= 0.09995 ? 3
					: 4,
			 v);
}

static bool has_any(const struct ratios *r, const struct functions_own *own, uint32_t n)
{
	double v;
	uint32_t i;

	for (i = 0; i < n; i++)
		if (ratios_value(r, i, own, &v))
			return true;
	return false;
}

static void put_values(const struct ratios *r, const struct functions_own *own, uint32_t n, unsigned width,
		       bool row, struct buf *out)
{
	char text[32];
	double v;
	uint32_t i;

	for (i = 0; i < n; i++) {
		if ((row || !r->list[i].rows_only) && ratios_value(r, i, own, &v))
			ratios_format(v, text, sizeof(text));
		else
			snprintf(text, sizeof(text), "-");
		buf_printf(out, " %*s", (int)width, text);
	}
	buf_put_str(out, "  ");
}

/* A scope is text of the file; its length is bounded, what it holds is not. */
static void put_headings(const struct ratios *r, const struct functions *f, uint32_t n, unsigned width,
			 struct buf *out)
{
	uint32_t i, k;

	buf_printf(out, "\nown values (/ki: per 1000 instructions; -: fewer than %d samples of either)\n",
		   RATIOS_MIN_SAMPLES);
	for (i = 0; i < n; i++) {
		char text[sizeof(r->list[i].heading)];

		snprintf(text, sizeof(text), "%s", r->list[i].heading);
		for (k = 0; text[k]; k++)
			if (text[k] < 0x21 || text[k] > 0x7e)
				text[k] = '?';
		buf_printf(out, " %*s", (int)width, text);
	}
	buf_printf(out, "  %s\n", f->lines ? "line" : "function");
}

/* How many of the ratios fit; *@room: what is left for names, 0: no limit. */
static uint32_t fit(const struct ratios *r, unsigned columns, unsigned width, unsigned *room)
{
	unsigned n = r->n, most = columns > NAME_MIN + 2 ? (columns - NAME_MIN - 2) / (width + 1) : 0;

	*room = 0;
	if (!columns)
		return n;
	if (n > most)
		n = most ? most : 1;
	*room = columns > n * (width + 1) + 2 + NAME_MIN ? columns - n * (width + 1) - 2 : NAME_MIN;
	return n;
}

int ratios_print(const struct ratios *r, const struct functions *f, uint32_t top, unsigned columns,
		 struct buf *out)
{
	uint32_t shown = top && top < f->n ? top : f->n, without = 0, i, n;
	unsigned names, room, width = COLUMN;
	int err;

	if (!r->n)
		return 0;
	for (i = 0; i < r->n; i++)
		if (strlen(r->list[i].heading) > width)
			width = (unsigned)strlen(r->list[i].heading);
	n = fit(r, columns, width, &room);
	put_headings(r, f, n, width, out);
	put_values(r, f->also_sum, n, width, false, out);
	buf_put_str(out, "(all)\n");
	err = functions_name_width(f, shown, room, &names);
	for (i = 0; i < shown && !err; i++) {
		if (!has_any(r, f->rows[i].also, n)) {
			without++;
			continue;
		}
		put_values(r, f->rows[i].also, n, width, true, out);
		err = functions_put_name(out, &f->rows[i], names, room);
	}
	if (!err && without)
		err = buf_printf(out, "%*s  %u of %u with too few samples\n", (int)(n * (width + 1)), "",
				 without, shown);
	return err ? err : out->error;
}

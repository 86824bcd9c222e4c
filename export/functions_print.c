/* SPDX-License-Identifier: Apache-2.0 */
/* functions_print.c - the table of functions as text, and values for people. */
#include "export/functions.h"
#include "export/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NUMBERS  40 /* columns before the name */
#define NAME_MIN 16

/* ---- values ---- */

struct scale {
	double factor; /* of the base unit */
	const char *name;
};

static const struct scale times[] = {{1e-9, "ns"}, {1e-6, "us"}, {1e-3, "ms"}, {1, "s"}};
static const struct scale sizes[] = {{1, "B"}, {1e3, "kB"}, {1e6, "MB"}, {1e9, "GB"}, {1e12, "TB"}};

static const struct {
	const char *unit;
	double factor;
	const struct scale *scales;
	unsigned n;
} units[] = {
	{"nanoseconds", 1e-9, times, 4},  {"ns", 1e-9, times, 4},
	{"microseconds", 1e-6, times, 4}, {"us", 1e-6, times, 4},
	{"milliseconds", 1e-3, times, 4}, {"ms", 1e-3, times, 4},
	{"seconds", 1, times, 4},         {"s", 1, times, 4},
	{"bytes", 1, sizes, 5},           {"byte", 1, sizes, 5},
	{"kilobytes", 1024, sizes, 5},    {"megabytes", 1048576, sizes, 5},
};

/* 1234567 as "1 234 567". */
static void grouped(int64_t v, char *out, size_t len)
{
	char digits[24];
	int n = snprintf(digits, sizeof(digits), "%" PRId64, v), i;
	size_t k = 0;

	for (i = 0; i < n && k + 1 < len; i++) {
		out[k++] = digits[i];
		if ((n - i - 1) % 3 == 0 && i + 1 < n && digits[i] != '-' && k + 1 < len)
			out[k++] = ' ';
	}
	if (len)
		out[k] = '\0';
}

/* Three digits that count, in the largest unit that leaves at least one before the point. */
static void scaled(double v, const struct scale *s, unsigned n, char *out, size_t len)
{
	double size = v < 0 ? -v : v, x;
	char number[32];
	unsigned i;

	if (v == 0)
		i = s == times ? n - 1 : 0;
	else
		for (i = 0; i + 1 < n && size / s[i].factor >= 999.5; i++)
			;
	x = size / s[i].factor;
	if (x >= 999.5) {
		grouped((int64_t)(v < 0 ? -x : x), number, sizeof(number));
		snprintf(out, len, "%s %s", number, s[i].name);
		return;
	}
	/* what is counted in whole units has no fractions */
	snprintf(out, len, "%s%.*f %s", v < 0 ? "-" : "",
		 v == 0 || (!i && s == sizes) || x >= 99.95 ? 0
		 : x < 9.995                                ? 2
							    : 1,
		 x, s[i].name);
}

double functions_unit_seconds(const char *unit)
{
	unsigned i;

	for (i = 0; i < sizeof(units) / sizeof(*units); i++)
		if (units[i].scales == times && !strcmp(unit, units[i].unit))
			return units[i].factor;
	return 0;
}

void functions_format_value(int64_t v, const char *unit, char *out, size_t len)
{
	char number[32];
	unsigned i;

	for (i = 0; i < sizeof(units) / sizeof(*units); i++) {
		if (!strcmp(unit, units[i].unit)) {
			scaled((double)v * units[i].factor, units[i].scales, units[i].n, out, len);
			return;
		}
	}
	grouped(v, number, sizeof(number));
	if (!*unit || !strcmp(unit, "count"))
		snprintf(out, len, "%s", number);
	else
		snprintf(out, len, "%s %s", number, unit);
}

/* ---- table ---- */

static double percent(int64_t v, int64_t sum)
{
	return sum ? 100.0 * (double)v / (double)sum : 0;
}

/* Columns that @s takes when printed, at most @max of them (0: no limit). */
static int width_of(const char *s, unsigned max, unsigned *width)
{
	struct buf scratch;
	int err;

	buf_init(&scratch, 1u << 20);
	err = text_put_visible(&scratch, s, strlen(s), max, width);
	buf_release(&scratch);
	return err;
}

/* "module file.c:12", as much of it as is known. */
static int put_place(struct buf *out, const struct functions_row *r, unsigned columns)
{
	const char *base = strrchr(r->file, '/');
	struct buf place;
	int err;

	base = base && base[1] ? base + 1 : r->file;
	buf_init(&place, 1u << 20);
	buf_printf(&place, "%s%s%s", r->module, *r->module && *base ? " " : "", base);
	if (*base && r->line > 0)
		buf_printf(&place, ":%" PRId64, r->line);
	err = place.error ? place.error : text_put_visible(out, (char *)place.data, place.len, columns, NULL);
	buf_release(&place);
	return err;
}

int functions_put_name(struct buf *out, const struct functions_row *r, unsigned names, unsigned room)
{
	unsigned used = 0, place = room > names ? room - names : 0;
	int err = text_put_visible(out, r->name, strlen(r->name), room ? names : 0, &used);

	if (!err && (*r->module || *r->file) && (!room || place > 2)) {
		buf_printf(out, "%*s", (int)(used < names ? names - used : 0) + 2, "");
		err = put_place(out, r, room ? place - 2 : 0);
	}
	return err ? err : buf_put_str(out, "\n");
}

static int put_row(struct buf *out, const struct functions_row *r, const char *unit, int64_t sum,
		   unsigned names, unsigned room)
{
	char own[48], total[48];

	functions_format_value(r->own, unit, own, sizeof(own));
	functions_format_value(r->total, unit, total, sizeof(total));
	buf_printf(out, "%10.20s %6.1f%%  %10.20s %6.1f%%  ", own, percent(r->own, sum), total,
		   percent(r->total, sum));
	return functions_put_name(out, r, names, room);
}

/* The longest shown, but two thirds of the room at most. */
int functions_name_width(const struct functions *f, uint32_t n, unsigned room, unsigned *out)
{
	unsigned width, most = room ? room * 2 / 3 : 48;
	uint32_t i;
	int err;

	*out = sizeof("function") - 1;
	for (i = 0; i < n; i++) {
		err = width_of(f->rows[i].name, most, &width);
		if (err)
			return err;
		if (width > *out)
			*out = width;
	}
	if (*out > most)
		*out = most;
	return 0;
}

static int put_heading(const struct functions *f, const struct pprof *p, const char *unit, struct buf *out)
{
	struct pprof_str type = pprof_string(p, p->types[f->type].type);
	char sum[48], samples[32];
	int err;

	functions_format_value(f->sum, unit, sum, sizeof(sum));
	grouped(p->n_samples, samples, sizeof(samples));
	err = text_put_visible(out, type.s, type.len, 60, NULL);
	if (!err)
		err = buf_printf(out, ": %s in %u %s%s, %s unique stack%s\n", sum, f->n,
				 f->lines ? "line" : "function", f->n == 1 ? "" : "s", samples,
				 p->n_samples == 1 ? "" : "s");
	if (!err)
		err = buf_printf(out, "%10s %7s  %10s %7s  %s\n", "own", "", "total", "", "function");
	return err;
}

int functions_print(const struct functions *f, const struct pprof *p, uint32_t top, unsigned columns,
		    struct buf *out)
{
	struct pprof_str type_unit = pprof_string(p, p->types[f->type].unit);
	unsigned room = columns > NUMBERS + NAME_MIN ? columns - NUMBERS : NAME_MIN, names;
	uint32_t i, n = top && top < f->n ? top : f->n;
	double rest = 0;
	char unit[24];
	int err;

	/* units of other tools' making are printed too: nothing but letters and the like */
	snprintf(unit, sizeof(unit), "%.*s", type_unit.len < 20 ? (int)type_unit.len : 20, type_unit.s);
	for (i = 0; unit[i]; i++)
		if (unit[i] < 0x21 || unit[i] > 0x7e)
			unit[i] = '?';
	err = put_heading(f, p, unit, out);
	if (!err)
		err = functions_name_width(f, n, columns ? room : 0, &names);
	for (i = 0; i < n && !err; i++)
		err = put_row(out, &f->rows[i], unit, f->sum, names, columns ? room : 0);
	for (i = n; i < f->n; i++)
		rest += percent(f->rows[i].own, f->sum);
	if (!err && n < f->n)
		err = buf_printf(out, "%10s %6.1f%%  %10s %7s  %u more\n", "", rest, "", "", f->n - n);
	return err;
}

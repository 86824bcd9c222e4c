/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_report.c - ddprof report FILE: the functions or lines of any tool's pprof, as tables. */
#include "cli/help.h"
#include "cli/options.h"

#include "export/functions.h"
#include "export/pprof.h"
#include "export/quality.h"
#include "export/ratios.h"
#include "export/totals.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define REPORT_MAX (256u << 20) /* bytes of text */
#define NAME_SHOWN 40           /* bytes of a type's name in a message */

/* A string of the file, cut and with control characters masked. */
static const char *shown(const struct pprof *p, uint32_t id, char *out)
{
	struct pprof_str s = pprof_string(p, id);
	size_t i;

	for (i = 0; i < s.len && i < NAME_SHOWN; i++)
		out[i] = (unsigned char)s.s[i] < ' ' || s.s[i] == 0x7f ? '?' : s.s[i];
	out[i] = '\0';
	return out;
}

/* The index of the type asked for, or -1 after saying which there are. */
static int64_t pick_type(const struct pprof *p, const char *file, const char *want)
{
	char name[NAME_SHOWN + 1];

	if (!want)
		return p->default_type;
	for (uint32_t i = 0; i < p->n_types; i++) {
		struct pprof_str s = pprof_string(p, p->types[i].type);

		if (s.len == strlen(want) && memcmp(s.s, want, s.len) == 0)
			return i;
	}
	fprintf(stderr, "ddprof: '%s' has no sample type '%.64s'\nit has:", file, want);
	for (uint32_t i = 0; i < p->n_types && i < 32; i++)
		fprintf(stderr, " %s", shown(p, p->types[i].type, name));
	fprintf(stderr, "\n");
	return -1;
}

static unsigned terminal_columns(void)
{
	struct winsize w;

	return isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 ? w.ws_col : 0;
}

/* Which profile, over what time; its functions or lines, their ratios, and the events' totals. */
static int print_all(const struct options *opt, const struct pprof *p, const struct totals *totals,
		     const char *file, uint32_t type, struct buf *out)
{
	struct functions_spec spec = {
		.type = type, .sort = opt->sort, .names = opt->names, .lines = opt->lines};
	struct functions *f;
	struct ratios ratios;

	char time[64];
	int err;

	ratios_find(&ratios, p, totals);
	spec.also = ratios.types;
	spec.n_also = ratios.n_sides;
	err = functions_new(&f, p, &spec);
	if (err)
		return err;
	(void)buf_put_str(out, strcmp(file, "-") == 0 ? "standard input" : file);
	if (p->duration_nanos > 0) {
		functions_format_value(p->duration_nanos, "nanoseconds", time, sizeof(time));
		(void)buf_printf(out, ", profiled for %s", time);
	}
	(void)buf_put_str(out, "\n");
	err = functions_print(f, p, opt->top, terminal_columns(), out);
	if (!err)
		err = ratios_print(&ratios, f, opt->top, terminal_columns(), out);
	if (!err)
		err = totals_print(totals, terminal_columns(), out);
	functions_free(f);
	return err < 0 ? err : out->error;
}

static int report(const struct options *opt, const struct pprof *p, const char *file)
{
	int64_t type = pick_type(p, file, opt->type);
	struct totals totals;
	struct buf out;
	int err, code = EXIT_FAIL;

	if (type < 0)
		return EXIT_FAIL;
	if (p->n_types == 0) {
		fprintf(stderr, "ddprof: '%s' has no sample type, so nothing to show\n", file);
		return EXIT_FAIL;
	}
	buf_init(&out, REPORT_MAX);
	err = totals_read(&totals, p);
	if (!err)
		err = print_all(opt, p, &totals, file, (uint32_t)type, &out);
	if (err < 0)
		fprintf(stderr, "ddprof: cannot report on '%s': %s\n", file,
			err == -E2BIG ? "too long; use --top N" : strerror(-err));
	else
		code = help_print(&out);
	buf_release(&out);
	totals_release(&totals);
	return code;
}

/* Before anything is shown: can it be told? */
static int find_quality(const struct options *opt, const struct pprof *p, const char *file, struct quality *q)
{
	char why[160];

	if (!opt->min_quality || !quality_of_file(q, p, why, sizeof(why)))
		return EXIT_OK;
	fprintf(stderr, "ddprof: cannot tell the quality of '%s': %s\n", file, why);
	return EXIT_FAIL;
}

static int judge(const struct options *opt, const char *file, const struct quality *q)
{
	struct buf why;

	if (!opt->min_quality || q->percent >= opt->min_quality)
		return EXIT_OK;
	buf_init(&why, 4096);
	(void)quality_explain(q, opt->min_quality, &why);
	(void)fflush(stdout);
	fprintf(stderr, "ddprof: '%s' has a quality of %.1f %%, --min-quality asks for %u %%:\n%.*s", file,
		(double)(uint64_t)(q->percent * 10) / 10, opt->min_quality, (int)why.len,
		why.len ? (const char *)why.data : "");
	buf_release(&why);
	return EXIT_QUALITY;
}

int cmd_report(struct options *opt, struct launch *l)
{
	const char *file = opt->argc > 0 ? opt->argv[0] : NULL;
	char why[256] = "";
	struct quality quality = {.percent = 0};
	struct pprof *p;
	int err, code;

	(void)l;
	if (!file) {
		fprintf(stderr, "ddprof: no profile to report on\nuse: ddprof report FILE, or - for standard "
				"input\n");
		return EXIT_USAGE;
	}
	err = pprof_read_file(file, &p, why, sizeof(why));
	if (err < 0) {
		if (why[0])
			fprintf(stderr, "ddprof: %s\n", why);
		else
			fprintf(stderr, "ddprof: cannot read '%s': %s\n", file, strerror(-err));
		return EXIT_FAIL;
	}
	code = find_quality(opt, p, file, &quality);
	if (!code)
		code = report(opt, p, file);
	if (!code)
		code = judge(opt, file, &quality);
	pprof_free(p);
	return code;
}

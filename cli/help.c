/* SPDX-License-Identifier: Apache-2.0 */
/* help.c - two columns: spelling, and text broken where the terminal ends. */
#include "cli/help.h"
#include "cli/options.h"

#include "base/io.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define TEXT_COLUMN      30
#define LINE_COLUMNS     80 /* no terminal, or its width is unknown */
#define LINE_COLUMNS_MIN 60
#define LINE_COLUMNS_MAX 100

static size_t line_columns(void)
{
	struct winsize w;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) || !w.ws_col)
		return LINE_COLUMNS;
	if (w.ws_col < LINE_COLUMNS_MIN)
		return LINE_COLUMNS_MIN;
	return w.ws_col > LINE_COLUMNS_MAX ? LINE_COLUMNS_MAX : w.ws_col;
}

/* @text, wrapped, continuing on a line that has @column columns already. */
static void put_wrapped(struct buf *out, const char *text, size_t column)
{
	size_t len, columns = line_columns();

	if (column + 1 > TEXT_COLUMN) {
		(void)buf_put_str(out, "\n");
		column = 0;
	}
	(void)buf_printf(out, "%*s", (int)(TEXT_COLUMN - column), "");
	for (column = TEXT_COLUMN; *text; text += len) {
		text += strspn(text, " ");
		len = strcspn(text, " ");
		if (column > TEXT_COLUMN && column + 1 + len > columns) {
			(void)buf_printf(out, "\n%*s", TEXT_COLUMN, "");
			column = TEXT_COLUMN;
		}
		(void)buf_printf(out, "%s%.*s", column > TEXT_COLUMN ? " " : "", (int)len, text);
		column += len + (column > TEXT_COLUMN);
	}
	(void)buf_put_str(out, "\n");
}

static void put_option(struct buf *out, const struct option_def *d)
{
	char spelling[128], text[512];
	size_t len;

	option_spelling(d, spelling, sizeof(spelling));
	len = (size_t)snprintf(text, sizeof(text), "%s", d->help);
	for (const struct option_choice *c = d->choices; c && c->name && len < sizeof(text); c++) {
		if (!c->hidden)
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s",
						c == d->choices ? ": " : ", ", c->name);
	}
	if (d->env[0] && len < sizeof(text))
		(void)snprintf(text + len, sizeof(text) - len, " [%s]", d->env[0]);
	(void)buf_printf(out, "  %s", spelling);
	put_wrapped(out, text, 2 + strlen(spelling));
}

/* Groups in the order of their first row, rows in the table's order. */
static void put_options(struct buf *out, enum command_id command, enum option_status status)
{
	const char *group = NULL;

	for (unsigned i = 0; i < option_count; i++) {
		const struct option_def *d = &option_table[i];

		if (!d->name || !(d->commands & COMMAND_BIT(command)) || d->status != status)
			continue;
		if (!group || strcmp(group, d->group) != 0)
			(void)buf_printf(out, "\n%s:\n", d->group);
		group = d->group;
		put_option(out, d);
	}
}

int help_command(const struct command *c, bool all, struct buf *out)
{
	(void)buf_printf(out, "ddprof %s - %s\n\nusage: ddprof %s%s%s\n", c->name, c->summary, c->name,
			 *c->usage ? " " : "", c->usage);
	if (c->id == COMMAND_RUN)
		(void)buf_put_str(out, "       ddprof-run [OPTIONS] [--] COMMAND [ARGUMENTS]\n");
	put_options(out, c->id, OPTION_BUILT);
	if (all)
		put_options(out, c->id, OPTION_NOT_BUILT);
	if (c->id == COMMAND_RUN)
		(void)buf_put_str(out,
				  "\nThe exit status is the program's own; 125: refused before it started, "
				  "126: not executable,\n127: not found.\n");
	else if (c->id == COMMAND_UPLOAD)
		(void)buf_put_str(
			out,
			"\nWithout a FILE: sends what profilers have kept in the spool, oldest first; to the "
			"address given,\nelse each to where it was meant to go. A FILE may be any pprof.\n"
			"\nExit status: 0 all sent or nothing there, 1 some left, 2 wrong usage.\n");
	else if (c->id == COMMAND_DOCTOR)
		(void)buf_put_str(
			out,
			"\nCOMMAND is looked at, not run. Each check does the thing it is about. What is\n"
			"missing or degraded would be lacking in a profile taken now by default settings\n"
			"(at perf_event_paranoid 2, kernel frames); a note is about what has to be asked\n"
			"for, and has no part in the exit status:\n"
			"0 full profiling works, 3 degraded, 4 nothing works, not even timers instead of\n"
			"perf events; 1 failed, 2 wrong usage.\n");
	else if (c->id == COMMAND_ATTACH || c->id == COMMAND_REPORT)
		(void)buf_put_str(out, "\nExit status: 0 done, 1 failed, 2 wrong usage.\n");
	return out->error;
}

int help_overview(struct buf *out)
{
	(void)buf_put_str(out,
			  "ddprof - a sampling profiler for native programs\n\n"
			  "usage: ddprof COMMAND [OPTIONS]\n"
			  "       ddprof-run [OPTIONS] [--] PROGRAM [ARGUMENTS]   (the same as ddprof run)\n"
			  "\nCommands:\n");
	for (unsigned i = 0; i < COMMAND_COUNT; i++) {
		const struct command *c = &command_table[i];

		if (c->run)
			(void)buf_printf(out, "  %-12s%s\n", c->name, c->summary);
	}
	(void)buf_put_str(
		out, "\nWithout a command, an option or a program's name means run; -p PID means attach.\n"
		     "'ddprof COMMAND --help' explains a command.\n");
	return out->error;
}

int help_print(const struct buf *out)
{
	int err = out->error ? out->error : io_write_all(STDOUT_FILENO, out->data, out->len);

	if (err == 0)
		return EXIT_OK;
	fprintf(stderr, "ddprof: cannot write to standard output: %s\n", strerror(-err));
	return EXIT_FAIL;
}

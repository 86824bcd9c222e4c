/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options.c - parse a command line by the option table.
 *
 * Not getopt_long: that one takes unique abbreviations (which a later option
 * would break), prints by itself, knows no nearest name, and would need the
 * table twice.
 */
#include "cli/options.h"
#include "base/nearest.h"
#include "export/upload.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint32_t options_max_overhead(const struct options *o)
{
	return o->frequency_given && !o->max_overhead_given ? 0 : o->max_overhead;
}

void options_init(struct options *o, enum command_id command)
{
	memset(o, 0, sizeof(*o));
	o->command = command;
	o->enabled = true;
	o->inlines = true;
	o->do_export = true;
	o->git = true;
	o->upload_timeout_ns = UPLOAD_TIMEOUT_MS * UINT64_C(1000000);
	o->frequency = OPTIONS_FREQUENCY;
	o->max_overhead = OPTIONS_MAX_OVERHEAD;
	o->window_ns = OPTIONS_WINDOW_NS;
	o->keep = OPTIONS_KEEP;
	o->log_level = LOG_LEVEL_NOTICE;
	o->log_mode = LOG_MODE_STDERR;
	o->sort = FUNCTIONS_BY_OWN;
	o->top = 30;
	tags_init(&o->tags);
	event_list_init(&o->events);
	event_list_init(&o->counters);
	buf_init(&o->warnings, OPTIONS_WARNINGS_MAX);
	buf_init(&o->not_built, OPTIONS_WARNINGS_MAX);
}

void options_release(struct options *o)
{
	free(o->pids);
	o->pids = NULL;
	o->n_pids = 0;
	free(o->debug_dirs);
	o->debug_dirs = NULL;
	o->n_debug_dirs = 0;
	tags_release(&o->tags);
	event_list_release(&o->events);
	event_list_release(&o->counters);
	free(o->agent_url);
	o->agent_url = NULL;
	secrets_free(o->secrets);
	o->secrets = NULL;
	buf_release(&o->warnings);
	buf_release(&o->not_built);
}

void options_warn(struct options *o, const char *fmt, ...)
{
	char line[OPTIONS_ERROR_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	(void)buf_printf(&o->warnings, "%s\n", line);
}

void options_log_warnings(const struct options *o)
{
	const char *s = (const char *)o->warnings.data, *end = s + o->warnings.len, *nl;

	for (; s < end; s = nl + 1) {
		nl = memchr(s, '\n', (size_t)(end - s));
		log_warn("%.*s", (int)(nl - s), s);
	}
	if (o->not_built.len > 0)
		log_warn("not built yet, without effect: %.*s", (int)o->not_built.len,
			 (char *)o->not_built.data);
}

/* "--log_level" and "--log-level" are one. */
static bool same_name(const char *known, const char *given, size_t len)
{
	if (!known || strlen(known) != len)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (known[i] != (given[i] == '_' ? '-' : given[i]))
			return false;
	}
	return true;
}

static const struct option_def *by_name(uint32_t commands, const char *name, size_t len)
{
	for (unsigned i = 0; i < option_count; i++) {
		const struct option_def *d = &option_table[i];

		if ((d->commands & commands) &&
		    (same_name(d->name, name, len) || same_name(d->alias, name, len)))
			return d;
	}
	return NULL;
}

const struct option_def *option_by_name(enum command_id command, const char *name, size_t len)
{
	return by_name(COMMAND_BIT(command), name, len);
}

static const struct option_def *by_letter(uint32_t commands, char letter)
{
	for (unsigned i = 0; i < option_count; i++) {
		if ((option_table[i].commands & commands) && letter && option_table[i].letter == letter)
			return &option_table[i];
	}
	return NULL;
}

const struct option_def *option_by_letter(enum command_id command, char letter)
{
	return by_letter(COMMAND_BIT(command), letter);
}

bool option_shown(const struct option_def *d, enum command_id command)
{
	return d->name && (d->commands & COMMAND_BIT(command)) && d->status == OPTION_BUILT;
}

void option_spelling(const struct option_def *d, char *out, size_t len)
{
	char letter[8] = "    ";

	if (d->letter)
		snprintf(letter, sizeof(letter), "-%c, ", d->letter);
	snprintf(out, len, "%s--%s%s%s", letter, d->name, d->arg ? " " : "", d->arg ? d->arg : "");
}

static const char *nearest_option(enum command_id command, const char *name, size_t len)
{
	const char *best = NULL;
	size_t best_distance = SIZE_MAX;

	for (unsigned i = 0; i < option_count; i++) {
		const struct option_def *d = &option_table[i];
		const char *const names[] = {d->name, d->alias};

		if (!option_shown(d, command))
			continue;
		for (unsigned k = 0; k < 2; k++) {
			size_t distance = names[k] ? nearest_distance(name, len, names[k]) : SIZE_MAX;

			if (distance < best_distance) {
				best_distance = distance;
				best = names[k];
			}
		}
	}
	return nearest_plausible(best_distance, len) ? best : NULL;
}

/* What was written, cut and with control characters masked, so that it can be shown. */
static void shown(const char *text, size_t len, char *out, size_t out_len)
{
	size_t i;

	for (i = 0; i < len && i + 1 < out_len; i++)
		out[i] = (unsigned char)text[i] < ' ' || text[i] == 0x7f ? '?' : text[i];
	out[i] = '\0';
}

static int unknown_option(const struct options *o, const char *dashes, const char *name, size_t len,
			  const struct option_def *elsewhere, char *why)
{
	const char *near = dashes[1] ? nearest_option(o->command, name, len) : NULL;
	const char *self = command_table[o->command].name;
	char text[64];

	shown(name, len, text, sizeof(text));
	if (elsewhere)
		snprintf(why, OPTIONS_ERROR_MAX,
			 "'%s%s' is not an option of %s\n'ddprof %s --help' lists them", dashes, text, self,
			 self);
	else if (near)
		snprintf(why, OPTIONS_ERROR_MAX, "unknown option '%s%s'\ndid you mean --%s?", dashes, text,
			 near);
	else
		snprintf(why, OPTIONS_ERROR_MAX, "unknown option '%s%s'\n'ddprof %s --help' lists them",
			 dashes, text, self);
	return -EINVAL;
}

static void note_not_built(struct options *o, const struct option_def *d)
{
	char name[64];
	size_t n = (size_t)snprintf(name, sizeof(name), "--%s", d->name);

	if (!o->not_built.len || !memmem(o->not_built.data, o->not_built.len, name, n))
		(void)buf_printf(&o->not_built, "%s%s", o->not_built.len ? ", " : "", name);
}

/* What of @value, a part of argv, nobody else shall read: /proc/PID/cmdline shows argv. */
static void hide(const struct option_def *d, char *value)
{
	size_t len, left;

	if (d->type == OPTION_KEY) {
		secrets_blot(value);
	} else if (d->type == OPTION_URL) {
		len = strlen(value);
		(void)secrets_take_user(NULL, value);
		left = strlen(value);
		if (strchr(value, '@'))
			secrets_blot(value);
		if (left < len)
			memset(value + left, 0, len - left);
	}
}

/* @value is NULL for options that take none. */
static int apply(struct options *o, const struct option_def *d, char *value, char *why)
{
	char detail[OPTIONS_ERROR_MAX - 64];
	int err;

	if (d->status == OPTION_REFUSED) {
		snprintf(why, OPTIONS_ERROR_MAX, "--%s: %s", d->name, d->help);
		return -EINVAL;
	}
	if (d->status == OPTION_NOT_BUILT)
		note_not_built(o, d);
	err = option_store(o, d, value, detail, sizeof(detail));
	hide(d, value);
	if (err == -EINVAL)
		snprintf(why, OPTIONS_ERROR_MAX, "--%s: %s", d->name, detail);
	if (err == 0 && d->given)
		*((bool *)((char *)o + d->given)) = true;
	if (err == 0 && d->set)
		*((bool *)((char *)o + d->set)) = true;
	return err;
}

static int needs_argument(const struct option_def *d, char *why)
{
	snprintf(why, OPTIONS_ERROR_MAX, "--%s: %s is missing after it", d->name, d->arg);
	return -EINVAL;
}

/* argv[*i] is "--name" or "--name=value"; *i is left on the last word used. */
static int parse_long(struct options *o, int argc, char **argv, int *i, char *why)
{
	char *name = argv[*i] + 2, *value = strchr(name, '=');
	size_t len = value ? (size_t)(value - name) : strlen(name);
	const struct option_def *d = option_by_name(o->command, name, len);

	if (!d)
		return unknown_option(o, "--", name, len, by_name(COMMAND_ALL, name, len), why);
	if (!d->arg && value) {
		snprintf(why, OPTIONS_ERROR_MAX, "--%s: takes no value", d->name);
		return -EINVAL;
	}
	if (d->arg && value)
		return apply(o, d, value + 1, why);
	if (d->arg && *i + 1 >= argc)
		return needs_argument(d, why);
	return apply(o, d, d->arg ? argv[++*i] : NULL, why);
}

/* argv[*i] is "-x", "-xyz", "-F99" or "-F 99"; *i is left on the last word used. */
static int parse_short(struct options *o, int argc, char **argv, int *i, char *why)
{
	char *s = argv[*i] + 1;
	int err = 0;

	for (; *s && err == 0; s++) {
		const struct option_def *d = option_by_letter(o->command, *s);

		if (!d)
			return unknown_option(o, "-", s, 1, by_letter(COMMAND_ALL, *s), why);
		if (!d->arg) {
			err = apply(o, d, NULL, why);
			continue;
		}
		if (s[1])
			return apply(o, d, s + 1, why);
		if (*i + 1 >= argc)
			return needs_argument(d, why);
		return apply(o, d, argv[++*i], why);
	}
	return err;
}

int options_parse(struct options *o, int argc, char **argv, char *why)
{
	int i, kept = 0, err = 0;

	for (i = 0; i < argc && err == 0; i++) {
		if (strcmp(argv[i], "--") == 0) {
			i++;
			break;
		}
		if (argv[i][0] == '-' && argv[i][1] == '-')
			err = parse_long(o, argc, argv, &i, why);
		else if (argv[i][0] == '-' && argv[i][1])
			err = parse_short(o, argc, argv, &i, why);
		else if (o->command == COMMAND_RUN || o->command == COMMAND_DOCTOR)
			break; /* the program; what follows is its own */
		else
			argv[kept++] = argv[i];
	}
	if (err < 0)
		return err;
	while (i < argc)
		argv[kept++] = argv[i++];
	argv[kept] = NULL; /* argv[argc] exists: main()'s is NULL already */
	o->argv = argv;
	o->argc = kept;
	if (o->command == COMMAND_RUN && o->n_pids > 0 && kept == 0)
		o->command = COMMAND_ATTACH;
	return 0;
}

static int check_targets(const struct options *o, char *why)
{
	bool run = o->command == COMMAND_RUN;

	if (o->n_pids > 0 && run)
		snprintf(why, OPTIONS_ERROR_MAX,
			 "--pid and the program '%.64s' exclude each other\ngive one of them", o->argv[0]);
	else if (o->n_pids > 0 && o->argc > 0)
		snprintf(why, OPTIONS_ERROR_MAX, "unexpected '%.64s'\nseveral processes: --pid PID,PID",
			 o->argv[0]);
	else if (o->n_pids > 0 || (run && o->argc > 0))
		return 0;
	else if (o->global)
		snprintf(why, OPTIONS_ERROR_MAX,
			 "--global: profiling the whole host is not built yet\n"
			 "name a program to run, or processes with --pid");
	else if (run)
		snprintf(why, OPTIONS_ERROR_MAX,
			 "no program to run\n"
			 "use: ddprof-run [OPTIONS] COMMAND..., or ddprof attach --pid PID");
	else if (o->argc > 0)
		snprintf(why, OPTIONS_ERROR_MAX, "unexpected '%.64s'\nname processes with --pid PID",
			 o->argv[0]);
	else
		snprintf(why, OPTIONS_ERROR_MAX, "no process to attach to\nuse: ddprof attach --pid PID");
	return -EINVAL;
}

static int check_doctor(const struct options *o, char *why)
{
	if (o->n_pids > 1)
		snprintf(why, OPTIONS_ERROR_MAX, "--pid: one process at a time");
	else if (o->n_pids && o->argc)
		snprintf(why, OPTIONS_ERROR_MAX,
			 "--pid and the program '%.64s' exclude each other\ngive one of them", o->argv[0]);
	else if (o->bundle && !*o->bundle)
		snprintf(why, OPTIONS_ERROR_MAX, "--bundle: '' is no file name");
	else
		return 0;
	return -EINVAL;
}

int options_check(const struct options *o, char *why)
{
	int most = o->command == COMMAND_VERSION ? 0 : o->command == COMMAND_UPLOAD ? INT_MAX : 1;

	if (o->in_place && (o->wrap || (o->output && strcmp(o->output, "-") == 0))) {
		snprintf(why, OPTIONS_ERROR_MAX, "--in-place excludes %s",
			 o->wrap ? "--wrap" : "-o -\ngive a file: the profile is finished after the program");
		return -EINVAL;
	}
	if (o->in_place && o->min_quality) {
		snprintf(why, OPTIONS_ERROR_MAX,
			 "--in-place excludes --min-quality\n"
			 "nobody waits for the profile there, so no exit status could tell of it");
		return -EINVAL;
	}
	if (o->no_spool && o->spool_dir) {
		snprintf(why, OPTIONS_ERROR_MAX, "--no-spool excludes --spool");
		return -EINVAL;
	}
	if (o->command == COMMAND_ATTACH && o->fallback == FALLBACK_PRELOAD) {
		snprintf(why, OPTIONS_ERROR_MAX,
			 "--fallback preload is for programs that are started here\n"
			 "use: ddprof run, or --fallback ptrace for a running process");
		return -EINVAL;
	}
	if (o->command == COMMAND_RUN || o->command == COMMAND_ATTACH)
		return check_targets(o, why);
	if (o->command == COMMAND_DOCTOR)
		return check_doctor(o, why);
	if (o->argc > most) {
		snprintf(why, OPTIONS_ERROR_MAX, "unexpected '%.64s'\nuse: ddprof %s %s", o->argv[most],
			 command_table[o->command].name, command_table[o->command].usage);
		return -EINVAL;
	}
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main.c - find the command, read its options, call it.
 *
 * Only the first word can be a command. Anything else there (an option, a
 * path, a program's name) means run, and so does being called ddprof-run.
 */
#include "cli/command.h"
#include "cli/help.h"
#include "cli/launch.h"
#include "cli/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *base_name(const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL;

	return slash ? slash + 1 : path ? path : "";
}

/* The command, with *argc and *argv moved on to what follows its name. */
static const struct command *pick_command(int *argc, char ***argv)
{
	bool runner = strcmp(base_name((*argv)[0]), "ddprof-run") == 0;
	const struct command *c = &command_table[COMMAND_RUN];

	++*argv;
	--*argc;
	if (runner || *argc == 0)
		return c;
	if (command_find((*argv)[0])) {
		c = command_find((*argv)[0]);
		++*argv;
		--*argc;
	}
	return c;
}

/* "ddprof" alone, "ddprof --help": about all of it rather than about run. */
static bool wants_overview(int argc, char **argv)
{
	if (strcmp(base_name(argv[0]), "ddprof-run") == 0)
		return false;
	return argc < 2 || (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0));
}

static int overview(bool asked_for)
{
	struct buf out;
	int code = EXIT_USAGE;

	buf_init(&out, 64u << 10);
	(void)help_overview(&out);
	if (asked_for)
		code = help_print(&out);
	else
		fprintf(stderr, "%.*s", (int)out.len, (const char *)out.data);
	buf_release(&out);
	return code;
}

static int show_help(const struct options *o)
{
	struct buf out;
	int code;

	buf_init(&out, 64u << 10);
	(void)help_command(&command_table[o->command], o->help_all, &out);
	code = help_print(&out);
	buf_release(&out);
	return code;
}

static int refuse(const struct options *o, int err, const char *why)
{
	fprintf(stderr, "ddprof: %s\n", err == -EINVAL ? why : strerror(-err));
	return command_table[o->command].usage_code;
}

/* Not profiled at all: not even a process of ours in between. */
static int run_untouched(char **argv)
{
	int err;

	execvp(argv[0], argv);
	err = launch_exec_error(argv[0], -errno);
	fprintf(stderr, "ddprof: cannot run '%s': %s\n", argv[0], strerror(-err));
	return launch_exec_status(err);
}

static int start(struct options *o)
{
	const struct command *c = &command_table[o->command];
	struct launch *l = NULL;
	int err, code;

	if (o->command == COMMAND_RUN && !o->enabled)
		return run_untouched(o->argv);
	if (c->launches) {
		err = launch_prepare(&l);
		if (err < 0 && o->command == COMMAND_RUN) {
			fprintf(stderr, "ddprof: not profiled: cannot prepare: %s\n", strerror(-err));
			return run_untouched(o->argv);
		}
		if (err < 0) {
			fprintf(stderr, "ddprof: cannot prepare: %s\n", strerror(-err));
			return EXIT_FAIL;
		}
		log_pin_stderr();
	}
	log_set_level(o->log_level);
	log_set_mode(o->log_mode);
	if (c->id == COMMAND_RUN || c->id == COMMAND_ATTACH)
		(void)options_settle_events(o); /* out of memory: what is there already */
	options_log_warnings(o);
	code = c->run(o, l);
	launch_free(l);
	return code;
}

int main(int argc, char **argv)
{
	char why[OPTIONS_ERROR_MAX];
	const struct command *c;
	struct options o;
	int err, code;

	if (argc < 1 || wants_overview(argc, argv))
		return overview(argc == 2);
	c = pick_command(&argc, &argv);
	if (!c->run) {
		fprintf(stderr, "ddprof: '%s' is not built yet\n", c->name);
		return EXIT_USAGE;
	}
	options_init(&o, c->id);
	err = options_environment(&o, getenv);
	if (err == 0)
		err = options_parse(&o, argc, argv, why);
	if (err == 0 && (o.help || o.help_all)) {
		code = show_help(&o);
	} else if (err == 0 && o.show_version) {
		code = cmd_version(&o, NULL);
	} else {
		if (err == 0)
			err = options_check(&o, why);
		code = err < 0 ? refuse(&o, err, why) : start(&o);
	}
	options_release(&o);
	return code;
}

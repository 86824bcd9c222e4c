/* SPDX-License-Identifier: Apache-2.0 */
/*
 * command.h - the one table of commands: every reserved first word.
 *
 * The list is complete from the start, so that a program of the same name is
 * never run by one version and shadowed by the next. To add a command, give
 * its row a function and write cmd_NAME.c.
 */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

struct options;
struct launch;

enum command_id {
	COMMAND_RUN,
	COMMAND_ATTACH,
	COMMAND_REPORT,
	COMMAND_DIFF,
	COMMAND_LIST,
	COMMAND_METRICS,
	COMMAND_UPLOAD,
	COMMAND_MERGE,
	COMMAND_BENCH,
	COMMAND_EVENTS,
	COMMAND_DOCTOR,
	COMMAND_CONFIG,
	COMMAND_CONTROL,
	COMMAND_TOP,
	COMMAND_STORE,
	COMMAND_HELP,
	COMMAND_VERSION,
	COMMAND_COMPLETION,
	COMMAND_COUNT
};

#define COMMAND_BIT(id) (1u << (id))
#define COMMAND_ALL     (COMMAND_BIT(COMMAND_COUNT) - 1)

enum exit_code {
	EXIT_OK = 0,
	EXIT_FAIL = 1,
	EXIT_USAGE = 2,
	EXIT_QUALITY = 3, /* attach, report: below --min-quality */
	EXIT_REFUSED =
		125, /* run: refused before the program started; or it ended well, but below --min-quality */
};

struct command {
	enum command_id id;
	const char *name;
	const char *usage;   /* what follows the name */
	const char *summary; /* one line; NULL while not built */
	/*
	 * Returns the exit code. @l is NULL unless `launches`. NULL while the
	 * command is not built.
	 */
	int (*run)(struct options *opt, struct launch *l);
	bool launches;  /* needs launch_prepare() */
	int usage_code; /* exit code of a wrong command line */
};

extern const struct command command_table[COMMAND_COUNT];

/* The row for a reserved word, built or not; NULL: no command. */
const struct command *command_find(const char *word);

/* The built command whose name is nearest to a misspelt @word, or NULL. */
const char *command_nearest(const char *word);

int cmd_run(struct options *opt, struct launch *l);
int cmd_attach(struct options *opt, struct launch *l);
int cmd_report(struct options *opt, struct launch *l);
int cmd_upload(struct options *opt, struct launch *l);
int cmd_events(struct options *opt, struct launch *l);
int cmd_doctor(struct options *opt, struct launch *l);
int cmd_help(struct options *opt, struct launch *l);
int cmd_version(struct options *opt, struct launch *l);
int cmd_completion(struct options *opt, struct launch *l);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_help.c - ddprof help [COMMAND]. */
#include "cli/help.h"
#include "cli/options.h"

#include <stdio.h>

#define HELP_MAX (64u << 10)

static int explain(const char *word, struct buf *out)
{
	const struct command *c = command_find(word);
	const char *near = command_nearest(word);

	if (c && c->run) {
		(void)help_command(c, false, out);
		return help_print(out);
	}
	if (c)
		fprintf(stderr, "ddprof: '%s' is not built yet\n", c->name);
	else if (near)
		fprintf(stderr, "ddprof: no command '%.64s'\ndid you mean %s?\n", word, near);
	else
		fprintf(stderr, "ddprof: no command '%.64s'\n'ddprof help' lists them\n", word);
	return EXIT_USAGE;
}

int cmd_help(struct options *opt, struct launch *l)
{
	struct buf out;
	int code;

	(void)l;
	buf_init(&out, HELP_MAX);
	if (opt->argc > 0) {
		code = explain(opt->argv[0], &out);
	} else {
		(void)help_overview(&out);
		code = help_print(&out);
	}
	buf_release(&out);
	return code;
}

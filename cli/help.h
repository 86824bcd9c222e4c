/* SPDX-License-Identifier: Apache-2.0 */
/* help.h - --help, made from the tables of options and commands. */
#ifndef CLI_HELP_H
#define CLI_HELP_H

#include "base/buf.h"
#include "cli/command.h"

#include <stdbool.h>

/* The commands. 0 or -errno, as buf_put(). */
int help_overview(struct buf *out);

/* One command's usage and options; @all: also those that are not built yet. 0 or -errno. */
int help_command(const struct command *c, bool all, struct buf *out);

/* Print all of @out to standard output. 0, or EXIT_FAIL after saying why not. */
int help_print(const struct buf *out);

#endif

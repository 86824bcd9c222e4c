/* SPDX-License-Identifier: Apache-2.0 */
/*
 * completion.h - completion scripts, made from the tables of options and commands.
 *
 * To add a shell: a function that writes the script, and a row in
 * completion_shells.
 */
#ifndef CLI_COMPLETION_H
#define CLI_COMPLETION_H

#include "base/buf.h"

struct completion_shell {
	const char *name;
	void (*write)(struct buf *out); /* failures stay in out->error */
};

extern const struct completion_shell completion_shells[]; /* name NULL ends it */

void completion_bash(struct buf *out);
void completion_zsh(struct buf *out);
void completion_fish(struct buf *out);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.c - the DD_* environment variables, by the option table.
 *
 * They are often set for a whole host, for other tools and by other people:
 * so a value that makes no sense costs one warning and never the program, and
 * variables of options that are not built yet are passed over in silence.
 */
#include "cli/options.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int take(struct options *o, const struct option_def *d, const char *variable, const char *value)
{
	struct option_def as_variable = *d;
	char why[OPTIONS_ERROR_MAX];
	int err;

	/* Messages shall name the variable, which is what the user has to mend. */
	as_variable.name = NULL;
	as_variable.env[0] = variable;
	err = option_store(o, &as_variable, value, why, sizeof(why));
	if (err == 0 && d->set)
		*((bool *)((char *)o + d->set)) = true;
	if (err == -EINVAL) {
		options_warn(o, "%s: %s; ignored", variable, why);
		err = 0;
	}
	return err;
}

int options_environment(struct options *o, char *(*get)(const char *name))
{
	int err = 0;

	for (unsigned i = 0; i < option_count && err == 0; i++) {
		const struct option_def *d = &option_table[i];

		if (!(d->commands & COMMAND_BIT(o->command)) || d->status != OPTION_BUILT)
			continue;
		for (unsigned k = 0; k < 2 && d->env[k]; k++) {
			const char *value = get(d->env[k]);

			if (!value || value[0] == '\0')
				continue;
			err = take(o, d, d->env[k], value);
			break;
		}
	}
	return err;
}

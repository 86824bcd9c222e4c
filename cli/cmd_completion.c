/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_completion.c - ddprof completion SHELL. */
#include "cli/completion.h"
#include "cli/help.h"
#include "cli/options.h"

#include <stdio.h>
#include <string.h>

#define SCRIPT_MAX (256u << 10)

const struct completion_shell completion_shells[] = {
	{"bash", completion_bash},
	{"zsh", completion_zsh},
	{"fish", completion_fish},
	{NULL, NULL},
};

int cmd_completion(struct options *opt, struct launch *l)
{
	const char *want = opt->argc > 0 ? opt->argv[0] : NULL;
	const struct completion_shell *s = completion_shells;
	struct buf out;
	int code;

	(void)l;
	while (want && s->name && strcmp(s->name, want) != 0)
		s++;
	if (!want || !s->name) {
		fprintf(stderr, "ddprof: %s%.64s%s\nuse: ddprof completion bash, zsh or fish\n",
			want ? "no completion for '" : "no shell named", want ? want : "", want ? "'" : "");
		return EXIT_USAGE;
	}
	buf_init(&out, SCRIPT_MAX);
	s->write(&out);
	code = help_print(&out);
	buf_release(&out);
	return code;
}

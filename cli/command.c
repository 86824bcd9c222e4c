/* SPDX-License-Identifier: Apache-2.0 */
/* command.c - the commands, in the order in which help lists them. */
#include "cli/command.h"
#include "base/nearest.h"

#include <stddef.h>
#include <string.h>

#define NOT_BUILT(which, word)                                                                               \
	[which] = {.id = (which), .name = (word), .usage = "", .usage_code = EXIT_USAGE}

const struct command command_table[COMMAND_COUNT] = {
	[COMMAND_RUN] = {.id = COMMAND_RUN,
			 .name = "run",
			 .usage = "[OPTIONS] [--] COMMAND [ARGUMENTS]",
			 .summary = "profile a program from start to exit",
			 .run = cmd_run,
			 .launches = true,
			 .usage_code = EXIT_REFUSED},
	[COMMAND_ATTACH] = {.id = COMMAND_ATTACH,
			    .name = "attach",
			    .usage = "--pid PID[,PID...] [OPTIONS]",
			    .summary = "profile running processes",
			    .run = cmd_attach,
			    .launches = true,
			    .usage_code = EXIT_USAGE},
	[COMMAND_REPORT] = {.id = COMMAND_REPORT,
			    .name = "report",
			    .usage = "[OPTIONS] FILE",
			    .summary = "show the functions of a profile by own and total value",
			    .run = cmd_report,
			    .usage_code = EXIT_USAGE},
	NOT_BUILT(COMMAND_DIFF, "diff"),
	NOT_BUILT(COMMAND_LIST, "list"),
	NOT_BUILT(COMMAND_METRICS, "metrics"),
	[COMMAND_UPLOAD] = {.id = COMMAND_UPLOAD,
			    .name = "upload",
			    .usage = "[OPTIONS] [FILE...]",
			    .summary = "send saved profiles, or what could not be delivered before",
			    .run = cmd_upload,
			    .usage_code = EXIT_USAGE},
	NOT_BUILT(COMMAND_MERGE, "merge"),
	NOT_BUILT(COMMAND_BENCH, "bench"),
	[COMMAND_EVENTS] = {.id = COMMAND_EVENTS,
			    .name = "events",
			    .usage = "[--all] [PATTERN]",
			    .summary = "list the events of this machine and what this user may do with them",
			    .run = cmd_events,
			    .usage_code = EXIT_USAGE},
	[COMMAND_DOCTOR] = {.id = COMMAND_DOCTOR,
			    .name = "doctor",
			    .usage = "[OPTIONS] [--pid PID | [--] COMMAND]",
			    .summary = "tell what of profiling works here, what does not, and what helps",
			    .run = cmd_doctor,
			    .usage_code = EXIT_USAGE},
	NOT_BUILT(COMMAND_CONFIG, "config"),
	NOT_BUILT(COMMAND_CONTROL, "control"),
	NOT_BUILT(COMMAND_TOP, "top"),
	NOT_BUILT(COMMAND_STORE, "store"),
	[COMMAND_HELP] = {.id = COMMAND_HELP,
			  .name = "help",
			  .usage = "[COMMAND]",
			  .summary = "explain a command",
			  .run = cmd_help,
			  .usage_code = EXIT_USAGE},
	[COMMAND_VERSION] = {.id = COMMAND_VERSION,
			     .name = "version",
			     .usage = "",
			     .summary = "show the version",
			     .run = cmd_version,
			     .usage_code = EXIT_USAGE},
	[COMMAND_COMPLETION] = {.id = COMMAND_COMPLETION,
				.name = "completion",
				.usage = "bash|zsh|fish",
				.summary = "print the shell's completion script",
				.run = cmd_completion,
				.usage_code = EXIT_USAGE},
};

const struct command *command_find(const char *word)
{
	for (unsigned i = 0; i < COMMAND_COUNT; i++) {
		if (strcmp(command_table[i].name, word) == 0)
			return &command_table[i];
	}
	return NULL;
}

const char *command_nearest(const char *word)
{
	const char *best = NULL;
	size_t best_distance = SIZE_MAX, len = strlen(word);

	for (unsigned i = 0; i < COMMAND_COUNT; i++) {
		size_t distance = nearest_distance(word, len, command_table[i].name);

		if (command_table[i].run && distance < best_distance) {
			best_distance = distance;
			best = command_table[i].name;
		}
	}
	return nearest_plausible(best_distance, len) ? best : NULL;
}

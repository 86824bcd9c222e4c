/* SPDX-License-Identifier: Apache-2.0 */
/* test_options.c - the command line: what is taken, where parsing ends, what is refused and how. */
#include "cli/completion.h"
#include "cli/help.h"
#include "base/nearest.h"
#include "cli/options.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define WORDS_MAX 32

struct line {
	struct options o;
	char text[512];
	char *argv[WORDS_MAX + 1];
	char why[OPTIONS_ERROR_MAX];
};

/* Parse @words, split at single spaces. Returns what options_parse(), then options_check(), say. */
static int parse(struct line *l, enum command_id command, const char *words)
{
	int argc = 0, err;
	char *save = NULL;

	memset(l, 0, sizeof(*l));
	snprintf(l->text, sizeof(l->text), "%s", words);
	for (char *w = strtok_r(l->text, " ", &save); w && argc < WORDS_MAX; w = strtok_r(NULL, " ", &save))
		l->argv[argc++] = w;
	options_init(&l->o, command);
	err = options_parse(&l->o, argc, l->argv, l->why);
	return err ? err : options_check(&l->o, l->why);
}

static void refuses(enum command_id command, const char *words, const char *message)
{
	struct line l;

	assert_int_equal(parse(&l, command, words), -EINVAL);
	assert_string_equal(l.why, message);
	options_release(&l.o);
}

static void without_options_the_defaults_hold(void **state)
{
	struct line l;

	(void)state;
	assert_int_equal(parse(&l, COMMAND_RUN, "app"), 0);
	assert_int_equal(l.o.frequency, 99);
	assert_true(l.o.window_ns == 60000000000ull);
	assert_false(l.o.window_given);
	assert_true(l.o.duration_ns == 0);
	assert_int_equal(l.o.keep, 60);
	assert_true(l.o.enabled && l.o.inlines);
	assert_false(l.o.quiet || l.o.follow || l.o.user_only);
	assert_null(l.o.output);
	assert_int_equal(l.o.log_level, LOG_LEVEL_NOTICE);
	options_release(&l.o);
}

static void every_way_to_give_a_value_works(void **state)
{
	static const char *const ways[] = {"-F99 app",           "-F 99 app",   "--frequency 99 app",
					   "--frequency=99 app", "-qF99 app",   "-qF 99 app",
					   "-F1 -F99 app",       "-F 99 -- app"};
	struct line l;

	(void)state;
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		assert_int_equal(parse(&l, COMMAND_RUN, ways[i]), 0);
		assert_int_equal(l.o.frequency, 99);
		assert_int_equal(l.o.argc, 1);
		assert_string_equal(l.o.argv[0], "app");
		assert_null(l.o.argv[1]);
		options_release(&l.o);
	}
}

static void the_programs_own_words_are_left_alone(void **state)
{
	struct line l;

	(void)state;
	assert_int_equal(parse(&l, COMMAND_RUN, "-q app -F 0 --nonsense -- -o x"), 0);
	assert_int_equal(l.o.argc, 7);
	assert_string_equal(l.o.argv[1], "-F");
	assert_string_equal(l.o.argv[4], "--");
	assert_int_equal(l.o.frequency, 99);
	options_release(&l.o);

	assert_int_equal(parse(&l, COMMAND_RUN, "-- --app -x"), 0);
	assert_string_equal(l.o.argv[0], "--app");
	options_release(&l.o);
}

static void report_takes_options_after_its_file(void **state)
{
	struct line l;

	(void)state;
	assert_int_equal(parse(&l, COMMAND_REPORT, "p.pb.gz --sort total --top=5 --type cpu-time"), 0);
	assert_int_equal(l.o.argc, 1);
	assert_string_equal(l.o.argv[0], "p.pb.gz");
	assert_int_equal(l.o.sort, FUNCTIONS_BY_TOTAL);
	assert_int_equal(l.o.top, 5);
	assert_string_equal(l.o.type, "cpu-time");
	options_release(&l.o);
}

static void both_spellings_of_a_long_name_are_one(void **state)
{
	struct line l;

	(void)state;
	assert_int_equal(
		parse(&l, COMMAND_RUN, "--log_level debug --stack_sample_size=1024 --upload_period 7 app"),
		0);
	assert_int_equal(l.o.log_level, LOG_LEVEL_DEBUG);
	assert_int_equal(l.o.stack_size, 1024);
	assert_true(l.o.window_ns == 7000000000ull);
	options_release(&l.o);
}

static void an_explicit_window_is_told_from_the_upload_period(void **state)
{
	struct line l;

	(void)state;
	assert_int_equal(parse(&l, COMMAND_RUN, "-u 7 app"), 0);
	assert_false(l.o.window_given);
	options_release(&l.o);
	assert_int_equal(parse(&l, COMMAND_RUN, "-w 1.25 app"), 0);
	assert_true(l.o.window_given);
	assert_true(l.o.window_ns == 1250000000ull);
	options_release(&l.o);
}

static void the_former_tools_flags_are_taken_with_their_arguments(void **state)
{
	struct line l;

	(void)state;
	assert_int_equal(
		parse(&l, COMMAND_RUN, "-U u -H h -P 1 -I true -u 9 -e sCPU -b s -l warn -t -g app -v"), 0);
	assert_int_equal(l.o.argc, 2);
	assert_string_equal(l.o.argv[0], "app");
	assert_int_equal(l.o.log_level, LOG_LEVEL_WARN);
	options_release(&l.o);
}

static void what_is_not_built_is_named_once(void **state)
{
	struct line l;

	(void)state;
	assert_int_equal(parse(&l, COMMAND_RUN, "--nice 1 --nice 2 -b s app"), 0);
	assert_int_equal(l.o.argc, 1);
	(void)buf_put_u8(&l.o.not_built, 0);
	assert_string_equal((char *)l.o.not_built.data, "--nice, --internal-stats");
	options_release(&l.o);
}

static const char *names(const struct event_list *l)
{
	static char text[512];
	uint32_t i;

	text[0] = '\0';
	for (i = 0; i < l->n; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", i ? " " : "",
			 l->events[i].name);
	return text;
}

/* The events that a command line comes to. */
static void gives(const char *words, const char *events, const char *warning)
{
	struct line l;

	assert_int_equal(parse(&l, COMMAND_RUN, words), 0);
	assert_int_equal(options_settle_events(&l.o), 0);
	assert_string_equal(names(&l.o.events), events);
	(void)buf_put_u8(&l.o.warnings, 0);
	if (warning)
		assert_non_null(strstr((char *)l.o.warnings.data, warning));
	else
		assert_int_equal(l.o.warnings.len, 1);
	options_release(&l.o);
}

static void events_counters_and_presets_make_one_list(void **state)
{
	(void)state;
	gives("app", "task-clock cycles instructions cache-misses branch-misses", NULL);
	gives("--counters none app", "task-clock", NULL);
	gives("--counters page-faults,instructions app", "task-clock page-faults instructions", NULL);
	gives("-e page-faults app", "page-faults", NULL);
	gives("-e page-faults -e sCS,sCPU app", "page-faults context-switches task-clock", NULL);
	gives("-e page-faults --counters auto app",
	      "page-faults cycles instructions cache-misses branch-misses", NULL);
	gives("-e cycles --counters cycles,sPF app", "cycles page-faults", NULL);
	gives("--preset cpu_only --counters none app", "task-clock", NULL);
	gives("--preset cpu_only -e sPF app", "task-clock page-faults", NULL);
	gives("-e sCPU -e sALLOC,mode=l,period=9 app", "task-clock", "sALLOC: ");
	gives("--preset cpu_live_heap --counters none app", "task-clock", "sALLOC: ");
	gives("--preset alloc_only --counters none app", "task-clock", "CPU time is instead");
}

static void a_counter_of_the_default_set_is_optional_and_slow(void **state)
{
	struct line l;

	(void)state;
	assert_int_equal(parse(&l, COMMAND_RUN, "-F 400 app"), 0);
	assert_int_equal(options_settle_events(&l.o), 0);
	assert_true(l.o.events.events[1].optional);
	assert_int_equal(l.o.events.events[1].freq, 100);
	assert_false(l.o.events.events[0].optional);
	options_release(&l.o);
}

static void events_that_are_none_are_refused_with_the_nearest(void **state)
{
	(void)state;
	refuses(COMMAND_RUN, "-e page-fault app",
		"--event: 'page-fault' is no event that is known here\n  nearest: page-faults");
	refuses(COMMAND_RUN, "-e page-faults,freq=99 app",
		"--event: freq=99: the kernel keeps no rate of 'page-faults', of which it sees each single "
		"one\n"
		"  period=N takes every Nth");
}

static char *environment_of_events(const char *name)
{
	if (!strcmp(name, "DD_PROFILING_NATIVE_EVENTS"))
		return (char *)(uintptr_t) "sPF;sCS";
	return !strcmp(name, "DD_PROFILING_NATIVE_PRESET") ? (char *)(uintptr_t) "cpu_only" : NULL;
}

static char *wrong_events(const char *name)
{
	return strcmp(name, "DD_PROFILING_NATIVE_EVENTS") ? NULL : (char *)(uintptr_t) "page-fault";
}

static void events_of_the_command_line_take_the_place_of_the_environments(void **state)
{
	char flag[] = "-e", event[] = "r1", app[] = "app", *argv[] = {flag, event, app, NULL};
	char why[OPTIONS_ERROR_MAX];
	struct options o;

	(void)state;
	options_init(&o, COMMAND_RUN);
	assert_int_equal(options_environment(&o, environment_of_events), 0);
	assert_string_equal(names(&o.events), "page-faults context-switches");
	assert_int_equal(options_parse(&o, 3, argv, why), 0);
	assert_int_equal(options_settle_events(&o), 0);
	assert_string_equal(names(&o.events), "r1");
	options_release(&o);
	options_init(&o, COMMAND_RUN);
	assert_int_equal(options_environment(&o, environment_of_events), 0);
	assert_int_equal(options_settle_events(&o), 0);
	assert_string_equal(names(&o.events), "task-clock page-faults context-switches");
	options_release(&o);
	options_init(&o, COMMAND_RUN);
	assert_int_equal(options_environment(&o, wrong_events), 0);
	(void)buf_put_u8(&o.warnings, 0);
	assert_string_equal(
		(char *)o.warnings.data,
		"DD_PROFILING_NATIVE_EVENTS: 'page-fault' is no event that is known here; nearest: "
		"page-faults; ignored\n");
	options_release(&o);
}

static void naming_options_are_kept_and_tags_merged(void **state)
{
	struct line l;

	(void)state;
	assert_int_equal(parse(&l, COMMAND_RUN, "-S web -E prod -V 1.2 -T a:b,c:d -T a:z app"), 0);
	assert_string_equal(l.o.service, "web");
	assert_string_equal(l.o.env, "prod");
	assert_string_equal(l.o.version, "1.2");
	assert_string_equal(tags_get(&l.o.tags, "a"), "z");
	assert_string_equal(tags_get(&l.o.tags, "c"), "d");
	assert_int_equal(l.o.warnings.len, 0);
	options_release(&l.o);
}

static void a_bad_tag_costs_a_warning_that_names_it(void **state)
{
	struct line l;

	(void)state;
	assert_int_equal(parse(&l, COMMAND_RUN, "-T 1bad:x,good:y -S a%b app"), 0);
	(void)buf_put_u8(&l.o.warnings, 0);
	assert_non_null(strstr((char *)l.o.warnings.data, "--tags: '1bad:x'"));
	assert_non_null(strstr((char *)l.o.warnings.data, "--service: 'a%b'"));
	assert_string_equal(tags_get(&l.o.tags, "good"), "y");
	assert_null(l.o.service);
	options_release(&l.o);
}

static void pid_makes_run_an_attach(void **state)
{
	struct line l;

	(void)state;
	assert_int_equal(parse(&l, COMMAND_RUN, "-p 12,34 -p 12"), 0);
	assert_int_equal(l.o.command, COMMAND_ATTACH);
	assert_int_equal(l.o.n_pids, 2);
	assert_int_equal(l.o.pids[0], 12);
	assert_int_equal(l.o.pids[1], 34);
	options_release(&l.o);
	refuses(COMMAND_RUN, "-p 12 app", "--pid and the program 'app' exclude each other\ngive one of them");
}

static void impossible_values_are_refused_with_the_range(void **state)
{
	static const char *const frequencies[] = {"0",  "-1", "10001", "abc", "1e3", "99999999999999999999",
						  "+5", "5x"};
	char line[64], message[128];

	(void)state;
	for (size_t i = 0; i < sizeof(frequencies) / sizeof(frequencies[0]); i++) {
		snprintf(line, sizeof(line), "-F %s app", frequencies[i]);
		snprintf(message, sizeof(message), "--frequency: '%s' is not a number of 1 to 10000 Hz",
			 frequencies[i]);
		refuses(COMMAND_RUN, line, message);
	}
	refuses(COMMAND_RUN, "-w -1 app", "--window: '-1' is not a number of 0.1 to 86400 s");
	refuses(COMMAND_RUN, "-w 0 app", "--window: '0' is not a number of 0.1 to 86400 s");
	refuses(COMMAND_RUN, "-w 1. app", "--window: '1.' is not a number of 0.1 to 86400 s");
	refuses(COMMAND_RUN, "-w 99999999999 app",
		"--window: '99999999999' is not a number of 0.1 to 86400 s");
	refuses(COMMAND_RUN, "-d nan app", "--duration: 'nan' is not a number of 0.1 to 31536000 s");
	refuses(COMMAND_RUN, "--stack-size 65529 app",
		"--stack-size: '65529' is not a number of 512 to 65528 bytes, a multiple of 8");
	refuses(COMMAND_RUN, "--stack-size=1023 app",
		"--stack-size: '1023' is not a number of 512 to 65528 bytes, a multiple of 8");
	refuses(COMMAND_RUN, "-l loud app", "--log-level: 'loud' is not one of error warn notice info debug");
	refuses(COMMAND_ATTACH, "-p 0", "--pid: '0' is not a process id, or several with commas between");
	refuses(COMMAND_ATTACH, "-p 1,", "--pid: '1,' is not a process id, or several with commas between");
	refuses(COMMAND_ATTACH, "-p 1,x", "--pid: '1,x' is not a process id, or several with commas between");
	refuses(COMMAND_ATTACH, "-p 4194305",
		"--pid: '4194305' is not a process id, or several with commas between");
	refuses(COMMAND_REPORT, "f --sort size", "--sort: 'size' is not one of own total name");
}

static void the_largest_and_smallest_values_are_accepted(void **state)
{
	struct line l;

	(void)state;
	assert_int_equal(parse(&l, COMMAND_RUN, "-F 10000 --stack-size 65528 -w 86400 -d .1 --keep 0 app"),
			 0);
	assert_int_equal(l.o.stack_size, 65528);
	assert_true(l.o.duration_ns == 100000000);
	assert_int_equal(l.o.keep, 0);
	options_release(&l.o);
}

static void a_log_mode_for_output_is_refused_with_a_hint(void **state)
{
	(void)state;
	refuses(COMMAND_RUN, "-o stderr app",
		"--output: 'stderr' was a log mode of the former ddprof; here -o names the profile\n"
		"use --log-mode stderr, or -o ./stderr for a file of that name");
}

static void unknown_options_are_refused_with_the_nearest(void **state)
{
	(void)state;
	refuses(COMMAND_RUN, "--frequecy 9 app", "unknown option '--frequecy'\ndid you mean --frequency?");
	refuses(COMMAND_RUN, "--ouptut=x app", "unknown option '--ouptut'\ndid you mean --output?");
	refuses(COMMAND_RUN, "--xyzzy app", "unknown option '--xyzzy'\n'ddprof run --help' lists them");
	refuses(COMMAND_RUN, "-qZ app", "unknown option '-Z'\n'ddprof run --help' lists them");
	refuses(COMMAND_RUN, "--sort own app",
		"'--sort' is not an option of run\n'ddprof run --help' lists them");
	refuses(COMMAND_REPORT, "-F 9 f",
		"'-F' is not an option of report\n'ddprof report --help' lists them");
}

static void missing_and_superfluous_words_are_refused(void **state)
{
	(void)state;
	refuses(COMMAND_RUN, "-F", "--frequency: HZ is missing after it");
	refuses(COMMAND_RUN, "--quiet=yes app", "--quiet: takes no value");
	refuses(COMMAND_RUN, "-q",
		"no program to run\nuse: ddprof-run [OPTIONS] COMMAND..., or ddprof attach --pid PID");
	refuses(COMMAND_ATTACH, "", "no process to attach to\nuse: ddprof attach --pid PID");
	refuses(COMMAND_ATTACH, "42", "unexpected '42'\nname processes with --pid PID");
	refuses(COMMAND_ATTACH, "-p 1 2", "unexpected '2'\nseveral processes: --pid PID,PID");
	refuses(COMMAND_REPORT, "a b", "unexpected 'b'\nuse: ddprof report [OPTIONS] FILE");
	refuses(COMMAND_RUN, "-g",
		"--global: profiling the whole host is not built yet\n"
		"name a program to run, or processes with --pid");
}

static void running_as_another_user_is_refused_not_ignored(void **state)
{
	struct line l;

	(void)state;
	assert_int_equal(parse(&l, COMMAND_RUN, "--switch_user nobody app"), -EINVAL);
	assert_non_null(strstr(l.why, "wrong user"));
	options_release(&l.o);
}

static void control_characters_never_reach_a_message(void **state)
{
	struct line l;

	(void)state;
	assert_int_equal(parse(&l, COMMAND_RUN, "-F \033[31m app"), -EINVAL);
	assert_null(strchr(l.why, '\033'));
	options_release(&l.o);
	assert_int_equal(parse(&l, COMMAND_RUN, "--\033[31m app"), -EINVAL);
	assert_null(strchr(l.why, '\033'));
	options_release(&l.o);
}

static void the_table_has_no_name_or_letter_twice(void **state)
{
	(void)state;
	for (unsigned i = 0; i < option_count; i++) {
		const struct option_def *a = &option_table[i];

		for (unsigned c = 0; c < COMMAND_COUNT && a->name; c++) {
			if (!(a->commands & COMMAND_BIT(c)))
				continue;
			assert_ptr_equal(option_by_name((enum command_id)c, a->name, strlen(a->name)), a);
			if (a->letter)
				assert_ptr_equal(option_by_letter((enum command_id)c, a->letter), a);
		}
		for (unsigned k = i + 1; k < option_count; k++)
			assert_false(a->letter && a->letter == option_table[k].letter);
	}
}

static void help_and_completions_show_every_built_option(void **state)
{
	struct buf text[4];

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		buf_init(&text[i], 1u << 20);
	for (unsigned c = 0; c < COMMAND_COUNT; c++) {
		if (command_table[c].run)
			assert_int_equal(help_command(&command_table[c], false, &text[0]), 0);
	}
	completion_bash(&text[1]);
	completion_zsh(&text[2]);
	completion_fish(&text[3]);
	for (unsigned t = 0; t < 4; t++) {
		assert_int_equal(buf_put_u8(&text[t], 0), 0);
		for (unsigned i = 0; i < option_count; i++) {
			const struct option_def *d = &option_table[i];
			char name[64];

			if (!d->name || d->status != OPTION_BUILT)
				continue;
			snprintf(name, sizeof(name), "%s%s", t == 3 ? "-l " : "--", d->name);
			assert_non_null(strstr((char *)text[t].data, name));
		}
		buf_release(&text[t]);
	}
}

static void every_command_word_is_reserved(void **state)
{
	static const char *const words[] = {"run",     "attach", "report", "diff",   "list",    "metrics",
					    "upload",  "merge",  "bench",  "events", "doctor",  "config",
					    "control", "top",    "store",  "help",   "version", "completion"};

	(void)state;
	assert_int_equal(sizeof(words) / sizeof(words[0]), COMMAND_COUNT);
	for (unsigned i = 0; i < COMMAND_COUNT; i++) {
		assert_non_null(command_find(words[i]));
		assert_int_equal(command_find(words[i]) - command_table, command_find(words[i])->id);
	}
	assert_null(command_find("ls"));
	assert_string_equal(command_nearest("reprot"), "report");
	assert_null(command_nearest("diff")); /* not built: not offered */
}

static void distances_count_edits_and_swaps(void **state)
{
	(void)state;
	assert_int_equal(nearest_distance("abc", 3, "abc"), 0);
	assert_int_equal(nearest_distance("", 0, "abc"), 3);
	assert_int_equal(nearest_distance("acb", 3, "abc"), 1);
	assert_int_equal(nearest_distance("axbc", 4, "abc"), 1);
	assert_int_equal(nearest_distance("kitten", 6, "sitting"), 3);
	assert_true(nearest_distance("a", 1000, "abc") == SIZE_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_options_the_defaults_hold),
		cmocka_unit_test(every_way_to_give_a_value_works),
		cmocka_unit_test(the_programs_own_words_are_left_alone),
		cmocka_unit_test(report_takes_options_after_its_file),
		cmocka_unit_test(both_spellings_of_a_long_name_are_one),
		cmocka_unit_test(an_explicit_window_is_told_from_the_upload_period),
		cmocka_unit_test(the_former_tools_flags_are_taken_with_their_arguments),
		cmocka_unit_test(what_is_not_built_is_named_once),
		cmocka_unit_test(events_counters_and_presets_make_one_list),
		cmocka_unit_test(a_counter_of_the_default_set_is_optional_and_slow),
		cmocka_unit_test(events_that_are_none_are_refused_with_the_nearest),
		cmocka_unit_test(events_of_the_command_line_take_the_place_of_the_environments),
		cmocka_unit_test(naming_options_are_kept_and_tags_merged),
		cmocka_unit_test(a_bad_tag_costs_a_warning_that_names_it),
		cmocka_unit_test(pid_makes_run_an_attach),
		cmocka_unit_test(impossible_values_are_refused_with_the_range),
		cmocka_unit_test(the_largest_and_smallest_values_are_accepted),
		cmocka_unit_test(a_log_mode_for_output_is_refused_with_a_hint),
		cmocka_unit_test(unknown_options_are_refused_with_the_nearest),
		cmocka_unit_test(missing_and_superfluous_words_are_refused),
		cmocka_unit_test(running_as_another_user_is_refused_not_ignored),
		cmocka_unit_test(control_characters_never_reach_a_message),
		cmocka_unit_test(the_table_has_no_name_or_letter_twice),
		cmocka_unit_test(help_and_completions_show_every_built_option),
		cmocka_unit_test(every_command_word_is_reserved),
		cmocka_unit_test(distances_count_edits_and_swaps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

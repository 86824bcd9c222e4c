/* SPDX-License-Identifier: Apache-2.0 */
/* test_config.c - the DD_* variables: taken, overridden by flags, and never fatal. */
#include "cli/options.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static const char *const *variables; /* NAME, VALUE, ..., NULL */

static char *get(const char *name)
{
	for (const char *const *v = variables; v && *v; v += 2) {
		if (strcmp(*v, name) == 0)
			return (char *)(uintptr_t)v[1];
	}
	return NULL;
}

static void take(struct options *o, const char *const *v)
{
	options_init(o, COMMAND_RUN);
	variables = v;
	assert_int_equal(options_environment(o, get), 0);
}

static void warns(const char *name, const char *value, const char *warning)
{
	const char *const v[] = {name, value, NULL};
	struct options o;

	take(&o, v);
	assert_int_equal(buf_put_u8(&o.warnings, 0), 0);
	assert_string_equal((char *)o.warnings.data, warning);
	assert_int_equal(o.frequency, 99);
	assert_true(o.enabled && o.inlines);
	assert_true(o.window_ns == OPTIONS_WINDOW_NS);
	assert_int_equal(o.stack_size, 0);
	assert_int_equal(o.log_level, LOG_LEVEL_NOTICE);
	options_release(&o);
}

static void variables_set_what_their_options_set(void **state)
{
	static const char *const v[] = {"DD_SERVICE",
					"web",
					"DD_ENV",
					"prod",
					"DD_VERSION",
					"1.0",
					"DD_TAGS",
					"a:1,b:2",
					"DD_PROFILING_UPLOAD_PERIOD",
					"15",
					"DD_PROFILING_INLINED_FUNCTIONS",
					"off",
					"DD_PROFILING_SAMPLE_STACK_USER",
					"4096",
					"DD_PROFILING_NATIVE_LOG_LEVEL",
					"informational",
					"DD_PROFILING_NATIVE_LOG_MODE",
					"syslog",
					"DD_PROFILING_MAX_FRAMES",
					"400",
					NULL};
	struct options o;

	(void)state;
	take(&o, v);
	assert_string_equal(o.service, "web");
	assert_string_equal(o.env, "prod");
	assert_string_equal(o.version, "1.0");
	assert_string_equal(tags_get(&o.tags, "b"), "2");
	assert_true(o.window_ns == 15000000000ull);
	assert_false(o.window_given);
	assert_false(o.inlines);
	assert_int_equal(o.stack_size, 4096);
	assert_int_equal(o.log_level, LOG_LEVEL_INFO);
	assert_int_equal(o.log_mode, LOG_MODE_SYSLOG);
	assert_int_equal(o.max_frames, 400);
	assert_int_equal(o.warnings.len, 0);
	options_release(&o);
}

static void booleans_have_eight_spellings_in_any_case(void **state)
{
	static const char *const yes[] = {"true", "1", "yes", "on", "TRUE", "auto"}, *const no[] = {"false",
												    "0", "no",
												    "off",
												    "False"};
	const char *v[] = {"DD_PROFILING_ENABLED", NULL, NULL};
	struct options o;

	(void)state;
	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
		v[1] = yes[i];
		take(&o, v);
		assert_true(o.enabled);
		assert_int_equal(o.warnings.len, 0);
		options_release(&o);
	}
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
		v[1] = no[i];
		take(&o, v);
		assert_false(o.enabled);
		options_release(&o);
	}
}

static void a_bad_value_costs_one_warning_and_leaves_the_default(void **state)
{
	(void)state;
	warns("DD_PROFILING_ENABLED", "maybe",
	      "DD_PROFILING_ENABLED: 'maybe' is not true or false; ignored\n");
	warns("DD_PROFILING_UPLOAD_PERIOD", "-1",
	      "DD_PROFILING_UPLOAD_PERIOD: '-1' is not a number of 0.1 to 86400 s; ignored\n");
	warns("DD_PROFILING_SAMPLE_STACK_USER", "1000000",
	      "DD_PROFILING_SAMPLE_STACK_USER: '1000000' is not a number of 512 to 65528 bytes, "
	      "a multiple of 8; ignored\n");
	warns("DD_PROFILING_NATIVE_LOG_LEVEL", "x",
	      "DD_PROFILING_NATIVE_LOG_LEVEL: 'x' is not one of error warn notice info debug; ignored\n");
	warns("DD_TAGS", "?:x",
	      "DD_TAGS: '?:x' is not a tag like key:value of letters, digits and _:./\\-; left out\n");
}

static void an_empty_variable_is_as_good_as_none(void **state)
{
	static const char *const v[] = {
		"DD_SERVICE", "", "DD_PROFILING_ENABLED", "", "DD_PROFILING_UPLOAD_PERIOD", "", NULL};
	struct options o;

	(void)state;
	take(&o, v);
	assert_null(o.service);
	assert_true(o.enabled);
	assert_int_equal(o.warnings.len, 0);
	options_release(&o);
}

static void a_flag_wins_over_its_variable_and_tags_merge(void **state)
{
	static const char *const v[] = {"DD_SERVICE", "from-env", "DD_TAGS", "a:1 b:2",
					"DD_ENV",     "prod",     NULL};
	char words[][16] = {"-S", "from-flag", "-T", "b:3", "app"}, *argv[6] = {NULL};
	char why[OPTIONS_ERROR_MAX];
	struct options o;

	(void)state;
	for (int i = 0; i < 5; i++)
		argv[i] = words[i];
	take(&o, v);
	assert_int_equal(options_parse(&o, 5, argv, why), 0);
	assert_string_equal(o.service, "from-flag");
	assert_string_equal(o.env, "prod");
	assert_string_equal(tags_get(&o.tags, "a"), "1");
	assert_string_equal(tags_get(&o.tags, "b"), "3");
	options_release(&o);
}

static void the_profilers_own_name_for_a_variable_comes_first(void **state)
{
	static const char *const v[] = {"DD_PROFILING_UPLOAD_INTERVAL", "7", "DD_PROFILING_UPLOAD_PERIOD",
					"5", NULL};
	static const char *const other[] = {"DD_PROFILING_UPLOAD_INTERVAL", "7", NULL};
	struct options o;

	(void)state;
	take(&o, v);
	assert_true(o.window_ns == 5000000000ull);
	options_release(&o);
	take(&o, other);
	assert_true(o.window_ns == 7000000000ull);
	options_release(&o);
}

static void debug_tracing_raises_the_level_unless_one_is_named(void **state)
{
	static const char *const v[] = {"DD_TRACE_DEBUG", "true", NULL};
	static const char *const named[] = {"DD_TRACE_DEBUG", "true", "DD_PROFILING_NATIVE_LOG_LEVEL",
					    "error", NULL};
	struct options o;

	(void)state;
	take(&o, v);
	assert_int_equal(o.log_level, LOG_LEVEL_DEBUG);
	options_release(&o);
	take(&o, named);
	assert_int_equal(o.log_level, LOG_LEVEL_ERROR);
	options_release(&o);
}

static void variables_of_what_is_not_built_are_passed_over_in_silence(void **state)
{
	static const char *const v[] = {
		"DD_TRACE_AGENT_URL", "nonsense", "DD_AGENT_HOST", "h", "DD_API_KEY", "k", NULL};
	struct options o;

	(void)state;
	take(&o, v);
	assert_int_equal(o.warnings.len, 0);
	assert_int_equal(o.not_built.len, 0);
	options_release(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(variables_set_what_their_options_set),
		cmocka_unit_test(booleans_have_eight_spellings_in_any_case),
		cmocka_unit_test(a_bad_value_costs_one_warning_and_leaves_the_default),
		cmocka_unit_test(an_empty_variable_is_as_good_as_none),
		cmocka_unit_test(a_flag_wins_over_its_variable_and_tags_merge),
		cmocka_unit_test(the_profilers_own_name_for_a_variable_comes_first),
		cmocka_unit_test(debug_tracing_raises_the_level_unless_one_is_named),
		cmocka_unit_test(variables_of_what_is_not_built_are_passed_over_in_silence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

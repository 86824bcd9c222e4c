/* SPDX-License-Identifier: Apache-2.0 */
/* test_tags.c - which tags are sent, and how a list of them is read. */
#include "export/tags.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int setup(void **state)
{
	struct tags *t = malloc(sizeof(*t));

	tags_init(t);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	tags_release(*state);
	free(*state);
	return 0;
}

static void letters_digits_and_a_few_marks_are_allowed(void **state)
{
	(void)state;
	assert_true(tags_valid("env", "prod"));
	assert_true(tags_valid("git.repository_url", "https://example.com/a/b.git"));
	assert_true(tags_valid("runtime-id", "0123-4567"));
	assert_true(tags_valid("k", "a:b:c"));
	assert_true(tags_valid("path", "C:\\dir"));
	assert_false(tags_valid("env", "a b"));
	assert_false(tags_valid("env", "a,b"));
	assert_false(tags_valid("env", "\xc3\xa9"));
	assert_false(tags_valid("env", "a\nb"));
	assert_false(tags_valid("env", ""));
	assert_false(tags_valid("", "x"));
	assert_false(tags_valid("1st", "x"));
	assert_false(tags_valid("_x", "x"));
	assert_false(tags_valid("a:b", "x"));
}

static void a_tag_has_at_most_two_hundred_characters(void **state)
{
	char value[300];

	(void)state;
	memset(value, 'x', sizeof(value));
	value[196] = '\0';
	assert_true(tags_valid("key", value)); /* 3 + 1 + 196 */
	value[196] = 'x';
	value[197] = '\0';
	assert_false(tags_valid("key", value));
	value[197] = 'x';
	value[299] = '\0';
	assert_false(tags_valid(value, "v"));
}

static void setting_again_replaces(void **state)
{
	struct tags *t = *state;

	assert_int_equal(tags_set(t, "env", "dev"), 0);
	assert_int_equal(tags_set(t, "env", "prod"), 0);
	assert_int_equal(t->n, 1);
	assert_string_equal(tags_get(t, "env"), "prod");
	assert_null(tags_get(t, "service"));
	assert_int_equal(tags_set(t, "env", "bad value"), -EINVAL);
	assert_string_equal(tags_get(t, "env"), "prod");
}

static void the_number_of_tags_is_limited(void **state)
{
	struct tags *t = *state;
	char key[16];
	int i;

	for (i = 0; i < TAGS_MAX; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		assert_int_equal(tags_set(t, key, "v"), 0);
	}
	assert_int_equal(tags_set(t, "one.more", "v"), -E2BIG);
	assert_int_equal(tags_set(t, "k0", "still replaced"), -EINVAL);
	assert_int_equal(tags_set(t, "k0", "still-replaced"), 0);
}

static void note_bad(const char *tag, void *arg)
{
	strcat(arg, tag);
	strcat(arg, "|");
}

static void a_list_is_split_at_commas_if_it_has_one(void **state)
{
	struct tags *t = *state;
	char bad[200] = "";

	assert_int_equal(tags_parse(t, " team:core , url:http://x:80/ ,,a b:c", note_bad, bad), 2);
	assert_string_equal(tags_get(t, "team"), "core");
	assert_string_equal(tags_get(t, "url"), "http://x:80/");
	assert_string_equal(bad, "a b:c|");
}

static void a_list_without_commas_is_split_at_spaces(void **state)
{
	struct tags *t = *state;

	assert_int_equal(tags_parse(t, "  a:1   b:2\tc:3 ", NULL, NULL), 1);
	assert_string_equal(tags_get(t, "a"), "1");
	assert_null(tags_get(t, "b")); /* "b:2<tab>c:3" is one piece and no tag */
	assert_int_equal(tags_parse(t, "", NULL, NULL), 0);
	assert_int_equal(tags_parse(t, " , , ", NULL, NULL), 0);
}

static void bad_ones_are_named_and_never_sent_half(void **state)
{
	struct tags *t = *state;
	char bad[200] = "";

	assert_int_equal(tags_parse(t, "nocolon,:novalue,key:,ok:1,9:x,a:b!", note_bad, bad), 1);
	assert_string_equal(bad, "nocolon|:novalue|key:|9:x|a:b!|");
	assert_int_equal(t->n, 1);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(letters_digits_and_a_few_marks_are_allowed),
		T(a_tag_has_at_most_two_hundred_characters),
		T(setting_again_replaces),
		T(the_number_of_tags_is_limited),
		T(a_list_is_split_at_commas_if_it_has_one),
		T(a_list_without_commas_is_split_at_spaces),
		T(bad_ones_are_named_and_never_sent_half),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

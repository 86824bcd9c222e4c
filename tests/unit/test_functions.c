/* SPDX-License-Identifier: Apache-2.0 */
/* test_functions.c - own and total values by function, and how they are shown. */
#include "export/functions.h"
#include "export/text.h"
#include "sample_profile.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
	struct sample_profile s;
	struct buf raw;
	struct pprof *p;
	struct functions *f;
};

static void read_again(struct fixture *x, uint32_t type, enum functions_sort sort)
{
	char why[200];

	functions_free(x->f);
	pprof_free(x->p);
	x->f = NULL;
	buf_clear(&x->raw);
	assert_int_equal(pprof_write(&x->s.p, &x->s.names, NULL, 0, &x->raw), 0);
	assert_int_equal(pprof_read(x->raw.data, x->raw.len, &x->p, why, sizeof(why)), 0);
	assert_int_equal(functions_new(&x->f, x->p, &(struct functions_spec){.type = type, .sort = sort}), 0);
}

static int setup(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));

	sample_profile_init(&x->s);
	buf_init(&x->raw, PPROF_MAX_RAW);
	read_again(x, 0, FUNCTIONS_BY_OWN);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	functions_free(x->f);
	pprof_free(x->p);
	buf_release(&x->raw);
	sample_profile_release(&x->s);
	free(x);
	return 0;
}

static const struct functions_row *row(const struct functions *f, const char *name)
{
	uint32_t i;

	for (i = 0; i < f->n; i++)
		if (!strcmp(f->rows[i].name, name))
			return &f->rows[i];
	fail_msg("no function '%s'", name);
	return NULL;
}

static void assert_row(const struct functions *f, const char *name, int64_t own, int64_t total)
{
	assert_int_equal(row(f, name)->own, own);
	assert_int_equal(row(f, name)->total, total);
}

static void own_is_the_innermost_frame_and_inlined_ones_count_as_themselves(void **state)
{
	const struct functions *f = ((struct fixture *)*state)->f;

	assert_int_equal(f->sum, 90);
	assert_row(f, "inner(int)", 50, 70);
	assert_row(f, "middle(int)", 0, 70);
	assert_row(f, "work()", 0, 70);
	assert_row(f, "main", 0, 89);
	assert_row(f, "malloc", 20, 20);
	assert_row(f, "ksys_read", 5, 5);
	assert_row(f, "[lost]", 1, 1);
}

static void an_address_without_a_name_is_shown_by_file_and_offset(void **state)
{
	const struct functions *f = ((struct fixture *)*state)->f;

	assert_row(f, "[libc.so.6+0x99999]", 10, 15);
	assert_row(f, "[anon+0x7e0000000123]", 4, 4);
}

static void rows_know_where_the_function_is(void **state)
{
	const struct functions *f = ((struct fixture *)*state)->f;

	assert_string_equal(row(f, "work()")->module, "demo");
	assert_string_equal(row(f, "work()")->file, "/src/demo/demo.cc");
	assert_int_equal(row(f, "work()")->line, 30);
	assert_string_equal(row(f, "[lost]")->module, "");
	assert_string_equal(row(f, "malloc")->file, "");
}

static void a_function_that_recurs_counts_once_per_stack(void **state)
{
	struct fixture *x = *state;
	const uint32_t deep[] = {x->s.work, x->s.work, x->s.work, x->s.caller};
	uint32_t stack = profile_stack(&x->s.p, deep, 4);

	assert_int_equal(profile_add(&x->s.p, stack, 0, 0, 1000), 0);
	read_again(x, 0, FUNCTIONS_BY_OWN);
	assert_row(x->f, "work()", 0, 1070);
	assert_row(x->f, "inner(int)", 1050, 1070);
	assert_row(x->f, "main", 0, 1089);
}

static void one_function_of_two_mappings_is_one_row_if_the_file_is_one(void **state)
{
	struct fixture *x = *state;
	uint32_t other = profile_mapping(&x->s.p, x->s.p.mappings[x->s.libc].module, 0x7f1000000000,
					 0x7f1000100000, 0x400000);
	uint32_t loc = profile_location(&x->s.p, other, 0x400010), stack = profile_stack(&x->s.p, &loc, 1);

	assert_int_equal(names_resize(&x->s.names, x->s.p.n_locations), 0);
	sample_names(&x->s.names, loc, NAMES_SYMBOL, (struct sample_name[]){{"malloc", "malloc", "", 0, 0}},
		     1);
	assert_int_equal(profile_add(&x->s.p, stack, 0, 0, 7), 0);
	read_again(x, 0, FUNCTIONS_BY_OWN);
	assert_row(x->f, "malloc", 27, 27);
}

static void rows_come_in_the_order_asked_for(void **state)
{
	struct fixture *x = *state;
	uint32_t i;

	for (i = 1; i < x->f->n; i++)
		assert_true(x->f->rows[i - 1].own >= x->f->rows[i].own);
	assert_string_equal(x->f->rows[0].name, "inner(int)");
	read_again(x, 1, FUNCTIONS_BY_TOTAL);
	for (i = 1; i < x->f->n; i++)
		assert_true(x->f->rows[i - 1].total >= x->f->rows[i].total);
	assert_string_equal(x->f->rows[0].name, "main");
	assert_int_equal(x->f->sum, 900000000);
	read_again(x, 0, FUNCTIONS_BY_NAME);
	for (i = 1; i < x->f->n; i++)
		assert_true(strcmp(x->f->rows[i - 1].name, x->f->rows[i].name) < 0);
}

static void a_type_that_does_not_exist_is_refused(void **state)
{
	struct fixture *x = *state;
	struct functions *f = NULL;

	assert_int_equal(functions_new(&f, x->p, &(struct functions_spec){.type = 2}), -EINVAL);
	assert_null(f);
}

static void assert_value(int64_t v, const char *unit, const char *want)
{
	char out[64];

	functions_format_value(v, unit, out, sizeof(out));
	assert_string_equal(out, want);
}

static void values_are_for_people(void **state)
{
	(void)state;
	assert_value(0, "nanoseconds", "0 s");
	assert_value(999, "nanoseconds", "999 ns");
	assert_value(1234, "nanoseconds", "1.23 us");
	assert_value(45600000, "nanoseconds", "45.6 ms");
	assert_value(999600000, "nanoseconds", "1.00 s");
	assert_value(1234567890, "nanoseconds", "1.23 s");
	assert_value(-1234567890, "nanoseconds", "-1.23 s");
	assert_value(12345678000000, "nanoseconds", "12 345 s");
	assert_value(1500, "milliseconds", "1.50 s");
	assert_value(999, "bytes", "999 B");
	assert_value(12300000, "bytes", "12.3 MB");
	assert_value(1234, "count", "1 234");
	assert_value(-1234567, "count", "-1 234 567");
	assert_value(123, "", "123");
	assert_value(12, "events", "12 events");
	assert_value(INT64_MIN, "count", "-9 223 372 036 854 775 808");
	assert_value(INT64_MAX, "bytes", "9 223 372 TB");
}

static char *print(struct fixture *x, uint32_t top, unsigned columns)
{
	struct buf out;

	buf_init(&out, 1 << 20);
	assert_int_equal(functions_print(x->f, x->p, top, columns, &out), 0);
	assert_int_equal(buf_put_u8(&out, 0), 0);
	return (char *)out.data;
}

static void the_table_reads_as_expected(void **state)
{
	static const char want[] =
		"cpu-time: 900 ms in 9 functions, 6 unique stacks\n"
		"       own               total          function\n"
		"    500 ms   55.6%      700 ms   77.8%  inner(int)           demo inner.h:5\n"
		"    200 ms   22.2%      200 ms   22.2%  malloc               libc.so.6\n"
		"    100 ms   11.1%      150 ms   16.7%  [libc.so.6+0x99999]  libc.so.6\n"
		"             11.1%                      6 more\n";
	struct fixture *x = *state;
	char *text;

	read_again(x, 1, FUNCTIONS_BY_OWN);
	text = print(x, 3, 0);
	assert_string_equal(text, want);
	free(text);
}

static size_t longest_line(const char *text)
{
	size_t n, longest = 0;

	for (; *text; text += n + (text[n] == '\n')) {
		n = strcspn(text, "\n");
		longest = n > longest ? n : longest;
	}
	return longest;
}

static void the_table_fits_the_terminal(void **state)
{
	struct fixture *x = *state;
	char name[400], *text;

	memset(name, 'n', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	sample_names(&x->s.names, x->s.malloc_, NAMES_SYMBOL, (struct sample_name[]){{name, name, "", 0, 0}},
		     1);
	read_again(x, 0, FUNCTIONS_BY_OWN);
	text = print(x, 0, 80);
	assert_in_range(longest_line(text), 70,
			80 + 4); /* "…" has three bytes for one column, twice a line */
	free(text);
	text = print(x, 0, 20); /* narrower than it can be: no crash, no endless line */
	assert_in_range(longest_line(text), 40, 80);
	free(text);
}

static void nothing_in_a_name_reaches_the_terminal_as_control(void **state)
{
	struct fixture *x = *state;
	const char *evil = "a\x1b[31m\r\n\xe2\x80\xae\xff z";
	char *text;

	sample_names(&x->s.names, x->s.malloc_, NAMES_SYMBOL, (struct sample_name[]){{evil, evil, "", 0, 0}},
		     1);
	read_again(x, 0, FUNCTIONS_BY_OWN);
	text = print(x, 0, 0);
	assert_non_null(strstr(text, "a\\x1b[31m\\x0d\\x0a\\u202e\xef\xbf\xbd z"));
	assert_null(strchr(text, '\x1b'));
	assert_null(strchr(text, '\r'));
	free(text);
}

static void functions_of_one_template_are_one_row_unless_asked_for_in_full(void **state)
{
	struct fixture *x = *state;
	struct functions *f;

	sample_names(&x->s.names, x->s.work, NAMES_DWARF,
		     (struct sample_name[]){{"v<int>::f(v<int>)", "_ZN1vIiE1fES0_", "/v.h", 1, 1}}, 1);
	sample_names(&x->s.names, x->s.caller, NAMES_DWARF,
		     (struct sample_name[]){{"v<a<b> >::f(v<a<b> >)", "_ZN1vI1aI1bEE1fES2_", "/v.h", 1, 1}},
		     1);
	read_again(x, 0, FUNCTIONS_BY_OWN);
	assert_row(x->f, "v<\xe2\x80\xa6>::f(v<\xe2\x80\xa6>)", 50, 89);
	assert_int_equal(functions_new(&f, x->p, &(struct functions_spec){.names = FUNCTIONS_FULL}), 0);
	assert_row(f, "v<int>::f(v<int>)", 50, 70);
	assert_row(f, "v<a<b> >::f(v<a<b> >)", 0, 89);
	functions_free(f);
	assert_int_equal(functions_new(&f, x->p, &(struct functions_spec){.names = FUNCTIONS_RAW}), 0);
	assert_row(f, "_ZN1vIiE1fES0_", 50, 70);
	assert_row(f, "_ZN1vI1aI1bEE1fES2_", 0, 89);
	functions_free(f);
}

static void text_is_cut_at_the_column_with_an_ellipsis(void **state)
{
	struct buf out;
	unsigned used;

	(void)state;
	buf_init(&out, 100);
	assert_int_equal(text_put_visible(&out, "abcdef", 6, 6, &used), 0);
	assert_int_equal(used, 6);
	assert_memory_equal(out.data, "abcdef", out.len);
	buf_clear(&out);
	assert_int_equal(text_put_visible(&out, "abcdefg", 7, 6, &used), 0);
	assert_int_equal(used, 6);
	assert_memory_equal(out.data, "abcde\xe2\x80\xa6", out.len);
	buf_clear(&out);
	assert_int_equal(text_put_visible(&out, "ab\x01xyz", 6, 5, &used), 0);
	assert_int_equal(used, 3); /* "\x01" would not fit */
	assert_memory_equal(out.data, "ab\xe2\x80\xa6", out.len);
	buf_release(&out);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(own_is_the_innermost_frame_and_inlined_ones_count_as_themselves),
		T(an_address_without_a_name_is_shown_by_file_and_offset),
		T(rows_know_where_the_function_is),
		T(a_function_that_recurs_counts_once_per_stack),
		T(one_function_of_two_mappings_is_one_row_if_the_file_is_one),
		T(rows_come_in_the_order_asked_for),
		T(a_type_that_does_not_exist_is_refused),
		T(values_are_for_people),
		T(the_table_reads_as_expected),
		T(the_table_fits_the_terminal),
		T(nothing_in_a_name_reaches_the_terminal_as_control),
		T(functions_of_one_template_are_one_row_unless_asked_for_in_full),
		T(text_is_cut_at_the_column_with_an_ellipsis),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

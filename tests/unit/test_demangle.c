/* SPDX-License-Identifier: Apache-2.0 */
/* test_demangle.c - symbols become what people read, and hostile ones stay harmless. */
#include "symbolize/demangle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_readable(const char *symbol, const char *expected, bool demangled)
{
	char out[DEMANGLE_MAX];
	bool did = demangle(symbol, out, sizeof(out));

	assert_string_equal(out, expected);
	assert_int_equal(did, demangled);
}

static void cplusplus_shows_parameters_but_no_return_type(void **state)
{
	(void)state;
	assert_readable("_ZN3foo3barEi", "foo::bar(int)", true);
	assert_readable("_Z4foldIdET_RKSt6vectorIS0_SaIS0_EE",
			"fold<double>(std::vector<double, std::allocator<double> > const&)", true);
	assert_readable("_ZN12_GLOBAL__N_16hiddenEi", "(anonymous namespace)::hidden(int)", true);
}

static void rust_legacy_loses_its_hash(void **state)
{
	(void)state;
	assert_readable("_ZN4core3fmt9Formatter9write_fmt17h0123456789abcdefE",
			"core::fmt::Formatter::write_fmt", true);
}

static void rust_v0_is_read(void **state)
{
	(void)state;
	assert_readable("_RNvCs15kBYyAo9fc_7mycrate7example", "mycrate::example", true);
	assert_readable("_RINvNtC3std3mem8align_ofdE", "std::mem::align_of::<f64>", true);
}

static void d_is_read(void **state)
{
	(void)state;
	assert_readable("_D8demangle4testFaZv", "demangle.test(char)", true);
}

static void names_that_are_not_mangled_stay(void **state)
{
	(void)state;
	assert_readable("main", "main", false);
	assert_readable("", "", false);
	assert_readable("_", "_", false);
	assert_readable("_Z", "_Z", false);
	assert_readable("_Zebra", "_Zebra", false);
	assert_readable("_Right", "_Right", false);
	assert_readable("_Dx", "_Dx", false);
	assert_readable("i", "i", false);
	assert_readable("\xff\xfe", "\xff\xfe", false);
}

static void suffixes_of_parts_and_copies_are_cut(void **state)
{
	(void)state;
	assert_readable("foo.part.0", "foo", false);
	assert_readable("foo.cold", "foo", false);
	assert_readable("foo.cold.12", "foo", false);
	assert_readable("foo.isra.0.constprop.1.cold", "foo", false);
	assert_readable("foo.llvm.1234567890", "foo", false);
	assert_readable("foo.lto_priv.0", "foo", false);
	assert_readable("foo.localalias", "foo", false);
	assert_readable("_ZN3foo3barEi.part.0", "foo::bar(int)", true);
	assert_readable("_ZN4core3fmt9Formatter9write_fmt17h0123456789abcdefE.llvm.77",
			"core::fmt::Formatter::write_fmt", true);
}

static void other_dots_are_part_of_the_name(void **state)
{
	(void)state;
	assert_readable("runtime.mallocgc", "runtime.mallocgc", false);
	assert_readable("main.part", "main.part", false);
	assert_readable("foo.part.x", "foo.part.x", false);
	assert_readable("foo.avx2", "foo.avx2", false);
	assert_readable("foo.part.0.bar", "foo.part.0.bar", false);
	assert_readable(".part.0", ".part.0", false);
	assert_readable("foo.", "foo.", false);
	assert_readable("foo..cold", "foo.", false);
}

/* Itanium ABI's reference to the @n-th part of the name so far: S_, S0_ ... S9_, SA_ ... SZ_, S10_ ... */
static void put_reference(char *out, int n)
{
	static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	char text[8];

	if (!n)
		snprintf(text, sizeof(text), "S_");
	else if (n <= 36)
		snprintf(text, sizeof(text), "S%c_", digits[n - 1]);
	else
		snprintf(text, sizeof(text), "S%c%c_", digits[(n - 1) / 36], digits[(n - 1) % 36]);
	strcat(out, text);
}

/* f(a<int, int>, b<that, that>, b<that, that>, ...): each parameter is twice as long as the one before. */
static void make_bomb(char *symbol, int levels)
{
	int i;

	strcpy(symbol, "_Z1f1aIiiE");
	for (i = 0; i < levels; i++) {
		strcat(symbol, "1bI");
		put_reference(symbol, 1 + 2 * i);
		put_reference(symbol, 1 + 2 * i);
		strcat(symbol, "E");
	}
}

static void a_name_that_would_explode_stays_mangled(void **state)
{
	char symbol[2048];

	(void)state;
	make_bomb(symbol, 1);
	assert_readable(symbol, "f(a<int, int>, b<a<int, int>, a<int, int> >)", true);
	/* A million million characters if it were written out. */
	make_bomb(symbol, 40);
	assert_readable(symbol, symbol, false);
}

static void deep_nesting_does_not_overflow_the_stack(void **state)
{
	static const char prefix[] = "_Z1f";
	char *symbol = malloc(100001), out[DEMANGLE_MAX];
	size_t len;

	(void)state;
	for (len = 100; len <= 100000; len *= 10) {
		memset(symbol, 'P', len);
		memcpy(symbol, prefix, sizeof(prefix) - 1);
		symbol[len - 1] = 'i';
		symbol[len] = '\0';
		demangle(symbol, out, sizeof(out));
		assert_true(strlen(out) < DEMANGLE_MAX);
	}
	free(symbol);
}

static void output_is_cut_to_the_buffer(void **state)
{
	char out[8];

	(void)state;
	assert_false(demangle("a_rather_long_name", out, sizeof(out)));
	assert_string_equal(out, "a_rathe");
	assert_false(demangle("_ZN3foo3barEi", out, sizeof(out)));
	assert_string_equal(out, "_ZN3foo");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cplusplus_shows_parameters_but_no_return_type),
		cmocka_unit_test(rust_legacy_loses_its_hash),
		cmocka_unit_test(rust_v0_is_read),
		cmocka_unit_test(d_is_read),
		cmocka_unit_test(names_that_are_not_mangled_stay),
		cmocka_unit_test(suffixes_of_parts_and_copies_are_cut),
		cmocka_unit_test(other_dots_are_part_of_the_name),
		cmocka_unit_test(a_name_that_would_explode_stays_mangled),
		cmocka_unit_test(deep_nesting_does_not_overflow_the_stack),
		cmocka_unit_test(output_is_cut_to_the_buffer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* test_fold.c - template arguments are folded, and nothing else that has angle brackets. */
#include "export/fold.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define E "\xe2\x80\xa6"

static void check(const char *name, const char *want)
{
	struct buf out;
	bool folded;

	buf_init(&out, 1 << 20);
	assert_int_equal(buf_put_str(&out, "x"), 0);
	folded = fold_templates(name, strlen(name), &out);
	if (!want) {
		assert_false(folded);
		assert_int_equal(out.len, 1);
	} else {
		assert_true(folded);
		assert_int_equal(buf_put_u8(&out, 0), 0);
		assert_string_equal((const char *)out.data + 1, want);
	}
	buf_release(&out);
}

static void template_arguments_are_folded(void **state)
{
	(void)state;
	check("std::vector<int, std::allocator<int> >::push_back(int const&)",
	      "std::vector<" E ">::push_back(int const&)");
	check("f<a<b>, c>(std::map<int, g<h> > const&)", "f<" E ">(std::map<" E "> const&)");
	check("sort[abi:cxx11]<int*>(int*)", "sort[abi:cxx11]<" E ">(int*)");
	check("void f<(1>(2))>()", "void f<" E ">()");
	check("A<decltype ((p)->q)>::run()", "A<" E ">::run()");
	check("x<&S::operator< >::y", "x<" E ">::y");
	check("core::ptr::drop_in_place::<alloc::vec::Vec<u8>>", "core::ptr::drop_in_place::<" E ">");
	check("main::{lambda(auto:1)#1}::operator()<int>(int) const",
	      "main::{lambda(auto:1)#1}::operator()<" E ">(int) const");
}

static void operators_keep_theirs(void **state)
{
	(void)state;
	check("operator<(A const&, A const&)", NULL);
	check("operator<<(std::ostream&, int)", NULL);
	check("A::operator->() const", NULL);
	check("A::operator<=>(A const&)", NULL);
	check("A::operator>>=(int)", NULL);
	check("std::ostream& std::operator<< <char>(std::ostream&, char)",
	      "std::ostream& std::operator<< <" E ">(std::ostream&, char)");
	check("bool operator< <int>(v<int> const&)", "bool operator< <" E ">(v<" E "> const&)");
	check("v<int>::operator<(v<int>)", "v<" E ">::operator<(v<" E ">)");
	check("my_operator<int>()", "my_operator<" E ">()");
}

static void what_only_looks_like_it_stays(void **state)
{
	(void)state;
	check("main", NULL);
	check("", NULL);
	check("<module>", NULL);
	check("Foo::<init>", NULL);
	check("f()::<lambda(int)>", NULL);
	check("g<>()", NULL);
	check("<alloc::vec::Vec<T> as core::iter::Iterator>::next",
	      "<alloc::vec::Vec<" E "> as core::iter::Iterator>::next");
}

static void brackets_that_do_not_match_change_nothing(void **state)
{
	char deep[1024];

	(void)state;
	check("a<b", NULL);
	check("a<b)>", NULL);
	check("a<b<c>", NULL);
	check("a>b", NULL);
	memset(deep, 'x', sizeof(deep));
	for (size_t i = 1; i < 600; i += 2)
		deep[i] = '<';
	memset(deep + 601, '>', 300);
	deep[901] = '\0';
	check(deep, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(template_arguments_are_folded),
		cmocka_unit_test(operators_keep_theirs),
		cmocka_unit_test(what_only_looks_like_it_stays),
		cmocka_unit_test(brackets_that_do_not_match_change_nothing),
	};

	return cmocka_run_group_tests_name("fold", tests, NULL, NULL);
}

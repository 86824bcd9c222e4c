/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmocka.h - as much of cmocka's interface as our unit tests use, for a machine
 * that there is no cmocka for: the cross-compiled tests, which qemu runs. Prints
 * TAP. A failed assertion ends its test by longjmp, as in cmocka.
 */
#ifndef TESTS_AARCH64_CMOCKA_H
#define TESTS_AARCH64_CMOCKA_H

#include <inttypes.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct CMUnitTest {
	const char *name;
	void (*test)(void **state);
	int (*setup)(void **state);
	int (*teardown)(void **state);
};

enum { SHIM_FAILED = 1, SHIM_SKIPPED };

static jmp_buf shim_out;

#define cmocka_unit_test(t)                                                                                  \
	{                                                                                                    \
#t, t, NULL, NULL                                                                            \
	}
#define cmocka_unit_test_setup_teardown(t, up, down)                                                         \
	{                                                                                                    \
#t, t, up, down                                                                              \
	}

static inline void shim_check(int ok, const char *what, const char *file, int line)
{
	if (ok)
		return;
	printf("# %s:%d: %s\n", file, line, what);
	longjmp(shim_out, SHIM_FAILED);
}

static inline void shim_equal(uint64_t a, uint64_t b, int want, const char *what, const char *file, int line)
{
	if ((a == b) != want)
		printf("# %#" PRIx64 " and %#" PRIx64 "\n", a, b);
	shim_check((a == b) == want, what, file, line);
}

#define assert_true(c)         shim_check(!!(c), #c, __FILE__, __LINE__)
#define assert_false(c)        shim_check(!(c), "not " #c, __FILE__, __LINE__)
#define assert_null(p)         shim_check(!(p), #p " is NULL", __FILE__, __LINE__)
#define assert_non_null(p)     shim_check(!!(p), #p " is not NULL", __FILE__, __LINE__)
#define assert_int_equal(a, b) shim_equal((uint64_t)(a), (uint64_t)(b), 1, #a " == " #b, __FILE__, __LINE__)
#define assert_int_not_equal(a, b)                                                                           \
	shim_equal((uint64_t)(a), (uint64_t)(b), 0, #a " != " #b, __FILE__, __LINE__)
#define assert_ptr_equal(a, b)        shim_check((a) == (b), #a " == " #b, __FILE__, __LINE__)
#define assert_ptr_not_equal(a, b)    shim_check((a) != (b), #a " != " #b, __FILE__, __LINE__)
#define assert_string_equal(a, b)     shim_check(!strcmp(a, b), #a " is " #b, __FILE__, __LINE__)
#define assert_string_not_equal(a, b) shim_check(!!strcmp(a, b), #a " is not " #b, __FILE__, __LINE__)
#define assert_memory_equal(a, b, n)  shim_check(!memcmp(a, b, n), #a " is " #b, __FILE__, __LINE__)
#define assert_in_range(v, lo, hi)                                                                           \
	shim_check((uint64_t)(v) >= (uint64_t)(lo) && (uint64_t)(v) <= (uint64_t)(hi),                       \
		   #v " from " #lo " to " #hi, __FILE__, __LINE__)
#define skip() longjmp(shim_out, SHIM_SKIPPED)

static inline int shim_run(const struct CMUnitTest *t)
{
	void *volatile state = NULL;
	int how = setjmp(shim_out);

	if (!how) {
		if (t->setup && t->setup((void **)&state))
			return SHIM_FAILED;
		t->test((void **)&state);
	}
	if (t->teardown && t->teardown((void **)&state) && !how)
		how = SHIM_FAILED;
	return how;
}

static inline int shim_run_all(const struct CMUnitTest *t, size_t n, int (*up)(void **), int (*down)(void **))
{
	void *state = NULL;
	int failed = 0, how;
	size_t i;

	printf("1..%zu\n", n);
	if (up && up(&state)) {
		printf("Bail out! the group's set-up failed\n");
		return 1;
	}
	for (i = 0; i < n; i++) {
		how = shim_run(&t[i]);
		printf("%sok %zu - %s%s\n", how == SHIM_FAILED ? "not " : "", i + 1, t[i].name,
		       how == SHIM_SKIPPED ? " # SKIP" : "");
		fflush(stdout);
		failed += how == SHIM_FAILED;
	}
	if (down)
		(void)down(&state);
	return failed;
}

#define cmocka_run_group_tests(tests, up, down)                                                              \
	shim_run_all(tests, sizeof(tests) / sizeof((tests)[0]), up, down)

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* test_ladder.c - the ladder's rows, texts and answers, by calls that a filter refuses. */
#include "tests/unit/deny.h"

#include "collect/ladder.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static void every_rung_says_what_is_used_instead_and_what_that_costs(void **state)
{
	struct ladder_step step = {.err = -EOPNOTSUPP};
	char text[136];
	unsigned i;

	(void)state;
	for (i = 0; i < LADDER_RUNGS; i++) {
		const struct ladder_rung *r = &ladder_table[i];

		assert_non_null(r->key);
		assert_non_null(r->how);
		step.rung = (enum ladder_rung_id)i;
		ladder_step_text(&step, text, sizeof(text));
		assert_non_null(strstr(text, "EOPNOTSUPP; instead: "));
		assert_non_null(strstr(text, r->instead));
		assert_string_equal(text + strlen(text) - strlen(r->costs), r->costs); /* not cut */
	}
	step.err = 0;
	ladder_step_text(&step, text, sizeof(text));
	assert_string_equal(text, "");
}

static void the_last_answer_of_a_rung_counts(void **state)
{
	struct ladder l = {.n = 0};

	(void)state;
	assert_int_equal(ladder_answer(&l, LADDER_RINGS), 1);
	ladder_note(&l, LADDER_RINGS, -EPERM);
	ladder_note(&l, LADDER_FILES, 0);
	ladder_note(&l, LADDER_RINGS, 0);
	assert_int_equal(l.n, 2);
	assert_int_equal(ladder_answer(&l, LADDER_RINGS), 0);
	assert_int_equal(ladder_answer(&l, LADDER_FILES), 0);
}

/* In a child, as a filter cannot be taken off again. */
static int in_child(int (*fn)(void))
{
	pid_t pid = fork();
	int status = -1;

	if (!pid)
		_exit(fn());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int all_refused(void)
{
	struct ladder l;

	if (deny_call(SYS_perf_event_open, 0, 0, EPERM))
		return 77;
	if (ladder_probe(&l, event_default(), 99, false) != -EPERM || !l.filtered)
		return 1;
	if (ladder_answer(&l, LADDER_KERNEL) != -EPERM || ladder_answer(&l, LADDER_USER) != -EPERM)
		return 2;
	if (!strstr(l.advice, "seccomp") || !strstr(l.advice, "\n  fix: "))
		return 3;
	ladder_timer(&l, false);
	return ladder_answer(&l, LADDER_PERF) == -EPERM && !strcmp(ladder_mode(&l), "timer") ? 0 : 4;
}

static void a_filter_is_told_from_the_kernel(void **state)
{
	int code = in_child(all_refused);

	(void)state;
	if (code == 77)
		skip();
	assert_int_equal(code, 0);
}

static void a_rate_that_is_granted_is_the_rate_asked_for(void **state)
{
	struct ladder_rings rings;
	struct ladder l;

	(void)state;
	if (ladder_probe(&l, event_default(), 49, true))
		skip();
	assert_int_equal(l.rate, 49);
	assert_int_equal(ladder_answer(&l, LADDER_RATE), 0);
	assert_false(l.kernel);
	assert_int_equal(ladder_answer(&l, LADDER_KERNEL), 1);
	if (ladder_try_rings(&l, event_default(), &rings))
		skip();
	assert_true(rings.cpus > 0 && rings.fds >= 2 * rings.cpus);
	assert_true(rings.bytes > 0 && rings.bytes <= rings.wanted && rings.stack_size > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_rung_says_what_is_used_instead_and_what_that_costs),
		cmocka_unit_test(the_last_answer_of_a_rung_counts),
		cmocka_unit_test(a_filter_is_told_from_the_kernel),
		cmocka_unit_test(a_rate_that_is_granted_is_the_rate_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

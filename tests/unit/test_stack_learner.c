/* SPDX-License-Identifier: Apache-2.0 */
/* test_stack_learner.c - when stack copies become smaller and larger. */
#include "collect/stack_learner.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define LARGE 65528
#define SMALL 16376

static const uint32_t two[] = {LARGE, SMALL};
static const struct stack_need shallow = {.used = 3000};
static const struct stack_need deep = {.used = 20000};
static const struct stack_need cut = {.used = SMALL, .cut = true, .ended = true};
static const struct stack_need elsewhere = {.used = 700, .cut = true}; /* read from the process: complete */

/* Feed @n samples of the size in use; returns after how many it changed, 0: never. */
static unsigned feed(struct stack_learner *l, unsigned n, const struct stack_need *need)
{
	unsigned i;

	for (i = 1; i <= n; i++)
		if (stack_learner_add(l, l->now, need))
			return i;
	return 0;
}

/* Feed @need every @every samples, shallow ones between. */
static unsigned mix(struct stack_learner *l, unsigned n, unsigned every, const struct stack_need *need)
{
	unsigned i;

	for (i = 1; i <= n; i++)
		if (stack_learner_add(l, l->now, i % every ? &shallow : need))
			return i;
	return 0;
}

static void it_begins_with_the_largest_and_goes_down_once_enough_was_seen(void **state)
{
	struct stack_learner l;

	(void)state;
	stack_learner_init(&l, two, 2);
	assert_int_equal(l.now, 0);
	assert_int_equal(feed(&l, 2000, &shallow), 1024);
	assert_int_equal(l.now, 1);
	assert_int_equal(feed(&l, 100000, &shallow), 0);
}

static void one_deep_stack_in_200_keeps_no_large_copies_two_do(void **state)
{
	struct stack_learner l;

	(void)state;
	stack_learner_init(&l, two, 2);
	assert_int_not_equal(mix(&l, 10000, 250, &deep), 0);
	stack_learner_init(&l, two, 2);
	assert_int_equal(mix(&l, 100000, 100, &deep), 0);
	assert_int_equal(l.now, 0);
}

static void one_size_never_changes(void **state)
{
	struct stack_learner l;

	(void)state;
	stack_learner_init(&l, two, 1);
	assert_int_equal(feed(&l, 10000, &shallow), 0);
	assert_int_equal(feed(&l, 10000, &cut), 0);
}

static void it_goes_up_at_the_second_cut_and_then_waits_longer(void **state)
{
	struct stack_learner l;

	(void)state;
	stack_learner_init(&l, two, 2);
	assert_int_equal(feed(&l, 2000, &shallow), 1024);
	assert_int_equal(feed(&l, 10, &cut), 2);
	assert_int_equal(l.now, 0);
	assert_int_equal(feed(&l, 4000, &shallow), 2048);
	assert_int_equal(feed(&l, 10, &cut), 2);
	assert_int_equal(feed(&l, 5000, &shallow), 4096);
}

static void a_change_after_a_long_quiet_time_still_shows_soon(void **state)
{
	struct stack_learner l;

	(void)state;
	stack_learner_init(&l, two, 2);
	feed(&l, 1024, &shallow);
	assert_int_equal(feed(&l, 1000000, &shallow), 0);
	assert_in_range(feed(&l, 1000, &cut), 1, 12);
}

/*
 * Whatever the stacks do: with any period of shallow and deep phases, under 1 % are cut for want of size,
 * though each answer takes effect only LAG samples later.
 */
#define LAG 32
static void under_one_per_cent_are_cut_whatever_the_phases(void **state)
{
	unsigned phase, i, bad;

	(void)state;
	for (phase = 1; phase < 20000; phase = phase * 3 / 2 + 1) {
		uint32_t size[LAG] = {0};
		struct stack_learner l;

		stack_learner_init(&l, two, 2);
		for (i = bad = 0; i < 200000; i++) {
			bool is_deep = i / phase % 2;
			uint32_t now = size[i % LAG];

			bad += is_deep && now;
			stack_learner_add(&l, now, !is_deep ? &shallow : now ? &cut : &deep);
			size[i % LAG] = l.now;
		}
		assert_in_range(bad, 0, i / 100);
	}
}

static void stacks_that_no_size_helps_do_not_bring_the_largest_back(void **state)
{
	struct stack_learner l;

	(void)state;
	stack_learner_init(&l, two, 2);
	assert_int_not_equal(mix(&l, 10000, 10, &elsewhere), 0);
	assert_int_equal(l.now, 1);
	assert_int_equal(mix(&l, 100000, 10, &elsewhere), 0);
	/* More of them than there were is a reason to look again. */
	assert_int_not_equal(mix(&l, 10000, 3, &elsewhere), 0);
}

static void walks_cut_with_the_largest_copies_keep_them(void **state)
{
	struct stack_learner l;

	(void)state;
	stack_learner_init(&l, two, 2);
	assert_int_equal(mix(&l, 100000, 50, &cut), 0);
}

static void samples_of_the_size_before_teach_nothing(void **state)
{
	struct stack_learner l;

	(void)state;
	stack_learner_init(&l, two, 2);
	feed(&l, 1024, &shallow);
	assert_false(stack_learner_add(&l, 0, &cut));
	assert_false(stack_learner_add(&l, 0, &cut));
	assert_false(stack_learner_add(&l, 0, &cut));
	assert_int_equal(l.now, 1);
}

static void it_rises_at_once_when_told_to(void **state)
{
	struct stack_learner l;

	(void)state;
	stack_learner_init(&l, two, 2);
	assert_false(stack_learner_rise(&l));
	feed(&l, 1024, &shallow);
	assert_true(stack_learner_rise(&l));
	assert_int_equal(l.now, 0);
	assert_false(stack_learner_rise(&l));
}

static void of_three_sizes_the_smallest_that_does_is_taken(void **state)
{
	static const uint32_t three[] = {LARGE, SMALL, 4088};
	static const struct stack_need middle = {.used = 8000};
	struct stack_learner l;

	(void)state;
	stack_learner_init(&l, three, 3);
	assert_int_equal(feed(&l, 2000, &middle), 1024);
	assert_int_equal(l.now, 1);
	assert_int_not_equal(feed(&l, 10000, &shallow), 0);
	assert_int_equal(l.now, 2);
	assert_int_equal(feed(&l, 10, &cut) > 0, 1);
	assert_int_equal(l.now, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_begins_with_the_largest_and_goes_down_once_enough_was_seen),
		cmocka_unit_test(one_deep_stack_in_200_keeps_no_large_copies_two_do),
		cmocka_unit_test(one_size_never_changes),
		cmocka_unit_test(it_goes_up_at_the_second_cut_and_then_waits_longer),
		cmocka_unit_test(a_change_after_a_long_quiet_time_still_shows_soon),
		cmocka_unit_test(under_one_per_cent_are_cut_whatever_the_phases),
		cmocka_unit_test(stacks_that_no_size_helps_do_not_bring_the_largest_back),
		cmocka_unit_test(walks_cut_with_the_largest_copies_keep_them),
		cmocka_unit_test(samples_of_the_size_before_teach_nothing),
		cmocka_unit_test(it_rises_at_once_when_told_to),
		cmocka_unit_test(of_three_sizes_the_smallest_that_does_is_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

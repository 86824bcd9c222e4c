/* SPDX-License-Identifier: Apache-2.0 */
/* test_window_clock.c - calendar times of windows and samples when clocks stand still, jump and go back. */
#include "collect/window_clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define S    UINT64_C(1000000000)
#define MS   UINT64_C(1000000)
#define DAY  (86400 * S)
#define REAL (20000 * DAY) /* some day in 2024 */

/* Look four times a second, stamping as often, for @seconds of a clock that is @offset ahead of REAL. */
static void pass(struct window_clock *w, uint64_t *mono, uint64_t seconds, int64_t offset)
{
	uint64_t before = 0, stamp, i;

	for (i = 0; i < 4 * seconds; i++) {
		*mono += S / 4;
		window_clock_look(w, *mono, REAL + *mono + (uint64_t)offset);
		stamp = window_clock_stamp(w, *mono - MS);
		assert_true(stamp >= before && stamp >= w->start_real);
		before = stamp;
	}
}

static void close_window(struct window_clock *w, uint64_t mono, int64_t offset)
{
	window_clock_end(w, mono, REAL + mono + (uint64_t)offset);
	assert_true(w->end_real >= w->start_real);
}

static void with_steady_clocks_windows_adjoin_and_times_are_exact(void **state)
{
	struct window_clock w;
	uint64_t mono = 5 * S, i;

	(void)state;
	window_clock_begin(&w, mono, REAL + mono);
	for (i = 0; i < 20; i++) {
		pass(&w, &mono, 60, 0);
		assert_int_equal(window_clock_stamp(&w, mono - 3), REAL + mono - 3);
		close_window(&w, mono, 0);
		assert_int_equal(w.end_real, REAL + mono);
		assert_int_equal(w.end_mono - w.start_mono, 60 * S);
		window_clock_next(&w);
		assert_int_equal(w.start_real, REAL + mono);
	}
}

static void a_suspended_machine_finds_the_time_advanced_and_the_window_no_longer(void **state)
{
	struct window_clock w;
	uint64_t mono = 0, before;

	(void)state;
	window_clock_begin(&w, mono, REAL);
	pass(&w, &mono, 30, 0);
	before = window_clock_stamp(&w, mono);
	pass(&w, &mono, 30, (int64_t)(8 * 3600 * S));
	assert_int_equal(before, REAL + 30 * S);
	assert_int_equal(window_clock_stamp(&w, mono), REAL + mono + 8 * 3600 * S);
	close_window(&w, mono, (int64_t)(8 * 3600 * S));
	assert_int_equal(w.end_real, REAL + mono + 8 * 3600 * S);
	assert_int_equal(w.end_mono - w.start_mono, 60 * S);
}

static void a_clock_set_back_never_takes_times_back_and_is_reached_again(void **state)
{
	struct window_clock w;
	uint64_t mono = 0, end = 0, i;
	int64_t back = -(int64_t)(600 * S);

	(void)state;
	window_clock_begin(&w, mono, REAL);
	pass(&w, &mono, 60, 0);
	for (i = 0; i < 30; i++) {
		close_window(&w, mono, i ? back : 0);
		assert_true(w.end_real >= end);
		end = w.end_real;
		window_clock_next(&w);
		assert_int_equal(w.start_real, end);
		pass(&w, &mono, 60, back);
	}
	/* At half speed 600 s are made up for in 1200 s. */
	close_window(&w, mono, back);
	assert_int_equal(w.end_real, REAL + mono + (uint64_t)back);
}

static void samples_from_before_a_jump_are_not_before_those_already_stamped(void **state)
{
	struct window_clock w;
	uint64_t early;

	(void)state;
	window_clock_begin(&w, 0, REAL);
	early = window_clock_stamp(&w, 10 * S);
	window_clock_look(&w, 11 * S, REAL + 5 * S); /* set back by 6 s */
	assert_true(window_clock_stamp(&w, 10 * S + 1) >= early);
	assert_int_equal(window_clock_stamp(&w, 13 * S), REAL + 12 * S);
}

static void small_drift_does_not_bend_times_within_a_window(void **state)
{
	struct window_clock w;

	(void)state;
	window_clock_begin(&w, 0, REAL);
	window_clock_look(&w, 10 * S, REAL + 10 * S + 3 * MS);
	assert_int_equal(window_clock_stamp(&w, 10 * S), REAL + 10 * S);
	window_clock_look(&w, 20 * S, REAL + 20 * S - 3 * MS);
	assert_int_equal(window_clock_stamp(&w, 20 * S), REAL + 20 * S);
}

static void times_before_the_window_are_its_beginning(void **state)
{
	struct window_clock w;

	(void)state;
	window_clock_begin(&w, 10 * S, REAL);
	assert_int_equal(window_clock_stamp(&w, 0), REAL);
	window_clock_begin(&w, 10 * S, 5); /* a machine without a calendar clock */
	assert_int_equal(window_clock_stamp(&w, 0), 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(with_steady_clocks_windows_adjoin_and_times_are_exact),
		cmocka_unit_test(a_suspended_machine_finds_the_time_advanced_and_the_window_no_longer),
		cmocka_unit_test(a_clock_set_back_never_takes_times_back_and_is_reached_again),
		cmocka_unit_test(samples_from_before_a_jump_are_not_before_those_already_stamped),
		cmocka_unit_test(small_drift_does_not_bend_times_within_a_window),
		cmocka_unit_test(times_before_the_window_are_its_beginning),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

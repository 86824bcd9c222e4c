/* SPDX-License-Identifier: Apache-2.0 */
/* test_governor.c - when the rate goes down, and when it comes back. */
#include "collect/governor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define S UINT64_C(1000000000)

static const struct governor_config one_percent = {
	.limit_ppm = 10000, .interrupt_ns = 20000, .period = 1000000, .slow_period = 10000000};

/* A program that runs on one CPU; each sample costs the collector @handling_ns. */
struct load {
	struct governor_reading at;
	uint64_t handling_ns;
};

/* Go on for @s seconds, with a look each half. After how many it changed, 0: never. */
static double run(struct governor *g, struct load *l, unsigned s)
{
	uint64_t period, n;
	unsigned i;

	for (i = 1; i <= 2 * s; i++) {
		period = g->slow ? g->cfg.slow_period : g->cfg.period;
		n = S / 2 / period;
		l->at.target_ns += S / 2;
		l->at.interrupts += n;
		l->at.own_ns += n * l->handling_ns;
		if (governor_look(g, &l->at))
			return i / 2.0;
	}
	return 0;
}

static void a_cheap_program_is_left_alone(void **state)
{
	struct governor_config c = one_percent;
	struct load l = {.handling_ns = 20000};
	struct governor g;

	(void)state;
	c.period = 10101010; /* 99 Hz x 40 us: 0.4 % */
	governor_init(&g, &c);
	assert_true(run(&g, &l, 600) == 0);
	assert_in_range(g.ppm, 3800, 4000);
	assert_int_equal(g.changes, 0);
}

static void nothing_is_judged_before_some_seconds_of_cpu(void **state)
{
	struct load l = {.at.own_ns = 500000000, .handling_ns = 20000};
	struct governor g;
	double after;

	(void)state;
	governor_init(&g, &one_percent); /* 1000 Hz x 40 us: 4 % */
	after = run(&g, &l, 100);
	assert_true(after >= (double)(GOVERNOR_SKIP_NS + GOVERNOR_WINDOW_NS) / 1e9);
	assert_true(after <= (double)(GOVERNOR_SKIP_NS + GOVERNOR_WINDOW_NS) / 1e9 + 1);
	assert_true(g.slow);
}

static void what_the_beginning_costs_does_not_count(void **state)
{
	struct load l = {.at.own_ns = 0, .handling_ns = 0};
	struct governor_config c = one_percent;
	struct governor g;

	(void)state;
	c.interrupt_ns = 0;
	governor_init(&g, &c);
	l.at.own_ns = S; /* in the first second */
	l.at.target_ns = S;
	assert_false(governor_look(&g, &l.at));
	assert_true(run(&g, &l, 100) == 0);
	assert_int_equal(g.ppm, 0);
}

static void an_idle_program_is_not_judged(void **state)
{
	struct load l = {.at = {.target_ns = 2 * S}};
	struct governor g;
	int i;

	(void)state;
	governor_init(&g, &one_percent);
	for (i = 0; i < 100000; i++) {
		l.at.own_ns += S / 1000; /* looking at nothing */
		assert_false(governor_look(&g, &l.at));
	}
}

static void it_stays_slow_while_the_full_rate_would_cost_too_much(void **state)
{
	struct load l = {.handling_ns = 20000};
	struct governor g;

	(void)state;
	governor_init(&g, &one_percent);
	assert_true(run(&g, &l, 100) > 0);
	assert_true(run(&g, &l, 10000) == 0);
	assert_true(g.slow);
	assert_in_range(g.ppm, 3900, 4100);
}

static void it_comes_back_when_samples_became_cheap(void **state)
{
	struct load l = {.handling_ns = 20000};
	struct governor_config c = one_percent;
	struct governor g;

	(void)state;
	c.interrupt_ns = 5000;
	governor_init(&g, &c); /* 2.5 % */
	assert_true(run(&g, &l, 100) > 0);
	l.handling_ns = 1000; /* 0.6 % at the full rate */
	assert_true(run(&g, &l, 100) >= 8);
	assert_false(g.slow);
	assert_true(run(&g, &l, 1000) == 0);
}

static void each_time_it_was_wrong_it_waits_longer(void **state)
{
	struct load l = {.handling_ns = 20000};
	struct governor_config c = one_percent;
	struct governor g;
	double waited, before = 0;
	int i;

	(void)state;
	c.interrupt_ns = 1000;
	governor_init(&g, &c);
	for (i = 0; i < 6; i++) {
		l.handling_ns = 20000;
		assert_true(run(&g, &l, 100) > 0);
		assert_true(g.slow);
		l.handling_ns = 1000;
		waited = run(&g, &l, 1000);
		assert_true(waited >= 2 * before);
		assert_false(g.slow);
		before = waited;
	}
	for (i = 0; i < 10; i++) { /* but not for ever */
		l.handling_ns = 20000;
		run(&g, &l, 100);
		l.handling_ns = 1000;
		assert_true(run(&g, &l, 300) > 0);
	}
	assert_int_equal(g.changes, 32);
}

static void between_the_bounds_nothing_moves(void **state)
{
	struct load l = {.handling_ns = 0};
	struct governor_config c = one_percent;
	struct governor g;

	(void)state;
	c.interrupt_ns = 11000; /* 1.1 % */
	governor_init(&g, &c);
	assert_true(run(&g, &l, 100) > 0);
	g.cfg.interrupt_ns = 8500; /* 0.85 %: below the limit, but not by much */
	assert_true(run(&g, &l, 1000) == 0);
	g.cfg.interrupt_ns = 7000;
	assert_true(run(&g, &l, 1000) > 0);
	g.cfg.interrupt_ns = 9500;
	assert_true(run(&g, &l, 1000) == 0);
}

static void exporting_counts_for_the_window_it_was_for(void **state)
{
	struct load l = {.handling_ns = 0};
	struct governor_config c = one_percent;
	struct governor g;

	(void)state;
	c.interrupt_ns = 5000; /* 0.5 % */
	governor_init(&g, &c);
	governor_exported(&g, S / 10, S); /* too short a window to judge by */
	assert_int_equal(g.export_ppm, 0);
	governor_exported(&g, S / 10, 60 * S);
	assert_int_equal(g.export_ppm, 1666);
	assert_true(run(&g, &l, 100) == 0);
	governor_exported(&g, S * 6 / 10, 60 * S);
	assert_true(run(&g, &l, 100) > 0);
}

static void copying_deep_stacks_counts(void **state)
{
	struct governor_reading r = {.target_ns = S, .interrupts = 1000, .stack_bytes = 64000000};
	struct governor g;

	(void)state;
	governor_init(&g, &one_percent);
	assert_int_equal(governor_cost(&g, &r), 20000 + 8000);
	r.target_ns = 0;
	assert_int_equal(governor_cost(&g, &r), 0);
}

static void without_a_slower_rate_it_only_tells(void **state)
{
	struct load l = {.handling_ns = 20000};
	struct governor_config c = one_percent;
	struct governor g;

	(void)state;
	c.slow_period = 0;
	governor_init(&g, &c);
	assert_true(run(&g, &l, 100) == 0);
	assert_in_range(g.ppm, 39000, 41000);
}

static void a_change_that_is_refused_is_tried_again(void **state)
{
	struct load l = {.handling_ns = 20000};
	struct governor g;

	(void)state;
	governor_init(&g, &one_percent);
	assert_true(run(&g, &l, 100) > 0);
	governor_refused(&g);
	assert_false(g.slow);
	assert_int_equal(g.changes, 0);
	assert_true(run(&g, &l, 100) > 0);
	assert_true(g.slow);
}

static void the_slower_rate_fits_the_limit(void **state)
{
	struct governor_config c = one_percent;

	(void)state;
	c.period = 100000;
	assert_int_equal(governor_slow_period(&c, 20000), 8000000);
	c.limit_ppm = 1000;
	assert_int_equal(governor_slow_period(&c, 20000), 80000000);
	c.period = 10101010;
	c.limit_ppm = 10000;
	assert_int_equal(governor_slow_period(&c, 20000), 40404040);
	c.limit_ppm = 0;
	assert_int_equal(governor_slow_period(&c, 20000), 1000000000);
	c.period = 1000000000; /* 1 Hz */
	assert_int_equal(governor_slow_period(&c, 20000), 4000000000);
}

static void looks_close_together_keep_the_window(void **state)
{
	struct governor_reading r = {0};
	struct governor g;
	uint64_t i;

	(void)state;
	governor_init(&g, &one_percent);
	for (i = 0; i < 100000; i++) {
		r.target_ns += 100000; /* 10 s in all, and nothing costs anything */
		assert_false(governor_look(&g, &r));
		assert_true(g.n <= GOVERNOR_POINTS);
	}
	r.own_ns += S; /* at once */
	r.target_ns += 100000;
	assert_true(governor_look(&g, &r));
	assert_true(g.ppm > 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cheap_program_is_left_alone),
		cmocka_unit_test(nothing_is_judged_before_some_seconds_of_cpu),
		cmocka_unit_test(what_the_beginning_costs_does_not_count),
		cmocka_unit_test(an_idle_program_is_not_judged),
		cmocka_unit_test(it_stays_slow_while_the_full_rate_would_cost_too_much),
		cmocka_unit_test(it_comes_back_when_samples_became_cheap),
		cmocka_unit_test(each_time_it_was_wrong_it_waits_longer),
		cmocka_unit_test(between_the_bounds_nothing_moves),
		cmocka_unit_test(exporting_counts_for_the_window_it_was_for),
		cmocka_unit_test(copying_deep_stacks_counts),
		cmocka_unit_test(without_a_slower_rate_it_only_tells),
		cmocka_unit_test(a_change_that_is_refused_is_tried_again),
		cmocka_unit_test(the_slower_rate_fits_the_limit),
		cmocka_unit_test(looks_close_together_keep_the_window),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

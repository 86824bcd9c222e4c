/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_event_plan.c - which events a capture opens and how, and what is then
 * asked of the kernel. Software events only: they are the same on every machine.
 */
#include "collect/event_plan.h"
#include "collect/perf_private.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct event_list list;
static struct event_plan plan;

static void plans(const char *text)
{
	char why[512] = "";

	event_list_release(&list);
	list.lenient = true;
	assert_int_equal(event_list_parse(&list, text, why, sizeof(why)), 0);
	event_plan_make(&plan, &list, 99, true);
}

static int teardown(void **state)
{
	(void)state;
	event_list_release(&list);
	return 0;
}

static bool perf_is_refused(void)
{
	struct perf_event_attr attr = event_default()->attr;
	int fd;

	attr.exclude_kernel = 1;
	fd = perf_open(&attr, 0, -1, -1);
	if (fd >= 0)
		close(fd);
	return fd < 0;
}

static void nothing_asked_for_is_cpu_time(void **state)
{
	(void)state;
	event_plan_make(&plan, NULL, 100, true);
	assert_int_equal(plan.n, 1);
	assert_true(plan.events[0].event->cpu_time);
	assert_int_equal(plan.events[0].period, 10000000);
	assert_false(plan.replaced);
	assert_int_equal(plan.refused, 0);
}

static void a_clock_leads_wherever_it_stands(void **state)
{
	(void)state;
	if (perf_is_refused())
		skip();
	plans("page-faults,major-faults,task-clock,freq=1000");
	assert_int_equal(plan.n, 3);
	assert_string_equal(plan.events[0].event->name, "task-clock");
	assert_int_equal(plan.events[0].period, 1000000);
	assert_string_equal(plan.events[1].event->name, "page-faults");
	assert_string_equal(plan.events[2].event->name, "major-faults");
	plans("page-faults,major-faults");
	assert_string_equal(plan.events[0].event->name, "page-faults");
	assert_false(plan.replaced);
}

static void rates_are_what_the_kernel_keeps(void **state)
{
	(void)state;
	if (perf_is_refused())
		skip();
	plans("page-faults,minor-faults,period=7,major-faults,task-clock,period=5");
	assert_int_equal(plan.events[0].period, 10000); /* its timers do no less */
	assert_int_equal(plan.events[1].period, EVENT_PLAN_NTH);
	assert_int_equal(plan.events[2].period, 7);
	assert_int_equal(plan.events[3].period, 1);
}

static void what_is_refused_takes_its_group_with_it(void **state)
{
	uint32_t i;

	(void)state;
	if (perf_is_refused())
		skip();
	plans("{page-faults,sched:sched_switch},minor-faults");
	/* Not readable as an ordinary user; as root the tracepoint may be had. */
	for (i = 0; i < plan.n && !plan.events[i].err; i++)
		;
	if (i == plan.n)
		skip();
	assert_string_equal(plan.events[0].event->name, "minor-faults");
	assert_int_not_equal(plan.events[1].err, 0);
	assert_non_null(strstr(plan.events[1].why, "its group is refused: 'sched:sched_switch'"));
	assert_int_not_equal(plan.events[2].err, 0);
	assert_int_equal(plan.refused, 2);
}

static void with_nothing_left_cpu_time_is_put_in_front(void **state)
{
	(void)state;
	if (perf_is_refused())
		skip();
	plans("task-clock");
	/* As on a machine that has it not. */
	list.events[0].err = -ENODEV;
	list.events[0].refused = strdup("gone");
	event_plan_make(&plan, &list, 99, true);
	assert_int_equal(plan.n, 2);
	assert_true(plan.replaced);
	assert_ptr_equal(plan.events[0].event, event_default());
	assert_string_equal(plan.events[1].why, "gone");
}

static void groups_know_their_leader(void **state)
{
	(void)state;
	if (perf_is_refused())
		skip();
	plans("minor-faults,{page-faults,major-faults},{alignment-faults,task-clock}");
	assert_string_equal(plan.events[0].event->name, "task-clock");
	assert_true(plan.events[0].grouped);
	assert_int_equal(plan.events[0].leader, 0);
	assert_false(plan.events[1].grouped);
	assert_int_equal(plan.events[2].leader, 2);
	assert_int_equal(plan.events[3].leader, 2);
	assert_int_equal(plan.events[4].leader, 0);
	event_plan_refuse(&plan, 4, -EINVAL);
	assert_int_equal(plan.events[0].err, 0);
	assert_false(plan.events[0].grouped);
	event_plan_refuse(&plan, 2, -EINVAL);
	assert_int_equal(plan.events[2].err, -EINVAL);
	assert_int_equal(plan.events[3].err, -EINVAL);
	assert_int_equal(plan.refused, 3);
}

static void timers_leave_cpu_time_only(void **state)
{
	(void)state;
	if (perf_is_refused())
		skip();
	plans("page-faults");
	event_plan_only_time(&plan, 50, "timers");
	assert_int_equal(plan.n, 2);
	assert_true(plan.events[0].event->cpu_time);
	assert_int_equal(plan.events[0].period, 20000000);
	assert_string_equal(plan.events[1].why, "timers");
	assert_int_equal(plan.refused, 1);
}

static void optional_events_are_left_out_without_being_counted_as_refused(void **state)
{
	(void)state;
	if (perf_is_refused())
		skip();
	plans("task-clock,page-faults,minor-faults");
	list.events[1].optional = true;
	event_plan_drop_optional(&plan);
	assert_int_not_equal(plan.events[1].err, 0);
	assert_int_equal(plan.events[2].err, 0);
	assert_int_equal(plan.refused, 0);
}

/* ---- what the kernel is asked for ---- */

static struct perf_event_attr filled(uint32_t event, int size, bool on_exec)
{
	struct perf p = {.opt = {.plan = &plan, .count_lost = true},
			 .sample_layout = {.sample_type = PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_TIME |
							  PERF_SAMPLE_PERIOD},
			 .sizes = {65528, 16376},
			 .further_size = 8184};
	struct perf_event_attr attr;

	perf_fill(&p, &attr, event, size, on_exec);
	return attr;
}

static void attributes_say_how_each_is_sampled(void **state)
{
	struct perf_event_attr a;

	(void)state;
	if (perf_is_refused())
		skip();
	plans("task-clock,page-faults,period=50,{minor-faults:u,major-faults}");
	a = filled(0, 0, true);
	assert_true(a.disabled && a.enable_on_exec && a.inherit && a.use_clockid);
	assert_int_equal(a.sample_period, 1000000000 / 99);
	assert_false(a.freq);
	assert_int_equal(a.sample_stack_user, 65528);
	assert_true(a.sample_type & PERF_SAMPLE_PERIOD);
	assert_int_equal(a.read_format & 3, 3);
	a = filled(0, 1, true);
	assert_true(a.disabled && !a.enable_on_exec);
	a = filled(1, PERF_FURTHER, false);
	assert_false(a.disabled);
	assert_int_equal(a.config, PERF_COUNT_SW_PAGE_FAULTS);
	assert_int_equal(a.sample_period, 50);
	assert_int_equal(a.sample_stack_user, 8184);
	/* With its period in the sample the kernel would make each single fault one. */
	assert_int_equal(a.sample_type & (PERF_SAMPLE_PERIOD | PERF_SAMPLE_ADDR), PERF_SAMPLE_ADDR);
	a = filled(1, PERF_USER_PART, true);
	assert_true(a.exclude_kernel && a.disabled && a.enable_on_exec);
	assert_int_equal(a.sample_period, 0);
	assert_int_equal(a.sample_type, 0);
	/* A group begins with its leader. */
	a = filled(2, PERF_FURTHER, false);
	assert_true(a.disabled && a.exclude_kernel && !a.exclude_user);
	a = filled(3, PERF_FURTHER, true);
	assert_true(!a.disabled && !a.enable_on_exec);
	a = filled(0, PERF_SIDE_BAND, true);
	assert_true(a.mmap2 && a.comm && a.task && a.config == PERF_COUNT_SW_TASK_CLOCK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_asked_for_is_cpu_time),
		cmocka_unit_test(a_clock_leads_wherever_it_stands),
		cmocka_unit_test(rates_are_what_the_kernel_keeps),
		cmocka_unit_test(what_is_refused_takes_its_group_with_it),
		cmocka_unit_test(with_nothing_left_cpu_time_is_put_in_front),
		cmocka_unit_test(groups_know_their_leader),
		cmocka_unit_test(timers_leave_cpu_time_only),
		cmocka_unit_test(optional_events_are_left_out_without_being_counted_as_refused),
		cmocka_unit_test(attributes_say_how_each_is_sampled),
	};

	return cmocka_run_group_tests_name("event plan", tests, NULL, teardown);
}

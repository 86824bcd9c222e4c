/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_perf_count.c - totals of counters that took turns, on machines that have none.
 *
 * What the kernel would answer to a read comes from a pipe, in the shape of
 * PERF_FORMAT_TOTAL_TIME_ENABLED | _RUNNING | PERF_FORMAT_LOST (perf_event_open(2)).
 */
#include "collect/perf_private.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define EVENTS_MAX 16

static struct event cycles = {.name = "cycles", .attr = {.type = PERF_TYPE_HARDWARE}};
static struct event faults = {.name = "page-faults",
			      .attr = {.type = PERF_TYPE_SOFTWARE, .config = PERF_COUNT_SW_PAGE_FAULTS}};
static struct event_plan plan;
static struct fd_event events[EVENTS_MAX];
static struct task tasks[2];
static uint64_t ran[2];
static struct perf perf;
static struct perf_counts counts;

static void begin(void)
{
	plan = (struct event_plan){.n = 3};
	plan.events[0] = (struct planned_event){.event = event_default(), .sampled = true};
	plan.events[1] = (struct planned_event){.event = &cycles, .sampled = true, .user_part = true};
	plan.events[2] = (struct planned_event){.event = &faults, .sampled = true};
	perf = (struct perf){
		.opt = {.plan = &plan}, .n_cpus = 2, .events = events, .tasks = tasks, .ran = ran};
}

static void task(void)
{
	tasks[perf.n_tasks++] = (struct task){.tid = 1, .first = perf.n};
}

/* An event of the last task whose next read says this. */
static void says(uint32_t cpu, uint32_t event, int size, uint64_t value, uint64_t enabled, uint64_t running,
		 uint64_t lost)
{
	uint64_t v[4] = {value, enabled, running, lost};
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], v, sizeof(v)), sizeof(v));
	close(fds[1]);
	events[perf.n++] = (struct fd_event){
		.fd = fds[0], .cpu = cpu, .task = perf.n_tasks - 1, .size = size, .event = event};
	tasks[perf.n_tasks - 1].n++;
}

static void count(void)
{
	uint32_t i;

	perf_count(&perf, &counts);
	for (i = 0; i < perf.n; i++)
		close(events[i].fd);
}

static void a_counter_that_took_turns_is_scaled_by_the_time_its_tasks_ran(void **state)
{
	(void)state;
	begin();
	task();
	/* It ran 600 on one CPU and 400 on the other; every event is enabled all the 1000. */
	says(0, 0, PERF_SIDE_BAND, 600, 1000, 600, 0);
	says(1, 0, PERF_SIDE_BAND, 400, 1000, 400, 0);
	says(0, 1, PERF_FURTHER, 3000, 1000, 300, 2);
	says(1, 1, PERF_FURTHER, 2000, 1000, 200, 3);
	says(0, 1, PERF_USER_PART, 1500, 1000, 300, 0);
	says(1, 1, PERF_USER_PART, 1000, 1000, 200, 0);
	count();
	assert_int_equal(counts.cpu_time, 1000);
	assert_int_equal(counts.events[1].enabled, 1000);
	assert_int_equal(counts.events[1].running, 500);
	assert_int_equal(counts.events[1].value, 10000);
	assert_int_equal(counts.events[1].user, 5000);
	assert_int_equal(counts.events[1].lost, 5);
	assert_true(counts.events[1].counted && counts.events[1].counted_user);
}

static void one_that_had_a_counter_all_the_time_is_exact(void **state)
{
	(void)state;
	begin();
	task();
	says(0, 0, PERF_SIDE_BAND, 600, 1000, 600, 0);
	says(1, 0, PERF_SIDE_BAND, 400, 1000, 400, 0);
	says(0, 1, PERF_FURTHER, 3001, 1000, 600, 0);
	says(1, 1, PERF_FURTHER, 2002, 1000, 400, 0);
	/* Software is never scaled, opened a little later or not. */
	says(0, 2, PERF_FURTHER, 7, 1000, 590, 0);
	says(1, 2, PERF_FURTHER, 8, 1000, 390, 0);
	count();
	assert_int_equal(counts.events[1].value, 5003);
	assert_int_equal(counts.events[1].running, counts.events[1].enabled);
	assert_int_equal(counts.events[2].value, 15);
	assert_int_equal(counts.events[2].running, counts.events[2].enabled);
}

static void one_that_never_had_a_counter_has_no_total(void **state)
{
	(void)state;
	begin();
	task();
	says(0, 0, PERF_SIDE_BAND, 600, 600, 600, 0);
	says(0, 1, PERF_FURTHER, 0, 600, 0, 0);
	count();
	assert_false(counts.events[1].counted);
	assert_false(counts.events[1].counted_user);
	/* One of a task that never ran has one: none. */
	begin();
	task();
	says(0, 0, PERF_SIDE_BAND, 0, 0, 0, 0);
	says(0, 1, PERF_FURTHER, 0, 0, 0, 0);
	count();
	assert_true(counts.events[1].counted);
	assert_int_equal(counts.events[1].value, 0);
}

static void tasks_and_what_was_closed_add_up(void **state)
{
	(void)state;
	begin();
	perf.closed_lost[1] = 10;
	task();
	says(0, 0, PERF_SIDE_BAND, 100, 100, 100, 0);
	says(0, 0, 0, 100, 100, 50, 1);
	says(0, 0, 1, 100, 100, 50, 1);
	says(0, 1, PERF_FURTHER, 11, 100, 100, 1);
	task();
	says(1, 0, PERF_SIDE_BAND, 200, 200, 200, 0);
	says(1, 1, PERF_FURTHER, 22, 200, 200, 2);
	count();
	/* CPU time comes from the side-band's clock, whichever size samples. */
	assert_int_equal(counts.events[0].value, 300);
	assert_int_equal(counts.events[0].enabled, 300);
	assert_int_equal(counts.events[0].lost, 2);
	assert_int_equal(counts.events[1].value, 33);
	assert_int_equal(counts.events[1].lost, 13);
}

static void large_counts_are_scaled_without_overflow(void **state)
{
	(void)state;
	begin();
	task();
	says(0, 0, PERF_SIDE_BAND, UINT64_C(1) << 60, UINT64_C(1) << 60, UINT64_C(1) << 60, 0);
	says(0, 1, PERF_FURTHER, UINT64_C(1) << 61, UINT64_C(1) << 60, UINT64_C(1) << 59, 0);
	count();
	assert_true(counts.events[1].value == UINT64_C(1) << 62);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_counter_that_took_turns_is_scaled_by_the_time_its_tasks_ran),
		cmocka_unit_test(one_that_had_a_counter_all_the_time_is_exact),
		cmocka_unit_test(one_that_never_had_a_counter_has_no_total),
		cmocka_unit_test(tasks_and_what_was_closed_add_up),
		cmocka_unit_test(large_counts_are_scaled_without_overflow),
	};

	return cmocka_run_group_tests_name("perf count", tests, NULL, NULL);
}

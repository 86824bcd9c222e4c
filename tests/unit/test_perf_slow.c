/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_perf_slow.c - the class of events with the longer period, on a process of our own:
 * switched on and off for it and the thread it starts, without counting time twice.
 */
#include "collect/order.h"
#include "collect/perf.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define PERIOD 1000000u /* ns */
#define SLOW   8000000u
#define PHASE  UINT64_C(300000000) /* of CPU time, of each thread */

static struct {
	struct event_plan plan;
	struct perf *perf;
	int to_child[2], to_us[2];
	pid_t child;
} x;

static uint64_t spent(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void *spin(void *arg)
{
	uint64_t begin = spent();
	volatile int i;

	/* Rarely asked: time in the kernel is counted, and not sampled. */
	while (spent() - begin < PHASE)
		for (i = 0; i < 100000; i++)
			;
	return arg;
}

/* At each byte it is sent: a phase in two threads, and a byte back. */
static void be_child(void)
{
	pthread_t t;
	char c;

	close(x.to_child[1]);
	while (read(x.to_child[0], &c, 1) == 1) {
		if (pthread_create(&t, NULL, spin, NULL))
			_exit(1);
		spin(NULL);
		pthread_join(t, NULL);
		if (write(x.to_us[1], &c, 1) != 1)
			_exit(1);
	}
	_exit(0);
}

static void phase(void)
{
	char c = 0;

	assert_int_equal(write(x.to_child[1], &c, 1), 1);
	assert_int_equal(read(x.to_us[0], &c, 1), 1);
}

static int setup(void **state)
{
	struct perf_options opt = {
		.plan = &x.plan, .slow_period = SLOW, .slow_on_many_cpus = true, .stack_size = 1024};

	(void)state;
	event_plan_make(&x.plan, NULL, 1000000000u / PERIOD, true);
	assert_int_equal(pipe(x.to_child) | pipe(x.to_us), 0);
	x.child = fork();
	if (!x.child)
		be_child();
	close(x.to_child[0]);
	assert_int_equal(perf_new(&x.perf, &opt), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	close(x.to_child[1]);
	waitpid(x.child, NULL, 0);
	perf_free(x.perf);
	return 0;
}

struct seen {
	uint32_t full, slow, other;
	uint64_t sum; /* of the periods */
};

static struct seen take(struct order *o)
{
	struct order_source *from;
	struct seen s = {0};
	struct record rec;

	order_begin(o, UINT64_MAX);
	while (order_next(o, &rec, &from)) {
		if (rec.kind != RECORD_SAMPLE)
			continue;
		s.full += rec.u.sample.period == PERIOD;
		s.slow += rec.u.sample.period == SLOW;
		s.other += rec.u.sample.period != PERIOD && rec.u.sample.period != SLOW;
		s.sum += rec.u.sample.period;
	}
	return s;
}

static void time_is_sampled_at_one_of_the_rates_at_a_time(void **state)
{
	struct order_source *sources;
	struct perf_counts counts;
	struct seen s[4];
	struct order *o;
	uint64_t sum = 0;
	uint32_t n, i;
	int err = perf_open_task(x.perf, x.child, false);

	(void)state;
	if (err) {
		print_message("# perf events: %s\n", strerror(-err));
		skip();
	}
	sources = perf_sources(x.perf, &n);
	assert_int_equal(order_new(&o, sources, n), 0);
	for (i = 0; i < 4; i++) {
		phase();
		s[i] = take(o);
		sum += s[i].sum;
		print_message("# phase %u: %u full, %u slow\n", i, s[i].full, s[i].slow);
		if (i < 2)
			assert_true(perf_slow(x.perf, i == 0, 2)); /* slow, and back */
	}
	assert_true(s[0].full > 100 && !s[0].slow);
	assert_true(s[1].slow > 10 && !s[1].full);
	assert_true(s[2].full > 100 && !s[2].slow);
	assert_true(s[3].full > 100 && !s[3].slow);
	perf_count(x.perf, &counts);
	/* Of each change the begun periods are missing, and nothing is there twice. */
	assert_true(sum <= counts.cpu_time + 8 * SLOW);
	assert_true(sum + counts.cpu_time / 10 + 16 * SLOW >= counts.cpu_time);
	order_free(o);
}

static void what_is_not_there_is_not_switched(void **state)
{
	(void)state;
	if (!perf_cpus(x.perf) || !perf_stack_size(x.perf))
		skip();                                 /* no events: see above */
	assert_false(perf_slow(x.perf, false, 2));      /* it is so already */
	assert_false(perf_slow(x.perf, true, 1000000)); /* too many would stand still meanwhile */
	assert_true(perf_slow(x.perf, true, 2));
	assert_false(perf_slow(x.perf, true, 2));
	perf_disable(x.perf);
	assert_false(perf_slow(x.perf, false, 2)); /* nothing begins again */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(time_is_sampled_at_one_of_the_rates_at_a_time),
		cmocka_unit_test(what_is_not_there_is_not_switched),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * threads.c - what inherited events cost a program that creates threads.
 *
 * Opens on itself what the profiler would open on a machine of N CPUs (by
 * opening it again and again on the CPUs there are: the kernel clones each
 * event into each new thread all the same), then times thread creation and join.
 * Prints "N microseconds" for each N given.
 */
#include "base/io.h"
#include "collect/perf.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 2000

static void *nothing(void *arg)
{
	return arg;
}

static double create_join_us(void)
{
	uint64_t begin = io_clock_ns(CLOCK_MONOTONIC);
	pthread_t t;
	int i;

	for (i = 0; i < ROUNDS; i++)
		if (!pthread_create(&t, NULL, nothing, NULL))
			pthread_join(t, NULL);
	return (double)(io_clock_ns(CLOCK_MONOTONIC) - begin) / 1e3 / ROUNDS;
}

static int measure(unsigned cpus)
{
	struct event_plan plan;
	struct perf_options opt = {
		.plan = &plan,
		.slow_period = cpus > PERF_SLOW_CPUS_MAX ? 0 : 40000000, /* the governor's */
		.stack_size = cpus > PERF_SIZES_CPUS_MAX ? 8184 : 0, /* as perf.c chooses on such a machine */
	};
	struct perf *perf;
	unsigned open = 0;
	int err;

	event_plan_make(&plan, NULL, 99, true);
	err = perf_new(&perf, &opt);
	while (!err && open < cpus) {
		err = perf_open_task(perf, (pid_t)getpid(), false);
		open += perf_cpus(perf);
	}
	if (err)
		fprintf(stderr, "opening events for %u CPUs: %s\n", cpus, strerror(-err));
	else
		printf("%u %.1f\n", cpus, create_join_us());
	perf_free(perf);
	return err;
}

int main(int argc, char **argv)
{
	int i, err = 0;

	printf("0 %.1f\n", create_join_us());
	for (i = 1; i < argc && !err; i++)
		err = measure((unsigned)atoi(argv[i]));
	return err != 0;
}

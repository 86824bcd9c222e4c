/* SPDX-License-Identifier: Apache-2.0 */
/*
 * late_threads.c - a process to attach to: starts with four busy threads, then
 * keeps one more generation of short-lived ones coming. Says "ready" when the
 * first ones run. Ends by itself after the seconds given, printing the CPU
 * seconds it used.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static atomic_bool stop;
static volatile uint64_t sink;

static double clock_s(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

__attribute__((noinline)) static void spin_early(void)
{
	for (int i = 0; i < 1000; i++)
		sink = sink * 3 + 1;
}

__attribute__((noinline)) static void spin_late(void)
{
	for (int i = 0; i < 1000; i++)
		sink = sink * 5 + 1;
}

static void *early(void *arg)
{
	pthread_setname_np(pthread_self(), "early");
	while (!stop)
		spin_early();
	return arg;
}

static void *late(void *arg)
{
	double end = clock_s(CLOCK_THREAD_CPUTIME_ID) + 0.05;

	pthread_setname_np(pthread_self(), "late");
	while (!stop && clock_s(CLOCK_THREAD_CPUTIME_ID) < end)
		spin_late();
	return arg;
}

int main(int argc, char **argv)
{
	double end = clock_s(CLOCK_MONOTONIC) + (argc > 1 ? atof(argv[1]) : 5);
	pthread_t first[4], t;

	for (int i = 0; i < 4; i++)
		pthread_create(&first[i], NULL, early, NULL);
	puts("ready");
	fflush(stdout);
	while (clock_s(CLOCK_MONOTONIC) < end) {
		pthread_create(&t, NULL, late, NULL);
		pthread_join(t, NULL);
	}
	stop = 1;
	for (int i = 0; i < 4; i++)
		pthread_join(first[i], NULL);
	printf("cpu %.3f\n", clock_s(CLOCK_PROCESS_CPUTIME_ID));
	return 0;
}

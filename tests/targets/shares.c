/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shares.c - spends 50, 30 and 20 % of its CPU time, by its own clock, in three
 * functions, in turns far shorter than a sampling period. Argument: CPU seconds.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static volatile uint64_t sink;

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* Not inlined, and each with arithmetic of its own so that they are not merged. */
#define WORKER(name, op)                                                                                     \
	__attribute__((noinline)) static void name(void)                                                     \
	{                                                                                                    \
		uint64_t x = sink;                                                                           \
		for (int i = 0; i < 20000; i++)                                                              \
			x = (x op i)*6364136223846793005u + 1;                                               \
		sink = x;                                                                                    \
	}

WORKER(half, +)
WORKER(third, ^)
WORKER(fifth, -)

static void spend(void (*work)(void), uint64_t *spent, uint64_t share)
{
	uint64_t begin = now(), t;

	do {
		work();
		t = now();
	} while (t - begin < share);
	*spent += t - begin;
}

int main(int argc, char **argv)
{
	uint64_t total = (uint64_t)((argc > 1 ? atof(argv[1]) : 4) * 1e9), spent[3] = {0}, all;

	while (now() < total) {
		spend(half, &spent[0], 2500000);
		spend(third, &spent[1], 1500000);
		spend(fifth, &spent[2], 1000000);
	}
	all = spent[0] + spent[1] + spent[2];
	printf("half %.2f\nthird %.2f\nfifth %.2f\n", 100.0 * (double)spent[0] / (double)all,
	       100.0 * (double)spent[1] / (double)all, 100.0 * (double)spent[2] / (double)all);
	return 0;
}

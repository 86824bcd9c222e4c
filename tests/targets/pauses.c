/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pauses.c - how long the program was kept from running, by its own clock: it
 * looks at it all the time, for the seconds given, and prints how many gaps of
 * 5 us and more there were a second, the microseconds they took a second, and
 * the median and the 99th percentile of them.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define GAP_NS   5000u
#define GAPS_MAX 1000000u

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static int by_length(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	static double gaps[GAPS_MAX];
	double seconds = argc > 1 ? atof(argv[1]) : 1, sum = 0;
	uint64_t begin = now(), last = begin, t;
	unsigned n = 0;

	do {
		t = now();
		if (t - last >= GAP_NS && n < GAPS_MAX) {
			gaps[n] = (double)(t - last) / 1e3;
			sum += gaps[n++];
		}
		last = t;
	} while ((double)(t - begin) < seconds * 1e9);
	qsort(gaps, n, sizeof(*gaps), by_length);
	printf("gaps-per-second %.1f\nus-per-second %.1f\ngap-median-us %.1f\ngap-p99-us %.1f\n", n / seconds,
	       sum / seconds, n ? gaps[n / 2] : 0, n ? gaps[n * 99 / 100] : 0);
	return 0;
}

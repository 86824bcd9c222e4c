/* SPDX-License-Identifier: Apache-2.0 */
/*
 * two_costs.c - two functions, of which one has all the page faults in a tenth of the time.
 *
 *	two_costs FAULTS [SWITCHES [MOVES]]
 *
 * faulty() touches FAULTS fresh pages one by one, busy() computes nine times as
 * long meanwhile and touches none. Then SWITCHES sleeps, and MOVES changes of
 * the CPU. At the end it prints, a line each: "faults N" (of faulty(), exactly), "share P" (of its CPU time,
 * in per cent), "moves N".
 */
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define ROUND 500 /* pages touched in a row */

static volatile uint64_t sink;

static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

__attribute__((noinline)) static void busy(uint64_t until)
{
	uint64_t v = sink, i;

	while (cpu_ns() < until)
		for (i = 0; i < 20000; i++)
			v = v * 6364136223846793005u + 1442695040888963407u;
	sink = v;
}

/* Returns how many pages it touched. */
__attribute__((noinline)) static long faulty(long n, size_t page)
{
	volatile char *p =
		mmap(NULL, (size_t)n * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	long i;

	if (p == MAP_FAILED)
		return 0;
	(void)madvise((void *)p, (size_t)n * page, MADV_NOHUGEPAGE);
	for (i = 0; i < n; i++)
		p[(size_t)i * page] = 1;
	munmap((void *)p, (size_t)n * page);
	return n;
}

static void sleeps(long n)
{
	const struct timespec t = {0, 20000};

	while (n-- > 0)
		nanosleep(&t, NULL);
}

static long moves(long n)
{
	long done = 0, tries = 0;
	cpu_set_t all, one;
	int cpu = 0;

	if (sched_getaffinity(0, sizeof(all), &all) || CPU_COUNT(&all) < 2)
		return 0;
	while (done < n && tries++ < 100 * n) {
		do
			cpu = (cpu + 1) % CPU_SETSIZE;
		while (!CPU_ISSET(cpu, &all));
		if (cpu == sched_getcpu())
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		done += !sched_setaffinity(0, sizeof(one), &one);
	}
	return done;
}

int main(int argc, char **argv)
{
	long want = argc > 1 ? atol(argv[1]) : 0, done = 0, n, moved;
	uint64_t begin, spent = 0, all = cpu_ns();
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	while (done < want) {
		n = want - done < ROUND ? want - done : ROUND;
		begin = cpu_ns();
		done += faulty(n, page);
		spent += cpu_ns() - begin;
		busy(all + spent * 10);
	}
	all = cpu_ns() - all;
	sleeps(argc > 2 ? atol(argv[2]) : 0);
	moved = moves(argc > 3 ? atol(argv[3]) : 0);
	printf("faults %ld\nshare %.2f\nmoves %ld\n", done, all ? 100.0 * (double)spent / (double)all : 0.0,
	       moved);
	return 0;
}

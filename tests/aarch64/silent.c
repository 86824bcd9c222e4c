/* SPDX-License-Identifier: Apache-2.0 */
/*
 * silent.c - a third of all instructions in once(), two thirds in twice(), and
 * no system call between start and end.
 *
 * For tests/aarch64/pmu: the emulated counter of instructions overflows in time
 * only while nothing enters the kernel; before a system call that comes first,
 * its sample is taken there (seen: 80 % of a program's instructions in
 * el0_svc_common, while its cycles were where they belong).
 * Turns are of changing length, so that no sampling period fits them.
 * Argument: instructions, in millions.
 */
#include <stdint.h>
#include <stdlib.h>

#define PER_ROUND 4 /* instructions of one round of the loop, all in all */

static volatile uint64_t sink;

#define WORKER(name, constant)                                                                               \
	__attribute__((noinline)) static void name(uint64_t rounds)                                          \
	{                                                                                                    \
		uint64_t x = sink;                                                                           \
                                                                                                             \
		while (rounds--) {                                                                           \
			x += constant;                                                                       \
			__asm__ volatile("" : "+r"(x));                                                      \
		}                                                                                            \
		sink = x;                                                                                    \
	}

WORKER(once, 3)
WORKER(twice, 5)

int main(int argc, char **argv)
{
	uint64_t left = (argc > 1 ? strtoull(argv[1], NULL, 10) : 100) * 1000000 / PER_ROUND, seed = 1, n;

	while (left > 100000) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		n = 1000 + (seed >> 33) % 10000;
		once(n);
		twice(2 * n);
		left -= 3 * n;
	}
	return 0;
}

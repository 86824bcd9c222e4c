/* SPDX-License-Identifier: Apache-2.0 */
/*
 * known_chain.c - a program whose stacks prove themselves.
 *
 *   known_chain SECONDS plain|deep|alternate
 *
 * main calls through 24 levels, each one of four functions by the next two bits
 * of a number that changes each time; then, behind what the mode names, through
 * 8 levels chosen by a checksum of that number; then spins. A stack put together
 * from two moments has a wrong checksum, but for one in 65536.
 *
 *   deep       a frame of 100 KB in between: more than a stack copy holds
 *   alternate  the check levels run in a signal handler on an alternate stack
 */
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LEVELS 24
#define CHECKS 8
#define BIG    (100 << 10)

typedef void level(unsigned n);

static level data_0, data_1, data_2, data_3, check_0, check_1, check_2, check_3;
static level *const data_level[4] = {data_0, data_1, data_2, data_3};
static level *const check_level[4] = {check_0, check_1, check_2, check_3};

static uint64_t number;
static uint32_t checksum;
static volatile uint64_t sink;
static void (*middle)(void);

/* The checker computes the same from the stack: tests/truth/known_chain.c. */
static uint32_t checksum_of(uint64_t n)
{
	uint32_t x = 1;
	unsigned i;

	for (i = 0; i < LEVELS; i++)
		x = x * 2654435761u + (uint32_t)(n >> 2 * i & 3) + 1;
	return x >> 16;
}

__attribute__((noinline)) static void spin(unsigned n)
{
	while (n--)
		sink = sink * 3 + n;
}

__attribute__((noinline)) static void next_check(unsigned n)
{
	if (n < CHECKS)
		check_level[checksum >> 2 * n & 3](n);
	else
		spin(100000);
	sink++;
}

__attribute__((noinline)) static void next_data(unsigned n)
{
	if (n < LEVELS)
		data_level[number >> 2 * n & 3](n);
	else
		middle();
	sink++;
}

#define LEVEL(name, go_on)                                                                                   \
	__attribute__((noinline, noclone)) static void name(unsigned n)                                      \
	{                                                                                                    \
		volatile uint32_t here[4] = {n, n, n, n};                                                    \
		go_on(n + 1);                                                                                \
		sink += here[n & 3];                                                                         \
	}
LEVEL(data_0, next_data)
LEVEL(data_1, next_data)
LEVEL(data_2, next_data)
LEVEL(data_3, next_data)
LEVEL(check_0, next_check)
LEVEL(check_1, next_check)
LEVEL(check_2, next_check)
LEVEL(check_3, next_check)

__attribute__((noinline)) static void plain(void)
{
	next_check(0);
	sink++;
}

__attribute__((noinline)) static void deep(void)
{
	volatile char big[BIG];

	big[sink % BIG] = 1;
	next_check(0);
	sink += (uint64_t)big[0];
}

static void handler(int sig)
{
	(void)sig;
	next_check(0);
	sink++;
}

__attribute__((noinline)) static void alternate(void)
{
	raise(SIGUSR2);
	sink++;
}

int main(int argc, char **argv)
{
	static char stack[1 << 16];
	stack_t ss = {.ss_sp = stack, .ss_size = sizeof(stack)};
	struct sigaction sa = {.sa_handler = handler, .sa_flags = SA_ONSTACK};
	const char *mode = argc > 2 ? argv[2] : "plain";
	clock_t end = clock() + (clock_t)((argc > 1 ? atof(argv[1]) : 1) * CLOCKS_PER_SEC);

	middle = !strcmp(mode, "deep") ? deep : !strcmp(mode, "alternate") ? alternate : plain;
	sigaltstack(&ss, NULL);
	sigaction(SIGUSR2, &sa, NULL);
	for (number = 1; clock() < end;) {
		number = number * 6364136223846793005u + 1442695040888963407u;
		checksum = checksum_of(number);
		next_data(0);
	}
	return 0;
}

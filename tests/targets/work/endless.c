/* SPDX-License-Identifier: Apache-2.0 */
/* endless.c - a loop that never returns, some calls deep, which calls what does not align its stack. Ends by
 * a signal. */
#include <unistd.h>

volatile unsigned long sum;

__attribute__((noinline)) void burn(void)
{
	unsigned long i;

	for (i = 0; i < 10000000; i++)
		sum += i;
}

__attribute__((noinline)) void unaligned(void)
{
	burn();
	sum++;
}

__attribute__((noinline)) void endless(long n)
{
	volatile long kept[4] = {n, 0, 0, 0};

	for (;;) {
		unaligned();
		sum += (unsigned long)kept[0];
	}
}

__attribute__((noinline)) void begin(long n)
{
	endless(n + 1);
	sum++;
}

int main(int argc, char **argv)
{
	(void)argv;
	alarm(2);
	begin(argc);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * odd_stacks.c - CPU time where stacks are odd: in signal handlers (on the
 * normal and on an alternate stack), in the vdso, in PLT stubs, in a frame with
 * alloca, and in qsort's callbacks. Arguments: CPU seconds, and "alternate" for
 * handlers on the alternate stack.
 */
#include <alloca.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static volatile uint64_t sink;

__attribute__((noinline)) static void spin(unsigned n)
{
	while (n--)
		sink = sink * 3 + n;
}

static void handler(int sig)
{
	(void)sig;
	spin(200000);
}

static int compare(const void *a, const void *b)
{
	spin(20);
	return *(const int *)a - *(const int *)b;
}

__attribute__((noinline)) static void with_alloca(size_t n)
{
	volatile char *p = alloca(n);

	memset((void *)p, 1, n);
	spin(100000 + (unsigned)p[n / 2]);
}

int main(int argc, char **argv)
{
	clock_t end = clock() + (clock_t)((argc > 1 ? atof(argv[1]) : 2) * CLOCKS_PER_SEC);
	static char alternate[1 << 16];
	stack_t ss = {.ss_sp = alternate, .ss_size = sizeof(alternate)};
	struct sigaction normal = {.sa_handler = handler},
			 other = {.sa_handler = handler, .sa_flags = SA_ONSTACK};
	struct timespec ts;
	int v[2000];

	sigaltstack(&ss, NULL);
	sigaction(SIGUSR1, &normal, NULL);
	sigaction(SIGUSR2, &other, NULL);
	while (clock() < end) {
		raise(argc > 2 && !strcmp(argv[2], "alternate") ? SIGUSR2 : SIGUSR1);
		for (int i = 0; i < 20000; i++)
			clock_gettime(CLOCK_MONOTONIC, &ts);
		for (int i = 0; i < 2000; i++)
			v[i] = rand();
		qsort(v, 2000, sizeof(*v), compare);
		with_alloca(100 + (size_t)(rand() % 1000));
	}
	return 0;
}

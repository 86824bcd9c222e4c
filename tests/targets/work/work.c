/* SPDX-License-Identifier: Apache-2.0 */
/*
 * work.c - plain C for any libc: sorting with callbacks, formatting, allocation,
 * recursion. Arguments: CPU seconds, and "thread" to do it in a thread.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static volatile unsigned sink;
static double seconds = 2;

static int compare(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

__attribute__((noinline)) static unsigned recurse(unsigned n, unsigned s)
{
	char text[64];

	if (!n)
		return s;
	snprintf(text, sizeof(text), "%u %u", n, s);
	return recurse(n - 1, s * 3 + (unsigned)strlen(text)) + (unsigned char)text[0];
}

static void *work(void *arg)
{
	clock_t end = clock() + (clock_t)(seconds * CLOCKS_PER_SEC);
	static int v[3000];
	char *p;
	int i;

	while (clock() < end) {
		for (i = 0; i < 3000; i++)
			v[i] = rand();
		qsort(v, 3000, sizeof(*v), compare);
		sink += recurse(30, (unsigned)v[0]);
		p = malloc(70000);
		memset(p, 1, 70000);
		sink += (unsigned)p[500];
		free(p);
	}
	return arg;
}

int main(int argc, char **argv)
{
	pthread_t t;

	if (argc > 1)
		seconds = atof(argv[1]);
	if (argc > 2 && !strcmp(argv[2], "thread")) {
		pthread_create(&t, NULL, work, NULL);
		pthread_join(t, NULL);
	} else {
		work(NULL);
	}
	return 0;
}

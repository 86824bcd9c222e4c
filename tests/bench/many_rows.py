#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""many_rows.py - a C program of N functions, each with about 17 CFI rows.

    many_rows.py N DIR

Writes DIR/rows_0.c ... and DIR/rows_main.c. Compiled at -O1 each function pushes
all that calls preserve, so 60 000 of them have a million rows. The program goes
down chains of 30 functions, taken at random with a few of them much more often
than the rest (rank r about 1/r), as programs do. Its arguments: seconds of CPU
time, and how many of the functions are used, all of them by default.
"""
import os
import sys

PARTS = 4


def function(i):
    return f"""
long f{i}(long (*const *t)(void), const int *path, long x)
{{
	long a = x + {i % 97}, b = x ^ {i % 89}, c = a * {i % 13 + 3}, d = b - {i % 83}, e = a + d, g = c ^ b;
	long (*next)(long (*const *)(void), const int *, long) = (void *)t[path[0]];
	long r = next(t, path + 1, a ^ c);
	return r + a * b - c + d * e + g + x;
}}
"""


MAIN = """
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#define N %d
#define DEPTH 30
typedef long fn(void);
extern fn *const table[];
static unsigned long seed = 1;
static long used = N; /* functions that are called, spread over all of them */
static unsigned long next_random(void)
{
	seed = seed * 6364136223846793005ul + 1442695040888963407ul;
	return seed >> 33;
}
/* Ranks by 1/r: a power of N with a uniform exponent. */
static int pick(void)
{
	double e = (double)next_random() / 2147483648.0, v = 1;
	long n, r;
	int bits = 0;
	n = used;
	while (n >>= 1)
		bits++;
	r = 1l << (int)(e * bits);
	v = (double)next_random() / 2147483648.0;
	r += (long)(v * (double)r);
	return (int)((unsigned long)(r %% used) * 40503u %% used * (N / used));
}
long leaf(fn *const *t, const int *path, long x)
{
	volatile long s = x;
	(void)t, (void)path;
	for (int i = 0; i < 3000; i++)
		s += i ^ x;
	return s;
}
int main(int argc, char **argv)
{
	double seconds = argc > 1 ? atof(argv[1]) : 2;
	clock_t end = clock() + (clock_t)(seconds * CLOCKS_PER_SEC);
	long sum = 0;
	if (argc > 2)
		used = atol(argv[2]);
	int path[DEPTH + 1];
	while (clock() < end) {
		for (int i = 0; i < DEPTH; i++)
			path[i] = pick();
		path[DEPTH - 1] = N;
		sum += ((long (*)(fn *const *, const int *, long))table[pick()])(table, path, sum);
	}
	printf("%%ld\\n", sum);
	return 0;
}
"""


def main():
    n, out = int(sys.argv[1]), sys.argv[2]
    os.makedirs(out, exist_ok=True)
    for part in range(PARTS):
        with open(f"{out}/rows_{part}.c", "w") as f:
            f.writelines(function(i) for i in range(part, n, PARTS))
    with open(f"{out}/rows_main.c", "w") as f:
        f.write(MAIN % n)
        f.writelines(f"fn f{i};" + ("\n" if i % 16 == 15 else " ") for i in range(n))
        f.write("\nfn *const table[] = {")
        f.writelines(f"f{i}," + ("\n" if i % 16 == 15 else " ") for i in range(n))
        f.write("(fn *)leaf};\n")


main()

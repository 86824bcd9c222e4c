/* SPDX-License-Identifier: Apache-2.0 */
/*
 * call_chains.c - a program that knows which chains of calls it has made.
 *
 * call_chains SECONDS [KIND...] spends that much CPU time per kind in
 * pseudo-random chains of calls between f0..ff (small frames) and g0..gf
 * (8 KB each). Each level writes its name to a global; the first time a chain
 * has been walked to its end, the global is printed: "KIND NAME NAME ...", the
 * outermost first. Each KIND is a function's name too:
 *
 *	plain      5 to 30 levels, each level called by and calling any other
 *	recursive  the same with runs of one function calling itself
 *	sparse     12 to 28 large frames, of which most memory is never touched, with
 *		   small ones between: up to 200 KB of stack
 *	deep       the same with all memory touched
 *	lengthy    1000 small frames
 *	handled    a chain, at its end a signal, in its handler on an alternate
 *		   stack another chain: printed with "|" between the two
 *
 * Built without frame pointers; also as call_chains_fp with, and as
 * call_chains_mixed where every other function has one.
 */
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LEVELS_MAX 1024
#define CHAINS     48 /* distinct ones per kind */

struct path {
	char name[LEVELS_MAX][3];
	unsigned n;
};

struct chain {
	uint32_t seed;
	unsigned levels;
	unsigned repeat, large; /* in 16ths: calls to itself, large frames */
	bool signal;            /* raised at its end */
	bool touch;             /* all of the frames */
	struct path *path;
};

typedef void level_fn(const struct chain *c, unsigned depth);

static level_fn *volatile small[16], *volatile large[16];
static volatile uint64_t sink;
static struct path normal, alternate;
static struct chain in_handler;

static uint32_t mix(uint32_t x)
{
	x ^= x >> 16;
	x *= 0x7feb352du;
	x ^= x >> 15;
	x *= 0x846ca68bu;
	return x ^ x >> 16;
}

__attribute__((noinline)) static void burn(unsigned n)
{
	while (n--)
		sink = sink * 3 + n;
}

/* What level @depth of @c is: which of the functions, or the one above it again. */
static unsigned pick(const struct chain *c, unsigned depth)
{
	uint32_t r;

	for (; depth; depth--) {
		r = mix(c->seed + depth * 0x9e3779b9u);
		if (r >> 8 & 15 ? (r >> 8 & 15) >= c->repeat : !c->repeat)
			return (r & 15) | (((r >> 4 & 15) < c->large) ? 16u : 0);
	}
	return c->seed & 15;
}

static inline void at_level(const struct chain *c, unsigned depth, char kind, unsigned digit)
{
	c->path->name[depth][0] = kind;
	c->path->name[depth][1] = "0123456789abcdef"[digit];
	if (depth + 1 < c->levels) {
		unsigned next = pick(c, depth + 1);

		burn(40);
		(next & 16 ? large : small)[next & 15](c, depth + 1);
	} else {
		c->path->n = depth + 1;
		burn(3000);
		if (c->signal)
			raise(SIGUSR2);
	}
	burn(40);
}

#if defined(MIXED) && defined(__GNUC__) && !defined(__clang__)
#define WITH_FP __attribute__((optimize("no-omit-frame-pointer")))
#else
#define WITH_FP
#endif

/* Frames of different sizes; what follows the call keeps it from being a jump. */
#define LEVEL(kind, digit, size, attribute)                                                                  \
	attribute __attribute__((noinline)) static void kind##digit(const struct chain *c, unsigned depth)   \
	{                                                                                                    \
		volatile char pad[size];                                                                     \
                                                                                                             \
		pad[depth % (size)] = 1;                                                                     \
		for (unsigned i = 0; c->touch && i < (size); i += 512)                                       \
			pad[i] = 1;                                                                          \
		at_level(c, depth, #kind[0], 0x##digit);                                                     \
		sink += (uint64_t)pad[depth % (size)];                                                       \
	}
#define LEVELS(kind, size)                                                                                   \
	LEVEL(kind, 0, (size), )                                                                             \
	LEVEL(kind, 1, (size) + 24, WITH_FP)                                                                 \
	LEVEL(kind, 2, (size) + 8, )                                                                         \
	LEVEL(kind, 3, (size) + 80, WITH_FP)                                                                 \
	LEVEL(kind, 4, (size) + 16, )                                                                        \
	LEVEL(kind, 5, (size) + 40, WITH_FP)                                                                 \
	LEVEL(kind, 6, (size) + 120, )                                                                       \
	LEVEL(kind, 7, (size) + 32, WITH_FP)                                                                 \
	LEVEL(kind, 8, (size) + 56, )                                                                        \
	LEVEL(kind, 9, (size) + 64, WITH_FP)                                                                 \
	LEVEL(kind, a, (size) + 72, )                                                                        \
	LEVEL(kind, b, (size) + 200, WITH_FP)                                                                \
	LEVEL(kind, c, (size) + 88, )                                                                        \
	LEVEL(kind, d, (size) + 96, WITH_FP)                                                                 \
	LEVEL(kind, e, (size) + 104, )                                                                       \
	LEVEL(kind, f, (size) + 112, WITH_FP)

LEVELS(f, 8)
LEVELS(g, 8192)

static void set_tables(void)
{
	static level_fn *const f[] = {f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, fa, fb, fc, fd, fe, ff};
	static level_fn *const g[] = {g0, g1, g2, g3, g4, g5, g6, g7, g8, g9, ga, gb, gc, gd, ge, gf};
	unsigned i;

	for (i = 0; i < 16; i++) {
		small[i] = f[i];
		large[i] = g[i];
	}
}

static void start(const struct chain *c)
{
	unsigned first = pick(c, 0);

	small[first](c, 0);
}

static void on_signal(int sig)
{
	(void)sig;
	start(&in_handler);
	burn(40);
}

/* ---- the kinds: functions, so that stacks tell them apart ---- */

__attribute__((noinline)) static void plain(uint32_t seed)
{
	struct chain c = {seed, 5 + seed % 26, 0, 0, false, false, &normal};

	start(&c);
	burn(40);
}

__attribute__((noinline)) static void recursive(uint32_t seed)
{
	struct chain c = {seed, 5 + seed % 26, 10, 0, false, false, &normal};

	start(&c);
	burn(40);
}

__attribute__((noinline)) static void sparse(uint32_t seed)
{
	struct chain c = {seed, 12 + seed % 17, 0, 12, false, false, &normal};

	start(&c);
	burn(40);
}

__attribute__((noinline)) static void deep(uint32_t seed)
{
	struct chain c = {seed, 12 + seed % 17, 0, 12, false, true, &normal};

	start(&c);
	burn(40);
}

__attribute__((noinline)) static void lengthy(uint32_t seed)
{
	struct chain c = {seed, 1000, 4, 0, false, false, &normal};

	start(&c);
	burn(40);
}

__attribute__((noinline)) static void handled(uint32_t seed)
{
	struct chain c = {seed, 5 + seed % 26, 0, 0, true, false, &normal};

	in_handler = (struct chain){mix(seed), 3 + seed % 11, 0, 0, false, false, &alternate};
	start(&c);
	burn(40);
}

static void print(const char *kind, bool both)
{
	unsigned i;

	printf("%s", kind);
	for (i = 0; i < normal.n; i++)
		printf(" %.2s", normal.name[i]);
	for (i = 0; both && i < alternate.n; i++)
		printf("%s%.2s", i ? " " : " | ", alternate.name[i]);
	printf("\n");
}

static void run(const char *kind, void (*fn)(uint32_t), double seconds)
{
	clock_t end = clock() + (clock_t)(seconds * CLOCKS_PER_SEC);
	uint32_t i, seed;

	for (i = 0; i < CHAINS || clock() < end; i++) {
		seed = mix(i % CHAINS + 1000 * (uint32_t)kind[0]);
		fn(seed);
		if (i < CHAINS)
			print(kind, fn == handled);
	}
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*fn)(uint32_t);
	} kinds[] = {
		{"plain", plain}, {"recursive", recursive}, {"sparse", sparse},
		{"deep", deep},   {"lengthy", lengthy},     {"handled", handled},
	};
	static char stack[1 << 16];
	stack_t ss = {.ss_sp = stack, .ss_size = sizeof(stack)};
	struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};
	double seconds = argc > 1 ? atof(argv[1]) : 1;
	unsigned i;
	int a;

	sigaltstack(&ss, NULL);
	sigaction(SIGUSR2, &sa, NULL);
	set_tables();
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		bool wanted = argc < 3;

		for (a = 2; a < argc; a++)
			wanted |= !strcmp(argv[a], kinds[i].name);
		if (wanted)
			run(kinds[i].name, kinds[i].fn, seconds);
	}
	return 0;
}

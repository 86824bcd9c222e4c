/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unwind.c - our unwinder beside libdwfl and libunwind, over the same bytes.
 *
 *   unwind [-r ROUNDS] [-n SAMPLES] [-F HZ] [-c COPY] [-m | -p | -o] NAME COMMAND ...
 *
 * Records each shell COMMAND, then lets the engines take turns for ROUNDS
 * passes and prints medians in ns per frame,
 *   figure NAME OURS OTHER RATIO
 * -m: instead, all programs mixed, sample by sample, against each alone;
 * -p: instead, the second program against the first;
 * -o: ours and the floors only.
 *
 *   cold    every cache of ours empty (rows, file blocks, CIEs), the stack
 *           copies flushed from the processor's caches; the libraries have been
 *           through the same samples before and keep what they cached
 *           (the next sample is known when one is walked, and asked for if the
 *           engine can: ours does in the collector, too)
 *   steady  as cold, but with our caches kept, too
 *   warm    16 samples at a time, right after they were walked once
 *   floor   a loop that loads one word of each 64-byte line of the stack copies,
 *           as far up as the walk needs them, flushed before; and all of them
 */
#include "unwind_engines.h"

#include "base/io.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define LINE       64
#define BATCH      16
#define MAX_ROUNDS 101

enum pass { COLD, STEADY, WARM, FLOOR, FLOOR_COPY, DWFL_COLD, DWFL_WARM, UNW_COLD, UNW_WARM, N_PASSES };

static struct {
	uint64_t rounds, samples, hz, copy;
	bool mix, pair, only_ours;
} opt = {.rounds = 5, .samples = 5000, .hz = 4999, .copy = 32768};

/* Samples in the order in which they are unwound, and what each pass over them took. */
struct bench {
	const char *name;
	struct load *loads[LOAD_MAX];
	uint32_t n_loads;
	struct load_sample *const *s;
	uint64_t n;
	struct world *world; /* the kept one */
	double ns[N_PASSES][MAX_ROUNDS];
	uint64_t rows, reads; /* of a cold pass */
};

static struct load loads[LOAD_MAX];
static uint32_t n_loads;
static volatile uint64_t sink;

/* ---- passes ---- */

static void flush_line(const void *p)
{
#if defined(__x86_64__)
	__asm__ volatile("clflush (%0)" : : "r"(p) : "memory");
#elif defined(__aarch64__)
	__asm__ volatile("dc civac, %0" : : "r"(p) : "memory");
#else
	(void)p;
#endif
}

static void flush(const struct bench *b)
{
	uint64_t i, at;

	for (i = 0; i < b->n; i++) {
		const struct unwind_sample *u = &b->s[i]->u;

		for (at = 0; at < u->stack_size; at += LINE)
			flush_line(u->stack + at);
	}
	__sync_synchronize();
}

static double now(void)
{
	return (double)io_clock_ns(CLOCK_THREAD_CPUTIME_ID); /* others may be running, too */
}

static double pass_floor(const struct bench *b, bool whole)
{
	uint64_t i, at, sum = 0, frames = 0, end;
	double t;

	flush(b);
	t = now();
	for (i = 0; i < b->n; i++) {
		const struct load_sample *s = b->s[i];

		end = whole ? s->u.stack_size : s->used;
		for (at = 0; at < end; at += LINE)
			sum += *(const volatile uint8_t *)(s->u.stack + at);
		frames += s->frames;
	}
	sink = sum;
	return (now() - t) / (double)frames;
}

static double pass_cold(const struct bench *b, const struct engine *e, struct world *w)
{
	uint64_t i, frames = 0;
	double t;

	flush(b);
	t = now();
	for (i = 0; i < b->n; i++) {
		if (e->ahead && i + 1 < b->n)
			e->ahead(w, b->s[i + 1]);
		frames += e->walk(w, b->s[i]);
	}
	return (now() - t) / (double)frames;
}

static double pass_warm(const struct bench *b, const struct engine *e, struct world *w)
{
	uint64_t i, j, end, frames = 0;
	double t, sum = 0;

	flush(b);
	for (i = 0; i < b->n; i = end) {
		end = i + BATCH < b->n ? i + BATCH : b->n;
		for (j = i; j < end; j++)
			e->walk(w, b->s[j]);
		t = now();
		for (j = i; j < end; j++)
			frames += e->walk(w, b->s[j]);
		sum += now() - t;
	}
	return sum / (double)frames;
}

/* Read calls of this process so far, this one's included. */
static uint64_t reads_so_far(void)
{
	unsigned long long n = 0;
	char line[64];
	FILE *f = fopen("/proc/self/io", "re");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "syscr: %llu", &n) == 1)
			break;
	if (f)
		fclose(f);
	return n;
}

static double pass_fresh(struct bench *b)
{
	struct world w;
	uint64_t before, own;
	double ns;

	world_init(&w, b->loads, b->n_loads);
	own = reads_so_far();
	before = reads_so_far();
	ns = pass_cold(b, &engine_ours, &w);
	b->reads = reads_so_far() - before - (before - own);
	world_release(&w);
	return ns;
}

static void round_ours(struct bench *b, uint64_t r)
{
	b->ns[COLD][r] = pass_fresh(b);
	b->ns[STEADY][r] = pass_cold(b, &engine_ours, b->world);
	b->ns[WARM][r] = pass_warm(b, &engine_ours, b->world);
}

static void round_all(struct bench *b, uint64_t r, struct world *libs)
{
	b->ns[FLOOR][r] = pass_floor(b, false);
	b->ns[FLOOR_COPY][r] = pass_floor(b, true);
	round_ours(b, r);
	if (opt.only_ours)
		return;
	b->ns[DWFL_COLD][r] = pass_cold(b, &engine_libdwfl, libs);
	b->ns[DWFL_WARM][r] = pass_warm(b, &engine_libdwfl, libs);
	b->ns[UNW_COLD][r] = pass_cold(b, &engine_libunwind, libs);
	b->ns[UNW_WARM][r] = pass_warm(b, &engine_libunwind, libs);
}

static int by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static double median(const double *v)
{
	double sorted[MAX_ROUNDS];

	memcpy(sorted, v, opt.rounds * sizeof(*v));
	qsort(sorted, opt.rounds, sizeof(*sorted), by_value);
	return sorted[opt.rounds / 2];
}

/* ---- what there is ---- */

static int by_number(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* Different (module, address) pairs: each needs a row once. */
static uint64_t count_rows(const struct bench *b)
{
	static struct unwind_frame f[MAX_FRAMES];
	struct unwind_result got;
	uint64_t *keys, n = 0, i, rows = 0, frames = 0;
	uint32_t j;

	for (i = 0; i < b->n; i++)
		frames += b->s[i]->frames;
	keys = calloc(frames + 1, sizeof(*keys));
	if (!keys)
		stacks_die("rows", ENOMEM);
	for (i = 0; i < b->n; i++) {
		unwind_walk(b->world->r.unwinder, world_maps(b->world, b->s[i]), &b->s[i]->u, f, MAX_FRAMES,
			    &got);
		for (j = 0; j < got.n && n < frames; j++)
			if (f[j].map)
				keys[n++] = (uint64_t)f[j].map->module->id << 44 |
					    (f[j].pc - f[j].map->start + f[j].map->pgoff);
	}
	qsort(keys, n, sizeof(*keys), by_number);
	for (i = 0; i < n; i++)
		rows += !i || keys[i] != keys[i - 1];
	free(keys);
	return rows;
}

static size_t heap_used(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}

static uint32_t files_of(const struct world *w)
{
	uint32_t i, n = 0;

	for (i = 0; i < w->r.profile.n_modules; i++)
		n += w->r.profile.modules[i].reason == MODULE_OK && !w->r.profile.modules[i].image;
	return n;
}

static void describe(const struct bench *b)
{
	uint64_t i, frames = 0, used = 0, maps = 0, size;

	for (i = 0; i < b->n; i++) {
		frames += b->s[i]->frames;
		used += b->s[i]->used;
		size = world_maps(b->world, b->s[i])->cap * sizeof(struct mapping);
		maps = size > maps ? size : maps;
	}
	printf("# %s: %" PRIu64 " samples, %.1f frames and %" PRIu64 " bytes of stack each, %u files, "
	       "%" PRIu64 " rows, %.2f read calls per row when cold, %" PRIu64
	       " bytes of mappings per process at most\n",
	       b->name, b->n, (double)frames / (double)b->n, used / b->n, files_of(b->world), b->rows,
	       b->rows ? (double)b->reads / (double)b->rows : 0, maps);
}

static void print_figure(const char *name, const char *what, double ours, double other)
{
	printf("figure unwind_%s_%s %.2f %.2f %.4f\n", name, what, ours, other, ours / other);
	fflush(stdout);
}

static void print_bench(const struct bench *b)
{
	double m[N_PASSES];
	unsigned i;

	for (i = 0; i < N_PASSES; i++)
		m[i] = median(b->ns[i]);
	describe(b);
	print_figure(b->name, "cold_floor", m[COLD], m[FLOOR]);
	print_figure(b->name, "cold_floor_whole_copy", m[COLD], m[FLOOR_COPY]);
	print_figure(b->name, "steady_floor", m[STEADY], m[FLOOR]);
	print_figure(b->name, "warm_floor", m[WARM], m[FLOOR]);
	if (opt.only_ours)
		return;
	print_figure(b->name, "cold_libdwfl", m[COLD], m[DWFL_COLD]);
	print_figure(b->name, "cold_libunwind", m[COLD], m[UNW_COLD]);
	print_figure(b->name, "steady_libdwfl", m[STEADY], m[DWFL_COLD]);
	print_figure(b->name, "steady_libunwind", m[STEADY], m[UNW_COLD]);
	print_figure(b->name, "warm_libdwfl", m[WARM], m[DWFL_WARM]);
	print_figure(b->name, "warm_libunwind", m[WARM], m[UNW_WARM]);
}

/* ---- modes ---- */

static void bench_init(struct bench *b, const char *name, struct load *const *of, uint32_t n)
{
	struct load_sample **s;
	uint64_t total = 0, i;
	uint32_t j;

	memset(b, 0, sizeof(*b));
	b->name = name;
	for (j = 0; j < n; j++) {
		b->loads[b->n_loads++] = of[j];
		total += of[j]->n;
	}
	s = calloc(total + 1, sizeof(*s));
	b->world = malloc(sizeof(*b->world));
	if (!s || !b->world)
		stacks_die("samples", ENOMEM);
	/* One of each in turn, as they come from processes that run at the same time. */
	for (i = 0; b->n < total; i++)
		for (j = 0; j < n; j++)
			if (i < of[j]->n)
				s[b->n++] = &of[j]->s[i];
	b->s = s;
	world_init(b->world, b->loads, b->n_loads);
	b->rows = count_rows(b);
}

static void bench_release(struct bench *b)
{
	world_release(b->world);
	free(b->world);
	free((void *)(uintptr_t)b->s);
}

static void run_each(void)
{
	static struct bench b[LOAD_MAX];
	struct load *all[LOAD_MAX];
	struct world libs;
	uint64_t r;
	uint32_t i;

	for (i = 0; i < n_loads; i++) {
		all[i] = &loads[i];
		bench_init(&b[i], loads[i].name, &all[i], 1);
	}
	world_init(&libs, all, n_loads);
	for (i = 0; i < n_loads; i++) {
		/* The libraries may fill their caches; it is not counted. */
		if (!opt.only_ours) {
			pass_cold(&b[i], &engine_libdwfl, &libs);
			pass_cold(&b[i], &engine_libunwind, &libs);
		}
		for (r = 0; r < opt.rounds; r++)
			round_all(&b[i], r, &libs);
		print_bench(&b[i]);
	}
	engine_libdwfl.release();
	engine_libunwind.release();
	world_release(&libs);
	for (i = 0; i < n_loads; i++)
		bench_release(&b[i]);
}

static double alone(const struct bench *b, enum pass p, uint64_t r)
{
	uint64_t frames = 0;
	double sum = 0;
	uint32_t i;

	for (i = 0; i < n_loads; i++) {
		sum += b[i].ns[p][r] * (double)loads[i].frames;
		frames += loads[i].frames;
	}
	return sum / (double)frames;
}

/* bench_init(), and the bytes that the unwinder has for it, caches filled by one walk of all samples. */
static size_t memory_of(struct bench *b, const char *name, struct load *const *of, uint32_t n)
{
	size_t before = heap_used();

	bench_init(b, name, of, n);
	return heap_used() - before - b->n * sizeof(struct load_sample *) - sizeof(*b->world);
}

static void run_mix(void)
{
	static struct bench b[LOAD_MAX], mix;
	static const enum pass passes[] = {COLD, STEADY, WARM};
	static const char *const names[] = {"cold", "steady", "warm"};
	struct load *all[LOAD_MAX];
	double apart[3][MAX_ROUNDS];
	size_t one = 0, together;
	uint64_t r;
	uint32_t i;

	for (i = 0; i < n_loads; i++) {
		all[i] = &loads[i];
		together = memory_of(&b[i], loads[i].name, &all[i], 1);
		one = together > one ? together : one;
	}
	together = memory_of(&mix, "mix", all, n_loads);
	printf("# %u processes: %zu bytes in all for modules, maps and caches; the largest of them alone: "
	       "%zu\n",
	       n_loads, together, one);
	if (n_loads > 1)
		print_figure("mix", "kb_per_further_process", (double)(together - one) / 1024 / (n_loads - 1),
			     128);
	for (r = 0; r < opt.rounds; r++) {
		for (i = 0; i < n_loads; i++)
			round_ours(&b[i], r);
		round_ours(&mix, r);
		for (i = 0; i < 3; i++)
			apart[i][r] = alone(b, passes[i], r);
	}
	describe(&mix);
	for (i = 0; i < 3; i++)
		print_figure("mix", names[i], median(mix.ns[passes[i]]), median(apart[i]));
	bench_release(&mix);
	for (i = 0; i < n_loads; i++)
		bench_release(&b[i]);
}

static void run_pair(void)
{
	static struct bench b[2];
	static const char *const names[] = {"cold", "steady", "warm"};
	struct load *one;
	uint64_t r;
	uint32_t i;

	for (i = 0; i < 2; i++) {
		one = &loads[i];
		bench_init(&b[i], loads[i].name, &one, 1);
	}
	for (r = 0; r < opt.rounds; r++) {
		round_ours(&b[0], r);
		round_ours(&b[1], r);
	}
	describe(&b[0]);
	describe(&b[1]);
	for (i = COLD; i <= WARM; i++)
		print_figure(b[1].name, names[i], median(b[1].ns[i]), median(b[0].ns[i]));
	bench_release(&b[0]);
	bench_release(&b[1]);
}

static void usage(void)
{
	fprintf(stderr,
		"usage: unwind [-r ROUNDS] [-n SAMPLES] [-F HZ] [-c COPY] [-m | -p | -o] NAME COMMAND "
		"...\n");
	exit(2);
}

static void parse_options(int argc, char **argv)
{
	int o;

	while ((o = getopt(argc, argv, "+r:n:F:c:mpo")) != -1) {
		switch (o) {
		case 'r':
			opt.rounds = strtoull(optarg, NULL, 10);
			break;
		case 'n':
			opt.samples = strtoull(optarg, NULL, 10);
			break;
		case 'F':
			opt.hz = strtoull(optarg, NULL, 10);
			break;
		case 'c':
			opt.copy = strtoull(optarg, NULL, 10);
			break;
		case 'm':
			opt.mix = true;
			break;
		case 'p':
			opt.pair = true;
			break;
		case 'o':
			opt.only_ours = true;
			break;
		default:
			usage();
		}
	}
	argc -= optind;
	if (!opt.rounds || opt.rounds > MAX_ROUNDS || !opt.samples || !argc || argc % 2 ||
	    argc / 2 > LOAD_MAX || (opt.pair && argc != 4))
		usage();
}

int main(int argc, char **argv)
{
	struct rlimit rl;
	uint32_t i;

	parse_options(argc, argv);
	/*
	 * The memory of one pass' caches is the next one's: a collector asks the
	 * kernel for these pages once in months, not once in 5000 samples.
	 */
	mallopt(M_MMAP_THRESHOLD, 32 << 20);
	mallopt(M_TRIM_THRESHOLD, 1 << 30);
	/* libdwfl keeps a descriptor per module and session. */
	if (!getrlimit(RLIMIT_NOFILE, &rl)) {
		rl.rlim_cur = rl.rlim_max;
		setrlimit(RLIMIT_NOFILE, &rl);
	}
	for (argv += optind; *argv; argv += 2, n_loads++) {
		load_record(&loads[n_loads], n_loads, argv[0], argv[1], opt.samples, opt.hz,
			    (uint32_t)opt.copy);
		if (!loads[n_loads].frames)
			stacks_die(argv[0], ENODATA);
	}
	if (opt.mix)
		run_mix();
	else if (opt.pair)
		run_pair();
	else
		run_each();
	for (i = 0; i < n_loads; i++)
		load_release(&loads[i]);
	return 0;
}

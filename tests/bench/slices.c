/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slices.c - what sampling slows a program down, by switching events on and off
 * within it: whole runs differ by more than that on a shared machine.
 *
 * One process, pinned to a CPU, does the same work 60 frames and 70 KB of stack
 * deep. Slices of 50 ms of CPU time with an event on, each between two without:
 * in turns with the event as we ask for it and as perf record does. Prints, for each rate and
 * content of a sample, the median over SLICES rounds of the work lost, in per cent:
 *	figure NAME OURS PERF RATIO
 */
#include "base/io.h"
#include "collect/perf.h"
#include "collect/regs.h"
#include "collect/ring.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define SLICE_NS       50000000u
#define ROUNDS         40
#define ROUNDS_MAX     10000
#define RING_PAGES     1024
#define RING_PAGES_MIN 64
#define DEPTH          60
#define FRAME          1200 /* bytes of stack */

struct content {
	const char *name;
	bool chain;
	uint32_t stack;
};

static const struct content contents[] = {
	{"ip", false, 0},
	{"callchain", true, 0},
	{"stack-8k", true, 8184},
	{"stack-16k", true, 16376},
	{"stack-64k", true, PERF_STACK_MAX},
};

struct sampler {
	int fd;
	struct ring *ring;
};

static volatile uint64_t sink;
static bool with_kernel = true;

/* As collect/perf_attr.c asks. */
static struct perf_event_attr our_attr(unsigned hz, const struct content *what)
{
	struct perf_event_attr attr = event_default()->attr;

	attr.sample_period = 1000000000u / hz;
	attr.sample_type = PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_IP | PERF_SAMPLE_TID | PERF_SAMPLE_TIME |
			   PERF_SAMPLE_PERIOD;
	attr.use_clockid = 1;
	attr.clockid = CLOCK_MONOTONIC;
	if (what->chain)
		attr.sample_type |= PERF_SAMPLE_CALLCHAIN;
	return attr;
}

/* As perf record -e task-clock -F asks, with -g or --call-graph dwarf,SIZE. */
static struct perf_event_attr perf_attr(unsigned hz, const struct content *what)
{
	struct perf_event_attr attr = event_default()->attr;

	attr.freq = 1;
	attr.sample_freq = hz;
	attr.sample_type = PERF_SAMPLE_IP | PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_PERIOD |
			   (what->chain ? (uint64_t)PERF_SAMPLE_CALLCHAIN : 0);
	attr.exclude_callchain_user = what->stack != 0;
	return attr;
}

static int open_sampler(struct sampler *s, struct perf_event_attr attr, const struct content *what,
			size_t pages)
{
	attr.size = sizeof(attr);
	attr.disabled = 1;
	attr.exclude_hv = 1;
	attr.exclude_kernel = !with_kernel;
	attr.exclude_callchain_kernel = !with_kernel;
	attr.watermark = 1;
	attr.wakeup_watermark = 1u << 30; /* nobody waits */
	if (what->stack) {
		attr.sample_type |= PERF_SAMPLE_REGS_USER | PERF_SAMPLE_STACK_USER;
		attr.sample_regs_user = regs_arch.perf_mask;
		attr.sample_stack_user = what->stack;
	}
	s->fd = perf_open(&attr, 0, -1, -1);
	return s->fd < 0 ? s->fd : ring_new(&s->ring, s->fd, pages);
}

static void close_sampler(struct sampler *s)
{
	ring_free(s->ring);
	if (s->fd >= 0)
		close(s->fd);
	*s = (struct sampler){-1, NULL};
}

/* A ring that is full would make samples cheaper. Returns how many there were. */
static unsigned empty(struct ring *ring)
{
	struct perf_event_header hdr;
	unsigned n = 0;

	ring_mark(ring);
	for (; ring_peek(ring, &hdr) == 1; ring_consume(ring))
		n += hdr.type == PERF_RECORD_SAMPLE;
	return n;
}

/* Units of work per nanosecond of CPU time in one slice. */
static double work(void)
{
	uint64_t begin = io_clock_ns(CLOCK_THREAD_CPUTIME_ID), now, units = 0;

	do {
		for (int i = 0; i < 2000; i++)
			sink = sink * 6364136223846793005u + 1;
		units++;
		now = io_clock_ns(CLOCK_THREAD_CPUTIME_ID);
	} while (now - begin < SLICE_NS);
	return (double)units / (double)(now - begin);
}

__attribute__((noinline)) static double deep(int depth)
{
	volatile char frame[FRAME];
	double got;

	memset((char *)frame, depth, sizeof(frame));
	got = depth ? deep(depth - 1) : work();
	sink += (uint64_t)frame[FRAME - 1];
	return got;
}

static double slice(struct sampler *s, unsigned *samples)
{
	double rate;

	if (!s)
		return deep(DEPTH);
	ioctl(s->fd, PERF_EVENT_IOC_ENABLE, 0);
	rate = deep(DEPTH);
	ioctl(s->fd, PERF_EVENT_IOC_DISABLE, 0);
	*samples += empty(s->ring);
	return rate;
}

static int by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Both with rings of one size, as large as the budget for locked memory allows. */
static int open_both(struct sampler *s, unsigned hz, const struct content *what)
{
	size_t pages = RING_PAGES;
	int err;

	do {
		close_sampler(&s[0]);
		close_sampler(&s[1]);
		err = open_sampler(&s[0], our_attr(hz, what), what, pages);
		if (!err)
			err = open_sampler(&s[1], perf_attr(hz, what), what, pages);
	} while ((err == -EPERM || err == -ENOMEM) && (pages /= 2) >= RING_PAGES_MIN);
	return err;
}

static int measure(unsigned hz, const struct content *what, unsigned rounds)
{
	static double lost[2][ROUNDS_MAX];
	struct sampler s[2] = {{-1, NULL}, {-1, NULL}};
	unsigned samples[2] = {0, 0}, i, who;
	double before, on, after;
	int err = open_both(s, hz, what);

	before = err ? 0 : slice(NULL, NULL);
	for (i = 0; i < rounds && !err; i++) {
		for (who = 0; who < 2; who++, before = after) {
			on = slice(&s[who], &samples[who]);
			after = slice(NULL, NULL);
			lost[who][i] = 100 * (1 - 2 * on / (before + after));
		}
	}
	close_sampler(&s[0]);
	close_sampler(&s[1]);
	if (err)
		return err;
	qsort(lost[0], rounds, sizeof(double), by_value);
	qsort(lost[1], rounds, sizeof(double), by_value);
	printf("figure slices-%uhz-%s-slowdown-percent %.2f %.2f %.3f\n", hz, what->name, lost[0][rounds / 2],
	       lost[1][rounds / 2], lost[0][rounds / 2] / lost[1][rounds / 2]);
	printf("# %u and %u samples in %.1f s each\n", samples[0], samples[1], rounds * SLICE_NS / 1e9);
	fflush(stdout);
	return 0;
}

int main(void)
{
	static const unsigned rates[] = {99, 999};
	const char *text = getenv("SLICES");
	unsigned rounds = text ? (unsigned)atoi(text) : ROUNDS, i, k;
	struct perf_event_attr attr = event_default()->attr;
	cpu_set_t one;
	int err = 0, fd;

	if (!rounds || rounds > ROUNDS_MAX) {
		fprintf(stderr, "SLICES is not a number from 1 to %d\n", ROUNDS_MAX);
		return 1;
	}
	CPU_ZERO(&one);
	CPU_SET((unsigned)sched_getcpu(), &one);
	sched_setaffinity(0, sizeof(one), &one);
	attr.disabled = 1;
	fd = perf_open(&attr, 0, -1, -1);
	with_kernel = fd >= 0;
	if (fd >= 0)
		close(fd);
	for (i = 0; i < 2 && !err; i++)
		for (k = 0; k < sizeof(contents) / sizeof(*contents) && !err; k++)
			err = measure(rates[i], &contents[k], rounds);
	if (err)
		fprintf(stderr, "sampling myself: %s\n", strerror(-err));
	return err != 0;
}

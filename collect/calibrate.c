/* SPDX-License-Identifier: Apache-2.0 */
/* calibrate.c - see calibrate.h. */
#include "collect/calibrate.h"

#include "base/io.h"
#include "collect/event.h"
#include "collect/perf.h"
#include "collect/regs.h"
#include "collect/ring.h"

#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define LASTS_NS   2000000
#define PERIOD_NS  50000
#define GAPS_MAX   64
#define GAPS_MIN   8
#define GAP_NS     300 /* reading the clock twice takes less, an interrupt more */
#define RING_PAGES 64  /* for all samples of 2 ms: a full ring is cheaper */
#define STACK_SIZE 2048

static int open_self(bool kernel)
{
	struct perf_event_attr attr = event_default()->attr;

	attr.sample_period = PERIOD_NS;
	attr.sample_type = PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_IP | PERF_SAMPLE_TID | PERF_SAMPLE_TIME |
			   PERF_SAMPLE_PERIOD | PERF_SAMPLE_REGS_USER | PERF_SAMPLE_STACK_USER |
			   PERF_SAMPLE_CALLCHAIN;
	attr.disabled = 1;
	attr.exclude_hv = 1;
	attr.exclude_kernel = !kernel;
	attr.exclude_callchain_kernel = !kernel;
	attr.sample_regs_user = regs_arch.perf_mask;
	attr.sample_stack_user = STACK_SIZE;
	attr.use_clockid = 1;
	attr.clockid = CLOCK_MONOTONIC;
	return perf_open(&attr, 0, -1, -1);
}

static int by_length(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* The gaps of @lasts ns. */
static uint32_t watch(uint64_t *gaps, uint64_t lasts)
{
	uint64_t begin = io_clock_ns(CLOCK_MONOTONIC), last = begin, now;
	uint32_t n = 0;

	do {
		now = io_clock_ns(CLOCK_MONOTONIC);
		if (now - last > GAP_NS && n < GAPS_MAX)
			gaps[n++] = now - last;
		last = now;
	} while (last - begin < lasts);
	return n;
}

uint64_t calibrate_interrupt_ns(bool kernel)
{
	uint64_t gaps[GAPS_MAX], result = 0;
	struct perf_event_header hdr;
	uint32_t n = 0, samples = 0;
	struct ring *ring = NULL;
	int fd = open_self(kernel);

	if (fd < 0)
		return 0;
	if (ring_new(&ring, fd, RING_PAGES))
		goto out;
	if (!ioctl(fd, PERF_EVENT_IOC_ENABLE, 0))
		n = watch(gaps, LASTS_NS);
	ioctl(fd, PERF_EVENT_IOC_DISABLE, 0);
	ring_mark(ring);
	for (; samples < GAPS_MAX && ring_peek(ring, &hdr) == 1; ring_consume(ring))
		samples += hdr.type == PERF_RECORD_SAMPLE;
	if (n < GAPS_MIN || samples < GAPS_MIN)
		goto out;
	/* Other interrupts are few; a vCPU that was taken away for a while is among the longest. */
	qsort(gaps, n, sizeof(*gaps), by_length);
	result = gaps[n / 2];
out:
	ring_free(ring);
	close(fd);
	return result;
}

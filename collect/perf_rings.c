/* SPDX-License-Identifier: Apache-2.0 */
/*
 * perf_rings.c - the fitting of rings and stack copies to the mlock budget.
 *
 * A stack copy takes ring space at its full size even when the stack is short,
 * so the largest size follows from the rings that the user's budget allows.
 */
#include "collect/perf_private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define RING_PAGES_MAX   1024 /* 4 MB a CPU holds 60 of the largest samples */
#define RING_PAGES_MIN   4
#define RING_TOTAL_MAX   (32u << 20) /* over all CPUs, to keep big machines cheap */
#define SIDE_PAGES_MAX   64
#define RING_NS          15000000 /* of samples that a ring should hold, of CPU time, */
#define RING_SAMPLES_MIN 4        /* and at least so many; */
#define RING_SAMPLES     12       /* so many for events that are no clock */
#define SAMPLE_OVERHEAD  512      /* bytes of a sample besides its stack, about */
#define SMALLER_BY       4        /* from one size of stack copies to the next */
#define FURTHER_SIZE     16376    /* of the copies of events behind the first */

static const uint32_t largest_sizes[] = {PERF_STACK_MAX, 32760, 16376, 8184};

void perf_unmap_rings(struct perf *p)
{
	uint32_t i;

	for (i = 0; i < p->n_sources; i++)
		ring_free(p->sources[i].ring);
	memset(p->sources, 0, 2 * p->n_cpus * sizeof(*p->sources));
	p->n_sources = 0;
}

static int map_one(struct perf *p, const struct fd_event *e, size_t pages)
{
	struct order_source *s = &p->sources[p->n_sources];
	int err = ring_new(&s->ring, e->fd, pages);

	if (err)
		return err;
	s->side_band = perf_side_band(e);
	s->layout = s->side_band ? &p->side_layout : &p->sample_layout;
	p->n_sources++;
	return 0;
}

/* Only the largest size's events at this time: the others write to their rings. */
static int map_at(struct perf *p, size_t pages)
{
	size_t side = pages / 8 < SIDE_PAGES_MAX ? pages / 8 : SIDE_PAGES_MAX;
	uint32_t i;
	int err = 0;

	for (i = 0; i < p->n && !err; i++)
		err = map_one(p, &p->events[i], perf_side_band(&p->events[i]) ? (side ? side : 1) : pages);
	if (err)
		perf_unmap_rings(p);
	return err;
}

static size_t pages_wanted(const struct perf *p)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), pages = RING_PAGES_MAX;

	while (pages > RING_PAGES_MIN && pages * page * p->n_cpus > RING_TOTAL_MAX)
		pages /= 2;
	return pages;
}

size_t perf_ring_wanted(const struct perf *p)
{
	return pages_wanted(p) * (size_t)sysconf(_SC_PAGESIZE);
}

/* The largest rings that the budget allows, the same on every CPU. */
static int map_rings(struct perf *p)
{
	size_t pages = pages_wanted(p);
	int err;

	do
		err = map_at(p, pages);
	while (err && (err == -EPERM || err == -ENOMEM) && (pages /= 2) >= RING_PAGES_MIN);
	return err;
}

/* The rings stay when the events they were mapped over are closed. */
static int keep_outputs(struct perf *p)
{
	uint32_t i;

	for (i = 0; i < p->n; i++) {
		int *fd = &p->out_fds[2 * p->events[i].cpu + perf_side_band(&p->events[i])];

		*fd = fcntl(p->events[i].fd, F_DUPFD_CLOEXEC, 3);
		if (*fd < 0)
			return -errno;
	}
	return 0;
}

/* A ring is full after so many; the fewer come in a second, the larger each may be. */
static uint64_t samples_per_ring(const struct perf *p)
{
	const struct planned_event *e = &p->opt.plan->events[0];
	uint64_t n = e->event->cpu_time && e->period ? RING_NS / e->period : RING_SAMPLES;

	return n > RING_SAMPLES_MIN ? n : RING_SAMPLES_MIN;
}

/* Does a ring hold enough of the first event's samples, and some of each further one's? */
static bool rings_suffice(const struct perf *p)
{
	uint64_t others = 0;
	uint32_t i;

	for (i = 1; i < p->opt.plan->n; i++)
		others += !p->opt.plan->events[i].err && p->opt.plan->events[i].sampled;
	return perf_ring_bytes(p) >= samples_per_ring(p) * (p->sizes[0] + SAMPLE_OVERHEAD) +
					     others * RING_SAMPLES_MIN * (p->further_size + SAMPLE_OVERHEAD);
}

/* What happens not by the clock may happen in bursts: copies as of the further ones. */
static uint32_t first_size(const struct perf *p)
{
	uint32_t i = 0;

	while (!p->opt.plan->events[0].event->cpu_time && largest_sizes[i] > FURTHER_SIZE)
		i++;
	return i;
}

/* Open with the largest copies of which a ring holds enough, and map the rings. */
static int open_and_map(struct perf *p, pid_t tid, bool on_exec)
{
	uint32_t i, last = sizeof(largest_sizes) / sizeof(largest_sizes[0]) - 1;
	int err;

	for (i = first_size(p);; i++) {
		p->sizes[0] = p->opt.stack_size ? p->opt.stack_size : largest_sizes[i];
		p->further_size = p->sizes[0] < FURTHER_SIZE ? p->sizes[0] : FURTHER_SIZE;
		err = perf_open_events(p, tid, on_exec);
		if (err)
			return err;
		err = map_rings(p);
		if (err == -EPERM || err == -ENOMEM)
			err = -ENOBUFS;
		if (err || p->opt.stack_size || i == last || rings_suffice(p))
			return err;
		perf_unmap_rings(p);
		perf_close_from(p, 0);
	}
}

/*
 * A group begins and ends with its leader, which must not change then. Smaller sizes cost the program: each
 * event is cloned into each new thread, once per CPU. With PERF_SIZES_CPUS_MAX CPUs, creating a thread takes
 * half as long again (tests/bench/threads.c).
 */
static void choose_sizes(struct perf *p)
{
	const struct planned_event *e = &p->opt.plan->events[0];

	p->n_sizes = 1;
	if (!e->event->cpu_time || e->grouped || p->opt.stack_size || p->n_cpus > PERF_SIZES_CPUS_MAX)
		return;
	p->sizes[1] = p->sizes[0] / SMALLER_BY / 8 * 8;
	p->n_sizes = 2;
}

/* Few samples may well be large ones: what is in them is all there is. */
static void choose_slow(struct perf *p)
{
	if (!p->opt.slow_period || (p->n_cpus > PERF_SLOW_CPUS_MAX && !p->opt.slow_on_many_cpus))
		return;
	p->slow = p->n_sizes;
	p->sizes[p->slow] = p->sizes[0];
}

int perf_open_first(struct perf *p, pid_t tid, bool on_exec)
{
	int err = open_and_map(p, tid, on_exec);

	if (!err)
		err = keep_outputs(p);
	if (err) {
		perf_unmap_rings(p);
		perf_close_from(p, 0);
		return err;
	}
	choose_sizes(p);
	choose_slow(p);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tracer.h - sampling without perf events and from outside: running threads are interrupted by ptrace(2).
 *
 * A process of its own looks at the threads of the targets at a low rate, and
 * at each look interrupts some of those that run: PTRACE_SEIZE and
 * PTRACE_INTERRUPT (never a signal), registers, a copy of the stack,
 * PTRACE_DETACH. Between its samples a thread is not traced at all. A sample's
 * period is the CPU time that the thread has used since its last one, so that
 * a profile adds up to the kernel's accounting.
 *
 * Sleeping threads are left alone. One that falls asleep at the very moment is
 * made to repeat its call, where that would return EINTR (regs_repeat_call()).
 * When that process dies, or the collector does, the kernel lets every thread go on.
 *
 * Its records come through a ring as the kernel's do. Nobody tells of mappings
 * and exits: that is read from /proc (fallback.c).
 */
#ifndef COLLECT_TRACER_H
#define COLLECT_TRACER_H

#include "collect/order.h"

#include <stdint.h>
#include <sys/types.h>

#define TRACER_RATE     49   /* looks a second unless asked for another number */
#define TRACER_RATE_MAX 1000 /* whatever is asked for */

struct tracer;

struct tracer_options {
	uint32_t rate; /* looks per second, at most TRACER_RATE_MAX; fewer when they cost more than 5 % of a
			  CPU */
	uint32_t stack_size; /* most bytes of stack in a sample; 0: as much as fits */
};

struct tracer_stats {
	uint64_t looks;    /* since the start */
	uint64_t look_ns;  /* the time they took place in */
	uint64_t stops;    /* threads interrupted */
	uint64_t pause_ns; /* their pauses: no more than these, in sum and the longest one */
	uint64_t pause_max_ns;
	uint64_t refused;  /* threads that could not be: a debugger has them, or they changed user */
	uint64_t repeated; /* calls that would have returned EINTR */
	uint64_t cpu_ns;   /* used by the process */
};

/*
 * May process @pid be traced? The answer of the call itself. 0; -EBUSY: *@by
 * (0: hidden from us) traces it already; -EPERM, -ESRCH, -ENOSYS, ...
 */
int tracer_check(pid_t pid, pid_t *by);

/*
 * Start on the @n processes, their threads to come, and the processes that
 * they start from now on. 0 or -errno. Threads that run already are charged
 * with what they use from now on.
 */
int tracer_new(struct tracer **out, const struct tracer_options *opt, const pid_t *pids, uint32_t n);
void tracer_free(struct tracer *t); /* NULL is fine; ends it */

void tracer_end(struct tracer *t); /* returns when no more samples will come */

/* The ring, for order_new(). Borrowed. */
struct order_source *tracer_sources(struct tracer *t, uint32_t *n);

/* Readable when the ring fills up; tracer_look() makes it unreadable. */
int tracer_wake_fd(const struct tracer *t);

/* 0; -EPIPE, once: the process has died, and no more samples will come. */
int tracer_look(struct tracer *t);

uint32_t tracer_stack_size(const struct tracer *t);
void tracer_stats(const struct tracer *t, struct tracer_stats *out);

/* Every descriptor, at most 2. Returns how many. */
uint32_t tracer_fds(const struct tracer *t, int fds[2]);

#endif

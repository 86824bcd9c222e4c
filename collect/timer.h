/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timer.h - sampling without perf events: CPU-time timers inside of the program.
 *
 * The other side is collect/preload/, a library that the dynamic linker loads
 * into the program. Both share one memory (preload/shared.h), made before
 * anything is forked, so that the program, whoever keeps it open and every
 * collector, one started later too, have it. The rings in it look like the
 * kernel's. What the kernel would tell by side-band records comes from the
 * library (exec, fork) and from /proc (mappings, exits).
 *
 * It samples user and kernel time of threads by their user stacks, at most as
 * often as the kernel's tick (timer_rate()); more is counted as weight.
 */
#ifndef COLLECT_TIMER_H
#define COLLECT_TIMER_H

#include "collect/order.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define TIMER_LIBRARY "libddprof-timer.so"

struct timer;

/*
 * Find the library (../lib/ddprof/ or beside the executable) and make the
 * memory: a memfd, else an unlinked file, else a System V segment. 0;
 * -ENOENT: no library; -EINVAL: its path cannot be in LD_PRELOAD (a blank or
 * colon); other -errno: no memory of any kind.
 */
int timer_new(struct timer **out);
void timer_free(struct timer *t); /* NULL is fine */

/* The library's path; borrowed. */
const char *timer_library(const struct timer *t);

/* The descriptor that the keeper has to keep open, or -1: none is needed. */
int timer_fd(const struct timer *t);

/* @pid lives as long as samples are wanted: programs find the memory among its descriptors. */
void timer_keep(struct timer *t, pid_t pid);

/*
 * Called in the process that becomes the program: if a collector has begun,
 * put the library and the memory's name into the environment. 0 or -errno.
 */
int timer_hand_over(const struct timer *t);

/* ---- collector ---- */

/* Begin: a sample each @period_ns, with up to @stack_size bytes of stack (0: as much as fits). 0 or -errno.
 */
int timer_begin(struct timer *t, uint64_t period_ns, uint32_t stack_size);
void timer_end(struct timer *t); /* programs stop their timers */

/* True: a collector before this one has begun. */
bool timer_begun(const struct timer *t);

/* The rings, for order_new(), once begun. Borrowed. */
struct order_source *timer_sources(struct timer *t, uint32_t *n);

/* Readable when it is time to look into the rings again; timer_look() makes it unreadable. */
int timer_wake_fd(const struct timer *t);

/* To be called at each look: says that we are alive, and frees the locks of threads that died with them. */
void timer_look(struct timer *t);

uint64_t timer_lost(const struct timer *t);    /* periods for which no ring had room */
uint32_t timer_loaded(const struct timer *t);  /* programs that loaded the library */
uint64_t timer_unarmed(const struct timer *t); /* timers that the kernel refused */
uint32_t timer_stack_size(const struct timer *t);

/* Samples per second of CPU time that the kernel's tick allows of @wanted. */
uint32_t timer_rate(uint32_t wanted);

/* Every descriptor, at most 2. Returns how many. */
uint32_t timer_fds(const struct timer *t, int fds[2]);

#endif

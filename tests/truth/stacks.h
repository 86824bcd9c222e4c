/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stacks.h - real stacks, recorded once and unwound as often as wanted.
 *
 * Runs a command with CPU-clock events on all its threads and keeps registers,
 * stack copies, the kernel's callchains and mappings (not its children's) in memory, or in a file of this
 * machine's use. Failures end the program: this is for tests only.
 */
#ifndef TESTS_TRUTH_STACKS_H
#define TESTS_TRUTH_STACKS_H

#include "base/buf.h"
#include "collect/profile.h"
#include "collect/unwind.h"

#include <stdint.h>

struct stacks {
	struct buf events; /* back to back, see stacks.c */
	uint32_t copy;     /* bytes of stack to ask for, set before recording; 0: as many as can be */
	uint64_t n;        /* samples kept */
	uint64_t lost;     /* by the kernel, all kinds of records */
};

void stacks_init(struct stacks *st);
void stacks_release(struct stacks *st);

/* Run @argv until it ends or @max samples are kept; then its process group is killed. */
void stacks_record(struct stacks *st, char **argv, uint64_t max, uint64_t hz);

void stacks_save(const struct stacks *st, const char *path);
void stacks_load(struct stacks *st, const char *path);

/* What a walk needs, kept up to date while the events are gone through. */
struct replay {
	struct profile profile;
	struct modules *modules;
	struct unwinder *unwinder;
	struct maps *maps;
	uint64_t generation; /* of maps: one up at each change */
};

void replay_init(struct replay *r);
void replay_release(struct replay *r);

/* Calls @sample for each sample, with the mappings of its time. */
void replay_all(struct replay *r, const struct stacks *st,
		void (*sample)(struct replay *, const struct unwind_sample *, void *), void *arg);

/*
 * Run @argv as stacks_record() does, but keep nothing: @sample is called for
 * each sample as it is read, with the mappings of its
 * time. For programs of one thread: it is held on one CPU, which keeps records
 * in order. */
void stacks_watch(struct stacks *st, struct replay *r, char **argv, uint64_t max, uint64_t hz,
		  void (*sample)(struct replay *, const struct unwind_sample *, void *), void *arg);

/* Says what failed, and exits 2. */
void stacks_die(const char *what, int err) __attribute__((noreturn));

#endif

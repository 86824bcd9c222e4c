/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jit.h - code that programs make at run time: the files that name it, and which code was where when.
 *
 * A process with executable memory of no file (MODULE_ANON) may write a perf
 * map (/tmp/perf-PID.map) or a jitdump (jit-PID.dump). Both are opened while
 * it lives, in its own root and under its own pid, and read by the symbolizer.
 * The collector itself reads nothing but the heads of a jitdump's records, to
 * know when code replaces other code: samples of both at one address are
 * different locations. Writers buffer; what comes late is sorted out by the
 * symbolizer as far as a location's first sample tells.
 */
#ifndef COLLECT_JIT_H
#define COLLECT_JIT_H

#include "collect/module.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct jit;  /* of one address space */
struct jits; /* of all */

/* @profile is borrowed; its jits are filled in. 0 or -ENOMEM. */
int jits_new(struct jits **out, struct profile *profile);
void jits_free(struct jits *js); /* closes descriptors; NULL is fine */

/* Process @pid has code in @anon, a MODULE_ANON of its own: sets anon->jit. Does nothing the second time. */
void jits_code(struct jits *js, struct module *anon, pid_t pid);

/* Is a mapping of @path the announcement of a jitdump? */
bool jits_is_dump(const char *path);

/* Process @pid, whose MODULE_ANON is @anon, announced its jitdump; as module_open_file(). */
void jits_dump(struct jits *js, struct module *anon, pid_t pid, const char *path,
	       const struct module_ident *ident, uint64_t start, uint64_t end);

/* The address space is gone. What is open stays so for one window more. */
void jits_ended(struct jits *js, struct jit *j);

/* Read what jitdumps have grown by, bounded; look for perf maps that were not there yet. Cheap. */
void jits_poll(struct jits *js);

/* A window is over: look whether maps changed or were replaced. Then, once it was handed over: close the dead
 * ones. */
void jits_window(struct jits *js);
void jits_next(struct jits *js);

/* Forget those that @r drops, closing their files, and translate the rest; before profile_renumber(). Modules
 * that stay keep theirs. */
struct profile_renumber;
void jits_renumber(struct jits *js, const struct profile_renumber *r);

/* Which of the codes that were at @addr one after another was there at @time (CLOCK_MONOTONIC ns)? */
uint32_t jit_generation(const struct jit *j, uint64_t addr, uint64_t time);

/* ---- jit_open.c ---- */

struct jit_owner {              /* what is to be known of a process while it can be looked at */
	pid_t pid, inner_pid;   /* in our pid namespace; in its own */
	uid_t uid;              /* effective, as the owner of /proc/PID */
	uint64_t start_real_ns; /* when it began; 0: not known */
	bool known;             /* the above but pid could be read */
	bool ours;              /* it has our mount and pid namespaces */
};

void jit_owner_read(struct jit_owner *o, pid_t pid);

/*
 * Its perf map, open for reading; -1 with *@reason set. Looked for in the
 * process's root, and in ours if that is the same or nothing was known of it.
 * Not through symbolic links, and only if its owner may speak for the process.
 */
int jit_open_map(const struct jit_owner *o, enum jit_reason *reason);

/* ---- jit_code.c ---- */

/* What a jitdump said so far of which code is where. */
struct jit_code {
	struct jit_range {
		uint64_t start, end, since;
		uint32_t generation, former;
	} * ranges; /* by start, disjoint */
	uint32_t n, cap, generations;
	uint64_t off;   /* up to here the file was read; 0: not begun */
	uint64_t moved; /* ranges, to make room for others: the time it took */
	bool broken;    /* malformed, or its times cannot be compared: no more of it */
};

void jit_code_release(struct jit_code *c);

/* Read on in @fd, a bounded number of records. False: there is more. */
bool jit_code_read(struct jit_code *c, int fd);

/* Code of [@start, @end) is there since @since, in place of what was. For jit_code_read(), and tests. */
void jit_code_put(struct jit_code *c, uint64_t start, uint64_t end, uint64_t since);
uint32_t jit_code_generation(const struct jit_code *c, uint64_t addr, uint64_t time);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * procs.h - who there is: processes, their mappings, their threads and names.
 *
 * Fed with side-band records in time order, so that at any sample it shows
 * the state at the sample's time. What records cannot tell (processes that ran
 * before, records that were lost) is read from /proc.
 */
#ifndef COLLECT_PROCS_H
#define COLLECT_PROCS_H

#include "collect/jit.h"
#include "collect/maps.h"
#include "collect/record.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define PROCS_MAX 262144 /* threads known at one time; samples of more go without names */

struct proc {
	pid_t pid, ppid;
	char comm[16];        /* name of the process; the kernel's TASK_COMM_LEN */
	struct maps *maps;    /* one reference */
	uint32_t n_threads;   /* known and alive */
	uint64_t synced_ns;   /* mapping records older than this are already in maps */
	uint64_t start_ticks; /* for account.c: tells it from a later process of this number; 0: not looked at
			       */
	bool gone;            /* private: for procs_prune() */
	struct thread *threads; /* private: list */
	struct proc *next;      /* private: hash chain */
};

struct thread {
	pid_t tid;
	struct proc *proc;
	char comm[16];
	uint32_t labels;     /* label set in the profile, or PROFILE_NONE: no room for one */
	uint64_t labels_gen; /* the generation that labels is of; 0: to be made */
	uint64_t event_id;   /* the event whose sample was accepted last; 0: none yet */
	bool inherits;       /* its samples come from another thread's event */
	bool forked;         /* a FORK record told of it: born while its parent was being sampled */
	struct thread *next, *next_in_proc; /* private: hash chain, process's list */
};

struct procs;

/* Borrows both. 0 or -errno. */
int procs_new(struct procs **out, struct modules *modules, struct profile *profile);
void procs_free(struct procs *ps);

/* A process about to exec: nothing of its present mappings matters. 0 or -ENOMEM. */
int procs_adopt(struct procs *ps, pid_t pid);

/* Apply a side-band record (others are ignored). 0 or -ENOMEM. */
int procs_record(struct procs *ps, const struct record *rec);

/*
 * The thread, learnt from /proc if no record told of it; NULL when out of
 * memory or over PROCS_MAX. Borrowed until its EXIT record.
 */
struct thread *procs_thread(struct procs *ps, pid_t pid, pid_t tid);

/*
 * Read @pid's mappings and the names of its threads from /proc, replacing
 * what was known of its mappings. 0, -ESRCH (gone), -EACCES (not ours), ...
 */
int procs_scan(struct procs *ps, pid_t pid);

/* Read @p's mappings from /proc once more, unless that was done after @time_ns (monotonic). True: done. */
bool procs_refresh(struct procs *ps, struct proc *p, uint64_t time_ns);

/*
 * Forget processes that are gone and were so at the call before (samples of them may come until then), and
 * with @threads their ended threads, where no records tell of it.
 */
void procs_prune(struct procs *ps, bool threads);

/* Side-band records were lost: read the mappings of every live process again. */
void procs_rescan(struct procs *ps);

/* The thread if it is known, else NULL; never looks into /proc. */
struct thread *procs_find_thread(struct procs *ps, pid_t tid);

/*
 * Label set {thread id, thread name, process_id, process_name} of @t in the
 * profile; only the process's when the table is nearly full. @generation is
 * above 0 and changes with each profile_reset().
 */
uint32_t procs_labels(struct procs *ps, struct thread *t, uint64_t generation);

/* Processes and threads seen since the last call with @reset. */
void procs_seen(struct procs *ps, uint32_t *processes, uint32_t *threads, bool reset);

/* The process if scans or records told of it, else NULL; never looks into /proc. */
struct proc *procs_find(struct procs *ps, pid_t pid);

/* Threads alive by the records. */
uint32_t procs_threads(const struct procs *ps);

/* Code that processes made at run time. Borrowed. */
struct jits *procs_jits(struct procs *ps);

/* Tell modules_mapped() of every mapping there is. */
void procs_mark_modules(struct procs *ps);

/* Ids of strings in the profile that are kept here: @ids, for modules_plan(). Returns how many, at most 8. */
uint32_t procs_strings(const struct procs *ps, uint32_t ids[8]);

/* Translate all numbers kept here, before modules_renumber() and profile_renumber(). */
struct profile_renumber;
void procs_renumber(struct procs *ps, const struct profile_renumber *r);

/* Calls @fn, which must not add or remove any, for every process alive by the records. */
void procs_each(struct procs *ps, void (*fn)(struct proc *p, void *arg), void *arg);

#endif

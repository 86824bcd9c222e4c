/* SPDX-License-Identifier: Apache-2.0 */
/*
 * procs_private.h - the process table, for procs.c and procs_profile.c.
 */
#ifndef COLLECT_PROCS_PRIVATE_H
#define COLLECT_PROCS_PRIVATE_H

#include "collect/procs.h"

#define PROCS_BUCKETS 4096

struct procs {
	struct modules *modules;
	struct profile *profile;
	struct jits *jits;
	struct proc *procs[PROCS_BUCKETS];
	struct thread *threads[PROCS_BUCKETS];
	uint32_t n_threads;
	uint32_t seen_processes, seen_threads;
	uint32_t key_tid, key_tname, key_pid, key_pname; /* string ids of the label keys */
	uint32_t visit;                                  /* counts the walks over all mappings */
};

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * maps.h - the executable mappings of one address space.
 *
 * Sorted by address, never overlapping: a new mapping evicts what it covers
 * (the kernel reports no munmap). Shared between parent and child after a
 * fork until one of them changes it (reference count, copy on write).
 */
#ifndef COLLECT_MAPS_H
#define COLLECT_MAPS_H

#include "collect/module.h"

#include <stdint.h>

#define MAPS_NEAR(addr) ((addr) >> 20 & 15)
#define MAPS_MAX        65536 /* mappings per address space; more are refused */

struct mapping {
	uint64_t start, end;
	uint64_t pgoff;        /* file offset of start; the address itself for anonymous memory */
	struct module *module; /* borrowed from struct modules */
	uint32_t mapping_id;   /* index of the profile's mapping */
};

struct maps {
	uint32_t refs;
	uint32_t n, cap;
	uint64_t version;  /* never 0; no other state of any maps ever had the same */
	uint32_t visit;    /* private to procs.c: the last time that each was told once */
	uint16_t near[16]; /* where the last hit was, by MAPS_NEAR() of the address: samples cluster */
	struct mapping *m;
};

struct maps *maps_new(void);              /* one reference, empty; NULL: out of memory */
struct maps *maps_ref(struct maps *maps); /* one more reference to the same */
void maps_unref(struct maps *maps);       /* NULL is fine */

/*
 * Insert @m, evicting or trimming what overlaps. *@maps is replaced by a
 * private copy first if it is shared. 0, -ENOMEM, -E2BIG or -EINVAL.
 */
int maps_insert(struct maps **maps, const struct mapping *m);

/* The mapping that holds @addr, or NULL. Borrowed until the next insert. */
const struct mapping *maps_find(struct maps *maps, uint64_t addr);

#endif

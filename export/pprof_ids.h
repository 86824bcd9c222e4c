/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pprof_ids.h - from the 64-bit ids a pprof uses to indexes into our arrays.
 *
 * Sorted rather than hashed: files can be made so that hashes collide.
 */
#ifndef EXPORT_PPROF_IDS_H
#define EXPORT_PPROF_IDS_H

#include <stddef.h>
#include <stdint.h>

struct pprof_ids {
	struct pprof_id {
		uint64_t id;
		uint32_t index;
	} * ids;
	uint32_t n;
};

/*
 * Index @n objects of @size bytes at @objects, each beginning with its
 * uint64_t id. 0, -ENOMEM, or -EEXIST: *@twice is an id that two of them have.
 */
int pprof_ids_init(struct pprof_ids *t, const void *objects, uint32_t n, size_t size, uint64_t *twice);
void pprof_ids_release(struct pprof_ids *t);

/* Index of the object with @id, or UINT32_MAX. */
uint32_t pprof_ids_find(const struct pprof_ids *t, uint64_t id);

#endif

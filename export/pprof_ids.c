/* SPDX-License-Identifier: Apache-2.0 */
/* pprof_ids.c - see pprof_ids.h. Almost every file counts its ids up from 1: tried first. */
#include "export/pprof_ids.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static void sift_down(struct pprof_id *a, uint32_t i, uint32_t n)
{
	struct pprof_id v = a[i];
	uint64_t child;

	while ((child = 2 * (uint64_t)i + 1) < n) {
		if (child + 1 < n && a[child + 1].id > a[child].id)
			child++;
		if (a[child].id <= v.id)
			break;
		a[i] = a[child];
		i = (uint32_t)child;
	}
	a[i] = v;
}

/* Heap sort: qsort() may be quadratic on what somebody arranged for it. */
static void sort(struct pprof_id *a, uint32_t n)
{
	struct pprof_id v;
	uint32_t i;

	for (i = n / 2; i--;)
		sift_down(a, i, n);
	for (i = n; i-- > 1;) {
		v = a[0];
		a[0] = a[i];
		a[i] = v;
		sift_down(a, 0, i);
	}
}

int pprof_ids_init(struct pprof_ids *t, const void *objects, uint32_t n, size_t size, uint64_t *twice)
{
	bool sorted = true;
	uint32_t i;

	*t = (struct pprof_ids){.ids = calloc(n ? n : 1, sizeof(*t->ids)), .n = n};
	if (!t->ids)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		memcpy(&t->ids[i].id, (const char *)objects + i * size, sizeof(uint64_t));
		t->ids[i].index = i;
		if (i && t->ids[i].id < t->ids[i - 1].id)
			sorted = false;
	}
	if (!sorted)
		sort(t->ids, n);
	for (i = 1; i < n; i++) {
		if (t->ids[i].id == t->ids[i - 1].id) {
			*twice = t->ids[i].id;
			return -EEXIST;
		}
	}
	return 0;
}

void pprof_ids_release(struct pprof_ids *t)
{
	free(t->ids);
	*t = (struct pprof_ids){0};
}

uint32_t pprof_ids_find(const struct pprof_ids *t, uint64_t id)
{
	uint32_t lo = 0, hi = t->n, mid;

	if (id && id <= t->n && t->ids[id - 1].id == id)
		return t->ids[id - 1].index;
	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (t->ids[mid].id == id)
			return t->ids[mid].index;
		if (t->ids[mid].id < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return UINT32_MAX;
}

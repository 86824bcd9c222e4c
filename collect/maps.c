/* SPDX-License-Identifier: Apache-2.0 */
/* maps.c - see maps.h: a sorted array, searched by halving. */
#include "collect/maps.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static uint64_t new_version(void)
{
	static uint64_t last;

	return ++last;
}

struct maps *maps_new(void)
{
	struct maps *maps = calloc(1, sizeof(*maps));

	if (maps) {
		maps->refs = 1;
		maps->version = new_version();
	}
	return maps;
}

struct maps *maps_ref(struct maps *maps)
{
	maps->refs++;
	return maps;
}

void maps_unref(struct maps *maps)
{
	if (!maps || --maps->refs)
		return;
	free(maps->m);
	free(maps);
}

/* Index of the first mapping that ends above @addr; n if there is none. */
static uint32_t lower_bound(const struct maps *maps, uint64_t addr)
{
	uint32_t lo = 0, hi = maps->n, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (maps->m[mid].end <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

const struct mapping *maps_find(struct maps *maps, uint64_t addr)
{
	const struct mapping *m;
	uint32_t i;

	i = maps->near[MAPS_NEAR(addr)];
	if (i < maps->n) {
		m = &maps->m[i];
		if (addr >= m->start && addr < m->end)
			return m;
	}
	i = lower_bound(maps, addr);
	if (i == maps->n || addr < maps->m[i].start)
		return NULL;
	maps->near[MAPS_NEAR(addr)] = (uint16_t)i;
	return &maps->m[i];
}

static int reserve(struct maps *maps, uint32_t n)
{
	uint32_t cap = maps->cap ? maps->cap : 16;
	struct mapping *m;

	if (n <= maps->cap)
		return 0;
	while (cap < n)
		cap *= 2;
	m = realloc(maps->m, cap * sizeof(*m));
	if (!m)
		return -ENOMEM;
	maps->m = m;
	maps->cap = cap;
	return 0;
}

/* Make *@maps ours alone, with room for @extra more. */
static int make_private(struct maps **maps, uint32_t extra)
{
	struct maps *old = *maps, *copy;

	if (old->refs == 1)
		return reserve(old, old->n + extra);
	copy = maps_new();
	if (!copy || reserve(copy, old->n + extra)) {
		maps_unref(copy);
		return -ENOMEM;
	}
	if (old->n)
		memcpy(copy->m, old->m, old->n * sizeof(*old->m));
	copy->n = old->n;
	maps_unref(old);
	*maps = copy;
	return 0;
}

int maps_insert(struct maps **maps, const struct mapping *add)
{
	struct mapping put[3]; /* what takes the place of all that overlaps */
	uint32_t n = 0, first, past;
	struct maps *m = *maps;
	const struct mapping *over;
	int err;

	if (add->start >= add->end)
		return -EINVAL;
	first = lower_bound(m, add->start);
	for (past = first; past < m->n && m->m[past].start < add->end; past++)
		;
	if (past > first && m->m[first].start < add->start) {
		put[n] = m->m[first];
		put[n++].end = add->start;
	}
	put[n++] = *add;
	over = past > first ? &m->m[past - 1] : NULL;
	if (over && over->end > add->end) {
		put[n] = *over;
		put[n].pgoff += add->end - over->start;
		put[n++].start = add->end;
	}
	if (m->n - (past - first) + n > MAPS_MAX)
		return -E2BIG;
	err = make_private(maps, 2);
	if (err)
		return err;
	m = *maps;
	memmove(m->m + first + n, m->m + past, (m->n - past) * sizeof(*m->m));
	memcpy(m->m + first, put, n * sizeof(*put));
	m->n = m->n - (past - first) + n;
	m->version = new_version();
	return 0;
}

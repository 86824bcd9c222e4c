/* SPDX-License-Identifier: Apache-2.0 */
/* hash.c - open addressing with linear probing, at most three quarters full. */
#include "base/hash.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

uint64_t hash_bytes(const void *data, size_t len)
{
	const uint8_t *p = data;
	uint64_t h = len, w;

	for (; len >= 8; len -= 8, p += 8) {
		memcpy(&w, p, 8);
		h = hash_mix(h, w);
	}
	if (len) {
		w = 0;
		memcpy(&w, p, len);
		h = hash_mix(h, w);
	}
	return h;
}

void idmap_init(struct idmap *m)
{
	*m = (struct idmap){0};
}

void idmap_release(struct idmap *m)
{
	free(m->slots);
	idmap_init(m);
}

void idmap_clear(struct idmap *m)
{
	if (m->slots)
		memset(m->slots, 0xff, ((size_t)m->mask + 1) * sizeof(*m->slots));
	m->used = 0;
}

uint32_t idmap_find(const struct idmap *m, uint64_t hash,
		    bool (*same)(const void *owner, uint32_t id, const void *key), const void *owner,
		    const void *key)
{
	uint32_t i, tag = (uint32_t)(hash >> 32);

	if (!m->slots)
		return IDMAP_NONE;
	for (i = (uint32_t)hash & m->mask; m->slots[i].id != IDMAP_NONE; i = (i + 1) & m->mask)
		if (m->slots[i].tag == tag && same(owner, m->slots[i].id, key))
			return m->slots[i].id;
	return IDMAP_NONE;
}

static void place(struct idmap *m, uint64_t hash, uint32_t id)
{
	uint32_t i = (uint32_t)hash & m->mask;

	while (m->slots[i].id != IDMAP_NONE)
		i = (i + 1) & m->mask;
	m->slots[i].tag = (uint32_t)(hash >> 32);
	m->slots[i].id = id;
	m->used++;
}

static int grow(struct idmap *m, uint64_t (*rehash)(const void *owner, uint32_t id), const void *owner)
{
	size_t cap = m->slots ? ((size_t)m->mask + 1) * 2 : 64;
	struct idmap bigger = {0};
	uint32_t i;

	if (cap > (size_t)1 << 31)
		return -ENOMEM;
	bigger.slots = malloc(cap * sizeof(*bigger.slots));
	if (!bigger.slots)
		return -ENOMEM;
	memset(bigger.slots, 0xff, cap * sizeof(*bigger.slots));
	bigger.mask = (uint32_t)cap - 1;
	for (i = 0; m->slots && i <= m->mask; i++)
		if (m->slots[i].id != IDMAP_NONE)
			place(&bigger, rehash(owner, m->slots[i].id), m->slots[i].id);
	free(m->slots);
	*m = bigger;
	return 0;
}

int idmap_add(struct idmap *m, uint64_t hash, uint32_t id, uint64_t (*rehash)(const void *owner, uint32_t id),
	      const void *owner)
{
	int err;

	if (!m->slots || m->used >= m->mask / 4 * 3) {
		err = grow(m, rehash, owner);
		if (err)
			return err;
	}
	place(m, hash, id);
	return 0;
}

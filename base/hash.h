/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hash.h - hashing of short keys, and a table from hash to dense ids.
 *
 * struct idmap is the index half of every intern table here: the owner keeps
 * the objects in an array and numbers them from 0; the map finds the number.
 * Equality is the owner's business, given as a callback. Entries are never
 * removed; clearing empties the whole map.
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Mix of a 64-bit integer (the finalizer of splitmix64, public domain). */
static inline uint64_t hash_u64(uint64_t x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9u;
	x ^= x >> 27;
	x *= 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

/* Order matters: hash_mix(a, b) != hash_mix(b, a). */
static inline uint64_t hash_mix(uint64_t h, uint64_t x)
{
	return hash_u64(h * 0x9e3779b97f4a7c15u + x);
}

uint64_t hash_bytes(const void *data, size_t len);

#define IDMAP_NONE UINT32_MAX

struct idmap {
	struct idmap_slot {
		uint32_t tag; /* high half of the hash */
		uint32_t id;  /* IDMAP_NONE: free */
	} * slots;
	uint32_t mask; /* slots - 1; 0 while nothing is allocated */
	uint32_t used;
};

void idmap_init(struct idmap *m);
void idmap_release(struct idmap *m);
void idmap_clear(struct idmap *m);

/* The id stored under @hash for which @same(@owner, id, @key), or IDMAP_NONE. */
uint32_t idmap_find(const struct idmap *m, uint64_t hash,
		    bool (*same)(const void *owner, uint32_t id, const void *key), const void *owner,
		    const void *key);

/*
 * Add @id under @hash; the caller knows it is not there yet. 0 or -ENOMEM.
 * When the table grows, @rehash(@owner, id) must give each id's hash again.
 */
int idmap_add(struct idmap *m, uint64_t hash, uint32_t id, uint64_t (*rehash)(const void *owner, uint32_t id),
	      const void *owner);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* blockcache.c - see blockcache.h. Set-associative, least recently used goes first. */
#include "collect/blockcache.h"

#include "base/hash.h"
#include "base/io.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_SHIFT 12
#define BLOCK_SIZE  ((size_t)1 << BLOCK_SHIFT)
#define WAYS        8

struct block {
	uint64_t number;
	uint32_t id;
	uint32_t len;  /* bytes that are there; 0: free */
	uint64_t used; /* time of last use */
};

struct blockcache {
	struct block *blocks;
	uint8_t *data;
	uint32_t set_mask;
	uint64_t clock;
};

int blockcache_new(struct blockcache **out, size_t bytes)
{
	struct blockcache *bc = calloc(1, sizeof(*bc));
	size_t sets = 1;

	if (!bc)
		return -ENOMEM;
	while (sets * 2 * WAYS * BLOCK_SIZE <= bytes && sets < (1u << 20))
		sets *= 2;
	bc->set_mask = (uint32_t)sets - 1;
	*out = bc;
	return 0;
}

void blockcache_clear(struct blockcache *bc)
{
	free(bc->blocks);
	free(bc->data);
	bc->blocks = NULL;
	bc->data = NULL;
}

/* Not before something is read: tests and fuzzers make many, and read from memory. */
static int allocate(struct blockcache *bc)
{
	size_t blocks = ((size_t)bc->set_mask + 1) * WAYS;

	bc->blocks = calloc(blocks, sizeof(*bc->blocks));
	bc->data = malloc(blocks * BLOCK_SIZE);
	if (bc->blocks && bc->data)
		return 0;
	blockcache_clear(bc);
	return -ENOMEM;
}

void blockcache_free(struct blockcache *bc)
{
	if (!bc)
		return;
	blockcache_clear(bc);
	free(bc);
}

static uint8_t *block_data(const struct blockcache *bc, const struct block *b)
{
	return bc->data + (size_t)(b - bc->blocks) * BLOCK_SIZE;
}

/* The block, or NULL with *@err set. */
static const struct block *get_block(struct blockcache *bc, uint32_t id, int fd, uint64_t number, int *err)
{
	struct block *set = bc->blocks + (hash_mix(id, number) & bc->set_mask) * WAYS;
	struct block *b = set;
	ssize_t n;
	unsigned i;

	bc->clock++;
	for (i = 0; i < WAYS; i++) {
		if (set[i].len && set[i].number == number && set[i].id == id) {
			set[i].used = bc->clock;
			return &set[i];
		}
		if (set[i].used < b->used)
			b = &set[i];
	}
	b->len = 0;
	n = io_pread_full(fd, block_data(bc, b), BLOCK_SIZE, number << BLOCK_SHIFT);
	if (n <= 0) {
		*err = n ? (int)n : -ENODATA;
		return NULL;
	}
	*b = (struct block){.number = number, .id = id, .len = (uint32_t)n, .used = bc->clock};
	return b;
}

int blockcache_peek(struct blockcache *bc, uint32_t id, int fd, uint64_t off, const uint8_t **at, size_t *len)
{
	const size_t in = off & (BLOCK_SIZE - 1);
	const struct block *b;
	int err = 0;

	if (off > INT64_MAX)
		return -ENODATA;
	if (!bc->blocks)
		err = allocate(bc);
	if (err)
		return err;
	b = get_block(bc, id, fd, off >> BLOCK_SHIFT, &err);
	if (!b)
		return err;
	if (in >= b->len)
		return -ENODATA;
	*at = block_data(bc, b) + in;
	*len = b->len - in;
	return 0;
}

int blockcache_read(struct blockcache *bc, uint32_t id, int fd, uint64_t off, void *buf, size_t len)
{
	uint8_t *to = buf;
	const struct block *b;
	size_t at, n;
	int err = 0;

	if (off > INT64_MAX || len > INT64_MAX - off)
		return -ENODATA;
	if (!bc->blocks)
		err = allocate(bc);
	if (err)
		return err;
	while (len) {
		b = get_block(bc, id, fd, off >> BLOCK_SHIFT, &err);
		if (!b)
			return err;
		at = off & (BLOCK_SIZE - 1);
		n = BLOCK_SIZE - at < len ? BLOCK_SIZE - at : len;
		if (at > b->len || n > b->len - at)
			return -ENODATA;
		memcpy(to, block_data(bc, b) + at, n);
		to += n;
		off += n;
		len -= n;
	}
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* strtab.c - string interning over struct idmap. */
#include "base/strtab.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct key {
	const char *s;
	size_t len;
};

static bool same(const void *owner, uint32_t id, const void *key)
{
	const struct strtab *t = owner;
	const struct key *k = key;

	return t->length[id] == k->len && !memcmp(t->bytes + t->start[id], k->s, k->len);
}

static uint64_t rehash(const void *owner, uint32_t id)
{
	const struct strtab *t = owner;

	return hash_bytes(t->bytes + t->start[id], t->length[id]);
}

int strtab_init(struct strtab *t, size_t bytes_max)
{
	uint32_t id;
	int err;

	*t = (struct strtab){.bytes_max = bytes_max < UINT32_MAX ? bytes_max : UINT32_MAX};
	err = strtab_put_len(t, "", 0, &id);
	if (err)
		strtab_release(t);
	return err;
}

void strtab_release(struct strtab *t)
{
	free(t->bytes);
	free(t->start);
	free(t->length);
	idmap_release(&t->map);
	*t = (struct strtab){0};
}

static int reserve_bytes(struct strtab *t, size_t extra)
{
	size_t cap = t->bytes_cap ? t->bytes_cap : 4096;
	char *bytes;

	if (t->bytes_len + extra > t->bytes_max)
		return -E2BIG;
	if (t->bytes_len + extra <= t->bytes_cap)
		return 0;
	while (cap < t->bytes_len + extra)
		cap *= 2;
	bytes = realloc(t->bytes, cap);
	if (!bytes)
		return -ENOMEM;
	t->bytes = bytes;
	t->bytes_cap = cap;
	return 0;
}

static int reserve_ids(struct strtab *t)
{
	uint32_t cap = t->cap ? t->cap * 2 : 256;
	uint32_t *p;

	if (t->count < t->cap)
		return 0;
	if (cap < t->cap)
		return -E2BIG;
	p = realloc(t->start, cap * sizeof(*p));
	if (!p)
		return -ENOMEM;
	t->start = p;
	p = realloc(t->length, cap * sizeof(*p));
	if (!p)
		return -ENOMEM;
	t->length = p;
	t->cap = cap;
	return 0;
}

/* Cut an over-long string, stepping back over UTF-8 continuation bytes. */
static size_t cut(const char *s, size_t len)
{
	if (len <= STRTAB_STR_MAX)
		return len;
	len = STRTAB_STR_MAX;
	while (len && ((unsigned char)s[len] & 0xc0) == 0x80)
		len--;
	return len;
}

int strtab_put_len(struct strtab *t, const char *s, size_t len, uint32_t *id)
{
	struct key k = {s, cut(s, len)};
	uint64_t hash = hash_bytes(s, k.len);
	uint32_t found = idmap_find(&t->map, hash, same, t, &k);
	int err = 0;

	if (found != IDMAP_NONE) {
		*id = found;
		return 0;
	}
	*id = 0;
	err = reserve_bytes(t, k.len + 1);
	if (!err)
		err = reserve_ids(t);
	if (!err)
		err = idmap_add(&t->map, hash, t->count, rehash, t);
	if (err)
		return err;
	memcpy(t->bytes + t->bytes_len, s, k.len);
	t->bytes[t->bytes_len + k.len] = '\0';
	t->start[t->count] = (uint32_t)t->bytes_len;
	t->length[t->count] = (uint32_t)k.len;
	t->bytes_len += k.len + 1;
	*id = t->count++;
	return 0;
}

int strtab_put(struct strtab *t, const char *s, uint32_t *id)
{
	return strtab_put_len(t, s, strlen(s), id);
}

const char *strtab_get(const struct strtab *t, uint32_t id)
{
	return id < t->count ? t->bytes + t->start[id] : "";
}

/* SPDX-License-Identifier: Apache-2.0 */
/* msgpack.c - see msgpack.h. */
#include "export/msgpack.h"

#include <errno.h>
#include <stdbool.h>

#define MAX_DEPTH 16

struct reader {
	const uint8_t *pos, *end;
};

enum kind { KIND_OTHER, KIND_STRING, KIND_ARRAY, KIND_MAP };

struct item {
	enum kind kind;
	const uint8_t *bytes; /* strings */
	uint64_t n;           /* their length; items of an array, pairs of a map */
};

static bool number(struct reader *r, unsigned width, uint64_t *v)
{
	if ((size_t)(r->end - r->pos) < width)
		return false;
	for (*v = 0; width; width--)
		*v = *v << 8 | *r->pos++;
	return true;
}

static bool pass(struct reader *r, uint64_t n)
{
	if ((uint64_t)(r->end - r->pos) < n)
		return false;
	r->pos += n;
	return true;
}

/* The head of one value, and its bytes if it has no parts. */
static bool next(struct reader *r, struct item *out)
{
	/* 0xc4.. on: width of the length that follows, or bytes of the value */
	static const uint8_t length_width[] = {
		[0xc4 - 0xc0] = 1, [0xc5 - 0xc0] = 2, [0xc6 - 0xc0] = 4, [0xc7 - 0xc0] = 1, [0xc8 - 0xc0] = 2,
		[0xc9 - 0xc0] = 4, [0xd9 - 0xc0] = 1, [0xda - 0xc0] = 2, [0xdb - 0xc0] = 4, [0xdc - 0xc0] = 2,
		[0xdd - 0xc0] = 4, [0xde - 0xc0] = 2, [0xdf - 0xc0] = 4};
	static const uint8_t fixed[] = {
		[0xca - 0xc0] = 4, [0xcb - 0xc0] = 8, [0xcc - 0xc0] = 1,  [0xcd - 0xc0] = 2,
		[0xce - 0xc0] = 4, [0xcf - 0xc0] = 8, [0xd0 - 0xc0] = 1,  [0xd1 - 0xc0] = 2,
		[0xd2 - 0xc0] = 4, [0xd3 - 0xc0] = 8, [0xd4 - 0xc0] = 2,  [0xd5 - 0xc0] = 3,
		[0xd6 - 0xc0] = 5, [0xd7 - 0xc0] = 9, [0xd8 - 0xc0] = 17, [0xdf - 0xc0] = 0};
	uint64_t type;
	unsigned i;

	*out = (struct item){.kind = KIND_OTHER};
	if (!number(r, 1, &type))
		return false;
	if (type < 0x80 || type >= 0xe0)
		return true;
	if (type < 0xc0) { /* fixmap, fixarray, fixstr */
		out->kind = type < 0x90 ? KIND_MAP : type < 0xa0 ? KIND_ARRAY : KIND_STRING;
		out->n = type < 0xa0 ? type & 0xf : type & 0x1f;
	} else {
		i = (unsigned)type - 0xc0;
		if (length_width[i] && !number(r, length_width[i], &out->n))
			return false;
		if (type >= 0xd9)
			out->kind = type < 0xdc ? KIND_STRING : type < 0xde ? KIND_ARRAY : KIND_MAP;
		else if (length_width[i] && !pass(r, out->n + (type >= 0xc7)))
			return false;
		else if (!length_width[i] && !pass(r, fixed[i]))
			return false;
	}
	out->bytes = r->pos;
	return out->kind != KIND_STRING || pass(r, out->n);
}

/* Pass over what @item has inside it; each part takes a byte at least, so this ends. */
static bool skip_inside(struct reader *r, const struct item *item)
{
	uint64_t left[MAX_DEPTH];
	struct item inner = *item;
	unsigned depth = 0;

	for (;;) {
		if (inner.kind == KIND_ARRAY || inner.kind == KIND_MAP) {
			if (depth == MAX_DEPTH || inner.n > UINT64_MAX / 2)
				return false;
			left[depth++] = inner.kind == KIND_MAP ? 2 * inner.n : inner.n;
		}
		while (depth && !left[depth - 1])
			depth--;
		if (!depth)
			return true;
		left[depth - 1]--;
		if (!next(r, &inner))
			return false;
	}
}

int msgpack_strings(const uint8_t *data, size_t len,
		    void (*fn)(const char *key, size_t key_len, const char *value, size_t value_len,
			       void *arg),
		    void *arg)
{
	struct reader r = {data, data + len};
	struct item map, key, value;
	uint64_t i;

	if (!next(&r, &map) || map.kind != KIND_MAP)
		return -EBADMSG;
	for (i = 0; i < map.n; i++) {
		if (!next(&r, &key) || !skip_inside(&r, &key) || !next(&r, &value))
			return -EBADMSG;
		if (key.kind == KIND_STRING && value.kind == KIND_STRING)
			fn((const char *)key.bytes, (size_t)key.n, (const char *)value.bytes, (size_t)value.n,
			   arg);
		if (!skip_inside(&r, &value))
			return -EBADMSG;
	}
	return 0;
}

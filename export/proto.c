/* SPDX-License-Identifier: Apache-2.0 */
/* proto.c - see proto.h. */
#include "export/proto.h"

#include <errno.h>
#include <string.h>

#define VARINT_MAX 10 /* bytes of 64 bits, 7 in each */

/* ---- writing ---- */

void proto_put_varint(struct buf *b, uint64_t v)
{
	uint8_t own[VARINT_MAX], *bytes = own;
	size_t n = 0;

	/* straight into the buffer where there is room: most of a profile is small numbers */
	if (b->cap - b->len >= VARINT_MAX)
		bytes = b->data + b->len;
	for (; v >= 0x80; v >>= 7)
		bytes[n++] = (uint8_t)(v | 0x80);
	bytes[n++] = (uint8_t)v;
	if (bytes == own)
		buf_put(b, own, n);
	else
		b->len += n;
}

static void put_tag(struct buf *b, uint32_t field, enum proto_wire wire)
{
	proto_put_varint(b, (uint64_t)field << 3 | wire);
}

void proto_put_u64(struct buf *b, uint32_t field, uint64_t v)
{
	if (!v)
		return;
	put_tag(b, field, PROTO_VARINT);
	proto_put_varint(b, v);
}

void proto_put_i64(struct buf *b, uint32_t field, int64_t v)
{
	proto_put_u64(b, field, (uint64_t)v);
}

void proto_put_bool(struct buf *b, uint32_t field, bool v)
{
	proto_put_u64(b, field, v);
}

void proto_put_bytes(struct buf *b, uint32_t field, const void *data, size_t len)
{
	put_tag(b, field, PROTO_BYTES);
	proto_put_varint(b, len);
	buf_put(b, data, len);
}

/* ---- reading ---- */

static int get_varint(struct proto_reader *r, uint64_t *v)
{
	uint64_t x = 0;
	unsigned i;

	for (i = 0; i < VARINT_MAX && r->pos < r->end; i++) {
		uint8_t byte = *r->pos++;

		/* of the tenth byte only the lowest bit has a place */
		x |= (uint64_t)(byte & 0x7f) << (7 * i);
		if (!(byte & 0x80)) {
			*v = x;
			return 1;
		}
	}
	return -EBADMSG;
}

static int get_fixed(struct proto_reader *r, unsigned size, uint64_t *v)
{
	unsigned i;

	if ((size_t)(r->end - r->pos) < size)
		return -EBADMSG;
	for (*v = 0, i = 0; i < size; i++)
		*v |= (uint64_t)r->pos[i] << (8 * i);
	r->pos += size;
	return 1;
}

static int get_bytes(struct proto_reader *r, struct proto_reader *bytes)
{
	uint64_t len;

	if (get_varint(r, &len) < 0 || len > (uint64_t)(r->end - r->pos))
		return -EBADMSG;
	bytes->pos = r->pos;
	r->pos += len;
	bytes->end = r->pos;
	return 1;
}

int proto_next(struct proto_reader *r, struct proto_field *f)
{
	uint64_t tag;

	if (r->pos == r->end)
		return 0;
	memset(f, 0, sizeof(*f));
	if (get_varint(r, &tag) < 0 || tag > UINT32_MAX || !(tag >> 3))
		return -EBADMSG;
	f->number = (uint32_t)(tag >> 3);
	f->wire = (enum proto_wire)(tag & 7);
	switch (f->wire) {
	case PROTO_VARINT:
		return get_varint(r, &f->value);
	case PROTO_FIXED64:
		return get_fixed(r, 8, &f->value);
	case PROTO_BYTES:
		return get_bytes(r, &f->bytes);
	case PROTO_FIXED32:
		return get_fixed(r, 4, &f->value);
	}
	return -EBADMSG;
}

void proto_numbers_init(struct proto_numbers *n, const struct proto_field *f)
{
	*n = (struct proto_numbers){.left = f->bytes, .one = f->value, .state = PROTO_NUMBERS_BAD};
	if (f->wire == PROTO_VARINT)
		n->state = PROTO_NUMBERS_ONE;
	else if (f->wire == PROTO_BYTES)
		n->state = PROTO_NUMBERS_PACKED;
}

int proto_numbers_next(struct proto_numbers *n, uint64_t *v)
{
	switch (n->state) {
	case PROTO_NUMBERS_PACKED:
		return n->left.pos == n->left.end ? 0 : get_varint(&n->left, v);
	case PROTO_NUMBERS_ONE:
		*v = n->one;
		n->state = PROTO_NUMBERS_END;
		return 1;
	case PROTO_NUMBERS_END:
		return 0;
	case PROTO_NUMBERS_BAD:
		break;
	}
	return -EBADMSG;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto.h - the protocol buffers wire format, as far as pprof uses it.
 *
 * Source: "Encoding", protobuf.dev/programming-guides/encoding. A message is
 * put into a buffer of its own and then into its parent, as its length comes
 * first. Puts report nothing: look at the buffer's `error` once at the end.
 */
#ifndef EXPORT_PROTO_H
#define EXPORT_PROTO_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum proto_wire { PROTO_VARINT = 0, PROTO_FIXED64 = 1, PROTO_BYTES = 2, PROTO_FIXED32 = 5 };

/* ---- writing; a value of 0 is the default and is left out ---- */

void proto_put_varint(struct buf *b, uint64_t v); /* the bare number */
void proto_put_u64(struct buf *b, uint32_t field, uint64_t v);
void proto_put_i64(struct buf *b, uint32_t field, int64_t v);
void proto_put_bool(struct buf *b, uint32_t field, bool v);
void proto_put_bytes(struct buf *b, uint32_t field, const void *data, size_t len); /* put even if empty */

/* ---- reading ---- */

struct proto_reader {
	const uint8_t *pos, *end;
};

struct proto_field {
	uint32_t number;
	enum proto_wire wire;
	uint64_t value;            /* numbers */
	struct proto_reader bytes; /* PROTO_BYTES */
};

/*
 * The next field of a message. 1: *@f is it; 0: at the end; -EBADMSG: cut
 * off, a length beyond the end, or a kind of field that does not exist (groups,
 * which no pprof has, included). Always moves on, so a loop over it ends.
 */
int proto_next(struct proto_reader *r, struct proto_field *f);

/* The numbers of a repeated field, whether they came packed or one by one. */
struct proto_numbers {
	struct proto_reader left;
	enum { PROTO_NUMBERS_PACKED, PROTO_NUMBERS_ONE, PROTO_NUMBERS_END, PROTO_NUMBERS_BAD } state;
	uint64_t one;
};

void proto_numbers_init(struct proto_numbers *n, const struct proto_field *f);

/* 1: *@v is the next; 0: no more; -EBADMSG: cut off, or the field is of no kind that holds varints. */
int proto_numbers_next(struct proto_numbers *n, uint64_t *v);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json.h - write JSON (RFC 8259) into a bounded buffer.
 *
 * Commas are put by themselves. Text is escaped where JSON demands it and made
 * valid UTF-8 first, so that any bytes of the profiled program may be given.
 * Puts report nothing: look at json_end()'s result, or the buffer's `error`.
 */
#ifndef EXPORT_JSON_H
#define EXPORT_JSON_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_MAX_DEPTH 16

struct json {
	struct buf *out; /* borrowed */
	uint32_t more;   /* bit d: something stands already at depth d */
	unsigned depth;
	char close[JSON_MAX_DEPTH]; /* what ends each open object or array */
	bool after_key;
};

void json_init(struct json *j, struct buf *out);

void json_object(struct json *j);
void json_array(struct json *j);
void json_close(struct json *j); /* the innermost open one */

void json_key(struct json *j, const char *key);
void json_str(struct json *j, const char *s);
void json_str_len(struct json *j, const char *s, size_t len);
void json_u64(struct json *j, uint64_t v);
void json_bool(struct json *j, bool v);
void json_null(struct json *j);

/* "key": "value", left out when @value is NULL or empty. */
void json_field(struct json *j, const char *key, const char *value);
void json_field_u64(struct json *j, const char *key, uint64_t v);

/* 0; -EINVAL when something is still open or was nested too deep; the buffer's first error. */
int json_end(const struct json *j);

#endif

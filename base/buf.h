/* SPDX-License-Identifier: Apache-2.0 */
/*
 * buf.h - a growable byte buffer with a maximum that cannot be ignored.
 *
 * Every put returns 0, -ENOMEM, or -E2BIG when the maximum would be passed;
 * on failure the contents are as before. For encoders that would test each of
 * a hundred puts, the first failure also sticks in `error`: put on, and look
 * at it once before the bytes are used.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stddef.h>
#include <stdint.h>

struct buf {
	uint8_t *data;
	size_t len;
	size_t cap;
	size_t max; /* bytes; puts beyond it fail with -E2BIG */
	int error;  /* first failure, or 0 */
};

void buf_init(struct buf *b, size_t max);
void buf_release(struct buf *b); /* frees; the buffer is as after buf_init with the same max */
void buf_clear(struct buf *b);   /* keeps the memory, forgets contents and error */

int buf_reserve(struct buf *b, size_t extra);
int buf_put(struct buf *b, const void *data, size_t len);
int buf_put_u8(struct buf *b, uint8_t v);
int buf_put_u32(struct buf *b, uint32_t v);    /* host byte order */
int buf_put_u64(struct buf *b, uint64_t v);    /* host byte order */
int buf_put_str(struct buf *b, const char *s); /* without its NUL */
int buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gzip.c - zlib, with sizes that are checked.
 *
 * Unpacking grows the output by what has come so far and no more, so a small
 * file that claims to be huge costs only up to the caller's maximum.
 */
#include "export/gzip.h"
#include "export/pprof.h"

#include <errno.h>
#include <limits.h>
#define ZLIB_CONST /* next_in is const */
#include <zlib.h>

#define WINDOW_GZIP         (MAX_WBITS + 16) /* as zlib.h defines these */
#define WINDOW_GZIP_OR_ZLIB (MAX_WBITS + 32)

int pprof_gzip(const struct buf *in, int level, struct buf *out)
{
	z_stream z = {0};
	uLong bound;
	int err;

	if (in->len > UINT_MAX)
		return -E2BIG;
	if (deflateInit2(&z, level, Z_DEFLATED, WINDOW_GZIP, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return level < 1 || level > 9 ? -EINVAL : -ENOMEM;
	bound = deflateBound(&z, (uLong)in->len);
	err = bound > UINT_MAX ? -E2BIG : buf_reserve(out, bound);
	if (!err) {
		z.next_in = in->data;
		z.avail_in = (uInt)in->len;
		z.next_out = out->data + out->len;
		z.avail_out = (uInt)bound;
		err = deflate(&z, Z_FINISH) == Z_STREAM_END ? 0 : -EIO;
	}
	if (!err)
		out->len += z.total_out;
	deflateEnd(&z);
	return err;
}

bool gzip_detect(const uint8_t *data, size_t len)
{
	if (len < 2)
		return false;
	if (data[0] == 0x1f && data[1] == 0x8b)
		return true;
	/*
	 * RFC 1950: deflate with a 32 KiB window, header a multiple of 31. Smaller
	 * windows, which nobody writes, could be told from a plain pprof by chance only.
	 */
	return data[0] == 0x78 && !((data[0] << 8 | data[1]) % 31);
}

/* Unpack until this stream ends. z->next_in and avail_in tell how far it got. */
static int unpack_stream(z_stream *z, struct buf *out)
{
	size_t room;
	int ret, err;

	for (;;) {
		if (out->len == out->cap) {
			err = buf_reserve(out, 1);
			if (err)
				return err;
		}
		room = out->cap - out->len;
		z->next_out = out->data + out->len;
		z->avail_out = room < UINT_MAX ? (uInt)room : UINT_MAX;
		room = z->avail_out;
		ret = inflate(z, Z_NO_FLUSH);
		out->len += room - z->avail_out;
		if (ret == Z_STREAM_END)
			return 0;
		if (ret == Z_MEM_ERROR)
			return -ENOMEM;
		if (ret != Z_OK && ret != Z_BUF_ERROR)
			return -EBADMSG;
		/* room is left, so what it lacks is input */
		if (z->avail_out)
			return -ENODATA;
	}
}

int gzip_unpack(const uint8_t *data, size_t len, struct buf *out)
{
	z_stream z = {0};
	int err;

	if (len > UINT_MAX)
		return -E2BIG;
	z.next_in = data;
	z.avail_in = (uInt)len;
	if (inflateInit2(&z, WINDOW_GZIP_OR_ZLIB) != Z_OK)
		return -ENOMEM;
	do {
		err = unpack_stream(&z, out);
		if (!err && z.avail_in && (!gzip_detect(z.next_in, z.avail_in) || inflateReset(&z) != Z_OK))
			err = -EBADMSG;
	} while (!err && z.avail_in);
	inflateEnd(&z);
	return err;
}

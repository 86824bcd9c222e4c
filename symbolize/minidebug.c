/* SPDX-License-Identifier: Apache-2.0 */
/* minidebug.c - see minidebug.h. A few bytes of xz can ask for any amount of memory: both sides are bounded.
 */
#include "symbolize/minidebug.h"

#include "base/buf.h"

#include <errno.h>
#include <lzma.h>
#include <stdlib.h>

#define MAX_PACKED   (64u << 20)
#define MAX_UNPACKED (256u << 20)
#define MAX_DECODER  (96u << 20) /* of the decoder: a dictionary of 64 MB, what xz -9 takes */
#define CHUNK        (256u << 10)

static int decode(lzma_stream *s, struct buf *out)
{
	lzma_ret ret = LZMA_OK;
	int err;

	while (ret == LZMA_OK) {
		err = buf_reserve(out, CHUNK);
		if (err)
			return err;
		s->next_out = out->data + out->len;
		s->avail_out = out->cap - out->len;
		ret = lzma_code(s, LZMA_FINISH);
		out->len = (size_t)(s->next_out - out->data);
	}
	if (ret == LZMA_MEM_ERROR)
		return -ENOMEM;
	if (ret == LZMA_MEMLIMIT_ERROR)
		return -E2BIG;
	return ret == LZMA_STREAM_END ? 0 : -EBADMSG;
}

int minidebug_load(const struct elfsec *e, uint8_t **image, size_t *size)
{
	const Elf64_Shdr *sh = elfsec_by_name(e, ".gnu_debugdata");
	lzma_stream s = LZMA_STREAM_INIT;
	struct buf out;
	uint8_t *packed;
	size_t len;
	int err;

	if (!sh)
		return -ENOENT;
	err = elfsec_load(e, sh, MAX_PACKED, &packed, &len);
	if (err)
		return err == -ENODATA ? -EBADMSG : err;
	buf_init(&out, MAX_UNPACKED);
	s.next_in = packed;
	s.avail_in = len;
	err = lzma_stream_decoder(&s, MAX_DECODER, 0) == LZMA_OK ? decode(&s, &out) : -ENOMEM;
	lzma_end(&s);
	free(packed);
	if (err) {
		buf_release(&out);
		return err;
	}
	*image = out.data;
	*size = out.len;
	return 0;
}

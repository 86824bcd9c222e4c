/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cfi_unpack.c - a compressed .debug_frame, unpacked once (see cfi_private.h).
 *
 * Format: System V gABI, "Section Compression"; zlib only, which is what
 * linkers and objcopy write unless told otherwise.
 */
#include "collect/cfi_private.h"

#include "base/log.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <zlib.h>

#define RATIO_MAX 1032 /* deflate's best: 258 bytes of two bits */

/* All of @s behind its header, which must come to exactly @len bytes. */
static int inflate_all(const struct section *s, uint8_t *to, size_t len)
{
	z_stream z = {.next_out = to, .avail_out = (uInt)len};
	uint64_t off = sizeof(Elf64_Chdr);
	int status = Z_OK, err = 0;
	const uint8_t *at;
	size_t n;

	if (inflateInit(&z) != Z_OK)
		return -ENOMEM;
	while (!err && status == Z_OK) {
		err = section_peek(s, off, &at, &n);
		if (err)
			break;
		z.next_in = (Bytef *)at; /* NOLINT: zlib's own headers have no const */
		z.avail_in = (uInt)n;
		status = inflate(&z, Z_NO_FLUSH);
		off += n;
	}
	if (!err && (status != Z_STREAM_END || z.avail_out))
		err = -EBADMSG;
	inflateEnd(&z);
	return err;
}

static int unpack(struct cfi *c, const struct section *packed, struct cfi_unpacked *out)
{
	Elf64_Chdr head;
	int err = section_read(packed, 0, &head, sizeof(head));

	if (err)
		return err;
	if (head.ch_type != ELFCOMPRESS_ZLIB)
		return -ENOTSUP;
	if (!head.ch_size || head.ch_size > CFI_UNPACK_MAX || head.ch_size > c->unpack_left ||
	    head.ch_size / RATIO_MAX > packed->s->size)
		return -EFBIG;
	out->bytes = malloc(head.ch_size);
	if (!out->bytes)
		return -ENOMEM;
	c->unpack_left -= head.ch_size;
	out->section = (struct cfi_section){.size = head.ch_size};
	return inflate_all(packed, out->bytes, head.ch_size);
}

void cfi_unpack(struct cfi *c, struct module *m, struct cfi_unpacked *out)
{
	struct section packed = {.c = c, .m = m, .s = &m->debug_frame, .debug = true};
	int err = unpack(c, &packed, out);

	if (!err)
		return;
	log_debug("compressed call frames of module %u are not used: error %d", m->id, -err);
	cfi_unpacked_release(out);
}

void cfi_unpacked_release(struct cfi_unpacked *u)
{
	free(u->bytes);
	*u = (struct cfi_unpacked){0};
}

/* SPDX-License-Identifier: Apache-2.0 */
/* tar.c - see tar.h. */
#include "export/tar.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define BLOCK 512

struct header {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], sum[8], type, link[100];
	char magic[6], version[2], user[32], group[32], major[8], minor[8], prefix[155], pad[12];
};

_Static_assert(sizeof(struct header) == BLOCK, "a header is one block");

/* Octal digits with leading zeros and a NUL, as long as the field. */
static void octal(char *field, size_t len, uint64_t v)
{
	field[--len] = '\0';
	while (len) {
		field[--len] = (char)('0' + (v & 7));
		v >>= 3;
	}
}

/* The sum of all bytes of the header, with its own field as blanks: six digits, NUL, blank. */
static void seal(struct header *h)
{
	const unsigned char *p = (const unsigned char *)h;
	unsigned sum = 0;
	size_t i;

	memset(h->sum, ' ', sizeof(h->sum));
	for (i = 0; i < sizeof(*h); i++)
		sum += p[i];
	octal(h->sum, sizeof(h->sum) - 1, sum);
}

static int pad(struct buf *out, size_t n)
{
	static const char zeros[BLOCK];

	return n ? buf_put(out, zeros, n) : 0;
}

int tar_add(struct buf *out, const char *name, const void *data, size_t len, uint64_t mtime_s)
{
	struct header h = {.type = '0', .magic = "ustar", .version = {'0', '0'}};
	size_t before = out->len;
	int err;

	if (!*name || strlen(name) > TAR_NAME_MAX || *name == '/' || strstr(name, ".."))
		return -EINVAL;
	if (len >> 33)
		return -E2BIG;
	strcpy(h.name, name);
	octal(h.mode, sizeof(h.mode), 0600);
	octal(h.uid, sizeof(h.uid), 0);
	octal(h.gid, sizeof(h.gid), 0);
	octal(h.size, sizeof(h.size), len);
	octal(h.mtime, sizeof(h.mtime), mtime_s);
	octal(h.major, sizeof(h.major), 0);
	octal(h.minor, sizeof(h.minor), 0);
	seal(&h);
	err = buf_put(out, &h, sizeof(h));
	if (!err)
		err = buf_put(out, data, len);
	if (!err)
		err = pad(out, (BLOCK - len % BLOCK) % BLOCK);
	if (err)
		out->len = before;
	return err;
}

int tar_end(struct buf *out)
{
	int err = pad(out, BLOCK);

	return err ? err : pad(out, BLOCK);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * no_zlib.c - stands for collect/cfi_unpack.c, which needs zlib: Debian's cross
 * compiler comes with libc only. Compressed sections are tested natively.
 */
#include "collect/cfi_private.h"

void cfi_unpack(struct cfi *c, struct module *m, struct cfi_unpacked *out)
{
	(void)c;
	(void)m;
	(void)out;
}

void cfi_unpacked_release(struct cfi_unpacked *u)
{
	(void)u;
}

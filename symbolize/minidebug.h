/* SPDX-License-Identifier: Apache-2.0 */
/*
 * minidebug.h - MiniDebugInfo: an ELF file with the symbol table of local
 * functions, compressed with xz, in section .gnu_debugdata (Fedora and others).
 */
#ifndef SYMBOLIZE_MINIDEBUG_H
#define SYMBOLIZE_MINIDEBUG_H

#include "symbolize/elfsec.h"

#include <stddef.h>
#include <stdint.h>

/*
 * The decompressed file; free() it. 0; -ENOENT: @e has none; -EBADMSG;
 * -E2BIG: larger than we take, packed or unpacked; -ENOMEM.
 */
int minidebug_load(const struct elfsec *e, uint8_t **image, size_t *size);

#endif

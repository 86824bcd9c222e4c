/* SPDX-License-Identifier: Apache-2.0 */
/*
 * text.h - names from files and programs made fit to be written and shown.
 */
#ifndef EXPORT_TEXT_H
#define EXPORT_TEXT_H

#include "base/buf.h"

#include <stddef.h>
#include <stdint.h>

/*
 * Bytes of the UTF-8 sequence that @s (@len > 0 bytes) begins with, 0 if it is
 * none (RFC 3629: no overlong forms, no surrogates). *@code, if not NULL, is its code point.
 */
size_t text_utf8(const uint8_t *s, size_t len, uint32_t *code);

/* Append @s with each byte that is no part of a valid sequence replaced by U+FFFD. */
int text_put_valid(struct buf *out, const char *s, size_t len);

/*
 * Append @s with what could move the cursor or change the direction of writing
 * made visible: control characters and stray bytes as \x1b, others as \u202e.
 * At most @columns columns (0: no limit), counting one per character; what
 * is cut off ends in "…". *@used, if not NULL, is the number of columns.
 */
int text_put_visible(struct buf *out, const char *s, size_t len, unsigned columns, unsigned *used);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gzip.h - profiles squeezed and unpacked, never beyond the buffer's maximum.
 */
#ifndef EXPORT_GZIP_H
#define EXPORT_GZIP_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* True when @data begins as a gzip file or a zlib stream does. */
bool gzip_detect(const uint8_t *data, size_t len);

/*
 * Unpack a gzip file (several members one after another are one file) or a
 * zlib stream, appending to @out. 0; -E2BIG when it would not fit out->max;
 * -ENODATA cut off; -EBADMSG damaged, or followed by something else; -ENOMEM.
 */
int gzip_unpack(const uint8_t *data, size_t len, struct buf *out);

#endif

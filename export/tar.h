/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tar.h - a tar archive in memory: regular files with short names, nothing else.
 *
 * The format is ustar (POSIX.1-2001, pax, "ustar Interchange Format"). Owner and
 * group are written as 0: an archive for somebody else tells nothing by them.
 */
#ifndef EXPORT_TAR_H
#define EXPORT_TAR_H

#include "base/buf.h"

#include <stddef.h>
#include <stdint.h>

#define TAR_NAME_MAX 99 /* bytes */

/*
 * Append file @name (relative, no "..") of mode 0600 with @len bytes of @data,
 * changed at @mtime_s (Unix epoch). 0; -EINVAL for a name that is none of these, -E2BIG for
 * more than the format's 8 GB; -ENOMEM or the buffer's -E2BIG.
 */
int tar_add(struct buf *out, const char *name, const void *data, size_t len, uint64_t mtime_s);

/* The two empty blocks at the end. */
int tar_end(struct buf *out);

#endif

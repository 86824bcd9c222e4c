/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blockcache.h - file contents by pread through one bounded set of blocks.
 *
 * All modules share it, so memory does not grow with them. Not mmap: a file
 * that is truncated or replaced gives an error here, not SIGBUS.
 */
#ifndef COLLECT_BLOCKCACHE_H
#define COLLECT_BLOCKCACHE_H

#include <stddef.h>
#include <stdint.h>

struct blockcache;

/* At most @bytes of contents, rounded to whole sets; allocated at the first read. 0 or -ENOMEM. */
int blockcache_new(struct blockcache **out, size_t bytes);
void blockcache_free(struct blockcache *bc);  /* NULL is fine */
void blockcache_clear(struct blockcache *bc); /* forget all contents: ids mean other files from now on */

/*
 * @len bytes at @off of @fd into @buf. @id names the contents: one id never
 * means two files. 0, -ENODATA when the file ends before, -ENOMEM or -errno of pread.
 */
int blockcache_read(struct blockcache *bc, uint32_t id, int fd, uint64_t off, void *buf, size_t len);

/*
 * Look at what is at @off without copying: *@at, with *@len bytes (at least 1)
 * up to the end of a block. Borrowed until the next call. Errors as above.
 */
int blockcache_peek(struct blockcache *bc, uint32_t id, int fd, uint64_t off, const uint8_t **at,
		    size_t *len);

#endif

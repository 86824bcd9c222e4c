/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ring.h - take records out of one perf_event mmap buffer, in order.
 *
 * The reader never blocks, never prints, and looks no further into a record
 * than its header: order.c decides which ring is next, record.c what bytes
 * mean. Nothing is read beyond the last ring_mark(), so that a caller can fix a
 * point in several rings before it reads any of them.
 *
 * Layout and barriers: include/uapi/linux/perf_event.h, "struct
 * perf_event_mmap_page".
 */
#ifndef COLLECT_RING_H
#define COLLECT_RING_H

#include <linux/perf_event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RING_RECORD_MAX 65536 /* perf_event_header.size is 16 bits */

struct ring;

/*
 * Map @pages data pages (a power of two) over descriptor @fd, which stays the
 * caller's to close after ring_free(). Returns 0 and sets *@out, or -errno and
 * leaves it alone. -EPERM here usually means kernel.perf_event_mlock_kb.
 */
int ring_new(struct ring **out, int fd, size_t pages);

/*
 * The same over a ring that somebody else than the kernel fills: its page at
 * @page, @size bytes (a power of two) of data at @page + @head. Borrowed. Who
 * fills it is not trusted: records are copied before they are looked into.
 */
int ring_new_shared(struct ring **out, void *page, size_t head, size_t size);

/* The same over @size bytes (a power of two) of records in memory: for tests. Borrowed. */
int ring_new_memory(struct ring **out, const void *data, size_t size, uint64_t tail, uint64_t head);

/* Unmap and free; NULL is fine. Records not consumed are dropped. */
void ring_free(struct ring *ring);

size_t ring_size(const struct ring *ring); /* data bytes */

/* Make everything the kernel has published by now visible to ring_peek(). */
void ring_mark(struct ring *ring);

/*
 * Look at the oldest record before the mark. 1: *@hdr is a copy of its header.
 * 0: none. -EBADMSG: its size is impossible, so the position is lost; the
 * records before the mark are dropped and the ring is good again.
 */
int ring_peek(struct ring *ring, struct perf_event_header *hdr);

/* Copy @len bytes at @off of the record last peeked; false if they lie outside it. */
bool ring_copy(const struct ring *ring, size_t off, void *to, size_t len);

/*
 * The whole record last peeked, contiguous even if it wrapped: in place, or
 * copied into @scratch[RING_RECORD_MAX]. Valid until ring_consume().
 */
const struct perf_event_header *ring_record(struct ring *ring, void *scratch);

/*
 * Ask the processor for the first @size bytes of the record behind the one last
 * peeked, if it is there: they were written on another one, as a rule.
 */
void ring_prefetch_next(const struct ring *ring, size_t size);

/* Give the record last peeked back to the kernel. */
void ring_consume(struct ring *ring);

#endif

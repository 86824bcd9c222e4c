/* SPDX-License-Identifier: Apache-2.0 */
/* ring.c - see ring.h. */
#include "collect/ring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define LINE 64 /* of the processor's cache */

struct ring {
	struct perf_event_mmap_page *page; /* NULL: records in memory */
	const uint8_t *data;
	size_t size;                     /* of data, a power of two */
	size_t map_len;                  /* 0: not ours to unmap */
	uint64_t tail, mark;             /* free-running positions */
	size_t current;                  /* size of the record last peeked; 0: none */
	struct perf_event_header header; /* of it, as it was checked */
};

int ring_new(struct ring **out, int fd, size_t pages)
{
	size_t page_size = (size_t)sysconf(_SC_PAGESIZE);
	struct ring *r = calloc(1, sizeof(*r));
	void *map;
	int err;

	if (!r)
		return -ENOMEM;
	r->size = pages * page_size;
	r->map_len = r->size + page_size;
	map = mmap(NULL, r->map_len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED) {
		err = -errno;
		free(r);
		return err;
	}
	/* A forked exporter must neither count against it nor consume from it. */
	madvise(map, r->map_len, MADV_DONTFORK);
	r->page = map;
	r->data = (const uint8_t *)map + page_size;
	*out = r;
	return 0;
}

int ring_new_shared(struct ring **out, void *page, size_t head, size_t size)
{
	struct ring *r;

	if (!size || (size & (size - 1)))
		return -EINVAL;
	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->page = page;
	r->data = (const uint8_t *)page + head;
	r->size = size;
	/* What a predecessor left is not trusted: a collector that died may have left it anywhere. */
	r->tail = r->mark = __atomic_load_n(&r->page->data_head, __ATOMIC_ACQUIRE);
	__atomic_store_n(&r->page->data_tail, r->tail, __ATOMIC_RELEASE);
	*out = r;
	return 0;
}

int ring_new_memory(struct ring **out, const void *data, size_t size, uint64_t tail, uint64_t head)
{
	struct ring *r;

	if (!size || (size & (size - 1)) || head < tail || head - tail > size)
		return -EINVAL;
	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->data = data;
	r->size = size;
	r->tail = tail;
	r->mark = head;
	*out = r;
	return 0;
}

void ring_free(struct ring *r)
{
	if (!r)
		return;
	if (r->map_len)
		munmap(r->page, r->map_len);
	free(r);
}

size_t ring_size(const struct ring *r)
{
	return r->size;
}

void ring_mark(struct ring *r)
{
	if (r->page)
		r->mark = __atomic_load_n(&r->page->data_head, __ATOMIC_ACQUIRE);
}

static void copy_at(const struct ring *r, uint64_t pos, void *to, size_t len)
{
	size_t at = pos & (r->size - 1);
	size_t first = r->size - at < len ? r->size - at : len;

	memcpy(to, r->data + at, first);
	memcpy((char *)to + first, r->data, len - first);
}

static void set_tail(struct ring *r, uint64_t tail)
{
	r->tail = tail;
	r->current = 0;
	if (r->page)
		__atomic_store_n(&r->page->data_tail, tail, __ATOMIC_RELEASE);
}

int ring_peek(struct ring *r, struct perf_event_header *hdr)
{
	uint64_t avail = r->mark - r->tail;

	if (!avail)
		return 0;
	if (avail < sizeof(*hdr) || avail > r->size)
		goto lost;
	copy_at(r, r->tail, hdr, sizeof(*hdr));
	if (hdr->size < sizeof(*hdr) || hdr->size > avail || hdr->size % 8)
		goto lost;
	r->current = hdr->size;
	r->header = *hdr;
	return 1;
lost:
	set_tail(r, r->mark);
	return -EBADMSG;
}

bool ring_copy(const struct ring *r, size_t off, void *to, size_t len)
{
	if (off > r->current || len > r->current - off)
		return false;
	copy_at(r, r->tail + off, to, len);
	return true;
}

const struct perf_event_header *ring_record(struct ring *r, void *scratch)
{
	size_t at = r->tail & (r->size - 1);

	/* What a program writes it may still change: only a copy is what was checked. */
	if (at + r->current <= r->size && (r->map_len || !r->page))
		return (const struct perf_event_header *)(const void *)(r->data + at);
	copy_at(r, r->tail, scratch, r->current);
	*(struct perf_event_header *)scratch = r->header;
	return scratch;
}

void ring_prefetch_next(const struct ring *r, size_t size)
{
	uint64_t next = r->tail + r->current, left = r->mark - next;
	size_t i;

	if (left > r->size) /* what is known of it is nonsense */
		return;
	for (i = 0; i < size && i < left; i += LINE)
		__builtin_prefetch(r->data + ((next + i) & (r->size - 1)));
}

void ring_consume(struct ring *r)
{
	set_tail(r, r->tail + r->current);
}

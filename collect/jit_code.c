/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jit_code.c - the heads of a jitdump's records as they are appended.
 *
 * Only that code was replaced, and when, is kept: the array holds what is there
 * now and how it was numbered before. Code that replaces nothing, which is
 * nearly all, is generation 0 and costs no second location.
 */
#include "collect/jit.h"

#include "base/io.h"
#include "collect/jitdump.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define RANGES_MAX        131072u /* what comes when there are so many is taken as it was */
#define RECORDS_PER_ROUND 16384   /* one pread each: some milliseconds */
#define MOVES_PER_ROUND   1048576 /* ranges moved to make room for others: as long again */

void jit_code_release(struct jit_code *c)
{
	free(c->ranges);
	*c = (struct jit_code){0};
}

/* The first range that ends above @addr. */
static uint32_t lower_bound(const struct jit_code *c, uint64_t addr)
{
	uint32_t lo = 0, hi = c->n, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (c->ranges[mid].end <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static bool reserve(struct jit_code *c)
{
	uint32_t cap = c->cap ? c->cap * 2 : 256;
	struct jit_range *r;

	if (c->n < c->cap)
		return true;
	if (cap > RANGES_MAX)
		return false;
	r = realloc(c->ranges, cap * sizeof(*r));
	if (!r)
		return false;
	c->ranges = r;
	c->cap = cap;
	return true;
}

void jit_code_put(struct jit_code *c, uint64_t start, uint64_t end, uint64_t since)
{
	struct jit_range put = {.start = start, .end = end, .since = since};
	uint32_t first, past;

	if (start >= end || !reserve(c))
		return;
	first = lower_bound(c, start);
	for (past = first; past < c->n && c->ranges[past].start < end; past++)
		;
	if (past > first) {
		put.generation = ++c->generations;
		put.former = c->ranges[first].generation;
	}
	if (past != first + 1) {
		memmove(c->ranges + first + 1, c->ranges + past, (c->n - past) * sizeof(put));
		c->moved += c->n - past;
	}
	c->ranges[first] = put;
	c->n = c->n - (past - first) + 1;
}

uint32_t jit_code_generation(const struct jit_code *c, uint64_t addr, uint64_t time)
{
	uint32_t i = lower_bound(c, addr);
	const struct jit_range *r;

	if (i == c->n || addr < c->ranges[i].start)
		return 0;
	r = &c->ranges[i];
	return time >= r->since ? r->generation : r->former;
}

static bool read_head(struct jit_code *c, int fd, uint64_t size)
{
	struct jitdump_head head;

	if (size < sizeof(head) || io_pread_full(fd, &head, sizeof(head), 0) != sizeof(head))
		return false; /* not written yet */
	c->broken = head.magic != JITDUMP_MAGIC || head.total_size < sizeof(head) ||
		    head.total_size > JITDUMP_HEAD_MAX || (head.flags & JITDUMP_ARCH_TIMESTAMP);
	c->off = head.total_size;
	return !c->broken;
}

/* One record, of which all is in the file. False: not yet, or never. */
static bool read_record(struct jit_code *c, int fd, uint64_t size)
{
	struct {
		struct jitdump_record head;
		struct jitdump_move body; /* begins as a load does */
	} r = {0};
	struct jitdump_load load;
	ssize_t n;

	if (c->off > size || size - c->off < sizeof(r.head))
		return false;
	n = io_pread_full(fd, &r, sizeof(r), c->off);
	if (n < (ssize_t)sizeof(r.head))
		return false;
	if (r.head.total_size < sizeof(r.head) || r.head.total_size > JITDUMP_RECORD_MAX) {
		c->broken = true;
		return false;
	}
	if (size - c->off < r.head.total_size)
		return false;
	c->off += r.head.total_size;
	if (r.head.id == JITDUMP_LOAD && r.head.total_size >= sizeof(r.head) + sizeof(load)) {
		memcpy(&load, &r.body, sizeof(load));
		if (load.code_size <= UINT64_MAX - load.code_addr)
			jit_code_put(c, load.code_addr, load.code_addr + load.code_size, r.head.timestamp);
	} else if (r.head.id == JITDUMP_MOVE && r.head.total_size >= sizeof(r)) {
		if (r.body.code_size <= UINT64_MAX - r.body.new_code_addr)
			jit_code_put(c, r.body.new_code_addr, r.body.new_code_addr + r.body.code_size,
				     r.head.timestamp);
	}
	return true;
}

bool jit_code_read(struct jit_code *c, int fd)
{
	const uint64_t moved = c->moved;
	struct stat st;
	unsigned i;

	if (c->broken || fstat(fd, &st) || st.st_size <= 0 || (uint64_t)st.st_size <= c->off)
		return true;
	if (!c->off && !read_head(c, fd, (uint64_t)st.st_size))
		return true;
	for (i = 0; i < RECORDS_PER_ROUND && c->moved - moved < MOVES_PER_ROUND; i++)
		if (!read_record(c, fd, (uint64_t)st.st_size))
			return true;
	return false;
}

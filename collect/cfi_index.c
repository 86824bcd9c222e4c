/* SPDX-License-Identifier: Apache-2.0 */
/* cfi_index.c - see cfi_private.h: an index of FDEs, for sections without a search table. */
#include "collect/cfi_private.h"

#include "base/log.h"

#include <errno.h>
#include <stdlib.h>

struct index_entry {
	uint32_t start; /* relative to base */
	uint32_t off;   /* of the FDE in its section */
};

struct index_table {
	struct index_entry *e;
	uint32_t n, cap;
	uint64_t base;
};

struct cfi_index {
	struct index_table eh, debug;
	struct cfi_unpacked unpacked;
};

static int index_put(struct index_table *t, uint64_t start, uint64_t off)
{
	struct index_entry *e;
	uint32_t cap;

	if (start < t->base || start - t->base > UINT32_MAX || off > UINT32_MAX)
		return 0; /* an FDE of discarded code, at address 0 */
	if (t->n == t->cap) {
		cap = t->cap ? t->cap * 2 : 256;
		e = realloc(t->e, cap * sizeof(*e));
		if (!e)
			return -ENOMEM;
		t->e = e;
		t->cap = cap;
	}
	t->e[t->n++] = (struct index_entry){(uint32_t)(start - t->base), (uint32_t)off};
	return 0;
}

static int by_start(const void *a, const void *b)
{
	const struct index_entry *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

static int index_entry_at(const struct section *s, uint64_t off, const struct extent *x,
			  struct index_table *t)
{
	size_t len = x->len < 32 ? x->len : 32;
	const struct cfi_cie *cie;
	struct dwarf_cursor c;
	struct cfi_fde fde;
	uint8_t raw[32];
	uint64_t id;
	int err = section_read(s, x->body, raw, len);

	if (err)
		return err;
	c = dwarf_cursor(raw, len, s->s->vaddr + x->body);
	id = entry_take_id(&c, s, x);
	if (entry_is_cie(s, x, id))
		return 0;
	/* One FDE that makes no sense must not cost the others. */
	if (c.bad || cie_at(s, entry_cie_offset(s, x, id), &cie) || entry_take_range(&c, cie, &fde) ||
	    fde.start == fde.end)
		return 0;
	return index_put(t, fde.start, off);
}

static void build_table(const struct section *s, struct index_table *t)
{
	uint64_t end = s->s->size < CFI_TABLE_BYTES ? s->s->size : CFI_TABLE_BYTES;
	uint64_t enough = s->c->bytes_read + CFI_TABLE_BYTES; /* CIEs may be read again and again */
	uint32_t steps = 0;
	uint64_t off = 0;
	struct extent x;

	while (off < end && s->c->bytes_read < enough && steps++ < CFI_TABLE_STEPS && s->c->index_left) {
		s->c->index_left--;
		/* No length: .eh_frame's terminator, or a hole in the file. */
		if (entry_extent(s, off, &x) || !x.len || index_entry_at(s, off, &x, t))
			break;
		off = x.body + x.len;
	}
	if (t->n)
		qsort(t->e, t->n, sizeof(*t->e), by_start);
	log_debug("indexed %u functions of module %u", t->n, s->m->id);
}

static uint64_t lowest_vaddr(const struct module *m)
{
	uint64_t low = UINT64_MAX;
	unsigned i;

	for (i = 0; i < m->info->n_segments && i < PROFILE_MAX_SEGMENTS; i++)
		if (m->info->segments[i].vaddr < low)
			low = m->info->segments[i].vaddr;
	return low;
}

struct section debug_section(struct cfi *c, struct module *m)
{
	if (m->debug_frame_packed)
		return (struct section){c, m, &m->index->unpacked.section, true, m->index->unpacked.bytes};
	return (struct section){c, m, &m->debug_frame, true, NULL};
}

void index_build(struct cfi *c, struct module *m, bool want_eh)
{
	struct section debug;
	struct cfi_index *x;

	m->index_tried = true;
	if (!m->debug_frame.size && !(want_eh && m->eh_frame.size))
		return;
	x = calloc(1, sizeof(*x));
	if (!x)
		return;
	/* Discarded functions stay in .debug_frame, at 0: a base above 0 sorts them out. */
	x->eh.base = lowest_vaddr(m);
	x->debug.base = x->eh.base ? x->eh.base : 1;
	m->index = x;
	if (want_eh && m->eh_frame.size)
		build_table(&(struct section){c, m, &m->eh_frame, false, NULL}, &x->eh);
	if (!m->debug_frame.size)
		return;
	if (m->debug_frame_packed)
		cfi_unpack(c, m, &x->unpacked);
	debug = debug_section(c, m);
	build_table(&debug, &x->debug);
}

static int search_index(const struct index_table *t, uint64_t vaddr, uint64_t *off)
{
	uint32_t lo = 0, hi = t->n, mid;
	uint64_t rel = vaddr - t->base;

	if (vaddr < t->base || rel > UINT32_MAX)
		return -ENOENT;
	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (t->e[mid].start <= rel)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (!lo)
		return -ENOENT;
	*off = t->e[lo - 1].off;
	return 0;
}

int index_find_eh(const struct module *m, uint64_t vaddr, uint64_t *off)
{
	return search_index(&m->index->eh, vaddr, off);
}

int index_find_debug(const struct module *m, uint64_t vaddr, uint64_t *off)
{
	return search_index(&m->index->debug, vaddr, off);
}

void cfi_index_free(struct cfi_index *index)
{
	if (!index)
		return;
	free(index->eh.e);
	free(index->debug.e);
	cfi_unpacked_release(&index->unpacked);
	free(index);
}

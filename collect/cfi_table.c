/* SPDX-License-Identifier: Apache-2.0 */
/* cfi_table.c - see cfi_private.h: .eh_frame_hdr's search table (LSB, "The .eh_frame_hdr section"). */
#include "collect/cfi_private.h"

#include <errno.h>

#define ENC_USUAL 0x3b /* data-relative, 4 bytes, signed: what every linker writes */

static void read_search_table(const struct section *hdr, struct search_table *t)
{
	uint8_t head[4 + 2 * 8];
	size_t len = hdr->s->size < sizeof(head) ? hdr->s->size : sizeof(head);
	struct dwarf_cursor c;

	t->usable = false;
	if (len < 12 || !hdr->m->eh_frame.size || section_read(hdr, 0, head, len) || head[0] != 1)
		return;
	c = dwarf_cursor(head, len, hdr->s->vaddr);
	c.p += 4;
	t->enc = head[3];
	t->width = (uint8_t)dwarf_pointer_size(t->enc);
	if (!t->width || !dwarf_pointer_size(head[1]) || !dwarf_pointer_size(head[2]))
		return;
	dwarf_pointer(&c, head[1], hdr->s->vaddr);
	t->n = dwarf_pointer(&c, head[2], hdr->s->vaddr);
	t->at = (uint64_t)(c.p - c.start);
	t->usable = !c.bad && t->n && t->n <= (hdr->s->size - t->at) / (2u * t->width);
}

struct known_table *search_table_of(const struct section *hdr)
{
	struct known_table *known = &hdr->c->tables[hdr->m->id % TABLES];

	if (!hdr->s->size) /* perhaps not opened yet: nothing to remember */
		return NULL;
	if (known->module != hdr->m->id + 1) {
		read_search_table(hdr, &known->t);
		known->module = hdr->m->id + 1;
		known->pivots = 0;
	}
	return known->t.usable ? known : NULL;
}

/* Part of a section that is in memory. */
struct window {
	const uint8_t *data;
	uint64_t off;
	size_t len;
	uint8_t own[16]; /* an entry that lies across the end of one */
};

static int show(const struct section *hdr, struct window *w, uint64_t off, size_t len)
{
	int err;

	if (off >= w->off && off - w->off < w->len && w->len - (off - w->off) >= len)
		return 0;
	w->off = off;
	err = section_peek(hdr, off, &w->data, &w->len);
	if (err || w->len >= len)
		return err;
	w->data = w->own;
	w->len = len;
	return section_read(hdr, off, w->own, len);
}

/* Half an entry at @off, which is in sight. */
static uint64_t half(const struct section *hdr, const struct search_table *t, const struct window *w,
		     uint64_t off)
{
	const uint8_t *at = w->data + (off - w->off);
	struct dwarf_cursor c;
	int32_t rel;

	if (t->enc == ENC_USUAL) {
		memcpy(&rel, at, sizeof(rel));
		return hdr->s->vaddr + (uint64_t)(int64_t)rel;
	}
	c = dwarf_cursor(at, t->width, hdr->s->vaddr + off);
	return dwarf_pointer(&c, t->enc, hdr->s->vaddr);
}

/* The address at entry @i of @known, which is @node of the tree of halves. 0 or the error of reading. */
static int start_of(const struct section *hdr, struct known_table *known, struct window *w, uint64_t i,
		    uint64_t node, uint64_t *start)
{
	const unsigned entry = 2u * known->t.width;
	const uint64_t at = known->t.at + i * entry;
	int err;

	if (node < PIVOTS && known->pivots >> node & 1) {
		*start = known->pivot[node];
		return 0;
	}
	err = show(hdr, w, at, entry);
	if (err)
		return err;
	*start = half(hdr, &known->t, w, at);
	if (node < PIVOTS) {
		known->pivot[node] = *start;
		known->pivots |= 1ull << node;
	}
	return 0;
}

int search_table_find(const struct section *hdr, struct known_table *known, uint64_t vaddr, uint64_t *off)
{
	const struct search_table *t = &known->t;
	uint64_t lo = 0, hi = t->n, mid, at, fde, start, node = 1;
	const unsigned entry = 2u * t->width;
	struct window w = {.len = 0};
	int err;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		err = start_of(hdr, known, &w, mid, node, &start);
		if (err)
			return err;
		if (start <= vaddr)
			lo = mid + 1;
		else
			hi = mid;
		if (node < PIVOTS)
			node = 2 * node + (start <= vaddr);
	}
	if (!lo)
		return -ENOENT;
	at = t->at + (lo - 1) * entry;
	err = show(hdr, &w, at, entry);
	if (err)
		return err;
	fde = half(hdr, t, &w, at + t->width);
	if (fde < hdr->m->eh_frame.vaddr)
		return -EBADMSG;
	*off = fde - hdr->m->eh_frame.vaddr;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* cfi.c - see cfi.h: from an address to its FDE. */
#include "collect/cfi.h"

#include "base/log.h"
#include "collect/dwarf_read.h"

#include <errno.h>
#include <stdlib.h>

/* What hostile files may cost, sparse ones above all; real ones stay well below. */
#define INDEX_BUDGET (2u << 20)  /* entries looked at over all modules; 8 bytes each if kept */
#define TABLE_STEPS  (1u << 20)  /* entries of one section */
#define TABLE_BYTES  (64u << 20) /* of one section: how far it is followed, and how much is read */

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
};

struct cfi {
	struct modules *ms;
	uint32_t index_left;
	uint64_t bytes_read; /* of sections so far */
	/* the CIE in cie_buf; cie_module is UINT32_MAX when there is none */
	uint32_t cie_module;
	bool cie_debug;
	uint64_t cie_off;
	struct cfi_cie cie;
	uint8_t cie_buf[CFI_ENTRY_MAX], fde_buf[CFI_ENTRY_MAX];
};

/* One section of one module. */
struct section {
	struct cfi *c;
	struct module *m;
	const struct cfi_section *s;
	bool debug;
};

struct extent { /* of an entry; offsets in the section */
	uint64_t body, len;
	bool wide; /* 64-bit DWARF */
};

int cfi_new(struct cfi **out, struct modules *ms)
{
	struct cfi *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->ms = ms;
	c->index_left = INDEX_BUDGET;
	c->cie_module = UINT32_MAX;
	*out = c;
	return 0;
}

void cfi_free(struct cfi *c)
{
	free(c);
}

void cfi_index_free(struct cfi_index *index)
{
	if (!index)
		return;
	free(index->eh.e);
	free(index->debug.e);
	free(index);
}

/* ---- entries ---- */

static int section_read(const struct section *s, uint64_t off, void *buf, size_t len)
{
	if (off > s->s->size || len > s->s->size - off)
		return -EBADMSG;
	s->c->bytes_read += len;
	return module_read(s->c->ms, s->m, s->s->off + off, buf, len);
}

static int entry_extent(const struct section *s, uint64_t off, struct extent *x)
{
	uint32_t len32;
	int err = section_read(s, off, &len32, sizeof(len32));

	if (err)
		return err;
	x->body = off + 4;
	x->len = len32;
	x->wide = len32 == UINT32_MAX;
	if (x->wide) {
		err = section_read(s, off + 4, &x->len, sizeof(x->len));
		if (err)
			return err;
		x->body += 8;
	}
	return x->len <= s->s->size - x->body ? 0 : -EBADMSG;
}

/* In .eh_frame the id is 4 bytes whatever the length's form. */
static uint64_t take_id(struct dwarf_cursor *c, const struct section *s, const struct extent *x)
{
	return s->debug && x->wide ? dwarf_u64(c) : dwarf_u32(c);
}

static bool is_cie_id(const struct section *s, const struct extent *x, uint64_t id)
{
	if (!s->debug)
		return id == 0;
	return id == (x->wide ? UINT64_MAX : UINT32_MAX);
}

/* Section offset of the CIE that an FDE with @id belongs to. */
static uint64_t cie_offset(const struct section *s, const struct extent *x, uint64_t id)
{
	return s->debug ? id : x->body - id; /* wraps when hostile: then outside the section */
}

static int take_augmentation(struct dwarf_cursor *c, const char *aug, struct cfi_cie *cie)
{
	struct dwarf_cursor d;
	const uint8_t *data;
	uint64_t len;

	if (*aug != 'z')
		return *aug ? -EBADMSG : 0;
	cie->sized = true;
	len = dwarf_uleb(c);
	data = dwarf_skip(c, len);
	if (c->bad)
		return -EBADMSG;
	d = dwarf_cursor(data, len, 0);
	/* A letter we do not know ends it; the length tells where the program starts. */
	for (aug++; *aug && !d.bad; aug++) {
		if (*aug == 'R')
			cie->pointer_enc = dwarf_u8(&d);
		else if (*aug == 'L')
			(void)dwarf_u8(&d);
		else if (*aug == 'P')
			(void)dwarf_pointer(&d, dwarf_u8(&d) & DW_PE_FORMAT, 0);
		else if (*aug == 'S')
			cie->signal = true;
		else if (*aug != 'B' && *aug != 'G')
			break;
	}
	return d.bad ? -EBADMSG : 0;
}

static int parse_cie(const struct section *s, const struct extent *x, const uint8_t *data,
		     struct cfi_cie *out)
{
	struct dwarf_cursor c = dwarf_cursor(data, x->len, 0);
	struct cfi_cie cie = {.pointer_enc = DW_PE_ABSPTR};
	uint64_t id = take_id(&c, s, x);
	uint8_t version = dwarf_u8(&c);
	const char *aug = (const char *)c.p;

	if (c.bad || !is_cie_id(s, x, id) || (version != 1 && version != 3 && version != 4))
		return -EBADMSG;
	while (dwarf_u8(&c))
		;
	if (c.bad) /* the string had no end */
		return -EBADMSG;
	if (version == 4 && (dwarf_u8(&c) != 8 || dwarf_u8(&c) != 0))
		return -EBADMSG; /* address and segment selector size */
	cie.code_align = dwarf_uleb(&c);
	cie.data_align = dwarf_sleb(&c);
	cie.ra = version == 1 ? dwarf_u8(&c) : dwarf_uleb(&c);
	if (c.bad || take_augmentation(&c, aug, &cie))
		return -EBADMSG;
	cie.insns = c.p;
	cie.insns_len = dwarf_left(&c);
	*out = cie;
	return 0;
}

/* Make c->cie the CIE at @off. */
static int load_cie(const struct section *s, uint64_t off)
{
	struct cfi *c = s->c;
	struct extent x;
	int err;

	if (c->cie_module == s->m->id && c->cie_off == off && c->cie_debug == s->debug)
		return 0;
	c->cie_module = UINT32_MAX;
	err = entry_extent(s, off, &x);
	if (err)
		return err;
	if (!x.len || x.len > sizeof(c->cie_buf))
		return -EBADMSG;
	err = section_read(s, x.body, c->cie_buf, x.len);
	if (!err)
		err = parse_cie(s, &x, c->cie_buf, &c->cie);
	if (err)
		return err;
	c->cie_module = s->m->id;
	c->cie_off = off;
	c->cie_debug = s->debug;
	return 0;
}

/* What an FDE covers; leaves @c behind the range. */
static int take_range(struct dwarf_cursor *c, const struct cfi_cie *cie, struct cfi_fde *fde)
{
	uint64_t range;

	fde->start = dwarf_pointer(c, cie->pointer_enc, 0);
	range = dwarf_pointer(c, cie->pointer_enc & DW_PE_FORMAT, 0);
	if (c->bad || range > UINT64_MAX - fde->start)
		return -EBADMSG;
	fde->end = fde->start + range;
	return 0;
}

static int load_fde(const struct section *s, uint64_t off, struct cfi_fde *fde)
{
	struct cfi *c = s->c;
	struct dwarf_cursor d;
	struct extent x;
	uint64_t id;
	int err = entry_extent(s, off, &x);

	if (err)
		return err;
	if (!x.len || x.len > sizeof(c->fde_buf))
		return -EBADMSG;
	err = section_read(s, x.body, c->fde_buf, x.len);
	if (err)
		return err;
	d = dwarf_cursor(c->fde_buf, x.len, s->s->vaddr + x.body);
	id = take_id(&d, s, &x);
	if (d.bad || is_cie_id(s, &x, id))
		return -EBADMSG;
	err = load_cie(s, cie_offset(s, &x, id));
	if (!err)
		err = take_range(&d, &c->cie, fde);
	if (err)
		return err;
	if (c->cie.sized)
		dwarf_skip(&d, dwarf_uleb(&d));
	if (d.bad)
		return -EBADMSG;
	fde->cie = c->cie;
	fde->insns = d.p;
	fde->insns_len = dwarf_left(&d);
	fde->insns_vaddr = d.vaddr + (uint64_t)(d.p - d.start);
	return 0;
}

/* ---- .eh_frame_hdr's search table ---- */

struct search_table {
	uint64_t at, n; /* of the first entry: offset in the section; entries */
	uint8_t enc;
	unsigned width; /* of half an entry */
};

static bool has_search_table(const struct section *hdr, struct search_table *t)
{
	uint8_t head[4 + 2 * 8];
	size_t len = hdr->s->size < sizeof(head) ? hdr->s->size : sizeof(head);
	struct dwarf_cursor c;

	if (len < 12 || !hdr->m->eh_frame.size || section_read(hdr, 0, head, len) || head[0] != 1)
		return false;
	c = dwarf_cursor(head, len, hdr->s->vaddr);
	c.p += 4;
	t->enc = head[3];
	t->width = dwarf_pointer_size(t->enc);
	if (!t->width || !dwarf_pointer_size(head[1]) || !dwarf_pointer_size(head[2]))
		return false;
	dwarf_pointer(&c, head[1], hdr->s->vaddr);
	t->n = dwarf_pointer(&c, head[2], hdr->s->vaddr);
	t->at = (uint64_t)(c.p - c.start);
	return !c.bad && t->n && t->n <= (hdr->s->size - t->at) / (2u * t->width);
}

/* Entry @i: where its function starts, and its FDE's address. */
static int table_entry(const struct section *hdr, const struct search_table *t, uint64_t i, uint64_t *start,
		       uint64_t *fde)
{
	uint64_t off = t->at + i * 2 * t->width;
	struct dwarf_cursor c;
	uint8_t raw[16];
	int err = section_read(hdr, off, raw, 2 * t->width);

	if (err)
		return err;
	c = dwarf_cursor(raw, 2 * t->width, hdr->s->vaddr + off);
	*start = dwarf_pointer(&c, t->enc, hdr->s->vaddr);
	*fde = dwarf_pointer(&c, t->enc, hdr->s->vaddr);
	return c.bad ? -EBADMSG : 0;
}

/* The last entry that starts at or before @vaddr: its FDE's offset in .eh_frame. */
static int search_table(const struct section *hdr, const struct search_table *t, uint64_t vaddr,
			uint64_t *off)
{
	uint64_t lo = 0, hi = t->n, mid, start, fde, hit = 0;
	int err;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		err = table_entry(hdr, t, mid, &start, &fde);
		if (err)
			return err;
		if (start <= vaddr) {
			hit = fde;
			lo = mid + 1;
		} else {
			hi = mid;
		}
	}
	if (!lo)
		return -ENOENT;
	if (hit < hdr->m->eh_frame.vaddr)
		return -EBADMSG;
	*off = hit - hdr->m->eh_frame.vaddr;
	return 0;
}

/* ---- an index, where there is no table ---- */

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
	struct dwarf_cursor c;
	struct cfi_fde fde;
	uint8_t raw[32];
	uint64_t id;
	int err = section_read(s, x->body, raw, len);

	if (err)
		return err;
	c = dwarf_cursor(raw, len, s->s->vaddr + x->body);
	id = take_id(&c, s, x);
	if (is_cie_id(s, x, id))
		return 0;
	/* One FDE that makes no sense must not cost the others. */
	if (c.bad || load_cie(s, cie_offset(s, x, id)) || take_range(&c, &s->c->cie, &fde) ||
	    fde.start == fde.end)
		return 0;
	return index_put(t, fde.start, off);
}

static void build_table(const struct section *s, struct index_table *t)
{
	uint64_t end = s->s->size < TABLE_BYTES ? s->s->size : TABLE_BYTES;
	uint64_t enough = s->c->bytes_read + TABLE_BYTES; /* CIEs may be read again and again */
	uint32_t steps = 0;
	uint64_t off = 0;
	struct extent x;

	while (off < end && s->c->bytes_read < enough && steps++ < TABLE_STEPS && s->c->index_left) {
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

static void build_index(struct cfi *c, struct module *m, bool want_eh)
{
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
		build_table(&(struct section){c, m, &m->eh_frame, false}, &x->eh);
	if (m->debug_frame.size)
		build_table(&(struct section){c, m, &m->debug_frame, true}, &x->debug);
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

/* ---- */

static int fde_if_covers(const struct section *s, uint64_t off, uint64_t vaddr, struct cfi_fde *fde)
{
	int err = load_fde(s, off, fde);

	if (err)
		return err;
	return vaddr >= fde->start && vaddr < fde->end ? 0 : -ENOENT;
}

static int find_fde(struct cfi *c, struct module *m, uint64_t vaddr, struct cfi_fde *fde)
{
	struct section hdr = {c, m, &m->eh_frame_hdr, false};
	struct section eh = {c, m, &m->eh_frame, false}, debug = {c, m, &m->debug_frame, true};
	struct search_table t;
	bool table = has_search_table(&hdr, &t);
	uint64_t off;
	int err = -ENOENT;

	if (table) {
		err = search_table(&hdr, &t, vaddr, &off);
		if (!err)
			err = fde_if_covers(&eh, off, vaddr, fde);
		if (err != -ENOENT)
			return err;
	}
	if (!m->index_tried)
		build_index(c, m, !table);
	if (!m->index)
		return -ENOENT;
	if (!search_index(&m->index->eh, vaddr, &off)) {
		err = fde_if_covers(&eh, off, vaddr, fde);
		if (err != -ENOENT)
			return err;
	}
	if (!search_index(&m->index->debug, vaddr, &off))
		err = fde_if_covers(&debug, off, vaddr, fde);
	return err;
}

int cfi_row_at(struct cfi *c, struct module *m, uint64_t vaddr, struct cfi_row *row)
{
	struct cfi_fde fde;
	int err;

	if (!module_by_id(c->ms, m->id)) /* refreshes m->info */
		return -ENOENT;
	err = find_fde(c, m, vaddr, &fde);
	return err ? err : cfi_run(&fde, vaddr, row);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* cfi.c - see cfi.h: from an address to its FDE, and the entries of a section. */
#include "collect/cfi_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int cfi_new(struct cfi **out, struct modules *ms)
{
	struct cfi *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->ms = ms;
	c->index_left = CFI_INDEX_BUDGET;
	c->unpack_left = CFI_UNPACK_ALL;
	*out = c;
	return 0;
}

void cfi_free(struct cfi *c)
{
	free(c);
}

/* ---- entries ---- */

int section_read(const struct section *s, uint64_t off, void *buf, size_t len)
{
	if (off > s->s->size || len > s->s->size - off)
		return -EBADMSG;
	s->c->bytes_read += len;
	if (s->bytes) {
		memcpy(buf, s->bytes + off, len);
		return 0;
	}
	return module_read(s->c->ms, s->m, s->s->off + off, buf, len);
}

int section_peek(const struct section *s, uint64_t off, const uint8_t **at, size_t *len)
{
	int err;

	if (off >= s->s->size)
		return -EBADMSG;
	if (s->bytes) {
		*at = s->bytes + off;
		*len = s->s->size - off;
		return 0;
	}
	err = module_peek(s->c->ms, s->m, s->s->off + off, at, len);
	if (!err && *len > s->s->size - off)
		*len = s->s->size - off;
	return err;
}

int entry_extent(const struct section *s, uint64_t off, struct extent *x)
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
uint64_t entry_take_id(struct dwarf_cursor *c, const struct section *s, const struct extent *x)
{
	return s->debug && x->wide ? dwarf_u64(c) : dwarf_u32(c);
}

bool entry_is_cie(const struct section *s, const struct extent *x, uint64_t id)
{
	if (!s->debug)
		return id == 0;
	return id == (x->wide ? UINT64_MAX : UINT32_MAX);
}

uint64_t entry_cie_offset(const struct section *s, const struct extent *x, uint64_t id)
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
	uint64_t id = entry_take_id(&c, s, x);
	uint8_t version = dwarf_u8(&c);
	const char *aug = (const char *)c.p;

	if (c.bad || !entry_is_cie(s, x, id) || (version != 1 && version != 3 && version != 4))
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

static int keep_cie(const struct section *s, uint64_t off, const struct extent *x)
{
	struct known_cie *k = &s->c->cies[s->c->next_cie];
	int err;

	s->c->next_cie = (s->c->next_cie + 1) % CIES;
	k->module = 0;
	err = section_read(s, x->body, k->buf, x->len);
	if (!err)
		err = parse_cie(s, x, k->buf, &k->cie);
	if (!err)
		err = cfi_run_cie(&k->cie, &k->initial);
	if (err)
		return err;
	k->cie.initial = &k->initial;
	k->module = s->m->id + 1;
	k->debug = s->debug;
	k->off = off;
	return 0;
}

static int read_big_cie(const struct section *s, const struct extent *x)
{
	struct cfi *c = s->c;
	int err;

	if (x->len > sizeof(c->cie_buf))
		return -EBADMSG;
	err = section_read(s, x->body, c->cie_buf, x->len);
	if (!err)
		err = parse_cie(s, x, c->cie_buf, &c->big);
	if (!err)
		err = cfi_run_cie(&c->big, &c->big_initial);
	c->big.initial = &c->big_initial;
	return err;
}

int cie_at(const struct section *s, uint64_t off, const struct cfi_cie **out)
{
	struct cfi *c = s->c;
	struct known_cie *k;
	struct extent x;
	int err;

	for (k = c->cies; k < c->cies + CIES; k++) {
		if (k->off == off && k->module == s->m->id + 1 && k->debug == s->debug) {
			*out = &k->cie;
			return 0;
		}
	}
	err = entry_extent(s, off, &x);
	if (err)
		return err;
	if (!x.len)
		return -EBADMSG;
	*out = &c->big;
	if (x.len > CIE_SMALL)
		return read_big_cie(s, &x);
	*out = &c->cies[c->next_cie].cie;
	return keep_cie(s, off, &x);
}

int entry_take_range(struct dwarf_cursor *c, const struct cfi_cie *cie, struct cfi_fde *fde)
{
	uint64_t range;

	fde->start = dwarf_pointer(c, cie->pointer_enc, 0);
	range = dwarf_pointer(c, cie->pointer_enc & DW_PE_FORMAT, 0);
	if (c->bad || range > UINT64_MAX - fde->start)
		return -EBADMSG;
	fde->end = fde->start + range;
	return 0;
}

/* The entry at @off in c->fde_buf: its extent and its body, mostly with one look at the file. */
static int read_entry(const struct section *s, uint64_t off, struct extent *x)
{
	struct cfi *c = s->c;
	const uint8_t *at;
	uint32_t len;
	size_t there;
	int err = section_peek(s, off, &at, &there);

	if (err)
		return err;
	if (there >= sizeof(len)) {
		memcpy(&len, at, sizeof(len));
		if (len && len <= there - sizeof(len) && len <= sizeof(c->fde_buf)) {
			*x = (struct extent){off + sizeof(len), len, false};
			memcpy(c->fde_buf, at + sizeof(len), len);
			return 0;
		}
	}
	err = entry_extent(s, off, x);
	if (err)
		return err;
	if (!x->len || x->len > sizeof(c->fde_buf))
		return -EBADMSG;
	return section_read(s, x->body, c->fde_buf, x->len);
}

static int load_fde(const struct section *s, uint64_t off, struct cfi_fde *fde)
{
	const struct cfi_cie *cie;
	struct dwarf_cursor d;
	struct extent x;
	uint64_t id;
	int err = read_entry(s, off, &x);

	if (err)
		return err;
	d = dwarf_cursor(s->c->fde_buf, x.len, s->s->vaddr + x.body);
	id = entry_take_id(&d, s, &x);
	if (d.bad || entry_is_cie(s, &x, id))
		return -EBADMSG;
	err = cie_at(s, entry_cie_offset(s, &x, id), &cie);
	if (!err)
		err = entry_take_range(&d, cie, fde);
	if (err)
		return err;
	if (cie->sized)
		dwarf_skip(&d, dwarf_uleb(&d));
	if (d.bad)
		return -EBADMSG;
	fde->cie = *cie;
	fde->insns = d.p;
	fde->insns_len = dwarf_left(&d);
	fde->insns_vaddr = d.vaddr + (uint64_t)(d.p - d.start);
	return 0;
}

static int fde_if_covers(const struct section *s, uint64_t off, uint64_t vaddr, struct cfi_fde *fde)
{
	int err = load_fde(s, off, fde);

	if (err)
		return err;
	return vaddr >= fde->start && vaddr < fde->end ? 0 : -ENOENT;
}

static int find_fde(struct cfi *c, struct module *m, uint64_t vaddr, struct cfi_fde *fde)
{
	struct section hdr = {c, m, &m->eh_frame_hdr, false, NULL};
	struct section eh = {c, m, &m->eh_frame, false, NULL}, debug;
	struct known_table *table = search_table_of(&hdr);
	uint64_t off;
	int err = -ENOENT;

	if (table) {
		err = search_table_find(&hdr, table, vaddr, &off);
		if (!err)
			err = fde_if_covers(&eh, off, vaddr, fde);
		if (err != -ENOENT)
			return err;
	}
	if (!m->index_tried)
		index_build(c, m, !table);
	if (!m->index)
		return -ENOENT;
	if (!index_find_eh(m, vaddr, &off)) {
		err = fde_if_covers(&eh, off, vaddr, fde);
		if (err != -ENOENT)
			return err;
	}
	if (!index_find_debug(m, vaddr, &off)) {
		debug = debug_section(c, m);
		err = fde_if_covers(&debug, off, vaddr, fde);
	}
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

/* SPDX-License-Identifier: Apache-2.0 */
/* dwarf_unit.c - unit headers, the index of units, and root DIEs; see dwarf_unit.h. Format: DWARF 5, 7.5.1.
 */
#include "symbolize/dwarf_unit.h"

#include "collect/dwarf_read.h"
#include "symbolize/dwarf_abbrev.h"

#include <dwarf.h>
#include <errno.h>
#include <stdlib.h>

#define MAX_UNITS    (4u << 20)
#define KEEP_BYTES   (8u << 20) /* of loaded units and tables */
#define MAX_HEADER   64         /* bytes of a header */
#define TABLE_HEADER 8 /* bytes before DWARF 5's tables of addresses and strings; 16 with 8-byte offsets */

int dwarf_reader_open(struct dwarf_reader *f, int fd)
{
	*f = (struct dwarf_reader){0};
	return dwarf_image_open(&f->img, fd);
}

void dwarf_reader_over(struct dwarf_reader *f, const struct dwarf_span spans[DWARF_SECTIONS])
{
	*f = (struct dwarf_reader){0};
	dwarf_image_over(&f->img, spans);
}

static void forget(struct dwarf_reader *f)
{
	struct dwarf_abbrevs *t, *next;
	uint32_t i;

	for (i = 0; i < f->n_index; i++) {
		free(f->index[i].unit);
		f->index[i].unit = NULL;
	}
	for (i = 0; i < DWARF_TABLE_BUCKETS; i++) {
		for (t = f->tables[i]; t; t = next) {
			next = t->next;
			dwarf_abbrevs_free(t);
		}
		f->tables[i] = NULL;
	}
}

void dwarf_reader_trim(struct dwarf_reader *f)
{
	const struct dwarf_abbrevs *t;
	size_t bytes = 0;
	uint32_t i;

	/* Counting is not free, so not at each unit. */
	if (++f->since_trim % 64)
		return;
	for (i = 0; i < DWARF_TABLE_BUCKETS; i++)
		for (t = f->tables[i]; t; t = t->next)
			bytes += dwarf_abbrevs_bytes(t);
	if (bytes > KEEP_BYTES)
		forget(f);
}

void dwarf_reader_close(struct dwarf_reader *f)
{
	forget(f);
	free(f->index);
	dwarf_image_close(&f->img);
	*f = (struct dwarf_reader){0};
}

/* ---- headers ---- */

/* 1: *@u is filled in, 0: not for this reader, -1: nothing more can be read. u->end is right unless -1. */
static int read_header(struct dwarf_reader *f, uint64_t off, struct dwarf_unit *u, uint64_t *abbrevs)
{
	struct dwarf_span sec = dwarf_image_need(&f->img, DWARF_INFO, off + MAX_HEADER);
	struct dwarf_cursor c;
	uint64_t len;
	uint8_t addr_size;

	if (off >= sec.len)
		return -1;
	c = (struct dwarf_cursor){.p = sec.data + off, .end = sec.data + sec.len};
	*u = (struct dwarf_unit){.file = f, .off = off, .off_size = 4, .type = DW_UT_compile};
	len = dwarf_u32(&c);
	if (len == 0xffffffff) {
		u->off_size = 8;
		len = dwarf_u64(&c);
	}
	u->end = (uint64_t)(c.p - sec.data);
	if (c.bad || (u->off_size == 4 && len >= 0xfffffff0) ||
	    len > dwarf_image_length(&f->img, DWARF_INFO) - u->end)
		return -1;
	u->end += len;
	u->version = (uint8_t)dwarf_u16(&c);
	if (u->version >= 5) {
		u->type = dwarf_u8(&c);
		addr_size = dwarf_u8(&c);
		*abbrevs = u->off_size == 8 ? dwarf_u64(&c) : dwarf_u32(&c);
	} else {
		*abbrevs = u->off_size == 8 ? dwarf_u64(&c) : dwarf_u32(&c);
		addr_size = dwarf_u8(&c);
	}
	if (u->type == DW_UT_skeleton || u->type == DW_UT_split_compile)
		dwarf_skip(&c, 8);
	u->root = (uint64_t)(c.p - sec.data);
	return !c.bad && u->version >= 2 && u->version <= 5 && addr_size == 8 && u->root < u->end &&
	       (u->type == DW_UT_compile || u->type == DW_UT_partial || u->type == DW_UT_skeleton);
}

struct root_values {
	struct dwarf_code_attrs code;
	struct dwarf_value name, comp_dir;
};

static void note_root(struct dwarf_unit *u, uint16_t name, const struct dwarf_value *v, struct root_values *r)
{
	switch (name) {
	case DW_AT_name:
		r->name = *v;
		break;
	case DW_AT_comp_dir:
		r->comp_dir = *v;
		break;
	case DW_AT_language:
		u->language = (uint16_t)v->u;
		break;
	case DW_AT_stmt_list:
		u->has_lines =
			v->form == DW_FORM_sec_offset || v->form == DW_FORM_data4 || v->form == DW_FORM_data8;
		u->lines = v->u;
		break;
	case DW_AT_str_offsets_base:
		u->str_base = v->u;
		break;
	case DW_AT_addr_base:
	case DW_AT_GNU_addr_base:
		u->addr_base = v->u;
		break;
	case DW_AT_rnglists_base:
		u->rnglists_base = v->u;
		break;
	case DW_AT_GNU_dwo_name:
	case DW_AT_dwo_name:
		u->split = true;
		break;
	default:
		dwarf_code_note(&r->code, name, v);
	}
}

static bool read_root(struct dwarf_unit *u)
{
	struct dwarf_attr_iter it = {0};
	struct root_values r = {0};
	struct dwarf_die die;
	struct dwarf_code code;
	uint64_t next;

	/* What tables' headers take, for units that leave the base out. */
	if (u->version >= 5) {
		u->addr_base = u->str_base = u->off_size == 8 ? 2 * TABLE_HEADER : TABLE_HEADER;
		u->rnglists_base = u->addr_base + 4;
	}
	if (!dwarf_die_read(u, u->root, &die, &next))
		return false;
	while (dwarf_attr_next(&die, &it))
		note_root(u, it.name, &it.value, &r);
	if (it.i == UINT32_MAX)
		return false;
	/* Only now the bases are known that these may need. */
	u->name = dwarf_value_string(u, &r.name);
	u->comp_dir = dwarf_value_string(u, &r.comp_dir);
	dwarf_code_finish(u, &r.code, &code);
	u->code = code;
	u->tag = die.ab->tag;
	u->children = die.ab->children;
	u->first_child = it.at ? it.at : die.attrs;
	return true;
}

/* ---- the index ---- */

static struct dwarf_index *add_index(struct dwarf_reader *f, uint64_t off, uint64_t end)
{
	uint32_t want = f->cap_index ? f->cap_index * 2 : 64;
	struct dwarf_index *p;

	if (f->n_index == f->cap_index) {
		p = f->n_index < MAX_UNITS ? realloc(f->index, want * sizeof(*p)) : NULL;
		if (!p) {
			f->error = -ENOMEM;
			return NULL;
		}
		f->index = p;
		f->cap_index = want;
	}
	p = &f->index[f->n_index++];
	*p = (struct dwarf_index){off, end, NULL};
	f->scanned = end;
	return p;
}

/* Headers are chained by their lengths, so the index grows from its end. */
static struct dwarf_index *find_index(struct dwarf_reader *f, uint64_t off)
{
	struct dwarf_unit u;
	struct dwarf_index *x;
	uint64_t abbrevs;
	uint32_t lo = 0, hi = f->n_index, mid;

	while (off >= f->scanned) {
		if (f->error || read_header(f, f->scanned, &u, &abbrevs) < 0)
			return NULL;
		x = add_index(f, f->scanned, u.end);
		if (!x || off < x->end)
			return x;
	}
	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (f->index[mid].end <= off)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < f->n_index ? &f->index[lo] : NULL;
}

static struct dwarf_unit *load(struct dwarf_reader *f, uint64_t off)
{
	struct dwarf_unit *u = malloc(sizeof(*u));
	uint64_t abbrevs;
	int known;

	if (!u) {
		f->error = -ENOMEM;
		return NULL;
	}
	known = read_header(f, off, u, &abbrevs);
	if (known > 0) {
		u->info = dwarf_image_need(&f->img, DWARF_INFO, u->end).data;
		u->abbrevs = dwarf_abbrevs_at(f, abbrevs, u->off_size, u->version);
		/* A stream that breaks off inside the unit leaves no unit. */
		if (u->abbrevs && u->end <= dwarf_image_length(&f->img, DWARF_INFO) && read_root(u))
			return u;
	} else if (known == 0 && u->type != DW_UT_type) {
		f->foreign = true;
	}
	free(u);
	return NULL;
}

struct dwarf_unit *dwarf_unit_at(struct dwarf_reader *f, uint64_t off, bool inside, uint64_t *next)
{
	struct dwarf_index *x = find_index(f, off);

	if (next)
		*next = x && x->end < dwarf_image_length(&f->img, DWARF_INFO) ? x->end : 0;
	if (!x || (!inside && x->off != off))
		return NULL;
	if (!x->unit)
		x->unit = load(f, x->off);
	return x->unit;
}

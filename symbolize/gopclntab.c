/* SPDX-License-Identifier: Apache-2.0 */
/* gopclntab.c - see gopclntab.h. */
#include "symbolize/gopclntab.h"

#include <errno.h>
#include <string.h>

#define PCDATA_INLINE   2
#define FUNCDATA_INLINE 3 /* 4 up to 1.15 */
#define MAX_FUNCTIONS   (16u << 20)

static const uint32_t magics[] = {
	[GOPCLN_1_2] = 0xfffffffb,
	[GOPCLN_1_16] = 0xfffffffa,
	[GOPCLN_1_18] = 0xfffffff0,
	[GOPCLN_1_20] = 0xfffffff1,
};

/* ---- checked reads ---- */

static bool read_u32(const struct gopclntab *t, uint64_t off, uint32_t *v)
{
	if (off > t->len || t->len - off < sizeof(*v))
		return false;
	memcpy(v, t->data + off, sizeof(*v));
	return true;
}

static bool read_u8(const struct gopclntab *t, uint64_t off, uint8_t *v)
{
	if (off >= t->len)
		return false;
	*v = t->data[off];
	return true;
}

static bool read_ptr(const struct gopclntab *t, uint64_t off, uint64_t *v)
{
	uint32_t small;

	if (t->ptr == 4) {
		if (!read_u32(t, off, &small))
			return false;
		*v = small;
		return true;
	}
	if (off > t->len || t->len - off < sizeof(*v))
		return false;
	memcpy(v, t->data + off, sizeof(*v));
	return true;
}

/* @base + @off as a string of the table; there is a NUL behind its end. */
static const char *text_at(const struct gopclntab *t, uint64_t base, uint64_t off)
{
	if (base > t->len || off > t->len - base || base + off >= t->len)
		return NULL;
	return (const char *)t->data + base + off;
}

/* ---- header ---- */

static bool read_parts(struct gopclntab *t)
{
	uint64_t *const parts[] = {&t->names, &t->units, &t->files, &t->pcs, &t->functions};
	uint64_t at = 8, n;
	uint32_t files;
	unsigned i;

	if (!read_ptr(t, at, &n) || n > MAX_FUNCTIONS)
		return false;
	t->n_functions = (uint32_t)n;
	at += t->ptr;
	if (t->version == GOPCLN_1_2) {
		t->functions = at;
		if (!read_u32(t, at + (2 * n + 1) * t->ptr, &files))
			return false;
		t->files = files;
		return true; /* names and value tables are found from the table's begin */
	}
	at += t->ptr; /* the number of files */
	if (t->version >= GOPCLN_1_18) {
		if (!read_ptr(t, at, &t->text))
			return false;
		at += t->ptr;
	}
	for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++, at += t->ptr)
		if (!read_ptr(t, at, parts[i]) || *parts[i] > t->len)
			return false;
	return true;
}

int gopclntab_open(struct gopclntab *t, const uint8_t *data, size_t len)
{
	uint32_t magic;
	unsigned v;

	*t = (struct gopclntab){.data = data, .len = len};
	if (!read_u32(t, 0, &magic) || len < 8 || data[4] || data[5])
		return -ENOEXEC;
	for (v = 0; v < sizeof(magics) / sizeof(magics[0]) && magics[v] != magic; v++)
		;
	t->version = (enum gopcln_version)v;
	t->quantum = data[6];
	t->ptr = data[7];
	if (v == sizeof(magics) / sizeof(magics[0]) || (t->ptr != 4 && t->ptr != 8) ||
	    (t->quantum != 1 && t->quantum != 2 && t->quantum != 4))
		return -ENOEXEC;
	return read_parts(t) ? 0 : -EBADMSG;
}

/* ---- functions ---- */

/* Entry @i of the sorted table: address, and offset of the record (not of the last, which only ends it). */
static bool entry_at(const struct gopclntab *t, uint32_t i, uint64_t *pc, uint64_t *off)
{
	bool small = t->version >= GOPCLN_1_18, ok;
	unsigned size = small ? 4 : t->ptr;
	uint64_t at = t->functions + 2 * (uint64_t)i * size;
	uint32_t pc32 = 0, off32 = 0;

	*off = 0;
	if (small) {
		ok = read_u32(t, at, &pc32) && (i == t->n_functions || read_u32(t, at + 4, &off32));
		*pc = t->text + pc32;
		*off = off32;
	} else {
		ok = read_ptr(t, at, pc) && (i == t->n_functions || read_ptr(t, at + size, off));
	}
	/* From 1.16 on records are counted from this table, before from the very begin. */
	if (ok && t->version != GOPCLN_1_2)
		ok = !__builtin_add_overflow(*off, t->functions, off);
	return ok;
}

static bool read_function(const struct gopclntab *t, struct gopcln_function *f)
{
	uint64_t at = f->off + (t->version >= GOPCLN_1_18 ? 4 : t->ptr), tables;
	uint32_t name, n_pc, start = 0, v = 0;
	uint8_t n_func, index;

	/* name, args, deferreturn, pcsp, pcfile, pcln, number of pc tables */
	if (!read_u32(t, at, &name) || !read_u32(t, at + 16, &f->pc_file) ||
	    !read_u32(t, at + 20, &f->pc_line) || !read_u32(t, at + 24, &n_pc))
		return false;
	f->name = text_at(t, t->names, name);
	if (!f->name || !*f->name)
		return false;
	at += 28;
	if (t->version == GOPCLN_1_2)
		at -= 4; /* it has no unit */
	else if (!read_u32(t, at, &f->unit))
		return false;
	if (t->version >= GOPCLN_1_20) {
		at += 4;
		if (!read_u32(t, at, &start))
			return false;
		f->start_line = start <= INT32_MAX ? start : 0;
	}
	tables = at + 8;
	if (n_pc > PCDATA_INLINE && read_u32(t, tables + 4 * PCDATA_INLINE, &v))
		f->pc_inline = v;
	if (!read_u8(t, at + 7, &n_func))
		return false;
	tables += 4 * (uint64_t)n_pc;
	if (t->version >= GOPCLN_1_18) {
		f->has_tree = n_func > FUNCDATA_INLINE && read_u32(t, tables + 4 * FUNCDATA_INLINE, &v) &&
			      v != UINT32_MAX;
		f->inline_tree = v;
		return true;
	}
	/* Addresses, which a file that can be loaded anywhere does not have. */
	index = t->version == GOPCLN_1_2 ? FUNCDATA_INLINE + 1 : FUNCDATA_INLINE;
	tables = (tables + t->ptr - 1) / t->ptr * t->ptr;
	f->has_tree = n_func > index && read_ptr(t, tables + (uint64_t)index * t->ptr, &f->inline_tree) &&
		      f->inline_tree;
	return true;
}

bool gopclntab_find(const struct gopclntab *t, uint64_t vaddr, struct gopcln_function *f)
{
	uint32_t lo = 0, hi = t->n_functions, mid; /* entries below lo are <= vaddr, from hi on above */
	uint64_t pc, off;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (!entry_at(t, mid, &pc, &off))
			return false;
		if (pc <= vaddr)
			lo = mid + 1;
		else
			hi = mid;
	}
	*f = (struct gopcln_function){0};
	if (!lo || !entry_at(t, lo - 1, &f->entry, &f->off) || !entry_at(t, lo, &f->end, &off) ||
	    vaddr >= f->end)
		return false;
	return read_function(t, f);
}

/* ---- value tables: (value delta, address delta) pairs of varints ---- */

static bool varint(const struct gopclntab *t, uint64_t *at, uint32_t *v)
{
	unsigned shift;
	uint8_t b;

	*v = 0;
	for (shift = 0; shift < 35; shift += 7) {
		if (!read_u8(t, *at, &b))
			return false;
		++*at;
		*v |= (uint32_t)(b & 0x7f) << shift;
		if (!(b & 0x80))
			return true;
	}
	return false;
}

static int32_t value_at(const struct gopclntab *t, uint32_t table, const struct gopcln_function *f,
			uint64_t vaddr)
{
	uint64_t at = t->pcs, pc = f->entry;
	uint32_t value = UINT32_MAX, delta;
	bool first = true;

	if (!table || __builtin_add_overflow(at, table, &at))
		return -1;
	while (varint(t, &at, &delta) && (delta || first)) {
		first = false;
		value += delta & 1 ? ~(delta >> 1) : delta >> 1;
		if (!varint(t, &at, &delta))
			break;
		pc += (uint64_t)delta * t->quantum;
		if (vaddr < pc)
			return (int32_t)value;
	}
	return -1;
}

static const char *file_at(const struct gopclntab *t, const struct gopcln_function *f, uint32_t number)
{
	uint32_t off;

	if (t->version == GOPCLN_1_2)
		return read_u32(t, t->files + 4 * (uint64_t)number, &off) ? text_at(t, 0, off) : NULL;
	if (!read_u32(t, t->units + 4 * ((uint64_t)f->unit + number), &off) || off == UINT32_MAX)
		return NULL;
	return text_at(t, t->files, off);
}

void gopclntab_line(const struct gopclntab *t, const struct gopcln_function *f, uint64_t vaddr,
		    const char **file, uint32_t *line)
{
	int32_t number = value_at(t, f->pc_file, f, vaddr), l = value_at(t, f->pc_line, f, vaddr);

	*file = number >= 0 ? file_at(t, f, (uint32_t)number) : NULL;
	*line = l > 0 ? (uint32_t)l : 0;
}

/* ---- inlined calls ---- */

int32_t gopclntab_inline(const struct gopclntab *t, const struct gopcln_function *f, uint64_t vaddr)
{
	return value_at(t, f->pc_inline, f, vaddr);
}

unsigned gopclntab_call_size(const struct gopclntab *t)
{
	return t->version >= GOPCLN_1_20 ? 16 : 20;
}

bool gopclntab_call(const struct gopclntab *t, const struct gopcln_function *f, const uint8_t *bytes,
		    struct gopcln_call *call)
{
	uint32_t name, start = 0;

	memcpy(&name, bytes + (t->version >= GOPCLN_1_20 ? 4 : 12), sizeof(name));
	memcpy(&call->parent_pc, bytes + (t->version >= GOPCLN_1_20 ? 8 : 16), sizeof(call->parent_pc));
	if (t->version >= GOPCLN_1_20)
		memcpy(&start, bytes + 12, sizeof(start));
	call->start_line = start <= INT32_MAX ? start : 0;
	call->name = text_at(t, t->names, name);
	/* A name begins where another ends. */
	return call->name && *call->name && (!name || !call->name[-1]) && call->parent_pc < f->end - f->entry;
}

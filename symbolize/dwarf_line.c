/* SPDX-License-Identifier: Apache-2.0 */
/* dwarf_line.c - see dwarf_line.h: headers and file names first, then the program. */
#include "symbolize/dwarf_line.h"

#include "collect/dwarf_read.h"

#include <dwarf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_FORMATS 32         /* fields of a file's entry, DWARF 5 */
#define MAX_ENTRIES (1u << 20) /* files, or directories */

/* ---- header ---- */

static int add_entry(struct dwarf_line_entry **list, uint32_t *n, uint32_t *cap, const char *name,
		     uint64_t dir)
{
	uint32_t want = *cap ? *cap * 2 : 64;
	struct dwarf_line_entry *p;

	if (*n == MAX_ENTRIES)
		return -EBADMSG;
	if (*n == *cap) {
		p = realloc(*list, want * sizeof(*p));
		if (!p)
			return -ENOMEM;
		*list = p;
		*cap = want;
	}
	(*list)[(*n)++] = (struct dwarf_line_entry){name, dir};
	return 0;
}

static const char *take_string(struct dwarf_cursor *c)
{
	const uint8_t *nul = memchr(c->p, 0, dwarf_left(c));
	const char *s = (const char *)c->p;

	if (!nul) {
		c->bad = true;
		return NULL;
	}
	c->p = nul + 1;
	return s;
}

/* Before DWARF 5: lists that end with an empty name; number 0 stands for what the unit says. */
static int read_old_names(struct dwarf_lines *l, struct dwarf_cursor *c)
{
	const char *name;
	uint64_t dir;
	int err;

	err = add_entry(&l->dirs, &l->n_dirs, &l->cap_dirs, NULL, 0);
	while (!err && (name = take_string(c)) && *name)
		err = add_entry(&l->dirs, &l->n_dirs, &l->cap_dirs, name, 0);
	if (!err)
		err = add_entry(&l->files, &l->n_files, &l->cap_files, NULL, 0);
	while (!err && (name = take_string(c)) && *name) {
		dir = dwarf_uleb(c);
		dwarf_uleb(c); /* time */
		dwarf_uleb(c); /* size */
		err = add_entry(&l->files, &l->n_files, &l->cap_files, name, dir);
	}
	return err;
}

struct format {
	uint16_t type, form;
};

/* One entry of a list of DWARF 5. */
static int read_new_entry(struct dwarf_lines *l, struct dwarf_cursor *c, const struct format *fmt, uint8_t n,
			  struct dwarf_line_entry *e)
{
	struct dwarf_value v;
	uint64_t at;
	uint8_t i;

	*e = (struct dwarf_line_entry){0};
	for (i = 0; i < n; i++) {
		at = dwarf_form_read(l->data, (uint64_t)(c->p - l->data), (uint64_t)(c->end - l->data),
				     fmt[i].form, l->off_size, l->version, 0, &v);
		if (!at)
			return -EBADMSG;
		c->p = l->data + at;
		if (fmt[i].type == DW_LNCT_path)
			e->name = dwarf_value_string(l->unit, &v);
		else if (fmt[i].type == DW_LNCT_directory_index)
			e->dir = v.u;
	}
	return 0;
}

static int read_new_names(struct dwarf_lines *l, struct dwarf_cursor *c, bool dirs)
{
	struct format fmt[MAX_FORMATS];
	struct dwarf_line_entry e;
	uint8_t n = dwarf_u8(c), i;
	uint64_t count, type, form;
	int err = 0;

	if (n > MAX_FORMATS)
		return -EBADMSG;
	for (i = 0; i < n; i++) {
		type = dwarf_uleb(c);
		form = dwarf_uleb(c);
		fmt[i] = (struct format){type <= UINT16_MAX ? (uint16_t)type : 0,
					 form <= UINT16_MAX ? (uint16_t)form : 0};
	}
	count = dwarf_uleb(c);
	/* Entries without a field take no bytes: they would never end. */
	if (c->bad || count > MAX_ENTRIES || (count && !n))
		return -EBADMSG;
	for (; count && !err; count--) {
		err = read_new_entry(l, c, fmt, n, &e);
		if (!err && dirs)
			err = add_entry(&l->dirs, &l->n_dirs, &l->cap_dirs, e.name, 0);
		else if (!err)
			err = add_entry(&l->files, &l->n_files, &l->cap_files, e.name, e.dir);
	}
	return err;
}

static int read_fields(struct dwarf_lines *l, struct dwarf_cursor *c)
{
	uint64_t header;
	uint8_t i;

	l->version = (uint8_t)dwarf_u16(c);
	if (c->bad || l->version < 2 || l->version > 5)
		return -EBADMSG;
	if (l->version >= 5 && dwarf_u16(c) != 8) /* address size, no segment selector */
		return -EBADMSG;
	header = l->off_size == 8 ? dwarf_u64(c) : dwarf_u32(c);
	if (c->bad || header > dwarf_left(c))
		return -EBADMSG;
	l->program = (uint64_t)(c->p - l->data) + header;
	c->end = l->data + l->program;
	l->min_inst = dwarf_u8(c);
	if (l->version >= 4)
		dwarf_u8(c); /* operations to an instruction */
	dwarf_u8(c);         /* the default of is_stmt */
	l->line_base = (int8_t)dwarf_u8(c);
	l->line_range = dwarf_u8(c);
	l->opcode_base = dwarf_u8(c);
	for (i = 1; i < l->opcode_base; i++)
		l->operands[i] = dwarf_u8(c);
	return c->bad || !l->line_range || !l->opcode_base ? -EBADMSG : 0;
}

static int read_header(struct dwarf_lines *l, uint64_t off)
{
	struct dwarf_image *img = &l->unit->file->img;
	struct dwarf_span sec = dwarf_image_need(img, DWARF_LINE, off < UINT64_MAX - 12 ? off + 12 : off);
	struct dwarf_cursor c;
	uint64_t len, at;
	int err;

	if (off >= sec.len)
		return -EBADMSG;
	c = (struct dwarf_cursor){.p = sec.data + off, .end = sec.data + sec.len};
	l->off_size = 4;
	len = dwarf_u32(&c);
	if (len == 0xffffffff) {
		l->off_size = 8;
		len = dwarf_u64(&c);
	}
	at = (uint64_t)(c.p - sec.data);
	if (c.bad || len > dwarf_image_length(img, DWARF_LINE) - at)
		return -EBADMSG;
	l->end = at + len;
	sec = dwarf_image_need(img, DWARF_LINE, l->end);
	if (sec.len < l->end)
		return -EBADMSG;
	l->data = sec.data;
	c = (struct dwarf_cursor){.p = sec.data + at, .end = sec.data + l->end};
	err = read_fields(l, &c);
	if (!err && l->version < 5)
		err = read_old_names(l, &c);
	else if (!err)
		err = read_new_names(l, &c, true) ?: read_new_names(l, &c, false);
	return err;
}

int dwarf_lines_open(struct dwarf_lines *l, struct dwarf_unit *unit)
{
	int err;

	*l = (struct dwarf_lines){.unit = unit};
	if (!unit->has_lines)
		return -ENOENT;
	err = read_header(l, unit->lines);
	if (err)
		dwarf_lines_release(l);
	return err;
}

void dwarf_lines_release(struct dwarf_lines *l)
{
	free(l->dirs);
	free(l->files);
	*l = (struct dwarf_lines){0};
}

/* ---- paths ---- */

/* "dir/name" unless @name is absolute, or @dir is unknown. */
static bool join(char *out, size_t cap, const char *dir, const char *name)
{
	bool alone = !dir || !*dir || name[0] == '/';
	int n = alone ? snprintf(out, cap, "%s", name) : snprintf(out, cap, "%s/%s", dir, name);

	return n >= 0 && (size_t)n < cap;
}

bool dwarf_lines_path(const struct dwarf_lines *l, uint64_t file, char *out, size_t cap)
{
	const struct dwarf_line_entry *e = file < l->n_files ? &l->files[file] : NULL;
	const char *comp = l->unit->comp_dir, *dir;
	char path[4096];

	/* File 0 of the old versions, which no row should name, is the unit's own. */
	if (e && !e->name && !file && l->version < 5 && l->unit->name)
		return join(out, cap, comp, l->unit->name);
	if (!e || !e->name)
		return false;
	dir = e->dir < l->n_dirs ? l->dirs[e->dir].name : NULL;
	if (e->name[0] == '/' || !dir)
		return join(out, cap, e->dir ? NULL : comp, e->name);
	/* Directory 0 of DWARF 5 is the compilation's. */
	if (dir[0] == '/' || (!e->dir && l->version >= 5))
		return join(out, cap, dir, e->name);
	return join(path, sizeof(path), dir, e->name) && join(out, cap, comp, path);
}

/* ---- the program ---- */

struct row {
	uint64_t addr, file;
	uint32_t line;
};

struct run {
	struct dwarf_lines *l;
	struct dwarf_line_query *q;
	uint32_t n, next; /* next: the first query not before the row */
	bool (*in_code)(const void *ctx, uint64_t vaddr);
	const void *ctx;
	struct row row, last; /* the state machine's, and the last one emitted */
	bool begun, dropped;  /* a row of this sequence was emitted; it is not in the file */
};

static void seek(struct run *r, uint64_t vaddr)
{
	uint32_t lo = 0, hi = r->n, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (r->q[mid].vaddr < vaddr)
			lo = mid + 1;
		else
			hi = mid;
	}
	r->next = lo;
}

/* The row before this one covers what lies between them. */
static void emit_slow(struct run *r)
{
	struct dwarf_line_query *q;

	if (!r->begun) {
		r->dropped = !r->in_code(r->ctx, r->row.addr);
		seek(r, r->row.addr);
		r->begun = true;
	} else if (r->row.addr < r->last.addr) {
		seek(r, r->row.addr);
	} else if (!r->dropped) {
		for (; r->next < r->n && r->q[r->next].vaddr < r->row.addr; r->next++) {
			q = &r->q[r->next];
			if (q->found)
				continue;
			q->found = true;
			q->line = r->last.line;
			q->file = r->last.file <= UINT32_MAX ? (uint32_t)r->last.file : UINT32_MAX;
		}
	}
}

static inline void emit(struct run *r)
{
	/* Nearly all rows: forward, and no wanted address passed. */
	if (!r->begun || r->row.addr < r->last.addr || (r->next < r->n && r->q[r->next].vaddr < r->row.addr))
		emit_slow(r);
	r->last = r->row;
}

static void begin_sequence(struct run *r)
{
	r->row = (struct row){.file = 1, .line = 1};
	r->begun = r->dropped = false;
}

/* A file that the header does not list; before DWARF 5. What does not fit goes without a name. */
static void define_file(struct dwarf_lines *l, struct dwarf_cursor *c)
{
	const char *name = take_string(c);
	uint64_t dir = dwarf_uleb(c);

	if (name && !c->bad)
		(void)add_entry(&l->files, &l->n_files, &l->cap_files, name, dir);
}

static void extended(struct run *r, struct dwarf_cursor *c)
{
	uint64_t len = dwarf_uleb(c);
	struct dwarf_cursor in;

	in.p = in.start = dwarf_skip(c, len);
	in.end = c->p;
	in.bad = c->bad;
	if (!len || c->bad)
		return;
	switch (dwarf_u8(&in)) {
	case DW_LNE_end_sequence:
		emit(r);
		begin_sequence(r);
		break;
	case DW_LNE_set_address:
		if (len == 9)
			r->row.addr = dwarf_u64(&in);
		break;
	case DW_LNE_define_file:
		define_file(r->l, &in);
		break;
	default: /* discriminators */
		break;
	}
}

static void standard(struct run *r, uint8_t op, struct dwarf_cursor *c)
{
	const struct dwarf_lines *l = r->l;
	uint8_t i;

	switch (op) {
	case DW_LNS_copy:
		emit(r);
		break;
	case DW_LNS_advance_pc:
		r->row.addr += dwarf_uleb(c) * l->min_inst;
		break;
	case DW_LNS_advance_line:
		r->row.line += (uint32_t)dwarf_sleb(c);
		break;
	case DW_LNS_set_file:
		r->row.file = dwarf_uleb(c);
		break;
	case DW_LNS_const_add_pc:
		r->row.addr += (uint64_t)((255 - l->opcode_base) / l->line_range) * l->min_inst;
		break;
	case DW_LNS_fixed_advance_pc:
		r->row.addr += dwarf_u16(c);
		break;
	default:
		for (i = 0; i < l->operands[op]; i++)
			dwarf_uleb(c);
	}
}

void dwarf_lines_find(struct dwarf_lines *l, struct dwarf_line_query *q, uint32_t n,
		      bool (*in_code)(const void *ctx, uint64_t vaddr), const void *ctx)
{
	struct run r = {.l = l, .q = q, .n = n, .in_code = in_code, .ctx = ctx};
	struct dwarf_cursor c = {.p = l->data + l->program, .end = l->data + l->end};
	uint32_t addr_step[256];
	int32_t line_step[256];
	unsigned int i;
	uint8_t op;

	/* Most of a program are special opcodes: no division for each. */
	for (i = l->opcode_base; i < 256; i++) {
		addr_step[i] = (i - l->opcode_base) / l->line_range * l->min_inst;
		line_step[i] = l->line_base + (int)((i - l->opcode_base) % l->line_range);
	}
	begin_sequence(&r);
	while (c.p < c.end && !c.bad) {
		op = *c.p++;
		if (op >= l->opcode_base) {
			r.row.addr += addr_step[op];
			r.row.line += (uint32_t)line_step[op];
			emit(&r);
		} else if (!op) {
			extended(&r, &c);
		} else {
			standard(&r, op, &c);
		}
	}
}

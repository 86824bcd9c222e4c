/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dwarf_resolve.c - see dwarf_resolve.h.
 *
 * Several units may claim the same range (functions that the linker folded):
 * the first one with a function there has the address for itself, so that
 * chains of inlined calls never mix.
 */
#include "symbolize/dwarf_resolve.h"

#include "symbolize/dwarf_line.h"
#include "symbolize/dwarf_walk.h"

#include <dwarf.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

struct resolver {
	struct source_module *m;
	struct names *names;
	bool inlines;
	uint32_t left; /* addresses that are not done */
	struct dwarf_place *places;
	struct dwarf_line_query *queries; /* [n] of the unit's places */
	/* Of the unit at hand: */
	struct dwarf_lines lines;
	bool has_lines;
	uint32_t *files; /* string ids of its files' paths, 0: not interned yet */
};

static int compare_places(const void *a, const void *b)
{
	const struct dwarf_place *x = a, *y = b;

	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

/*
 * Strict DWARF 2 has no way to say of a unit that its code is in several
 * pieces, and gcc then tells of one only: it may have any address. Its
 * functions and lines tell.
 */
static bool may_be_anywhere(const struct dwarf_unit *u)
{
	return u->version == 2 && !u->code.has_ranges;
}

static uint32_t claim_all(struct resolver *r)
{
	uint32_t n = 0, i;

	for (i = 0; i < r->m->n_addrs; i++)
		if (!r->m->addrs[i].done)
			r->places[n++] = (struct dwarf_place){&r->m->addrs[i], DWARF_OUTSIDE};
	return n;
}

/* Wanted addresses, not done yet, in the ranges of @u. */
static uint32_t claim(struct resolver *r, struct dwarf_unit *u)
{
	struct source_module *m = r->m;
	struct dwarf_range_iter it = {0};
	uint32_t n = 0, i;
	bool sorted = true;

	while (dwarf_range_next(u, &u->code, &it)) {
		i = source_lower_bound(m, it.start);
		if (i == m->n_addrs || m->addrs[i].vaddr >= it.end || !source_in_code(m->mod, it.start))
			continue;
		for (; i < m->n_addrs && m->addrs[i].vaddr < it.end; i++) {
			if (m->addrs[i].done || m->addrs[i].claimed)
				continue;
			m->addrs[i].claimed = true;
			sorted = sorted && (!n || r->places[n - 1].addr < &m->addrs[i]);
			r->places[n++] = (struct dwarf_place){&m->addrs[i], DWARF_OUTSIDE};
		}
	}
	for (i = 0; i < n; i++)
		r->places[i].addr->claimed = false;
	if (!sorted)
		qsort(r->places, n, sizeof(*r->places), compare_places);
	return n;
}

/* ---- files and lines ---- */

static bool in_code(const void *ctx, uint64_t vaddr)
{
	return source_in_code(ctx, vaddr);
}

static int open_lines(struct resolver *r, struct dwarf_unit *u, uint32_t n)
{
	uint32_t i;
	int err;

	for (i = 0; i < n; i++)
		r->queries[i] = (struct dwarf_line_query){.vaddr = r->places[i].addr->vaddr};
	r->files = NULL;
	err = dwarf_lines_open(&r->lines, u);
	r->has_lines = !err;
	if (err)
		return err == -ENOMEM ? err : 0;
	dwarf_lines_find(&r->lines, r->queries, n, in_code, r->m->mod);
	r->files = calloc((size_t)r->lines.n_files + 1, sizeof(*r->files));
	return r->files ? 0 : -ENOMEM;
}

static void close_lines(struct resolver *r)
{
	if (r->has_lines)
		dwarf_lines_release(&r->lines);
	free(r->files);
	r->has_lines = false;
	r->files = NULL;
}

/* String id of file number @file's path; 0 when there is none. */
static int put_file(struct resolver *r, uint64_t file, uint32_t *id)
{
	char path[PATH_MAX];
	int err = 0;

	*id = 0;
	if (!r->has_lines || file >= r->lines.n_files)
		return 0;
	if (!r->files[file] && dwarf_lines_path(&r->lines, file, path, sizeof(path)))
		err = strtab_put(&r->names->strings, path, &r->files[file]);
	*id = r->files[file];
	return err;
}

/* Before DWARF 5 file 0 of a call means that none is told. */
static int put_call_file(struct resolver *r, uint64_t file, uint32_t *id)
{
	*id = 0;
	return file || (r->has_lines && r->lines.version >= 5) ? put_file(r, file, id) : 0;
}

/* Line 0 (code of the compiler's own making) still tells the file. */
static int put_place(struct resolver *r, const struct dwarf_line_query *q, struct names_frame *f)
{
	f->file = f->line = 0;
	if (!q->found)
		return 0;
	f->line = q->line <= INT32_MAX ? q->line : 0;
	return put_file(r, q->file, &f->file);
}

/* ---- frames ---- */

/*
 * The frames of one address, innermost first: each is at the place where the
 * next inner one was called. Without inlines only the outermost. More than
 * NAMES_MAX_INLINE: inner frames stay, and the function that has the code.
 */
static int set_frames(struct resolver *r, struct dwarf_walk *w, uint32_t i)
{
	struct source_addr *addr = w->places[i].addr;
	struct names_frame frames[NAMES_MAX_INLINE], f, at = {0};
	struct dwarf_range_scope *s;
	uint32_t scope, n = 0;
	int err = put_place(r, &r->queries[i], &at);

	for (scope = w->places[i].scope; !err && scope != DWARF_OUTSIDE; scope = s->outer) {
		bool outermost;

		err = dwarf_walk_name(w, scope, r->names, &f);
		s = &w->scopes[scope];
		outermost = s->outer == DWARF_OUTSIDE;
		f.file = at.file;
		f.line = at.line;
		if (!err && f.function && (r->inlines || outermost)) {
			if (n == NAMES_MAX_INLINE && outermost)
				n--;
			if (n < NAMES_MAX_INLINE)
				frames[n++] = f;
		}
		at.line = s->call_line;
		if (!err && !outermost)
			err = put_call_file(r, s->call_file, &at.file);
	}
	if (err || !n)
		return err;
	err = names_set(r->names, addr->location, NAMES_DWARF, frames, n);
	addr->done = !err;
	addr->wants_symbol = dwarf_walk_wants_symbol(w, w->places[i].scope);
	r->left -= !err;
	return err;
}

/* Code without a function (assembly): the line is kept for the symbol table to complete. */
static int keep_line(struct resolver *r, uint32_t i)
{
	struct source_addr *addr = r->places[i].addr;
	struct names_frame f = {0};
	int err;

	if (addr->line)
		return 0;
	err = put_place(r, &r->queries[i], &f);
	addr->file = f.file;
	addr->line = f.line;
	return err;
}

static int resolve_unit(struct resolver *r, struct dwarf_unit *u)
{
	struct dwarf_walk walk;
	bool anywhere = may_be_anywhere(u);
	uint32_t n = anywhere ? claim_all(r) : claim(r, u), i;
	int err;

	if (!n)
		return 0;
	dwarf_walk_init(&walk, u, r->m->mod, r->places, n);
	err = dwarf_walk_run(&walk, !anywhere);
	if (!err)
		err = open_lines(r, u, n);
	for (i = 0; i < n && !err; i++) {
		if (r->places[i].scope != DWARF_OUTSIDE)
			err = set_frames(r, &walk, i);
		if (!err && !r->places[i].addr->done)
			err = keep_line(r, i);
	}
	close_lines(r);
	dwarf_walk_release(&walk);
	return err;
}

static int resolve_units(struct resolver *r, struct dwarf_reader *f)
{
	uint64_t off = 0, next, at;
	struct dwarf_unit *u;
	int err = 0;

	do {
		u = dwarf_unit_at(f, off, false, &next);
		if (u && u->split) {
			f->foreign = true;
		} else if (u && u->type != DW_UT_partial) {
			at = u->lines;
			err = resolve_unit(r, u);
			if (u->has_lines)
				dwarf_image_give_back(&f->img, DWARF_LINE, at);
		}
		dwarf_reader_trim(f);
		dwarf_image_give_back(&f->img, DWARF_INFO, next);
		off = next;
	} while (!err && !f->error && next && r->left);
	return err ? err : f->error;
}

static uint32_t count_left(const struct source_module *m)
{
	uint32_t i, n = 0;

	for (i = 0; i < m->n_addrs; i++)
		n += !m->addrs[i].done;
	return n;
}

int dwarf_reader_resolve(struct source_module *m, struct dwarf_reader *f, struct names *names, bool inlines)
{
	struct resolver r = {.m = m, .names = names, .inlines = inlines, .left = count_left(m)};
	int err;

	r.places = malloc(((size_t)m->n_addrs + 1) * sizeof(*r.places));
	r.queries = malloc(((size_t)m->n_addrs + 1) * sizeof(*r.queries));
	err = r.places && r.queries ? resolve_units(&r, f) : -ENOMEM;
	if (!err && f->foreign && r.left)
		err = -ENOTSUP;
	free(r.places);
	free(r.queries);
	return err;
}

int dwarf_resolve_file(struct source_module *m, int fd, int alt_fd, struct names *names, bool inlines)
{
	struct dwarf_reader file, alt;
	bool has_alt = false;
	int err = fd < 0 ? -ENOENT : dwarf_reader_open(&file, fd);

	if (err)
		return err;
	if (alt_fd >= 0)
		has_alt = !dwarf_reader_open(&alt, alt_fd);
	file.alt = has_alt ? &alt : NULL;
	err = dwarf_reader_resolve(m, &file, names, inlines);
	dwarf_reader_close(&file);
	if (has_alt)
		dwarf_reader_close(&alt);
	return err;
}

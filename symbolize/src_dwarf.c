/* SPDX-License-Identifier: Apache-2.0 */
/*
 * src_dwarf.c - functions, inlined calls, files and lines from DWARF.
 *
 * Nearly all by our own decoder (dwarf_resolve.c); what that does not read,
 * split units above all, by libdw: one pass over the units. A unit whose
 * ranges hold a wanted address has its tree walked once (dwarf_tree.c) and its
 * line table read once, whatever the number of addresses. Several units may
 * claim the same range (functions that the linker folded): the first one with
 * a function there has the address for itself, so that chains of inlined calls
 * never mix. What DWARF does not cover is left to the symbol table.
 */
#include "symbolize/debugfile.h"
#include "symbolize/dwarf_resolve.h"
#include "symbolize/dwarf_tree.h"
#include "symbolize/source.h"
#include "symbolize/split.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <errno.h>
#include <libelf.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct dwarf_file {
	Elf *elf, *alt_elf;
	Dwarf *dbg, *alt;
};

static void file_close(struct dwarf_file *f)
{
	if (f->dbg)
		dwarf_end(f->dbg);
	if (f->alt)
		dwarf_end(f->alt);
	if (f->alt_elf)
		elf_end(f->alt_elf);
	if (f->elf)
		elf_end(f->elf);
	*f = (struct dwarf_file){0};
}

static Dwarf *open_one(int fd, Elf **elf)
{
	*elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	return *elf && elf_kind(*elf) == ELF_K_ELF ? dwarf_begin_elf(*elf, DWARF_C_READ, NULL) : NULL;
}

/* True if @fd has units to read. Otherwise there is nothing to close. */
static bool file_open(struct dwarf_file *f, int fd, int alt_fd)
{
	Dwarf_CU *first = NULL;

	*f = (struct dwarf_file){0};
	if (fd < 0)
		return false;
	f->dbg = open_one(fd, &f->elf);
	if (f->dbg && alt_fd >= 0) {
		f->alt = open_one(alt_fd, &f->alt_elf);
		if (f->alt)
			dwarf_setalt(f->dbg, f->alt);
	}
	if (f->dbg && !dwarf_get_units(f->dbg, NULL, &first, NULL, NULL, NULL, NULL))
		return true;
	file_close(f);
	return false;
}

/* Wanted addresses, not done yet, in the ranges of @cu. */
static uint32_t claim(struct source_module *m, Dwarf_Die *cu, struct dwarf_hit *hits)
{
	Dwarf_Addr base, start, end;
	ptrdiff_t next = 0;
	uint32_t n = 0, i;
	bool sorted = true;

	while ((next = dwarf_ranges(cu, next, &base, &start, &end)) > 0) {
		if (!source_in_code(m->mod, start))
			continue;
		for (i = source_lower_bound(m, start); i < m->n_addrs && m->addrs[i].vaddr < end; i++) {
			if (m->addrs[i].done || m->addrs[i].claimed)
				continue;
			m->addrs[i].claimed = true;
			sorted = sorted && (!n || hits[n - 1].addr < &m->addrs[i]);
			hits[n++] = (struct dwarf_hit){.addr = &m->addrs[i], .scope = DWARF_NO_SCOPE};
		}
	}
	for (i = 0; i < n; i++)
		hits[i].addr->claimed = false;
	if (!sorted)
		qsort(hits, n, sizeof(*hits), dwarf_hit_compare);
	return n;
}

/* File and line of a location: of the line table, or of a call. */
struct place {
	const char *file;
	int line;
};

static struct place table_place(Dwarf_Die *cu, uint64_t vaddr)
{
	struct place p = {NULL, 0};
	Dwarf_Line *line = dwarf_getsrc_die(cu, vaddr);

	/* Line 0 (code of the compiler's own making) still tells the file. */
	if (line && !dwarf_lineno(line, &p.line))
		p.file = dwarf_linesrc(line, NULL, NULL);
	return p;
}

static struct place call_place(Dwarf_Die *cu, Dwarf_Die *inlined)
{
	Dwarf_Attribute attr;
	Dwarf_Files *files;
	Dwarf_Word file = 0, line = 0;
	struct place p = {NULL, 0};
	size_t n;

	if (!dwarf_formudata(dwarf_attr(inlined, DW_AT_call_line, &attr), &line) && line <= INT32_MAX)
		p.line = (int)line;
	if (!dwarf_formudata(dwarf_attr(inlined, DW_AT_call_file, &attr), &file) &&
	    !dwarf_getsrcfiles(cu, &files, &n) && file < n)
		p.file = dwarf_filesrc(files, file, NULL, NULL);
	return p;
}

/* A relative path is relative to where the compiler was started, if that is known absolutely. */
static int put_place(Dwarf_Die *cu, struct names *names, struct names_frame *f, const struct place *p)
{
	char path[PATH_MAX];
	Dwarf_Attribute attr;
	const char *dir = NULL;

	f->line = p->line > 0 ? (uint32_t)p->line : 0;
	f->file = 0;
	if (!p->file)
		return 0;
	if (p->file[0] != '/')
		dir = dwarf_formstring(dwarf_attr(cu, DW_AT_comp_dir, &attr));
	if (!dir || dir[0] != '/' ||
	    (size_t)snprintf(path, sizeof(path), "%s/%s", dir, p->file) >= sizeof(path))
		return strtab_put(&names->strings, p->file, &f->file);
	return strtab_put(&names->strings, path, &f->file);
}

/*
 * The frames of one address, innermost first: each is at the place where the
 * next inner one was called. Without @inlines only the outermost. More than
 * NAMES_MAX_INLINE: inner frames stay, and the function that has the code.
 */
static int set_frames(struct dwarf_tree *t, const struct dwarf_hit *hit, struct names *names, bool inlines)
{
	struct names_frame frames[NAMES_MAX_INLINE], f;
	struct place place = table_place(t->line_cu, hit->addr->vaddr);
	uint32_t scope, n = 0;
	int err;

	for (scope = hit->scope; scope != DWARF_NO_SCOPE; scope = t->scopes[scope].outer) {
		struct dwarf_scope *s = &t->scopes[scope];
		bool outermost = s->outer == DWARF_NO_SCOPE;

		err = dwarf_tree_name(t, scope, names, &f);
		if (!err)
			err = put_place(t->line_cu, names, &f, &place);
		if (err)
			return err;
		if (f.function && (inlines || outermost)) {
			if (n == NAMES_MAX_INLINE && outermost)
				n--;
			if (n < NAMES_MAX_INLINE)
				frames[n++] = f;
		}
		if (!outermost)
			place = call_place(t->line_cu, &s->die);
	}
	if (!n)
		return 0;
	err = names_set(names, hit->addr->location, NAMES_DWARF, frames, n);
	hit->addr->done = !err;
	hit->addr->wants_symbol = dwarf_tree_wants_symbol(t, hit->scope);
	return err;
}

/* Code without a function (assembly): the line is kept for the symbol table to complete. */
static int keep_line(struct dwarf_tree *t, const struct dwarf_hit *hit, struct names *names)
{
	struct place place;
	struct names_frame f;
	int err;

	if (hit->addr->line)
		return 0;
	place = table_place(t->line_cu, hit->addr->vaddr);
	err = put_place(t->line_cu, names, &f, &place);
	hit->addr->file = f.file;
	hit->addr->line = f.line;
	return err;
}

static int open_split_file(struct split_view *v, Dwarf_Die *skeleton, int fd, bool package)
{
	Elf *elf = fd >= 0 ? elf_begin(fd, ELF_C_READ_MMAP, NULL) : NULL;
	int err = elf ? split_view_open(v, skeleton, elf, package) : -ENOENT;

	/* the view has its own copy of all it needs */
	elf_end(elf);
	return err;
}

/* The unit that @skeleton stands for. 0, -ENOMEM, or another error when it cannot be had. */
static int open_split(const struct source_module *m, Dwarf_Die *skeleton, struct split_view *v)
{
	int err = -ENOENT;
	uint64_t id = 0;
	uint32_t i;

	*v = (struct split_view){0};
	if (!m->split || dwarf_cu_info(skeleton->cu, NULL, NULL, NULL, NULL, &id, NULL, NULL))
		return err;
	err = open_split_file(v, skeleton, m->split->dwp_fd, true);
	for (i = 0; i < m->split->n && err && err != -ENOMEM; i++)
		if (m->split->files[i].id == id)
			err = open_split_file(v, skeleton, m->split->files[i].fd, false);
	return err;
}

static int resolve_unit(struct source_module *m, Dwarf_Die *cu, bool skeleton, struct dwarf_hit *hits,
			struct names *names, bool inlines)
{
	struct split_view view = {0};
	struct dwarf_tree tree;
	uint32_t n = claim(m, cu, hits), i;
	int err;

	if (!n)
		return 0;
	/* without its other half a unit still has lines */
	if (skeleton && open_split(m, cu, &view) == -ENOMEM)
		return -ENOMEM;
	dwarf_tree_init(&tree, view.dbg ? &view.cu : cu, m->mod, hits, n);
	tree.line_cu = cu;
	err = dwarf_tree_walk(&tree);
	for (i = 0; i < n && !err; i++) {
		if (hits[i].scope != DWARF_NO_SCOPE)
			err = set_frames(&tree, &hits[i], names, inlines);
		if (!err && !hits[i].addr->done)
			err = keep_line(&tree, &hits[i], names);
	}
	dwarf_tree_release(&tree);
	split_view_close(&view);
	return err;
}

static int resolve_file(struct source_module *m, Dwarf *dbg, struct names *names, bool inlines)
{
	struct dwarf_hit *hits = malloc(m->n_addrs * sizeof(*hits));
	Dwarf_CU *cu = NULL;
	Dwarf_Die die;
	uint8_t type;
	int err = 0;

	if (!hits)
		return -ENOMEM;
	while (!err && !dwarf_get_units(dbg, cu, &cu, NULL, &type, &die, NULL))
		if (type == DW_UT_compile || type == DW_UT_skeleton)
			err = resolve_unit(m, &die, type == DW_UT_skeleton, hits, names, inlines);
	free(hits);
	return err;
}

/* True: our own decoder has done all there is to do, with *@err as its end. */
static bool read_directly(struct source_module *m, struct names *names, bool inlines, int *err)
{
	*err = dwarf_resolve_file(m, m->mod->fd, m->alt_fd, names, inlines);
	if (*err == -ENOENT || (*err == -EBADMSG && m->debug_fd >= 0))
		*err = dwarf_resolve_file(m, m->debug_fd, m->alt_fd, names, inlines);
	if (*err == -ENOTSUP)
		return false;
	if (*err == -EBADMSG)
		m->missing = NAMES_BAD_FILE;
	else if (*err != -ENOENT && names_status_stripped(m->missing))
		m->missing = NAMES_NO_SYMBOL;
	if (*err == -ENOENT || *err == -EBADMSG)
		*err = 0;
	return true;
}

static int dwarf_resolve(struct source_module *m, struct names *names, bool inlines)
{
	struct dwarf_file file;
	int err;

	if (!m->n_addrs)
		return 0;
	if (read_directly(m, names, inlines, &err))
		return err;
	elf_version(EV_CURRENT);
	if (!file_open(&file, m->mod->fd, m->alt_fd) && !file_open(&file, m->debug_fd, m->alt_fd))
		return 0;
	if (names_status_stripped(m->missing))
		m->missing = NAMES_NO_SYMBOL;
	err = resolve_file(m, file.dbg, names, inlines);
	file_close(&file);
	return err;
}

static int scout_file(struct source_module *m, Dwarf *dbg, Elf *dwp,
		      int (*want)(void *arg, const struct split_file *f), void *arg)
{
	struct dwarf_hit *hits = malloc(m->n_addrs * sizeof(*hits));
	struct split_file file;
	Dwarf_CU *cu = NULL;
	Dwarf_Die die;
	uint8_t type;
	int err = 0;

	if (!hits)
		return -ENOMEM;
	while (!err && !dwarf_get_units(dbg, cu, &cu, NULL, &type, &die, NULL))
		if (type == DW_UT_skeleton && claim(m, &die, hits) && split_wanted(&die, dwp, &file))
			err = want(arg, &file);
	free(hits);
	return err;
}

static int dwarf_scout(struct source_module *m, int (*want)(void *arg, const struct split_file *f), void *arg)
{
	struct dwarf_file file;
	Elf *dwp = NULL;
	int err;

	if (!m->n_addrs || !m->split)
		return 0;
	elf_version(EV_CURRENT);
	if (!file_open(&file, m->mod->fd, m->alt_fd) && !file_open(&file, m->debug_fd, m->alt_fd))
		return 0;
	if (m->split->dwp_fd >= 0)
		dwp = elf_begin(m->split->dwp_fd, ELF_C_READ_MMAP, NULL);
	err = scout_file(m, file.dbg, dwp, want, arg);
	elf_end(dwp);
	file_close(&file);
	return err;
}

static bool dwarf_applies(const struct profile_module *mod)
{
	return mod->kind == MODULE_FILE || mod->kind == MODULE_VDSO;
}

static void dwarf_prepare(struct source_module *m)
{
	static const enum names_status missing[] = {
		[DEBUGFILE_UNREADABLE] = NAMES_DEBUG_UNREADABLE,
		[DEBUGFILE_OTHER_CRC] = NAMES_DEBUG_OTHER_CRC,
		[DEBUGFILE_OTHER_ID] = NAMES_DEBUG_OTHER_ID,
	};
	struct debugfile found;

	debugfile_find(m->mod, m->path, m->dirs, &found);
	m->debug_fd = found.debug_fd;
	m->alt_fd = found.alt_fd;
	if (found.why >= DEBUGFILE_UNREADABLE)
		m->missing = missing[found.why];
	m->wants_debug = found.why >= DEBUGFILE_NONE;
	source_take_split(m, &found);
}

const struct source source_dwarf = {
	.name = "DWARF",
	.inlines_and_lines = true,
	.applies = dwarf_applies,
	.prepare = dwarf_prepare,
	.scout = dwarf_scout,
	.resolve = dwarf_resolve,
};

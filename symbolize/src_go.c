/* SPDX-License-Identifier: Apache-2.0 */
/*
 * src_go.c - functions, lines and inlined calls of Go programs, from .gopclntab.
 *
 * For binaries without DWARF, which Go's own flags make (-s -w). Names and lines
 * are in the table; the inline trees lie behind go:func.*, an address that only
 * the runtime's moduledata tells: it is found by its first word, which points
 * at the table, and believed if the trees there make sense.
 */
#include "symbolize/elfsec.h"
#include "symbolize/gopclntab.h"
#include "symbolize/source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_TABLE    (512u << 20)
#define MAX_RELOCS   (64u << 20)
#define MAX_DATA     (64u << 20) /* of a section searched for moduledata */
#define WORD_TEXT    22          /* of moduledata, since 1.18 */
#define WORD_GOFUNC  37          /* the first it may be, and how many may follow */
#define WORDS_GOFUNC 8
#define PROBES       64

struct go {
	struct source_module *m;
	struct elfsec elf;
	uint8_t *table;
	struct gopclntab t;
	uint64_t table_vaddr;
	Elf64_Rela *relocs; /* that a PIE's words come from */
	size_t n_relocs;
	uint64_t gofunc; /* 0: not found */
};

/* @len bytes at ELF address @vaddr. */
static bool read_at(const struct go *g, uint64_t vaddr, void *out, size_t len)
{
	const struct profile_module *mod = g->m->mod;
	const struct module_segment *s;
	uint8_t i;

	for (i = 0; i < mod->n_segments && i < PROFILE_MAX_SEGMENTS; i++) {
		s = &mod->segments[i];
		if (vaddr < s->vaddr || vaddr - s->vaddr >= s->filesz ||
		    len > s->filesz - (vaddr - s->vaddr) || s->off > UINT64_MAX - (vaddr - s->vaddr))
			continue;
		return !elf_source_read(&g->elf.src, s->off + (vaddr - s->vaddr), out, len);
	}
	return false;
}

/* ---- moduledata ---- */

static void load_relocs(struct go *g)
{
	const Elf64_Shdr *sh = elfsec_by_name(&g->elf, ".rela.dyn");
	uint8_t *data;
	size_t len;

	if (!sh)
		sh = elfsec_by_name(&g->elf, ".rela");
	if (!sh || sh->sh_type != SHT_RELA || elfsec_load(&g->elf, sh, MAX_RELOCS, &data, &len))
		return;
	g->relocs = (Elf64_Rela *)(void *)data;
	g->n_relocs = len / sizeof(*g->relocs);
}

static bool word_at(const struct go *g, uint64_t vaddr, uint64_t *v)
{
	size_t i;

	for (i = 0; i < g->n_relocs; i++) {
		if (g->relocs[i].r_offset == vaddr) {
			*v = (uint64_t)g->relocs[i].r_addend;
			return true;
		}
	}
	return read_at(g, vaddr, v, sizeof(*v));
}

static bool search_section(const struct go *g, const char *name, uint64_t *at)
{
	const Elf64_Shdr *sh = elfsec_by_name(&g->elf, name);
	uint8_t *data;
	uint64_t word;
	size_t len, i;
	bool found = false;

	if (!sh || elfsec_load(&g->elf, sh, MAX_DATA, &data, &len))
		return false;
	for (i = 0; !found && i + sizeof(word) <= len; i += sizeof(word)) {
		memcpy(&word, data + i, sizeof(word));
		found = word == g->table_vaddr;
		*at = sh->sh_addr + i;
	}
	free(data);
	return found;
}

static bool find_moduledata(const struct go *g, uint64_t *at)
{
	static const char *const sections[] = {".go.module", ".noptrdata", ".data", ".data.rel.ro"};
	size_t i;

	for (i = 0; i < g->n_relocs; i++) {
		*at = g->relocs[i].r_offset;
		if ((uint64_t)g->relocs[i].r_addend == g->table_vaddr)
			return true;
	}
	for (i = 0; i < sizeof(sections) / sizeof(sections[0]); i++)
		if (search_section(g, sections[i], at))
			return true;
	return false;
}

/* Do the wanted functions have inline trees behind @gofunc? */
static bool trees_fit(const struct go *g, uint64_t gofunc)
{
	unsigned size = gopclntab_call_size(&g->t), probes = 0;
	uint8_t bytes[GOPCLN_CALL_MAX];
	struct gopcln_function f;
	struct gopcln_call call;
	uint64_t at;
	uint32_t i;

	for (i = 0; i < g->m->n_addrs && probes < PROBES; i++) {
		if (!gopclntab_find(&g->t, g->m->addrs[i].vaddr, &f) || !f.has_tree)
			continue;
		if (__builtin_add_overflow(gofunc, f.inline_tree, &at) || !read_at(g, at, bytes, size) ||
		    !gopclntab_call(&g->t, &f, bytes, &call))
			return false;
		probes++;
	}
	return probes;
}

static void find_gofunc(struct go *g)
{
	uint64_t at, word;
	unsigned i;

	if (g->t.version < GOPCLN_1_18 || !find_moduledata(g, &at))
		return;
	if (!g->t.text && word_at(g, at + 8 * WORD_TEXT, &word))
		g->t.text = word;
	for (i = 0; i < WORDS_GOFUNC && !g->gofunc; i++)
		if (word_at(g, at + 8 * (WORD_GOFUNC + i), &word) && word && trees_fit(g, word))
			g->gofunc = word;
}

/* ---- frames ---- */

static int put_text(struct names *names, const char *s, uint32_t *id)
{
	return s ? strtab_put_len(&names->strings, s, strnlen(s, STRTAB_STR_MAX), id) : 0;
}

static int put_frame(struct names *names, struct names_frame *out, const char *name, const char *file,
		     uint32_t line, uint32_t start_line)
{
	*out = (struct names_frame){.line = line, .start_line = start_line};
	out->system_name = 0;
	return put_text(names, name, &out->function) ?: put_text(names, file, &out->file);
}

/* Node @index of @f's tree. */
static bool call_at(const struct go *g, const struct gopcln_function *f, int32_t index,
		    struct gopcln_call *call)
{
	unsigned size = gopclntab_call_size(&g->t);
	uint8_t bytes[GOPCLN_CALL_MAX];
	uint64_t at;

	if (index < 0 || !f->has_tree || (!g->gofunc && g->t.version >= GOPCLN_1_18) ||
	    __builtin_add_overflow(f->inline_tree, (uint64_t)index * size, &at) ||
	    __builtin_add_overflow(g->gofunc, at, &at))
		return false;
	return read_at(g, at, bytes, size) && gopclntab_call(&g->t, f, bytes, call);
}

static int set_name(struct go *g, struct names *names, struct source_addr *a, bool inlines)
{
	struct names_frame frames[NAMES_MAX_INLINE];
	uint64_t pc = a->vaddr;
	struct gopcln_function f;
	struct gopcln_call call;
	const char *file;
	uint32_t n = 0, i, line;
	int err = 0;

	if (!gopclntab_find(&g->t, a->vaddr, &f))
		return 0;
	while (!err && n + 1 < NAMES_MAX_INLINE && call_at(g, &f, gopclntab_inline(&g->t, &f, pc), &call)) {
		gopclntab_line(&g->t, &f, pc, &file, &line);
		err = put_frame(names, &frames[n++], call.name, file, line, call.start_line);
		pc = f.entry + call.parent_pc;
	}
	gopclntab_line(&g->t, &f, pc, &file, &line);
	if (!err)
		err = put_frame(names, &frames[n++], f.name, file, line, f.start_line);
	for (i = 0; i < n; i++)
		frames[i].system_name = frames[i].function;
	/* Without inlined calls: the function, with the line in it. */
	if (!err)
		err = names_set(names, a->location, NAMES_DWARF, inlines ? frames : &frames[n - 1],
				inlines ? n : 1);
	a->done = !err;
	return err;
}

static int set_names(struct go *g, struct names *names, bool inlines)
{
	uint32_t i;
	int err = 0;

	for (i = 0; i < g->m->n_addrs && !err; i++)
		if (!g->m->addrs[i].done)
			err = set_name(g, names, &g->m->addrs[i], inlines);
	return err;
}

static const Elf64_Shdr *find_table(const struct elfsec *e)
{
	const Elf64_Shdr *sh = elfsec_by_name(e, ".gopclntab");

	return sh ? sh : elfsec_by_name(e, ".data.rel.ro.gopclntab");
}

static bool any_pending(const struct source_module *m)
{
	uint32_t i;

	for (i = 0; i < m->n_addrs; i++)
		if (!m->addrs[i].done)
			return true;
	return false;
}

static int go_resolve(struct source_module *m, struct names *names, bool inlines)
{
	struct go g = {.m = m};
	const Elf64_Shdr *sh, *text;
	size_t len;
	int err;

	if (!any_pending(m) || elfsec_open(&g.elf, m->mod->fd, m->mod->image, m->mod->image_size))
		return 0; /* src_elf.c tells what is wrong with the file */
	sh = find_table(&g.elf);
	err = sh ? elfsec_load(&g.elf, sh, MAX_TABLE, &g.table, &len) : -ENODATA;
	if (err == -E2BIG)
		err = -EBADMSG; /* the file's fault: there is room for names */
	if (!err)
		err = gopclntab_open(&g.t, g.table, len);
	if (!err) {
		g.table_vaddr = sh->sh_addr;
		load_relocs(&g);
		text = elfsec_by_name(&g.elf, ".text");
		find_gofunc(&g);
		if (!g.t.text && text)
			g.t.text = text->sh_addr;
		err = set_names(&g, names, inlines);
	}
	free(g.relocs);
	free(g.table);
	elfsec_close(&g.elf);
	return err == -ENOMEM || err == -E2BIG ? err : 0;
}

static bool go_applies(const struct profile_module *mod)
{
	return mod->kind == MODULE_FILE;
}

const struct source source_go = {
	.name = "gopclntab",
	.applies = go_applies,
	.resolve = go_resolve,
};

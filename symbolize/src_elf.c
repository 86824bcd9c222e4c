/* SPDX-License-Identifier: Apache-2.0 */
/*
 * src_elf.c - function names from ELF symbol tables.
 *
 * The table is streamed once and each symbol looked up among the wanted
 * addresses, which are few and sorted: nothing is sorted or kept per symbol,
 * however large the table. Order of tables: the file's .symtab, the separate
 * debug file's, the file's .dynsym, and where there was no .symtab its MiniDebugInfo.
 */
#include "symbolize/elfsec.h"
#include "symbolize/minidebug.h"
#include "symbolize/source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BATCH       2048
#define MAX_STRINGS (512u << 20)

/* The best symbol so far for an address. */
struct pick {
	uint64_t value, size;
	uint32_t name; /* offset into the string table */
	uint8_t rank;  /* 0: none; see rank_of() */
	uint16_t section;
};

struct symbols {
	const struct elfsec *elf;
	struct source_module *m;
	const char *strings;
	size_t strings_len;
	struct pick *covering; /* [n_addrs] symbols with a size that reaches the address */
	struct pick *before;   /* [n_addrs] nearest symbol between the previous address and this one */
};

/* Functions before untyped labels in code, global before weak before local. */
static uint8_t rank_of(const struct symbols *s, const Elf64_Sym *sym)
{
	uint8_t type = ELF64_ST_TYPE(sym->st_info), rank;
	uint32_t sec = sym->st_shndx;

	if (sec == SHN_UNDEF || sym->st_name >= s->strings_len)
		return 0;
	if (type != STT_FUNC && type != STT_GNU_IFUNC && type != STT_NOTYPE)
		return 0;
	/* A label that is no function must lie in code, so its section must be known. */
	if (type == STT_NOTYPE &&
	    (sec >= SHN_LORESERVE || sec >= s->elf->n_sh || !(s->elf->sh[sec].sh_flags & SHF_EXECINSTR)))
		return 0;
	/* Names of mapping symbols ($x, $d) mark instruction sets, not functions. */
	if (s->strings[sym->st_name] == '\0' || s->strings[sym->st_name] == '$')
		return 0;
	rank = type == STT_NOTYPE ? 1 : 4;
	if (ELF64_ST_BIND(sym->st_info) == STB_WEAK)
		rank = (uint8_t)(rank + 1);
	else if (ELF64_ST_BIND(sym->st_info) != STB_LOCAL)
		rank = (uint8_t)(rank + 2);
	return rank;
}

static bool is_function(uint8_t rank)
{
	return rank >= 4;
}

static bool better(const struct symbols *s, const struct pick *a, const struct pick *b)
{
	if (!b->rank)
		return true;
	if (is_function(a->rank) != is_function(b->rank))
		return is_function(a->rank);
	if (a->value != b->value)
		return a->value > b->value;
	if (a->size != b->size)
		return a->size > b->size;
	if (a->rank != b->rank)
		return a->rank > b->rank;
	return source_better_alias(s->strings + a->name, s->strings + b->name);
}

/* Nearer first whatever the kind: an untyped label ends a function without a size. */
static bool nearer(const struct symbols *s, const struct pick *a, const struct pick *b)
{
	if (!b->rank)
		return true;
	if (a->value != b->value)
		return a->value > b->value;
	return better(s, a, b);
}

static void take_symbol(struct symbols *s, const Elf64_Sym *sym)
{
	struct pick p = {sym->st_value, sym->st_size, sym->st_name, rank_of(s, sym), sym->st_shndx};
	const struct source_module *m = s->m;
	uint32_t i;

	if (!p.rank || p.size > UINT64_MAX - p.value)
		return;
	i = source_lower_bound(m, p.value);
	if (i == m->n_addrs)
		return;
	if (nearer(s, &p, &s->before[i]))
		s->before[i] = p;
	for (; i < m->n_addrs && m->addrs[i].vaddr < p.value + p.size; i++)
		if (better(s, &p, &s->covering[i]))
			s->covering[i] = p;
}

static int read_symbols(struct symbols *s, const Elf64_Shdr *table)
{
	Elf64_Sym batch[BATCH];
	uint64_t n = table->sh_size / sizeof(*batch), i;
	size_t take, j;
	int err;

	if (table->sh_entsize != sizeof(*batch))
		return -EBADMSG;
	for (i = 0; i < n; i += take) {
		take = n - i < BATCH ? (size_t)(n - i) : BATCH;
		if (i > (UINT64_MAX - table->sh_offset) / sizeof(*batch))
			return -EBADMSG;
		err = elf_source_read(&s->elf->src, table->sh_offset + i * sizeof(*batch), batch,
				      take * sizeof(*batch));
		if (err)
			return -EBADMSG;
		for (j = 0; j < take; j++)
			take_symbol(s, &batch[j]);
	}
	return 0;
}

/* A symbol without a size reaches to the next one, but never out of its section (_init into the PLT). */
static bool reaches(const struct symbols *s, const struct pick *p, uint64_t vaddr)
{
	const Elf64_Shdr *sh;

	if (!p->rank || p->size || p->section >= s->elf->n_sh || p->section >= SHN_LORESERVE)
		return false;
	sh = &s->elf->sh[p->section];
	return vaddr >= sh->sh_addr && vaddr - sh->sh_addr < sh->sh_size;
}

/* Length without the version: "memcpy@@GLIBC_2.14". */
static size_t name_length(const char *name)
{
	size_t len = strnlen(name, STRTAB_STR_MAX);
	const char *version = memchr(name + 1, '@', len - 1);

	return version ? (size_t)(version - name) : len;
}

/* DWARF has named the location, without the linker's name for its function. */
static int refine_name(struct symbols *s, struct names *names, struct source_addr *a, const struct pick *p)
{
	const struct names_location *l = &names->locations[a->location];
	const char *name = s->strings + p->name;
	struct names_frame f = {0};
	int err;

	if (!l->n || !is_function(p->rank) || (strncmp(name, "_Z", 2) && strncmp(name, "_R", 2)))
		return 0;
	err = source_symbol_name(names, name, name_length(name), &f);
	if (err)
		return err;
	names->frames[l->first + l->n - 1].function = f.function;
	names->frames[l->first + l->n - 1].system_name = f.system_name;
	a->wants_symbol = false;
	return 0;
}

static int set_name(struct symbols *s, struct names *names, struct source_addr *a, const struct pick *p)
{
	const char *name = s->strings + p->name;
	struct names_frame f = {.file = a->file, .line = a->line};
	int err;

	err = source_symbol_name(names, name, name_length(name), &f);
	if (!err)
		err = names_set(names, a->location, a->line ? NAMES_DWARF : NAMES_SYMBOL, &f, 1);
	a->done = !err;
	return err;
}

static int set_names(struct symbols *s, struct names *names)
{
	struct pick near = {0};
	struct source_addr *a;
	uint32_t i;
	int err;

	for (i = 0; i < s->m->n_addrs; i++) {
		a = &s->m->addrs[i];
		if (s->before[i].rank)
			near = s->before[i];
		err = 0;
		if (a->done && a->wants_symbol)
			err = refine_name(s, names, a, &s->covering[i]);
		else if (a->done)
			continue;
		else if (s->covering[i].rank)
			err = set_name(s, names, a, &s->covering[i]);
		else if (reaches(s, &near, a->vaddr))
			err = set_name(s, names, a, &near);
		if (err)
			return err;
	}
	return 0;
}

static int resolve_table(struct source_module *m, const struct elfsec *elf, const Elf64_Shdr *table,
			 struct names *names)
{
	struct symbols s = {.elf = elf, .m = m};
	uint8_t *strings = NULL;
	int err = -EBADMSG;

	if (table->sh_link < elf->n_sh)
		err = elfsec_load(elf, &elf->sh[table->sh_link], MAX_STRINGS, &strings, &s.strings_len);
	if (err)
		return err == -ENOMEM ? err : -EBADMSG;
	s.strings = (const char *)strings;
	s.covering = calloc(m->n_addrs, sizeof(*s.covering));
	s.before = calloc(m->n_addrs, sizeof(*s.before));
	err = s.covering && s.before ? read_symbols(&s, table) : -ENOMEM;
	/* What was read before the table broke off is still good. */
	if (!err || err == -EBADMSG) {
		int set = set_names(&s, names);

		err = set ? set : err;
	}
	free(s.covering);
	free(s.before);
	free(strings);
	return err;
}

/* Resolve from the table of @type in one file. 1: there is such a table. */
static int resolve_file(struct source_module *m, int fd, const uint8_t *image, size_t size, uint32_t type,
			struct names *names)
{
	struct elfsec elf;
	const Elf64_Shdr *table;
	int err, found = 0;

	err = elfsec_open(&elf, fd, image, size);
	if (err)
		return err == -ENOMEM ? err : -EBADMSG;
	table = elfsec_by_type(&elf, type);
	if (table && table->sh_size) {
		err = resolve_table(m, &elf, table, names);
		found = 1;
	}
	elfsec_close(&elf);
	return err ? err : found;
}

static bool elf_applies(const struct profile_module *mod)
{
	return mod->kind == MODULE_FILE || mod->kind == MODULE_VDSO;
}

static bool all_done(const struct source_module *m)
{
	uint32_t i;

	for (i = 0; i < m->n_addrs; i++)
		if (!m->addrs[i].done || m->addrs[i].wants_symbol)
			return false;
	return true;
}

/* As resolve_file(), with the table that is packed into the file. */
static int resolve_minidebug(struct source_module *m, struct names *names)
{
	const struct profile_module *mod = m->mod;
	struct elfsec elf;
	uint8_t *image;
	size_t size;
	int err;

	err = elfsec_open(&elf, mod->fd, mod->image, mod->image_size);
	if (err)
		return err == -ENOMEM ? err : -EBADMSG;
	err = minidebug_load(&elf, &image, &size);
	elfsec_close(&elf);
	if (err)
		return err == -ENOENT ? 0 : err == -ENOMEM ? err : -EBADMSG;
	err = resolve_file(m, -1, image, size, SHT_SYMTAB, names);
	free(image);
	return err;
}

static int elf_resolve(struct source_module *m, struct names *names, bool inlines)
{
	const struct profile_module *mod = m->mod;
	int found, symtab;

	(void)inlines;
	if (!m->n_addrs || all_done(m))
		return 0;
	symtab = found = resolve_file(m, mod->fd, mod->image, mod->image_size, SHT_SYMTAB, names);
	if (found <= 0 && found != -ENOMEM && found != -E2BIG && m->debug_fd >= 0)
		symtab = found = resolve_file(m, m->debug_fd, NULL, 0, SHT_SYMTAB, names);
	if (found <= 0 && found != -ENOMEM && found != -E2BIG)
		found = resolve_file(m, mod->fd, mod->image, mod->image_size, SHT_DYNSYM, names);
	if ((found >= 0 || found == -EBADMSG) && symtab <= 0 && !all_done(m))
		symtab = found = resolve_minidebug(m, names);
	if (symtab == 1 && names_status_stripped(m->missing))
		m->missing = NAMES_NO_SYMBOL;
	if (found == -EBADMSG)
		m->missing = NAMES_BAD_FILE;
	return found == -ENOMEM || found == -E2BIG ? found : 0;
}

const struct source source_elf = {
	.name = "symbol table",
	.applies = elf_applies,
	.resolve = elf_resolve,
};

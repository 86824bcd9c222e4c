/* SPDX-License-Identifier: Apache-2.0 */
/*
 * src_plt.c - the stubs through which calls to other files go: "memcpy@plt".
 *
 * They have no symbols. A stub jumps through a slot of the GOT, and the
 * relocation of that slot names the function; a lazy stub pushes the
 * relocation's number instead. Sources: psABI of x86-64 and AArch64,
 * "Procedure Linkage Table".
 */
#include "symbolize/elfsec.h"
#include "symbolize/source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_RELOCS  (64u << 20)
#define MAX_STRINGS (256u << 20)
#define MAX_SYMBOLS (256u << 20)
#define STUB        16 /* bytes, but for .plt.got without endbr64: 8 */

struct slot {
	uint64_t addr;
	uint32_t symbol;
};

struct plt {
	struct source_module *m;
	struct elfsec elf;
	struct slot *slots; /* by address */
	size_t n_slots;
	Elf64_Rela *jump; /* .rela.plt, by number */
	size_t n_jump;
	Elf64_Sym *symbols;
	size_t n_symbols;
	char *strings;
	size_t strings_len;
};

static int compare_slots(const void *a, const void *b)
{
	const struct slot *x = a, *y = b;

	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

static void *load(const struct elfsec *e, const Elf64_Shdr *sh, size_t max, size_t size, size_t *n, int *err)
{
	uint8_t *data = NULL;
	size_t len = 0;
	int got = sh ? elfsec_load(e, sh, max, &data, &len) : -ENODATA;

	if (got == -ENOMEM)
		*err = got;
	*n = got ? 0 : len / size;
	return got ? NULL : data;
}

static void add_slots(struct plt *p, const Elf64_Rela *r, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (ELF64_R_SYM(r[i].r_info))
			p->slots[p->n_slots++] =
				(struct slot){r[i].r_offset, (uint32_t)ELF64_R_SYM(r[i].r_info)};
}

static int load_tables(struct plt *p)
{
	const Elf64_Shdr *sym = elfsec_by_type(&p->elf, SHT_DYNSYM);
	Elf64_Rela *dyn;
	size_t n_dyn;
	int err = 0;

	if (!sym || sym->sh_link >= p->elf.n_sh)
		return -ENOENT;
	p->symbols = load(&p->elf, sym, MAX_SYMBOLS, sizeof(*p->symbols), &p->n_symbols, &err);
	p->strings = load(&p->elf, &p->elf.sh[sym->sh_link], MAX_STRINGS, 1, &p->strings_len, &err);
	p->jump = load(&p->elf, elfsec_by_name(&p->elf, ".rela.plt"), MAX_RELOCS, sizeof(*p->jump),
		       &p->n_jump, &err);
	dyn = load(&p->elf, elfsec_by_name(&p->elf, ".rela.dyn"), MAX_RELOCS, sizeof(*dyn), &n_dyn, &err);
	p->slots = err ? NULL : calloc(p->n_jump + n_dyn + 1, sizeof(*p->slots));
	if (p->slots) {
		add_slots(p, p->jump, p->n_jump);
		add_slots(p, dyn, n_dyn);
		qsort(p->slots, p->n_slots, sizeof(*p->slots), compare_slots);
	} else {
		err = -ENOMEM;
	}
	free(dyn);
	return err;
}

static const struct slot *slot_at(const struct plt *p, uint64_t addr)
{
	struct slot key = {.addr = addr};

	return bsearch(&key, p->slots, p->n_slots, sizeof(key), compare_slots);
}

/* ---- what a stub jumps through ---- */

static bool decode_x86_64(const struct plt *p, const uint8_t *code, size_t len, uint64_t vaddr,
			  uint32_t *symbol)
{
	const struct slot *s;
	uint32_t number;
	int32_t disp;
	size_t i;

	for (i = 0; i + 6 <= len; i++) {
		if (code[i] != 0xff || code[i + 1] != 0x25)
			continue;
		memcpy(&disp, code + i + 2, sizeof(disp));
		s = slot_at(p, vaddr + i + 6 + (uint64_t)(int64_t)disp);
		if (s)
			*symbol = s->symbol;
		return s;
	}
	/* endbr64; push number; bnd jmp: the stub of a .plt that has a .plt.sec */
	i = len >= 4 && !memcmp(code, "\xf3\x0f\x1e\xfa", 4) ? 4 : 0;
	if (len < i + 5 || code[i] != 0x68)
		return false;
	memcpy(&number, code + i + 1, sizeof(number));
	if (number >= p->n_jump)
		return false;
	*symbol = (uint32_t)ELF64_R_SYM(p->jump[number].r_info);
	return *symbol;
}

/* adrp x16, PAGE; ldr x17, [x16, #OFFSET]; behind an optional bti */
static bool decode_aarch64(const struct plt *p, const uint8_t *code, size_t len, uint64_t vaddr,
			   uint32_t *symbol)
{
	const struct slot *s;
	uint32_t adrp, ldr;
	uint64_t page;
	size_t i;

	for (i = 0; i + 8 <= len; i += 4) {
		memcpy(&adrp, code + i, sizeof(adrp));
		memcpy(&ldr, code + i + 4, sizeof(ldr));
		if ((adrp & 0x9f00001f) != 0x90000010 || (ldr & 0xffc003ff) != 0xf9400211)
			continue;
		page = (uint64_t)(adrp >> 5 & 0x7ffff) << 14 | (uint64_t)(adrp >> 29 & 3) << 12;
		if (page & UINT64_C(1) << 32)
			page |= ~UINT64_C(0) << 33;
		s = slot_at(p, ((vaddr + i) & ~UINT64_C(0xfff)) + page + (uint64_t)(ldr >> 10 & 0xfff) * 8);
		if (s)
			*symbol = s->symbol;
		return s;
	}
	return false;
}

static const Elf64_Shdr *section_of(const struct plt *p, uint64_t vaddr, unsigned *stub)
{
	static const char *const names[] = {".plt", ".plt.sec", ".plt.got", ".plt.bnd"};
	const Elf64_Shdr *sh;
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		sh = elfsec_by_name(&p->elf, names[i]);
		if (!sh || vaddr < sh->sh_addr || vaddr - sh->sh_addr >= sh->sh_size)
			continue;
		*stub = sh->sh_entsize == 8 || sh->sh_entsize == 16 ? (unsigned)sh->sh_entsize : STUB;
		return sh;
	}
	return NULL;
}

static int set_name(struct plt *p, struct names *names, struct source_addr *a)
{
	char text[STRTAB_STR_MAX];
	struct names_frame f = {0};
	const Elf64_Shdr *sh;
	uint8_t code[STUB];
	unsigned stub = STUB;
	uint32_t symbol, name;
	uint64_t in;
	bool ok;
	int err;

	sh = section_of(p, a->vaddr, &stub);
	if (!sh)
		return 0;
	in = (a->vaddr - sh->sh_addr) / stub * stub;
	if (in > UINT64_MAX - sh->sh_offset || elf_source_read(&p->elf.src, sh->sh_offset + in, code, stub))
		return 0;
	ok = p->elf.eh.e_machine == EM_AARCH64 ? decode_aarch64(p, code, stub, sh->sh_addr + in, &symbol)
					       : decode_x86_64(p, code, stub, sh->sh_addr + in, &symbol);
	if (!ok || symbol >= p->n_symbols || p->symbols[symbol].st_name >= p->strings_len)
		return 0;
	name = p->symbols[symbol].st_name;
	if (!p->strings[name])
		return 0;
	err = source_symbol_name(names, p->strings + name, strnlen(p->strings + name, sizeof(text)), &f);
	snprintf(text, sizeof(text), "%s@plt", strtab_get(&names->strings, f.function));
	if (!err)
		err = strtab_put(&names->strings, text, &f.function);
	snprintf(text, sizeof(text), "%s@plt", strtab_get(&names->strings, f.system_name));
	if (!err)
		err = strtab_put(&names->strings, text, &f.system_name);
	if (!err)
		err = names_set(names, a->location, NAMES_SYMBOL, &f, 1);
	a->done = !err;
	return err;
}

static bool any_in_plt(const struct plt *p)
{
	unsigned stub;
	uint32_t i;

	for (i = 0; i < p->m->n_addrs; i++)
		if (!p->m->addrs[i].done && section_of(p, p->m->addrs[i].vaddr, &stub))
			return true;
	return false;
}

static int plt_resolve(struct source_module *m, struct names *names, bool inlines)
{
	struct plt p = {.m = m};
	uint32_t i;
	int err;

	(void)inlines;
	if (elfsec_open(&p.elf, m->mod->fd, m->mod->image, m->mod->image_size))
		return 0; /* src_elf.c tells what is wrong with the file */
	err = any_in_plt(&p) ? load_tables(&p) : -ENOENT;
	for (i = 0; i < m->n_addrs && !err; i++)
		if (!m->addrs[i].done)
			err = set_name(&p, names, &m->addrs[i]);
	free(p.slots);
	free(p.jump);
	free(p.symbols);
	free(p.strings);
	elfsec_close(&p.elf);
	return err == -ENOMEM || err == -E2BIG ? err : 0;
}

static bool plt_applies(const struct profile_module *mod)
{
	return mod->kind == MODULE_FILE;
}

const struct source source_plt = {
	.name = "PLT",
	.applies = plt_applies,
	.resolve = plt_resolve,
};

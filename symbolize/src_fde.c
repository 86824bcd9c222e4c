/* SPDX-License-Identifier: Apache-2.0 */
/*
 * src_fde.c - functions without a name, told apart by their unwind information.
 *
 * A stripped file still has one FDE for each function. What nobody could name
 * is called after its FDE's begin, "[libfoo.so+0x1234]", so that one function
 * is one row, not one for each address in it. The number is an ELF address, as
 * addr2line and objdump take it. Looked up in .eh_frame_hdr's sorted table.
 * Source: LSB, "Exception Frames".
 */
#include "collect/dwarf_read.h"
#include "symbolize/elfsec.h"
#include "symbolize/source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENC_TABLE 0x3b /* data-relative, signed, 4 bytes: what every linker writes */
#define MAX_TABLE (64u << 20)
#define ENTRY_MAX 256 /* bytes read of a CIE or FDE: its head */

struct entry {
	int32_t start, fde; /* relative to .eh_frame_hdr */
};

struct fdes {
	struct source_module *m;
	struct elf_source src;
	struct cfi_section hdr;
	struct entry *table;
	uint32_t n;
};

/* Up to @len bytes at ELF address @vaddr; how many there are. */
static size_t read_at(const struct fdes *t, uint64_t vaddr, void *out, size_t len)
{
	const struct profile_module *mod = t->m->mod;
	const struct module_segment *s;
	uint64_t left;
	uint8_t i;

	for (i = 0; i < mod->n_segments && i < PROFILE_MAX_SEGMENTS; i++) {
		s = &mod->segments[i];
		if (vaddr < s->vaddr || vaddr - s->vaddr >= s->filesz || s->off > UINT64_MAX - s->filesz)
			continue;
		left = s->filesz - (vaddr - s->vaddr);
		if (len > left)
			len = (size_t)left;
		return elf_source_read(&t->src, s->off + (vaddr - s->vaddr), out, len) ? 0 : len;
	}
	return 0;
}

static int load_table(struct fdes *t)
{
	uint8_t head[64];
	size_t len = t->hdr.size < sizeof(head) ? (size_t)t->hdr.size : sizeof(head), bytes;
	struct dwarf_cursor c;
	uint64_t count;
	uint8_t enc[4];

	if (len < 8 || read_at(t, t->hdr.vaddr, head, len) != len)
		return -ENOENT;
	c = dwarf_cursor(head, len, t->hdr.vaddr);
	dwarf_take(&c, enc, sizeof(enc));
	(void)dwarf_pointer(&c, enc[1], t->hdr.vaddr); /* where .eh_frame is */
	count = dwarf_pointer(&c, enc[2], t->hdr.vaddr);
	if (c.bad || enc[0] != 1 || enc[3] != ENC_TABLE || !count || count > MAX_TABLE / sizeof(*t->table))
		return -ENOENT;
	bytes = (size_t)count * sizeof(*t->table);
	t->table = malloc(bytes);
	if (!t->table)
		return -ENOMEM;
	if (read_at(t, t->hdr.vaddr + (uint64_t)(c.p - head), t->table, bytes) != bytes)
		return -ENOENT;
	t->n = (uint32_t)count;
	return 0;
}

/* The encoding of addresses in FDEs of the CIE at @vaddr; DW_PE_OMIT if it is malformed. */
static uint8_t pointer_encoding(const struct fdes *t, uint64_t vaddr)
{
	uint8_t data[ENTRY_MAX], version, enc = DW_PE_ABSPTR, personality;
	size_t len = read_at(t, vaddr, data, sizeof(data));
	struct dwarf_cursor c = dwarf_cursor(data, len, vaddr);
	const char *aug;

	dwarf_skip(&c, 8); /* length, CIE id */
	version = dwarf_u8(&c);
	aug = (const char *)c.p;
	if (!memchr(c.p, 0, dwarf_left(&c)))
		return DW_PE_OMIT;
	dwarf_skip(&c, strlen(aug) + 1);
	dwarf_uleb(&c); /* code alignment */
	dwarf_sleb(&c); /* data alignment */
	if (version == 1)
		dwarf_u8(&c);
	else
		dwarf_uleb(&c);
	if (*aug++ != 'z')
		return c.bad ? DW_PE_OMIT : DW_PE_ABSPTR;
	dwarf_uleb(&c); /* length of what follows */
	for (; *aug && !c.bad; aug++) {
		if (*aug == 'R') {
			enc = dwarf_u8(&c);
			break;
		}
		if (*aug == 'L') {
			dwarf_u8(&c);
		} else if (*aug == 'P') {
			personality = dwarf_u8(&c);
			dwarf_skip(&c, dwarf_pointer_size(personality));
		}
	}
	return c.bad ? DW_PE_OMIT : enc;
}

/* Does the FDE at @vaddr reach to @addr? */
static bool covers(const struct fdes *t, uint64_t vaddr, uint64_t addr)
{
	uint8_t data[32], enc;
	size_t len = read_at(t, vaddr, data, sizeof(data));
	struct dwarf_cursor c = dwarf_cursor(data, len, vaddr);
	uint64_t start, size;
	uint32_t back;

	if (dwarf_u32(&c) < 4)
		return false;
	back = dwarf_u32(&c);
	enc = back ? pointer_encoding(t, vaddr + 4 - back) : DW_PE_OMIT;
	if (c.bad || enc == DW_PE_OMIT)
		return false;
	start = dwarf_pointer(&c, enc, t->hdr.vaddr);
	size = dwarf_pointer(&c, enc & DW_PE_FORMAT, 0);
	return !c.bad && addr >= start && addr - start < size;
}

/* The begin of the function around @addr. */
static bool find(const struct fdes *t, uint64_t addr, uint64_t *start)
{
	uint32_t lo = 0, hi = t->n, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (t->hdr.vaddr + (uint64_t)(int64_t)t->table[mid].start <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (!lo || !covers(t, t->hdr.vaddr + (uint64_t)(int64_t)t->table[lo - 1].fde, addr))
		return false;
	*start = t->hdr.vaddr + (uint64_t)(int64_t)t->table[lo - 1].start;
	return true;
}

static int set_name(struct fdes *t, struct names *names, struct source_addr *a)
{
	char text[NAMES_PLACE_MAX];
	struct names_frame f = {.file = a->file, .line = a->line};
	uint64_t start;
	int err;

	if (!find(t, a->vaddr, &start))
		return 0;
	names_place(t->m->path, start, text);
	err = strtab_put(&names->strings, text, &f.function);
	f.system_name = f.function;
	if (!err)
		err = names_set(names, a->location, a->line ? NAMES_LINE_ONLY : t->m->missing, &f, 1);
	a->done = !err;
	return err;
}

static int fde_resolve(struct source_module *m, struct names *names, bool inlines)
{
	const struct profile_module *mod = m->mod;
	struct fdes t = {.m = m, .src = {.fd = mod->fd, .image = mod->image}};
	struct elf_file f;
	uint32_t i;
	int err;

	(void)inlines;
	for (i = 0; i < m->n_addrs && m->addrs[i].done; i++)
		;
	if (i == m->n_addrs)
		return 0;
	t.src.size = mod->image ? mod->image_size : mod->file_size;
	if (elf_file_parse(&t.src, &f) || !f.eh_frame_hdr.size)
		return 0;
	t.hdr = f.eh_frame_hdr;
	err = load_table(&t);
	for (; i < m->n_addrs && !err; i++)
		if (!m->addrs[i].done)
			err = set_name(&t, names, &m->addrs[i]);
	free(t.table);
	return err == -ENOMEM || err == -E2BIG ? err : 0;
}

static bool fde_applies(const struct profile_module *mod)
{
	return mod->kind == MODULE_FILE || mod->kind == MODULE_VDSO;
}

const struct source source_fde = {
	.name = "unwind information",
	.applies = fde_applies,
	.resolve = fde_resolve,
};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rows.c - our rows against libdw's, for the FDEs of real files.
 *
 *   rows [-e N] FILE...
 *
 * For each FDE (each Nth) of .eh_frame: at the first and the last address of
 * each row that libdw sees, our row must say the same about CFA, return
 * address, signal frame and all registers, expressions operation by operation;
 * and the compact row that the cache keeps must say the same again.
 */
#include "rows_libdw.h"

#include "collect/dwarf_read.h"
#include "collect/rowcache.h"

#include <elfutils/libdw.h>
#include <dwarf.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SHOWN 20

struct comparing {
	const char *path;
	struct profile profile;
	struct modules *modules;
	struct module *module;
	struct cfi *cfi;
	Elf *elf;
	Dwarf_CFI *oracle;
	uint64_t each;
	uint64_t fdes, rows, expressions, full, unequal;
};

static void die(const char *what, const char *why)
{
	fprintf(stderr, "rows: '%s': %s\n", what, why);
	exit(2);
}

static void differs(struct comparing *c, uint64_t pc, const char *what)
{
	if (c->unequal++ < SHOWN)
		printf("%s+0x%" PRIx64 ": %s\n", c->path, pc, what);
}

/* What the cache keeps, against the row that it was made from. */
static bool packed_is_same(const struct cfi_row *full, bool *is_full)
{
	struct row row = {.key = 1};
	const uint8_t *list;
	unsigned n, i;

	list = row_registers(&n);
	row_pack(&row, full);
	*is_full = row.kind == ROW_FULL;
	if (row.signal != full->signal)
		return false;
	if (row.kind == ROW_END_CFI)
		return full->regs[full->ra].kind == CFI_UNDEFINED;
	if (row.kind != ROW_CFI)
		return row.kind == ROW_FULL;
	if (full->cfa_is_expr || row.cfa_reg != full->cfa_reg || row.cfa_off != full->cfa_off)
		return false;
	for (i = 0; i < n; i++) {
		const struct cfi_rule *r = &full->regs[list[i]];

		if ((row.saved >> i & 1) != (r->kind == CFI_OFFSET) ||
		    (row.undefined >> i & 1) != (r->kind == CFI_UNDEFINED) ||
		    (r->kind == CFI_OFFSET && (row.base + row.slot[i]) * 8 != r->u.off))
			return false;
	}
	return true;
}

/* Compare at @pc. Returns where libdw's row ends, or 0 if it has none. */
static uint64_t compare_at(struct comparing *c, uint64_t pc)
{
	struct cfi_row row;
	Dwarf_Frame *frame;
	Dwarf_Addr start = 0, end = 0;
	char what[200] = "";
	bool is_full;
	int err;

	if (dwarf_cfi_addrframe(c->oracle, pc, &frame)) {
		err = cfi_row_at(c->cfi, c->module, pc, &row);
		if (!err)
			differs(c, pc, "we have a row, libdw has none");
		return 0;
	}
	err = cfi_row_at(c->cfi, c->module, pc, &row);
	if (err) {
		snprintf(what, sizeof(what), "libdw has a row, we have none: %s", strerror(-err));
		differs(c, pc, what);
	} else if (!rows_equal(frame, &row, what, sizeof(what))) {
		differs(c, pc, what);
	} else if (!packed_is_same(&row, &is_full)) {
		differs(c, pc, "the packed row is another one");
	} else {
		c->full += is_full;
		c->expressions += rows_has_expression(&row);
	}
	c->rows++;
	dwarf_frame_info(frame, &start, &end, NULL);
	free(frame);
	return end;
}

static void compare_fde(struct comparing *c, uint64_t start, uint64_t end)
{
	uint64_t pc = start, next;

	while (pc < end) {
		next = compare_at(c, pc);
		if (next <= pc)
			return;
		if (next - pc > 1)
			compare_at(c, next - 1);
		pc = next;
	}
}

static Elf_Data *eh_frame(Elf *elf, GElf_Shdr *sh)
{
	size_t strings;
	Elf_Scn *scn = NULL;

	if (elf_getshdrstrndx(elf, &strings))
		return NULL;
	while ((scn = elf_nextscn(elf, scn))) {
		const char *name;

		if (!gelf_getshdr(scn, sh))
			continue;
		name = elf_strptr(elf, strings, sh->sh_name);
		if (name && !strcmp(name, ".eh_frame") && sh->sh_type != SHT_NOBITS)
			return elf_rawdata(scn, NULL);
	}
	return NULL;
}

/* The encoding of the addresses of FDEs that use the CIE at @off. */
static uint8_t pointer_encoding(const unsigned char *ident, Elf_Data *data, Dwarf_Off off)
{
	struct dwarf_cursor c;
	Dwarf_CFI_Entry e;
	const char *aug;
	Dwarf_Off next;
	uint8_t enc;

	if (dwarf_next_cfi(ident, data, true, off, &next, &e) || e.CIE_id != DW_CIE_ID_64 ||
	    e.cie.augmentation[0] != 'z')
		return DW_PE_ABSPTR;
	c = dwarf_cursor(e.cie.augmentation_data, e.cie.augmentation_data_size, 0);
	for (aug = e.cie.augmentation + 1; *aug; aug++) {
		if (*aug == 'R')
			return dwarf_u8(&c);
		if (*aug == 'L')
			(void)dwarf_u8(&c);
		if (*aug == 'P') {
			enc = dwarf_u8(&c) & DW_PE_FORMAT;
			(void)dwarf_pointer(&c, enc, 0);
		}
	}
	return DW_PE_ABSPTR;
}

static void compare_file(struct comparing *c)
{
	const unsigned char *ident = (const unsigned char *)elf_getident(c->elf, NULL);
	GElf_Shdr sh;
	Elf_Data *data = eh_frame(c->elf, &sh);
	Dwarf_CFI_Entry e;
	Dwarf_Off off, next;
	struct dwarf_cursor cur;
	uint64_t start, n = 0, at;
	uint8_t enc;

	if (!data)
		die(c->path, "has no .eh_frame");
	for (off = 0; dwarf_next_cfi(ident, data, true, off, &next, &e) == 0; off = next) {
		if (e.CIE_id == DW_CIE_ID_64 || n++ % c->each)
			continue;
		enc = pointer_encoding(ident, data, e.fde.CIE_pointer);
		at = (uint64_t)(e.fde.start - (const uint8_t *)data->d_buf);
		cur = dwarf_cursor(e.fde.start, (size_t)(e.fde.end - e.fde.start), sh.sh_addr + at);
		start = dwarf_pointer(&cur, enc, 0);
		compare_fde(c, start, start + dwarf_pointer(&cur, enc & DW_PE_FORMAT, 0));
		c->fdes++;
	}
}

static int compare(const char *path, uint64_t each)
{
	struct comparing c = {.path = path, .each = each};
	char real[4096];
	int fd;

	if (!realpath(path, real))
		die(path, strerror(errno));
	fd = open(real, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		die(path, strerror(errno));
	c.elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	c.oracle = c.elf ? dwarf_getcfi_elf(c.elf) : NULL;
	if (!c.oracle)
		die(path, "libdw finds no unwind information");
	if (profile_init(&c.profile) || modules_new(&c.modules, &c.profile, 16) || cfi_new(&c.cfi, c.modules))
		die(path, strerror(ENOMEM));
	c.module = modules_get(c.modules, getpid(), real, NULL, 0, 0);
	if (!c.module || c.module->info->reason != MODULE_OK)
		die(path, "we cannot read it");
	compare_file(&c);
	printf("%s: %" PRIu64 " FDEs, %" PRIu64 " rows compared, %" PRIu64 " with expressions, %" PRIu64
	       " not compact, %" PRIu64 " unequal\n",
	       path, c.fdes, c.rows, c.expressions, c.full, c.unequal);
	cfi_free(c.cfi);
	modules_free(c.modules);
	profile_release(&c.profile);
	dwarf_cfi_end(c.oracle);
	elf_end(c.elf);
	close(fd);
	return c.unequal || !c.rows;
}

int main(int argc, char **argv)
{
	uint64_t each = 1;
	int o, rc = 0;

	while ((o = getopt(argc, argv, "e:")) != -1) {
		if (o != 'e')
			return 2;
		each = strtoull(optarg, NULL, 10);
	}
	if (!each || optind == argc) {
		fprintf(stderr, "usage: rows [-e N] FILE...\n");
		return 2;
	}
	elf_version(EV_CURRENT);
	for (; optind < argc; optind++)
		rc |= compare(argv[optind], each);
	return rc;
}

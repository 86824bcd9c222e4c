/* SPDX-License-Identifier: Apache-2.0 */
/*
 * code_cfi.c - rows made from the code alone against those that CFI gives.
 *
 *   code_cfi [-s STEP] [--min-rows P] [--max-wrong P] FILE...
 *
 * At every STEP-th FDE of each file, every instruction in it: CFA, where the
 * return address is, and what becomes of the callee-saved registers. Prints how
 * many addresses have a row from the code, and how many of these differ.
 */
#include "collect/cfi.h"
#include "collect/code.h"
#include "collect/insn_x86_64.h"

#include <elfutils/libdw.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SHOWN 5

static struct {
	unsigned step;
	double min_rows, max_wrong;
} opt = {1, 0, 100};

struct tally {
	uint64_t pcs, rows, wrong, lost, callers, caller_rows, caller_wrong;
};

struct file {
	struct profile profile;
	struct modules *ms;
	struct cfi *cfi;
	struct module *m;
	struct tally t;
};

static void die(const char *what)
{
	fprintf(stderr, "code_cfi: %s\n", what);
	exit(2);
}

/* 1: the code knows less than CFI (a register is lost); 2: it says something else. */
static int differs(const struct cfi_row *code, const struct cfi_row *cfi)
{
	unsigned i;
	int worst = 0;

	if (code->cfa_reg == cfi->cfa_reg && code->cfa_off != cfi->cfa_off)
		return 2;
	for (i = 0; i < regs_arch.n; i++) {
		const struct cfi_rule *a = &code->regs[i], *b = &cfi->regs[i];
		bool a_same = a->kind == CFI_SAME || a->kind == CFI_UNSPECIFIED;
		bool b_same = b->kind == CFI_SAME || b->kind == CFI_UNSPECIFIED;

		if (!(regs_arch.callee_saved & 1ull << i) || (a_same && b_same))
			continue;
		if (a->kind == CFI_UNDEFINED && b->kind != CFI_UNDEFINED)
			worst = worst ? worst : 1;
		else if (a->kind == CFI_OFFSET && b->kind == CFI_OFFSET && a->u.off != b->u.off)
			return 2;
	}
	return worst;
}

static void check(struct file *f, uint64_t vaddr, bool exact)
{
	struct cfi_row cfi, code;
	int d;

	if (cfi_row_at(f->cfi, f->m, exact ? vaddr : vaddr - 1, &cfi) || cfi.cfa_is_expr || cfi.signal ||
	    cfi.regs[regs_arch.pc].kind == CFI_UNDEFINED)
		return;
	f->t.pcs += exact;
	f->t.callers += !exact;
	if (code_row_at(f->ms, f->m, vaddr, exact, &code) != CODE_ROW)
		return;
	f->t.rows += exact;
	f->t.caller_rows += !exact;
	d = differs(&code, &cfi);
	f->t.lost += d == 1;
	if (d != 2)
		return;
	if ((exact ? f->t.wrong : f->t.caller_wrong) < SHOWN)
		printf("  %s 0x%" PRIx64 ": r%" PRIu64 "%+" PRId64 ", by cfi r%" PRIu64 "%+" PRId64 "\n",
		       exact ? "at" : "return to", vaddr, code.cfa_reg, code.cfa_off, cfi.cfa_reg,
		       cfi.cfa_off);
	f->t.wrong += exact;
	f->t.caller_wrong += !exact;
}

static void check_function(struct file *f, uint64_t start, uint64_t end)
{
	uint8_t b[INSN_MAX];
	struct insn o;
	uint64_t off;
	size_t n;

	while (start < end) {
		n = end - start < sizeof(b) ? end - start : sizeof(b);
		if (!module_vaddr_to_off(f->m, start, &off) || module_read(f->ms, f->m, off, b, n) ||
		    !insn_decode(b, n, &o))
			return;
		/* Padding behind a jump is never run, and CFI says there what holds before the jump. */
		if (!(o.map == 1 && o.opcode == 0x1f) && !(!o.map && o.opcode == 0x90))
			check(f, start, true);
		start += o.len;
		if (!o.map && !o.vector && start < end &&
		    (o.opcode == 0xe8 || (o.opcode == 0xff && (o.reg & 7) == 2)))
			check(f, start, false);
	}
}

static void each_fde(struct file *f, int fd)
{
	Elf *elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	Dwarf_CFI *cfi = elf ? dwarf_getcfi_elf(elf) : NULL;
	GElf_Ehdr ehdr;
	Elf_Data *data = NULL;
	Elf_Scn *scn = NULL;
	GElf_Shdr sh;
	Dwarf_Off at = 0, next;
	Dwarf_CFI_Entry e;
	unsigned n = 0;
	size_t str;

	if (!cfi || !gelf_getehdr(elf, &ehdr) || elf_getshdrstrndx(elf, &str))
		die("no CFI");
	while ((scn = elf_nextscn(elf, scn)) && gelf_getshdr(scn, &sh))
		if (!strcmp(elf_strptr(elf, str, sh.sh_name), ".eh_frame"))
			data = elf_getdata(scn, NULL);
	for (; data && !dwarf_next_cfi(ehdr.e_ident, data, true, at, &next, &e); at = next) {
		struct cfi_row row;
		int32_t rel;
		uint64_t start;

		/* pcrel sdata4, as all of Debian's are; the row confirms it */
		if (dwarf_cfi_cie_p(&e) || n++ % opt.step)
			continue;
		memcpy(&rel, e.fde.start, sizeof(rel));
		start = f->m->eh_frame.vaddr +
			(uint64_t)((const uint8_t *)e.fde.start - (const uint8_t *)data->d_buf) +
			(uint64_t)(int64_t)rel;
		if (!cfi_row_at(f->cfi, f->m, start, &row) && row.start == start)
			check_function(f, row.start, row.end);
	}
	dwarf_cfi_end(cfi);
	elf_end(elf);
}

static double percent(uint64_t part, uint64_t whole)
{
	return whole ? 100.0 * (double)part / (double)whole : 0;
}

static int do_file(const char *path)
{
	static struct file f;
	struct module_ident id = {0};
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	double rows, wrong;

	memset(&f, 0, sizeof(f));
	if (fd < 0 || profile_init(&f.profile) || modules_new(&f.ms, &f.profile, 16) || cfi_new(&f.cfi, f.ms))
		die(path);
	f.m = modules_get(f.ms, getpid(), path, &id, 0, 0);
	if (!f.m || f.m->info->reason != MODULE_OK)
		die(path);
	printf("%s\n", path);
	each_fde(&f, fd);
	rows = percent(f.t.rows + f.t.caller_rows, f.t.pcs + f.t.callers);
	wrong = percent(f.t.wrong + f.t.caller_wrong, f.t.rows + f.t.caller_rows);
	printf("  at %" PRIu64
	       " addresses: %.2f %% have a row, %.3f %% of these wrong, a register lost in %.2f %%\n",
	       f.t.pcs, percent(f.t.rows, f.t.pcs), percent(f.t.wrong, f.t.rows),
	       percent(f.t.lost, f.t.rows));
	printf("  at %" PRIu64 " return addresses: %.2f %% have a row, %.3f %% of these wrong\n", f.t.callers,
	       percent(f.t.caller_rows, f.t.callers), percent(f.t.caller_wrong, f.t.caller_rows));
	cfi_free(f.cfi);
	modules_free(f.ms);
	profile_release(&f.profile);
	close(fd);
	return f.t.pcs && rows >= opt.min_rows && wrong <= opt.max_wrong ? 0 : 1;
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {{"min-rows", required_argument, NULL, 'r'},
					      {"max-wrong", required_argument, NULL, 'w'},
					      {NULL, 0, NULL, 0}};
	int o, rc = 0;

	while ((o = getopt_long(argc, argv, "s:", longs, NULL)) != -1) {
		if (o == 's')
			opt.step = (unsigned)atoi(optarg);
		else if (o == 'r')
			opt.min_rows = atof(optarg);
		else if (o == 'w')
			opt.max_wrong = atof(optarg);
		else
			exit(2);
	}
	if (optind == argc || !opt.step)
		die("usage: code_cfi [-s STEP] [--min-rows P] [--max-wrong P] FILE...");
	elf_version(EV_CURRENT);
	for (; optind < argc; optind++)
		rc |= do_file(argv[optind]);
	return rc;
}

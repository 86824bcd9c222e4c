/* SPDX-License-Identifier: Apache-2.0 */
/* doctor_file.c - see doctor_file.h. */
#include "cli/doctor_file.h"

#include "symbolize/elfsec.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SYMBOLS_MAX   (64u << 20) /* bytes of a symbol table, and of its strings */
#define COMMENT_MAX   65536u
#define CFI_MAX       (64u << 20)
#define FUNCTIONS_MAX 512 /* whose first instructions are looked at */
#define FUNCTION_MIN  16  /* bytes: smaller ones call nothing */
#define BEGIN_BYTES   24
#define HDR_HEAD      12 /* of .eh_frame_hdr: version, encodings, pointer, count */

/* ---- CFI ---- */

static uint32_t u32_at(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/*
 * Sum of what the FDEs of the search table cover. Only the encodings that linkers
 * write (LSB, "Exception Frame Header": sdata4, relative to the table; FDEs pc-relative);
 * each FDE must begin where the table says, else it is not believed.
 */
static uint64_t covered(const struct elf_file *e, const uint8_t *hdr, size_t hdr_len, const uint8_t *eh,
			size_t eh_len)
{
	uint32_t n = u32_at(hdr + 8), i;
	uint64_t sum = 0;

	for (i = 0; i < n && HDR_HEAD + 8 * (uint64_t)(i + 1) <= hdr_len; i++) {
		const uint8_t *row = hdr + HDR_HEAD + 8 * (size_t)i;
		uint64_t start = e->eh_frame_hdr.vaddr + (uint64_t)(int64_t)(int32_t)u32_at(row);
		uint64_t fde = e->eh_frame_hdr.vaddr + (uint64_t)(int64_t)(int32_t)u32_at(row + 4);
		uint64_t off = fde - e->eh_frame.vaddr;

		if (off > eh_len || eh_len - off < 16)
			continue;
		if (fde + 8 + (uint64_t)(int64_t)(int32_t)u32_at(eh + off + 8) == start)
			sum += u32_at(eh + off + 12);
	}
	return sum;
}

static uint8_t *load(const struct elfsec *s, uint64_t off, uint64_t size)
{
	uint8_t *p = size && size <= CFI_MAX ? malloc(size) : NULL;

	if (p && elf_source_read(&s->src, off, p, size)) {
		free(p);
		p = NULL;
	}
	return p;
}

static uint8_t cfi_percent(const struct elf_file *e, const struct elfsec *s, const Elf64_Shdr *text)
{
	uint8_t *hdr = NULL, *eh = NULL, pct = DOCTOR_CFI_UNKNOWN;
	uint64_t sum;

	if (e->debug_frame.size)
		return pct;
	if (!e->eh_frame.size && !e->eh_frame_hdr.size)
		return 0;
	hdr = load(s, e->eh_frame_hdr.off, e->eh_frame_hdr.size);
	eh = load(s, e->eh_frame.off, e->eh_frame.size);
	if (hdr && eh && text && text->sh_size && e->eh_frame_hdr.size > HDR_HEAD && hdr[2] == 0x03 &&
	    hdr[3] == 0x3b) {
		sum = covered(e, hdr, e->eh_frame_hdr.size, eh, e->eh_frame.size);
		pct = sum >= text->sh_size ? 100 : (uint8_t)(sum * 100 / text->sh_size);
	}
	free(hdr);
	free(eh);
	return pct;
}

/* ---- symbols ---- */

/* Does a function that begins with these bytes make %rbp (x29) its frame pointer? */
static bool begins_framed(uint16_t machine, const uint8_t b[BEGIN_BYTES])
{
	static const uint8_t endbr[] = {0xf3, 0x0f, 0x1e, 0xfa}, move[] = {0x48, 0x89, 0xe5};
	unsigned i;

	if (machine == EM_X86_64) {
		const uint8_t *at = b + (memcmp(b, endbr, sizeof(endbr)) ? 0 : sizeof(endbr));

		return at[0] == 0x55 &&
		       memmem(at + 1, (size_t)(b + BEGIN_BYTES - at - 1), move, sizeof(move));
	}
	/* stp x29, x30, [sp, ...]! or after a sub of sp; then x29 is set. */
	for (i = 0; machine == EM_AARCH64 && i + 4 <= 12; i += 4)
		if ((u32_at(b + i) & 0xfe407fff) == 0xa8007bfd)
			return true;
	return false;
}

static const char *allocator_symbol(const char *name)
{
	static const struct {
		const char *symbol, *allocator;
	} known[] = {{"mallctl", "jemalloc"},
		     {"je_mallctl", "jemalloc"},
		     {"_rjem_mallctl", "jemalloc"},
		     {"tc_malloc", "tcmalloc"},
		     {"mi_malloc", "mimalloc"}};
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (!strcmp(name, known[i].symbol))
			return known[i].allocator;
	return NULL;
}

static void look_at_function(struct doctor_file *f, const struct elfsec *s, const Elf64_Sym *sym)
{
	const Elf64_Shdr *sh = sym->st_shndx < s->n_sh ? &s->sh[sym->st_shndx] : NULL;
	uint8_t begin[BEGIN_BYTES];

	if (!sh || sh->sh_type != SHT_PROGBITS || sym->st_value < sh->sh_addr ||
	    sym->st_value - sh->sh_addr >= sh->sh_size ||
	    elf_source_read(&s->src, sh->sh_offset + (sym->st_value - sh->sh_addr), begin, sizeof(begin)))
		return;
	f->functions++;
	f->framed += begins_framed(s->eh.e_machine, begin);
}

/* @names and what it comes with may be anything: each offset is checked, the strings end with a NUL. */
static void look_at_symbols(struct doctor_file *f, const struct elfsec *s, const Elf64_Shdr *sh)
{
	const Elf64_Shdr *strings = sh->sh_link < s->n_sh ? &s->sh[sh->sh_link] : NULL;
	uint8_t *table = NULL, *names = NULL;
	size_t len = 0, names_len = 0, i, n, step;
	Elf64_Sym sym;

	if (!strings || elfsec_load(s, sh, SYMBOLS_MAX, &table, &len) ||
	    elfsec_load(s, strings, SYMBOLS_MAX, &names, &names_len))
		goto done;
	n = len / sizeof(sym);
	step = n / FUNCTIONS_MAX + 1;
	for (i = 0; i < n; i++) {
		memcpy(&sym, table + i * sizeof(sym), sizeof(sym));
		if (ELF64_ST_TYPE(sym.st_info) != STT_FUNC || sym.st_shndx == SHN_UNDEF)
			continue;
		if (!f->allocator && sym.st_name < names_len)
			f->allocator = allocator_symbol((const char *)names + sym.st_name);
		if (i % step == 0 && sym.st_size >= FUNCTION_MIN)
			look_at_function(f, s, &sym);
	}
done:
	free(table);
	free(names);
}

/* ---- the file ---- */

static void read_compiler(struct doctor_file *f, const struct elfsec *s)
{
	const Elf64_Shdr *sh = elfsec_by_name(s, ".comment");
	uint8_t *data = NULL;
	size_t len;

	if (sh && !elfsec_load(s, sh, COMMENT_MAX, &data, &len)) /* a NUL follows the contents */
		snprintf(f->compiler, sizeof(f->compiler), "%s", (const char *)data);
	free(data);
}

static void find_debug(struct doctor_file *f, const struct elf_file *e, int fd, uint64_t size, pid_t pid,
		       const struct debugfile_dirs *dirs)
{
	struct profile_module mod = {.kind = MODULE_FILE,
				     .reason = MODULE_OK,
				     .fd = fd,
				     .pid = pid,
				     .file_size = size,
				     .build_id_len = e->build_id_len,
				     .e_type = e->type,
				     .e_machine = e->machine};
	struct debugfile found;

	memcpy(mod.build_id, e->build_id, sizeof(mod.build_id));
	debugfile_find(&mod, f->path, dirs, &found);
	f->debug = found.why;
	f->dwarf = found.why == DEBUGFILE_OWN || found.why == DEBUGFILE_FOUND;
	if (found.debug_fd >= 0)
		close(found.debug_fd);
	if (found.alt_fd >= 0)
		close(found.alt_fd);
	if (found.dwp_fd >= 0)
		close(found.dwp_fd);
}

void doctor_file_look(struct doctor_file *f, int fd, const char *path, pid_t pid,
		      const struct debugfile_dirs *dirs)
{
	const Elf64_Shdr *symbols, *dynamic, *text;
	struct elf_source src = {.fd = fd};
	struct elf_file e;
	struct elfsec s;
	struct stat st;
	uint8_t i;

	*f = (struct doctor_file){.debug = DEBUGFILE_NONE};
	snprintf(f->path, sizeof(f->path), "%s", path);
	f->err = fstat(fd, &st) ? -errno : 0;
	src.size = f->err ? 0 : (uint64_t)st.st_size;
	f->err = f->err ? f->err : elf_file_parse(&src, &e);
	if (f->err)
		return;
	f->dynamic = e.has_interp;
	f->go = e.gopclntab.size;
	for (i = 0; i < e.build_id_len && i < PROFILE_BUILD_ID_MAX; i++)
		snprintf(f->build_id + 2 * i, 3, "%02x", e.build_id[i]);
	find_debug(f, &e, fd, src.size, pid, dirs);
	f->cfi_pct = e.eh_frame.size || e.debug_frame.size ? DOCTOR_CFI_UNKNOWN : 0;
	if (elfsec_open(&s, fd, NULL, 0))
		return;
	symbols = elfsec_by_type(&s, SHT_SYMTAB);
	dynamic = elfsec_by_type(&s, SHT_DYNSYM);
	f->symtab = symbols;
	f->dynsym = dynamic;
	f->minidebug = elfsec_by_name(&s, ".gnu_debugdata");
	text = elfsec_by_name(&s, ".text");
	f->text_size = text ? text->sh_size : 0;
	f->cfi_pct = cfi_percent(&e, &s, text);
	read_compiler(f, &s);
	if (symbols || dynamic)
		look_at_symbols(f, &s, symbols ? symbols : dynamic);
	elfsec_close(&s);
}

const char *doctor_allocator(const char *path)
{
	static const struct {
		const char *prefix, *allocator;
	} known[] = {{"libjemalloc", "jemalloc"},
		     {"libtcmalloc", "tcmalloc"},
		     {"libmimalloc", "mimalloc"},
		     {"libhoard", "Hoard"},
		     {"libsnmalloc", "snmalloc"}};
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (!strncmp(name, known[i].prefix, strlen(known[i].prefix)))
			return known[i].allocator;
	return NULL;
}

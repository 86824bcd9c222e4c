/* SPDX-License-Identifier: Apache-2.0 */
/*
 * src_vmlinux.c - the kernel's functions, inlined calls and lines from its debug file.
 *
 * The file has the addresses the kernel was linked at; where it runs differs
 * by one random offset (KASLR), which is that of its first symbol in
 * /proc/kallsyms. Where kallsyms is hidden there is nothing to compare with,
 * and no kernel address to name either. What DWARF does not cover (modules)
 * is left to kallsyms.
 */
#include "base/io.h"
#include "symbolize/debugfile.h"
#include "symbolize/elfsec.h"
#include "symbolize/source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_STRINGS  (512u << 20)
#define MAX_KALLSYMS (512u << 20)
#define CHUNK        65536
#define BATCH        2048

/* Of one address in every kernel; the first that both know decides. */
static const char *const anchors[] = {"_text", "_stext"};

#define N_ANCHORS (sizeof(anchors) / sizeof(anchors[0]))

/* ---- where the kernel runs ---- */

/* "address type name" of the kernel itself, which comes before its modules' ("... [module]"). */
static void take_line(const char *line, uint64_t *running)
{
	const char *name;
	uint64_t addr;
	char *rest;
	size_t i;

	addr = strtoull(line, &rest, 16);
	if (!addr || rest[0] != ' ' || !rest[1] || rest[2] != ' ')
		return;
	name = rest + 3;
	for (i = 0; i < N_ANCHORS; i++)
		if (!running[i] && !strcmp(name, anchors[i]))
			running[i] = addr;
}

/* Complete lines of @text[0..*len) are taken, what is left of it is moved to its beginning. */
static void take_lines(char *text, size_t *len, uint64_t *running)
{
	char *line = text, *end;

	while ((end = memchr(line, '\n', *len - (size_t)(line - text)))) {
		*end = '\0';
		take_line(line, running);
		line = end + 1;
	}
	*len -= (size_t)(line - text);
	memmove(text, line, *len);
}

/* They are among the first lines, so that little of the file is read. */
static void read_running(int fd, uint64_t *running)
{
	char *text = malloc(CHUNK);
	uint64_t off = 0;
	size_t len = 0;
	ssize_t n = 1;

	while (text && n > 0 && off < MAX_KALLSYMS && !(running[0] && running[1])) {
		if (len == CHUNK)
			break; /* no line is that long */
		n = io_pread_full(fd, text + len, CHUNK - len, off);
		if (n > 0) {
			off += (uint64_t)n;
			len += (size_t)n;
			take_lines(text, &len, running);
		}
	}
	free(text);
}

/* ---- where it was linked ---- */

static void take_symbols(const Elf64_Sym *sym, size_t n, const char *strings, size_t len, uint64_t *linked)
{
	size_t i, k;

	for (i = 0; i < n; i++)
		for (k = 0; k < N_ANCHORS; k++)
			if (sym[i].st_shndx != SHN_UNDEF && sym[i].st_name < len &&
			    !strcmp(strings + sym[i].st_name, anchors[k]))
				linked[k] = sym[i].st_value;
}

static int read_linked(int fd, uint64_t *linked)
{
	Elf64_Sym batch[BATCH];
	const Elf64_Shdr *table;
	uint8_t *strings = NULL;
	struct elfsec elf;
	uint64_t n, i;
	size_t len, take;
	int err;

	err = elfsec_open(&elf, fd, NULL, 0);
	if (err)
		return err;
	table = elfsec_by_type(&elf, SHT_SYMTAB);
	err = table && table->sh_entsize == sizeof(*batch) && table->sh_link < elf.n_sh
		      ? elfsec_load(&elf, &elf.sh[table->sh_link], MAX_STRINGS, &strings, &len)
		      : -ENODATA;
	n = err ? 0 : table->sh_size / sizeof(*batch);
	for (i = 0; i < n && !err; i += take) {
		take = n - i < BATCH ? (size_t)(n - i) : BATCH;
		err = i > (UINT64_MAX - table->sh_offset) / sizeof(*batch)
			      ? -EBADMSG
			      : elf_source_read(&elf.src, table->sh_offset + i * sizeof(*batch), batch,
						take * sizeof(*batch));
		if (!err)
			take_symbols(batch, take, (const char *)strings, len, linked);
	}
	free(strings);
	elfsec_close(&elf);
	return err;
}

static bool find_offset(const struct source_module *m, uint64_t *offset)
{
	uint64_t running[N_ANCHORS] = {0}, linked[N_ANCHORS] = {0};
	size_t i;

	read_running(m->aux_fd[SOURCE_AUX_KALLSYMS], running);
	if (!running[0] && !running[1])
		return false;
	if (read_linked(m->debug_fd, linked) == -ENOMEM)
		return false;
	for (i = 0; i < N_ANCHORS; i++) {
		if (!running[i] || !linked[i])
			continue;
		*offset = running[i] - linked[i];
		return true;
	}
	return false;
}

/* ---- the source ---- */

/* The DWARF source answers for the addresses as they were linked; its answers are ours. */
static int vmlinux_resolve(struct source_module *m, struct names *names, bool inlines)
{
	struct source_module linked = *m;
	uint64_t offset;
	bool sorted;
	uint32_t i;
	int err;

	if (!m->n_addrs || m->debug_fd < 0 || m->aux_fd[SOURCE_AUX_KALLSYMS] < 0 || !find_offset(m, &offset))
		return 0;
	linked.addrs = malloc(m->n_addrs * sizeof(*linked.addrs));
	if (!linked.addrs)
		return -ENOMEM;
	memcpy(linked.addrs, m->addrs, m->n_addrs * sizeof(*linked.addrs));
	/* one offset for all: they stay sorted, unless the difference wraps, where no kernel is */
	for (i = 0, sorted = true; i < m->n_addrs; i++) {
		linked.addrs[i].vaddr -= offset;
		sorted = sorted && (!i || linked.addrs[i].vaddr > linked.addrs[i - 1].vaddr);
	}
	err = sorted ? source_dwarf.resolve(&linked, names, inlines) : 0;
	for (i = 0; i < m->n_addrs && !err; i++) {
		linked.addrs[i].vaddr = m->addrs[i].vaddr;
		/* the symbol table to refine a mangled name is not the kernel's business */
		linked.addrs[i].wants_symbol = false;
		m->addrs[i] = linked.addrs[i];
	}
	free(linked.addrs);
	return err;
}

static void vmlinux_prepare(struct source_module *m)
{
	enum debugfile_why why;

	m->debug_fd = debugfile_find_kernel(m->dirs, &why);
}

static bool vmlinux_applies(const struct profile_module *mod)
{
	return mod->kind == MODULE_KERNEL;
}

const struct source source_vmlinux = {
	.name = "vmlinux",
	.inlines_and_lines = true,
	.applies = vmlinux_applies,
	.prepare = vmlinux_prepare,
	.resolve = vmlinux_resolve,
};

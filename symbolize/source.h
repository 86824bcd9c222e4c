/* SPDX-License-Identifier: Apache-2.0 */
/*
 * source.h - one place names come from. To add a source, copy src_elf.c.
 *
 * symbolize.c groups the addresses by module, sorts them, and asks the sources
 * of the module's kind in turn; each answers what it can and leaves the rest
 * pending. A source never opens files by itself once the sandbox is closed:
 * prepare() runs before (in the exporter), resolve() after (in the symbolizer).
 */
#ifndef SYMBOLIZE_SOURCE_H
#define SYMBOLIZE_SOURCE_H

#include "collect/profile.h"
#include "symbolize/names.h"

struct source_addr {
	uint64_t vaddr;    /* ELF virtual address (address itself for kernel and anonymous code) */
	uint32_t location; /* id in the profile and in names */
	bool done;         /* has its final answer */
};

struct source_module {
	const struct profile *profile;
	const struct profile_module *mod;
	const char *path;
	int debug_fd;        /* separate debug file found by debugfile.c, or -1 */
	int alt_fd;          /* its dwz supplementary file, or -1 */
	enum names_status missing; /* status for addresses nobody could name */
	struct source_addr *addrs; /* sorted by vaddr, unique */
	uint32_t n_addrs;
};

struct source {
	const char *name;
	bool inlines_and_lines; /* left out when symbol tables only are wanted */
	bool (*applies)(const struct profile_module *mod);
	/* In the symbolizer, sandboxed. Set ->done for each address given its final name. 0 or -errno. */
	int (*resolve)(struct source_module *m, struct names *names, bool inlines);
};

extern const struct source source_dwarf, source_elf, source_kernel;

#endif

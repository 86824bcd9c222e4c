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
	uint64_t time;     /* anonymous code: when it was first seen here, CLOCK_MONOTONIC ns; else 0 */
	uint32_t location; /* id in the profile and in names */
	uint32_t file;     /* string id in names; line known although the function is not (assembly), */
	uint32_t line;     /* for a later source to complete; 0: unknown */
	bool done;         /* has its final answer */
	bool wants_symbol; /* done, but a mangled name from a symbol table is better for its outermost frame
			    */
	bool claimed;      /* for a source's own bookkeeping; false between calls */
	bool hidden;       /* likewise: looked for everywhere in a unit, and in no function */
};

#define SOURCE_AUX_FDS 2

/* What MODULE_ANON has in aux_fd. */
enum { SOURCE_FD_PERFMAP, SOURCE_FD_JITDUMP };

/* Of the kernel's module. */
enum { SOURCE_AUX_KALLSYMS, SOURCE_AUX_MODULES };

struct debugfile_dirs; /* debugfile.h */
struct split_file;     /* split.h */
struct split_files;
struct debugfile;

struct source_module {
	const struct profile *profile;
	const struct profile_module *mod;
	const char *path;
	const struct debugfile_dirs *dirs; /* the user's directories of debug files; may be NULL */
	int debug_fd;                      /* separate debug file found by debugfile.c, or -1 */
	int alt_fd;                        /* its dwz supplementary file, or -1 */
	bool wants_debug;                  /* no DWARF of it was found on this machine */
	uint64_t heat;              /* how much of the profile is in it, for what must be done in turn */
	struct split_files *split;  /* owned by the module's owner; NULL: its DWARF is not split */
	int aux_fd[SOURCE_AUX_FDS]; /* what else a prepare() opened (kallsyms and modules), or -1 */
	enum names_status
		missing; /* status for addresses nobody could name; prepare() and resolve() may sharpen it */
	struct source_addr *addrs; /* sorted by vaddr, unique; anonymous code: by vaddr and time */
	uint32_t n_addrs;
};

struct source {
	const char *name;
	bool inlines_and_lines; /* left out when symbol tables only are wanted */
	bool (*applies)(const struct profile_module *mod);
	/*
	 * In the exporter, trusted, may be NULL: open what resolve() will read and
	 * store the descriptors in @m, whose owner closes them. What is not there
	 * is no error.
	 */
	void (*prepare)(struct source_module *m);
	/*
	 * In a sandboxed process before resolve(), may be NULL; only for modules
	 * with ->split. Calls @want for each further file that resolve() will need
	 * (strings borrowed for the call) until it returns an error, which is
	 * returned; 0 in the end.
	 */
	int (*scout)(struct source_module *m, int (*want)(void *arg, const struct split_file *f), void *arg);
	/*
	 * In the symbolizer, sandboxed. Set ->done for each address given its final
	 * name. Returns 0, or -errno when the rest of the table cannot be trusted
	 * to have room (-ENOMEM, -E2BIG); malformed files are no error, but a
	 * ->missing of NAMES_BAD_FILE.
	 */
	int (*resolve)(struct source_module *m, struct names *names, bool inlines);
};

extern const struct source source_dwarf, source_elf, source_vmlinux, source_kernel, source_perfmap,
	source_jitdump, source_go, source_plt, source_fde;

/* ---- what several sources need ---- */

/* Index of the first address >= @vaddr; n_addrs if there is none. */
uint32_t source_lower_bound(const struct source_module *m, uint64_t vaddr);

/*
 * Does @vaddr lie in an executable segment of @mod? Tables also describe code
 * that the linker dropped: such ranges begin at 0 or another impossible place.
 */
bool source_in_code(const struct profile_module *mod, uint64_t vaddr);

/* Take over the package of what was found, if its DWARF is split. */
void source_take_split(struct source_module *m, const struct debugfile *found);

/*
 * Intern the symbol @name (its first @len bytes) as the linker knows it, and
 * demangled as people read it, into @f. 0, -ENOMEM or -E2BIG.
 */
int source_symbol_name(struct names *names, const char *name, size_t len, struct names_frame *f);

/*
 * Of two symbols at one address, is @a the better name? The one with fewer
 * leading underscores (malloc, not __libc_malloc), then the shorter one, then
 * by alphabet, so that the choice does not depend on the order of the table.
 */
bool source_better_alias(const char *a, const char *b);

#endif

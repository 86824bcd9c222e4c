/* SPDX-License-Identifier: Apache-2.0 */
/*
 * split.h - units whose DWARF is elsewhere: .dwo files and .dwp packages.
 *
 * A program built with -gsplit-dwarf has only skeletons of its units. In three
 * steps: a sandboxed scout lists the .dwo files of the units that hold wanted
 * addresses (only it may read the program's DWARF), the exporter opens those,
 * and the symbolizer reads them or the package. libdw 0.188 would open .dwo
 * files by itself, which a sandboxed process cannot, and knows no packages; so
 * it is shown an ELF image in memory, made of one split unit's sections and
 * the skeleton's part of the address and range tables, as if that unit were
 * an ordinary one. Formats: DWARF 5, sections 3.1.3, 7.3.5 and 7.27; for DWARF
 * 4 GCC's wiki, "DebugFission" and "DebugFissionDWP".
 */
#ifndef SYMBOLIZE_SPLIT_H
#define SYMBOLIZE_SPLIT_H

#include "symbolize/debugfile.h"

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stdint.h>

#define SPLIT_MAX_FILES 256  /* of one module */
#define SPLIT_MAX_PATH  4096 /* bytes of a name or directory in a skeleton, with the NUL */

/* One .dwo file that is needed. */
struct split_file {
	uint64_t id; /* of the unit in it */
	char *dir;   /* the compiler's working directory; may be "" */
	char *name;
	int fd; /* -1: not opened, or not found */
};

struct split_files {
	int dwp_fd; /* or -1 */
	struct split_file *files;
	uint32_t n;
};

/* Takes over @dwp_fd, which may be -1. NULL when out of memory (then @dwp_fd is closed). */
struct split_files *split_new(int dwp_fd);
void split_free(struct split_files *s); /* closes what is open; NULL is fine */

/* ---- scout: in the sandbox ---- */

/*
 * True if @skeleton's unit is in a .dwo file that is not in @dwp (which may be NULL);
 * then *@out says which. Its strings are borrowed from the file; out->fd is -1.
 */
bool split_wanted(Dwarf_Die *skeleton, Elf *dwp, struct split_file *out);

/* ---- in the exporter ---- */

/* Note one file; -ENOSPC when there are too many, -EINVAL for strings that are too long, -ENOMEM. */
int split_add(struct split_files *s, uint64_t id, const char *dir, const char *name);

/*
 * Open what was noted, at most *@budget descriptors, which is counted down:
 * below the user's directories by name; at DIR/NAME; beside the module at
 * @path. As with debug files the target's root comes before ours. Only ELF
 * files that have a split unit are taken.
 */
void split_open(struct split_files *s, const struct profile_module *mod, const char *path,
		const struct debugfile_dirs *dirs, uint32_t *budget);

/* ---- in the symbolizer ---- */

struct split_view {
	Dwarf *dbg;
	Dwarf_Die cu; /* the split unit's, with the skeleton's low_pc as its base */
	Elf *elf;     /* these two: private */
	char *image;
};

/*
 * The unit that @skeleton stands for, from @elf: a .dwo file, or a package if
 * @package. 0; -ENOENT: it is not in there; -EBADMSG; -ENOMEM. split_view_close() ends it.
 */
int split_view_open(struct split_view *v, Dwarf_Die *skeleton, Elf *elf, bool package);
void split_view_close(struct split_view *v);

#endif

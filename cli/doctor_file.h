/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor_file.h - what a profile can get out of one program or library, by looking into the file.
 *
 * Untrusted ELF files, read by bounded reads; nothing of them is run or loaded.
 */
#ifndef CLI_DOCTOR_FILE_H
#define CLI_DOCTOR_FILE_H

#include "symbolize/debugfile.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define DOCTOR_CFI_UNKNOWN 255 /* there is some, how much of the code it covers is not known */

struct doctor_file {
	char path[PATH_MAX];
	int err;      /* 0; -ENOEXEC: no ELF file of this machine's kind; other -errno */
	bool dynamic; /* has an interpreter */
	bool go;      /* with Go's function table, which stands for symbols and CFI */
	bool symtab, dynsym, dwarf, minidebug;
	enum debugfile_why debug;   /* where its DWARF is, or why there is none */
	uint64_t text_size;         /* bytes of .text */
	uint8_t cfi_pct;            /* of .text covered by FDEs; DOCTOR_CFI_UNKNOWN */
	uint32_t functions, framed; /* functions looked at; those that begin by setting up a frame pointer */
	char build_id[2 * PROFILE_BUILD_ID_MAX + 1]; /* hex; "": none */
	char compiler[64];     /* that says so in .comment: "GCC: (Debian 12.2.0-14) 12.2.0"; "" */
	const char *allocator; /* malloc's implementation that it brings along, by its symbols; NULL: none */
};

/*
 * Look into what @fd, borrowed, is: a file that process @pid (0: ours) knows as
 * @path. @dirs as in debugfile.h.
 */
void doctor_file_look(struct doctor_file *f, int fd, const char *path, pid_t pid,
		      const struct debugfile_dirs *dirs);

/* "jemalloc" and the like by a library's file name; NULL: none of those. */
const char *doctor_allocator(const char *path);

/*
 * The libraries that the program @path with descriptor @fd would be started with,
 * by DT_NEEDED of it and of what it needs, looked for as ld.so(8) does but for its
 * cache: DT_RUNPATH and DT_RPATH, LD_LIBRARY_PATH, the directories of /etc/ld.so.conf.d
 * and its own. @each gets the path of each, or NULL and the name of one that is not found.
 */
void doctor_libraries(const char *path, int fd, void (*each)(const char *path, const char *name, void *arg),
		      void *arg);

#endif

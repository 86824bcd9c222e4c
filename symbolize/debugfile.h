/* SPDX-License-Identifier: Apache-2.0 */
/*
 * debugfile.h - find a module's separate debug files, and open them.
 *
 * Runs in the exporter, before the sandbox: it reads only headers and notes.
 * Looked for in the user's own directories, then below the root directory of
 * the process that had the module mapped (a container brings its own debug
 * files), then in ours: by build id (.build-id/xx/yyyy.debug), then by
 * .gnu_debuglink beside the module, in its .debug/, and below /usr/lib/debug.
 * What is found must have the module's build id; only where one of the two has
 * none, the link's CRC decides.
 */
#ifndef SYMBOLIZE_DEBUGFILE_H
#define SYMBOLIZE_DEBUGFILE_H

#include "collect/profile.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * The user's own directories: each is searched for .build-id/xx/yyyy.debug,
 * PATH/LINK, LINK and NAME.debug, where PATH is the module's directory, LINK
 * what its .gnu_debuglink says and NAME its file name. Borrowed.
 */
struct debugfile_dirs {
	const char *const *paths;
	uint32_t n;
};

/* Where a module's DWARF is, or why there is none; the later, the more there is to tell. */
enum debugfile_why {
	DEBUGFILE_OWN,        /* in the module itself */
	DEBUGFILE_FOUND,      /* in a separate file */
	DEBUGFILE_NONE,       /* no debug file is there */
	DEBUGFILE_UNREADABLE, /* one is, but cannot be opened or is no ELF file */
	DEBUGFILE_OTHER_CRC,  /* one is, with another CRC than the link says */
	DEBUGFILE_OTHER_ID,   /* one is, of another build */
};

struct debugfile {
	enum debugfile_why why;
	bool split;   /* the DWARF has an address table, so parts of it may be in .dwo files */
	int debug_fd; /* these three: the caller closes them; -1: none */
	int alt_fd;   /* dwz supplementary file (.gnu_debugaltlink) of whichever file holds the DWARF */
	int dwp_fd; /* package of .dwo files: NAME.dwp beside the module or its debug file, or by build id */
};

/* For @mod (a file or the vdso), known to its process as @path. @dirs may be NULL. */
void debugfile_find(const struct profile_module *mod, const char *path, const struct debugfile_dirs *dirs,
		    struct debugfile *out);

/* Only what a debug file that came from elsewhere needs besides: out->alt_fd, out->split, out->dwp_fd. */
void debugfile_companions(const struct profile_module *mod, const char *path,
			  const struct debugfile_dirs *dirs, int fd, struct debugfile *out);

/* Build id of the supplementary file that the one in @fd refers to (.gnu_debugaltlink). Its length, or 0. */
uint8_t debugfile_alt_id(int fd, uint8_t id[PROFILE_BUILD_ID_MAX]);

/* Is @fd an ELF file of this build id? */
bool debugfile_has_id(int fd, const uint8_t *id, uint8_t len);

/*
 * The running kernel's vmlinux, with the build id that /sys/kernel/notes tells:
 * below @dirs as .build-id/xx/yyyy.debug, vmlinux-RELEASE and vmlinux; then by
 * build id, as /usr/lib/debug/boot/vmlinux-RELEASE and in the other places where
 * distributions put it. Descriptor or -1.
 */
int debugfile_find_kernel(const struct debugfile_dirs *dirs, enum debugfile_why *why);

/*
 * GNU build id in @notes, the bytes of a note section (System V gABI, "Note
 * Section"; NT_GNU_BUILD_ID), to @id. Its length, 0 if there is none.
 */
uint8_t debugfile_note_id(const uint8_t *notes, size_t len, uint8_t id[PROFILE_BUILD_ID_MAX]);

/* CRC-32 over a whole file, as .gnu_debuglink means it. 0 or -errno; -E2BIG for absurd sizes. */
int debugfile_crc(int fd, uint32_t *crc);

#endif

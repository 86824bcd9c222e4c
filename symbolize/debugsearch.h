/* SPDX-License-Identifier: Apache-2.0 */
/*
 * debugsearch.h - try paths for a debug file, and take only the one that belongs.
 *
 * Shared by debugfile.c (files of programs) and debugfile_kernel.c. Paths are
 * tried in the user's own directories, below the target's root, and below our
 * own. Nothing but regular files is opened, nothing blocks, and below the
 * target's root no link leads out of it (openat2(2), RESOLVE_IN_ROOT).
 */
#ifndef SYMBOLIZE_DEBUGSEARCH_H
#define SYMBOLIZE_DEBUGSEARCH_H

#include "symbolize/debugfile.h"

#include <limits.h>
#include <sys/stat.h>

#define DEBUG_DIR "/usr/lib/debug"

struct debugsearch {
	const struct debugfile_dirs *dirs; /* borrowed; may be NULL */
	int target_root;                   /* O_PATH, or -1: none, or the same as ours */
	struct stat self;                  /* the module: it is not its own debug file; zeros: no file */
	uint8_t id[PROFILE_BUILD_ID_MAX];
	uint8_t id_len; /* 0: none */
	bool any_id;    /* the file identifies its parts itself: whatever ELF file is there will do */
	bool has_crc;   /* decides where one of the two has no build id */
	uint32_t crc;
	char found[PATH_MAX];   /* path of what was found, below its root */
	enum debugfile_why why; /* the most telling of what was refused so far */
};

/* @pid: whose root; 0: only ours. debugsearch_release() closes it. */
void debugsearch_init(struct debugsearch *s, const struct debugfile_dirs *dirs, pid_t pid);
void debugsearch_release(struct debugsearch *s);

/* Each returns a descriptor, which the caller closes, or -1 with s->why sharpened. */

/* @path below the target's root, then below ours. */
int debugsearch_path(struct debugsearch *s, const char *path);

/* @path below each of the user's directories. */
int debugsearch_dirs(struct debugsearch *s, const char *path);

/* .build-id/xx/yyyy@suffix below the user's directories and both roots' /usr/lib/debug. */
int debugsearch_build_id(struct debugsearch *s, const char *suffix);

/* A formatted path for debugsearch_path() or debugsearch_dirs(); one too long is not tried. */
int debugsearch_printf(struct debugsearch *s, int (*look)(struct debugsearch *, const char *),
		       const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif

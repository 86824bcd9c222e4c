/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor_code.h - the rows about a target's code: can its stacks be walked, does it have names and lines?
 */
#ifndef CLI_DOCTOR_CODE_H
#define CLI_DOCTOR_CODE_H

#include "cli/doctor.h"
#include "cli/doctor_file.h"

struct doctor_code {
	struct doctor_file exe;
	struct debugfile_dirs dirs;
	uint32_t libraries;
	uint32_t no_cfi, no_names, no_lines; /* of them */
	uint32_t unreadable;                 /* mapped or needed, but not to be opened */
	char first_no_cfi[PATH_MAX], first_unreadable[PATH_MAX], first_no_lines[PATH_MAX];
	const char *allocator; /* static; NULL: none seen besides the C library's */
	const char *libc;      /* "glibc", "musl"; NULL: not seen */
	bool preloaded;        /* our own timers are loaded */
};

/* @fd, borrowed, is the executable, or another of the target's files; @path as process @pid (0: ours) has it.
 */
void doctor_code_exe(struct doctor_code *c, int fd, const char *path, pid_t pid);
void doctor_code_library(struct doctor_code *c, int fd, const char *path, pid_t pid);
void doctor_code_unreadable(struct doctor_code *c, const char *name);

void doctor_code_rows(struct doctor *d, const struct doctor_code *c);

#endif

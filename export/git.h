/* SPDX-License-Identifier: Apache-2.0 */
/*
 * git.h - the commit and the repository that a program was started from.
 *
 * Reads the few files of a .git directory that tell (gitrepository-layout(5)):
 * HEAD, the reference it names or packed-refs, and the remote "origin" of config.
 */
#ifndef EXPORT_GIT_H
#define EXPORT_GIT_H

#include <stddef.h>
#include <sys/types.h>

struct git_info {
	char commit[65];      /* 40 or 64 hex digits; "": none */
	char repository[201]; /* URL without a user part; "": none */
};

/*
 * Of the repository that directory @dir is in, looking upwards. As git does,
 * one that belongs to neither @uid, nor us, nor root is not looked into. 0;
 * -ENOENT when there is none; -EPERM.
 */
int git_find(struct git_info *g, const char *dir, uid_t uid);

/* @url without what could be a credential, in @out. "git@host:path" keeps its shape without "git@". */
void git_clean_url(const char *url, char *out, size_t len);

#endif

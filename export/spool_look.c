/* SPDX-License-Identifier: Apache-2.0 */
/* spool_look.c - what waits in a spool, without touching it: nothing is made, opened or locked. */
#include "export/spool_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static bool is_entry(const char *name)
{
	size_t len = strlen(name), suffix = strlen(SPOOL_SUFFIX);

	return len > suffix && !strcmp(name + len - suffix, SPOOL_SUFFIX);
}

int spool_look(const char *path, struct spool_contents *out)
{
	DIR *dir = opendir(path);
	uint32_t looked = 0;
	struct dirent *e;
	struct stat st;

	*out = (struct spool_contents){0};
	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	while (looked++ < SPOOL_SCAN_MAX && (e = readdir(dir))) {
		if (!is_entry(e->d_name) || fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) ||
		    !S_ISREG(st.st_mode))
			continue;
		out->entries++;
		out->bytes += (uint64_t)st.st_size;
		if (!out->oldest_s || st.st_mtim.tv_sec < out->oldest_s)
			out->oldest_s = st.st_mtim.tv_sec;
	}
	closedir(dir);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* state_dir.c - see state_dir.h; XDG Base Directory Specification, $XDG_STATE_HOME. */
#include "export/state_dir.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int state_dir(char out[PATH_MAX], const char *leaf)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	int n;

	if (state && *state == '/')
		n = snprintf(out, PATH_MAX, "%s/ddprof%s", state, leaf);
	else if (home && *home == '/')
		n = snprintf(out, PATH_MAX, "%s/.local/state/ddprof%s", home, leaf);
	else
		return -ENOENT;
	return n < PATH_MAX ? 0 : -ENAMETOOLONG;
}

int state_dir_make(const char *dir)
{
	char path[PATH_MAX], *slash;

	if (!*dir || strlen(dir) >= sizeof(path))
		return *dir ? -ENAMETOOLONG : -ENOENT;
	strcpy(path, dir);
	for (slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		/* Some file systems refuse before they see that it is there. */
		if (mkdir(path, 0700) && errno != EEXIST && errno != EROFS && errno != EACCES)
			return -errno;
		*slash = '/';
	}
	return mkdir(path, 0700) && errno != EEXIST ? -errno : 0;
}

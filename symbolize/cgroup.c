/* SPDX-License-Identifier: Apache-2.0 */
/* cgroup.c - see cgroup.h. */
#include "symbolize/cgroup.h"

#include "base/io.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_TEXT 65536

/* A text file with a NUL behind it: 0 or -errno. */
static int read_text(const char *path, struct buf *out)
{
	int err;

	buf_clear(out);
	err = io_read_file(AT_FDCWD, path, out);
	return err ? err : buf_put_u8(out, 0);
}

static int read_group(const char *dir, const char *name, struct buf *out)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/%s", dir, name);

	return n > 0 && (size_t)n < sizeof(path) ? read_text(path, out) : -1;
}

static uint64_t reclaimable(const char *dir, struct buf *text)
{
	static const char key[] = "\ninactive_file ";
	const char *at;

	if (read_group(dir, "memory.stat", text))
		return 0;
	at = strstr((const char *)text->data, key);
	return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

static uint64_t left_in(const char *dir, struct buf *text)
{
	uint64_t max, used, cache;

	/* the root group has no such file, a group without limit says "max" */
	if (read_group(dir, "memory.max", text) || text->data[0] < '0' || text->data[0] > '9')
		return UINT64_MAX;
	max = strtoull((const char *)text->data, NULL, 10);
	if (read_group(dir, "memory.current", text))
		return UINT64_MAX;
	used = strtoull((const char *)text->data, NULL, 10);
	cache = reclaimable(dir, text);
	used -= cache < used ? cache : used;
	return used < max ? max - used : 0;
}

/* Directory of our group: "0::/path" is its line. The length of @root is where it begins; 0: unknown. */
static size_t find_group(const char *self, const char *root, struct buf *text, char *dir, size_t size)
{
	const char *line;
	int n;

	if (read_text(self, text))
		return 0;
	line = (const char *)text->data;
	while (line && strncmp(line, "0::/", 4)) {
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	/* "/../x": outside of what our namespace shows */
	if (!line || !strncmp(line, "0::/..", 6))
		return 0;
	n = snprintf(dir, size, "%s%.*s", root, (int)strcspn(line + 3, "\n"), line + 3);
	return n > 0 && (size_t)n < size ? strlen(root) : 0;
}

uint64_t cgroup_memory_left(const char *self, const char *root)
{
	uint64_t left = UINT64_MAX, here;
	char dir[PATH_MAX], *slash;
	struct buf text;
	size_t top;

	buf_init(&text, MAX_TEXT);
	top = find_group(self, root, &text, dir, sizeof(dir));
	while (top) {
		here = left_in(dir, &text);
		if (here < left)
			left = here;
		slash = strrchr(dir + top, '/');
		if (!slash)
			break;
		*slash = '\0';
	}
	buf_release(&text);
	return left;
}

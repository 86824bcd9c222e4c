/* SPDX-License-Identifier: Apache-2.0 */
/* cgroup.c - see cgroup.h. */
#include "symbolize/cgroup.h"

#include "base/io.h"

#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_TEXT 65536
#define NO_LIMIT (1ull << 60)

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

/* What the two versions call the same things. */
struct version {
	const char *limit, *usage, *reclaimable;
};

static const struct version v1 = {"memory.limit_in_bytes", "memory.usage_in_bytes", "\ntotal_inactive_file "};
static const struct version v2 = {"memory.max", "memory.current", "\ninactive_file "};

static uint64_t reclaimable(const char *dir, const struct version *v, struct buf *text)
{
	const char *at;

	if (read_group(dir, "memory.stat", text))
		return 0;
	at = strstr((const char *)text->data, v->reclaimable);
	return at ? strtoull(at + strlen(v->reclaimable), NULL, 10) : 0;
}

static uint64_t left_in(const char *dir, const struct version *v, struct buf *text)
{
	uint64_t max, used, cache;

	/* the root group has no such file; a group without limit says "max", or a number near 2^63 */
	if (read_group(dir, v->limit, text) || text->data[0] < '0' || text->data[0] > '9')
		return UINT64_MAX;
	max = strtoull((const char *)text->data, NULL, 10);
	if (max >= NO_LIMIT || read_group(dir, v->usage, text))
		return UINT64_MAX;
	used = strtoull((const char *)text->data, NULL, 10);
	cache = reclaimable(dir, v, text);
	used -= cache < used ? cache : used;
	return used < max ? max - used : 0;
}

/* The path in a line "N:CONTROLLERS:/path": N is 0 in version 2; in 1, one of the controllers is memory. */
static const char *path_in(const char *line, bool want_v1)
{
	const char *controllers = strchr(line, ':'), *path, *word;
	size_t len;

	path = controllers ? strchr(controllers + 1, ':') : NULL;
	if (!path || path[1] != '/' || path > line + strcspn(line, "\n"))
		return NULL;
	if (!want_v1)
		return strncmp(line, "0::", 3) ? NULL : path + 1;
	for (word = controllers; word < path; word += len + 1) {
		len = strcspn(word + 1, ",:");
		if (len == 6 && !strncmp(word + 1, "memory", 6))
			return path + 1;
	}
	return NULL;
}

/* Directory of our group. The length of the part of it that is above all groups; 0: unknown. */
static size_t find_group(const char *self, const char *root, bool want_v1, struct buf *text, char *dir,
			 size_t size)
{
	const char *line, *path = NULL;
	int n;

	if (read_text(self, text))
		return 0;
	line = (const char *)text->data;
	while (line && !(path = path_in(line, want_v1))) {
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	/* "/../x": outside of what our namespace shows */
	if (!path || !strncmp(path, "/..", 3))
		return 0;
	n = snprintf(dir, size, "%s%s%.*s", root, want_v1 ? "/memory" : "", (int)strcspn(path, "\n"), path);
	return n > 0 && (size_t)n < size ? strlen(root) + (want_v1 ? strlen("/memory") : 0) : 0;
}

static uint64_t left_by(const char *self, const char *root, bool want_v1)
{
	uint64_t left = UINT64_MAX, here;
	char dir[PATH_MAX], *slash;
	struct buf text;
	size_t top;

	buf_init(&text, MAX_TEXT);
	top = find_group(self, root, want_v1, &text, dir, sizeof(dir));
	while (top) {
		here = left_in(dir, want_v1 ? &v1 : &v2, &text);
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

uint64_t cgroup_memory_left(const char *self, const char *root)
{
	uint64_t by_v1 = left_by(self, root, true), by_v2 = left_by(self, root, false);

	return by_v1 < by_v2 ? by_v1 : by_v2;
}

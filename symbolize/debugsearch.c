/* SPDX-License-Identifier: Apache-2.0 */
/* debugsearch.c - see debugsearch.h. */
#include "symbolize/debugsearch.h"

#include "base/io.h"
#include "collect/elf_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Our own root if the target shares it: no need to look twice. */
static int open_target_root(pid_t pid)
{
	struct stat theirs, ours;
	char path[40];
	int fd;

	if (pid <= 0)
		return -1;
	snprintf(path, sizeof(path), "/proc/%d/root", (int)pid);
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (fstat(fd, &theirs) ||
	    (!stat("/", &ours) && theirs.st_dev == ours.st_dev && theirs.st_ino == ours.st_ino)) {
		close(fd);
		return -1;
	}
	return fd;
}

void debugsearch_init(struct debugsearch *s, const struct debugfile_dirs *dirs, pid_t pid)
{
	*s = (struct debugsearch){.dirs = dirs, .target_root = open_target_root(pid), .why = DEBUGFILE_NONE};
}

void debugsearch_release(struct debugsearch *s)
{
	if (s->target_root >= 0)
		close(s->target_root);
	s->target_root = -1;
}

/* Below root @dir if it is a descriptor, else in our own root. Regular files only. */
static int open_below(int dir, const char *path)
{
	struct open_how how = {.flags = O_PATH | O_CLOEXEC,
			       .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
	int path_fd, fd;

	if (dir == AT_FDCWD)
		return io_open_regular(AT_FDCWD, path);
	path_fd = (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
	if (path_fd < 0)
		return -errno;
	fd = io_reopen_regular(path_fd);
	close(path_fd);
	return fd;
}

static void refuse(struct debugsearch *s, enum debugfile_why why)
{
	if (why > s->why)
		s->why = why;
}

/* Is the file of build id @id (@len bytes) the wanted one? */
static bool belongs(struct debugsearch *s, int fd, const uint8_t *id, uint8_t len)
{
	uint32_t crc;

	if (s->id_len && len) {
		if (len == s->id_len && !memcmp(id, s->id, len))
			return true;
		refuse(s, DEBUGFILE_OTHER_ID);
	} else if (!s->has_crc) {
		refuse(s, DEBUGFILE_OTHER_ID);
	} else if (debugfile_crc(fd, &crc)) {
		refuse(s, DEBUGFILE_UNREADABLE);
	} else if (crc == s->crc) {
		return true;
	} else {
		refuse(s, DEBUGFILE_OTHER_CRC);
	}
	return false;
}

/* The file at @path if it is the one: descriptor or -1. */
static int try_path(struct debugsearch *s, int root, const char *path)
{
	struct elf_source src = {.fd = -1};
	struct elf_file f;
	struct stat st;

	src.fd = open_below(root, path);
	if (src.fd < 0) {
		if (src.fd != -ENOENT && src.fd != -ENOTDIR)
			refuse(s, DEBUGFILE_UNREADABLE);
		return -1;
	}
	if (fstat(src.fd, &st) || (st.st_dev == s->self.st_dev && st.st_ino == s->self.st_ino))
		goto no;
	src.size = st.st_size > 0 ? (uint64_t)st.st_size : 0;
	if (elf_file_parse(&src, &f)) {
		refuse(s, DEBUGFILE_UNREADABLE);
		goto no;
	}
	if (s->any_id || belongs(s, src.fd, f.build_id, f.build_id_len)) {
		snprintf(s->found, sizeof(s->found), "%s", path);
		return src.fd;
	}
no:
	close(src.fd);
	return -1;
}

int debugsearch_path(struct debugsearch *s, const char *path)
{
	int fd = -1;

	if (s->target_root >= 0)
		fd = try_path(s, s->target_root, path);
	return fd < 0 ? try_path(s, AT_FDCWD, path) : fd;
}

int debugsearch_dirs(struct debugsearch *s, const char *path)
{
	char full[PATH_MAX];
	uint32_t i;
	int n, fd = -1;

	for (i = 0; s->dirs && i < s->dirs->n && fd < 0; i++) {
		n = snprintf(full, sizeof(full), "%s/%s", s->dirs->paths[i], path);
		if (n > 0 && (size_t)n < sizeof(full))
			fd = try_path(s, AT_FDCWD, full);
	}
	return fd;
}

int debugsearch_build_id(struct debugsearch *s, const char *suffix)
{
	char path[2 * PROFILE_BUILD_ID_MAX + 32];
	uint8_t i;
	int n, fd;

	if (s->id_len < 2 || s->id_len > PROFILE_BUILD_ID_MAX)
		return -1;
	n = snprintf(path, sizeof(path), ".build-id/%02x/", s->id[0]);
	for (i = 1; i < s->id_len; i++)
		n += snprintf(path + n, sizeof(path) - (size_t)n, "%02x", s->id[i]);
	snprintf(path + n, sizeof(path) - (size_t)n, "%.15s", suffix);
	fd = debugsearch_dirs(s, path);
	return fd < 0 ? debugsearch_printf(s, debugsearch_path, DEBUG_DIR "/%s", path) : fd;
}

int debugsearch_printf(struct debugsearch *s, int (*look)(struct debugsearch *, const char *),
		       const char *fmt, ...)
{
	char path[PATH_MAX];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(path, sizeof(path), fmt, ap);
	va_end(ap);
	return n > 0 && (size_t)n < sizeof(path) ? look(s, path) : -1;
}

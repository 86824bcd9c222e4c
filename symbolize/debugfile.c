/* SPDX-License-Identifier: Apache-2.0 */
/*
 * debugfile.c - see debugfile.h.
 *
 * Names and links come from the module, which may be anybody's: a link must be
 * a plain file name, nothing but regular files is opened and nothing blocks,
 * and below the target's root no link leads out of it.
 */
#include "symbolize/debugfile.h"

#include "base/io.h"
#include "symbolize/elfsec.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <zlib.h>

#define DEBUG_DIR    "/usr/lib/debug"
#define MAX_CRC_FILE (4ull << 30) /* bytes: a few seconds of reading */
#define MAX_LINK     (PATH_MAX + PROFILE_BUILD_ID_MAX + 8)

struct build_id {
	uint8_t bytes[PROFILE_BUILD_ID_MAX];
	uint8_t len;
};

struct search {
	int roots[2];     /* O_PATH of the target's root or -1; AT_FDCWD for ours */
	struct stat self; /* the module: it is not its own debug file */
	struct build_id id;
	bool has_crc;
	uint32_t crc;
	char found[PATH_MAX]; /* path of what was found */
};

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

int debugfile_crc(int fd, uint32_t *crc)
{
	static uint8_t block[256 << 10];
	uLong sum = crc32(0, NULL, 0);
	uint64_t off = 0;
	ssize_t n;

	for (;;) {
		n = io_pread_full(fd, block, sizeof(block), off);
		if (n < 0)
			return (int)n;
		if (!n)
			break;
		sum = crc32(sum, block, (uInt)n);
		off += (uint64_t)n;
		if (off > MAX_CRC_FILE)
			return -E2BIG;
	}
	*crc = (uint32_t)sum;
	return 0;
}

static void read_build_id(int fd, struct build_id *id)
{
	struct elf_source src = {.fd = fd};
	struct elf_file f;
	struct stat st;

	id->len = 0;
	if (fstat(fd, &st))
		return;
	src.size = (uint64_t)st.st_size;
	if (elf_file_parse(&src, &f))
		return;
	memcpy(id->bytes, f.build_id, f.build_id_len);
	id->len = f.build_id_len;
}

static bool same_id(const struct build_id *a, const struct build_id *b)
{
	return a->len && a->len == b->len && !memcmp(a->bytes, b->bytes, a->len);
}

/* The file at @path if it is the one: descriptor or -1. */
static int try_path(struct search *s, int root, const char *path)
{
	struct build_id id;
	struct stat st;
	uint32_t crc;
	int fd = open_below(root, path);

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) || (st.st_dev == s->self.st_dev && st.st_ino == s->self.st_ino))
		goto refuse;
	read_build_id(fd, &id);
	if (s->id.len && id.len) {
		if (!same_id(&s->id, &id))
			goto refuse;
	} else if (!s->has_crc || debugfile_crc(fd, &crc) || crc != s->crc) {
		goto refuse;
	}
	snprintf(s->found, sizeof(s->found), "%s", path);
	return fd;
refuse:
	close(fd);
	return -1;
}

static int try_roots(struct search *s, const char *path)
{
	int i, fd = -1;

	for (i = 0; i < 2 && fd < 0; i++)
		if (s->roots[i] != -1)
			fd = try_path(s, s->roots[i], path);
	return fd;
}

static int by_build_id(struct search *s)
{
	char path[sizeof(DEBUG_DIR) + 32 + 2 * PROFILE_BUILD_ID_MAX];
	int n;
	uint8_t i;

	if (s->id.len < 2)
		return -1;
	n = snprintf(path, sizeof(path), DEBUG_DIR "/.build-id/%02x/", s->id.bytes[0]);
	for (i = 1; i < s->id.len; i++)
		n += snprintf(path + n, sizeof(path) - (size_t)n, "%02x", s->id.bytes[i]);
	snprintf(path + n, sizeof(path) - (size_t)n, ".debug");
	return try_roots(s, path);
}

static int try_join(struct search *s, const char *prefix, const char *dir, int dir_len, const char *infix,
		    const char *name)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s%.*s/%s%s", prefix, dir_len, dir, infix, name);

	return n > 0 && (size_t)n < sizeof(path) ? try_roots(s, path) : -1;
}

/* @path is the module's, @name the link's: the places gdb's manual lists, and both sides of a merged /usr. */
static int by_link(struct search *s, const char *path, const char *name)
{
	const char *slash = strrchr(path, '/');
	int len, fd;

	if (path[0] != '/' || !slash)
		return -1;
	len = (int)(slash - path);
	fd = try_join(s, "", path, len, "", name);
	if (fd < 0)
		fd = try_join(s, "", path, len, ".debug/", name);
	if (fd < 0)
		fd = try_join(s, DEBUG_DIR, path, len, "", name);
	if (fd < 0 && !strncmp(path, "/usr/", 5))
		fd = try_join(s, DEBUG_DIR, path + 4, len - 4, "", name);
	else if (fd < 0)
		fd = try_join(s, DEBUG_DIR "/usr", path, len, "", name);
	return fd;
}

/* .gnu_debuglink: file name, NUL, padding to 4, CRC in the file's byte order. */
static char *read_link(const struct elfsec *elf, uint32_t *crc)
{
	const Elf64_Shdr *sh = elfsec_by_name(elf, ".gnu_debuglink");
	uint8_t *data;
	size_t len, name, at;

	if (!sh || elfsec_load(elf, sh, MAX_LINK, &data, &len))
		return NULL;
	name = strnlen((char *)data, len);
	at = (name + 4) & ~(size_t)3;
	if (!name || name > NAME_MAX || at > len || len - at < sizeof(*crc) || strchr((char *)data, '/') ||
	    !strcmp((char *)data, ".") || !strcmp((char *)data, "..")) {
		free(data);
		return NULL;
	}
	memcpy(crc, data + at, sizeof(*crc));
	return (char *)data;
}

static bool has_dwarf(const struct elfsec *elf)
{
	const Elf64_Shdr *sh = elfsec_by_name(elf, ".debug_info");

	if (!sh)
		sh = elfsec_by_name(elf, ".zdebug_info");
	return sh && sh->sh_type != SHT_NOBITS && sh->sh_size;
}

/* Relative to the directory of @holder, the file that names it. */
static int open_alt(struct search *s, const char *holder, const char *name)
{
	const char *slash = strrchr(holder, '/');

	if (name[0] == '/')
		return try_roots(s, name);
	return slash ? try_join(s, "", holder, (int)(slash - holder), "", name) : -1;
}

/* .gnu_debugaltlink: file name, NUL, the supplementary file's build id. */
static int find_alt(struct search *s, const struct elfsec *elf, const char *holder)
{
	const Elf64_Shdr *sh = elfsec_by_name(elf, ".gnu_debugaltlink");
	uint8_t *data;
	size_t len, name;
	int fd = -1;

	if (!sh || elfsec_load(elf, sh, MAX_LINK, &data, &len))
		return -1;
	name = strnlen((char *)data, len);
	if (name && name < len && len - name - 1 > 1 && len - name - 1 <= PROFILE_BUILD_ID_MAX) {
		s->id.len = (uint8_t)(len - name - 1);
		memcpy(s->id.bytes, data + name + 1, s->id.len);
		s->has_crc = false;
		fd = by_build_id(s);
		if (fd < 0)
			fd = open_alt(s, holder, (char *)data);
	}
	free(data);
	return fd;
}

static void find_both(struct search *s, int fd, const char *path, int *debug_fd, int *alt_fd)
{
	struct elfsec elf;
	char *link, holder[PATH_MAX];

	if (elfsec_open(&elf, fd, NULL, 0))
		return;
	if (has_dwarf(&elf)) {
		*alt_fd = find_alt(s, &elf, path);
		elfsec_close(&elf);
		return;
	}
	*debug_fd = by_build_id(s);
	link = read_link(&elf, &s->crc);
	s->has_crc = link;
	if (*debug_fd < 0 && link)
		*debug_fd = by_link(s, path, link);
	free(link);
	elfsec_close(&elf);
	if (*debug_fd < 0 || elfsec_open(&elf, *debug_fd, NULL, 0))
		return;
	/* try_path() overwrites what was found: keep the place the link is relative to. */
	memcpy(holder, s->found, sizeof(holder));
	*alt_fd = find_alt(s, &elf, holder);
	elfsec_close(&elf);
}

void debugfile_find(const struct profile_module *mod, const char *path, int *debug_fd, int *alt_fd)
{
	struct search s = {.roots = {-1, AT_FDCWD}};

	*debug_fd = *alt_fd = -1;
	if (mod->fd < 0 || fstat(mod->fd, &s.self))
		return;
	s.id.len = mod->build_id_len <= PROFILE_BUILD_ID_MAX ? mod->build_id_len : 0;
	memcpy(s.id.bytes, mod->build_id, s.id.len);
	s.roots[0] = open_target_root(mod->pid);
	find_both(&s, mod->fd, path, debug_fd, alt_fd);
	if (s.roots[0] >= 0)
		close(s.roots[0]);
}

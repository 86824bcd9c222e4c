/* SPDX-License-Identifier: Apache-2.0 */
/*
 * debugfile.c - see debugfile.h.
 *
 * Names and links come from the module, which may be anybody's: a link must be
 * a plain file name, and what it leads to must prove that it belongs.
 */
#include "symbolize/debugfile.h"

#include "base/io.h"
#include "symbolize/debugsearch.h"
#include "symbolize/elfsec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#define MAX_CRC_FILE (4ull << 30) /* bytes: a few seconds of reading */
#define MAX_LINK     (PATH_MAX + PROFILE_BUILD_ID_MAX + 8)

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

/* ---- the module's own links ---- */

/* @path is the module's, @link its link's name: gdb's manual lists the places; both sides of a merged /usr.
 */
static int by_link(struct debugsearch *s, const char *path, const char *link)
{
	const char *slash = strrchr(path, '/');
	int len, fd;

	if (path[0] != '/' || !slash)
		return -1;
	len = (int)(slash - path);
	fd = debugsearch_printf(s, debugsearch_dirs, "%.*s/%s", len, path, link);
	if (fd < 0)
		fd = debugsearch_dirs(s, link);
	if (fd < 0)
		fd = debugsearch_printf(s, debugsearch_path, "%.*s/%s", len, path, link);
	if (fd < 0)
		fd = debugsearch_printf(s, debugsearch_path, "%.*s/.debug/%s", len, path, link);
	if (fd < 0)
		fd = debugsearch_printf(s, debugsearch_path, DEBUG_DIR "%.*s/%s", len, path, link);
	if (fd < 0 && !strncmp(path, "/usr/", 5))
		fd = debugsearch_printf(s, debugsearch_path, DEBUG_DIR "%.*s/%s", len - 4, path + 4, link);
	else if (fd < 0)
		fd = debugsearch_printf(s, debugsearch_path, DEBUG_DIR "/usr%.*s/%s", len, path, link);
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

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Relative to the directory of @holder, the file that names it. */
static int open_alt(struct debugsearch *s, const char *holder, const char *name)
{
	const char *slash = strrchr(holder, '/');

	if (name[0] == '/')
		return debugsearch_path(s, name);
	return slash ? debugsearch_printf(s, debugsearch_path, "%.*s/%s", (int)(slash - holder), holder, name)
		     : -1;
}

/* .gnu_debugaltlink: file name, NUL, the supplementary file's build id. The name, to be freed; NULL: none. */
static char *read_alt(const struct elfsec *elf, uint8_t id[PROFILE_BUILD_ID_MAX], uint8_t *id_len)
{
	const Elf64_Shdr *sh = elfsec_by_name(elf, ".gnu_debugaltlink");
	uint8_t *data;
	size_t len, name;

	if (!sh || elfsec_load(elf, sh, MAX_LINK, &data, &len))
		return NULL;
	name = strnlen((char *)data, len);
	if (!name || name >= len || len - name - 1 < 2 || len - name - 1 > PROFILE_BUILD_ID_MAX) {
		free(data);
		return NULL;
	}
	*id_len = (uint8_t)(len - name - 1);
	memcpy(id, data + name + 1, *id_len);
	return (char *)data;
}

static int find_alt(const struct debugsearch *found, const struct elfsec *elf, const char *holder)
{
	struct debugsearch s = *found; /* its own id, and its own reason */
	char *name = read_alt(elf, s.id, &s.id_len);
	int fd;

	if (!name)
		return -1;
	s.has_crc = false;
	fd = debugsearch_build_id(&s, ".debug");
	if (fd < 0)
		fd = debugsearch_dirs(&s, base_name(name));
	if (fd < 0)
		fd = open_alt(&s, holder, name);
	free(name);
	return fd;
}

uint8_t debugfile_alt_id(int fd, uint8_t id[PROFILE_BUILD_ID_MAX])
{
	struct elfsec elf;
	uint8_t len = 0;

	if (elfsec_open(&elf, fd, NULL, 0))
		return 0;
	free(read_alt(&elf, id, &len));
	elfsec_close(&elf);
	return len;
}

bool debugfile_has_id(int fd, const uint8_t *id, uint8_t len)
{
	struct elf_source src = {.fd = fd};
	struct elf_file f;
	struct stat st;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		return false;
	src.size = (uint64_t)st.st_size;
	return !elf_file_parse(&src, &f) && len && f.build_id_len == len && !memcmp(f.build_id, id, len);
}

/* Its units name themselves, so it needs no build id. */
static int find_dwp(const struct debugsearch *found, const char *path)
{
	struct debugsearch s = *found;
	int fd;

	s.any_id = true;
	memset(&s.self, 0, sizeof(s.self));
	fd = debugsearch_printf(&s, debugsearch_dirs, "%s.dwp", base_name(path));
	if (fd < 0)
		fd = debugsearch_build_id(&s, ".dwp");
	if (fd < 0 && path[0] == '/')
		fd = debugsearch_printf(&s, debugsearch_path, "%s.dwp", path);
	if (fd < 0 && path[0] == '/')
		fd = debugsearch_printf(&s, debugsearch_path, DEBUG_DIR "%s.dwp", path);
	return fd;
}

/* ---- putting it together ---- */

static int find_separate(struct debugsearch *s, const struct elfsec *elf, const char *path)
{
	char *link;
	int fd = debugsearch_build_id(s, ".debug");

	link = read_link(elf, &s->crc);
	s->has_crc = link;
	if (fd < 0 && link)
		fd = by_link(s, path, link);
	free(link);
	return fd < 0 ? debugsearch_printf(s, debugsearch_dirs, "%s.debug", base_name(path)) : fd;
}

/* What @elf, known as @holder, needs besides: it has the DWARF. */
static void find_companions(struct debugsearch *s, const struct elfsec *elf, const char *holder,
			    const char *path, struct debugfile *out)
{
	out->alt_fd = find_alt(s, elf, holder);
	out->split = elfsec_by_name(elf, ".debug_addr") != NULL;
	if (!out->split)
		return;
	out->dwp_fd = find_dwp(s, path);
	if (out->dwp_fd < 0 && strcmp(holder, path) != 0)
		out->dwp_fd = find_dwp(s, holder);
}

static void find_all(struct debugsearch *s, const struct profile_module *mod, const char *path,
		     struct debugfile *out)
{
	char holder[PATH_MAX];
	struct elfsec elf;

	if (elfsec_open(&elf, mod->fd, mod->image, mod->image_size))
		return;
	if (has_dwarf(&elf)) {
		out->why = DEBUGFILE_OWN;
		find_companions(s, &elf, path, path, out);
		elfsec_close(&elf);
		return;
	}
	out->debug_fd = find_separate(s, &elf, path);
	elfsec_close(&elf);
	out->why = out->debug_fd < 0 ? s->why : DEBUGFILE_FOUND;
	if (out->debug_fd < 0 || elfsec_open(&elf, out->debug_fd, NULL, 0))
		return;
	/* later searches overwrite what was found: keep the place its links are relative to */
	memcpy(holder, s->found, sizeof(holder));
	find_companions(s, &elf, holder, path, out);
	elfsec_close(&elf);
}

void debugfile_find(const struct profile_module *mod, const char *path, const struct debugfile_dirs *dirs,
		    struct debugfile *out)
{
	struct debugsearch s;

	*out = (struct debugfile){.why = DEBUGFILE_NONE, .debug_fd = -1, .alt_fd = -1, .dwp_fd = -1};
	if (mod->fd < 0 && !mod->image)
		return;
	debugsearch_init(&s, dirs, mod->pid);
	if (mod->image || !fstat(mod->fd, &s.self)) {
		s.id_len = mod->build_id_len <= PROFILE_BUILD_ID_MAX ? mod->build_id_len : 0;
		memcpy(s.id, mod->build_id, s.id_len);
		find_all(&s, mod, path, out);
	}
	debugsearch_release(&s);
}

void debugfile_companions(const struct profile_module *mod, const char *path,
			  const struct debugfile_dirs *dirs, int fd, struct debugfile *out)
{
	struct debugsearch s;
	struct elfsec elf;

	*out = (struct debugfile){.why = DEBUGFILE_FOUND, .debug_fd = fd, .alt_fd = -1, .dwp_fd = -1};
	if (elfsec_open(&elf, fd, NULL, 0))
		return;
	debugsearch_init(&s, dirs, mod->pid);
	s.id_len = mod->build_id_len <= PROFILE_BUILD_ID_MAX ? mod->build_id_len : 0;
	memcpy(s.id, mod->build_id, s.id_len);
	find_companions(&s, &elf, path, path, out);
	debugsearch_release(&s);
	elfsec_close(&elf);
}

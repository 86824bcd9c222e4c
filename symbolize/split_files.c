/* SPDX-License-Identifier: Apache-2.0 */
/*
 * split_files.c - see split.h: which .dwo files are needed, and opening them.
 *
 * Names come from the module's DWARF by way of a process that may have been
 * taken over: what is opened must be a regular ELF file with a split unit in
 * it, and all that can ever come of it are names in a profile.
 */
#include "symbolize/split.h"

#include "symbolize/debugsearch.h"
#include "symbolize/elfsec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct split_files *split_new(int dwp_fd)
{
	struct split_files *s = calloc(1, sizeof(*s));

	if (!s && dwp_fd >= 0)
		close(dwp_fd);
	if (s)
		s->dwp_fd = dwp_fd;
	return s;
}

void split_free(struct split_files *s)
{
	uint32_t i;

	if (!s)
		return;
	for (i = 0; i < s->n; i++) {
		if (s->files[i].fd >= 0)
			close(s->files[i].fd);
		free(s->files[i].dir);
		free(s->files[i].name);
	}
	if (s->dwp_fd >= 0)
		close(s->dwp_fd);
	free(s->files);
	free(s);
}

int split_add(struct split_files *s, uint64_t id, const char *dir, const char *name)
{
	struct split_file f = {.id = id, .fd = -1}, *grown;

	if (s->n == SPLIT_MAX_FILES)
		return -ENOSPC;
	if (!name[0] || strlen(name) >= SPLIT_MAX_PATH || strlen(dir) >= SPLIT_MAX_PATH)
		return -EINVAL;
	grown = realloc(s->files, (s->n + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	s->files = grown;
	f.dir = strdup(dir);
	f.name = strdup(name);
	if (!f.dir || !f.name) {
		free(f.dir);
		free(f.name);
		return -ENOMEM;
	}
	s->files[s->n++] = f;
	return 0;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool has_split_unit(int fd)
{
	struct elfsec elf;
	bool has;

	if (elfsec_open(&elf, fd, NULL, 0))
		return false;
	has = elfsec_by_name(&elf, ".debug_info.dwo") || elfsec_by_name(&elf, ".zdebug_info.dwo");
	elfsec_close(&elf);
	return has;
}

static int find_file(struct debugsearch *s, const struct split_file *f, const char *path)
{
	const char *slash = strrchr(path, '/');
	int fd;

	fd = f->name[0] == '/' ? -1 : debugsearch_dirs(s, f->name);
	if (fd < 0)
		fd = debugsearch_dirs(s, base_name(f->name));
	if (fd < 0 && f->name[0] == '/')
		fd = debugsearch_path(s, f->name);
	else if (fd < 0 && f->dir[0] == '/')
		fd = debugsearch_printf(s, debugsearch_path, "%s/%s", f->dir, f->name);
	if (fd < 0 && path[0] == '/' && slash)
		fd = debugsearch_printf(s, debugsearch_path, "%.*s/%s", (int)(slash - path), path,
					base_name(f->name));
	if (fd >= 0 && !has_split_unit(fd)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

void split_open(struct split_files *s, const struct profile_module *mod, const char *path,
		const struct debugfile_dirs *dirs, uint32_t *budget)
{
	struct debugsearch search;
	uint32_t i;

	debugsearch_init(&search, dirs, mod->pid);
	search.any_id = true;
	for (i = 0; i < s->n && *budget; i++) {
		if (s->files[i].fd >= 0)
			continue;
		s->files[i].fd = find_file(&search, &s->files[i], path);
		if (s->files[i].fd >= 0)
			--*budget;
	}
	debugsearch_release(&search);
}

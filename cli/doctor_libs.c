/* SPDX-License-Identifier: Apache-2.0 */
/* doctor_libs.c - which libraries a program would be started with, found without starting it. */
#include "cli/doctor_file.h"

#include "base/io.h"
#include "symbolize/elfsec.h"

#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIBRARIES_MAX 256
#define DIRS_MAX      128
#define DYNAMIC_MAX   65536u
#define STRINGS_MAX   (16u << 20)
#define CONF_MAX      65536u

struct search {
	char *dirs[DIRS_MAX]; /* the system's own, in order; owned */
	uint32_t n_dirs;
	char *names[LIBRARIES_MAX]; /* sonames met so far; owned */
	char *paths[LIBRARIES_MAX]; /* where they are; NULL: nowhere; owned */
	uint32_t n;
	uint16_t machine;
};

static void add_dir(struct search *s, const char *dir, size_t len)
{
	if (len && s->n_dirs < DIRS_MAX)
		s->dirs[s->n_dirs] = strndup(dir, len);
	if (len && s->n_dirs < DIRS_MAX && s->dirs[s->n_dirs])
		s->n_dirs++;
}

/* One directory a line, '#' begins a comment; what other files it includes is looked for by system_dirs(). */
static void add_conf(struct search *s, const char *path)
{
	const char *line, *end;
	struct buf text;

	buf_init(&text, CONF_MAX);
	if (!io_read_file(AT_FDCWD, path, &text) && !buf_put_u8(&text, 0)) {
		for (line = (const char *)text.data; *line; line = *end ? end + 1 : end) {
			end = strchrnul(line, '\n');
			if (*line == '/')
				add_dir(s, line, strcspn(line, " \t#\n"));
		}
	}
	buf_release(&text);
}

static void add_list(struct search *s, const char *list)
{
	const char *end;

	for (; list && *list; list = *end ? end + 1 : end) {
		end = strchrnul(list, ':');
		add_dir(s, list, (size_t)(end - list));
	}
}

static void system_dirs(struct search *s)
{
	static const char *const usual[] = {"/lib64", "/usr/lib64", "/lib", "/usr/lib", "/usr/local/lib"};
	glob_t g;
	size_t i;

	add_list(s, getenv("LD_LIBRARY_PATH"));
	add_conf(s, "/etc/ld.so.conf");
	if (!glob("/etc/ld.so.conf.d/*.conf", 0, NULL, &g)) {
		for (i = 0; i < g.gl_pathc; i++)
			add_conf(s, g.gl_pathv[i]);
		globfree(&g);
	}
	for (i = 0; i < sizeof(usual) / sizeof(*usual); i++)
		add_dir(s, usual[i], strlen(usual[i]));
}

/* @dir (of @len bytes), which may begin with $ORIGIN, and @name behind it. A descriptor, or -1. */
static int try_dir(const struct search *s, const char *dir, size_t len, const char *of, const char *name,
		   char path[PATH_MAX])
{
	const char *slash = strrchr(of, '/');
	size_t skip = !strncmp(dir, "$ORIGIN", 7) ? 7 : !strncmp(dir, "${ORIGIN}", 9) ? 9 : 0;
	int n, fd;
	struct elf_source src;
	struct elf_file e;

	if (skip > len)
		return -1;
	n = snprintf(path, PATH_MAX, "%.*s%.*s/%s", skip && slash ? (int)(slash - of) : 0, of,
		     (int)(len - skip), dir + skip, name);
	if (n < 0 || n >= PATH_MAX)
		return -1;
	fd = io_open_regular(AT_FDCWD, path);
	if (fd < 0)
		return -1;
	src = (struct elf_source){.fd = fd, .size = UINT64_MAX};
	if (!elf_file_parse(&src, &e) && e.machine == s->machine)
		return fd;
	close(fd); /* of another machine: ld.so looks on, too */
	return -1;
}

static int find_library(const struct search *s, const char *of, const char *runpath, const char *name,
			char path[PATH_MAX])
{
	const char *end;
	int fd = -1;
	uint32_t i;

	if (strchr(name, '/')) {
		snprintf(path, PATH_MAX, "%s", name);
		return io_open_regular(AT_FDCWD, path);
	}
	for (; runpath && *runpath && fd < 0; runpath = *end ? end + 1 : end) {
		end = strchrnul(runpath, ':');
		fd = try_dir(s, runpath, (size_t)(end - runpath), of, name, path);
	}
	for (i = 0; i < s->n_dirs && fd < 0; i++)
		fd = try_dir(s, s->dirs[i], strlen(s->dirs[i]), of, name, path);
	return fd;
}

static bool known(const struct search *s, const char *name)
{
	uint32_t i;

	for (i = 0; i < s->n; i++)
		if (!strcmp(s->names[i], name))
			return true;
	return false;
}

static void add_library(struct search *s, const char *of, const char *runpath, const char *name)
{
	char path[PATH_MAX];
	int fd;

	if (s->n == LIBRARIES_MAX || known(s, name))
		return;
	fd = find_library(s, of, runpath, name, path);
	s->names[s->n] = strdup(name);
	s->paths[s->n] = fd < 0 ? NULL : strdup(path);
	s->n += s->names[s->n] != NULL;
	if (fd >= 0)
		close(fd);
}

/* The next string from *@at on that an entry of @tag (or @or) of the dynamic section names; NULL: no more. */
static const char *next_string(const uint8_t *dyn, size_t n, size_t *at, int64_t tag, int64_t or,
			       const uint8_t *str, size_t len)
{
	Elf64_Dyn d;

	while (*at + sizeof(d) <= n) {
		memcpy(&d, dyn + *at, sizeof(d));
		*at += sizeof(d);
		if (d.d_tag == DT_NULL)
			*at = n;
		else if ((d.d_tag == tag || d.d_tag == or) && d.d_un.d_val < len)
			return (const char *)str + d.d_un.d_val;
	}
	return NULL;
}

/* What @fd, the file at @of, needs. The strings end with a NUL: elfsec_load(). */
static void add_needed(struct search *s, const char *of, int fd)
{
	const char *runpath, *name;
	uint8_t *dyn = NULL, *str = NULL;
	const Elf64_Shdr *dynamic, *strings;
	size_t n = 0, len = 0, at = 0;
	struct elfsec e;

	if (elfsec_open(&e, fd, NULL, 0))
		return;
	s->machine = e.eh.e_machine;
	dynamic = elfsec_by_type(&e, SHT_DYNAMIC);
	strings = dynamic && dynamic->sh_link < e.n_sh ? &e.sh[dynamic->sh_link] : NULL;
	if (strings && !elfsec_load(&e, dynamic, DYNAMIC_MAX, &dyn, &n) &&
	    !elfsec_load(&e, strings, STRINGS_MAX, &str, &len)) {
		runpath = next_string(dyn, n, &at, DT_RUNPATH, DT_RPATH, str, len);
		for (at = 0; (name = next_string(dyn, n, &at, DT_NEEDED, DT_NEEDED, str, len));)
			add_library(s, of, runpath, name);
	}
	free(dyn);
	free(str);
	elfsec_close(&e);
}

void doctor_libraries(const char *path, int fd, void (*each)(const char *path, const char *name, void *arg),
		      void *arg)
{
	struct search *s = calloc(1, sizeof(*s));
	uint32_t i;
	int lib;

	if (!s)
		return;
	system_dirs(s);
	add_needed(s, path, fd);
	for (i = 0; i < s->n; i++) { /* which grows as it goes */
		lib = s->paths[i] ? io_open_regular(AT_FDCWD, s->paths[i]) : -1;
		if (lib >= 0) {
			add_needed(s, s->paths[i], lib);
			close(lib);
		}
	}
	for (i = 0; i < s->n; i++) {
		each(s->paths[i], s->names[i], arg);
		free(s->names[i]);
		free(s->paths[i]);
	}
	for (i = 0; i < s->n_dirs; i++)
		free(s->dirs[i]);
	free(s);
}

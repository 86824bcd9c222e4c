/* SPDX-License-Identifier: Apache-2.0 */
/*
 * elf_fixture.h - for tests of symbolizing: a profile whose locations are chosen addresses of real files.
 */
#ifndef TESTS_ELF_FIXTURE_H
#define TESTS_ELF_FIXTURE_H

#include "base/io.h"
#include "collect/elf_file.h"
#include "collect/profile.h"
#include "symbolize/symbolize.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* Run a shell command; its exit status. */
__attribute__((format(printf, 1, 2))) static inline int sh(const char *fmt, ...)
{
	char cmd[8192];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	return n > 0 && (size_t)n < sizeof(cmd) ? system(cmd) : -1;
}

static inline int write_text(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	if (!f)
		return -1;
	fputs(text, f);
	return fclose(f);
}

/* The ELF address of symbol @name in the file @path, by nm(1). */
static inline uint64_t symbol_address(const char *path, const char *name)
{
	unsigned long long addr = 0;
	char command[256];
	FILE *f;

	snprintf(command, sizeof(command), "nm %s | grep ' %s$'", path, name);
	f = popen(command, "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%llx", &addr), 1);
	pclose(f);
	return addr;
}

/* The address of a function of the kernel; 0 when kallsyms hides them. */
static inline uint64_t kernel_symbol(const char *want)
{
	unsigned long long addr;
	char line[512], name[256];
	FILE *f = fopen("/proc/kallsyms", "r");

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%llx %*c %255s", &addr, name) == 2 && !strcmp(name, want)) {
			fclose(f);
			return addr;
		}
	}
	if (f)
		fclose(f);
	return 0;
}

/* A directory of its own for a test in @dir, from a mkdtemp(3) template, with @program as prog.c. 0 or -1. */
static inline int program_directory(char *dir, const char *template, const char *program)
{
	char path[96];

	strcpy(dir, template);
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/prog.c", dir);
	return write_text(path, program);
}

/* A file of the test data, with a NUL behind it; free() it. */
static inline uint8_t *fixture_read(const char *path, size_t *len)
{
	uint8_t *data = NULL;
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0 && !fstat(fd, &st))
		data = calloc((size_t)st.st_size + 1, 1);
	if (data && io_read_full(fd, data, (size_t)st.st_size) != st.st_size) {
		free(data);
		data = NULL;
	}
	if (fd >= 0)
		close(fd);
	*len = data ? (size_t)st.st_size : 0;
	return data;
}

/* An open module for the file @path, or PROFILE_NONE. Its descriptor is closed by fixture_close(). */
static inline uint32_t fixture_module(struct profile *p, const char *path)
{
	struct profile_module m = {.kind = MODULE_FILE, .fd = -1};
	struct elf_source src = {.fd = -1};
	struct elf_file f;
	struct stat st;

	m.fd = io_open_regular(AT_FDCWD, path);
	if (m.fd < 0 || fstat(m.fd, &st))
		return PROFILE_NONE;
	src.fd = m.fd;
	src.size = m.file_size = (uint64_t)st.st_size;
	if (elf_file_parse(&src, &f)) {
		close(m.fd);
		return PROFILE_NONE;
	}
	m.e_type = f.type;
	m.e_machine = f.machine;
	m.n_segments = f.n_segments;
	memcpy(m.segments, f.segments, sizeof(m.segments));
	m.build_id_len = f.build_id_len;
	memcpy(m.build_id, f.build_id, sizeof(m.build_id));
	strtab_put(&p->strings, path, &m.path);
	return profile_add_module(p, &m);
}

static inline void fixture_close(struct profile *p)
{
	uint32_t i;

	for (i = 0; i < p->n_modules; i++)
		if (p->modules[i].fd >= 0)
			close(p->modules[i].fd);
	profile_release(p);
}

/* The location of ELF address @vaddr in @module, in a mapping per segment; PROFILE_NONE outside of code. */
static inline uint32_t fixture_location(struct profile *p, uint32_t module, uint64_t vaddr)
{
	const struct profile_module *m = &p->modules[module];
	const struct module_segment *s;
	uint32_t mapping, i;

	for (i = 0; i < m->n_segments; i++) {
		s = &m->segments[i];
		if (!(s->flags & 1) || vaddr < s->vaddr || vaddr - s->vaddr >= s->filesz)
			continue;
		mapping = profile_mapping(p, module, 0x7f0000000000 + ((uint64_t)module << 32) + s->vaddr,
					  0x7f0000000000 + ((uint64_t)module << 32) + s->vaddr + s->memsz,
					  s->off);
		return profile_location(p, mapping, s->off + (vaddr - s->vaddr));
	}
	return PROFILE_NONE;
}

static inline const struct names_location *fixture_names(const struct names *n, uint32_t loc)
{
	static const struct names_location none;

	return loc < n->n_locations ? &n->locations[loc] : &none;
}

/* Frame @i of a location, innermost first: its function as the linker knows it. */
static inline const char *frame_system_name(const struct names *n, uint32_t loc, uint32_t i)
{
	const struct names_location *l = fixture_names(n, loc);

	return i < l->n ? strtab_get(&n->strings, n->frames[l->first + i].system_name) : "(none)";
}

static inline const char *frame_function(const struct names *n, uint32_t loc, uint32_t i)
{
	const struct names_location *l = fixture_names(n, loc);

	return i < l->n ? strtab_get(&n->strings, n->frames[l->first + i].function) : "(none)";
}

static inline const char *frame_file(const struct names *n, uint32_t loc, uint32_t i)
{
	const struct names_location *l = fixture_names(n, loc);
	const char *file = i < l->n ? strtab_get(&n->strings, n->frames[l->first + i].file) : "";
	const char *slash = strrchr(file, '/');

	return slash ? slash + 1 : file;
}

static inline uint32_t frame_line(const struct names *n, uint32_t loc, uint32_t i)
{
	const struct names_location *l = fixture_names(n, loc);

	return i < l->n ? n->frames[l->first + i].line : 0;
}

#endif

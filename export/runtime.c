/* SPDX-License-Identifier: Apache-2.0 */
/* runtime.c - see runtime.h. */
#include "export/runtime.h"

#include "base/io.h"
#include "symbolize/elfsec.h"

#include <ctype.h>
#include <fcntl.h>
#include <gnu/libc-version.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_DYNAMIC  65536u
#define MAX_DYNSTR   (16u << 20)
#define MAX_COMMENT  65536u
#define MAX_CONSTANT (4u << 20) /* bytes of .rodata looked through */

static void set(struct runtime *r, const char *language, const char *runtime)
{
	r->language = language;
	r->runtime = runtime;
}

/* "1.2.3" at the start of @s. */
static void set_version(struct runtime *r, const char *s)
{
	size_t n = 0;

	while (n + 1 < sizeof(r->version) && (isalnum((unsigned char)s[n]) || strchr(".-+_", s[n])) && s[n])
		n++;
	memcpy(r->version, s, n);
	r->version[n] = '\0';
}

/* ---- by name ---- */

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* python, python3, python3.11, python3.11-dbg; *@version: behind the word. */
static bool is_python(const char *name, const char **version)
{
	size_t n = strlen("python");

	if (strncmp(name, "python", n) || !(isdigit((unsigned char)name[n]) || !name[n]))
		return false;
	*version = name + n;
	return true;
}

/* JAVA_VERSION="17.0.9" in the file "release" of a Java installation. */
static void java_version(struct runtime *r, const struct facts *f)
{
	const char *of = *f->mapped_runtime ? f->mapped_runtime : f->exe;
	char path[PATH_MAX + 16], *slash, *at;
	unsigned up;
	struct buf text;

	if (!f->same_root)
		return;
	snprintf(path, sizeof(path), "%s", of);
	buf_init(&text, 65536);
	for (up = 0; up < 4 && !*r->version; up++) {
		slash = strrchr(path, '/');
		if (!slash)
			break;
		strcpy(slash, "/release");
		buf_clear(&text);
		at = NULL;
		if (!io_read_file(AT_FDCWD, path, &text) && !buf_put_u8(&text, 0))
			at = strstr((char *)text.data, "JAVA_VERSION=\"");
		if (at)
			set_version(r, at + strlen("JAVA_VERSION=\""));
		*slash = '\0';
	}
	buf_release(&text);
}

static bool by_name(struct runtime *r, const struct facts *f, const char *file)
{
	const char *name = base_name(file), *version;

	if (!strncmp(name, "libpython", strlen("libpython")))
		name += strlen("lib");
	if (is_python(name, &version)) {
		set(r, "python", "CPython");
		set_version(r, version);
		if (strstr(r->version, ".so"))
			*strstr(r->version, ".so") = '\0';
		return true;
	}
	if (!strcmp(name, "java") || !strncmp(name, "libjvm.so", 9) || !strncmp(name, "libjli.so", 9)) {
		set(r, "java", "JVM");
		java_version(r, f);
		return true;
	}
	if (!strcmp(name, "node") || !strcmp(name, "nodejs") || !strncmp(name, "libnode.so", 10)) {
		set(r, "javascript", "Node.js");
		return true;
	}
	return false;
}

/* ---- by the file ---- */

/* Go's build information since 1.18: 32 bytes of head, flag 2, then the version with its length before it. */
static bool is_go(struct runtime *r, const struct elfsec *e)
{
	static const char magic[] = "\xff Go buildinf:";
	const Elf64_Shdr *sh = elfsec_by_name(e, ".go.buildinfo");
	size_t len = 0, n;
	char version[64];
	uint8_t *data;

	if (!sh)
		return elfsec_by_name(e, ".gopclntab") || elfsec_by_name(e, ".note.go.buildid");
	if (!elfsec_load(e, sh, 1u << 20, &data, &len)) {
		n = len > 33 ? data[32] : 0;
		if (n && n < sizeof(version) && n < len - 33 && !memcmp(data, magic, sizeof(magic) - 1) &&
		    (data[15] & 2)) {
			memcpy(version, data + 33, n);
			version[n] = '\0';
			set_version(r, version + (strncmp(version, "go", 2) ? 0 : 2));
		}
		free(data);
	}
	return true;
}

/* The standard library's source paths: "/rustc/" and the 40 hex digits of the compiler's commit. */
static bool has_rust_paths(const struct elfsec *e)
{
	const Elf64_Shdr *sh = elfsec_by_name(e, ".rodata");
	size_t len = sh && sh->sh_size < MAX_CONSTANT ? (size_t)sh->sh_size : MAX_CONSTANT, i;
	uint8_t *data = sh ? malloc(len + 1) : NULL, *at;
	bool found = false;

	if (data && !elf_source_read(&e->src, sh->sh_offset, data, len)) {
		for (at = data; !found && (at = memmem(at, len - (size_t)(at - data), "/rustc/", 7)); at++) {
			for (i = 7; i < 47 && (size_t)(at - data) + i < len && isxdigit(at[i]); i++)
				;
			found = i == 47;
		}
	}
	free(data);
	return found;
}

static bool is_rust(struct runtime *r, const struct elfsec *e)
{
	const Elf64_Shdr *sh = elfsec_by_name(e, ".comment");
	uint8_t *data = NULL;
	size_t len = 0;
	char *at = NULL;

	if (sh && !elfsec_load(e, sh, MAX_COMMENT, &data, &len)) {
		at = memmem(data, len, "rustc version ", 14); /* a NUL follows the contents */
		if (at)
			set_version(r, at + 14);
	}
	free(data);
	return at || has_rust_paths(e);
}

/* Call @fn with each library named in the dynamic section until it says true. */
static bool any_needed(const struct elfsec *e, bool (*fn)(const char *library, void *arg), void *arg)
{
	const Elf64_Shdr *dynamic = elfsec_by_type(e, SHT_DYNAMIC), *strings;
	uint8_t *dyn = NULL, *str = NULL;
	size_t n = 0, len = 0, i;
	bool found = false;
	Elf64_Dyn d;

	strings = dynamic && dynamic->sh_link < e->n_sh ? &e->sh[dynamic->sh_link] : NULL;
	if (!strings || elfsec_load(e, dynamic, MAX_DYNAMIC, &dyn, &n) ||
	    elfsec_load(e, strings, MAX_DYNSTR, &str, &len))
		goto done;
	for (i = 0; i + sizeof(d) <= n && !found; i += sizeof(d)) {
		memcpy(&d, dyn + i, sizeof(d));
		if (d.d_tag == DT_NULL)
			break;
		if (d.d_tag == DT_NEEDED && d.d_un.d_val < len)
			found = fn((char *)str + d.d_un.d_val, arg);
	}
done:
	free(dyn);
	free(str);
	return found;
}

static bool is_cpp_library(const char *library, void *arg)
{
	(void)arg;
	return !strncmp(library, "libstdc++.so", 12) || !strncmp(library, "libc++.so", 9);
}

struct name_context {
	struct runtime *r;
	const struct facts *f;
};

static bool is_interpreter_library(const char *library, void *arg)
{
	const struct name_context *c = arg;

	return !strncmp(library, "lib", 3) && by_name(c->r, c->f, library);
}

static void read_libc(struct runtime *r, const struct elfsec *e, const struct facts *f)
{
	const Elf64_Shdr *sh = elfsec_by_name(e, ".interp");
	uint8_t *data = NULL;
	size_t len = 0;

	if (!sh)
		strcpy(r->libc, "static");
	else if (elfsec_load(e, sh, PATH_MAX, &data, &len))
		return;
	else if (strstr((char *)data, "/ld-musl-"))
		strcpy(r->libc, "musl");
	else if (strstr((char *)data, "/ld-linux"))
		snprintf(r->libc, sizeof(r->libc), f->same_root ? "glibc %.20s" : "glibc",
			 gnu_get_libc_version());
	free(data);
}

static void read_build_id(struct runtime *r, int fd)
{
	struct elf_source src = {.fd = fd};
	struct elf_file ef;
	struct stat st;
	uint8_t i;

	if (fstat(fd, &st))
		return;
	src.size = (uint64_t)st.st_size;
	if (elf_file_parse(&src, &ef))
		return;
	for (i = 0; i < ef.build_id_len && i < RUNTIME_BUILD_ID_MAX; i++)
		snprintf(r->build_id + 2 * i, 3, "%02x", ef.build_id[i]);
}

static void by_file(struct runtime *r, const struct facts *f, const struct elfsec *e)
{
	struct name_context c = {r, f};

	read_libc(r, e, f);
	if (r->language || any_needed(e, is_interpreter_library, &c))
		return;
	if (is_go(r, e))
		set(r, "go", "Go");
	else if (is_rust(r, e))
		set(r, "rust", "Rust");
	else
		set(r, any_needed(e, is_cpp_library, NULL) ? "cpp" : "c", "native");
}

void runtime_recognize(struct runtime *r, const struct facts *f)
{
	struct elfsec e;
	int fd;

	*r = (struct runtime){.language = NULL};
	if (!*f->exe || !by_name(r, f, f->exe))
		(void)(*f->mapped_runtime && by_name(r, f, f->mapped_runtime));
	fd = f->exe_fd >= 0 ? io_reopen_regular(f->exe_fd) : -1;
	if (fd >= 0) {
		read_build_id(r, fd);
		if (!elfsec_open(&e, fd, NULL, 0)) {
			by_file(r, f, &e);
			elfsec_close(&e);
		}
		close(fd);
	}
	if (!r->runtime)
		r->runtime = "native";
}

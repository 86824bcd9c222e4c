/* SPDX-License-Identifier: Apache-2.0 */
/* unreachable.c - see unreachable.h. */
#include "cli/unreachable.h"

#include "base/io.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define HEAD_MAX    4096 /* of a file: the kernel, too, wants the program headers in its first page */
#define SCRIPTS_MAX 4    /* interpreters that are scripts themselves */
#define HEADERS_MAX 64
#define NOTE_MAX    1024

/* As execvp() would: a file that may not be executed is passed over, and is the error in the end. */
static int open_program(const char *program, char path[PATH_MAX])
{
	const char *dirs = strchr(program, '/') ? "" : getenv("PATH"), *end;
	struct stat st;
	int n, fd, err = ENOENT;

	if (dirs && !dirs[0]) {
		snprintf(path, PATH_MAX, "%s", program);
		fd = access(path, X_OK) ? -1 : open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		return fd < 0 ? -errno : fd;
	}
	for (; dirs; dirs = *end ? end + 1 : NULL) {
		end = strchrnul(dirs, ':');
		n = snprintf(path, PATH_MAX, "%.*s%s%s", (int)(end - dirs < PATH_MAX ? end - dirs : PATH_MAX),
			     dirs, end == dirs ? "./" : "/", program);
		if (n <= 0 || n >= PATH_MAX || stat(path, &st) || !S_ISREG(st.st_mode))
			continue;
		if (!access(path, X_OK)) {
			fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
			return fd < 0 ? -errno : fd;
		}
		err = EACCES;
	}
	return -err;
}

/* "#!interpreter argument": the interpreter's path in @head, or NULL. */
static char *interpreter(char *head, size_t n)
{
	char *path = head + 2;

	if (n < 3 || memcmp(head, "#!", 2) != 0)
		return NULL;
	path += strspn(path, " \t");
	path[strcspn(path, " \t\r\n")] = '\0';
	return *path ? path : NULL;
}

static bool has_go_note(int fd, const Elf64_Phdr *ph)
{
	char note[NOTE_MAX];
	size_t want = ph->p_filesz < sizeof(note) ? (size_t)ph->p_filesz : sizeof(note);
	ssize_t n = pread(fd, note, want, (off_t)ph->p_offset);
	const Elf64_Nhdr *h = (const void *)note;

	return n >= (ssize_t)(sizeof(*h) + 4) && h->n_namesz == 4 && !memcmp(note + sizeof(*h), "Go\0", 4);
}

static const char *look_at_elf(int fd, const char *head, size_t n)
{
	Elf64_Ehdr eh;
	Elf64_Phdr ph;
	bool dynamic = false;
	unsigned i;

	if (n < sizeof(eh) || memcmp(head, ELFMAG, SELFMAG) != 0)
		return NULL;
	if (head[EI_CLASS] != ELFCLASS64)
		return "it is a 32-bit program";
	memcpy(&eh, head, sizeof(eh));
	for (i = 0; i < eh.e_phnum && i < HEADERS_MAX && eh.e_phentsize == sizeof(ph); i++) {
		uint64_t at = eh.e_phoff + i * sizeof(ph);

		if (eh.e_phoff > n || at + sizeof(ph) > n)
			return NULL;
		memcpy(&ph, head + at, sizeof(ph));
		if (ph.p_type == PT_NOTE && has_go_note(fd, &ph))
			return "it is a Go program";
		dynamic |= ph.p_type == PT_INTERP;
	}
	return dynamic ? NULL : "it is statically linked";
}

/* The dynamic linker does not listen to whoever starts a program that has more rights than he. */
static bool is_privileged(int fd)
{
	struct stat st;

	if (geteuid() == 0)
		return false;
	return (!fstat(fd, &st) && (st.st_mode & (S_ISUID | S_ISGID))) ||
	       fgetxattr(fd, "security.capability", NULL, 0) > 0;
}

/* Follow "#!" lines from @program to what the kernel would load. */
static int find(const char *program, char path[PATH_MAX], char head[HEAD_MAX + 1], ssize_t *n)
{
	char name[PATH_MAX], *next;
	unsigned i;
	int fd = -ELOOP;

	snprintf(name, sizeof(name), "%s", program);
	for (i = 0; i < SCRIPTS_MAX; i++) {
		fd = open_program(name, path);
		*n = fd < 0 ? -1 : pread(fd, head, HEAD_MAX, 0);
		head[*n > 0 ? *n : 0] = '\0';
		next = *n > 0 ? interpreter(head, (size_t)*n) : NULL;
		if (!next)
			return fd;
		snprintf(name, sizeof(name), "%s", next);
		close(fd);
		fd = -ELOOP;
	}
	return fd;
}

int target_find(const char *program, char path[TARGET_PATH_MAX])
{
	char head[HEAD_MAX + 1];
	ssize_t n;

	return find(program, path, head, &n);
}

bool target_unreachable(const char *program, char *why, size_t len)
{
	char head[HEAD_MAX + 1] __attribute__((aligned(8))), path[PATH_MAX];
	const char *reason = NULL;
	ssize_t n = -1;
	int fd = find(program, path, head, &n);

	if (n > 0)
		reason = is_privileged(fd) ? "it has rights of its own (set-user-ID)"
					   : look_at_elf(fd, head, (size_t)n);
	if (fd >= 0)
		close(fd);
	if (reason)
		snprintf(why, len, "%s", reason);
	return reason;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* git.c - see git.h. */
#include "export/git.h"

#include "base/io.h"
#include "export/secrets.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_UP    64
#define MAX_SMALL 65536u
#define MAX_REFS  (4u << 20)
#define MAX_LINKS 5 /* symbolic references that name another */

/* A regular file below @dirfd as text; NULL: not there, or too long. The caller frees. */
static char *read_file(int dirfd, const char *name, size_t max)
{
	int fd = io_open_regular(dirfd, name);
	struct buf text;
	char path[64];
	int err;

	if (fd < 0)
		return NULL;
	buf_init(&text, max);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	err = io_read_file(AT_FDCWD, path, &text);
	if (!err)
		err = buf_put_u8(&text, 0);
	close(fd);
	if (err)
		buf_release(&text);
	return (char *)text.data;
}

static bool take_commit(struct git_info *g, const char *s)
{
	size_t n = 0;

	while (n < 65 && isxdigit((unsigned char)s[n]))
		n++;
	if ((n != 40 && n != 64) || (s[n] && !isspace((unsigned char)s[n])))
		return false;
	memcpy(g->commit, s, n);
	g->commit[n] = '\0';
	return true;
}

static void packed_ref(struct git_info *g, int dirfd, const char *ref)
{
	char *text = read_file(dirfd, "packed-refs", MAX_REFS), *line, *next, *space;

	for (line = text; line && *line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		else
			next = line + strlen(line);
		space = strchr(line, ' ');
		if (space && !strcmp(space + 1, ref) && take_commit(g, line))
			break;
	}
	free(text);
}

/* What HEAD stands for. @common: where the references of a linked work tree are. */
static void read_commit(struct git_info *g, int dirfd, int common)
{
	char ref[512] = "HEAD", *text;
	unsigned i;
	bool done;

	for (i = 0; i < MAX_LINKS; i++) {
		text = read_file(i ? common : dirfd, ref, MAX_SMALL);
		if (!text) {
			packed_ref(g, common, ref);
			return;
		}
		done = take_commit(g, text) || strncmp(text, "ref: refs/", 10) || strstr(text, "..");
		if (!done)
			snprintf(ref, sizeof(ref), "%.*s", (int)strcspn(text + 5, "\r\n"), text + 5);
		free(text);
		if (done)
			return;
	}
}

void git_clean_url(const char *url, char *out, size_t len)
{
	char text[1024];
	char *at, *colon;

	snprintf(text, sizeof(text), "%s", url);
	if (strstr(text, "://")) {
		(void)secrets_take_user(NULL, text);
	} else {
		at = strchr(text, '@');
		colon = strchr(text, ':');
		if (at && (!colon || at < colon || strchr(at, ':')))
			memmove(text, at + 1, strlen(at + 1) + 1);
	}
	snprintf(out, len, "%s", text);
}

static void read_origin(struct git_info *g, int common)
{
	char *text = read_file(common, "config", MAX_SMALL), *line, *next, *value;
	bool origin = false;

	for (line = text; line && *line && !*g->repository; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		else
			next = line + strlen(line);
		line += strspn(line, " \t");
		if (*line == '[')
			origin = !strncmp(line, "[remote \"origin\"]", 17);
		value = origin && !strncmp(line, "url", 3) ? line + 3 + strspn(line + 3, " \t") : NULL;
		if (!value || *value != '=')
			continue;
		value += 1 + strspn(value + 1, " \t");
		value[strcspn(value, "\r")] = '\0';
		git_clean_url(value, g->repository, sizeof(g->repository));
	}
	free(text);
}

/* A file ".git" names the directory: "gitdir: PATH". Descriptor or -1. */
static int follow_file(int dirfd)
{
	char *text = read_file(dirfd, ".git", MAX_SMALL);
	int fd = -1;

	if (text && !strncmp(text, "gitdir: ", 8)) {
		text[8 + strcspn(text + 8, "\r\n")] = '\0';
		fd = openat(dirfd, text + 8, O_PATH | O_DIRECTORY | O_CLOEXEC);
	}
	free(text);
	return fd;
}

static int open_common(int git)
{
	char *text = read_file(git, "commondir", MAX_SMALL);
	int fd;

	if (!text)
		return openat(git, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	text[strcspn(text, "\r\n")] = '\0';
	fd = openat(git, text, O_PATH | O_DIRECTORY | O_CLOEXEC);
	free(text);
	return fd;
}

static int read_repository(struct git_info *g, int dirfd, uid_t uid)
{
	int git = openat(dirfd, ".git", O_PATH | O_DIRECTORY | O_CLOEXEC), common = -1, err = -ENOENT;
	struct stat st;

	if (git < 0 && errno == ENOTDIR)
		git = follow_file(dirfd);
	if (git < 0)
		return err;
	if (fstat(git, &st) || (st.st_uid != uid && st.st_uid != geteuid() && st.st_uid)) {
		err = -EPERM;
		goto done;
	}
	common = open_common(git);
	if (common < 0)
		goto done;
	read_commit(g, git, common);
	read_origin(g, common);
	err = 0;
done:
	if (common >= 0)
		close(common);
	close(git);
	return err;
}

int git_find(struct git_info *g, const char *dir, uid_t uid)
{
	int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC), up, err = -ENOENT;
	struct stat here, above;
	unsigned i;

	*g = (struct git_info){.commit = ""};
	for (i = 0; fd >= 0 && i < MAX_UP; i++) {
		err = read_repository(g, fd, uid);
		if (err != -ENOENT)
			break;
		up = openat(fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (up >= 0 && !fstat(fd, &here) && !fstat(up, &above) && here.st_ino == above.st_ino &&
		    here.st_dev == above.st_dev) {
			close(up);
			up = -1;
		}
		close(fd);
		fd = up;
	}
	if (fd >= 0)
		close(fd);
	return err;
}

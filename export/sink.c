/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sink.c - write a profile so that a reader sees all of it or what was there before.
 *
 * A name is put on a finished file by linkat(), which fails if the name is
 * taken, or, where it may be replaced, by a link under the temporary name and
 * renameat() over the final one. Only between these two calls a kill leaves
 * something behind; the next window, or sink_sweep(), removes it.
 */
#include "export/sink_private.h"

#include "base/why.h"
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ALTERNATIVES 99 /* names tried when the default one is taken */
#define PRUNE_STEP   16 /* numbers looked at beyond the one that fell out, for windows that were skipped */

/* ---- writing ---- */

static int write_synced(int fd, const uint8_t *data, size_t len)
{
	int err;

	/* the program's umask is inherited and may take away too much; vfat has no modes */
	(void)!fchmod(fd, 0600);
	err = io_write_all(fd, data, len);
	/* some file systems refuse fsync; those that find the disk full must be heard */
	if (!err && fsync(fd) && errno != EINVAL && errno != EROFS && errno != ENOTSUP)
		err = -errno;
	return err;
}

/* A finished file without a name gets the temporary one. */
static int link_unnamed(int fd, int dirfd, const char *name)
{
	char proc[64];

	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, proc, dirfd, name, AT_SYMLINK_FOLLOW) ? -errno : 0;
}

/* Make sure that @name, which exists, becomes @final; if it may not be replaced, fail with -EEXIST. */
static int move_into_place(const struct sink *s, const char *final, bool replace)
{
	struct stat st;

	if (replace)
		return renameat(s->dirfd, s->temp, s->dirfd, final) ? -errno : 0;
	if (!renameat2(s->dirfd, s->temp, s->dirfd, final, RENAME_NOREPLACE))
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	/* the file system does not know the flag: look first, which is nearly as good */
	if (!fstatat(s->dirfd, final, &st, AT_SYMLINK_NOFOLLOW))
		return -EEXIST;
	return renameat(s->dirfd, s->temp, s->dirfd, final) ? -errno : 0;
}

/* 0 or -errno; -EOPNOTSUPP when this cannot be done here at all. */
static int write_unnamed(const struct sink *s, const char *final, bool replace, const uint8_t *data,
			 size_t len)
{
	int err, fd = openat(s->dirfd, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);

	if (fd < 0) /* EPERM is what ext4 says of a directory that was removed */
		return errno == EACCES || errno == EROFS || errno == ENOSPC || errno == EDQUOT ? -errno
											       : -EOPNOTSUPP;
	err = write_synced(fd, data, len);
	if (!err && !replace) {
		err = link_unnamed(fd, s->dirfd, final);
	} else if (!err) {
		unlinkat(s->dirfd, s->temp, 0);
		err = link_unnamed(fd, s->dirfd, s->temp);
		if (!err)
			err = move_into_place(s, final, true);
		if (err)
			unlinkat(s->dirfd, s->temp, 0);
	}
	close(fd);
	/* no /proc, or no hard links here */
	return err == -ENOENT || err == -EPERM || err == -EXDEV ? -EOPNOTSUPP : err;
}

static int write_named(const struct sink *s, const char *final, bool replace, const uint8_t *data, size_t len)
{
	int err, fd;

	unlinkat(s->dirfd, s->temp, 0);
	fd = openat(s->dirfd, s->temp, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	err = write_synced(fd, data, len);
	if (close(fd) && !err)
		err = -errno; /* NFS tells of a full disk here */
	if (!err)
		err = move_into_place(s, final, replace);
	if (err)
		unlinkat(s->dirfd, s->temp, 0);
	return err;
}

static int write_file(const struct sink *s, const char *final, bool replace, const uint8_t *data, size_t len)
{
	int err = write_unnamed(s, final, replace, data, len);

	return err == -EOPNOTSUPP ? write_named(s, final, replace, data, len) : err;
}

/* ---- names ---- */

/* s->path from base; @alternative > 1 goes into it, for a default name that is taken. -ENAMETOOLONG. */
static int set_path(struct sink *s, uint64_t seq, unsigned alternative)
{
	char other[16] = "", number[32] = "";
	int n;

	if (alternative > 1)
		snprintf(other, sizeof(other), "-%u", alternative);
	if (s->numbered)
		snprintf(number, sizeof(number), "-%06llu", (unsigned long long)seq);
	n = snprintf(s->path, sizeof(s->path), "%s%s%s" SINK_SUFFIX, s->base, other, number);
	return n < 0 || (size_t)n >= sizeof(s->path) || strlen(sink_leaf(s->path)) > NAME_MAX ? -ENAMETOOLONG
											      : 0;
}

/* Is there anything at the final name? */
static bool taken(const struct sink *s)
{
	struct stat st;

	return !fstatat(s->dirfd, sink_leaf(s->path), &st, AT_SYMLINK_NOFOLLOW);
}

int sink_choose_free(struct sink *s, uint64_t seq)
{
	unsigned i;
	int err = 0;

	for (i = 1; i <= ALTERNATIVES && !err; i++) {
		err = set_path(s, seq, i);
		if (err || taken(s))
			continue;
		if (s->numbered && i > 1) {
			size_t len = strlen(s->base);

			if (snprintf(s->base + len, sizeof(s->base) - len, "-%u", i) >=
			    (int)(sizeof(s->base) - len))
				err = -ENAMETOOLONG;
		}
		return err;
	}
	return err ? err : -EEXIST;
}

static void prune(const struct sink *s, uint64_t seq)
{
	struct sink old = *s;
	unsigned i;

	if (!s->keep || seq < s->keep)
		return;
	/* by our own numbers, not by a listing: a later run must not lose its files to an earlier one's */
	for (i = 0; i < PRUNE_STEP && i <= seq - s->keep; i++)
		if (!set_path(&old, seq - s->keep - i, 1))
			unlinkat(s->dirfd, sink_leaf(old.path), 0);
}

static int write_stdout(struct sink *s, const uint8_t *data, size_t len, char *why, size_t why_len)
{
	int err;

	if (s->created)
		return why_fail(-EINVAL, why, why_len,
				"standard output has a profile already, and can take but one");
	s->created = true; /* even half of one */
	err = io_write_all(STDOUT_FILENO, data, len);
	return err ? why_fail(err, why, why_len, "cannot write to standard output: %s", strerror(-err)) : 0;
}

int sink_write(struct sink *s, uint64_t seq, const uint8_t *data, size_t len, char *why, size_t why_len)
{
	bool replace;
	unsigned tries;
	int err;

	if (s->kind == SINK_NONE)
		return 0;
	if (s->kind == SINK_STDOUT)
		return write_stdout(s, data, len, why, why_len);
	err = s->numbered ? set_path(s, seq, 1) : 0;
	if (err)
		return why_fail(err, why, why_len, "the name '%s' is too long", s->path);
	/* a default name that somebody took since sink_open() is given up for another */
	for (tries = 0; tries < ALTERNATIVES; tries++) {
		replace = !s->exclusive || (s->created && !s->numbered);
		err = write_file(s, sink_leaf(s->path), replace, data, len);
		if (err != -EEXIST || replace || (s->numbered && s->created) || sink_choose_free(s, seq))
			break;
	}
	if (err)
		return why_fail(err, why, why_len, "cannot write '%s': %s", s->path, strerror(-err));
	s->created = true;
	if (s->numbered)
		prune(s, seq);
	return 0;
}

void sink_sweep(struct sink *s)
{
	if (s->kind == SINK_FILE && s->dirfd >= 0)
		unlinkat(s->dirfd, s->temp, 0);
}

void sink_nowhere(struct sink *s)
{
	*s = (struct sink){.kind = SINK_NONE, .dirfd = -1};
}

void sink_close(struct sink *s)
{
	if (s->dirfd >= 0)
		close(s->dirfd);
	s->dirfd = -1;
}

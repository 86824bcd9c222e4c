/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sink_open.c - decide where a profile goes, and find out early if it cannot.
 *
 * The directory is held by a descriptor: the name is good even if somebody
 * changes directory or moves it. The path kept beside it is for people.
 */
#include "export/sink_private.h"

#include "base/why.h"
#include "export/state_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PROGRAM_MAX 64
#define TEMP_LEAF   200 /* of the final name in the temporary one, so that both fit NAME_MAX */

const char *sink_leaf(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* ---- names ---- */

static void safe_program(const char *program, char out[PROGRAM_MAX + 1])
{
	const char *base = sink_leaf(program ? program : "");
	size_t i;

	for (i = 0; base[i] && i < PROGRAM_MAX; i++) {
		char c = base[i];
		bool alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');

		out[i] = alnum || strchr("._+-", c) ? c : '_';
	}
	out[i] = '\0';
	if (!i)
		strcpy(out, "program");
}

/* "ddprof-<program>-<pid>-<UTC time>" */
static void default_stem(const struct sink_name *name, char *out, size_t len)
{
	time_t seconds = (time_t)(name->time_ns / 1000000000u);
	char program[PROGRAM_MAX + 1], when[32];
	struct tm tm;

	safe_program(name->program, program);
	if (!gmtime_r(&seconds, &tm) || !strftime(when, sizeof(when), "%Y%m%dT%H%M%SZ", &tm))
		snprintf(when, sizeof(when), "%lld", (long long)seconds);
	snprintf(out, len, "ddprof-%s-%d-%s", program, (int)name->pid, when);
}

/* A given name without what numbered names will end in. */
static size_t stem_length(const char *path)
{
	static const char *const suffixes[] = {SINK_SUFFIX, ".pprof.gz", ".pprof", ".pb", ".gz"};
	size_t len = strlen(path), n, i;

	for (i = 0; i < sizeof(suffixes) / sizeof(*suffixes); i++) {
		n = strlen(suffixes[i]);
		if (strlen(sink_leaf(path)) > n && !strcmp(path + len - n, suffixes[i]))
			return len - n;
	}
	return len;
}

/* ---- directories ---- */

/* Open @dir and put its absolute name in @absolute. */
static int open_dir(struct sink *s, const char *dir, char absolute[PATH_MAX])
{
	s->dirfd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (s->dirfd < 0)
		return -errno;
	if (!realpath(dir, absolute))
		snprintf(absolute, PATH_MAX, "%s", dir);
	if (!strcmp(absolute, "/"))
		*absolute = '\0'; /* a slash follows */
	return 0;
}

/* Could a file be created here? */
static int probe(const struct sink *s)
{
	int fd = openat(s->dirfd, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);

	if (fd < 0 && (errno == EACCES || errno == EROFS))
		return -errno;
	if (fd < 0) {
		unlinkat(s->dirfd, s->temp, 0);
		fd = openat(s->dirfd, s->temp, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd < 0)
			return -errno;
		unlinkat(s->dirfd, s->temp, 0);
	}
	close(fd);
	return 0;
}

static void set_temp(struct sink *s)
{
	snprintf(s->temp, sizeof(s->temp), ".%.*s.%d.tmp", TEMP_LEAF, sink_leaf(s->base), (int)getpid());
}

/* ---- the kinds of output ---- */

static int open_stdout(struct sink *s, bool numbered, char *why, size_t why_len)
{
	s->kind = SINK_STDOUT;
	if (numbered)
		return why_fail(-EINVAL, why, why_len,
				"standard output can take one profile, not numbered files");
	if (fcntl(STDOUT_FILENO, F_GETFD) < 0)
		return why_fail(-EBADF, why, why_len, "standard output is closed");
	if (isatty(STDOUT_FILENO))
		return why_fail(-EINVAL, why, why_len,
				"standard output is a terminal, a profile is not text");
	return 0;
}

/* A default name in directory @dir. */
static int open_default(struct sink *s, const char *dir, const struct sink_name *name, char *why,
			size_t why_len)
{
	char absolute[PATH_MAX], stem[PROGRAM_MAX + 64];
	int n, err;

	s->exclusive = true;
	default_stem(name, stem, sizeof(stem));
	err = open_dir(s, dir, absolute);
	if (err)
		return why_fail(err, why, why_len, "cannot use directory '%s': %s", dir, strerror(-err));
	n = snprintf(s->base, sizeof(s->base), "%s/%s", absolute, stem);
	if (n >= (int)sizeof(s->base))
		return why_fail(-ENAMETOOLONG, why, why_len, "the path of '%s' is too long", dir);
	set_temp(s);
	err = probe(s);
	if (!err)
		err = sink_choose_free(s, 0);
	if (err)
		return why_fail(err, why, why_len, "cannot write in directory '%s': %s",
				*absolute ? absolute : "/", strerror(-err));
	return 0;
}

/* Will the final name let itself be replaced? */
static int check_existing(const struct sink *s, const char *output, char *why, size_t why_len)
{
	struct stat st, dir;

	if (fstatat(s->dirfd, sink_leaf(s->path), &st, AT_SYMLINK_NOFOLLOW))
		return 0;
	if (S_ISDIR(st.st_mode))
		return why_fail(-EISDIR, why, why_len, "cannot write '%s': a directory has this name",
				s->path);
	if (!S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode))
		return why_fail(-EINVAL, why, why_len,
				"cannot write '%s': not a regular file; use '-o -' for standard output",
				output);
	if (!fstat(s->dirfd, &dir) && (dir.st_mode & S_ISVTX) && geteuid() && st.st_uid != geteuid() &&
	    dir.st_uid != geteuid())
		return why_fail(-EPERM, why, why_len, "cannot replace '%s': it belongs to somebody else",
				output);
	return 0;
}

static int open_file(struct sink *s, const char *output, char *why, size_t why_len)
{
	char absolute[PATH_MAX], dir[PATH_MAX];
	const char *base = sink_leaf(output);
	int n, err;

	n = snprintf(dir, sizeof(dir), "%.*s", (int)(base - output), output);
	if (n >= (int)sizeof(dir) || strlen(base) > NAME_MAX)
		return why_fail(-ENAMETOOLONG, why, why_len, "cannot write '%s': the name is too long",
				output);
	err = open_dir(s, n ? dir : ".", absolute);
	if (err)
		return why_fail(err, why, why_len, "cannot write '%s': directory '%s': %s", output,
				n ? dir : ".", strerror(-err));
	if (snprintf(s->path, sizeof(s->path), "%s/%s", absolute, base) >= (int)sizeof(s->path))
		return why_fail(-ENAMETOOLONG, why, why_len, "cannot write '%s': the name is too long",
				output);
	snprintf(s->base, sizeof(s->base), "%.*s", (int)stem_length(s->path), s->path);
	set_temp(s);
	err = probe(s);
	if (err)
		return why_fail(err, why, why_len, "cannot write '%s': %s", output, strerror(-err));
	return check_existing(s, output, why, why_len);
}

/* The current directory, or where state is kept if that cannot be written. */
static int open_somewhere(struct sink *s, const struct sink_name *name, bool *moved, char *why,
			  size_t why_len)
{
	char dir[PATH_MAX], second[256] = "no directory for state";
	int err, fallback;

	err = open_default(s, ".", name, why, why_len);
	if (!err)
		return 0;
	sink_close(s);
	fallback = state_dir(dir, "");
	if (!fallback)
		fallback = state_dir_make(dir);
	if (!fallback)
		fallback = open_default(s, dir, name, second, sizeof(second));
	if (!fallback) {
		*moved = true;
		return 0;
	}
	if (why_len) {
		size_t used = strnlen(why, why_len);

		snprintf(why + used, why_len - used,
			 "; %s\n  fix: -o FILE, in a directory that can be written", second);
	}
	return err;
}

int sink_open(struct sink *s, const char *output, const struct sink_name *name, bool numbered, uint32_t keep,
	      bool *moved, char *why, size_t why_len)
{
	struct stat st;
	int err;

	*s = (struct sink){.kind = SINK_FILE, .numbered = numbered, .keep = keep, .dirfd = -1};
	if (moved)
		*moved = false;
	if (!output)
		err = open_somewhere(s, name, moved ? moved : &(bool){false}, why, why_len);
	else if (!*output)
		err = why_fail(-EINVAL, why, why_len, "the name of the output is empty");
	else if (!strcmp(output, "-") || !strcmp(output, "/dev/stdout"))
		err = open_stdout(s, numbered, why, why_len);
	else if (output[strlen(output) - 1] == '/' || (!stat(output, &st) && S_ISDIR(st.st_mode)))
		err = open_default(s, output, name, why, why_len);
	else
		err = open_file(s, output, why, why_len);
	if (err)
		sink_close(s);
	return err;
}

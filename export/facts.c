/* SPDX-License-Identifier: Apache-2.0 */
/* facts.c - see facts.h. */
#include "export/facts.h"

#include "base/io.h"
#include "export/mask.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_COMMAND 65536u
#define MAX_MAPS    (4u << 20)
#define MAX_SMALL   4096u

void facts_init(struct facts *f)
{
	*f = (struct facts){.exe_fd = -1};
}

void facts_release(struct facts *f)
{
	if (f->exe_fd >= 0)
		close(f->exe_fd);
	facts_init(f);
}

static void proc_path(char path[64], pid_t pid, const char *name)
{
	snprintf(path, 64, "/proc/%d/%s", (int)pid, name);
}

/* A symbolic link of /proc/PID. False: cannot be read, @out is as it was. */
static bool read_link(pid_t pid, const char *name, char out[PATH_MAX])
{
	char path[64], text[PATH_MAX];
	ssize_t n;

	proc_path(path, pid, name);
	n = readlink(path, text, sizeof(text) - 1);
	if (n <= 0)
		return false;
	text[n] = '\0';
	memcpy(out, text, (size_t)n + 1);
	return true;
}

/* All of a text, or its first out->max bytes, with a NUL behind it; NULL: cannot be read, or empty. */
static char *read_text(const char *path, struct buf *out)
{
	int err;

	buf_clear(out);
	err = io_read_file(AT_FDCWD, path, out);
	if ((err && err != -E2BIG) || !out->len)
		return NULL;
	if (out->len == out->max)
		out->len--;
	out->error = 0;
	return buf_put_u8(out, 0) ? NULL : (char *)out->data;
}

static uint64_t boot_time_ns(struct buf *text)
{
	const char *at = read_text("/proc/stat", text) ? strstr((char *)text->data, "\nbtime ") : NULL;

	return at ? strtoull(at + 7, NULL, 10) * 1000000000u : 0;
}

/* Field 22 of /proc/PID/stat, in ticks after the boot: proc(5). */
static void read_start(struct facts *f, pid_t pid, struct buf *text)
{
	long hz = sysconf(_SC_CLK_TCK);
	uint64_t ticks, boot;
	char path[64], *s;
	unsigned i;

	proc_path(path, pid, "stat");
	s = read_text(path, text);
	s = s ? strrchr(s, ')') : NULL;
	for (i = 2; s && i < 22; i++) {
		s = strchr(s, ' ');
		s = s ? s + 1 : NULL;
	}
	if (!s || hz <= 0)
		return;
	ticks = strtoull(s, NULL, 10);
	boot = boot_time_ns(text);
	if (boot && ticks < UINT64_MAX / 1000000000u)
		f->started_ns = boot + ticks * 1000000000u / (uint64_t)hz;
}

/* ---- limits of the control group ---- */

static bool read_number(const char *dir, const char *name, struct buf *text, uint64_t *v)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/%s", dir, name);
	char *s = n > 0 && (size_t)n < sizeof(path) ? read_text(path, text) : NULL;

	if (!s || !isdigit((unsigned char)*s))
		return false;
	*v = strtoull(s, NULL, 10);
	return true;
}

/* "QUOTA PERIOD" of version 2, or two files of version 1. */
static uint32_t cpu_limit(const char *dir, bool v2, struct buf *text)
{
	uint64_t quota, period;
	char *end;

	if (v2) {
		if (!read_number(dir, "cpu.max", text, &quota))
			return 0;
		(void)strtoull((char *)text->data, &end, 10);
		period = strtoull(end, NULL, 10);
	} else if (!read_number(dir, "cpu.cfs_quota_us", text, &quota) ||
		   !read_number(dir, "cpu.cfs_period_us", text, &period)) {
		return 0;
	}
	return period && quota < 1000000000 ? (uint32_t)(quota * 100 / period) : 0;
}

static void group_limits(struct facts *f, const char *controllers, const char *path, struct buf *text)
{
	bool v2 = !*controllers;
	char dir[PATH_MAX];
	const char *name;
	uint64_t bytes;
	int n;

	name = v2                              ? ""
	       : strstr(controllers, "memory") ? "/memory"
	       : strstr(controllers, "cpu")    ? "/cpu"
					       : NULL;
	if (!name || strstr(path, "/.."))
		return;
	n = snprintf(dir, sizeof(dir), "/sys/fs/cgroup%s%s", name, path);
	if (n < 0 || (size_t)n >= sizeof(dir))
		return;
	if (read_number(dir, v2 ? "memory.max" : "memory.limit_in_bytes", text, &bytes) && bytes < 1ull << 60)
		f->memory_limit = bytes;
	if (!f->cpu_limit_pct)
		f->cpu_limit_pct = cpu_limit(dir, v2, text);
}

static void read_limits(struct facts *f, pid_t pid, struct buf *text)
{
	char path[64], *copy, *line, *save = NULL, *controllers, *group;

	proc_path(path, pid, "cgroup");
	copy = read_text(path, text) ? strdup((char *)text->data) : NULL;
	for (line = copy ? strtok_r(copy, "\n", &save) : NULL; line; line = strtok_r(NULL, "\n", &save)) {
		controllers = strchr(line, ':');
		group = controllers ? strchr(controllers + 1, ':') : NULL;
		if (!group)
			continue;
		*group = '\0';
		group_limits(f, controllers + 1, group + 1, text);
	}
	free(copy);
}

/* ---- the process ---- */

static void read_command(struct facts *f, pid_t pid, struct buf *text)
{
	char path[64];

	proc_path(path, pid, "cmdline");
	if (read_text(path, text))
		mask_command((char *)text->data, text->len - 1, f->command, sizeof(f->command));
}

/* An interpreter may be a library of a program with a name of its own. */
static void read_mapped_runtime(struct facts *f, pid_t pid, struct buf *text)
{
	static const char *const names[] = {"/libjvm.so", "/libpython", "/libnode.so"};
	char path[64], *line, *next, *at;
	size_t i;

	proc_path(path, pid, "maps");
	for (line = read_text(path, text); line && *line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		at = strchr(line, '/');
		for (i = 0; at && i < sizeof(names) / sizeof(*names); i++) {
			if (!strstr(strrchr(at, '/'), names[i]))
				continue;
			snprintf(f->mapped_runtime, sizeof(f->mapped_runtime), "%s", at);
			return;
		}
	}
}

static bool same_root(pid_t pid)
{
	struct stat theirs, ours;
	char path[64];

	proc_path(path, pid, "root");
	return !stat(path, &theirs) && !stat("/", &ours) && theirs.st_dev == ours.st_dev &&
	       theirs.st_ino == ours.st_ino;
}

void facts_read(struct facts *f, pid_t pid, const char *external_env)
{
	char path[64], exe[PATH_MAX];
	struct identity identity;
	struct buf text, maps;
	struct stat st;
	int fd;

	f->pid = pid;
	buf_init(&text, MAX_COMMAND);
	buf_init(&maps, MAX_MAPS);
	proc_path(path, pid, "");
	if (stat(path, &st) || !read_link(pid, "exe", exe)) {
		/* a process that ended keeps its control group for a while, but no program */
		if (!*f->exe && !stat(path, &st))
			identity_of(&f->identity, pid, external_env);
		goto done;
	}
	f->uid = st.st_uid;
	memcpy(f->exe, exe, sizeof(f->exe));
	proc_path(path, pid, "exe");
	fd = open(path, O_PATH | O_CLOEXEC);
	if (fd >= 0) {
		if (f->exe_fd >= 0)
			close(f->exe_fd);
		f->exe_fd = fd;
	}
	(void)read_link(pid, "cwd", f->cwd);
	f->same_root = same_root(pid);
	read_command(f, pid, &text);
	read_start(f, pid, &text);
	read_limits(f, pid, &text);
	read_mapped_runtime(f, pid, &maps);
	identity_of(&identity, pid, external_env);
	f->identity = identity;
done:
	buf_release(&text);
	buf_release(&maps);
}

bool facts_stale(const struct facts *f)
{
	char exe[PATH_MAX];

	return f->pid && read_link(f->pid, "exe", exe) && strcmp(exe, f->exe);
}

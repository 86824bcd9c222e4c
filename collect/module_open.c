/* SPDX-License-Identifier: Apache-2.0 */
/*
 * module_open.c - the file a process has mapped, opened the safe way.
 *
 * Each candidate is first opened with O_PATH, which touches neither devices
 * nor FIFOs, then judged by fstat, and only then opened for reading through
 * /proc/self/fd, so that what was judged is what is read.
 */
#include "collect/module.h"

#include "base/io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#ifndef OVERLAYFS_SUPER_MAGIC
#define OVERLAYFS_SUPER_MAGIC 0x794c7630
#endif
#ifndef BCACHEFS_SUPER_MAGIC
#define BCACHEFS_SUPER_MAGIC 0xca451a4e
#endif

/* overlayfs may put a layer number into the highest inode bits ("xino"). */
#define OVERLAY_INO_MASK 0x00ffffffffffffffu

#define MAX_DESCRIPTORS 1024 /* of a process, looked through for one file */

#define MAX_MOUNTS 16384 /* lines of mountinfo: a target may make as many as it likes */

/* How much each failure tells: the most telling one is reported. */
static void note(enum module_reason *reason, enum module_reason why)
{
	static const uint8_t weight[] = {
		[MODULE_OK] = 0,     [MODULE_GONE] = 1,     [MODULE_IRREGULAR] = 2,
		[MODULE_DENIED] = 3, [MODULE_REPLACED] = 4, [MODULE_NOT_ELF] = 0,
		[MODULE_LIMIT] = 6,  [MODULE_REMOTE] = 5,   [MODULE_NO_CONTENTS] = 0};

	if (weight[why] > weight[*reason])
		*reason = why;
}

static enum module_reason reason_of(int err)
{
	switch (err) {
	case EACCES:
	case EPERM:
		return MODULE_DENIED;
	case EMFILE:
	case ENFILE:
	case ENOMEM:
		return MODULE_LIMIT;
	default:
		return MODULE_GONE;
	}
}

static bool same_file(int fd, const struct stat *st, const struct module_ident *id)
{
	uint64_t mask = UINT64_MAX;
	struct statfs fs;

	if (!id->ino)
		return true;
	if (major(st->st_dev) != id->maj || minor(st->st_dev) != id->min) {
		/* These give stat() another device than the kernel's own records. */
		if (fstatfs(fd, &fs) || (fs.f_type != OVERLAYFS_SUPER_MAGIC &&
					 fs.f_type != BTRFS_SUPER_MAGIC && fs.f_type != BCACHEFS_SUPER_MAGIC))
			return false;
		if (fs.f_type == OVERLAYFS_SUPER_MAGIC)
			mask = OVERLAY_INO_MASK;
	}
	return ((st->st_ino ^ id->ino) & mask) == 0;
}

/* Judge what @path_fd (O_PATH, or a negative error number) is; closes it. Descriptor for reading or -1. */
static int take(int path_fd, const struct module_ident *id, enum module_reason *reason)
{
	struct stat st;
	int fd = -1;

	if (path_fd < 0) {
		note(reason, reason_of(-path_fd));
		return -1;
	}
	if (fstat(path_fd, &st)) {
		note(reason, MODULE_GONE);
	} else if (!S_ISREG(st.st_mode)) {
		note(reason, MODULE_IRREGULAR);
	} else if (!same_file(path_fd, &st, id)) {
		note(reason, MODULE_REPLACED);
	} else {
		fd = io_reopen_regular(path_fd);
		if (fd < 0)
			note(reason, reason_of(-fd));
	}
	close(path_fd);
	return fd < 0 ? -1 : fd;
}

static int open_path(const char *path)
{
	int fd = open(path, O_PATH | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* ---- file systems that may not answer ---- */

static bool is_remote_type(const char *type)
{
	static const char *const types[] = {"fuse", "nfs", "nfs4", "cifs", "smb3"};
	size_t i;

	for (i = 0; i < sizeof(types) / sizeof(*types); i++)
		if (!strcmp(type, types[i]))
			return true;
	return !strncmp(type, "fuse.", 5);
}

/* One line of mountinfo, see proc_pid_mountinfo(5): the type is behind " - ". */
static bool is_remote_mount(const char *line, uint32_t maj, uint32_t min)
{
	const char *rest = strstr(line, " - ");
	unsigned line_maj, line_min;
	char type[32];

	return rest && sscanf(line, "%*d %*d %u:%u", &line_maj, &line_min) == 2 && line_maj == maj &&
	       line_min == min && sscanf(rest, " - %31s", type) == 1 && is_remote_type(type);
}

/* As statx() knows it without asking a server; false if it does not. */
static bool device_of(int dir, const char *path, uint32_t *maj, uint32_t *min)
{
	struct statx stx;

	if (statx(dir, path, AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &stx))
		return false;
	*maj = stx.stx_dev_major;
	*min = stx.stx_dev_minor;
	return true;
}

static bool is_remote(pid_t pid, uint32_t maj, uint32_t min)
{
	uint32_t root_maj, root_min;
	char path[40], *line = NULL;
	unsigned lines = 0;
	bool found = false;
	size_t cap = 0;
	FILE *f;

	if (maj) /* a block device; the others have none */
		return false;
	snprintf(path, sizeof(path), "/proc/%d/mountinfo", (int)pid);
	f = fopen(path, "re");
	if (!f)
		f = fopen("/proc/self/mountinfo", "re");
	if (!f)
		return false;
	while (!found && lines++ < MAX_MOUNTS && getline(&line, &cap, f) > 0)
		found = is_remote_mount(line, maj, min);
	free(line);
	fclose(f);
	return found &&
	       !(device_of(AT_FDCWD, "/", &root_maj, &root_min) && root_maj == maj && root_min == min);
}

/* take(), unless what was found is not where it should be but on a file system of that kind. */
static int take_local(pid_t pid, int path_fd, const struct module_ident *id, enum module_reason *reason)
{
	uint32_t maj, min;

	if (path_fd >= 0 && device_of(path_fd, "", &maj, &min) &&
	    (!id->ino || maj != id->maj || min != id->min) && is_remote(pid, maj, min)) {
		note(reason, MODULE_REMOTE);
		close(path_fd);
		return -1;
	}
	return take(path_fd, id, reason);
}

/* Descriptors from this one on are left to others: the exporter's pipes, /proc files. */
static int first_reserved(void)
{
	struct rlimit rl;
	rlim_t keep;

	if (getrlimit(RLIMIT_NOFILE, &rl) || rl.rlim_cur > INT_MAX)
		return INT_MAX;
	keep = rl.rlim_cur < 64 ? 8 : 32;
	return rl.rlim_cur > keep ? (int)(rl.rlim_cur - keep) : 0;
}

/* @fd, unless it is one of those. */
static int keep_spare(int fd, enum module_reason *why)
{
	if (fd < first_reserved())
		return fd;
	close(fd);
	*why = MODULE_LIMIT;
	return -1;
}

int module_open_found(pid_t pid, int path_fd, enum module_reason *reason)
{
	static const struct module_ident unknown;
	enum module_reason why = MODULE_OK;
	int fd = keep_spare(take_local(pid, path_fd, &unknown, &why), &why);

	if (fd < 0)
		*reason = why == MODULE_OK ? MODULE_GONE : why;
	return fd;
}

/* ---- */

/* As the process sees it: absolute links must not lead out of its root. */
static int open_in_root(pid_t pid, const char *path)
{
	struct open_how how = {.flags = O_PATH | O_CLOEXEC,
			       .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
	char root[40];
	int dir, fd;

	snprintf(root, sizeof(root), "/proc/%d/root", (int)pid);
	dir = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	fd = (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
	if (fd < 0)
		fd = errno == ENOSYS ? -ENOENT : -errno;
	close(dir);
	return fd;
}

/*
 * One of the process's own descriptors of the file: what is left to an ordinary
 * user of memfds and deleted libraries, as long as the process keeps it open.
 */
static int open_descriptor(pid_t pid, const struct module_ident *id)
{
	unsigned looked = 0;
	struct dirent *d;
	struct statx st;
	char path[40];
	int fd = -ENOENT;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	if (!dir)
		return -errno;
	while (fd < 0 && looked++ < MAX_DESCRIPTORS && (d = readdir(dir))) {
		/* Without asking a server: one of the descriptors may be of a file system that hangs. */
		if (d->d_name[0] == '.' ||
		    statx(dirfd(dir), d->d_name, AT_STATX_DONT_SYNC, STATX_TYPE | STATX_INO, &st) ||
		    st.stx_ino != id->ino || st.stx_dev_major != id->maj || st.stx_dev_minor != id->min)
			continue;
		fd = openat(dirfd(dir), d->d_name, O_PATH | O_CLOEXEC);
		if (fd < 0)
			fd = -errno;
	}
	closedir(dir);
	return fd;
}

int module_open_file(pid_t pid, const char *path, const struct module_ident *ident, uint64_t start,
		     uint64_t end, enum module_reason *reason)
{
	static const struct module_ident unknown;
	enum module_reason why = MODULE_OK;
	char proc[80];
	int fd;

	if (!ident)
		ident = &unknown;
	if (ident->ino && is_remote(pid, ident->maj, ident->min)) {
		*reason = MODULE_REMOTE;
		return -1;
	}
	fd = take_local(pid, open_in_root(pid, path), ident, &why);
	if (fd < 0 && ident->ino) {
		snprintf(proc, sizeof(proc), "/proc/%d/exe", (int)pid);
		/* Another file there is no news: it is the program, and this may be a library. */
		enum module_reason ignored = MODULE_OK;

		fd = take_local(pid, open_path(proc), ident, &ignored);
	}
	if (fd < 0 && start < end) {
		enum module_reason ignored = MODULE_OK;

		snprintf(proc, sizeof(proc), "/proc/%d/map_files/%llx-%llx", (int)pid,
			 (unsigned long long)start, (unsigned long long)end);
		fd = take_local(pid, open_path(proc), ident, &ignored);
	}
	if (fd < 0 && ident->ino && (!ident->maj || strstr(path, " (deleted)"))) {
		enum module_reason ignored = MODULE_OK;

		fd = take_local(pid, open_descriptor(pid, ident), ident, &ignored);
	}
	/* Our own namespace may have quite another file there: only with proof. */
	if (fd < 0 && ident->ino && path[0] == '/')
		fd = take_local(pid, open_path(path), ident, &why);
	fd = keep_spare(fd, &why);
	if (fd < 0)
		*reason = why == MODULE_OK ? MODULE_GONE : why;
	return fd;
}

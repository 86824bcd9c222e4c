/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jit_open.c - find a process's perf map, and believe only its own.
 *
 * The file lies in a directory that everybody can write to, under a name that
 * everybody can guess. So no link is followed to it, and it must belong to
 * root, to us, or to the user the process runs as, and be no older than it.
 */
#include "collect/jit.h"

#include "base/io.h"
#include "collect/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SECOND        1000000000u
#define UNSEEN_MAX_NS (UINT64_C(10) * SECOND)

static bool same_namespace(pid_t pid, const char *which)
{
	struct stat ours, theirs;
	char path[48];

	snprintf(path, sizeof(path), "/proc/self/ns/%s", which);
	if (stat(path, &ours))
		return false;
	snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)pid, which);
	return !stat(path, &theirs) && ours.st_ino == theirs.st_ino && ours.st_dev == theirs.st_dev;
}

void jit_owner_read(struct jit_owner *o, pid_t pid)
{
	uint64_t now_boot = io_clock_ns(CLOCK_BOOTTIME), now_real = io_clock_ns(CLOCK_REALTIME), began;
	uint64_t tick = SECOND / (uint64_t)sysconf(_SC_CLK_TCK);
	struct procfs_stat ps;
	struct stat st;
	char path[32];

	/* Gone before we could look, it is a short-lived one: a map from long before is not its own. */
	*o = (struct jit_owner){.pid = pid, .inner_pid = pid, .uid = geteuid()};
	if (now_real > UNSEEN_MAX_NS)
		o->start_real_ns = now_real - UNSEEN_MAX_NS;
	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	if (stat(path, &st) || procfs_stat(pid, &ps) || ps.state == 'Z')
		return;
	o->known = true;
	o->start_real_ns = 0;
	o->uid = st.st_uid;
	o->inner_pid = procfs_inner_pid(pid);
	if (o->inner_pid <= 0)
		o->inner_pid = pid;
	o->ours = same_namespace(pid, "mnt") && same_namespace(pid, "pid");
	began = ps.start_ticks * tick;
	if (began < now_boot && now_boot - began < now_real)
		o->start_real_ns = now_real - (now_boot - began);
}

static int openat2_path(int dir, const char *path, uint64_t flags, uint64_t resolve)
{
	struct open_how how = {.flags = O_PATH | O_CLOEXEC | flags, .resolve = resolve};
	int fd = (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));

	return fd < 0 ? -errno : fd;
}

/* perf-@pid.map in the /tmp below @root. O_PATH descriptor or -errno. */
static int find_map(const char *root, pid_t pid)
{
	int dir = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC), tmp, fd;
	char name[40];

	if (dir < 0)
		return -errno;
	tmp = openat2_path(dir, "tmp", O_DIRECTORY, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
	close(dir);
	if (tmp < 0)
		return tmp;
	snprintf(name, sizeof(name), "perf-%d.map", (int)pid);
	fd = openat2_path(tmp, name, O_NOFOLLOW, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
	close(tmp);
	return fd;
}

static enum jit_reason judge(int fd, const struct jit_owner *o)
{
	struct stat st;

	if (fstat(fd, &st))
		return JIT_NO_MAP;
	if (!S_ISREG(st.st_mode))
		return JIT_IRREGULAR;
	if (st.st_uid && st.st_uid != geteuid() && st.st_uid != o->uid)
		return JIT_FOREIGN;
	/* A second for clocks that tick coarsely. */
	if (o->start_real_ns && ((uint64_t)st.st_mtim.tv_sec + 1) * SECOND < o->start_real_ns)
		return JIT_OUTDATED;
	return JIT_MAPPED;
}

static enum jit_reason reason_of(enum module_reason why)
{
	switch (why) {
	case MODULE_DENIED:
		return JIT_DENIED;
	case MODULE_LIMIT:
		return JIT_LIMIT;
	case MODULE_GONE:
		return JIT_NO_MAP;
	default:
		return JIT_IRREGULAR;
	}
}

/* -errno of a search that failed, as a reason: the more telling of it and *@reason. */
static void note(enum jit_reason *reason, int err)
{
	if (*reason == JIT_NO_MAP && (err == -EACCES || err == -EPERM))
		*reason = JIT_DENIED;
	else if (*reason == JIT_NO_MAP && (err == -EMFILE || err == -ENFILE))
		*reason = JIT_LIMIT;
	else if (*reason == JIT_NO_MAP && err == -ELOOP)
		*reason = JIT_IRREGULAR;
}

int jit_open_map(const struct jit_owner *o, enum jit_reason *reason)
{
	enum module_reason why = MODULE_OK;
	enum jit_reason found = JIT_NO_MAP;
	char root[40];
	int path_fd, fd;

	snprintf(root, sizeof(root), "/proc/%d/root", (int)o->pid);
	path_fd = find_map(root, o->inner_pid);
	if (path_fd < 0 && path_fd != -ENOENT)
		note(&found, path_fd);
	/* After its exit, or when we may not look: the same place, if it was the same. */
	if (path_fd < 0 && (o->ours || !o->known))
		path_fd = find_map("/", o->pid);
	*reason = found;
	if (path_fd < 0) {
		note(reason, path_fd);
		return -1;
	}
	*reason = judge(path_fd, o);
	if (*reason != JIT_MAPPED) {
		close(path_fd);
		return -1;
	}
	fd = module_open_found(o->pid, path_fd, &why);
	if (fd < 0)
		*reason = reason_of(why);
	return fd;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* procfs.c - see procfs.h. */
#include "collect/procfs.h"

#include "base/io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TEXT_MAX (16u << 20) /* 65536 mappings of 256 bytes */

/* The kernel writes newline in a path as \012, and nothing else escaped. */
static void unescape(char *s)
{
	char *to = s;

	for (; *s; s++) {
		if (!strncmp(s, "\\012", 4)) {
			*to++ = '\n';
			s += 3;
		} else {
			*to++ = *s;
		}
	}
	*to = '\0';
}

bool procfs_parse_map(char *line, struct procfs_map *out)
{
	char perms[5] = "";
	int used = 0;
	struct procfs_map m = {0};

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %x:%x %" SCNu64 " %n", &m.start, &m.end,
		   perms, &m.pgoff, &m.maj, &m.min, &m.ino, &used) < 7 ||
	    !used || m.end <= m.start)
		return false;
	m.exec = perms[2] == 'x';
	if (line[used]) {
		unescape(line + used);
		m.path = line + used;
	} else {
		m.path = "//anon";
	}
	*out = m;
	return true;
}

int procfs_maps(pid_t pid, int (*fn)(const struct procfs_map *m, void *arg), void *arg)
{
	char path[32], *line, *next;
	struct procfs_map m;
	struct buf b;
	int err;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	buf_init(&b, TEXT_MAX);
	err = io_read_file(AT_FDCWD, path, &b);
	if (!err)
		err = buf_put_u8(&b, 0);
	if (err == -ENOENT)
		err = -ESRCH;
	for (line = (char *)b.data; !err && line && *line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		if (procfs_parse_map(line, &m))
			err = fn(&m, arg);
	}
	buf_release(&b);
	return err;
}

int procfs_tasks(pid_t pid, int (*fn)(pid_t tid, void *arg), void *arg)
{
	char path[32];
	struct dirent *d;
	int err = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	dir = opendir(path);
	if (!dir)
		return errno == ENOENT ? -ESRCH : -errno;
	while (!err && (d = readdir(dir)))
		if (d->d_name[0] >= '1' && d->d_name[0] <= '9')
			err = fn((pid_t)strtol(d->d_name, NULL, 10), arg);
	closedir(dir);
	return err;
}

/* A short text of /proc into @out, NUL-terminated. */
static int read_text(const char *path, char *out, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = io_read_full(fd, out, size - 1);
	close(fd);
	if (n < 0)
		return (int)n;
	out[n] = '\0';
	return 0;
}

int procfs_comm(pid_t pid, pid_t tid, char comm[16])
{
	char path[48];
	int err;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/comm", (int)pid, (int)tid);
	err = read_text(path, comm, 16);
	if (!err)
		comm[strcspn(comm, "\n")] = '\0';
	return err;
}

static int parse_stat(char *text, struct procfs_stat *out)
{
	unsigned long long ut, st, cut, cst, start;
	uint64_t tick = 1000000000u / (uint64_t)sysconf(_SC_CLK_TCK);
	char *p = strrchr(text, ')'), state; /* the name may itself hold parentheses and blanks */
	int ppid;

	if (!p ||
	    sscanf(p + 1,
		   " %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %llu %llu %*d %*d %*d %*d %llu",
		   &state, &ppid, &ut, &st, &cut, &cst, &start) != 7)
		return -EBADMSG;
	*out = (struct procfs_stat){state, ppid, ut * tick, st * tick, cut * tick, cst * tick, start};
	return 0;
}

static int read_stat(const char *path, struct procfs_stat *out)
{
	char text[1024];
	int err = read_text(path, text, sizeof(text));

	if (err)
		return err == -ENOENT ? -ESRCH : err;
	return parse_stat(text, out);
}

int procfs_stat(pid_t pid, struct procfs_stat *out)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	return read_stat(path, out);
}

int procfs_thread_cpu(pid_t pid, pid_t tid, uint64_t *ns)
{
	unsigned long long ran;
	struct procfs_stat st;
	char path[64], text[128];
	int err;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/schedstat", (int)pid, (int)tid);
	if (!read_text(path, text, sizeof(text)) && sscanf(text, "%llu", &ran) == 1) {
		*ns = ran;
		return 0;
	}
	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", (int)pid, (int)tid);
	err = read_stat(path, &st);
	if (!err)
		*ns = st.user_ns + st.system_ns;
	return err;
}

int procfs_cpu(pid_t pid, uint64_t *ns)
{
	struct timespec ts;
	clockid_t clock;
	int err = clock_getcpuclockid(pid, &clock);

	if (err)
		return -err;
	if (clock_gettime(clock, &ts))
		return -errno;
	*ns = (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
	return 0;
}

pid_t procfs_inner_pid(pid_t pid)
{
	char path[32], text[4096], *p;
	pid_t inner = 0;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	if (read_text(path, text, sizeof(text)))
		return 0;
	p = strstr(text, "\nNSpid:");
	if (!p)
		return 0;
	/* From our namespace inwards: the last one counts. */
	for (p += 7; *p && *p != '\n'; p += strcspn(p, " \t\n")) {
		p += strspn(p, " \t");
		if (*p >= '0' && *p <= '9')
			inner = (pid_t)strtol(p, NULL, 10);
	}
	return inner;
}

pid_t procfs_tgid(pid_t tid)
{
	char path[32], text[4096], *p;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)tid);
	if (read_text(path, text, sizeof(text)))
		return 0;
	p = strstr(text, "\nTgid:");
	return p ? (pid_t)strtol(p + 6, NULL, 10) : 0;
}

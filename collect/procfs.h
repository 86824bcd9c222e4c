/* SPDX-License-Identifier: Apache-2.0 */
/*
 * procfs.h - the few texts of /proc/PID that the collector reads, checked.
 */
#ifndef COLLECT_PROCFS_H
#define COLLECT_PROCFS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct procfs_map {
	uint64_t start, end, pgoff, ino;
	uint32_t maj, min;
	bool exec;
	const char *path; /* as the kernel writes it, "//anon" for none; borrowed during the call */
};

/*
 * Parse one line of /proc/PID/maps (NUL-terminated, without its newline; the
 * path is un-escaped in place). False: malformed.
 */
bool procfs_parse_map(char *line, struct procfs_map *out);

/* Call @fn for each mapping of @pid; stops when it returns non-zero and returns that. Else 0 or -errno. */
int procfs_maps(pid_t pid, int (*fn)(const struct procfs_map *m, void *arg), void *arg);

/* Call @fn for each thread of @pid, as procfs_maps(). -ESRCH: no such process. */
int procfs_tasks(pid_t pid, int (*fn)(pid_t tid, void *arg), void *arg);

/* Thread's name, at most 15 characters. 0 or -errno. */
int procfs_comm(pid_t pid, pid_t tid, char comm[16]);

struct procfs_stat {
	char state;
	pid_t ppid;
	uint64_t user_ns, system_ns;                   /* the process's own, ended threads included */
	uint64_t children_user_ns, children_system_ns; /* of children it has waited for */
	uint64_t start_ticks;                          /* since boot */
};
int procfs_stat(pid_t pid, struct procfs_stat *out);

/* CPU time that thread @tid of @pid has used, ns; in clock ticks where the kernel has no finer. 0 or -errno.
 */
int procfs_thread_cpu(pid_t pid, pid_t tid, uint64_t *ns);

/* CPU time that the whole process has used, to the nanosecond. 0 or -errno. */
int procfs_cpu(pid_t pid, uint64_t *ns);

/* The number that @pid has in its own pid namespace; 0 if gone, or the kernel does not say. */
pid_t procfs_inner_pid(pid_t pid);

/* The process that thread @tid belongs to; 0 if gone. */
pid_t procfs_tgid(pid_t tid);

#endif

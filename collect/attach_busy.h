/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attach_busy.h - threads of processes, those first that use most CPU time.
 *
 * Times are those of /proc/PID/task/TID/schedstat (nanoseconds), or of stat
 * (clock ticks) on kernels without it, read twice a tenth of a second apart.
 */
#ifndef COLLECT_ATTACH_BUSY_H
#define COLLECT_ATTACH_BUSY_H

#include <stdint.h>
#include <sys/types.h>

struct busy_thread {
	pid_t pid, tid;
	uint64_t total;  /* CPU time since it began, ns */
	uint64_t recent; /* between the two looks, ns */
};

struct busy_list {
	struct busy_thread *threads; /* NULL when empty */
	uint32_t n, cap;
	uint64_t first_look_ns; /* monotonic; private */
};

/* Begin with {0}. Add the threads of @pid. 0; -ESRCH: no such process; -E2BIG, -ENOMEM. */
int busy_add(struct busy_list *l, pid_t pid);

/* Look again, a tenth of a second after the first busy_add(), and sort: by recent, then by total time. */
void busy_sort(struct busy_list *l);

/* Millionths of the threads' CPU time that the first @n of them used: recent, or if there was none, total. */
uint32_t busy_share(const struct busy_list *l, uint32_t n);

void busy_release(struct busy_list *l);

#endif

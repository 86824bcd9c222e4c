/* SPDX-License-Identifier: Apache-2.0 */
/* attach_busy.c - see attach_busy.h. */
#include "collect/attach_busy.h"

#include "base/io.h"
#include "collect/procfs.h"
#include "collect/procs.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#define LOOK_NS 100000000u

struct adding {
	struct busy_list *list;
	pid_t pid;
};

static int add_thread(pid_t tid, void *arg)
{
	struct adding *a = arg;
	struct busy_list *l = a->list;
	struct busy_thread t = {a->pid, tid, 0, 0};

	if (procfs_thread_cpu(t.pid, tid, &t.total))
		return 0; /* it has ended */
	if (l->n >= PROCS_MAX)
		return -E2BIG;
	if (l->n == l->cap) {
		uint32_t cap = l->cap ? l->cap * 2 : 256;
		struct busy_thread *p = realloc(l->threads, cap * sizeof(*p));

		if (!p)
			return -ENOMEM;
		l->threads = p;
		l->cap = cap;
	}
	l->threads[l->n++] = t;
	return 0;
}

int busy_add(struct busy_list *l, pid_t pid)
{
	struct adding a = {l, pid};

	if (!l->first_look_ns)
		l->first_look_ns = io_clock_ns(CLOCK_MONOTONIC);
	return procfs_tasks(pid, add_thread, &a);
}

static int busier(const void *a, const void *b)
{
	const struct busy_thread *x = a, *y = b;

	if (x->recent != y->recent)
		return x->recent < y->recent ? 1 : -1;
	if (x->total != y->total)
		return x->total < y->total ? 1 : -1;
	return (x->tid > y->tid) - (x->tid < y->tid);
}

void busy_sort(struct busy_list *l)
{
	uint64_t passed = io_clock_ns(CLOCK_MONOTONIC) - l->first_look_ns, now;
	struct timespec rest = {0, LOOK_NS};
	uint32_t i;

	if (passed < LOOK_NS) {
		rest.tv_nsec -= (long)passed;
		nanosleep(&rest, NULL);
	}
	for (i = 0; i < l->n; i++) {
		struct busy_thread *t = &l->threads[i];

		if (procfs_thread_cpu(t->pid, t->tid, &now))
			now = 0; /* it has ended: last of all */
		t->recent = now > t->total ? now - t->total : 0;
		t->total = now;
	}
	if (l->n)
		qsort(l->threads, l->n, sizeof(*l->threads), busier);
}

uint32_t busy_share(const struct busy_list *l, uint32_t n)
{
	uint64_t recent[2] = {0, 0}, total[2] = {0, 0};
	uint32_t i;

	for (i = 0; i < l->n; i++) {
		recent[0] += l->threads[i].recent;
		total[0] += l->threads[i].total;
		if (i < n) {
			recent[1] += l->threads[i].recent;
			total[1] += l->threads[i].total;
		}
	}
	if (recent[0])
		return (uint32_t)(1e6 * (double)recent[1] / (double)recent[0]);
	return total[0] ? (uint32_t)(1e6 * (double)total[1] / (double)total[0]) : 0;
}

void busy_release(struct busy_list *l)
{
	free(l->threads);
	*l = (struct busy_list){0};
}

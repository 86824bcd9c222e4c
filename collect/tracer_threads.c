/* SPDX-License-Identifier: Apache-2.0 */
/* tracer_threads.c - a hash table of threads by number; see tracer_private.h. */
#include "collect/tracer_private.h"

#include "base/hash.h"

#include <stdlib.h>

#define FIRST_CAP 256u

static struct traced_thread *slot(const struct traced_thread *slots, uint32_t cap, pid_t tid)
{
	uint32_t i = (uint32_t)hash_u64((uint64_t)tid) & (cap - 1);

	while (slots[i].tid && slots[i].tid != tid)
		i = (i + 1) & (cap - 1);
	return (struct traced_thread *)&slots[i];
}

/* Into a table of @cap slots, without those last seen before look @seen. False: no memory. */
static bool rebuild(struct traced_threads *all, uint32_t cap, uint64_t seen)
{
	struct traced_thread *fresh = calloc(cap, sizeof(*fresh));
	uint32_t i, n = 0;

	if (!fresh)
		return false;
	for (i = 0; i < all->cap; i++) {
		const struct traced_thread *th = &all->slots[i];

		if (!th->tid || (th->seen < seen && !th->stopping))
			continue;
		*slot(fresh, cap, th->tid) = *th;
		n++;
	}
	free(all->slots);
	*all = (struct traced_threads){fresh, cap, n};
	return true;
}

struct traced_thread *traced_threads_get(struct traced_threads *all, pid_t pid, pid_t tid, bool *fresh)
{
	struct traced_thread *th = all->cap ? slot(all->slots, all->cap, tid) : NULL;

	*fresh = false;
	if (th && th->tid && th->pid == pid)
		return th;
	if (!th || !th->tid) {
		if (all->n >= TRACER_THREADS_MAX)
			return NULL;
		if ((all->n + 1) * 2 > all->cap && !rebuild(all, all->cap ? all->cap * 2 : FIRST_CAP, 0))
			return NULL;
		th = slot(all->slots, all->cap, tid);
		all->n++;
	}
	*th = (struct traced_thread){.tid = tid, .pid = pid};
	*fresh = true;
	return th;
}

struct traced_thread *traced_threads_find(const struct traced_threads *all, pid_t tid)
{
	struct traced_thread *th = all->cap ? slot(all->slots, all->cap, tid) : NULL;

	return th && th->tid ? th : NULL;
}

void traced_threads_sweep(struct traced_threads *all, uint64_t seen)
{
	if (all->cap)
		(void)rebuild(all, all->cap, seen);
}

void traced_threads_release(struct traced_threads *all)
{
	free(all->slots);
	*all = (struct traced_threads){0};
}

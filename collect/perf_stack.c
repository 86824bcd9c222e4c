/* SPDX-License-Identifier: Apache-2.0 */
/* perf_stack.c - stack copies of another size for all that a task started. */
#include "collect/perf_private.h"

#include <sys/ioctl.h>

#define FAMILY_MAX      64   /* threads that inherited events, up to which sizes change */
#define FAMILY_RISE_MAX 256  /* and up to which the largest size may come back */
#define FAMILY_SLOW_MAX 1024 /* likewise, the rate change: it is rare and saves more than it costs */

static const struct fd_event *sibling(const struct perf *p, const struct task *t, uint32_t cpu, int size)
{
	uint32_t i;

	for (i = t->first; i < t->first + t->n; i++)
		if (p->events[i].cpu == cpu && p->events[i].size == size)
			return &p->events[i];
	return NULL;
}

/*
 * Disabled before the other is enabled: time would rather be missed (it then
 * counts as not sampled) than be counted twice. What a ring still holds of
 * the one disabled is good.
 */
static void change_cpu(const struct fd_event *from, const struct fd_event *to)
{
	/* A CPU that came or went while the events were opened keeps the one it has. */
	if (!to || to->fd < 0 || from->fd < 0 || ioctl(from->fd, PERF_EVENT_IOC_DISABLE, 0))
		return;
	if (ioctl(to->fd, PERF_EVENT_IOC_ENABLE, 0))
		ioctl(from->fd, PERF_EVENT_IOC_ENABLE, 0);
}

static void change_all(const struct perf *p, const struct task *t, int from, int to)
{
	uint32_t i;

	for (i = t->first; i < t->first + t->n; i++)
		if (p->events[i].size == from)
			change_cpu(&p->events[i], sibling(p, t, p->events[i].cpu, to));
}

/*
 * Another size, as far as it is advisable: the calls take a microsecond for
 * each thread that inherited the events, which may take long on busy CPUs, and
 * the program cannot start threads while they last. A growing family gets the
 * largest copies, for good, while that is still cheap.
 */
static bool decide(struct stack_learner *l, uint32_t size, const struct stack_need *need, uint32_t family)
{
	if (family > FAMILY_RISE_MAX)
		return false;
	if (family > FAMILY_MAX)
		return stack_learner_rise(l);
	return stack_learner_add(l, size, need);
}

bool perf_learn(struct perf *p, uint64_t id, const struct stack_need *need, uint32_t threads,
		struct perf_resize *out)
{
	const struct fd_event *e = perf_find_id(p, id);
	struct task *t = e ? &p->tasks[e->task] : NULL;
	uint32_t before, family = threads > p->n_tasks && !p->whole_cpus ? threads - p->n_tasks : 0;

	if (!t || p->stopped || p->slowed || !perf_sized(e))
		return false;
	before = t->learner.now;
	if (!decide(&t->learner, (uint32_t)e->size, need, family))
		return false;
	*out = (struct perf_resize){
		.tid = t->tid,
		.from = t->learner.sizes[before],
		.to = t->learner.sizes[t->learner.now],
	};
	change_all(p, t, (int)before, (int)t->learner.now);
	return true;
}

bool perf_slow(struct perf *p, bool slow, uint32_t threads)
{
	uint32_t i, family = threads > p->n_tasks && !p->whole_cpus ? threads - p->n_tasks : 0;

	if (!p->slow || p->spare || p->stopped || p->slowed == slow || family > FAMILY_SLOW_MAX)
		return false;
	for (i = 0; i < p->n_tasks; i++) {
		int now = (int)p->tasks[i].learner.now, to = (int)p->slow;

		change_all(p, &p->tasks[i], slow ? now : to, slow ? to : now);
	}
	p->slowed = slow;
	return true;
}

uint32_t perf_id_stack_size(const struct perf *p, uint64_t id)
{
	const struct fd_event *e = perf_find_id(p, id);

	if (!e || e->size == PERF_FURTHER)
		return e ? p->further_size : 0;
	return perf_sized(e) ? p->sizes[e->size] : 0;
}

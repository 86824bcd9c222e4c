/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sample.c - one sample: kernel callchain, then the user stack unwound while
 * its bytes are warm in the ring, then interned with the thread's labels.
 *
 * Allocates nothing once stacks and locations have been seen.
 */
#include "base/io.h"
#include "base/log.h"
#include "collect/collector_private.h"
#include "collect/regs.h"

#include <errno.h>

#define WEIGHT_MAX_NS 60000000000u

static uint32_t mapped_location(struct collector *c, const struct unwind_frame *f, uint64_t time)
{
	const struct jit *jit;

	if (!f->map || f->map->mapping_id == PROFILE_NONE)
		return c->loc_unknown_mapping;
	jit = f->map->module->jit;
	if (jit)
		return profile_jit_location(&c->profile, f->map->mapping_id,
					    f->pc - f->map->start + f->map->pgoff,
					    jit_generation(jit, f->pc, time), time);
	return profile_location(&c->profile, f->map->mapping_id, f->pc - f->map->start + f->map->pgoff);
}

/* The kernel part of a callchain, innermost first; return addresses become call addresses. */
static uint32_t add_kernel(struct collector *c, const struct record *rec, uint32_t n)
{
	bool in_kernel = false, first = true;
	uint64_t i;

	if (c->kernel_mapping == PROFILE_NONE)
		return n;
	for (i = 0; i < rec->u.sample.n_chain && n < c->max_frames / 2; i++) {
		uint64_t ip = rec->u.sample.chain[i];

		if (ip >= PERF_CONTEXT_MAX) {
			in_kernel = ip == PERF_CONTEXT_KERNEL;
			continue;
		}
		if (!in_kernel)
			continue;
		c->locations[n++] = profile_location(&c->profile, c->kernel_mapping, first ? ip : ip - 1);
		first = false;
	}
	return n;
}

static uint32_t add_end_mark(struct collector *c, enum unwind_end end, uint32_t n)
{
	if (unwind_end_complete(end))
		return n;
	if (unwind_end_truncated(end))
		c->locations[n++] = c->loc_truncated;
	else if (end == UNWIND_END_BAD_CFI || end == UNWIND_END_NO_PROGRESS || end == UNWIND_END_BAD_MEMORY)
		c->locations[n++] = c->loc_unwind_failure;
	else
		c->locations[n++] = c->loc_incomplete;
	return n;
}

/* The user part of the callchain, in place. */
static void user_chain(const struct record *rec, struct unwind_sample *s)
{
	const uint64_t *chain = rec->u.sample.chain;
	uint64_t i = 0, n = rec->u.sample.n_chain, end;

	while (i < n && chain[i] != PERF_CONTEXT_USER)
		i++;
	for (end = i + 1; end < n && chain[end] < PERF_CONTEXT_MAX;)
		end++;
	if (i + 1 >= end || end > n)
		return;
	s->chain = chain + i + 1;
	s->n_chain = (uint32_t)(end - i - 1);
}

static void count_copy(struct profile_quality *q, uint32_t size)
{
	unsigned i;

	for (i = 0; i < PROFILE_MAX_COPIES && size; i++) {
		if (q->copies[i].size && q->copies[i].size != size)
			continue;
		q->copies[i].size = size;
		q->copies[i].samples++;
		return;
	}
}

/* Count what the walk needed of its stack copy, and let the copies follow the need. */
static void learn(struct collector *c, const struct record *rec, const struct unwind_result *got)
{
	struct profile_quality *q = &c->profile.quality;
	bool ended = got->end == UNWIND_END_STACK || got->gap || got->spliced;
	/* Where a page of the stack was never touched the kernel stops copying, at any size. */
	bool full = rec->u.sample.stack_size == rec->u.sample.stack_room;
	struct stack_need need = {got->stack_used, ended && full, ended && full};
	uint64_t kb = (got->stack_used + 1023) / 1024;
	struct perf_resize change;

	c->used_kb[ended || kb >= USED_KB_MAX ? USED_KB_MAX - 1 : kb]++;
	if (fallback_used(c))
		return; /* its copies end where the stack does */
	count_copy(q, perf_id_stack_size(c->perf, rec->id));
	if (!perf_learn(c->perf, rec->id, &need, procs_threads(c->procs), &change))
		return;
	if (q->n_resizes < PROFILE_MAX_RESIZES)
		q->resizes[q->n_resizes] =
			(struct profile_resize){io_clock_ns(CLOCK_MONOTONIC) - c->clock.start_mono,
						change.tid, change.from, change.to};
	q->n_resizes++;
	log_debug("stack copies of %d: %u bytes instead of %u", (int)change.tid, change.to, change.from);
}

/* Nobody tells of mappings: a sample that needs one newer than what was read last has them read. */
static bool needs_mapping(const struct collector *c, const struct thread *t, const struct record *rec,
			  enum unwind_end end)
{
	return fallback_used(c) && t->proc->synced_ns < rec->time &&
	       (end == UNWIND_END_NO_MAPPING || !maps_find(t->proc->maps, rec->u.sample.ip));
}

static void walk(struct collector *c, const struct record *rec, struct thread *t, uint32_t max,
		 struct unwind_result *got)
{
	uint64_t regs[REGS_MAX];
	struct unwind_sample s = {
		.regs = regs,
		.stack = rec->u.sample.stack,
		.stack_size = rec->u.sample.stack_size,
	};

	if (rec->u.sample.abi != regs_arch.perf_abi ||
	    !regs_from_perf(rec->u.sample.regs, rec->u.sample.n_regs, regs))
		return;
	user_chain(rec, &s);
	unwind_walk(c->unwinder, t->proc->maps, &s, c->frames, max, got);
	if (needs_mapping(c, t, rec, got->end) && procs_refresh(c->procs, t->proc, rec->time))
		unwind_walk(c->unwinder, t->proc->maps, &s, c->frames, max, got);
}

static uint32_t add_user(struct collector *c, const struct record *rec, struct thread *t, uint32_t n)
{
	struct profile_quality *q = &c->profile.quality;
	struct unwind_result got = {.end = UNWIND_END_NO_REGS};
	uint32_t i;

	if (!rec->u.sample.regs)
		return n; /* a kernel thread: there is no user stack */
	/* In the middle of exec or exit: the registers are still there, the memory they point to is not. */
	if (!rec->u.sample.user && (!rec->u.sample.stack_size || !t->proc->maps->n))
		return n;
	walk(c, rec, t, c->max_frames - n, &got);
	for (i = 0; i < got.n; i++) {
		if (got.gap && got.gap == i)
			c->locations[n++] = c->loc_truncated;
		c->locations[n++] = mapped_location(c, &c->frames[i], rec->time);
	}
	q->user_samples++;
	q->ends[got.end]++;
	q->complete += unwind_end_complete(got.end) && !got.gap;
	q->truncated += unwind_end_truncated(got.end) || got.gap;
	q->spliced += got.spliced != 0;
	if (got.end != UNWIND_END_NO_REGS)
		learn(c, rec, &got);
	return add_end_mark(c, got.end, n);
}

/*
 * A thread attached by itself and also inherited by another's event would
 * count twice: the first event whose sample is seen counts, and if that is the
 * inherited one the thread's own events are surplus and closed.
 */
static bool accept_event(struct collector *c, struct thread *t, uint64_t id)
{
	pid_t owner;

	if (!c->attached || !c->perf || t->event_id == id || perf_whole_cpus(c->perf))
		return true;
	owner = perf_id_owner(c->perf, id);
	if (!owner || (owner == t->tid && t->inherits))
		return false; /* of an event closed as surplus */
	if (owner != t->tid && !t->inherits) {
		t->inherits = true;
		perf_close_task(c->perf, t->tid);
	}
	t->event_id = id;
	return true;
}

/* What the sample of event @i stands for. */
static uint64_t weight(const struct collector *c, const struct record *rec, uint32_t i)
{
	const struct planned_event *e = &c->plan.events[i];
	uint64_t period = rec->u.sample.period;

	/* What a program wrote, not the kernel: no sample stands for more than a window. */
	if (c->timer && period > WEIGHT_MAX_NS)
		return c->period;
	/* They come without one: perf_attr.c. */
	return event_counts_each(e->event) || !period ? e->period : period;
}

/* Into the types of event @i, and of no other. */
static int add_values(struct collector *c, const struct record *rec, uint32_t i, uint32_t stack,
		      uint32_t labels)
{
	struct capture_event *e = &c->events[i];
	uint64_t period = weight(c, rec, i);
	bool counts = e->type_count != PROFILE_NONE;
	int err = 0;

	e->now.samples++;
	e->now.sampled += period;
	if (period > e->weight)
		e->weight = period;
	if (counts)
		err = profile_add(&c->profile, stack, labels, e->type_count, 1);
	if (!err)
		err = profile_add(&c->profile, stack, labels, e->type_value, (int64_t)period);
	if (!err && c->profile.max_events)
		profile_event(&c->profile, stack, labels, window_clock_stamp(&c->clock, rec->time),
			      counts ? e->type_count : e->type_value, counts ? 1 : (int64_t)period,
			      e->type_value, (int64_t)period);
	return err;
}

int sample_add(struct collector *c, const struct record *rec)
{
	struct thread *t = procs_thread(c->procs, (pid_t)rec->pid, (pid_t)rec->tid);
	uint32_t n, stack, labels = PROFILE_NONE, event = c->perf ? perf_id_event(c->perf, rec->id) : 0;

	if (event >= c->plan.n || c->events[event].type_value == PROFILE_NONE)
		return 0; /* closed as surplus */
	if (t && !accept_event(c, t, rec->id))
		return 0;
	n = add_kernel(c, rec, 0);
	if (t) {
		n = add_user(c, rec, t, n);
		labels = procs_labels(c->procs, t, c->generation);
	}
	if (!n)
		c->locations[n++] = c->loc_incomplete;
	stack = profile_stack(&c->profile, c->locations, n);
	c->profile.quality.samples++;
	if (c->attach.whole_cpus && !event && c->plan.events[0].event->cpu_time && t &&
	    !account_is_target(c, t->proc->pid))
		c->sampled_others += weight(c, rec, event);
	return add_values(c, rec, event, stack, labels);
}

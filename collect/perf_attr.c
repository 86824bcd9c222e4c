/* SPDX-License-Identifier: Apache-2.0 */
/* perf_attr.c - what is asked of the kernel for each kind of event. */
#include "collect/perf_private.h"

#include "collect/regs.h"

#include <time.h>

#ifndef PERF_FORMAT_LOST
#define PERF_FORMAT_LOST (1U << 4)
#endif

#define SIDE_WAKEUP_BYTES 16384
/* Often enough that few more stacks are cut before a larger size is in use; else a ring half full wakes us.
 */
#define SMALLER_WAKEUP_EVENTS 16

/* @attr says what to count already. */
static void fill_common(const struct perf *p, struct perf_event_attr *attr, bool on_exec)
{
	attr->size = sizeof(*attr);
	attr->disabled = on_exec;
	attr->enable_on_exec = on_exec;
	attr->inherit = !p->whole_cpus;
	attr->use_clockid = 1;
	attr->clockid = CLOCK_MONOTONIC;
	attr->read_format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING |
			    (p->opt.count_lost ? PERF_FORMAT_LOST : 0);
}

/*
 * Also the count of all CPU time, whichever event samples and while none does. Any software event takes
 * side-band records.
 */
static void fill_side_band(const struct perf *p, struct perf_event_attr *attr, bool on_exec)
{
	*attr = (struct perf_event_attr){
		.type = PERF_TYPE_SOFTWARE,
		.config = p->whole_cpus ? PERF_COUNT_SW_DUMMY : PERF_COUNT_SW_TASK_CLOCK,
		.sample_type = p->side_layout.sample_type,
		.sample_id_all = 1,
		.exclude_kernel = 1,
		.exclude_hv = 1,
		.mmap = 1,
		.mmap2 = 1,
		.comm = 1,
		.comm_exec = 1,
		.task = 1,
		.watermark = 1,
		.wakeup_watermark = SIDE_WAKEUP_BYTES,
	};
	fill_common(p, attr, on_exec);
}

/*
 * Of what it sees one by one the kernel makes each a sample, whatever the
 * period, if samples are to say what they stand for (perf_swevent_event() in
 * kernel/events/core.c). They all stand for the same, so the address, which
 * takes the same place in the record, is asked for instead.
 */
static uint64_t sample_type(const struct perf *p, const struct event *ev)
{
	uint64_t type = p->sample_layout.sample_type;

	return event_counts_each(ev) ? (type & ~(uint64_t)PERF_SAMPLE_PERIOD) | PERF_SAMPLE_ADDR : type;
}

/* Only the largest size starts by itself, and only it has the kernel's walk of the user stack: it may be cut.
 * The class with the longer period is as large.
 */
static void fill_sample(const struct perf *p, struct perf_event_attr *attr, const struct planned_event *e,
			int size)
{
	bool slow = p->slow && size == (int)p->slow;
	bool chain = p->opt.user_chain && (size <= 0 || slow);

	attr->freq = e->freq != 0;
	attr->sample_period = e->freq ? e->freq : slow ? p->opt.slow_period : e->period;
	attr->sample_type = sample_type(p, e->event);
	attr->sample_id_all = 1;
	attr->exclude_idle = p->whole_cpus && e->event->cpu_time;
	attr->exclude_callchain_kernel = !e->kernel_frames;
	attr->exclude_callchain_user = !chain;
	if (p->opt.user_chain)
		attr->sample_max_stack = p->opt.max_chain;
	attr->sample_regs_user = regs_arch.perf_mask;
	attr->sample_stack_user = size >= 0 ? p->sizes[size] : p->further_size;
	attr->watermark = size <= 0 || slow;
	if (!attr->watermark)
		attr->wakeup_events = SMALLER_WAKEUP_EVENTS;
}

void perf_fill(const struct perf *p, struct perf_event_attr *attr, uint32_t event, int size, bool on_exec)
{
	const struct planned_event *e = &p->opt.plan->events[event];

	if (size == PERF_SIDE_BAND) {
		fill_side_band(p, attr, on_exec);
		return;
	}
	*attr = e->event->attr;
	if (size == PERF_HOLDER)
		*attr = (struct perf_event_attr){.type = PERF_TYPE_SOFTWARE, .config = PERF_COUNT_SW_DUMMY};
	attr->exclude_kernel |= !e->kernel || size == PERF_USER_PART;
	attr->exclude_hv |= !e->event->modified;
	fill_common(p, attr, on_exec && size <= 0);
	if (size >= 0 || size == PERF_FURTHER || size == PERF_HOLDER)
		fill_sample(p, attr, e, size);
	if (size > 0)
		attr->disabled = 1;
	if (!e->grouped || size == PERF_USER_PART || size == PERF_HOLDER)
		return;
	/* The group begins with its leader, when all of it is there. */
	attr->disabled = e->leader == event;
	attr->enable_on_exec = on_exec && e->leader == event;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* event_plan.c - see event_plan.h. */
#include "collect/event_plan.h"

#include "base/io.h"
#include "collect/ladder.h"
#include "collect/perf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CLOCK_PERIOD_MIN 10000 /* ns: the kernel's timers do no less, whatever is asked for */

static void set_refusal(struct planned_event *e, int err, const char *why)
{
	e->err = err;
	snprintf(e->why, sizeof(e->why), "%s", why);
}

static uint64_t at_least(uint64_t v, uint64_t min)
{
	return v > min ? v : min;
}

static bool is_frequent(const struct event *ev)
{
	return ev->attr.type == PERF_TYPE_SOFTWARE && ev->attr.config != PERF_COUNT_SW_PAGE_FAULTS_MAJ &&
	       ev->attr.config != PERF_COUNT_SW_CPU_MIGRATIONS;
}

static void set_rate(struct planned_event *e, uint32_t frequency)
{
	const struct event *ev = e->event;
	uint64_t freq = ev->freq ? ev->freq : frequency;

	if (ev->cpu_time)
		e->period = at_least(ev->period ? ev->period : 1000000000 / freq, CLOCK_PERIOD_MIN);
	else if (event_counts_each(ev))
		e->period = ev->period ? ev->period : is_frequent(ev) ? EVENT_PLAN_NTH : 1;
	else if (ev->period)
		e->period = ev->period;
	else
		e->freq = freq;
}

/* Open on our own process, never counting; @group_fd as in perf_event_open(2). Descriptor or -errno. */
static int try_open(const struct planned_event *e, int group_fd)
{
	struct perf_event_attr attr = e->event->attr;

	attr.disabled = group_fd < 0;
	attr.exclude_kernel |= !e->kernel;
	attr.exclude_hv |= !e->event->modified;
	attr.inherit = 1;
	if (e->sampled) {
		attr.sample_type = PERF_SAMPLE_IP | PERF_SAMPLE_TID | PERF_SAMPLE_TIME;
		attr.freq = e->freq != 0;
		attr.sample_period = e->freq ? e->freq : e->period;
	}
	return perf_open(&attr, 0, -1, group_fd);
}

static uint64_t rate_limit(void)
{
	struct buf b;
	uint64_t v = 0;

	buf_init(&b, 64);
	if (!io_read_file(AT_FDCWD, "/proc/sys/kernel/perf_event_max_sample_rate", &b) && !buf_put_u8(&b, 0))
		v = strtoull((const char *)b.data, NULL, 10);
	buf_release(&b);
	return v;
}

/* The rate may be above the kernel's limit: then at the limit. */
static void check_rate(struct planned_event *e)
{
	uint64_t limit;
	int fd = try_open(e, -1);

	if (fd == -EINVAL && e->freq && (limit = rate_limit()) && limit < e->freq) {
		e->freq = limit;
		fd = try_open(e, -1);
	}
	if (fd < 0)
		set_refusal(e, fd, ladder_event_refusal(e->event, fd));
	else
		close(fd);
}

static void plan_one(struct planned_event *e, const struct event *ev, uint32_t frequency, bool user_only)
{
	struct event_state st;
	bool in_kernel = ladder_kernel_only(ev);

	*e = (struct planned_event){.event = ev};
	if (ev->err) {
		set_refusal(e, ev->err, ev->refused);
		return;
	}
	ladder_event(ev, &st);
	if (st.access == EVENT_REFUSED) {
		set_refusal(e, st.err, st.text);
		return;
	}
	e->sampled = st.access != EVENT_COUNT_ONLY;
	e->kernel = st.access != EVENT_SAMPLE_USER && st.kernel && (in_kernel || !user_only);
	e->kernel_frames = e->kernel && !user_only;
	e->user_part = ev->split && e->kernel && !ev->modified && !ev->cpu_time && !in_kernel && !ev->path &&
		       ev->attr.type != PERF_TYPE_BREAKPOINT;
	if (e->sampled)
		set_rate(e, frequency);
	if (e->freq)
		check_rate(e);
}

/* The first that @p's capture can be led by is put in front, or CPU time. */
static void choose_first(struct event_plan *p, uint32_t frequency, bool user_only)
{
	struct planned_event first;
	uint32_t i, clock = UINT32_MAX, other = UINT32_MAX;

	for (i = p->n; i-- > 0;) {
		if (p->events[i].err || !p->events[i].sampled)
			continue;
		*(p->events[i].event->cpu_time ? &clock : &other) = i;
	}
	i = clock != UINT32_MAX ? clock : other;
	if (i == UINT32_MAX) {
		plan_one(&first, event_default(), frequency, user_only);
		first.err = 0; /* to be asked for, and refused, with all that the ladder has to say */
		first.sampled = true;
		set_rate(&first, frequency);
		p->replaced = p->n > 0;
		i = p->n++;
	} else {
		first = p->events[i];
	}
	memmove(&p->events[1], &p->events[0], i * sizeof(*p->events));
	p->events[0] = first;
}

static bool same_group(const struct event_plan *p, uint32_t a, uint32_t b)
{
	return a == b ||
	       (p->events[a].event->group && p->events[a].event->group == p->events[b].event->group);
}

static void set_leaders(struct event_plan *p)
{
	uint32_t i, j;

	for (i = 0; i < p->n; i++) {
		struct planned_event *e = &p->events[i];

		e->leader = i;
		e->grouped = false;
		for (j = 0; j < p->n && !e->err; j++) {
			if (p->events[j].err || !same_group(p, i, j))
				continue;
			e->leader = j < e->leader ? j : e->leader;
			e->grouped |= i != j;
		}
	}
}

static void count_refused(struct event_plan *p)
{
	uint32_t i;

	p->refused = 0;
	for (i = 0; i < p->n; i++)
		p->refused += p->events[i].err && !p->events[i].event->optional;
}

void event_plan_refuse(struct event_plan *p, uint32_t i, int err)
{
	char why[sizeof(p->events[i].why)];
	uint32_t j;

	if (i)
		set_refusal(&p->events[i], err, ladder_event_refusal(p->events[i].event, err));
	snprintf(why, sizeof(why), "its group is refused: '%.64s' %.64s", p->events[i].event->name,
		 ladder_event_refusal(p->events[i].event, err));
	for (j = 1; j < p->n; j++)
		if (j != i && !p->events[j].err && same_group(p, i, j))
			set_refusal(&p->events[j], err, why);
	set_leaders(p);
	count_refused(p);
}

uint32_t event_plan_frequency(const struct event_plan *p)
{
	const struct planned_event *e = &p->events[0];

	if (e->event->cpu_time && e->period)
		return (uint32_t)(1000000000 / e->period);
	return (uint32_t)e->freq;
}

void event_plan_drop_optional(struct event_plan *p)
{
	uint32_t i;

	for (i = 1; i < p->n; i++)
		if (!p->events[i].err && p->events[i].event->optional)
			set_refusal(&p->events[i], -E2BIG, "too many processors or threads");
	set_leaders(p);
}

/* One that cannot be had takes its group with it, before anything leads. */
static void refuse_groups(struct event_plan *p)
{
	char why[sizeof(p->events[0].why)];
	uint32_t i, j;

	for (i = 0; i < p->n; i++) {
		if (!p->events[i].err || !p->events[i].event->group)
			continue;
		snprintf(why, sizeof(why), "its group is refused: '%.64s' %.90s", p->events[i].event->name,
			 p->events[i].why);
		for (j = 0; j < p->n; j++)
			if (!p->events[j].err && same_group(p, i, j))
				set_refusal(&p->events[j], p->events[i].err, why);
	}
}

/* Does the kernel take @leader's group as one? 0, or the -errno of the first member it does not. */
static int try_group(const struct event_plan *p, uint32_t leader, uint32_t *bad)
{
	int fds[EVENT_PLAN_MAX], err = 0;
	uint32_t i, n = 0;

	for (i = leader; i < p->n && !err; i++) {
		if (p->events[i].err || p->events[i].leader != leader)
			continue;
		fds[n] = try_open(&p->events[i], n ? fds[0] : -1);
		err = fds[n] < 0 ? fds[n] : 0;
		*bad = i;
		n += !err;
	}
	while (n-- > 0)
		close(fds[n]);
	return err;
}

static void probe_groups(struct event_plan *p)
{
	uint32_t i, bad = 0;
	int err;

	for (i = 0; i < p->n; i++) {
		if (p->events[i].err || !p->events[i].grouped || p->events[i].leader != i)
			continue;
		err = try_group(p, i, &bad);
		if (err)
			event_plan_refuse(p, bad, err);
	}
}

void event_plan_make(struct event_plan *p, const struct event_list *list, uint32_t frequency, bool user_only)
{
	uint32_t i;

	*p = (struct event_plan){0};
	for (i = 0; list && i < list->n && i < EVENT_MAX; i++)
		plan_one(&p->events[p->n++], &list->events[i], frequency, user_only);
	refuse_groups(p);
	choose_first(p, frequency, user_only);
	set_leaders(p);
	probe_groups(p);
	count_refused(p);
}

void event_plan_only_time(struct event_plan *p, uint32_t frequency, const char *why)
{
	struct planned_event first = {.event = event_default(), .sampled = true};
	uint32_t i, n = 1;

	for (i = 0; i < p->n; i++)
		if (p->events[i].event->cpu_time && !p->events[i].event->err)
			first.event = p->events[i].event;
	/* What asked for CPU time has it, under whatever name. */
	for (i = 0; i < p->n; i++)
		if (!p->events[i].event->cpu_time)
			p->events[n++ - 1] = p->events[i];
	for (i = n - 1; i-- > 0;) {
		p->events[i + 1] = p->events[i];
		if (!p->events[i + 1].event->err)
			set_refusal(&p->events[i + 1], -EPERM, why);
	}
	p->events[0] = first;
	set_rate(&p->events[0], frequency);
	p->n = n;
	p->replaced = false;
	set_leaders(p);
	count_refused(p);
}

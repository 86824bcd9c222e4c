/* SPDX-License-Identifier: Apache-2.0 */
/* perf_further.c - the events behind the first, their groups, and what all have counted. */
#include "collect/perf_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define DESCRIPTORS_LEFT 32

/* "0-3,5", and NULL for all. */
bool perf_counts_on(const struct event *ev, int cpu)
{
	const char *s = ev->cpus;
	char *end;
	long lo, hi;

	while (s && *s >= '0' && *s <= '9') {
		lo = hi = strtol(s, &end, 10);
		if (*end == '-')
			hi = strtol(end + 1, &end, 10);
		if (cpu >= lo && cpu <= hi)
			return true;
		s = *end == ',' ? end + 1 : end;
	}
	return !ev->cpus;
}

/* The descriptor that leads event @event's group on @cpu; -1: it leads, is alone, or its leader is not there.
 */
static int leader_fd(const struct perf *p, uint32_t first, uint32_t cpu, uint32_t event)
{
	const struct planned_event *e = &p->opt.plan->events[event];
	uint32_t i;

	if (!e->grouped || e->leader == event)
		return -1;
	for (i = first; i < p->n; i++)
		if (p->events[i].cpu == cpu && p->events[i].event == e->leader &&
		    !perf_side_band(&p->events[i]) && p->events[i].size != PERF_USER_PART)
			return p->events[i].fd;
	return -1;
}

/* The first event is open already: what it does in user mode is good to have. */
static int open_first_user(struct perf *p, pid_t tid, bool on_exec)
{
	const struct planned_event *e = &p->opt.plan->events[0];
	uint32_t cpu;
	int err = 0;

	for (cpu = 0; cpu < p->n_cpus && e->user_part && (!err || err == -ENODEV); cpu++)
		if (perf_counts_on(e->event, p->cpus[cpu]))
			err = perf_open_one(p, tid, cpu, 0, PERF_USER_PART, -1, on_exec);
	return err == -ESRCH ? err : 0;
}

/* What is good to have leaves descriptors for the files of the program and the profile. */
static int check_descriptors(const struct perf *p)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) || (rlim_t)p->events[p->n - 1].fd + DESCRIPTORS_LEFT < rl.rlim_cur)
		return 0;
	return -EMFILE;
}

static int open_event(struct perf *p, pid_t tid, uint32_t first, uint32_t event, bool on_exec)
{
	const struct planned_event *e = &p->opt.plan->events[event];
	uint32_t cpu;
	int err = 0, group_fd;

	for (cpu = 0; cpu < p->n_cpus && !err; cpu++) {
		if (!perf_counts_on(e->event, p->cpus[cpu]))
			continue;
		group_fd = leader_fd(p, first, cpu, event);
		if (group_fd < 0 && e->grouped && e->leader != event)
			continue; /* that CPU went offline */
		err = perf_open_one(p, tid, cpu, event, e->sampled ? PERF_FURTHER : PERF_COUNTS, group_fd,
				    on_exec);
		if (!err && e->user_part && !p->whole_cpus)
			err = perf_open_one(p, tid, cpu, event, PERF_USER_PART, -1, on_exec);
		if (!err)
			err = check_descriptors(p);
		if (err == -ENODEV)
			err = 0;
	}
	return err;
}

/* Of what the plan has refused, or all of event @event. */
static void close_refused(struct perf *p, uint32_t first)
{
	uint32_t i;

	for (i = first; i < p->n; i++)
		if (p->opt.plan->events[p->events[i].event].err)
			perf_close_one(&p->events[i]);
}

/* Members wait for their leader: it begins now, unless the exec does it. */
static int begin_groups(const struct perf *p, uint32_t first)
{
	uint32_t i;

	for (i = first; i < p->n; i++) {
		const struct fd_event *e = &p->events[i];
		const struct planned_event *pl = &p->opt.plan->events[e->event];

		if (e->fd >= 0 && e->size <= 0 && !perf_side_band(e) && e->size != PERF_USER_PART &&
		    pl->grouped && pl->leader == e->event && ioctl(e->fd, PERF_EVENT_IOC_ENABLE, 0))
			return -errno;
	}
	return 0;
}

int perf_open_further(struct perf *p, pid_t tid, uint32_t first, bool on_exec)
{
	struct event_plan *plan = p->opt.plan;
	bool grouped = plan->events[0].grouped;
	uint32_t i;
	int err = p->whole_cpus ? 0 : open_first_user(p, tid, on_exec);

	for (i = 1; i < plan->n && !err; i++) {
		/* What CPUs count is not the targets'. */
		if (plan->events[i].err || (p->whole_cpus && !plan->events[i].sampled))
			continue;
		err = open_event(p, tid, first, i, on_exec);
		if (err && err != -ESRCH && !p->n_tasks) {
			event_plan_refuse(plan, i, err);
			close_refused(p, first);
			err = 0;
		} else if (err != -ESRCH && err != -EMFILE && err != -ENFILE && err != -ENOMEM) {
			err = 0; /* a later task can do without it, as long as there are descriptors */
		}
	}
	if (err)
		return err;
	/* Its group may be gone. On exec it has what it needs. */
	if (!on_exec && grouped && !plan->events[0].grouped) {
		for (i = first; i < p->n; i++)
			if (perf_sized(&p->events[i]) && p->events[i].fd >= 0 && !p->events[i].size)
				ioctl(p->events[i].fd, PERF_EVENT_IOC_ENABLE, 0);
	}
	return on_exec ? 0 : begin_groups(p, first);
}

/* ---- counts ---- */

struct reading {
	uint64_t value, enabled, running, lost;
};

static bool read_event(const struct fd_event *e, struct reading *r)
{
	uint64_t v[4] = {0, 0, 0, 0};

	if (e->fd < 0 || read(e->fd, v, sizeof(v)) < (ssize_t)(3 * sizeof(v[0])))
		return false;
	*r = (struct reading){v[0], v[1], v[2], v[3]};
	return true;
}

struct sum {
	uint64_t value, enabled, running;
};

/* What it would have counted all the time, by what it did. */
static uint64_t scaled(const struct sum *s)
{
	if (!s->running || s->running >= s->enabled)
		return s->value;
	return (uint64_t)((unsigned __int128)s->value * s->enabled / s->running);
}

struct sums {
	struct sum all[EVENT_PLAN_MAX], user[EVENT_PLAN_MAX];
};

/*
 * An event on one CPU is enabled, and not running, while its task runs on
 * another (seen). How long the task ran on this one is what the side-band's
 * event there ran. Software always counts, on whatever is there.
 */
static void add_event(const struct perf *p, const struct fd_event *e, uint64_t ran, struct perf_counts *out,
		      struct sums *sums)
{
	const struct planned_event *pl = &p->opt.plan->events[e->event];
	struct sum *s = e->size == PERF_USER_PART ? &sums->user[e->event] : &sums->all[e->event];
	bool shares = !pl->event->cpu_time && !event_counts_each(pl->event); /* a counter with others */
	struct reading r;

	if (!read_event(e, &r))
		return;
	out->events[e->event].lost += r.lost;
	s->value += r.value;
	s->running += r.running;
	if (!shares)
		s->enabled += r.running;
	else
		s->enabled += ran < r.enabled ? ran : r.enabled;
}

static void count_task(const struct perf *p, const struct task *t, struct perf_counts *out, struct sums *sums)
{
	bool clock = p->opt.plan->events[0].event->cpu_time;
	struct reading r;
	uint32_t i;

	memset(p->ran, 0, p->n_cpus * sizeof(*p->ran));
	for (i = t->first; i < t->first + t->n; i++) {
		if (!perf_side_band(&p->events[i]) || !read_event(&p->events[i], &r))
			continue;
		p->ran[p->events[i].cpu] = r.running;
		out->cpu_time += p->whole_cpus ? 0 : r.value;
		if (clock) {
			sums->all[0].value += r.value;
			sums->all[0].enabled += r.running;
			sums->all[0].running += r.running;
		}
	}
	for (i = t->first; i < t->first + t->n; i++) {
		const struct fd_event *e = &p->events[i];

		if (perf_side_band(e))
			continue;
		if (!perf_sized(e) || !clock)
			add_event(p, e, p->ran[e->cpu], out, sums);
		else if (read_event(e, &r))
			out->events[0].lost += r.lost;
	}
}

void perf_keep_lost(struct perf *p, const struct task *t)
{
	struct reading r;
	uint32_t i;

	for (i = t->first; i < t->first + t->n; i++)
		if (!perf_side_band(&p->events[i]) && read_event(&p->events[i], &r))
			p->closed_lost[p->events[i].event] += r.lost;
}

void perf_count(struct perf *p, struct perf_counts *out)
{
	struct sums sums = {0};
	uint32_t i;

	*out = (struct perf_counts){0};
	for (i = 0; i < p->n_tasks; i++)
		count_task(p, &p->tasks[i], out, &sums);
	for (i = 0; i < p->opt.plan->n; i++) {
		struct perf_event_counts *c = &out->events[i];
		const struct sum *all = &sums.all[i], *user = &sums.user[i];

		c->lost += p->closed_lost[i];
		if (p->whole_cpus)
			continue;
		c->value = scaled(all);
		c->enabled = all->enabled;
		c->running = all->running;
		c->counted = !p->opt.plan->events[i].err && (all->running || !all->enabled);
		c->user = scaled(user);
		c->counted_user =
			c->counted && p->opt.plan->events[i].user_part && (user->running || !user->enabled);
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
/* ladder.c - see ladder.h. */
#include "collect/ladder.h"

#include "base/io.h"
#include "collect/perf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef PERF_FORMAT_LOST
#define PERF_FORMAT_LOST (1U << 4)
#endif

static int read_paranoid(void)
{
	struct buf b;
	int v = INT32_MIN;

	buf_init(&b, 64);
	if (!io_read_file(AT_FDCWD, "/proc/sys/kernel/perf_event_paranoid", &b) && !buf_put_u8(&b, 0))
		v = atoi((const char *)b.data);
	buf_release(&b);
	return v;
}

/* A walk by frame pointers takes 8 bytes of ring a frame: no more than this. */
#define USER_CHAIN_MAX 512

/* What an event is asked for besides the user's registers and stack. */
struct rung {
	bool kernel, count_lost, user_chain;
	uint16_t max_chain;
};

/* Open and close on our own process, never counting. */
static int try_open(const struct event *event, struct rung r)
{
	struct perf_event_attr attr = event->attr;
	int fd;

	attr.sample_period = 1000000000;
	attr.sample_type = PERF_SAMPLE_IP | PERF_SAMPLE_TID | PERF_SAMPLE_TIME |
			   (r.kernel || r.user_chain ? PERF_SAMPLE_CALLCHAIN : 0);
	attr.read_format = r.count_lost ? PERF_FORMAT_LOST : 0;
	attr.disabled = 1;
	attr.exclude_kernel |= !r.kernel;
	attr.exclude_hv = 1;
	attr.exclude_callchain_kernel = !r.kernel;
	attr.exclude_callchain_user = !r.user_chain;
	attr.sample_max_stack = r.max_chain;
	attr.use_clockid = 1;
	attr.clockid = CLOCK_MONOTONIC;
	fd = perf_open(&attr, 0, -1, -1);
	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

static int step(struct ladder *l, const char *wanted, int err, const char *instead)
{
	if (l->n < LADDER_MAX_STEPS)
		l->steps[l->n++] = (struct ladder_step){wanted, err, instead};
	return err;
}

/* With our bound, or if the kernel's own (kernel.perf_event_max_stack) is lower, with that. */
static void probe_user_chain(struct ladder *l, const struct event *event)
{
	struct rung r = {.kernel = l->kernel, .user_chain = true, .max_chain = USER_CHAIN_MAX};
	int err = try_open(event, r);

	if (err == -EOVERFLOW) {
		r.max_chain = 0;
		err = try_open(event, r);
	}
	l->user_chain = !step(l, "stacks deeper than their copies, by frame pointers", err, "[truncated]");
	l->max_chain = r.max_chain;
}

int ladder_probe(struct ladder *l, const struct event *event, bool user_only)
{
	int err = -EACCES;

	*l = (struct ladder){.paranoid = read_paranoid()};
	if (!user_only)
		err = step(l, "user and kernel stacks", try_open(event, (struct rung){.kernel = true}),
			   "user stacks only");
	l->kernel = !err;
	if (err)
		err = step(l, "user stacks", try_open(event, (struct rung){0}), "no profile");
	if (err) {
		ladder_refused(l, err, "perf_event_open");
		return err;
	}
	l->count_lost = !step(l, "exact count of lost samples",
			      try_open(event, (struct rung){.kernel = l->kernel, .count_lost = true}),
			      "the count of lost records");
	probe_user_chain(l, event);
	return 0;
}

static int try_count(const struct event *event, bool kernel)
{
	struct perf_event_attr attr = event->attr;
	int fd;

	attr.disabled = 1;
	attr.exclude_kernel |= !kernel;
	attr.exclude_hv = 1;
	fd = perf_open(&attr, 0, -1, -1);
	if (fd >= 0)
		close(fd);
	return fd < 0 ? fd : 0;
}

bool ladder_kernel_only(const struct event *event)
{
	return event->attr.exclude_user || event->attr.type == PERF_TYPE_TRACEPOINT ||
	       (event->attr.type == PERF_TYPE_SOFTWARE &&
		(event->attr.config == PERF_COUNT_SW_CONTEXT_SWITCHES ||
		 event->attr.config == PERF_COUNT_SW_CPU_MIGRATIONS));
}

const char *ladder_event_refusal(const struct event *event, int err)
{
	switch (err) {
	case -EACCES:
	case -EPERM:
		return ladder_kernel_only(event) ? "happens in the kernel, which this user may not watch"
						 : "not permitted to this user";
	case -ENOENT:
	case -ENODEV:
	case -ENXIO:
		return "no such counter on this machine";
	case -EOPNOTSUPP:
		return "the counter cannot interrupt";
	case -EINVAL:
		return "this kernel does not take it";
	case -ENOSYS:
		return "no perf events in this kernel or container";
	case -EMFILE:
	case -ENFILE:
		return "no descriptors left (ulimit -n)";
	default:
		return strerror(-err);
	}
}

void ladder_event(const struct event *event, struct event_state *out)
{
	int err = try_open(event, (struct rung){.kernel = true}), user = err;

	*out = (struct event_state){EVENT_SAMPLE_ALL, true, 0, ""};
	if (!err)
		return;
	out->kernel = !try_count(event, true);
	if (!ladder_kernel_only(event))
		user = try_open(event, (struct rung){0});
	if (!user)
		out->access = EVENT_SAMPLE_USER;
	else if (out->kernel || (!ladder_kernel_only(event) && !try_count(event, false)))
		out->access = EVENT_COUNT_ONLY;
	else
		out->access = EVENT_REFUSED;
	out->err = user ? user : err;
	out->text = ladder_event_refusal(event, out->err);
}

void ladder_refused(struct ladder *l, int err, const char *doing)
{
	const char *why = strerror(-err);

	l->err = err;
	if ((err == -EACCES || err == -EPERM) && l->paranoid > 2)
		snprintf(l->advice, sizeof(l->advice),
			 "%s: %s, kernel.perf_event_paranoid is %d\n  fix: sudo sysctl "
			 "kernel.perf_event_paranoid=2",
			 doing, why, l->paranoid);
	else if (err == -EACCES || err == -EPERM)
		snprintf(
			l->advice, sizeof(l->advice),
			"%s: %s, by a seccomp filter or security module (perf_event_paranoid is %d, which "
			"would do)\n"
			"  fix: allow perf_event_open in the container's seccomp profile, or add CAP_PERFMON",
			doing, why, l->paranoid);
	else if (err == -ENOBUFS)
		snprintf(l->advice, sizeof(l->advice),
			 "%s: the memory that this user may lock for perf events is used up\n"
			 "  fix: sudo sysctl kernel.perf_event_mlock_kb=8192",
			 doing);
	else if (err == -ENOSYS)
		snprintf(l->advice, sizeof(l->advice),
			 "%s: %s\n  fix: use a kernel with CONFIG_PERF_EVENTS, or a container that allows "
			 "the call",
			 doing, why);
	else if (err == -EMFILE || err == -ENFILE)
		snprintf(l->advice, sizeof(l->advice),
			 "%s: %s\n  fix: raise the limit of open files (ulimit -n)", doing, why);
	else
		snprintf(l->advice, sizeof(l->advice), "%s: %s", doing, why);
}

void ladder_timer(struct ladder *l, bool wanted)
{
	if (wanted)
		*l = (struct ladder){.paranoid = read_paranoid()};
	else
		step(l, "perf events", l->err, "CPU-time timers in the program");
	l->kernel = l->count_lost = false;
	l->timer = true;
}

const char *ladder_mode(const struct ladder *l)
{
	if (l->timer)
		return "timer";
	if (l->err)
		return "none";
	return l->kernel ? "user+kernel" : "user";
}

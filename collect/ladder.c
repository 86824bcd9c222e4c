/* SPDX-License-Identifier: Apache-2.0 */
/* ladder.c - see ladder.h. */
#include "collect/ladder.h"

#include "base/io.h"
#include "base/log.h"
#include "collect/perf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef PERF_FORMAT_LOST
#define PERF_FORMAT_LOST (1U << 4)
#endif

/* clang-format off */
const struct ladder_rung ladder_table[LADDER_RUNGS] = {
	[LADDER_KERNEL] = {"kernel", "user and kernel stacks",
			   "user+kernel mode, per task and CPU, inherited", "user stacks only",
			   "kernel time is one figure, without functions"},
	[LADDER_USER] = {"user", "user stacks", "user mode, per task and CPU, inherited",
			 "timers in the program", "see perf"},
	[LADDER_LOST] = {"lost", "exact count of lost samples", "PERF_FORMAT_LOST",
			 "the count of lost records", "bursts of losses are counted too low"},
	[LADDER_CHAIN] = {"chain", "stacks deeper than their copies", "PERF_SAMPLE_CALLCHAIN, user",
			  "[truncated]", "stacks of more than 64 KB end early"},
	[LADDER_RATE] = {"rate", "the rate asked for", "sample_freq", "the highest rate allowed",
			 "fewer samples: rare functions may be missing"},
	[LADDER_RINGS] = {"rings", "rings for the largest stack copies", "mmap of a ring per CPU",
			  "smaller rings and stack copies", "deep stacks are cut, bursts of samples lost"},
	[LADDER_FILES] = {"files", "events for all threads", "a descriptor per thread, CPU and event",
			  "as many threads as the limit allows", "the other threads are not sampled"},
	[LADDER_PERF] = {"perf", "perf events", "perf_event_open", "CPU-time timers in the program",
			 "no kernel frames, at most CONFIG_HZ samples a second"},
};
/* clang-format on */

static int read_number(const char *path, int otherwise)
{
	struct buf b;
	int v = otherwise;

	buf_init(&b, 64);
	if (!io_read_file(AT_FDCWD, path, &b) && !buf_put_u8(&b, 0))
		v = atoi((const char *)b.data);
	buf_release(&b);
	return v;
}

static int read_paranoid(void)
{
	return read_number("/proc/sys/kernel/perf_event_paranoid", INT32_MIN);
}

/*
 * A call with flags that no kernel knows is refused with EINVAL before anything
 * else is looked at; any other answer is not the kernel's own.
 */
static bool call_is_filtered(void)
{
	return syscall(SYS_perf_event_open, NULL, 0, -1, -1, ~0ul) < 0 && errno != EINVAL && errno != ENOSYS;
}

/* ENOSYS may be the answer of a kernel without perf events; the filter's number tells. */
static bool has_seccomp_filter(void)
{
	struct buf b;
	bool filter;

	buf_init(&b, 65536);
	filter = !io_read_file(AT_FDCWD, "/proc/self/status", &b) && !buf_put_u8(&b, 0) &&
		 strstr((const char *)b.data, "\nSeccomp:\t2");
	buf_release(&b);
	return filter;
}

/* A walk by frame pointers takes 8 bytes of ring a frame: no more than this. */
#define USER_CHAIN_MAX 512

/* What an event is asked for besides the user's registers and stack. */
struct rung {
	bool kernel, count_lost, user_chain;
	uint16_t max_chain;
	uint32_t rate; /* Hz; 0: a period */
};

/* Open and close on our own process, never counting. */
static int try_open(const struct event *event, struct rung r)
{
	struct perf_event_attr attr = event->attr;
	int fd;

	if (r.rate) {
		attr.freq = 1;
		attr.sample_freq = r.rate;
	} else {
		attr.sample_period = 1000000000;
	}
	attr.sample_type = PERF_SAMPLE_IP | PERF_SAMPLE_TID | PERF_SAMPLE_TIME |
			   (r.kernel || r.user_chain ? PERF_SAMPLE_CALLCHAIN : 0);
	attr.read_format = r.count_lost ? PERF_FORMAT_LOST : 0;
	attr.disabled = 1;
	attr.inherit = 1;
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

static struct ladder_step *find(struct ladder *l, enum ladder_rung_id rung)
{
	uint32_t i;

	for (i = 0; i < l->n; i++)
		if (l->steps[i].rung == rung)
			return &l->steps[i];
	return NULL;
}

void ladder_note(struct ladder *l, enum ladder_rung_id rung, int err)
{
	struct ladder_step *s = find(l, rung);

	log_debug("%s (%s): %s", ladder_table[rung].wanted, ladder_table[rung].how,
		  err ? strerror(-err) : "granted");
	if (!s) /* each rung once at most: there is room */
		s = &l->steps[l->n++];
	*s = (struct ladder_step){rung, err};
}

int ladder_answer(const struct ladder *l, enum ladder_rung_id rung)
{
	const struct ladder_step *s = find((struct ladder *)l, rung);

	return s ? s->err : 1;
}

void ladder_step_text(const struct ladder_step *step, char *out, size_t len)
{
	const struct ladder_rung *r = &ladder_table[step->rung];
	const char *name = strerrorname_np(-step->err);

	out[0] = '\0';
	if (step->err)
		snprintf(out, len, "%s; instead: %s; costs: %s", name ? name : "refused", r->instead,
			 r->costs);
}

static int step(struct ladder *l, enum ladder_rung_id rung, int err)
{
	ladder_note(l, rung, err);
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
	l->user_chain = !step(l, LADDER_CHAIN, err);
	l->max_chain = r.max_chain;
}

/* A rate above the limit is EINVAL, as much else is: the limit itself must then be granted. */
static void probe_rate(struct ladder *l, const struct event *event, uint32_t rate)
{
	struct rung r = {.kernel = l->kernel, .rate = rate};
	int err = try_open(event, r), limit;

	l->rate = rate;
	if (err == -EINVAL) {
		limit = read_number("/proc/sys/kernel/perf_event_max_sample_rate", 0);
		r.rate = limit > 0 && (uint32_t)limit < rate ? (uint32_t)limit : 0;
		if (r.rate && !try_open(event, r))
			l->rate = r.rate;
	}
	ladder_note(l, LADDER_RATE, l->rate < rate ? err : 0);
}

int ladder_probe(struct ladder *l, const struct event *event, uint32_t rate, bool user_only)
{
	int err = -EACCES;

	*l = (struct ladder){.paranoid = read_paranoid()};
	if (!user_only)
		err = step(l, LADDER_KERNEL, try_open(event, (struct rung){.kernel = true}));
	l->kernel = !err;
	if (err)
		err = step(l, LADDER_USER, try_open(event, (struct rung){0}));
	if (err) {
		ladder_refused(l, err, "perf_event_open");
		return err;
	}
	l->count_lost = !step(l, LADDER_LOST,
			      try_open(event, (struct rung){.kernel = l->kernel, .count_lost = true}));
	probe_user_chain(l, event);
	if (rate)
		probe_rate(l, event, rate);
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
	bool denied = err == -EACCES || err == -EPERM;

	l->err = err;
	l->filtered = call_is_filtered() || (err == -ENOSYS && has_seccomp_filter());
	if (l->filtered && (denied || err == -ENOSYS))
		snprintf(
			l->advice, sizeof(l->advice),
			"%s: %s, by a seccomp filter or sandbox, which keeps the call from the kernel\n"
			"  fix: allow perf_event_open in the container's seccomp profile, or add CAP_PERFMON",
			doing, why);
	else if (denied && l->paranoid > 2)
		snprintf(l->advice, sizeof(l->advice),
			 "%s: %s, kernel.perf_event_paranoid is %d\n  fix: sudo sysctl "
			 "kernel.perf_event_paranoid=2",
			 doing, why, l->paranoid);
	else if (denied)
		snprintf(l->advice, sizeof(l->advice),
			 "%s: %s, by a security module (perf_event_paranoid is %d, which would do)\n"
			 "  fix: let the security policy allow perf_event_open, or add CAP_PERFMON",
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
		ladder_note(l, LADDER_PERF, l->err);
	l->kernel = l->count_lost = false;
	l->timer = true;
}

const char *ladder_mode(const struct ladder *l)
{
	if (l->timer)
		return "timer";
	if (l->trace)
		return l->err ? "none" : "ptrace";
	if (l->err)
		return "none";
	return l->kernel ? "user+kernel" : "user";
}

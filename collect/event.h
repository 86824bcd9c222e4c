/* SPDX-License-Identifier: Apache-2.0 */
/*
 * event.h - what can be sampled or counted, from the words people use for it.
 *
 * One text may name several events, with commas, semicolons or blanks between:
 *
 *   cycles  LLC-load-misses:u  skl::INST_RETIRED:ANY_P   libpfm4's names and modifiers
 *   cpu/event=0x3c,umask=0/k  cpu_core/cycles/           the kernel's own names, under a PMU of sysfs
 *   r1a2                                                  a raw code of the core PMU
 *   sched:sched_switch                                    a tracepoint
 *   mem:0x601050/8:rw                                     a breakpoint: address, length, r w x
 *   probe:/usr/bin/app:symbol+16  probe:FILE:SYMBOL%return   a uprobe
 *   sCPU hINST sPF ...                                    words of the former ddprof
 *   {cycles,instructions}                                 a group: counted together or not at all
 *
 * After an event (or group), key=value sets something of it: freq=HZ (f,
 * frequency), period=N (p, per), precise=0..3, label=NAME (l). The former
 * ddprof's event=NAME (e, ev) and group=NAME (g, gr, of a tracepoint) are
 * understood; its keys that move values into another profile are refused.
 */
#ifndef COLLECT_EVENT_H
#define COLLECT_EVENT_H

#include <linux/perf_event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EVENT_MAX      32  /* of one list */
#define EVENT_NAME_MAX 256 /* bytes with the NUL */

struct event {
	char name[EVENT_NAME_MAX]; /* as the user wrote it, or its label */
	/* type, size, config*, bp_*, exclude_*, precise_ip; all else 0. config1 of a uprobe points into path.
	 */
	struct perf_event_attr attr;
	char *path;      /* uprobe: the file, owned; else NULL */
	char *cpus;      /* "0-7": the PMU counts on these only (hybrid machines), owned; NULL: on all */
	uint64_t period; /* asked for; 0: not */
	uint64_t freq;   /* Hz, asked for; 0: not */
	uint32_t group;  /* 0: alone; else the number of its group, from 1; the group's first event leads */
	bool cpu_time;   /* counts nanoseconds of CPU time */
	bool modified;   /* the user said which of user and kernel to count */
	bool split;      /* what user code does of it is to be counted by itself, too */
	bool optional;   /* good to have: left out without a word where it cannot be had */
	int err;         /* lenient lists: -ENODEV or -EACCES, this machine or user has it not; else 0 */
	char *refused;   /* then: why, one line, owned */
	const char *count_type; /* pprof sample type with one per sample, unit "count"; NULL: none */
	const char *value_type,
		*value_unit; /* pprof sample type that takes the period; name itself if NULL */
};

struct event_list {
	struct event *events; /* NULL when empty; moved by event_list_parse() */
	uint32_t n;
	uint32_t groups;
	/*
	 * To be set after event_list_init(): events that this machine or user has
	 * not are kept, with their reason; words of the former ddprof for what is
	 * no perf event are passed over, their keys too, and named in passed_over.
	 */
	bool lenient;
	char passed_over[64]; /* ", "-separated */
};

void event_list_init(struct event_list *l);
void event_list_release(struct event_list *l);

/* Move all of @from that has not a name of @to's behind it; @from is empty then. 0, -ENOMEM or -E2BIG: as
 * before. */
int event_list_move(struct event_list *to, struct event_list *from);

/* Add a copy of event_default() as the first, unless CPU time is there already. As above. */
int event_list_add_default(struct event_list *l);

/*
 * Does the kernel see each single one (software events but clocks,
 * tracepoints, probes, breakpoints)? It keeps no rate of these: with attr.freq
 * their samples' periods are off by orders of magnitude (seen: ten times and more the count).
 */
bool event_counts_each(const struct event *ev);

/*
 * Add the events that @text names. 0, or with @why ("'TEXT' is ..., did you
 * mean ...?"): -EINVAL for what is no event, -ENODEV for one that this machine
 * has not, -ENOTSUP for one that cannot be sampled per task or is no perf
 * event, -EACCES when finding out was not permitted, -E2BIG, -ENOMEM. After a
 * failure the list is as before.
 */
int event_list_parse(struct event_list *l, const char *text, char *why, size_t why_len);

/* The default: CPU time by a software clock, on every machine. Static; nothing to release. */
const struct event *event_default(void);

/*
 * Call @each for every event name that libpfm4's tables (@all: of all CPUs,
 * else of those present) or the kernel's own tables hold and that contains @pattern, in any case. An error of
 * @each (not 0) ends it and is returned.
 */
struct event_info {
	const char *name; /* as event_list_parse() takes it on this machine, if present */
	const char *desc; /* "" if there is none */
	const char *pmu;  /* "perf", "skl", "software", "tracepoint" */
	bool present;     /* this machine has the PMU */
};
int event_search(const char *pattern, bool all, int (*each)(const struct event_info *info, void *arg),
		 void *arg);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ladder.h - what was wanted of the kernel, what it answered, what is used instead.
 *
 * The answer is always that of the call itself, made on our own process:
 * never inferred from a sysctl or a capability (both mislead in containers).
 * The same table feeds run, attach and the profile's comments.
 */
#ifndef COLLECT_LADDER_H
#define COLLECT_LADDER_H

#include "collect/event.h"

#include <stdbool.h>
#include <stdint.h>

#define LADDER_MAX_STEPS 8

struct ladder_step {
	const char *wanted;  /* "user and kernel stacks" */
	int err;             /* 0: granted; else the call's -errno */
	const char *instead; /* what is used when it was refused */
};

struct ladder {
	struct ladder_step steps[LADDER_MAX_STEPS];
	uint32_t n;
	int err;         /* 0: some rung holds; else the -errno of the last one */
	bool timer;      /* perf events are refused, timers in the program are used; err and advice are why */
	bool kernel;     /* kernel time and frames are sampled */
	bool count_lost; /* PERF_FORMAT_LOST works (Linux 6.0) */
	bool user_chain; /* samples may have the kernel's own walk of the user stack */
	uint16_t max_chain; /* its frames are bounded by this; 0: by the kernel's own limit, which is lower */
	int paranoid;       /* kernel.perf_event_paranoid as read, for the advice; INT32_MIN: unreadable */
	char advice[256];   /* err: why, and on a second line the one command that helps */
};

/* Try the rungs for @event, top first unless @user_only. Returns ladder->err. */
int ladder_probe(struct ladder *l, const struct event *event, bool user_only);

/* What the kernel lets us do with one event, on our own process as on any of ours. */
enum event_access {
	EVENT_SAMPLE_ALL,  /* sampled with user and kernel stacks */
	EVENT_SAMPLE_USER, /* sampled in user mode */
	EVENT_COUNT_ONLY,  /* counted, not sampled */
	EVENT_REFUSED,
};

struct event_state {
	enum event_access access;
	bool kernel;      /* what happens in the kernel can be had, too */
	int err;          /* why not the next better access: -errno; 0 with EVENT_SAMPLE_ALL */
	const char *text; /* a short phrase for people, such as "no such counter on this machine" */
};

void ladder_event(const struct event *event, struct event_state *out);

/* Does it happen in the kernel only? Then an event that leaves the kernel out opens, and stays at 0. */
bool ladder_kernel_only(const struct event *event);

/* The phrase for a refusal by -errno @err. Static, or of strerror(). */
const char *ladder_event_refusal(const struct event *event, int err);

/* Fill ->err and ->advice for a refusal that came later (@err: -errno; @doing: "opening events"). */
void ladder_refused(struct ladder *l, int err, const char *doing);

/*
 * The last rung: the program is sampled by CPU-time timers of its own
 * (timer.h). @wanted: that is what was asked for, not what is left.
 */
void ladder_timer(struct ladder *l, bool wanted);

/* One word for the comments: "user+kernel", "user", "timer", "none". */
const char *ladder_mode(const struct ladder *l);

#endif

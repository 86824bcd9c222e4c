/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ladder.h - what was wanted of the kernel, what it answered, what is used instead.
 *
 * The answer is always that of the call itself, made on our own process:
 * never inferred from a sysctl or a capability (both mislead in containers).
 * The same table feeds run, attach, doctor and the profile's comments.
 */
#ifndef COLLECT_LADDER_H
#define COLLECT_LADDER_H

#include "collect/event.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The rungs, one row each of ladder_table: what is asked of the kernel, and
 * what it means when that is refused. In the order in which they are tried.
 */
enum ladder_rung_id {
	LADDER_KERNEL, /* sampling in user and kernel mode */
	LADDER_USER,   /* in user mode only */
	LADDER_LOST,   /* PERF_FORMAT_LOST (Linux 6.0) */
	LADDER_CHAIN,  /* the kernel's own walk of the user stack, besides the copy */
	LADDER_RATE,   /* the rate asked for: at most kernel.perf_event_max_sample_rate */
	LADDER_RINGS,  /* rings of the size wanted: the mlock budget */
	LADDER_FILES,  /* an event per thread and CPU: RLIMIT_NOFILE */
	LADDER_PERF,   /* perf events at all; else the timers of timer.h */
	LADDER_RUNGS
};

struct ladder_rung {
	const char *key;     /* stable: a comment's name is ddprof.ladder.KEY */
	const char *wanted;  /* "user and kernel stacks" */
	const char *how;     /* what of: "event x user+kernel, per task and CPU, inherited" */
	const char *instead; /* what is used when it is refused */
	const char *costs;   /* what a reader of the profile loses by that */
};

extern const struct ladder_rung ladder_table[LADDER_RUNGS];

struct ladder_step {
	enum ladder_rung_id rung;
	int err; /* 0: granted; else the call's -errno */
};

struct ladder {
	struct ladder_step steps[LADDER_RUNGS];
	uint32_t n;
	int err;         /* 0: some rung holds; else the -errno of the last one */
	bool timer;      /* perf events are refused, timers in the program are used; err and advice are why */
	bool trace;      /* running threads are interrupted; nobody asked for perf events */
	bool kernel;     /* kernel time and frames are sampled */
	bool count_lost; /* PERF_FORMAT_LOST works (Linux 6.0) */
	bool user_chain; /* samples may have the kernel's own walk of the user stack */
	uint16_t max_chain; /* its frames are bounded by this; 0: by the kernel's own limit, which is lower */
	uint32_t rate;      /* Hz granted, at most what was asked for; 0: not probed */
	bool filtered;      /* the call itself is kept from the kernel: seccomp, or a kernel in user space */
	int paranoid;       /* kernel.perf_event_paranoid as read, for the advice; INT32_MIN: unreadable */
	char advice[256];   /* err: why, and on a second line the one command that helps */
};

/*
 * Try the rungs for @event, top first unless @user_only, with @rate samples a second (0: the event
 * has a period of its own, no rate is tried). Returns ladder->err.
 */
int ladder_probe(struct ladder *l, const struct event *event, uint32_t rate, bool user_only);

/* Note what became of a rung later: the last answer of a rung is the one that counts. */
void ladder_note(struct ladder *l, enum ladder_rung_id rung, int err);

/* The answer of @rung, 0 or -errno; 1: it was not tried. */
int ladder_answer(const struct ladder *l, enum ladder_rung_id rung);

/*
 * For the comments: "EACCES; instead: user stacks only; costs: ..." of a refused
 * step, at most 135 bytes. "" for one that was granted.
 */
void ladder_step_text(const struct ladder_step *step, char *out, size_t len);

/* What rings could be had: tried by opening events on ourselves that never count, and mapping them. */
struct ladder_rings {
	size_t bytes, wanted; /* of each CPU's ring of samples */
	uint32_t stack_size;  /* bytes of stack that a sample can bring along */
	uint32_t cpus;
	uint32_t fds; /* descriptors for one task */
};

/* 0; -ENOBUFS: none, the mlock budget is used up; -EMFILE and others: no events. @l as of ladder_probe(). */
int ladder_try_rings(const struct ladder *l, const struct event *event, struct ladder_rings *out);

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

/* The same, where it was asked for: running threads are interrupted (tracer.h). */
void ladder_trace(struct ladder *l);

/* Fill ->err and ->advice: tracing process @pid was refused with @err; @by: who traces it already, if known.
 */
void ladder_trace_refused(struct ladder *l, int err, int pid, int by);

/* One word for the comments: "user+kernel", "user", "timer", "ptrace", "none". */
const char *ladder_mode(const struct ladder *l);

#endif

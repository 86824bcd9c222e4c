/* SPDX-License-Identifier: Apache-2.0 */
/*
 * event_plan.h - which events of a list a capture opens, how, and why it does
 * without the others.
 *
 * Each is asked for by itself on our own process (ladder.h), then each group as
 * a whole, so that what is opened on a program later is known to be had. One
 * that is refused takes its group with it. The plan's first event leads the
 * capture: the first CPU clock, else the first that can be sampled, and if none
 * can, CPU time.
 *
 * Rates: a clock has a fixed period. A counter keeps the rate asked for, or the
 * capture's; its samples say what each stands for. Of what the kernel sees each
 * single one (event_counts_each()) every Nth is a sample: the rare ones and
 * those with a place (tracepoints, probes, breakpoints) all of them, the
 * frequent ones each EVENT_PLAN_NTH, which costs their program a few per cent at worst.
 */
#ifndef COLLECT_EVENT_PLAN_H
#define COLLECT_EVENT_PLAN_H

#include "collect/event.h"

#include <stdbool.h>
#include <stdint.h>

#define EVENT_PLAN_MAX (EVENT_MAX + 1)
#define EVENT_PLAN_NTH 100

struct planned_event {
	const struct event *event; /* borrowed */
	int err;                   /* -errno: it is not to be had */
	char why[192];             /* then: a phrase */
	bool sampled;              /* else counted only */
	bool kernel;               /* what happens in the kernel, too */
	bool kernel_frames;        /* stacks of it with the kernel's part */
	bool user_part;            /* what happens in user mode is also counted by itself */
	uint64_t period, freq;     /* if sampled: one of both */
	uint32_t leader;           /* index of its group's leader; its own: it leads, or is alone */
	bool grouped;
};

struct event_plan {
	struct planned_event events[EVENT_PLAN_MAX]; /* [0] leads the capture: always sampled */
	uint32_t n;
	uint32_t refused; /* of them, not counting optional ones */
	bool replaced;    /* nothing of the list can be sampled: CPU time was put before it */
};

/* @frequency: samples a second. @user_only: nothing of the kernel, where that leaves anything. */
void event_plan_make(struct event_plan *p, const struct event_list *list, uint32_t frequency, bool user_only);

/* Samples a second of the first event, of CPU time if it is a clock; 0: it has no rate. */
uint32_t event_plan_frequency(const struct event_plan *p);

/* The optional ones are left out: each event is cloned into each thread, and attached to each, once per CPU.
 */
void event_plan_drop_optional(struct event_plan *p);

/* It cannot be opened after all, nor then can its group; the first event stays. */
void event_plan_refuse(struct event_plan *p, uint32_t i, int err);

/* CPU time alone, as when timers in the program are all there is. The others are refused: @why. */
void event_plan_only_time(struct event_plan *p, uint32_t frequency, const char *why);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * event.h - the events that can be sampled, as one table.
 *
 * To add an event, add a row: what to ask the kernel for, and which pprof
 * sample types its samples count for.
 */
#ifndef COLLECT_EVENT_H
#define COLLECT_EVENT_H

#include <linux/perf_event.h>
#include <stdbool.h>
#include <stdint.h>

struct event {
	const char *name; /* what the user calls it */
	uint32_t type;    /* PERF_TYPE_* */
	uint64_t config;
	bool cpu_time;          /* the period is nanoseconds of CPU time */
	const char *count_type; /* pprof sample type with one per sample, unit "count"; NULL: none */
	const char *value_type, *value_unit; /* pprof sample type that takes the period */
};

extern const struct event event_table[];

/* The default: CPU time by a software clock, on every machine. */
const struct event *event_default(void);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * counters.h - what an event or a sample type counts, told by its name.
 *
 * Names come from any file: ours as the user wrote the event (`cycles:u`,
 * `cpu_core/instructions/`, `skl::INST_RETIRED:ANY_P`), the former ddprof's
 * words (`hCPU`), and what converters of perf.data write (`cycles_event`).
 */
#ifndef EXPORT_COUNTERS_H
#define EXPORT_COUNTERS_H

#include <stddef.h>

enum counter_kind {
	COUNTER_OTHER,
	COUNTER_CYCLES,
	COUNTER_INSTRUCTIONS,
	COUNTER_CPU_TIME,
	COUNTER_MISSES, /* of caches or branch prediction; heading says which */
	COUNTER_FAULTS,
};

#define COUNTER_SCOPE_MAX 32

struct counter {
	enum counter_kind kind;
	const char *heading; /* COUNTER_MISSES: "LLC", for a column; else NULL. Static */
	/*
	 * Where it counts: PMU and processor mode, "" for all. Two counters may
	 * be divided by each other only if this is the same.
	 */
	char scope[COUNTER_SCOPE_MAX];
};

/* @name need not be terminated. What is not known, or too long, is COUNTER_OTHER. */
struct counter counter_by_name(const char *name, size_t len);

#endif

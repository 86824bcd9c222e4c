/* SPDX-License-Identifier: Apache-2.0 */
/* event.c - the table of events. */
#include "collect/event.h"

#include <stddef.h>
#include <string.h>

const struct event event_table[] = {
	{
		/* Counts only while the task runs, so a per-task timer needs no idle filtering. */
		.name = "task-clock",
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_TASK_CLOCK,
		.cpu_time = true,
		.count_type = "cpu-samples",
		.value_type = "cpu-time",
		.value_unit = "nanoseconds",
	},
	{
		.name = "cpu-clock",
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.cpu_time = true,
		.count_type = "cpu-samples",
		.value_type = "cpu-time",
		.value_unit = "nanoseconds",
	},
};

const unsigned event_table_size = sizeof(event_table) / sizeof(event_table[0]);

const struct event *event_default(void)
{
	return &event_table[0];
}

const struct event *event_find(const char *name)
{
	unsigned i;

	for (i = 0; i < event_table_size; i++)
		if (!strcmp(event_table[i].name, name))
			return &event_table[i];
	return NULL;
}

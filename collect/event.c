/* SPDX-License-Identifier: Apache-2.0 */
/* event.c - the table of events. */
#include "collect/event.h"

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

const struct event *event_default(void)
{
	return &event_table[0];
}

/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_record.c - a ring full of hostile bytes, drained in order. */
#include "collect/order.h"
#include "collect/perf.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct record_layout layouts[2] = {
	{PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_IP | PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_PERIOD |
		 PERF_SAMPLE_CALLCHAIN | PERF_SAMPLE_REGS_USER | PERF_SAMPLE_STACK_USER,
	 17},
	{PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_TID | PERF_SAMPLE_TIME, 0},
};

/* First two bytes: which layout, and where in the ring it begins. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t ring[65536] __attribute__((aligned(8)));
	struct order_source src = {0}, *from;
	volatile uint64_t sum = 0;
	struct order *order;
	struct record r;
	uint64_t tail, i;

	if (size < 2 || size - 2 > sizeof(ring))
		return 0;
	tail = (uint64_t)data[1] * 256;
	for (i = 0; i < size - 2; i++)
		ring[(tail + i) % sizeof(ring)] = data[2 + i];
	src.layout = &layouts[data[0] & 1];
	if (ring_new_memory(&src.ring, ring, sizeof(ring), tail, tail + size - 2))
		return 0;
	if (!order_new(&order, &src, 1)) {
		order_begin(order, UINT64_MAX);
		while (order_next(order, &r, &from)) {
			/* Touch all that the record points to. */
			for (i = 0; r.kind == RECORD_SAMPLE && i < r.u.sample.n_chain; i++)
				sum += r.u.sample.chain[i];
			for (i = 0; r.kind == RECORD_SAMPLE && i < r.u.sample.stack_size; i++)
				sum += r.u.sample.stack[i];
			if (r.kind == RECORD_MMAP)
				sum += strlen(r.u.mmap.path);
			if (r.kind == RECORD_COMM)
				sum += strlen(r.u.comm.name);
		}
		order_free(order);
	}
	ring_free(src.ring);
	return 0;
}

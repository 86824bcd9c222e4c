/* SPDX-License-Identifier: Apache-2.0 */
/* snapshot.h - the stored stack: one struct, as it lies in memory. */
#ifndef TESTS_AARCH64_SNAPSHOT_H
#define TESTS_AARCH64_SNAPSHOT_H

#include <stdint.h>

#define SNAPSHOT_STACK (128u << 10)
#define SNAPSHOT_MAPS  32

struct snapshot_map {
	uint64_t start, end, off;
	char path[256]; /* empty: anonymous */
};

struct snapshot {
	uint64_t regs[33];  /* x0-x30, sp, pc */
	uint64_t chain[64]; /* return addresses without signatures, outermost level first */
	uint64_t n_chain, n_maps, stack_end, stack_size;
	struct snapshot_map maps[SNAPSHOT_MAPS]; /* executable ones */
	uint8_t stack[SNAPSHOT_STACK];
};

#endif

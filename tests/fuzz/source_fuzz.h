/* SPDX-License-Identifier: Apache-2.0 */
/*
 * source_fuzz.h - run one source of names over a file made of fuzzed bytes.
 */
#ifndef TESTS_SOURCE_FUZZ_H
#define TESTS_SOURCE_FUZZ_H

#include "base/io.h"
#include "symbolize/source.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define FUZZ_ADDRS 32

/* A file in memory with these bytes, or -1. */
static inline int fuzz_file(const uint8_t *data, size_t size)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	if (fd >= 0 && io_write_all(fd, data, size)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* @base: where the wanted addresses begin; they get wider apart. Every one that is done must have a name. */
static inline void fuzz_source(const struct source *src, struct source_module *m, uint64_t base)
{
	struct source_addr addrs[FUZZ_ADDRS];
	struct names n;
	uint32_t i;

	for (i = 0; i < FUZZ_ADDRS; i++)
		addrs[i] = (struct source_addr){
			.vaddr = base + ((uint64_t)i * i * i << 4), .location = i, .time = (uint64_t)i * 100};
	m->addrs = addrs;
	m->n_addrs = FUZZ_ADDRS;
	if (names_init(&n))
		return;
	src->resolve(m, &n, true);
	for (i = 0; i < FUZZ_ADDRS; i++)
		if (addrs[i].done && (i >= n.n_locations || !n.locations[i].n))
			abort();
	names_release(&n);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unwind_engines.h - the unwinders that are compared, behind one call.
 *
 * The libraries' sessions are made at the first sample of a state of mappings
 * and reused from then on, their caches on and as large as ours.
 */
#ifndef TESTS_BENCH_UNWIND_ENGINES_H
#define TESTS_BENCH_UNWIND_ENGINES_H

#include "unwind_load.h"

struct engine {
	const char *name;
	/*
	 * Number of frames of @s, a sample of a load in @w. The libraries'
	 * sessions borrow from @w: one and the same until release().
	 */
	uint32_t (*walk)(struct world *w, const struct load_sample *s);
	void (*release)(void);
	void (*ahead)(const struct world *w, const struct load_sample *s); /* @s is next; NULL: no use */
};

extern const struct engine engine_ours, engine_libdwfl, engine_libunwind;

#endif

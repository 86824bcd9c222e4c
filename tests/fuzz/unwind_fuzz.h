/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unwind_fuzz.h - what the fuzzers of unwinding share: an unwinder with its modules.
 *
 * Set up anew for every few inputs only: most of an input's time went there.
 * Each input is a module of its own, of which the caches know nothing yet.
 */
#ifndef TESTS_FUZZ_UNWIND_FUZZ_H
#define TESTS_FUZZ_UNWIND_FUZZ_H

#include "collect/unwind.h"

#include <string.h>

#define MAX_INPUTS 64 /* of one set-up */
#define SPARE      8  /* modules beside the inputs' own */

static struct {
	struct unwinder *u;
	struct modules *ms;
	struct profile p;
	unsigned inputs;
} shared;

static void shared_release(void)
{
	unwinder_free(shared.u);
	modules_free(shared.ms);
	profile_release(&shared.p);
	memset(&shared, 0, sizeof(shared));
}

/* 0, or -1 when out of memory. */
static int shared_init(void)
{
	if (shared.inputs++ < MAX_INPUTS && shared.u)
		return 0;
	shared_release();
	shared.inputs = 1;
	if (profile_init(&shared.p))
		return -1;
	if (!modules_new(&shared.ms, &shared.p, MAX_INPUTS + SPARE) && !unwinder_new(&shared.u, shared.ms))
		return 0;
	shared_release();
	return -1;
}

#endif

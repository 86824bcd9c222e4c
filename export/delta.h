/* SPDX-License-Identifier: Apache-2.0 */
/*
 * delta.h - the last window out of a profile that holds the whole run.
 *
 * A file is of the whole run, an upload always of one window. Where both are
 * wanted the collector keeps one profile, whose values only grow and whose
 * samples keep their places; what it was at the last window's end, subtracted,
 * leaves the window.
 */
#ifndef EXPORT_DELTA_H
#define EXPORT_DELTA_H

#include "collect/profile.h"

struct delta_base {
	int64_t *values; /* owned; NULL before the first window's end */
	size_t n;        /* of values */
	uint32_t n_events;
	uint64_t merged_events;
	uint64_t end_ns, duration_ns;
	struct profile_quality quality;
	struct profile_counter counters[PROFILE_MAX_COUNTERS];
	uint32_t n_counters;
};

void delta_init(struct delta_base *b);
void delta_release(struct delta_base *b);

/* Remember @p as it is. 0, or -ENOMEM: the next window's difference then begins at the last remembered end.
 */
int delta_take(struct delta_base *b, const struct profile *p);

/* Make @p, a forked process's own copy, what has come since delta_take(). */
void delta_apply(const struct delta_base *b, struct profile *p);

#endif

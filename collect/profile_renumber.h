/* SPDX-License-Identifier: Apache-2.0 */
/*
 * profile_renumber.h - make a profile's lasting tables dense again.
 *
 * Modules, mappings, locations, jits and strings survive profile_reset(). A
 * capture of months that meets ever new files would fill them: now and then
 * (see tidy.c) what nobody refers to any more is dropped and the rest is
 * numbered anew, in the order it had. Stacks, samples and label sets keep
 * their numbers. Whoever keeps numbers elsewhere translates them by the same
 * tables, between the plan and its execution: that cannot fail any more.
 */
#ifndef COLLECT_PROFILE_RENUMBER_H
#define COLLECT_PROFILE_RENUMBER_H

#include "collect/profile.h"

/* Former index -> new one; PROFILE_NONE: dropped. Owned. */
struct profile_renumber {
	uint32_t *modules, *mappings, *locations, *jits, *strings;
	uint32_t n_modules, n_mappings, n_locations, n_jits, n_strings; /* former */
	uint32_t dropped_modules, dropped_locations, dropped_strings;
	struct strtab fresh; /* private: the strings that stay */
};

/*
 * What stays: modules with @keep[module] set and those that @p's stacks lead
 * to, with all of their mappings; of their locations, those in stacks and, but
 * for generated code (its names are cheap to have again), the others; the
 * synthetic ones; strings of all that, of label keys, and @strings (@n of
 * them). Changes nothing but @keep, which then tells what stays. 0 or -ENOMEM.
 */
int profile_plan(const struct profile *p, bool *keep, const uint32_t *strings, uint32_t n,
		 struct profile_renumber *out);

/* Carry out @r, planned of @p as it still is. Descriptors of what is dropped are closed already. */
void profile_renumber(struct profile *p, struct profile_renumber *r);

void profile_renumber_release(struct profile_renumber *r);

static inline uint32_t renumbered(const uint32_t *table, uint32_t n, uint32_t id)
{
	return id < n ? table[id] : PROFILE_NONE;
}

#endif

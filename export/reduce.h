/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reduce.h - make a profile smaller, losing the least: its rarest stacks become one, `[other]`.
 */
#ifndef EXPORT_REDUCE_H
#define EXPORT_REDUCE_H

#include "collect/profile.h"

/*
 * Merge all but the @keep samples with the largest values of the default
 * type into one sample `[other]` without labels; the sum of each type stays.
 * @p is a forked process's own copy. Returns how many were merged, or -ENOMEM.
 */
int64_t reduce_to(struct profile *p, uint32_t keep);

/* Samples that count: those with a value other than 0. */
uint32_t reduce_count(const struct profile *p);

#endif

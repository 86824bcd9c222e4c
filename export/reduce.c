/* SPDX-License-Identifier: Apache-2.0 */
/* reduce.c - see reduce.h. */
#include "export/reduce.h"

#include <errno.h>
#include <stdlib.h>

static bool counts(const struct profile *p, uint32_t sample)
{
	uint32_t t;

	for (t = 0; t < p->n_types; t++)
		if (p->values[(size_t)sample * p->n_types + t])
			return true;
	return false;
}

uint32_t reduce_count(const struct profile *p)
{
	uint32_t i, n = 0;

	for (i = 0; i < p->n_samples; i++)
		n += counts(p, i);
	return n;
}

struct weighed {
	int64_t value;
	uint32_t sample;
};

static int by_value(const void *va, const void *vb)
{
	const struct weighed *a = va, *b = vb;

	if (a->value != b->value)
		return a->value < b->value ? 1 : -1;
	return (a->sample > b->sample) - (a->sample < b->sample);
}

/* Empty the samples from @first on and give what they had to @stack. */
static int merge(struct profile *p, const struct weighed *w, uint32_t first, uint32_t n, uint32_t stack)
{
	int64_t sums[PROFILE_MAX_TYPES] = {0}, *v;
	uint32_t i, t;
	int err = 0;

	for (i = first; i < n; i++) {
		v = p->values + (size_t)w[i].sample * p->n_types;
		for (t = 0; t < p->n_types; t++) {
			if (__builtin_add_overflow(sums[t], v[t], &sums[t]))
				sums[t] = INT64_MAX;
			v[t] = 0;
		}
	}
	for (t = 0; t < p->n_types && !err; t++)
		if (sums[t])
			err = profile_add(p, stack, profile_labelset(p, NULL, 0), t, sums[t]);
	return err;
}

int64_t reduce_to(struct profile *p, uint32_t keep)
{
	struct weighed *w = malloc((p->n_samples ? p->n_samples : 1) * sizeof(*w));
	uint32_t other = profile_synthetic(p, "[other]"), stack, i, n = 0;
	int64_t merged = -ENOMEM;

	if (!w || other == PROFILE_NONE)
		goto done;
	stack = profile_stack(p, &other, 1);
	for (i = 0; i < p->n_samples && stack != PROFILE_NONE; i++)
		if (counts(p, i) && p->samples[i].stack != stack)
			w[n++] = (struct weighed){p->values[(size_t)i * p->n_types + p->default_type], i};
	if (stack == PROFILE_NONE)
		goto done;
	if (n <= keep) {
		merged = 0;
		goto done;
	}
	qsort(w, n, sizeof(*w), by_value);
	if (!merge(p, w, keep, n, stack))
		merged = n - keep;
done:
	free(w);
	return merged;
}

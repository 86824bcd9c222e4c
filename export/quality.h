/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quality.h - how far a profile can be trusted, as one percentage, for --min-quality.
 *
 * It is the smaller of two shares: of the user stacks, those that were
 * followed to their proven end; of the CPU time that the profiled processes
 * used, that which was sampled. Where CPU time is not known, as when it was not
 * sampled by, the second is samples kept of samples kept and lost. A share of
 * nothing is 100 %: an idle process has not been profiled badly. So is CPU time of which less than
 * QUALITY_SLACK_NS are missing: two periods at the default rate, which no sampling sees.
 */
#ifndef EXPORT_QUALITY_H
#define EXPORT_QUALITY_H

#include "base/buf.h"
#include "collect/profile.h"
#include "export/pprof.h"

#include <stddef.h>
#include <stdint.h>

#define QUALITY_SLACK_NS 20000000u

struct quality {
	double percent; /* the smaller one */
	double stacks, cpu;
	uint64_t user_samples, complete, samples, lost;
	uint64_t sampled_ns, denied_ns, unsampled_ns, lost_ns; /* all 0: not known */
	struct quality_end {
		char why[56]; /* "stack copy too small"; "" ends the list */
		uint64_t stacks;
	} ends[8]; /* of the stacks that are not complete, most frequent first */
};

/* From a window as it was collected. */
void quality_of_window(struct quality *q, const struct profile_quality *w);

/*
 * Samples by CPU time per second of CPU time that was used, of the @n events of a window, to be held
 * against the frequency asked for. 0: it was not sampled by CPU time, or used none.
 */
double quality_rate_hz(const struct profile_quality *w, const struct profile_counter *counters, uint32_t n);

/*
 * From the comments of a file. 0; -ENOENT with @why when they do not tell (another tool's profile), -EBADMSG
 * with @why when they make no sense or contradict each other, as in a merged profile.
 */
int quality_of_file(struct quality *q, const struct pprof *p, char *why, size_t len);

/* The parts below @min percent, a line each, with why: "  stacks: 43.2 % of 1 234 complete; ...\n". 0 or
 * -errno. */
int quality_explain(const struct quality *q, uint32_t min, struct buf *out);

#endif

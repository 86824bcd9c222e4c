/* SPDX-License-Identifier: Apache-2.0 */
/*
 * comments.h - what a profile says about itself: pprof comments of the form
 * `ddprof.KEY: value`, which `go tool pprof -comments` shows.
 *
 *	ddprof.format: 1                 what a reader may rely on; goes up when a key changes its meaning
 *	ddprof.version, ddprof.window    of the profiler; number of the window
 *	ddprof.tag.KEY                   one per tag
 *	ddprof.ladder.KEY                what the kernel refused (collect/ladder.h), from the caller
 *	ddprof.quality.FIELD             struct profile_quality by its names, left out if 0
 *	ddprof.event.NAME.FIELD          one event of the capture; left out what is not known:
 *	                                 total (counted over the profile by all tasks, scaled by enabled /
 *	                                 running), user (of it in user mode, counted by itself), samples,
 *	                                 lost, throttled, enabled_ns, running_ns (sums over tasks and
 *	                                 CPUs; less running: it shared its counter), period or freq (asked
 *	                                 for), type (of the profile, that takes what its samples stand for;
 *	                                 without: counted only), mode (user: nothing of the kernel is in
 *	                                 it), or refused: why it was not to be had. NAME may hold dots
 *	ddprof.quality.percent           as --min-quality takes it (quality.h)
 *	ddprof.quality.rate_hz           samples by CPU time per second of what was used of it
 *	ddprof.quality.symbolizer_FIELD  of the symbolizer's processes
 *	ddprof.quality.stack_copies.SIZE samples that came with SIZE bytes of stack
 *	ddprof.stack_resize              the first changes of that size: what, when, of which threads
 *	ddprof.end.WHY                   user stacks that ended so
 *	ddprof.symbols                   where names come from in general, and why no better
 *	ddprof.names.STATUS              code addresses by enum names_status
 *	ddprof.unnamed: N samples, M addresses in FILE (WHY, WHY 2: N2 samples)
 *	                                 the files with the most samples that have a frame in them without a
 *name; of several reasons each with its samples, most frequent first
 */
#ifndef EXPORT_COMMENTS_H
#define EXPORT_COMMENTS_H

#include "collect/profile.h"
#include "export/tags.h"
#include "symbolize/names.h"
#include "symbolize/symbolize.h"

#include <stddef.h>
#include <stdint.h>

#define COMMENTS_FORMAT 1

struct comments {
	char **lines;
	uint32_t n, cap;
};

/*
 * All of the above, then the @n_extra lines of the caller's. @report may be
 * NULL when nothing was symbolized. 0 or -ENOMEM; release in either case.
 */
int comments_build(struct comments *c, const struct profile *p, const struct names *names,
		   const struct tags *tags, const struct symbolize_report *report, const char *const *extra,
		   uint32_t n_extra);
void comments_release(struct comments *c);

/* A phrase as part of a key: "left the stack, far" -> "left-the-stack-far". */
void comments_key_part(const char *phrase, char *out, size_t len);

#endif

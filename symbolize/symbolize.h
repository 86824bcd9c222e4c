/* SPDX-License-Identifier: Apache-2.0 */
/*
 * symbolize.h - names for a profile's locations, by a process that can hurt nobody.
 *
 * Called in the exporter. Forks the symbolizer, which keeps only descriptors
 * it was given, drops what it can drop, and sends a bounded table of names
 * through a pipe. If it crashes or runs over its time it is started once more
 * with symbol tables only; then locations stay without names and a status
 * says why. There is always an answer.
 */
#ifndef SYMBOLIZE_SYMBOLIZE_H
#define SYMBOLIZE_SYMBOLIZE_H

#include "collect/profile.h"
#include "symbolize/debugfile.h"
#include "symbolize/debuginfod.h"
#include "symbolize/names.h"

#include <stdbool.h>
#include <stdint.h>

/* Where a symbolizer process is. */
enum symbolize_stage {
	SYMBOLIZE_FORKED,    /* has all of the exporter's rights */
	SYMBOLIZE_SANDBOXED, /* has none */
	SYMBOLIZE_MODULE,    /* has said which module it begins */
	SYMBOLIZE_NAMED,     /* has sent a module's names */
};

#define SYMBOLIZE_SCOUT                                                                                      \
	UINT32_MAX /* instead of an attempt's number: it only looks which files are needed                   \
		    */

typedef void (*symbolize_hook)(void *arg, uint32_t attempt, enum symbolize_stage stage);

struct symbolize_options {
	bool inlines;          /* resolve inlined calls */
	uint32_t deadline_ms;  /* for fetching and the first attempt; 0: default (20 s) */
	uint64_t memory_bytes; /* beyond what it has mapped and its largest file; 0: 1 GiB, less if its cgroup
				  is smaller */
	struct debugfile_dirs debug_dirs; /* the user's own, searched first; borrowed */
	struct debuginfod_options debuginfod;
	symbolize_hook hook; /* tests only: called in the symbolizer, which it may end, stop or hold up */
	void *hook_arg;
};

enum symbolize_mode { SYMBOLIZE_FULL, SYMBOLIZE_SYMBOLS_ONLY, SYMBOLIZE_ADDRESSES_ONLY };

struct symbolize_report {
	enum symbolize_mode mode; /* what the names come from */
	char why[96];             /* if not FULL: "symbolizer crashed (signal 11)", "took longer than 20 s" */
	char fetched[DEBUGINFOD_WHY]; /* what became of asking debuginfod servers; "": nothing asked */
	uint64_t cpu_ns;              /* of the symbolizer processes */
	uint64_t peak_rss_kb;
	uint64_t wall_ns;
};

/*
 * Make pending again what maps of generated code that changed since the last
 * window may name otherwise now. For the cache of names, before it is used.
 */
void symbolize_outdated(const struct profile *p, struct names *names);

/*
 * Resolve every location of @p that @names (the cache: earlier windows'
 * answers) has still pending. 0, or -ENOMEM; anything else that goes wrong is
 * in @report.
 */
int symbolize(const struct profile *p, struct names *names, const struct symbolize_options *opt,
	      struct symbolize_report *report);

#endif

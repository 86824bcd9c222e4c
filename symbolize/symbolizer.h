/* SPDX-License-Identifier: Apache-2.0 */
/*
 * symbolizer.h - one attempt: a sandboxed child that names modules, and the pipe it answers through.
 *
 * Messages: {kind, length} in host order, then the payload. The child says
 * which module it begins, then sends that module's names, so that what was
 * found before a crash is kept and the parent knows where it happened. The
 * parent believes nothing: kinds, lengths and contents are checked, and each
 * read waits at most until the deadline.
 */
#ifndef SYMBOLIZE_SYMBOLIZER_H
#define SYMBOLIZE_SYMBOLIZER_H

#include "symbolize/source.h"
#include "symbolize/symbolize.h"

#define SYMBOLIZER_NO_MODULE UINT32_MAX

struct symbolizer_job {
	struct source_module *modules; /* prepared: descriptors are open */
	const bool *symbols_only;      /* [n_modules] leave out DWARF */
	const bool *skip;              /* [n_modules] not in this attempt */
	uint32_t n_modules;
	bool scout; /* only find out which further files are needed: they are added to modules[].split */
	bool inlines;
	uint32_t deadline_ms;
	uint64_t memory_bytes;
	symbolize_hook hook; /* or NULL; see symbolize.h */
	void *hook_arg;
	uint32_t attempt; /* for the hook */
};

enum symbolizer_end {
	SYMBOLIZER_DONE,    /* every module was answered */
	SYMBOLIZER_CRASHED, /* ended by a signal, or without a last word */
	SYMBOLIZER_TIMEOUT,
	SYMBOLIZER_LIED,    /* sent what no symbolizer sends */
	SYMBOLIZER_REFUSED, /* could not be started */
};

struct symbolizer_result {
	enum symbolizer_end end;
	int error;       /* REFUSED: -errno */
	int signal;      /* CRASHED: that ended it, or 0 */
	int exit_status; /* CRASHED without a signal: its exit status */
	uint32_t module; /* the one it was at, or SYMBOLIZER_NO_MODULE */
	uint64_t cpu_ns;
	uint64_t peak_rss_kb;
};

/*
 * Fork, collect answers into @names until the child is done or the deadline
 * comes, kill it, reap it. 0, or -ENOMEM in this process.
 */
int symbolizer_run(const struct symbolizer_job *job, struct names *names, uint32_t n_locations,
		   struct symbolizer_result *result);

/* The sources that know modules of @mod's kind, in turn; NULL ends the list. Borrowed. */
const struct source *symbolizer_source(const struct profile_module *mod, unsigned int i);

#endif

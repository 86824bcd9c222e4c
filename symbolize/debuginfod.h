/* SPDX-License-Identifier: Apache-2.0 */
/*
 * debuginfod.h - fetch debug files from debuginfod servers, hot modules first.
 *
 * Called in the exporter, and only when the user said so: the build ids of
 * what is profiled go to the servers that DEBUGINFOD_URLS names. libdebuginfod
 * does the work (and keeps its usual cache); it is loaded when it is needed,
 * in a process of its own, so that whatever it does or hangs in ends at the
 * deadline. What it fetched must have the build id that was asked for.
 */
#ifndef SYMBOLIZE_DEBUGINFOD_H
#define SYMBOLIZE_DEBUGINFOD_H

#include "symbolize/source.h"

#include <stdbool.h>
#include <stdint.h>

#define DEBUGINFOD_WHY 96

/* Told now and then; @file is NULL in the end. @total is 0 while the size is unknown. */
typedef void (*debuginfod_progress)(void *arg, const char *file, uint32_t i, uint32_t n, uint64_t got,
				    uint64_t total);

struct debuginfod_options {
	uint32_t deadline_ms;         /* for all files together; 0: do not fetch */
	debuginfod_progress progress; /* or NULL */
	void *progress_arg;
};

/*
 * For the modules with ->wants_debug, in this order: by ->heat, the highest
 * first. Sets ->debug_fd and, for what a fetched file refers to, ->alt_fd; their
 * owner closes them. @why (DEBUGINFOD_WHY bytes) gets a sentence on what became of
 * it, "" when nothing was wanted. Never fails: names are then had without.
 */
void debuginfod_fetch(struct source_module *modules, uint32_t n, const struct debuginfod_options *opt,
		      char *why);

#endif

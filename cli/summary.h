/* SPDX-License-Identifier: Apache-2.0 */
/*
 * summary.h - what was profiled, how far to trust it, and where it is.
 */
#ifndef CLI_SUMMARY_H
#define CLI_SUMMARY_H

#include <stdint.h>

struct session;

/* On standard error: some lines at a terminal, else one. Nothing with --quiet. */
void summary_print(const struct session *s);

/* Each figure of its quality, and what profiling cost: logged as info, while the collector is still there. */
void summary_details(const struct session *s);

/* The progress line at a terminal, written over the one before; and its removal. */
void summary_progress(struct session *s);
void summary_progress_clear(struct session *s);

/* The same line while debug files are fetched (debuginfod.h); called in the exporter. @unused is NULL. */
void summary_fetching(void *unused, const char *file, uint32_t i, uint32_t n, uint64_t got, uint64_t total);

#endif

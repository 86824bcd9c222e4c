/* SPDX-License-Identifier: Apache-2.0 */
/*
 * summary.h - what was profiled, how far to trust it, and where it is.
 */
#ifndef CLI_SUMMARY_H
#define CLI_SUMMARY_H

struct session;

/* On standard error: some lines at a terminal, else one. Nothing with --quiet. */
void summary_print(const struct session *s);

/* The progress line at a terminal, written over the one before; and its removal. */
void summary_progress(struct session *s);
void summary_progress_clear(struct session *s);

#endif

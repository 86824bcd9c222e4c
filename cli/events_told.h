/* SPDX-License-Identifier: Apache-2.0 */
/*
 * events_told.h - what the user is told about the events of a capture.
 */
#ifndef CLI_EVENTS_TOLD_H
#define CLI_EVENTS_TOLD_H

#include "base/buf.h"
#include "collect/collector.h"

/* Events are open: one line for each that was asked for and is not to be had. */
void events_tell_refused(const struct collector *c);

/*
 * One line per event in @counters[@n] (the window's, without those refused) besides CPU time: what
 * it counted, as far as it was, and its samples; each ended by a newline.
 */
void events_put(struct buf *b, const struct profile_counter *counters, uint32_t n);

#endif

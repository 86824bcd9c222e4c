/* SPDX-License-Identifier: Apache-2.0 */
/*
 * window_clock.h - when windows begin and end, by a calendar clock that may jump.
 *
 * What happens is timed by CLOCK_MONOTONIC: it stands still while the machine
 * is suspended and never goes back, so windows have their length and come one
 * at a time. Readers of profiles want calendar time, which a suspended or
 * migrated machine finds advanced, and which an administrator may set back.
 * Rules: a window begins at the very nanosecond at which the one before ended;
 * a jump forward is followed as soon as it is seen; after a jump back, time
 * goes on at half speed until the clock has caught up. So times never go back.
 *
 * No clock is read in here: the caller gives both readings, taken together.
 */
#ifndef COLLECT_WINDOW_CLOCK_H
#define COLLECT_WINDOW_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

struct window_clock {
	uint64_t start_mono, start_real; /* of the window */
	uint64_t end_mono, end_real;     /* valid after window_clock_end() */
	/* private: */
	uint64_t seen_mono, seen_real; /* a moment, and the calendar time that is told for it */
	bool slow;                     /* told time is ahead of the clock and waits for it */
	uint64_t last;                 /* latest stamp given */
};

/* The first window begins now. */
void window_clock_begin(struct window_clock *w, uint64_t mono, uint64_t real);

/* Look at the clocks, several times a second, before stamping what has come since the last look. */
void window_clock_look(struct window_clock *w, uint64_t mono, uint64_t real);

/* Calendar time for something that happened at @mono. Never before the stamp before, nor the window's begin.
 */
uint64_t window_clock_stamp(struct window_clock *w, uint64_t mono);

/* The window ends now; not before the latest stamp. */
void window_clock_end(struct window_clock *w, uint64_t mono, uint64_t real);

/* The next one begins where that one ended. */
void window_clock_next(struct window_clock *w);

#endif

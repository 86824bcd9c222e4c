/* SPDX-License-Identifier: Apache-2.0 */
/* window_clock.c - see window_clock.h. */
#include "collect/window_clock.h"

#define JUMP_NS 50000000u /* more than a slewed clock gains or loses between two looks */

void window_clock_begin(struct window_clock *w, uint64_t mono, uint64_t real)
{
	*w = (struct window_clock){.start_mono = mono,
				   .start_real = real,
				   .end_mono = mono,
				   .end_real = real,
				   .seen_mono = mono,
				   .seen_real = real,
				   .last = real};
}

static uint64_t minus(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

/* By the latest look, whatever the clock says now. */
static uint64_t told(const struct window_clock *w, uint64_t mono)
{
	uint64_t passed = minus(mono, w->seen_mono);

	return minus(w->seen_real + (w->slow ? passed / 2 : passed), minus(w->seen_mono, mono));
}

void window_clock_look(struct window_clock *w, uint64_t mono, uint64_t real)
{
	uint64_t is = told(w, mono);

	if (real < is + JUMP_NS && real + JUMP_NS > is && !w->slow)
		return;
	w->seen_real = real > is ? real : is;
	w->seen_mono = mono;
	w->slow = w->seen_real > real;
}

uint64_t window_clock_stamp(struct window_clock *w, uint64_t mono)
{
	uint64_t is = told(w, mono);

	if (is > w->last)
		w->last = is;
	return w->last;
}

void window_clock_end(struct window_clock *w, uint64_t mono, uint64_t real)
{
	window_clock_look(w, mono, real);
	w->end_mono = mono;
	w->end_real = window_clock_stamp(w, mono);
}

void window_clock_next(struct window_clock *w)
{
	bool slow = w->slow;

	window_clock_begin(w, w->end_mono, w->end_real);
	w->slow = slow;
}

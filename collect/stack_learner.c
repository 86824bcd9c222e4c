/* SPDX-License-Identifier: Apache-2.0 */
/* stack_learner.c - see stack_learner.h. */
#include "collect/stack_learner.h"

#define WAIT_FIRST 1024
#define WAIT_MAX   65536
#define SEEN_MAX   1024 /* twice as many are halved, so that what was long ago counts less */
#define ALLOWED_IN 200

static void restart(struct stack_learner *l)
{
	uint32_t i;

	l->seen = l->cut = 0;
	for (i = 0; i < l->n; i++)
		l->over[i] = 0;
}

static void halve(struct stack_learner *l)
{
	uint32_t i;

	l->seen /= 2;
	l->cut /= 2;
	for (i = 0; i < l->n; i++)
		l->over[i] /= 2;
}

void stack_learner_init(struct stack_learner *l, const uint32_t *sizes, uint32_t n)
{
	uint32_t i;

	*l = (struct stack_learner){.n = n < STACK_SIZES_MAX ? n : STACK_SIZES_MAX, .wait = WAIT_FIRST};
	for (i = 0; i < l->n; i++)
		l->sizes[i] = sizes[i];
}

/* More walks were cut short than no size could help, and than may be. */
static bool too_small(const struct stack_learner *l)
{
	uint64_t base =
		l->base_seen ? ((uint64_t)l->base_cut * l->seen + l->base_seen - 1) / l->base_seen : 0;

	return l->cut > 1 + l->seen / ALLOWED_IN + base + base / 2;
}

static bool go_up(struct stack_learner *l)
{
	l->now = 0;
	l->ups++;
	if (l->wait < WAIT_MAX)
		l->wait *= 2;
	restart(l);
	return true;
}

bool stack_learner_rise(struct stack_learner *l)
{
	if (l->now)
		return go_up(l);
	return false;
}

static bool go_down(struct stack_learner *l)
{
	uint32_t i = l->n - 1;

	while (i > l->now && l->over[i] > l->seen / ALLOWED_IN)
		i--;
	if (i == l->now)
		return false;
	if (!l->now) {
		l->base_cut = l->cut;
		l->base_seen = l->seen;
	}
	l->now = i;
	restart(l);
	return true;
}

bool stack_learner_add(struct stack_learner *l, uint32_t index, const struct stack_need *need)
{
	uint32_t i, enough;

	if (index != l->now || l->n < 2)
		return false;
	l->seen++;
	/* The walk ended for want of more even at the largest size: then as much as there can be is best. */
	for (i = l->now + 1; i < l->n; i++)
		l->over[i] += need->used > l->sizes[i] || need->ended;
	if (need->cut) {
		l->cut++;
		if (l->now && too_small(l))
			return go_up(l);
	}
	enough = l->now && l->wait > SEEN_MAX ? SEEN_MAX : l->wait;
	if (l->seen >= enough && go_down(l))
		return true;
	/* Half of it is still enough; with smaller copies a change must show soon. */
	if (l->seen >= 2 * (l->now || enough < SEEN_MAX ? SEEN_MAX : enough))
		halve(l);
	return false;
}

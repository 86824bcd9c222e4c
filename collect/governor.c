/* SPDX-License-Identifier: Apache-2.0 */
/* governor.c - see governor.h. */
#include "collect/governor.h"

#define SLOWER_BY      4 /* at least */
#define PERIOD_MAX     UINT64_C(1000000000)
#define BYTES_PER_NS   8 /* of a stack that is copied: memory that is read for the first time in a while */
#define WAIT_MAX_NS    (64 * GOVERNOR_WINDOW_NS)
#define BACK_BELOW_NUM 3 /* of the limit: three quarters */
#define BACK_BELOW_DEN 4
#define PPM            1e6

void governor_init(struct governor *g, const struct governor_config *cfg)
{
	*g = (struct governor){.cfg = *cfg, .wait_ns = 2 * GOVERNOR_WINDOW_NS};
}

uint64_t governor_slow_period(const struct governor_config *cfg, uint64_t handling_ns)
{
	uint64_t least = cfg->period * SLOWER_BY;
	double enough =
		2 * (double)(cfg->interrupt_ns + handling_ns) * PPM / (cfg->limit_ppm ? cfg->limit_ppm : 1);

	if (enough < (double)least)
		return least;
	if (enough < (double)PERIOD_MAX)
		return (uint64_t)enough;
	return least > PERIOD_MAX ? least : PERIOD_MAX;
}

static uint32_t clamp(double ppm)
{
	return ppm < 0 ? 0 : ppm < (double)UINT32_MAX ? (uint32_t)ppm : UINT32_MAX;
}

uint32_t governor_cost(const struct governor *g, const struct governor_reading *r)
{
	double ns = (double)r->own_ns + (double)r->interrupts * (double)g->cfg.interrupt_ns +
		    (double)(r->stack_bytes / BYTES_PER_NS);

	return r->target_ns ? clamp(PPM * ns / (double)r->target_ns) : 0;
}

void governor_exported(struct governor *g, uint64_t own_ns, uint64_t target_ns)
{
	/* After a window that is too short to judge by, what is known of the ones before stays. */
	if (target_ns >= GOVERNOR_WINDOW_NS)
		g->export_ppm = clamp(PPM * (double)own_ns / (double)target_ns);
}

static struct governor_reading since(const struct governor_reading *then, const struct governor_reading *now)
{
	return (struct governor_reading){
		.target_ns = now->target_ns - then->target_ns,
		.own_ns = now->own_ns - then->own_ns,
		.interrupts = now->interrupts - then->interrupts,
		.stack_bytes = now->stack_bytes - then->stack_bytes,
	};
}

/* Keep the window as short as it may be, and no more points than there is room for. */
static void add_point(struct governor *g, const struct governor_reading *now)
{
	uint32_t i, drop = 0;

	while (drop + 1 < g->n && now->target_ns - g->points[drop + 1].target_ns >= GOVERNOR_WINDOW_NS)
		drop++;
	for (i = drop; drop && i < g->n; i++)
		g->points[i - drop] = g->points[i];
	g->n -= drop;
	/* Close together: the latest may go, the oldest begins the window. */
	if (g->n == GOVERNOR_POINTS)
		g->n--;
	g->points[g->n++] = *now;
}

static void change(struct governor *g, const struct governor_reading *now)
{
	g->slow = !g->slow;
	g->changes++;
	g->since_ns = now->target_ns;
	g->n = 0;
	g->points[g->n++] = *now; /* what was before says nothing of the new rate */
}

static bool judge(struct governor *g, const struct governor_reading *now)
{
	struct governor_reading r = since(&g->points[0], now);
	uint64_t waited = now->target_ns - g->since_ns;
	double full;

	if (r.target_ns < GOVERNOR_WINDOW_NS)
		return false;
	g->ppm = clamp((double)governor_cost(g, &r) + g->export_ppm);
	if (!g->cfg.slow_period)
		return false;
	if (!g->slow) {
		if (g->ppm <= g->cfg.limit_ppm)
			return false;
		/* Going back was wrong, if it was not long ago. */
		if (g->changes && waited < WAIT_MAX_NS && g->wait_ns < WAIT_MAX_NS)
			g->wait_ns *= 2;
		return true;
	}
	/* As if all of it came from samples: what does not makes it go back later, not too early. */
	full = (double)g->ppm * (double)g->cfg.slow_period / (double)g->cfg.period;
	return waited >= g->wait_ns && full * BACK_BELOW_DEN < (double)g->cfg.limit_ppm * BACK_BELOW_NUM;
}

bool governor_look(struct governor *g, const struct governor_reading *now)
{
	if (!g->begun) {
		g->begun = now->target_ns >= GOVERNOR_SKIP_NS;
		if (g->begun)
			add_point(g, now);
		return false;
	}
	if (now->target_ns <= g->points[g->n - 1].target_ns)
		return false; /* it did not run */
	if (judge(g, now)) {
		change(g, now);
		return true;
	}
	add_point(g, now);
	return false;
}

void governor_refused(struct governor *g)
{
	g->slow = !g->slow;
	g->changes--;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * govern.c - the governor's eyes and hands: what it is told, and what is done
 * about its decisions.
 */
#include "collect/collector_private.h"

#include "base/io.h"
#include "base/log.h"
#include "collect/calibrate.h"

#include <time.h>

#define LOOK_NS     250000000u
#define HANDLING_NS 20000 /* what the collector does with a sample, about: for the slower rate only */

void govern_plan(struct collector *c, struct perf_options *opt)
{
	struct governor_config cfg = {.limit_ppm = c->opt.max_overhead_ppm,
				      .period = c->plan.events[0].period};
	const struct planned_event *first = &c->plan.events[0];
	struct govern *g = &c->govern;

	/* Only CPU time on its own has a period that is known, and classes. */
	if (!cfg.limit_ppm || !first->event->cpu_time || first->grouped || !first->period)
		return;
	g->interrupt_ns = calibrate_interrupt_ns(c->ladder.kernel);
	g->measured = g->interrupt_ns != 0;
	if (!g->measured)
		g->interrupt_ns = CALIBRATE_ASSUMED_NS;
	cfg.interrupt_ns = g->interrupt_ns;
	cfg.slow_period = governor_slow_period(&cfg, HANDLING_NS);
	governor_init(&g->governor, &cfg);
	opt->slow_period = cfg.slow_period;
	opt->slow_on_many_cpus = c->opt.max_overhead_asked;
	g->on = true;
	log_debug("an interrupt costs %llu ns (%s); for %.2f %% of the program's CPU time the period may "
		  "become %.1f ms",
		  (unsigned long long)g->interrupt_ns, g->measured ? "measured" : "assumed",
		  cfg.limit_ppm / 1e4, (double)cfg.slow_period / 1e6);
}

static struct governor_reading read_costs(const struct collector *c)
{
	return (struct governor_reading){
		.target_ns = c->events[0].now.sampled + c->events[0].now.lost,
		.own_ns = io_clock_ns(CLOCK_PROCESS_CPUTIME_ID),
		.interrupts = c->govern.interrupts,
		.stack_bytes = c->govern.stack_bytes,
	};
}

static void note_change(struct collector *c)
{
	const struct governor *g = &c->govern.governor;
	struct profile_quality *q = &c->profile.quality;
	uint64_t from = g->slow ? c->period : g->cfg.slow_period,
		 to = g->slow ? g->cfg.slow_period : c->period;

	if (q->n_rates < PROFILE_MAX_RESIZES)
		q->rates[q->n_rates] = (struct profile_rate){
			io_clock_ns(CLOCK_MONOTONIC) - c->clock.start_mono, from, to, g->ppm};
	q->n_rates++;
	log_debug("period %llu us instead of %llu: sampling cost %.2f %% of the program's CPU time",
		  (unsigned long long)to / 1000, (unsigned long long)from / 1000, g->ppm / 1e4);
}

void govern_look(struct collector *c)
{
	struct govern *g = &c->govern;
	uint64_t now = io_clock_ns(CLOCK_MONOTONIC);
	struct governor_reading costs;

	if (!g->on || c->stopped || fallback_used(c) || now < g->next_look_ns)
		return;
	g->next_look_ns = now + LOOK_NS;
	costs = read_costs(c);
	if (!governor_look(&g->governor, &costs))
		return;
	if (perf_slow(c->perf, g->governor.slow, procs_threads(c->procs)))
		note_change(c);
	else
		governor_refused(&g->governor);
}

uint64_t govern_period(const struct collector *c)
{
	return c->govern.on && c->govern.governor.slow ? c->govern.governor.cfg.slow_period : c->period;
}

void govern_window(struct collector *c, struct profile_quality *q)
{
	struct govern *g = &c->govern;
	struct governor_reading costs = read_costs(c);

	if (!g->on || fallback_used(c))
		return;
	costs.own_ns += g->exports_ns;
	q->overhead = (struct profile_overhead){.limit_ppm = g->governor.cfg.limit_ppm,
						.interrupt_ns = g->interrupt_ns,
						.measured = g->measured,
						.cost_ppm = governor_cost(&g->governor, &costs)};
	g->window_ns = costs.target_ns - g->window_end_ns;
	g->window_end_ns = costs.target_ns;
}

void collector_exported(struct collector *c, uint64_t cpu_ns)
{
	c->govern.exports_ns += cpu_ns;
	if (c->govern.on)
		governor_exported(&c->govern.governor, cpu_ns, c->govern.window_ns);
}

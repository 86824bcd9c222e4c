/* SPDX-License-Identifier: Apache-2.0 */
/* summary_details.c - all that is known of a profile's quality and cost, for -l info. */
#include "cli/summary.h"

#include "base/buf.h"
#include "base/log.h"
#include "cli/session.h"
#include "export/quality.h"
#include "export/text.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

static unsigned long long number(uint64_t v)
{
	return (unsigned long long)v;
}

static double ms(uint64_t ns)
{
	return (double)ns / 1e6;
}

static void log_capture(const struct session *s, const struct quality *q)
{
	double got = quality_rate_hz(&s->quality, s->counters, s->n_counters);
	char rate[48] = "";
	const char *sep = "";
	struct buf events;
	uint32_t i;

	if (got > 0)
		snprintf(rate, sizeof(rate), ", %.1f of %u Hz", got, s->opt->frequency);
	buf_init(&events, 8192);
	for (i = 0; i < s->n_counters; i++) {
		if (!s->counters[i].sampled)
			continue;
		(void)buf_printf(&events, "%s%llu of ", sep, number(s->counters[i].samples));
		(void)text_put_visible(&events, s->counters[i].name, strlen(s->counters[i].name), 40, NULL);
		sep = ", ";
	}
	log_info("sampled: %.*s; %s%s; %llu lost, throttled %llu times", (int)events.len,
		 events.len ? (const char *)events.data : "", ladder_mode(collector_ladder(s->collector)),
		 rate, number(q->lost), number(s->quality.throttled));
	buf_release(&events);
}

static void log_quality(const struct session *s, const struct quality *q)
{
	struct buf why;
	uint32_t i;

	log_info("quality: %.1f %%: stacks %.1f %%, CPU time %.1f %%; by the kernel %.2f s of it", q->percent,
		 q->stacks, q->cpu, (double)s->quality.rusage_cpu_ns / 1e9);
	buf_init(&why, 4096);
	/* both parts, unless there is nothing to explain */
	if (q->percent < 100 && !quality_explain(q, 100, &why) && why.len > 1)
		log_info("quality, not in full:\n%.*s", (int)why.len - 1, (const char *)why.data);
	for (i = 0; i < s->result.n_unnamed; i++) {
		buf_clear(&why);
		if (!text_put_visible(&why, s->result.unnamed[i], strlen(s->result.unnamed[i]), 0, NULL))
			log_info("without a name: %.*s", (int)why.len, (const char *)why.data);
	}
	buf_release(&why);
}

static void log_cost(const struct session *s)
{
	const struct symbolize_report *sym = &s->result.symbolize;
	struct rusage ru = {.ru_maxrss = 0};

	(void)getrusage(RUSAGE_SELF, &ru);
	log_info("cost: collector %.1f ms of CPU, %ld KB at most; exporter %.1f ms, %llu KB; symbolizer %.1f "
		 "ms, "
		 "%llu KB",
		 ms(s->quality.own_cpu_ns), ru.ru_maxrss, ms(s->result.cpu_ns), number(s->result.peak_rss_kb),
		 ms(sym->cpu_ns), number(sym->peak_rss_kb));
}

void summary_details(const struct session *s)
{
	struct quality q;

	quality_of_window(&q, &s->quality);
	log_capture(s, &q);
	log_quality(s, &q);
	if (s->have_result)
		log_cost(s);
}

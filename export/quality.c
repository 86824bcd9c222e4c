/* SPDX-License-Identifier: Apache-2.0 */
/* quality.c - see quality.h. */
#include "export/quality.h"

#include "collect/unwind_end.h"
#include "export/comments.h"
#include "export/text.h"
#include "export/totals.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENDS (sizeof(((struct quality *)NULL)->ends) / sizeof(((struct quality *)NULL)->ends[0]))

/* ---- the figure ---- */

static double share(uint64_t part, uint64_t whole)
{
	return !whole || part >= whole ? 100 : 100 * ((double)part / (double)whole);
}

/* Sums of what any file may say: at the limit rather than round it. */
static uint64_t plus(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static void settle(struct quality *q)
{
	uint64_t missing = plus(plus(q->denied_ns, q->unsampled_ns), q->lost_ns);

	q->stacks = share(q->complete, q->user_samples);
	if (q->sampled_ns || missing)
		q->cpu =
			missing < QUALITY_SLACK_NS ? 100 : share(q->sampled_ns, plus(q->sampled_ns, missing));
	else
		q->cpu = share(q->samples, plus(q->samples, q->lost));
	q->percent = q->stacks < q->cpu ? q->stacks : q->cpu;
}

/* Keep the most frequent. */
static void add_end(struct quality *q, const char *why, size_t len, uint64_t stacks)
{
	struct quality_end e = {.stacks = stacks}, other;
	size_t i;

	if (!stacks || !len || memchr(why, '\0', len))
		return;
	snprintf(e.why, sizeof(e.why), "%.*s", len < sizeof(e.why) ? (int)len : (int)sizeof(e.why) - 1, why);
	for (i = 0; i < ENDS; i++) {
		if (*q->ends[i].why && q->ends[i].stacks >= e.stacks)
			continue;
		other = q->ends[i];
		q->ends[i] = e;
		e = other;
	}
}

void quality_of_window(struct quality *q, const struct profile_quality *w)
{
	unsigned i;

	*q = (struct quality){
		.user_samples = w->user_samples,
		.complete = w->complete,
		.samples = w->samples,
		.lost = w->lost,
		.sampled_ns = w->sampled_cpu_ns,
		.denied_ns = w->kernel_denied_ns,
		.unsampled_ns = w->unsampled_ns,
		.lost_ns = w->lost_cpu_ns,
	};
	for (i = 0; i < UNWIND_END_COUNT && i < sizeof(w->ends) / sizeof(*w->ends); i++) {
		const char *why = unwind_end_name((enum unwind_end)i);

		if (!unwind_end_complete((enum unwind_end)i))
			add_end(q, why, strlen(why), w->ends[i]);
	}
	settle(q);
}

double quality_rate_hz(const struct profile_quality *w, const struct profile_counter *counters, uint32_t n)
{
	uint64_t ns =
		plus(plus(w->sampled_cpu_ns, w->kernel_denied_ns), plus(w->unsampled_ns, w->lost_cpu_ns));
	uint32_t i;

	for (i = 0; i < n; i++)
		if (counters[i].sampled && !strcmp(counters[i].unit, "nanoseconds"))
			return ns ? (double)counters[i].samples / ((double)ns / 1e9) : 0;
	return 0;
}

/* ---- from a file ---- */

/* "ddprof.end.no-user-registers: 5" for the ends that are none of a complete stack. */
static void take_end(struct quality *q, struct pprof_str s)
{
	static const char prefix[] = "ddprof.end.";
	const size_t skip = sizeof(prefix) - 1;
	char key[64], text[64], name[24];
	const char *colon;
	uint64_t n;
	unsigned i;

	if (s.len <= skip || memcmp(s.s, prefix, skip))
		return;
	colon = memchr(s.s, ':', s.len);
	if (!colon || (size_t)(colon - s.s) - skip >= sizeof(text) ||
	    s.len - (size_t)(colon - s.s) > sizeof(name))
		return;
	snprintf(text, sizeof(text), "%.*s", (int)((size_t)(colon - s.s) - skip), s.s + skip);
	snprintf(name, sizeof(name), "%.*s", (int)(s.s + s.len - colon - 1), colon + 1);
	for (i = 0; i <= UNWIND_COMPLETE_RULE; i++) {
		comments_key_part(unwind_end_name((enum unwind_end)i), key, sizeof(key));
		if (!strcmp(key, text))
			return;
	}
	n = strtoull(name, NULL, 10);
	for (i = 0; text[i]; i++)
		if (text[i] == '-')
			text[i] = ' ';
	add_end(q, text, strlen(text), n);
}

int quality_of_file(struct quality *q, const struct pprof *p, char *why, size_t len)
{
	const struct {
		const char *key;
		uint64_t *value;
		bool needed;
	} keys[] = {
		{"ddprof.quality.samples:", &q->samples, true},
		{"ddprof.quality.user_samples:", &q->user_samples, true},
		{"ddprof.quality.complete:", &q->complete, true},
		{"ddprof.quality.lost:", &q->lost, true},
		{"ddprof.quality.sampled_cpu_ns:", &q->sampled_ns, false},
		{"ddprof.quality.kernel_denied_ns:", &q->denied_ns, false},
		{"ddprof.quality.unsampled_ns:", &q->unsampled_ns, false},
		{"ddprof.quality.lost_cpu_ns:", &q->lost_ns, false},
	};
	uint32_t i;
	int err;

	*q = (struct quality){0};
	for (i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		err = totals_comment(p, keys[i].key, keys[i].value);
		if (err == -ENOENT && !keys[i].needed)
			continue;
		if (err == -ENOENT)
			snprintf(why, len, "it has no comment '%s', as profiles of ddprof have", keys[i].key);
		else if (err)
			snprintf(why, len, "its comments '%s' are no number, or several (a merged profile?)",
				 keys[i].key);
		if (err)
			return err;
	}
	for (i = 0; i < p->n_comments; i++)
		take_end(q, pprof_string(p, p->comments[i]));
	settle(q);
	return 0;
}

/* ---- why ---- */

static void put_seconds(struct buf *out, const char **sep, uint64_t ns, const char *what)
{
	if (ns < 5000000)
		return;
	buf_printf(out, "%s%.2f s %s", *sep, (double)ns / 1e9, what);
	*sep = ", ";
}

/* No more digits than there are, and never up to the limit that was missed. */
static double shown(double percent)
{
	return (double)(uint64_t)(percent * 10) / 10;
}

static int explain_stacks(const struct quality *q, struct buf *out)
{
	const char *sep = "; others ended: ";
	size_t i;
	int err = buf_printf(out, "  stacks: %.1f %% of %" PRIu64 " complete", shown(q->stacks),
			     q->user_samples);

	for (i = 0; i < ENDS && *q->ends[i].why && !err; i++) {
		(void)buf_put_str(out, sep);
		err = text_put_visible(out, q->ends[i].why, strlen(q->ends[i].why), 0, NULL);
		if (!err)
			err = buf_printf(out, " %" PRIu64, q->ends[i].stacks);
		sep = ", ";
	}
	return err ? err : buf_put_str(out, "\n");
}

static int explain_cpu(const struct quality *q, struct buf *out)
{
	uint64_t missing = plus(plus(q->denied_ns, q->unsampled_ns), q->lost_ns);
	const char *sep = "; ";

	if (!q->sampled_ns && !missing)
		return buf_printf(out, "  samples: %.1f %% kept; %" PRIu64 " lost\n", shown(q->cpu), q->lost);
	(void)buf_printf(out, "  CPU time: %.1f %% of %.2f s sampled", shown(q->cpu),
			 (double)plus(q->sampled_ns, missing) / 1e9);
	put_seconds(out, &sep, q->denied_ns, "in the kernel, not permitted");
	put_seconds(out, &sep, q->unsampled_ns, "not sampled");
	put_seconds(out, &sep, q->lost_ns, "lost");
	return buf_put_str(out, "\n");
}

int quality_explain(const struct quality *q, uint32_t min, struct buf *out)
{
	int err = 0;

	if (q->stacks < min)
		err = explain_stacks(q, out);
	if (!err && q->cpu < min)
		err = explain_cpu(q, out);
	return err;
}

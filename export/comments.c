/* SPDX-License-Identifier: Apache-2.0 */
/* comments.c - see comments.h. */
#include "export/comments.h"

#include "base/buf.h"
#include "collect/unwind_end.h"
#include "export/quality.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_UNNAMED_FILES 20

__attribute__((format(printf, 2, 3))) static int add(struct comments *c, const char *fmt, ...)
{
	uint32_t cap = c->cap ? c->cap * 2 : 64;
	char **lines, *line;
	va_list ap;
	int n;

	if (c->n == c->cap) {
		lines = realloc(c->lines, cap * sizeof(*lines));
		if (!lines)
			return -ENOMEM;
		c->lines = lines;
		c->cap = cap;
	}
	va_start(ap, fmt);
	n = vasprintf(&line, fmt, ap);
	va_end(ap);
	if (n < 0)
		return -ENOMEM;
	c->lines[c->n++] = line;
	return 0;
}

void comments_key_part(const char *phrase, char *out, size_t len)
{
	size_t n = 0;

	for (; *phrase && n + 1 < len; phrase++)
		if (*phrase != ',' && *phrase != ':')
			out[n++] = *phrase == ' ' ? '-' : *phrase;
	out[n] = '\0';
}

/* What the fields come to. */
static int add_derived(struct comments *c, const struct profile *p)
{
	double rate = quality_rate_hz(&p->quality, p->counters, p->n_counters);
	struct quality sum;
	int err;

	quality_of_window(&sum, &p->quality);
	err = add(c, "ddprof.quality.percent: %.1f", sum.percent);
	if (!err && rate > 0)
		err = add(c, "ddprof.quality.rate_hz: %.1f", rate);
	return err;
}

static int add_quality(struct comments *c, const struct profile_quality *q)
{
	const struct {
		const char *name;
		uint64_t value;
	} fields[] = {
		{"samples", q->samples},
		{"user_samples", q->user_samples},
		{"complete", q->complete},
		{"truncated", q->truncated},
		{"lost", q->lost},
		{"spliced", q->spliced},
		{"lost_sideband", q->lost_sideband},
		{"malformed", q->malformed},
		{"throttled", q->throttled},
		{"overflow", q->overflow},
		{"sampled_cpu_ns", q->sampled_cpu_ns},
		{"lost_cpu_ns", q->lost_cpu_ns},
		{"event_cpu_ns", q->event_cpu_ns},
		{"kernel_denied_ns", q->kernel_denied_ns},
		{"unsampled_ns", q->unsampled_ns},
		{"rusage_cpu_ns", q->rusage_cpu_ns},
		{"own_cpu_ns", q->own_cpu_ns},
		{"own_rss_kb", q->own_rss_kb},
		{"stack_p995", q->stack_p995},
		{"stack_resizes", q->n_resizes},
		{"processes", q->processes},
		{"threads", q->threads},
	};
	char why[64];
	uint32_t i;
	int err = 0;

	/* The first five always, for a gate to read: absent is not zero. */
	for (i = 0; i < sizeof(fields) / sizeof(*fields) && !err; i++)
		if (fields[i].value || i < 5)
			err = add(c, "ddprof.quality.%s: %" PRIu64, fields[i].name, fields[i].value);
	for (i = 0; i < UNWIND_END_COUNT && i < sizeof(q->ends) / sizeof(*q->ends) && !err; i++) {
		comments_key_part(unwind_end_name((enum unwind_end)i), why, sizeof(why));
		if (q->ends[i])
			err = add(c, "ddprof.end.%s: %" PRIu64, why, q->ends[i]);
	}
	return err;
}

#define COUNTER_NAME_MAX 256

/* A label may hold anything, a line of comments only one key. */
static void counter_name(const char *name, char out[COUNTER_NAME_MAX])
{
	size_t i;

	for (i = 0; name[i] && i + 1 < COUNTER_NAME_MAX; i++)
		out[i] = (unsigned char)name[i] < 0x20 || name[i] == 0x7f ? '?' : name[i];
	out[i] = '\0';
}

/* What is not known is left out: absent is not zero. */
static int add_counter(struct comments *c, const struct profile *p, const struct profile_counter *e)
{
	const struct {
		const char *field;
		bool known;
		uint64_t value;
	} fields[] = {
		{"total", e->counted, e->total},           {"user", e->counted && e->has_user, e->user},
		{"samples", e->sampled, e->samples},       {"lost", e->sampled, e->lost},
		{"throttled", e->sampled, e->throttled},   {"enabled_ns", e->counted, e->enabled_ns},
		{"running_ns", e->counted, e->running_ns}, {"period", e->sampled && e->period, e->period},
		{"freq", e->sampled && e->freq, e->freq},
	};
	char name[COUNTER_NAME_MAX];
	uint32_t i;
	int err = 0;

	counter_name(e->name, name);
	if (e->refused)
		return add(c, "ddprof.event.%s.refused: %s", name, e->refused);
	for (i = 0; i < sizeof(fields) / sizeof(*fields) && !err; i++)
		if (fields[i].known)
			err = add(c, "ddprof.event.%s.%s: %" PRIu64, name, fields[i].field, fields[i].value);
	if (!err && e->sampled && e->type < p->n_types)
		err = add(c, "ddprof.event.%s.type: %s", name, p->types[e->type].name);
	if (!err && !e->kernel)
		err = add(c, "ddprof.event.%s.mode: user", name);
	return err;
}

static int add_overhead(struct comments *c, const struct profile_quality *q)
{
	const struct profile_overhead *o = &q->overhead;
	const struct profile_rate *r;
	uint32_t i;
	int err;

	if (!o->limit_ppm)
		return 0;
	err = add(c, "ddprof.overhead.limit_percent: %g", o->limit_ppm / 1e4);
	if (!err)
		err = add(c, "ddprof.overhead.percent: %.3f", o->cost_ppm / 1e4);
	if (!err)
		err = add(c, "ddprof.overhead.interrupt_ns: %" PRIu64 " (%s)", o->interrupt_ns,
			  o->measured ? "measured" : "assumed");
	if (!err)
		err = add(c, "ddprof.overhead.rate_changes: %u", q->n_rates);
	for (i = 0; i < q->n_rates && i < PROFILE_MAX_RESIZES && !err; i++) {
		r = &q->rates[i];
		err = add(c, "ddprof.rate_change: %.1f to %.1f Hz after %.3f s (sampling cost %.2f %%)",
			  1e9 / (double)r->from_ns, 1e9 / (double)r->to_ns, (double)r->at_ns / 1e9,
			  r->cost_ppm / 1e4);
	}
	return err;
}

/* Which threads of running processes were sampled, and how. */
static int add_attach(struct comments *c, const struct profile_quality *q)
{
	const struct profile_attach *a = &q->attach;
	int err;

	if (!a->threads_all)
		return 0;
	if (a->whole_cpus) {
		err = add(c, "ddprof.attach.mode: whole CPUs");
		return err ? err : add(c, "ddprof.attach.foreign_samples: %" PRIu64, q->foreign);
	}
	err = add(c, "ddprof.attach.mode: %s", a->threads < a->threads_all ? "busiest threads" : "threads");
	if (!err)
		err = add(c, "ddprof.attach.threads: %u of %u", a->threads, a->threads_all);
	if (!err && a->threads < a->threads_all)
		err = add(c, "ddprof.attach.cpu_share: %.1f", a->share_ppm / 1e4);
	return err;
}

/* The sizes of the stack copies: how many samples had each, and the changes. */
static int add_stack_sizes(struct comments *c, const struct profile_quality *q)
{
	const struct profile_resize *r;
	uint32_t i;
	int err = 0;

	for (i = 0; i < PROFILE_MAX_COPIES && q->copies[i].size && !err; i++)
		err = add(c, "ddprof.quality.stack_copies.%u: %" PRIu64, q->copies[i].size,
			  q->copies[i].samples);
	for (i = 0; i < q->n_resizes && i < PROFILE_MAX_RESIZES && !err; i++) {
		r = &q->resizes[i];
		err = add(c,
			  "ddprof.stack_resize: %u to %u bytes after %.3f s (thread %d and what it started)",
			  r->from, r->to, (double)r->at_ns / 1e9, (int)r->tid);
	}
	return err;
}

static int add_symbols(struct comments *c, const struct symbolize_report *report)
{
	static const char *const modes[] = {
		[SYMBOLIZE_FULL] = "full",
		[SYMBOLIZE_SYMBOLS_ONLY] = "symbol tables only",
		[SYMBOLIZE_ADDRESSES_ONLY] = "addresses only",
	};
	int err;

	if (!report || (unsigned)report->mode >= sizeof(modes) / sizeof(*modes))
		return 0;
	err = *report->why ? add(c, "ddprof.symbols: %s (%s)", modes[report->mode], report->why)
			   : add(c, "ddprof.symbols: %s", modes[report->mode]);
	if (!err && report->cpu_ns)
		err = add(c, "ddprof.quality.symbolizer_cpu_ns: %" PRIu64, report->cpu_ns);
	if (!err && report->peak_rss_kb)
		err = add(c, "ddprof.quality.symbolizer_peak_kb: %" PRIu64, report->peak_rss_kb);
	if (!err && *report->fetched)
		err = add(c, "ddprof.debuginfod: %s", report->fetched);
	return err;
}

/* ---- what has no name, and why ---- */

struct tally {
	uint32_t module, addresses;
	uint64_t samples;                       /* with an unnamed frame in the module */
	uint64_t by_status[NAMES_STATUS_COUNT]; /* of those, with one for this reason */
};

static const char *why_unnamed(const struct profile_module *m, enum names_status status)
{
	static const char *const reasons[] = {
		[MODULE_GONE] = "file gone",
		[MODULE_REPLACED] = "file was replaced",
		[MODULE_DENIED] = "not permitted to open it",
		[MODULE_IRREGULAR] = "not a regular file",
		[MODULE_NOT_ELF] = "not an ELF file",
		[MODULE_LIMIT] = "too many files",
		[MODULE_REMOTE] = "on a network or FUSE file system",
	};

	if ((unsigned)m->reason < sizeof(reasons) / sizeof(*reasons) && reasons[m->reason])
		return reasons[m->reason];
	return names_status_text(status);
}

static enum names_status status_of(const struct names *names, uint32_t loc)
{
	uint32_t status = loc < names->n_locations ? names->locations[loc].status : NAMES_PENDING;

	return status < NAMES_STATUS_COUNT ? (enum names_status)status : NAMES_PENDING;
}

/* Count each location of the window's stacks once. */
static int count_addresses(const struct profile *p, const struct names *names, struct tally *tallies,
			   uint32_t *all)
{
	uint8_t *seen = calloc(p->n_locations ? p->n_locations : 1, 1);
	enum names_status status;
	uint32_t i, loc;

	if (!seen)
		return -ENOMEM;
	for (i = 0; i < p->n_frames; i++) {
		loc = p->frames[i];
		if (seen[loc] || p->locations[loc].mapping == PROFILE_NONE)
			continue;
		seen[loc] = 1;
		status = status_of(names, loc);
		all[status]++;
		if (!names_status_named(status))
			tallies[p->mappings[p->locations[loc].mapping].module].addresses++;
	}
	free(seen);
	return 0;
}

/* Samples of entry @i: of the first type that counts them; each entry is one if none does. */
static uint64_t sample_count(const struct profile *p, uint32_t i)
{
	const char *suffix;
	uint32_t k;
	int64_t v;

	for (k = 0; k < p->n_types; k++) {
		v = p->values[(size_t)i * p->n_types + k];
		suffix = strrchr(p->types[k].name, '-');
		if (suffix && !strcmp(suffix, "-samples"))
			return v > 0 ? (uint64_t)v : 0;
	}
	return 1;
}

/* Each sample once per module, and once per reason in it. @last: [n_modules * (NAMES_STATUS_COUNT + 1)]
 * zeros. */
static void count_samples(const struct profile *p, const struct names *names, struct tally *tallies,
			  uint32_t *last)
{
	uint32_t i, k, loc, module, *seen;
	enum names_status status;
	uint64_t n;

	for (i = 0; i < p->n_samples; i++) {
		const struct profile_range *s = &p->stacks[p->samples[i].stack];

		n = sample_count(p, i);
		for (k = 0; k < s->n && n; k++) {
			loc = p->frames[s->first + k];
			status = status_of(names, loc);
			if (p->locations[loc].mapping == PROFILE_NONE || names_status_named(status))
				continue;
			module = p->mappings[p->locations[loc].mapping].module;
			seen = last + (size_t)module * (NAMES_STATUS_COUNT + 1);
			if (seen[status] != i + 1)
				tallies[module].by_status[status] += n;
			if (seen[NAMES_STATUS_COUNT] != i + 1)
				tallies[module].samples += n;
			seen[status] = seen[NAMES_STATUS_COUNT] = i + 1;
		}
	}
}

static int by_samples(const void *va, const void *vb)
{
	const struct tally *a = va, *b = vb;

	if (a->samples != b->samples)
		return a->samples < b->samples ? 1 : -1;
	if (a->addresses != b->addresses)
		return a->addresses < b->addresses ? 1 : -1;
	return (a->module > b->module) - (a->module < b->module);
}

static int add_unnamed(struct comments *c, const struct profile *p, struct tally *t)
{
	const struct profile_module *m = &p->modules[t->module];
	uint64_t samples = t->samples;
	uint32_t most, i, n = 0;
	struct buf why;
	int err;

	buf_init(&why, 4096);
	for (;;) {
		for (most = 0, i = 1; i < NAMES_STATUS_COUNT; i++)
			if (t->by_status[i] > t->by_status[most])
				most = i;
		if (!t->by_status[most])
			break;
		buf_printf(&why, "%s%s", n++ ? ", " : "", why_unnamed(m, (enum names_status)most));
		if (t->by_status[most] != samples)
			buf_printf(&why, ": %" PRIu64 " samples", t->by_status[most]);
		t->by_status[most] = 0;
		if (m->reason != MODULE_OK && m->reason != MODULE_NO_CONTENTS)
			break; /* the file's own reason is the only one */
	}
	err = why.error ? why.error : buf_put_u8(&why, 0);
	if (!err)
		err = add(c, "ddprof.unnamed: %" PRIu64 " samples, %u addresses in %s (%s)", samples,
			  t->addresses, strtab_get(&p->strings, m->path), (const char *)why.data);
	buf_release(&why);
	return err;
}

static int add_names(struct comments *c, const struct profile *p, const struct names *names)
{
	uint32_t n = p->n_modules ? p->n_modules : 1, all[NAMES_STATUS_COUNT] = {0}, i;
	struct tally *t = calloc(n, sizeof(*t));
	uint32_t *last = calloc(n, (NAMES_STATUS_COUNT + 1) * sizeof(*last));
	char status[64];
	int err = -ENOMEM;

	if (!t || !last)
		goto out;
	for (i = 0; i < p->n_modules; i++)
		t[i].module = i;
	err = count_addresses(p, names, t, all);
	for (i = 0; i < NAMES_STATUS_COUNT && !err; i++) {
		comments_key_part(names_status_text((enum names_status)i), status, sizeof(status));
		if (all[i])
			err = add(c, "ddprof.names.%s: %u", status, all[i]);
	}
	if (err)
		goto out;
	count_samples(p, names, t, last);
	qsort(t, p->n_modules, sizeof(*t), by_samples);
	for (i = 0; i < p->n_modules && i < MAX_UNNAMED_FILES && t[i].samples && !err; i++)
		err = add_unnamed(c, p, &t[i]);
out:
	free(last);
	free(t);
	return err;
}

int comments_build(struct comments *c, const struct profile *p, const struct names *names,
		   const struct tags *tags, const struct symbolize_report *report, const char *const *extra,
		   uint32_t n_extra)
{
	uint32_t i;
	int err;

	*c = (struct comments){0};
	err = add(c, "ddprof.format: %d", COMMENTS_FORMAT);
	if (!err)
		err = add(c, "ddprof.version: %s", DDPROF_VERSION);
	if (!err)
		err = add(c, "ddprof.window: %" PRIu64, p->seq);
	for (i = 0; tags && i < tags->n && !err; i++)
		err = add(c, "ddprof.tag.%s: %s", tags->tags[i].key, tags->tags[i].value);
	if (!err)
		err = add_quality(c, &p->quality);
	if (!err && p->max_events)
		err = add(c, "ddprof.timeline: %u samples with their time, %" PRIu64 " merged", p->n_events,
			  p->merged_events);
	for (i = 0; i < p->n_counters && !err; i++)
		err = add_counter(c, p, &p->counters[i]);
	if (!err)
		err = add_derived(c, p);
	if (!err)
		err = add_overhead(c, &p->quality);
	if (!err)
		err = add_attach(c, &p->quality);
	if (!err)
		err = add_stack_sizes(c, &p->quality);
	if (!err)
		err = add_symbols(c, report);
	if (!err)
		err = add_names(c, p, names);
	for (i = 0; i < n_extra && !err; i++)
		err = add(c, "%s", extra[i]);
	return err;
}

void comments_release(struct comments *c)
{
	uint32_t i;

	for (i = 0; i < c->n; i++)
		free(c->lines[i]);
	free(c->lines);
	*c = (struct comments){0};
}

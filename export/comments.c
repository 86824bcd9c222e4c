/* SPDX-License-Identifier: Apache-2.0 */
/* comments.c - see comments.h. */
#include "export/comments.h"
#include "collect/unwind_end.h"

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

/* A phrase as part of a key: "left the stack, far" -> "left-the-stack-far". */
static void key_part(const char *phrase, char *out, size_t len)
{
	size_t n = 0;

	for (; *phrase && n + 1 < len; phrase++)
		if (*phrase != ',' && *phrase != ':')
			out[n++] = *phrase == ' ' ? '-' : *phrase;
	out[n] = '\0';
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
		{"lost_sideband", q->lost_sideband},
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
		key_part(unwind_end_name((enum unwind_end)i), why, sizeof(why));
		if (q->ends[i])
			err = add(c, "ddprof.end.%s: %" PRIu64, why, q->ends[i]);
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

	if (!report || (unsigned)report->mode >= sizeof(modes) / sizeof(*modes))
		return 0;
	return *report->why ? add(c, "ddprof.symbols: %s (%s)", modes[report->mode], report->why)
			    : add(c, "ddprof.symbols: %s", modes[report->mode]);
}

/* ---- what has no name, and why ---- */

struct tally {
	uint32_t module, unnamed;
	uint32_t by_status[NAMES_STATUS_COUNT];
};

static const char *why_unnamed(const struct profile *p, const struct tally *t)
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
	enum module_reason reason = p->modules[t->module].reason;
	uint32_t i, most = NAMES_NO_FILE;

	if ((unsigned)reason < sizeof(reasons) / sizeof(*reasons) && reasons[reason])
		return reasons[reason];
	for (i = 0; i < NAMES_STATUS_COUNT; i++)
		if (i != NAMES_DWARF && i != NAMES_SYMBOL && t->by_status[i] > t->by_status[most])
			most = i;
	return names_status_text((enum names_status)most);
}

/* Count each location of the window's stacks once. */
static int tally_up(const struct profile *p, const struct names *names, struct tally *tallies, uint32_t *all)
{
	uint8_t *seen = calloc(p->n_locations ? p->n_locations : 1, 1);
	uint32_t i, loc, status, module;

	if (!seen)
		return -ENOMEM;
	for (i = 0; i < p->n_modules; i++)
		tallies[i].module = i;
	for (i = 0; i < p->n_frames; i++) {
		loc = p->frames[i];
		if (seen[loc] || p->locations[loc].mapping == PROFILE_NONE)
			continue;
		seen[loc] = 1;
		status = loc < names->n_locations ? names->locations[loc].status : NAMES_PENDING;
		if (status >= NAMES_STATUS_COUNT)
			continue;
		module = p->mappings[p->locations[loc].mapping].module;
		all[status]++;
		tallies[module].by_status[status]++;
		if (loc >= names->n_locations || !names->locations[loc].n)
			tallies[module].unnamed++;
	}
	free(seen);
	return 0;
}

static int by_unnamed(const void *va, const void *vb)
{
	const struct tally *a = va, *b = vb;

	if (a->unnamed != b->unnamed)
		return a->unnamed < b->unnamed ? 1 : -1;
	return (a->module > b->module) - (a->module < b->module);
}

static int add_names(struct comments *c, const struct profile *p, const struct names *names)
{
	struct tally *t = calloc(p->n_modules ? p->n_modules : 1, sizeof(*t));
	uint32_t all[NAMES_STATUS_COUNT] = {0}, i;
	char status[64];
	int err = -ENOMEM;

	if (!t)
		return err;
	err = tally_up(p, names, t, all);
	for (i = 0; i < NAMES_STATUS_COUNT && !err; i++) {
		key_part(names_status_text((enum names_status)i), status, sizeof(status));
		if (all[i])
			err = add(c, "ddprof.names.%s: %u", status, all[i]);
	}
	if (!err)
		qsort(t, p->n_modules, sizeof(*t), by_unnamed);
	for (i = 0; i < p->n_modules && i < MAX_UNNAMED_FILES && t[i].unnamed && !err; i++)
		err = add(c, "ddprof.unnamed: %u in %s (%s)", t[i].unnamed,
			  strtab_get(&p->strings, p->modules[t[i].module].path), why_unnamed(p, &t[i]));
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

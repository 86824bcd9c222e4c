/* SPDX-License-Identifier: Apache-2.0 */
/* upload_work.c - see upload_work.h. */
#include "export/upload_work.h"

#include "base/io.h"
#include "base/log.h"
#include "export/event_json.h"
#include "export/exporter_private.h"
#include "export/pprof.h"
#include "export/reduce.h"
#include "export/upload_spool.h"
#include "export/upload_tags.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define MAX_ROUNDS 8
#define MAX_CUSTOM 32

/* ---- the attachment ---- */

static int encode(const struct export_job *job, const struct symbolize_report *symbols,
		  const struct upload_report *report, struct buf *packed)
{
	char line[128] = "";
	struct buf raw;
	int err;

	if (report->merged_stacks || report->no_timestamps)
		snprintf(line, sizeof(line),
			 "ddprof.reduced: times of samples dropped, %" PRIu64
			 " rare stacks merged into [other]",
			 report->merged_stacks);
	buf_init(&raw, PPROF_MAX_RAW);
	buf_clear(packed);
	err = exporter_encode(job, symbols, *line ? line : NULL, &raw, packed);
	buf_release(&raw);
	return err;
}

/* Merge rare stacks until it fits. Sizes go with the number of stacks, roughly: a few rounds find it. */
static int shrink(const struct export_job *job, struct profile *own, const struct symbolize_report *symbols,
		  size_t max, struct buf *packed, struct upload_report *report)
{
	unsigned round;
	uint32_t keep;
	int64_t merged;
	int err = 0;

	/* the values of events are parts of their samples' */
	report->no_timestamps = own->n_events > 0;
	own->n_events = own->max_events = 0;
	if (report->no_timestamps)
		err = encode(job, symbols, report, packed);
	for (round = 0; packed->len > max && round < MAX_ROUNDS && !err; round++) {
		keep = (uint32_t)((double)reduce_count(own) * (double)max / (double)packed->len * 0.9);
		merged = reduce_to(own, keep);
		if (merged < 0)
			return (int)merged;
		report->merged_stacks += (uint64_t)merged;
		err = encode(job, symbols, report, packed);
	}
	if (!err)
		log_notice("the profile was too large to upload: %s%" PRIu64
			   " rarest stacks were merged into [other]",
			   report->no_timestamps ? "the times of its samples were dropped, and its " : "its ",
			   report->merged_stacks);
	return !err && packed->len > max ? -E2BIG : err;
}

static int attachment(const struct export_job *job, const struct symbolize_report *symbols,
		      struct buf *packed, struct upload_report *report)
{
	/* forked: this copy of the profile is nobody else's */
	struct profile *own = (struct profile *)(uintptr_t)job->profile;
	size_t max = job->upload->max_bytes ? job->upload->max_bytes : UPLOAD_MAX_PROFILE;
	int err = 0;

	bool as_file = job->upload->times_in_file || !own->n_events || job->sink->kind == SINK_NONE;

	if (job->upload->base && job->upload->base->values) {
		delta_apply(job->upload->base, own);
		as_file = false;
	}
	if (!as_file || !packed->len)
		err = encode(job, symbols, report, packed);
	if (!err && packed->len > max)
		err = shrink(job, own, symbols, max, packed, report);
	return err;
}

/* ---- the event ---- */

static bool is_common_label(const char *key)
{
	static const char *const common[] = {"thread id",          "thread name",    "process_id",
					     "process_name",       "container_id",   "span id",
					     "local root span id", "trace endpoint", "end_timestamp_ns",
					     "exception type",     "lock name"};
	size_t i;

	for (i = 0; i < sizeof(common) / sizeof(*common); i++)
		if (!strcmp(key, common[i]))
			return true;
	return false;
}

/* Label keys that the user's program brought along: to be searchable they must be announced. */
static uint32_t custom_labels(const struct profile *p, const char *keys[MAX_CUSTOM])
{
	uint32_t i, k, n = 0;
	const char *key;

	for (i = 0; i < p->n_labels && n < MAX_CUSTOM; i++) {
		key = strtab_get(&p->strings, p->labels[i].key);
		if (is_common_label(key) || !tags_valid("ddprof.custom_ctx", key))
			continue;
		for (k = 0; k < n && strcmp(keys[k], key); k++)
			;
		if (k == n)
			keys[n++] = key;
	}
	return n;
}

static int make_event(const struct export_job *job, const struct upload_report *report, uint64_t dropped,
		      struct buf *out)
{
	const struct upload_job *u = job->upload;
	const char *keys[MAX_CUSTOM];
	struct runtime runtime;
	struct tags tags;
	struct upload_event e = {
		.start_ns = job->profile->start_ns,
		.end_ns = job->profile->end_ns,
		.tags = &tags,
		.custom_labels = keys,
		.n_custom_labels = custom_labels(job->profile, keys),
		.facts = u->facts,
		.runtime = &runtime,
		.quality = &job->profile->quality,
		.settings = job->comments,
		.n_settings = job->n_comments,
		.undelivered = u->undelivered,
		.spool_dropped = dropped,
		.merged_stacks = report->merged_stacks,
		.no_timestamps = report->no_timestamps,
	};
	int err;

	runtime_recognize(&runtime, u->facts);
	tags_init(&tags);
	err = upload_tags(&tags, job->tags, u, &runtime, job->profile->seq);
	if (!err)
		err = event_json(&e, out);
	tags_release(&tags);
	return err;
}

/* ---- the whole ---- */

/* What goes out, as a file: for those who want to see it. */
static void keep_copy(const struct upload_job *u, uint64_t seq, const struct buf *packed)
{
	char name[PATH_MAX], why[256] = "";
	struct sink sink;
	int n = snprintf(name, sizeof(name), "%s%06" PRIu64 ".pb.gz", u->copy_prefix, seq);

	if (n < 0 || (size_t)n >= sizeof(name))
		return;
	if (!sink_open(&sink, name, NULL, false, 0, NULL, why, sizeof(why))) {
		(void)sink_write(&sink, seq, packed->data, packed->len, why, sizeof(why));
		sink_close(&sink);
	}
	if (*why)
		log_warn("no copy of what is uploaded: %s", why);
}

static void say_probe(const struct upload_job *u)
{
	char text[256] = "";

	if (!log_wants(LOG_LEVEL_DEBUG) || u->target->agentless)
		return;
	(void)upload_probe(u->target, u->secrets, 2000, text, sizeof(text));
	log_debug("upload: %s", text);
}

/* Late is better than never: one attempt is always made. */
static void set_deadline(struct upload_policy *policy, uint64_t begin_ns)
{
	uint64_t used_ms = (io_clock_ns(CLOCK_MONOTONIC) - begin_ns) / 1000000u;

	if (policy->deadline_ms)
		policy->deadline_ms =
			used_ms + 1000 < policy->deadline_ms ? policy->deadline_ms - (uint32_t)used_ms : 1000;
}

void upload_window(const struct export_job *job, const struct symbolize_report *symbols, struct buf *packed,
		   uint64_t begin_ns, struct upload_report *report)
{
	uint64_t cpu = io_clock_ns(CLOCK_PROCESS_CPUTIME_ID), dropped;
	const struct upload_job *u = job->upload;
	struct upload_policy policy = u->policy;
	struct upload_request req;
	struct buf event;
	int err;

	*report = (struct upload_report){.result.end = UPLOAD_REFUSED};
	buf_init(&event, EVENT_JSON_MAX);
	dropped = upload_spool_dropped(u);
	err = attachment(job, symbols, packed, report);
	if (!err)
		err = make_event(job, report, dropped, &event);
	if (err) {
		snprintf(report->result.why, sizeof(report->result.why), "cannot prepare it: %s",
			 strerror(-err));
		goto done;
	}
	report->bytes = packed->len;
	if (u->copy_prefix)
		keep_copy(u, job->profile->seq, packed);
	if (!job->profile->seq)
		say_probe(u);
	set_deadline(&policy, begin_ns);
	req = (struct upload_request){event.data, event.len, packed->data, packed->len};
	(void)upload_send(u->target, u->secrets, &u->facts->identity, &req, &policy, &report->result);
	upload_spool_after(u, &req, job->profile->start_ns, dropped,
			   begin_ns + u->policy.deadline_ms * UINT64_C(1000000), report);
done:
	report->cpu_ns = io_clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	buf_release(&event);
	buf_release(packed);
}

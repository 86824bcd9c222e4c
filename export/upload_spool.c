/* SPDX-License-Identifier: Apache-2.0 */
/* upload_spool.c - see upload_spool.h. */
#include "export/upload_spool.h"

#include "base/io.h"
#include "base/log.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

bool upload_spool_worth(const struct upload_result *r)
{
	if (r->end != UPLOAD_REFUSED)
		return r->end == UPLOAD_GAVE_UP;
	switch (r->status) {
	case 0: /* our own certificate store, proxy or libcurl */
	case 401:
	case 403:
	case 404:
	case 407:
		return true;
	default:
		return r->status / 100 == 3;
	}
}

/* @create: else only if it is there already. */
static bool open_spool(const struct upload_job *job, bool create, struct spool *s, char *why, size_t why_len)
{
	if (!job->spool_dir || (!create && access(job->spool_dir, F_OK)))
		return false;
	return !spool_open(s, job->spool_dir, &job->spool_limits, why, why_len);
}

uint64_t upload_spool_dropped(const struct upload_job *job)
{
	struct spool s;
	uint64_t n;

	if (!open_spool(job, false, &s, NULL, 0))
		return 0;
	n = spool_dropped(&s);
	spool_close(&s);
	return n;
}

static void keep(const struct upload_job *job, const struct upload_request *req, uint64_t time_ns,
		 struct upload_report *report)
{
	char target[SPOOL_TARGET_MAX];
	struct spool s;

	if (!open_spool(job, true, &s, report->spool_why, sizeof(report->spool_why)))
		return;
	spool_target(job->target, target);
	report->kept = !spool_add(&s, req, target, &job->facts->identity, time_ns, report->result.duplicate,
				  report->spool_why, sizeof(report->spool_why));
	report->spool_dropped = spool_dropped(&s);
	spool_close(&s);
}

struct sending {
	const struct upload_job *job;
	uint64_t until_ns;
	uint64_t not_before_ns;
};

/* One attempt each: the next window comes with the next. */
static void send_entry(struct spool_entry *e, struct upload_result *result, void *arg)
{
	struct sending *sending = arg;
	uint64_t now = io_clock_ns(CLOCK_MONOTONIC), left_ms = (sending->until_ns - now) / 1000000u;
	struct upload_policy policy = {.timeout_ms = sending->job->policy.timeout_ms};

	if (upload_hurried() || now >= sending->until_ns) {
		result->end = UPLOAD_GAVE_UP;
		return;
	}
	if (!policy.timeout_ms)
		policy.timeout_ms = UPLOAD_TIMEOUT_MS;
	if (left_ms + 1 < policy.timeout_ms)
		policy.timeout_ms = (uint32_t)left_ms + 1;
	(void)upload_send(sending->job->target, sending->job->secrets, &e->identity, &e->req, &policy,
			  result);
	sending->not_before_ns = result->not_before_ns;
	if (result->end == UPLOAD_REFUSED && upload_spool_worth(result))
		result->end = UPLOAD_GAVE_UP;
}

static void drain(const struct upload_job *job, uint64_t told, uint64_t until_ns,
		  struct upload_report *report)
{
	struct sending sending = {.job = job, .until_ns = until_ns};
	struct spool_report done;
	char target[SPOOL_TARGET_MAX], why[224] = "";
	struct spool s;

	if (!open_spool(job, false, &s, why, sizeof(why))) {
		if (*why)
			log_debug("%s", why);
		return;
	}
	spool_dropped_told(&s, told);
	spool_target(job->target, target);
	if (job->spool_send && !upload_hurried() &&
	    !spool_drain(&s, target, send_entry, &sending, until_ns, &done)) {
		report->spool_sent = done.sent;
		report->spool_left = done.left - done.other - done.busy;
		report->result.not_before_ns = sending.not_before_ns;
		if (done.foreign)
			log_debug("spool: %u files in '%s' are not profiles of ours", done.foreign, s.path);
	}
	spool_close(&s);
}

void upload_spool_after(const struct upload_job *job, const struct upload_request *req, uint64_t time_ns,
			uint64_t told, uint64_t until_ns, struct upload_report *report)
{
	if (!job->spool_dir)
		return;
	if (report->result.end == UPLOAD_DELIVERED)
		drain(job, told, until_ns, report);
	else if (upload_spool_worth(&report->result))
		keep(job, req, time_ns, report);
}

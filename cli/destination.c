/* SPDX-License-Identifier: Apache-2.0 */
/* destination.c - see destination.h. */
#include "cli/destination.h"

#include "base/io.h"
#include "base/log.h"
#include "cli/inplace.h"
#include "export/spool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define LOOK_NS          UINT64_C(250000000)
#define MIN_WINDOW_NS    UINT64_C(15000000000) /* what receivers expect */
#define MAX_WINDOW_NS    UINT64_C(60000000000)
#define AWAITED_ATTEMPTS 3
#define REMIND_WINDOWS   60 /* an hour of them, usually */
#define MAX_OTHER_PIDS   64 /* processes asked for a service of their own */

/* ---- the decision ---- */

static bool agent_given(const struct options *o)
{
	return o->agent_url || o->agent_host || o->agent_port;
}

void destination_decide(const struct options *o, bool *file, bool *upload)
{
	*upload = !o->no_upload && o->do_export &&
		  (o->upload || (!o->output && (o->service || agent_given(o) || o->agentless ||
						(o->enabled && o->enabled_given))));
	*file = o->output || !*upload;
}

int destination_find_target(const struct options *o, struct upload_target *target, char *why, size_t len)
{
	bool by_host = o->agent_host_given || o->agent_port_given;

	if (o->agentless && !(o->secrets && *o->secrets->api_key)) {
		snprintf(why, len, "there is no API key\n  fix: set DD_API_KEY");
		return -EINVAL;
	}
	if (o->agentless)
		return upload_target_agentless(target, o->site, o->agent_url_given ? o->agent_url : NULL, why,
					       len);
	if (o->agent_url && (o->agent_url_given || !by_host))
		return upload_target_url(target, o->agent_url, why, len);
	if (o->agent_host || o->agent_port)
		return upload_target_host(target, o->agent_host, o->agent_port, why, len);
	upload_target_default(target, NULL);
	return 0;
}

/* RFC 4122, version 4. */
static void random_uuid(char out[UPLOAD_RUNTIME_ID_LEN + 1])
{
	uint8_t b[16];
	uint64_t t[2];

	if (getrandom(b, sizeof(b), GRND_NONBLOCK) != sizeof(b)) {
		t[0] = io_clock_ns(CLOCK_REALTIME);
		t[1] = io_clock_ns(CLOCK_MONOTONIC) * 0x9e3779b97f4a7c15u ^ (uint64_t)getpid();
		memcpy(b, t, sizeof(b));
	}
	b[6] = (b[6] & 0x0f) | 0x40;
	b[8] = (b[8] & 0x3f) | 0x80;
	snprintf(out, UPLOAD_RUNTIME_ID_LEN + 1,
		 "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1], b[2],
		 b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
}

/* @path, below our directory unless absolute: the profiler leaves it. "": too long. */
static void make_absolute(const char *path, char out[PATH_MAX])
{
	char dir[PATH_MAX] = "";
	int n;

	if (*path != '/' && !getcwd(dir, sizeof(dir)))
		return;
	n = snprintf(out, PATH_MAX, "%s%s%s", dir, *dir ? "/" : "", path);
	if (n < 0 || n >= PATH_MAX)
		out[0] = '\0';
}

struct spool_limits destination_spool_limits(const struct options *o)
{
	return (struct spool_limits){
		.bytes = (uint64_t)o->spool_mb << 20,
		.count = o->spool_count,
		.age_s = (uint64_t)o->spool_hours * 3600,
	};
}

/*
 * By itself only where nobody is there to see that a profile was lost. A directory
 * that was asked for is made now, the default one when it is needed.
 */
static void set_spool(struct destination *d, const struct options *o)
{
	struct spool_limits limits = destination_spool_limits(o);
	char why[PATH_MAX + 256] = "";
	struct spool s;

	if (o->no_spool)
		return;
	if (!o->spool_dir) {
		if ((inplace_at_terminal() &&
		     !(o->command == COMMAND_RUN && inplace_wanted(o, true, getenv))) ||
		    spool_default(d->spool_dir))
			d->spool_dir[0] = '\0';
		return;
	}
	make_absolute(o->spool_dir, d->spool_dir);
	if (!*d->spool_dir)
		return;
	if (!spool_open(&s, d->spool_dir, &limits, why, sizeof(why))) {
		spool_close(&s);
		return;
	}
	log_warn("what cannot be delivered is not kept: %s", why);
	d->spool_dir[0] = '\0';
}

int destination_init(struct destination *d, const struct options *o, const char *program)
{
	char why[256] = "";
	int err;

	*d = (struct destination){.secrets = o->secrets, .program = program};
	facts_init(&d->facts);
	delta_init(&d->base);
	destination_decide(o, &d->file, &d->upload);
	if (o->runtime_id)
		snprintf(d->runtime_id, sizeof(d->runtime_id), "%s", o->runtime_id);
	else
		random_uuid(d->runtime_id);
	if (!d->upload)
		return 0;
	if (o->copy_prefix && *o->copy_prefix)
		make_absolute(o->copy_prefix, d->copy_prefix);
	set_spool(d, o);
	err = destination_find_target(o, &d->target, why, sizeof(why));
	if (!err)
		return 0;
	d->upload = false;
	d->file = true;
	log_warn("profiles are not uploaded: %s", why);
	return 0;
}

void destination_release(struct destination *d)
{
	facts_release(&d->facts);
	delta_release(&d->base);
}

/* ---- the target ---- */

/* Several processes go into one profile, which can have one service only: say so where they differ. */
static void compare_services(const pid_t *pids, uint32_t n, const char *service)
{
	struct tags theirs;
	struct facts f;
	const char *other;
	uint32_t i;

	for (i = 1; i < n && i < MAX_OTHER_PIDS; i++) {
		facts_init(&f);
		tags_init(&theirs);
		(void)facts_tags(&f, pids[i], true, &theirs);
		other = tags_get(&theirs, "service");
		if (other && strcmp(other, service ? service : "")) {
			log_notice("process %d is of service '%s'; its samples are filed under '%s'",
				   (int)pids[i], other, service ? service : "the first process's");
			i = n;
		}
		tags_release(&theirs);
		facts_release(&f);
	}
}

int destination_target(struct destination *d, const struct options *o, const pid_t *pids, uint32_t n,
		       bool theirs, struct tags *tags)
{
	int err = 0;

	d->tags = tags;
	facts_read(&d->facts, pids[0], o->external_env);
	d->looked_ns = io_clock_ns(CLOCK_MONOTONIC);
	if (theirs || d->upload)
		err = facts_tags(&d->facts, pids[0], theirs, tags);
	if (theirs && d->upload && n > 1 && !o->service)
		compare_services(pids, n, tags_get(tags, "service"));
	return err;
}

void destination_look(struct destination *d)
{
	uint64_t now;

	if (!d->upload)
		return;
	now = io_clock_ns(CLOCK_MONOTONIC);
	if (now - d->looked_ns < LOOK_NS)
		return;
	d->looked_ns = now;
	if (facts_stale(&d->facts))
		facts_read(&d->facts, d->facts.pid, d->facts.identity.external_env);
}

void destination_announce(const struct destination *d, const struct options *o, const char *path)
{
	char shown[UPLOAD_URL_MAX + 8];

	if (o->quiet || (!d->upload && o->output))
		return;
	if (!d->upload) {
		log_info("the profile goes to '%s'", path ? path : "a file in the current directory");
		return;
	}
	upload_target_show(&d->target, shown, sizeof(shown));
	log_notice("profiles go to %s%s, every %g s%s%s%s", d->target.agentless ? "the intake " : "", shown,
		   (double)o->window_ns / 1e9, d->file && path ? ", and to '" : "",
		   d->file && path ? path : "", d->file && path ? "'" : "");
	if (o->window_ns < MIN_WINDOW_NS || o->window_ns > MAX_WINDOW_NS)
		log_notice("windows of %g s are outside of the 15 to 60 s that receivers expect",
			   (double)o->window_ns / 1e9);
}

/* ---- each window ---- */

/* Asked for. By default uploads only have them. */
static bool times_in_file(const struct options *o)
{
	return o->timeline_given ? o->timeline : o->timeline_variable == TIMELINE_ON;
}

const struct upload_job *destination_job(struct destination *d, const struct options *o, bool whole_run,
					 bool include_kernel, uint32_t deadline_ms, bool awaited)
{
	if (!d->upload)
		return NULL;
	destination_look(d);
	/* a tracer comes up some time after its program */
	if (d->tags && !*d->facts.tracer.language)
		(void)facts_tags(&d->facts, d->facts.pid, false, d->tags);
	d->job = (struct upload_job){
		.target = &d->target,
		.secrets = d->secrets,
		.facts = &d->facts,
		.program = d->program,
		.runtime_id = d->runtime_id,
		.host = o->hostname,
		.include_kernel = include_kernel,
		.git = o->git,
		.git_commit = o->git_commit,
		.git_url = o->git_url,
		.copy_prefix = *d->copy_prefix ? d->copy_prefix : NULL,
		.times_in_file = times_in_file(o),
		.spool_dir = *d->spool_dir ? d->spool_dir : NULL,
		.spool_limits = destination_spool_limits(o),
		.spool_send = !awaited || (o->command == COMMAND_ATTACH && !inplace_at_terminal()),
		.undelivered = d->undelivered,
		.base = whole_run ? &d->base : NULL,
		.policy = {.timeout_ms = (uint32_t)(o->upload_timeout_ns / 1000000u),
			   .deadline_ms = deadline_ms,
			   .max_attempts = awaited ? AWAITED_ATTEMPTS : 0,
			   .not_before_ns = d->not_before_ns},
	};
	return &d->job;
}

void destination_exported(struct destination *d, const struct options *o, struct profile *p, bool whole_run)
{
	if (d->upload && whole_run && !times_in_file(o)) {
		p->n_events = 0;
		p->merged_events = 0;
	}
	if (d->upload && whole_run && delta_take(&d->base, p))
		log_warn("out of memory: the next upload is of more than its window");
}

/* Once for each kind of failure: it may stay so for weeks. But not only once in weeks. */
static void complain(struct destination *d, const struct upload_report *report)
{
	const struct upload_result *r = &report->result;
	bool same = d->complaining && d->complaint_end == r->end && d->complaint_status == r->status &&
		    d->complaint_kept == report->kept;
	unsigned long long n = d->undelivered + d->kept;
	const char *fix = !r->status && !d->target.agentless && !d->file
				  ? "\n  fix: start the Agent, or name one with --url URL; -o FILE writes a "
				    "file instead"
				  : "";

	if (same && n % REMIND_WINDOWS)
		return;
	if (same)
		log_warn("%llu profiles were not uploaded so far: %s", n, r->why);
	else if (report->kept)
		log_warn("the profile was not uploaded, and is kept in '%s': %s%s", d->spool_dir, r->why,
			 fix);
	else
		log_warn("the profile was not uploaded: %s%s%s%s", r->why, *report->spool_why ? "\n  " : "",
			 report->spool_why, fix);
	d->complaining = true;
	d->complaint_end = r->end;
	d->complaint_status = r->status;
	d->complaint_kept = report->kept;
}

static void not_delivered(struct destination *d, const struct upload_report *report)
{
	if (report->kept)
		d->kept++;
	else
		d->undelivered++;
	complain(d, report);
	if (report->spool_dropped && !d->dropping)
		log_warn("the spool is full: the oldest profiles in it make room for new ones");
	d->dropping = report->spool_dropped > 0;
}

void destination_result(struct destination *d, const struct upload_report *report)
{
	const struct upload_result *r = &report->result;

	if (r->end == UPLOAD_NONE) { /* the exporter died before it could tell */
		destination_lost(d);
		return;
	}
	d->not_before_ns = r->not_before_ns;
	if (r->end != UPLOAD_DELIVERED) {
		not_delivered(d, report);
		return;
	}
	d->delivered++;
	d->bytes = report->bytes;
	log_debug("uploaded %llu KB in %u attempts, CPU %.1f ms",
		  (unsigned long long)(report->bytes + 1023) / 1024, r->attempts,
		  (double)report->cpu_ns / 1e6);
	if (d->complaining)
		log_notice("profiles are uploaded again");
	if (report->spool_sent)
		log_notice("%u profiles that had been kept are uploaded%s", report->spool_sent,
			   report->spool_left ? ", others will follow" : "");
	d->complaining = d->dropping = false;
}

void destination_lost(struct destination *d)
{
	if (d->upload)
		d->undelivered++;
}

void destination_summary(const struct destination *d, char *out, size_t len)
{
	char shown[UPLOAD_URL_MAX + 8];
	int n = 0;

	out[0] = '\0';
	upload_target_show(&d->target, shown, sizeof(shown));
	if (d->delivered)
		n = snprintf(out, len, "uploaded to %s (%llu KB%s)", shown,
			     (unsigned long long)(d->bytes + 1023) / 1024,
			     d->delivered > 1 ? ", the last of several" : "");
	if (d->undelivered && n >= 0 && (size_t)n < len)
		snprintf(out + n, len - (size_t)n, "%s%llu window%s not uploaded", n ? ", " : "",
			 (unsigned long long)d->undelivered, d->undelivered > 1 ? "s" : "");
	else if (!d->delivered && !d->kept)
		snprintf(out, len, "nothing uploaded");
	n = (int)strlen(out);
	if (d->kept)
		snprintf(out + n, len - (size_t)n, "%s%llu window%s kept in '%s'", n ? ", " : "",
			 (unsigned long long)d->kept, d->kept > 1 ? "s" : "", d->spool_dir);
}

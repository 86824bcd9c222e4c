/* SPDX-License-Identifier: Apache-2.0 */
/*
 * windows - upload many windows quickly, through the exporter as the collector does it.
 *
 *	windows URL N [timeout_ms [deadline_ms [backoff_ms]]]
 *
 * One line a window: its number, how it ended (delivered, refused, gave-up), the
 * last HTTP status, the attempts, the flag, the reason. Window N lasts from second N to N + 1
 * of some day. With WINDOWS_MAX_BYTES the limit of a profile's size. URL "none": all but the upload.
 */
#include "../unit/sample_profile.h"
#include "export/exporter.h"
#include "export/upload_work.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char *const ends[] = {[UPLOAD_NONE] = "none",
				   [UPLOAD_DELIVERED] = "delivered",
				   [UPLOAD_REFUSED] = "refused",
				   [UPLOAD_GAVE_UP] = "gave-up"};

struct run {
	struct sample_profile sample;
	struct names names;
	struct sink sink;
	struct tags tags;
	struct facts facts;
	struct upload_target target;
	struct upload_job upload;
	uint64_t undelivered, not_before_ns;
	uint64_t cpu_ns, most_kb;
};

/* Many stacks, so that a small limit of size has something to merge. */
static void add_stacks(struct sample_profile *s, unsigned n)
{
	uint32_t frames[3];
	unsigned i;

	for (i = 0; i < n; i++) {
		frames[0] = profile_location(&s->p, s->program, 0x1000 + i * 7919 % 0x7000);
		frames[1] = profile_location(&s->p, s->program, 0x1000 + i * 104729 % 0x7000);
		frames[2] = s->caller;
		assert(!profile_add(&s->p, profile_stack(&s->p, frames, 3), 0, 1, 1000 + i));
	}
}

static int window(struct run *r, unsigned i)
{
	struct export_job job = {.profile = &r->sample.p,
				 .names = &r->sample.names,
				 .sink = &r->sink,
				 .tags = &r->tags,
				 .upload = *r->target.base ? &r->upload : NULL};
	struct export_result result;
	const struct upload_result *u = &result.upload.result;
	struct exporter *e = NULL;
	struct pollfd pfd;
	unsigned k;

	r->sample.p.seq = i;
	r->sample.p.start_ns = 1700000000000000000u + i * 1000000000ull;
	r->sample.p.end_ns = r->sample.p.start_ns + 1000000000u;
	r->upload.undelivered = r->undelivered;
	r->upload.policy.not_before_ns = r->not_before_ns;
	if (exporter_start(&e, &job))
		return -1;
	pfd = (struct pollfd){.fd = exporter_fd(e), .events = POLLIN};
	while (!exporter_read(e, &result))
		if (poll(&pfd, 1, 120000) <= 0)
			return -1;
	exporter_free(e);
	r->undelivered += u->end != UPLOAD_DELIVERED;
	r->not_before_ns = u->not_before_ns;
	r->cpu_ns += result.upload.cpu_ns;
	if (result.peak_rss_kb > r->most_kb)
		r->most_kb = result.peak_rss_kb;
	/* reasons have an advice in a line of its own */
	for (k = 0; u->why[k]; k++)
		if (u->why[k] == '\n')
			((char *)u->why)[k] = '|';
	printf("%u %s %u %u %s %s\n", i, ends[u->end], u->status, u->attempts, u->duplicate ? "flagged" : "-",
	       u->why);
	fflush(stdout);
	return 0;
}

static int setup(struct run *r, int argc, char **argv)
{
	const char *max = getenv("WINDOWS_MAX_BYTES");
	char why[256] = "";

	sample_profile_init(&r->sample);
	add_stacks(&r->sample, max ? 20000 : 100);
	tags_init(&r->tags);
	facts_init(&r->facts);
	facts_read(&r->facts, getpid(), getenv("DD_EXTERNAL_ENV"));
	sink_nowhere(&r->sink);
	if (strcmp(argv[1], "none") && upload_target_url(&r->target, argv[1], why, sizeof(why))) {
		fprintf(stderr, "windows: '%s': %s\n", argv[1], why);
		return -1;
	}
	r->upload = (struct upload_job){
		.target = &r->target,
		.facts = &r->facts,
		.program = "windows",
		.runtime_id = "01234567-89ab-4cde-8f01-23456789abcd",
		.max_bytes = max ? strtoul(max, NULL, 10) : 0,
		.policy = {.timeout_ms = argc > 3 ? (uint32_t)atoi(argv[3]) : 2000,
			   .deadline_ms = argc > 4 ? (uint32_t)atoi(argv[4]) : 30000,
			   .backoff_ms = argc > 5 ? (uint32_t)atoi(argv[5]) : 4,
			   .backoff_max_ms = argc > 5 ? (uint32_t)atoi(argv[5]) * 8 : 32},
	};
	return 0;
}

int main(int argc, char **argv)
{
	static struct run r;
	unsigned i, n;

	if (argc < 3 || setup(&r, argc, argv))
		return 2;
	n = (unsigned)atoi(argv[2]);
	for (i = 0; i < n; i++)
		if (window(&r, i))
			return 1;
	fprintf(stderr, "uploading took %.1f ms of CPU a window, the exporter had %llu KB at most\n",
		(double)r.cpu_ns / 1e6 / (n ? n : 1), (unsigned long long)r.most_kb);
	facts_release(&r.facts);
	tags_release(&r.tags);
	sample_profile_release(&r.sample);
	return 0;
}

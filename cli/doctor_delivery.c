/* SPDX-License-Identifier: Apache-2.0 */
/* doctor_delivery.c - where profiles would go with these options and variables, and whether they would
 * arrive. */
#include "cli/doctor.h"

#include "cli/destination.h"
#include "export/spool.h"
#include "export/upload.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PROBE_MS   1500
#define NEARLY_PCT 90 /* of its limits: from then on the spool soon drops */

static void check_destination(struct doctor *d, bool file, bool upload, const char *shown)
{
	doctor_ok(d, "destination", "profiles go to", "%s%s%s%s", upload ? shown : "",
		  upload && file ? " and " : "", file ? "a file" : "", file && d->opt->output ? " (-o)" : "");
}

static void check_agent(struct doctor *d, const struct upload_target *target, bool upload)
{
	struct doctor_ill ill = {
		.state = DOCTOR_MISSING,
		.optional = !upload,
		.key = "agent",
		.what = "Agent",
		.fix = "start the Agent, or name it: --url URL (DD_TRACE_AGENT_URL)",
		.meanwhile = upload ? "what is not delivered is kept in the spool, if there is one"
				    : "profiles go to files"};
	char text[224] = "";

	if (target->agentless) {
		doctor_ok(d, ill.key, ill.what, "none is needed: agentless");
		return;
	}
	if (upload_probe(target, d->opt->secrets, PROBE_MS, text, sizeof(text)))
		doctor_ill(d, &ill, "%.*s", (int)strcspn(text, "\n"), text);
	else
		doctor_ok(d, ill.key, ill.what, "%s", text);
}

static void check_key(struct doctor *d)
{
	const struct options *o = d->opt;
	bool key = o->secrets && *o->secrets->api_key;
	const struct doctor_ill ill = {.state = DOCTOR_MISSING,
				       .key = "key",
				       .what = "API key",
				       .fix = "export DD_API_KEY=...",
				       .meanwhile = "profiles go to files"};

	if (key)
		doctor_ok(d, ill.key, ill.what, "given (***)%s",
			  o->agentless ? "" : ", not needed: the Agent has its own");
	else if (o->agentless)
		doctor_ill(d, &ill, "agentless uploads need one, and there is none");
	else
		doctor_ok(d, ill.key, ill.what, "not needed: the Agent has its own");
}

static void check_proxy(struct doctor *d, const struct upload_target *target)
{
	static const char *const names[] = {"https_proxy", "HTTPS_PROXY", "http_proxy", "ALL_PROXY",
					    "all_proxy"};
	const char *name = NULL, *value = NULL;
	char shown[UPLOAD_URL_MAX];
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(*names) && !value; i++) {
		name = names[i];
		value = getenv(name);
		value = value && *value ? value : NULL;
	}
	if (!value) {
		doctor_ok(d, "proxy", "proxy", "none");
		return;
	}
	snprintf(shown, sizeof(shown), "%s", value);
	(void)secrets_take_user(NULL, shown);
	doctor_ok(d, "proxy", "proxy", "%s is %.160s%s", name, shown,
		  target->loopback || *target->socket ? "; not asked for a receiver on this machine" : "");
}

static void check_curl(struct doctor *d, bool upload)
{
	static const char *const names[] = {"libcurl.so.4", "libcurl-gnutls.so.4"};
	void *lib = NULL;
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(*names) && !lib; i++)
		lib = dlopen(names[i], RTLD_LAZY | RTLD_LOCAL);
	if (lib)
		doctor_ok(d, "libcurl", "libcurl (uploads)", "loadable: %s", names[i - 1]);
	else
		doctor_ill(d,
			   &(const struct doctor_ill){DOCTOR_MISSING, !upload, "libcurl", "libcurl (uploads)",
						      "sudo apt-get install libcurl4",
						      "profiles go to files"},
			   "libcurl.so.4 cannot be loaded");
	if (lib)
		dlclose(lib);
}

static void tell_spool(struct doctor *d, const char *dir, const struct spool_contents *c)
{
	const struct options *o = d->opt;
	uint64_t max_bytes = o->spool_mb ? (uint64_t)o->spool_mb << 20 : SPOOL_MAX_BYTES;
	uint32_t max_count = o->spool_count ? o->spool_count : SPOOL_MAX_COUNT;
	struct doctor_ill ill = {
		.state = DOCTOR_DEGRADED, .key = "spool", .what = "spool", .fix = "ddprof upload"};
	long long hours = c->oldest_s ? ((long long)time(NULL) - c->oldest_s) / 3600 : 0;
	char size[32];

	snprintf(size, sizeof(size), "%llu %s", (unsigned long long)(c->bytes >> (c->bytes >> 20 ? 20 : 10)),
		 c->bytes >> 20 ? "MB" : "KB");
	ill.optional = c->bytes < max_bytes / 100 * NEARLY_PCT &&
		       (uint64_t)c->entries * 100 < (uint64_t)max_count * NEARLY_PCT;
	if (!ill.optional)
		ill.meanwhile = "the oldest are dropped for new ones";
	if (!c->entries)
		doctor_ok(d, ill.key, ill.what, "nothing waits in '%s'", dir);
	else
		doctor_ill(d, &ill,
			   "%u profile%s (%s) not delivered yet in '%s'%s, the oldest for %lld hours",
			   c->entries, c->entries == 1 ? "" : "s", size, dir,
			   ill.optional ? "" : ", which is nearly full", hours > 0 ? hours : 0);
}

static void check_spool(struct doctor *d, bool upload)
{
	const struct options *o = d->opt;
	struct spool_contents c;
	char dir[PATH_MAX] = "";
	int err;

	if (o->no_spool) {
		doctor_ok(d, "spool", "spool", "none (--no-spool)");
		return;
	}
	if (o->spool_dir)
		snprintf(dir, sizeof(dir), "%s", o->spool_dir);
	else if (spool_default(dir)) {
		doctor_ok(d, "spool", "spool", "none: neither HOME nor XDG_STATE_HOME is set");
		return;
	}
	err = spool_look(dir, &c);
	if (err)
		doctor_ill(d,
			   &(const struct doctor_ill){DOCTOR_DEGRADED, !upload, "spool", "spool",
						      "name another: --spool DIR",
						      "what is not delivered is lost"},
			   "'%s' cannot be read: %s", dir, strerror(-err));
	else
		tell_spool(d, dir, &c);
}

void doctor_delivery(struct doctor *d)
{
	struct upload_target target = {0};
	char shown[UPLOAD_URL_MAX + 8] = "", why[256] = "";
	bool file, upload;

	d->section = DOCTOR_DELIVERY;
	destination_decide(d->opt, &file, &upload);
	if (destination_find_target(d->opt, &target, why, sizeof(why)) && upload) {
		doctor_ill(d,
			   &(const struct doctor_ill){DOCTOR_MISSING, false, "destination", "profiles go to",
						      strstr(why, "fix: ") ? strstr(why, "fix: ") + 5 : "",
						      "a file"},
			   "nowhere but a file: %.*s", (int)strcspn(why, "\n"), why);
		check_key(d);
	} else {
		upload_target_show(&target, shown, sizeof(shown));
		check_destination(d, file, upload, shown);
		check_key(d);
		if (*target.base)
			check_agent(d, &target, upload);
	}
	check_proxy(d, &target);
	check_curl(d, upload);
	check_spool(d, upload);
}

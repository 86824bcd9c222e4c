/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_upload.c - ddprof upload: saved profiles sent, or once what is in the spool. */
#include "base/io.h"
#include "base/log.h"
#include "cli/command.h"
#include "cli/destination.h"
#include "cli/options.h"
#include "export/event_json.h"
#include "export/pprof.h"
#include "export/upload_spool.h"
#include "export/upload_stored.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define FILE_DEADLINE_MS 30000 /* all attempts for one file */
#define FILE_ATTEMPTS    3
#define DEAD_MAX         16 /* receivers that did not answer, remembered while the spool is gone through */

static uint32_t timeout_ms(const struct options *o)
{
	return (uint32_t)(o->upload_timeout_ns / 1000000u);
}

static void plural(char *out, size_t len, uint32_t n, const char *what)
{
	snprintf(out, len, "%u profile%s %s", n, n == 1 ? "" : "s", what);
}

/* ---- the spool ---- */

struct sending {
	const struct options *opt;
	bool given; /* an address: all goes there, else each entry to its own */
	struct upload_target target;
	char dead[DEAD_MAX][SPOOL_TARGET_MAX];
	uint32_t n_dead;
	char why[224]; /* the first failure */
};

static bool is_dead(const struct sending *s, const char *target)
{
	uint32_t i;

	for (i = 0; i < s->n_dead; i++)
		if (!strcmp(s->dead[i], target))
			return true;
	return false;
}

/* Where @e is to go. False: nowhere, and @result says so. */
static bool find_target(const struct sending *s, const struct spool_entry *e, struct upload_target *target,
			struct upload_result *result)
{
	char why[128] = "";

	if (s->given) {
		*target = s->target;
		return true;
	}
	if (is_dead(s, e->target)) {
		snprintf(result->why, sizeof(result->why), "%s", s->why);
		return false;
	}
	if (!strncmp(e->target, SPOOL_AGENTLESS, strlen(SPOOL_AGENTLESS))) {
		snprintf(result->why, sizeof(result->why),
			 "some are for the intake\n  fix: --agentless true, with DD_API_KEY set");
		return false;
	}
	if (upload_target_url(target, e->target, why, sizeof(why))) {
		snprintf(result->why, sizeof(result->why), "'%.80s' is no address of an Agent: %.100s",
			 e->target, why);
		return false;
	}
	return true;
}

/*
 * With an address given the first failure ends it: GAVE_UP. Otherwise other
 * receivers may do better: what is for this one is only not tried any more.
 */
static void send_entry(struct spool_entry *e, struct upload_result *result, void *arg)
{
	struct sending *s = arg;
	struct upload_policy policy = {.timeout_ms = timeout_ms(s->opt)};
	struct upload_target target;

	if (!find_target(s, e, &target, result)) {
		result->end = UPLOAD_NONE;
		return;
	}
	(void)upload_send(&target, s->given ? s->opt->secrets : NULL, &e->identity, &e->req, &policy, result);
	if (!upload_spool_worth(result))
		return;
	result->end = UPLOAD_GAVE_UP;
	if (!*s->why)
		snprintf(s->why, sizeof(s->why), "%s", result->why);
	if (!s->given && s->n_dead < DEAD_MAX) {
		snprintf(s->dead[s->n_dead++], SPOOL_TARGET_MAX, "%s", e->target);
		result->end = UPLOAD_NONE;
	}
}

/* One line. With --quiet only on what is lost: what waits for another try is nobody's trouble. */
static int tell(const struct options *o, const struct spool *s, const struct spool_report *r, const char *why)
{
	uint32_t lost = r->refused + (r->dropped < UINT32_MAX ? (uint32_t)r->dropped : UINT32_MAX);
	char sent[64], left[96] = "", gone[64] = "", foreign[96] = "";

	plural(sent, sizeof(sent), r->sent, "uploaded");
	if (r->left)
		snprintf(left, sizeof(left), ", %u left", r->left);
	if (r->busy)
		snprintf(left + strlen(left), sizeof(left) - strlen(left),
			 " (%u being sent by another process)", r->busy);
	if (lost)
		snprintf(gone, sizeof(gone), ", %u given up", lost);
	if (r->foreign)
		snprintf(foreign, sizeof(foreign), "; %u files in the spool are none of its profiles",
			 r->foreign);
	if (!o->quiet || lost)
		fprintf(stderr, "ddprof: %s%s%s from '%s'%s%s%s\n", sent, left, gone, s->path, foreign,
			*why ? ": " : "", why);
	return r->left || r->refused ? EXIT_FAIL : EXIT_OK;
}

static int send_spool(struct sending *sending)
{
	const struct options *o = sending->opt;
	struct spool_limits limits = destination_spool_limits(o);
	char dir[PATH_MAX], why[PATH_MAX + 256] = "";
	struct spool_report report;
	struct spool s;
	struct stat st;
	int err;

	if (o->spool_dir)
		snprintf(dir, sizeof(dir), "%s", o->spool_dir);
	else if (spool_default(dir)) {
		fprintf(stderr,
			"ddprof: neither HOME nor XDG_STATE_HOME is set\n  name the spool: --spool DIR\n");
		return EXIT_FAIL;
	}
	if (stat(dir, &st) && errno == ENOENT) {
		if (!o->quiet)
			fprintf(stderr, "ddprof: nothing to upload in '%s'\n", dir);
		return EXIT_OK;
	}
	if (spool_open(&s, dir, &limits, why, sizeof(why))) {
		fprintf(stderr, "ddprof: %s\n", why);
		return EXIT_FAIL;
	}
	err = spool_drain(&s, NULL, send_entry, sending, 0, &report);
	if (err) {
		fprintf(stderr, "ddprof: cannot read '%s': %s\n", dir, strerror(-err));
		err = EXIT_FAIL;
	} else {
		err = tell(o, &s, &report, *sending->why ? sending->why : report.why);
	}
	spool_close(&s);
	return err;
}

/* ---- files ---- */

static int user_tags(const struct options *o, struct tags *out)
{
	const struct {
		const char *key, *value;
	} own[] = {{"service", o->service}, {"env", o->env}, {"version", o->version}, {"host", o->hostname}};
	size_t k;
	uint32_t i;
	int err = 0;

	for (i = 0; i < o->tags.n && err != -ENOMEM; i++)
		err = tags_set(out, o->tags.tags[i].key, o->tags.tags[i].value);
	for (k = 0; k < sizeof(own) / sizeof(*own) && err != -ENOMEM; k++)
		if (own[k].value)
			err = tags_set(out, own[k].key, own[k].value);
	return err == -ENOMEM ? err : 0;
}

static uint64_t file_time(const char *path)
{
	struct stat st;

	if (!strcmp(path, "-") || stat(path, &st) || st.st_mtime <= 0)
		return io_clock_ns(CLOCK_REALTIME);
	return (uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec;
}

/* Checked by our reader first: what no reader takes is not sent. */
static int prepare(const char *path, const struct tags *tags, struct buf *event, struct buf *packed,
		   char *why, size_t len)
{
	struct pprof *p = NULL;
	struct buf data;
	char reason[192] = "";
	int err;

	buf_init(&data, PPROF_MAX_RAW);
	err = pprof_file_bytes(path, &data, why, len);
	if (err)
		goto done;
	err = pprof_read(data.data, data.len, &p, reason, sizeof(reason));
	if (err) {
		snprintf(why, len, "cannot use '%s' as a profile: %s", path, reason);
		goto done;
	}
	err = upload_stored_pprof(p, &data, packed);
	if (!err)
		err = upload_stored_event(p, tags, file_time(path), event);
	if (err)
		snprintf(why, len, "cannot upload '%s': %s", path,
			 err == -E2BIG ? "it is larger than the 10 MiB that receivers take" : strerror(-err));
	pprof_free(p);
done:
	buf_release(&data);
	return err;
}

/* False: it is not sent, and @why says so. */
static bool send_file(struct sending *s, const char *path, const struct tags *tags, char *why, size_t len)
{
	struct upload_policy policy = {.timeout_ms = timeout_ms(s->opt),
				       .deadline_ms = FILE_DEADLINE_MS,
				       .max_attempts = FILE_ATTEMPTS};
	struct upload_result result = {.end = UPLOAD_NONE};
	struct buf event, packed;
	struct upload_request req;
	int err;

	buf_init(&event, EVENT_JSON_MAX);
	buf_init(&packed, PPROF_MAX_RAW);
	err = prepare(path, tags, &event, &packed, why, len);
	if (!err) {
		req = (struct upload_request){event.data, event.len, packed.data, packed.len};
		err = upload_send(&s->target, s->opt->secrets, NULL, &req, &policy, &result);
		if (err)
			snprintf(why, len, "'%s' was not uploaded: %s", path, result.why);
	}
	buf_release(&event);
	buf_release(&packed);
	return !err;
}

static int send_files(struct sending *s)
{
	const struct options *o = s->opt;
	char why[PATH_MAX + 512], shown[UPLOAD_URL_MAX + 8], line[64];
	struct tags tags;
	uint32_t sent = 0;
	int i;

	tags_init(&tags);
	if (user_tags(o, &tags)) {
		fprintf(stderr, "ddprof: %s\n", strerror(ENOMEM));
		tags_release(&tags);
		return EXIT_FAIL;
	}
	for (i = 0; i < o->argc; i++) {
		why[0] = '\0';
		if (send_file(s, o->argv[i], &tags, why, sizeof(why)))
			sent++;
		else
			fprintf(stderr, "ddprof: %s\n", why);
	}
	tags_release(&tags);
	upload_target_show(&s->target, shown, sizeof(shown));
	plural(line, sizeof(line), sent, "uploaded");
	if (!o->quiet)
		fprintf(stderr, "ddprof: %s to %s\n", line, shown);
	return sent == (uint32_t)o->argc ? EXIT_OK : EXIT_FAIL;
}

/* ---- the command ---- */

int cmd_upload(struct options *opt, struct launch *l)
{
	static struct sending s;
	char why[256] = "";

	(void)l;
	s.opt = opt;
	s.given = opt->agent_url || opt->agent_host || opt->agent_port || opt->agentless;
	if (destination_find_target(opt, &s.target, why, sizeof(why))) {
		fprintf(stderr, "ddprof: nothing is uploaded: %s\n", why);
		return EXIT_FAIL;
	}
	return opt->argc ? send_files(&s) : send_spool(&s);
}

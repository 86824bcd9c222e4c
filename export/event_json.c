/* SPDX-License-Identifier: Apache-2.0 */
/* event_json.c - see event_json.h. */
#include "export/event_json.h"

#include "base/io.h"
#include "collect/unwind_end.h"
#include "export/json.h"
#include "export/upload.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

void event_time(uint64_t ns, char out[31])
{
	time_t s = (time_t)(ns / 1000000000u);
	char day[21];
	struct tm tm;

	if (!gmtime_r(&s, &tm) || tm.tm_year > 9999 - 1900)
		memset(&tm, 0, sizeof(tm));
	strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out, 31, "%.19s.%09uZ", day, (unsigned)(ns % 1000000000u));
}

static void put_tags(struct json *j, const struct upload_event *e)
{
	struct buf line;
	uint32_t i;

	buf_init(&line, EVENT_JSON_MAX);
	for (i = 0; i < e->tags->n; i++)
		buf_printf(&line, "%s%s:%s", line.len ? "," : "", e->tags->tags[i].key,
			   e->tags->tags[i].value);
	for (i = 0; i < e->n_custom_labels; i++)
		buf_printf(&line, "%sddprof.custom_ctx:%s", line.len ? "," : "", e->custom_labels[i]);
	json_key(j, "tags_profiler");
	json_str_len(j, line.len ? (char *)line.data : "", line.len);
	if (line.error && !j->out->error)
		j->out->error = line.error;
	buf_release(&line);
}

/* Lowercase, and of letters, digits and "._-" only, as these values go into names of things. */
static void put_safe(struct buf *b, const char *key, const char *path)
{
	const char *slash = strrchr(path, '/'), *s = slash ? slash + 1 : path;
	size_t n;

	if (!*s)
		return;
	buf_printf(b, "%s%s:", b->len ? "," : "", key);
	for (n = 0; *s && n < 100; s++, n++) {
		char c = *s >= 'A' && *s <= 'Z' ? (char)(*s + 32) : *s;

		buf_put_u8(b, (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || strchr("._-", c)
				      ? (uint8_t)c
				      : '_');
	}
}

/* What the process is, for joining with what other products know of it; sorted. */
static void put_process_tags(struct json *j, const struct facts *f)
{
	char dir[PATH_MAX];
	struct buf line;

	json_key(j, "process_tags");
	if (!f || !*f->exe) {
		json_null(j);
		return;
	}
	buf_init(&line, 4096);
	snprintf(dir, sizeof(dir), "%.*s", (int)(strrchr(f->exe, '/') ? strrchr(f->exe, '/') - f->exe : 0),
		 f->exe);
	put_safe(&line, "entrypoint.basedir", dir);
	put_safe(&line, "entrypoint.name", f->exe);
	buf_printf(&line, "%sentrypoint.type:executable", line.len ? "," : "");
	put_safe(&line, "entrypoint.workdir", f->cwd);
	json_str_len(j, (char *)line.data, line.len);
	buf_release(&line);
}

static void put_internal(struct json *j, const struct upload_event *e)
{
	json_key(j, "internal");
	json_object(j);
	/* with this very spelling: it may have to be changed later */
	json_key(j, "possibly-duplicate");
	json_bool(j, false);
	json_field_u64(j, "undelivered", e->undelivered);
	if (e->spool_dropped)
		json_field_u64(j, "spool_dropped", e->spool_dropped);
	if (e->merged_stacks)
		json_field_u64(j, "merged_stacks", e->merged_stacks);
	if (e->no_timestamps) {
		json_key(j, "timestamps_dropped");
		json_bool(j, true);
	}
	json_close(j);
}

static void put_application(struct json *j, const struct upload_event *e)
{
	char time[31] = "";

	json_key(j, "application");
	json_object(j);
	if (e->facts && e->facts->started_ns) {
		event_time(e->facts->started_ns, time);
		json_field(j, "start_time", time);
	}
	if (e->facts) {
		json_field(j, "command", e->facts->command);
		json_field(j, "executable", e->facts->exe);
		json_field(j, "working_directory", e->facts->cwd);
	}
	if (e->runtime)
		json_field(j, "build_id", e->runtime->build_id);
	json_close(j);
}

/* The first "model name" of /proc/cpuinfo; other machines than PCs have none. */
static void put_cpu_model(struct json *j)
{
	static const char key[] = "model name";
	char text[4096], *at, *end;
	int fd = open("/proc/cpuinfo", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? io_read_full(fd, text, sizeof(text) - 1) : 0;

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	at = strstr(text, key);
	at = at ? strchr(at, ':') : NULL;
	end = at ? strchr(at, '\n') : NULL;
	if (!end)
		return;
	*end = '\0';
	json_field(j, "cpu_model", at + 1 + strspn(at + 1, " \t"));
}

static void put_platform(struct json *j, const struct upload_event *e)
{
	char host[256] = "";
	struct utsname u;

	json_key(j, "platform");
	json_object(j);
	if (!e->facts || !e->runtime) { /* maybe taken on another machine */
		json_close(j);
		return;
	}
	if (!gethostname(host, sizeof(host) - 1))
		json_field(j, "hostname", host);
	if (!uname(&u)) {
		json_field(j, "kernel_name", u.sysname);
		json_field(j, "kernel_release", u.release);
		json_field(j, "kernel_version", u.version);
		json_field(j, "architecture", u.machine);
	}
	put_cpu_model(j);
	json_field_u64(j, "cpu_cores", (uint64_t)sysconf(_SC_NPROCESSORS_ONLN));
	if (e->facts->memory_limit)
		json_field_u64(j, "memory_limit_bytes", e->facts->memory_limit);
	if (e->facts->cpu_limit_pct)
		json_field_u64(j, "cpu_limit_percent", e->facts->cpu_limit_pct);
	json_field(j, "container_id", e->facts->identity.container_id);
	json_field(j, "libc", e->runtime->libc);
	json_close(j);
}

static void put_quality(struct json *j, const struct profile_quality *q)
{
	uint32_t i;

	json_key(j, "quality");
	json_object(j);
	json_field_u64(j, "samples", q->samples);
	json_field_u64(j, "user_samples", q->user_samples);
	json_field_u64(j, "complete", q->complete);
	json_field_u64(j, "truncated", q->truncated);
	json_field_u64(j, "lost", q->lost);
	json_field_u64(j, "throttled", q->throttled);
	json_field_u64(j, "sampled_cpu_ns", q->sampled_cpu_ns);
	json_field_u64(j, "lost_cpu_ns", q->lost_cpu_ns);
	json_field_u64(j, "event_cpu_ns", q->event_cpu_ns);
	json_field_u64(j, "kernel_denied_ns", q->kernel_denied_ns);
	json_field_u64(j, "unsampled_ns", q->unsampled_ns);
	json_field_u64(j, "own_cpu_ns", q->own_cpu_ns);
	json_field_u64(j, "own_rss_kb", q->own_rss_kb);
	json_key(j, "stacks_by_end");
	json_object(j);
	for (i = 0; i < UNWIND_END_COUNT && i < sizeof(q->ends) / sizeof(*q->ends); i++)
		if (q->ends[i])
			json_field_u64(j, unwind_end_name((enum unwind_end)i), q->ends[i]);
	json_close(j);
	json_close(j);
}

static void put_profiler(struct json *j, const struct upload_event *e)
{
	static const char prefix[] = "ddprof.";
	const char *s, *colon;
	char key[64];
	uint32_t i;

	json_key(j, "profiler");
	json_object(j);
	json_field(j, "version", DDPROF_VERSION);
	for (i = 0; i < e->n_settings; i++) {
		s = e->settings[i];
		if (strncmp(s, prefix, strlen(prefix)))
			continue;
		s += strlen(prefix);
		colon = strstr(s, ": ");
		if (!colon || (size_t)(colon - s) >= sizeof(key))
			continue;
		snprintf(key, sizeof(key), "%.*s", (int)(colon - s), s);
		json_field(j, key, colon + 2);
	}
	if (e->quality)
		put_quality(j, e->quality);
	json_close(j);
}

static void put_runtime(struct json *j, const struct upload_event *e)
{
	json_key(j, "runtime");
	json_object(j);
	if (!e->facts || !e->runtime) {
		json_close(j);
		return;
	}
	json_field(j, "engine", e->runtime->runtime);
	json_field(j, "language", e->runtime->language);
	json_field(j, "version", e->runtime->version);
	json_field(j, "tracer_language", e->facts->tracer.language);
	json_field(j, "tracer_version", e->facts->tracer.version);
	json_field(j, "tracer_runtime_id", e->facts->tracer.runtime_id);
	json_close(j);
}

int event_json(const struct upload_event *e, struct buf *out)
{
	char start[31], end[31];
	struct json j;

	event_time(e->start_ns, start);
	/* an empty window would be refused: it lasted a nanosecond at least */
	event_time(e->end_ns > e->start_ns ? e->end_ns : e->start_ns + 1, end);
	json_init(&j, out);
	json_object(&j);
	json_field(&j, "version", "4");
	json_field(&j, "family", "native");
	json_key(&j, "attachments");
	json_array(&j);
	json_str(&j, "profile.pprof");
	json_close(&j);
	json_field(&j, "start", start);
	json_field(&j, "end", end);
	put_tags(&j, e);
	json_key(&j, "endpoint_counts");
	json_null(&j);
	put_process_tags(&j, e->facts);
	put_internal(&j, e);
	json_key(&j, "info");
	json_object(&j);
	put_application(&j, e);
	put_platform(&j, e);
	put_profiler(&j, e);
	put_runtime(&j, e);
	json_close(&j);
	json_close(&j);
	return json_end(&j);
}

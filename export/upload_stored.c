/* SPDX-License-Identifier: Apache-2.0 */
/* upload_stored.c - see upload_stored.h. */
#include "export/upload_stored.h"

#include "base/hash.h"
#include "export/event_json.h"
#include "export/gzip.h"
#include "export/upload_tags.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GZIP_LEVEL   6
#define SETTINGS_MAX 16
#define LINE_MAX_LEN 256

int upload_stored_pprof(const struct pprof *p, const struct buf *data, struct buf *out)
{
	const struct buf raw = {.data = p->raw, .len = p->raw_len};
	int err;

	if (data->len > 2 && data->data[0] == 0x1f && data->data[1] == 0x8b)
		err = buf_put(out, data->data, data->len);
	else
		err = pprof_gzip(&raw, GZIP_LEVEL, out);
	if (!err && out->len > UPLOAD_MAX_PROFILE)
		err = -E2BIG;
	return err;
}

/* ---- what the file says of itself ---- */

/* The comment "ddprof.@key: " if there is one, else empty. */
static struct pprof_str comment(const struct pprof *p, const char *key)
{
	char prefix[64];
	size_t n = (size_t)snprintf(prefix, sizeof(prefix), "ddprof.%s: ", key);
	uint32_t i;

	for (i = 0; i < p->n_comments; i++) {
		struct pprof_str s = pprof_string(p, p->comments[i]);

		if (s.len > n && !memcmp(s.s, prefix, n))
			return (struct pprof_str){s.s + n, s.len - (uint32_t)n};
	}
	return (struct pprof_str){"", 0};
}

static void copy(struct pprof_str s, char *out, size_t size)
{
	snprintf(out, size, "%.*s", (int)(s.len < size ? s.len : size - 1), s.s);
}

/* Where nothing is set yet. Only want of memory matters: the rest costs the tag. */
static int add(struct tags *t, const char *key, const char *value)
{
	int err = *value && !tags_get(t, key) ? upload_tags_clean(t, key, value) : 0;

	return err == -ENOMEM ? err : 0;
}

static int add_number(struct tags *t, const char *key, uint64_t v)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, v);
	return add(t, key, text);
}

static int add_commented(struct tags *t, const struct pprof *p)
{
	static const char prefix[] = "ddprof.tag.";
	char line[LINE_MAX_LEN], *value;
	uint32_t i;
	int err = 0;

	for (i = 0; i < p->n_comments && !err; i++) {
		struct pprof_str s = pprof_string(p, p->comments[i]);

		if (s.len <= sizeof(prefix) || memcmp(s.s, prefix, sizeof(prefix) - 1))
			continue;
		copy(s, line, sizeof(line));
		value = strstr(line, ": ");
		if (!value)
			continue;
		*value = '\0';
		err = add(t, line + sizeof(prefix) - 1, value + 2);
	}
	return err;
}

/* "ddprof.target: app (pid 42)", else the first mapping's file. */
static int add_program(struct tags *t, const struct pprof *p)
{
	char line[LINE_MAX_LEN], *pid, *slash;
	uint64_t number = 0;
	int err;

	copy(comment(p, "target"), line, sizeof(line));
	pid = strstr(line, " (pid ");
	if (pid) {
		number = strtoull(pid + 6, NULL, 10);
		*pid = '\0';
	}
	if (!*line && p->n_mappings)
		copy(pprof_string(p, p->mappings[0].filename), line, sizeof(line));
	slash = strrchr(line, '/');
	err = add(t, "service", slash ? slash + 1 : line);
	if (!err)
		err = add(t, "service", "unknown");
	return err ? err : add_number(t, "process_id", number);
}

/* A UUID of the contents (RFC 9562, version 8). */
static int add_identity(struct tags *t, const struct pprof *p)
{
	uint64_t a = hash_bytes(p->raw, p->raw_len), b = hash_mix(a, p->raw_len);
	char line[LINE_MAX_LEN], id[40];
	int err;

	snprintf(id, sizeof(id), "%08x-%04x-8%03x-%04x-%012" PRIx64, (unsigned)(a >> 32),
		 (unsigned)(a >> 16) & 0xffff, (unsigned)a & 0xfff, (unsigned)((b >> 48) & 0x3fff) | 0x8000,
		 b & 0xffffffffffff);
	err = add(t, "runtime-id", id);
	copy(comment(p, "window"), line, sizeof(line));
	if (!err)
		err = add_number(t, "profile_seq", strtoull(line, NULL, 10));
	copy(comment(p, "version"), line, sizeof(line));
	if (!err)
		err = add(t, "profiler_version", *line ? line : DDPROF_VERSION);
	return err;
}

static int add_runtime(struct tags *t, const struct pprof *p)
{
	char line[LINE_MAX_LEN];
	int err;

	copy(comment(p, "mode"), line, sizeof(line));
	err = add(t, "include_kernel", !strcmp(line, "user+kernel") ? "true" : "false");
	if (!err)
		err = add(t, "language", "native");
	return err ? err : add(t, "runtime", "native");
}

static int make_tags(struct tags *t, const struct pprof *p, const struct tags *user)
{
	uint32_t i;
	int err = add_identity(t, p);

	for (i = 0; user && i < user->n && !err; i++)
		err = add(t, user->tags[i].key, user->tags[i].value);
	if (!err)
		err = add_commented(t, p);
	if (!err)
		err = add_program(t, p);
	if (!err)
		err = add_runtime(t, p);
	return err ? err : upload_tags_machine(t);
}

/* Settings of ours in @lines, for the profiler's part of the info. Returns how many. */
static uint32_t settings(const struct pprof *p, char lines[][LINE_MAX_LEN], const char **out)
{
	static const char *const keys[] = {"event", "mode", "frequency_hz", "stack_size", "target", "kernel"};
	struct pprof_str s;
	uint32_t n = 0;
	size_t i;

	for (i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		s = comment(p, keys[i]);
		if (!s.len)
			continue;
		snprintf(lines[n], LINE_MAX_LEN, "ddprof.%s: %.*s", keys[i], s.len < 160 ? (int)s.len : 160,
			 s.s);
		out[n] = lines[n];
		n++;
	}
	return n;
}

int upload_stored_event(const struct pprof *p, const struct tags *user, uint64_t time_ns, struct buf *out)
{
	uint64_t length = p->duration_nanos > 0 ? (uint64_t)p->duration_nanos : 1, start;
	char lines[SETTINGS_MAX][LINE_MAX_LEN];
	const char *set[SETTINGS_MAX];
	struct tags tags;
	struct upload_event e;
	int err;

	if (p->time_nanos > 0)
		start = (uint64_t)p->time_nanos;
	else
		start = time_ns > length ? time_ns - length : 0;
	tags_init(&tags);
	err = make_tags(&tags, p, user);
	e = (struct upload_event){.start_ns = start,
				  .end_ns = start + length,
				  .tags = &tags,
				  .settings = set,
				  .n_settings = settings(p, lines, set)};
	if (!err)
		err = event_json(&e, out);
	tags_release(&tags);
	return err;
}

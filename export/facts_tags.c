/* SPDX-License-Identifier: Apache-2.0 */
/*
 * facts_tags.c - tags that the profiled process carries: in its environment, and left by a tracer.
 *
 * Tracers describe their process in a sealed memory file among its
 * descriptors, "datadog-tracer-info-XXXXXXXX": a MessagePack map of strings.
 */
#include "base/io.h"
#include "export/facts.h"
#include "export/msgpack.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_ENVIRON (2u << 20)
#define MAX_TRACER  65536u
#define MAX_FDS     4096 /* descriptors looked at: a server may have a million */
#define TRACER_FILE "/memfd:datadog-tracer-info-"

const char *facts_variable(const char *environ_text, size_t len, const char *name)
{
	size_t n = strlen(name), i, l;

	for (i = 0; i < len; i += l + 1) {
		l = strnlen(environ_text + i, len - i);
		if (i + l == len)
			return NULL; /* cut off: not NUL-terminated */
		if (l > n && environ_text[i + n] == '=' && !strncmp(environ_text + i, name, n))
			return environ_text + i + n + 1;
	}
	return NULL;
}

/* Only if not there yet; what is no acceptable tag is left out. */
static int add(struct tags *tags, const char *key, const char *value)
{
	int err = value && *value && !tags_get(tags, key) ? tags_set(tags, key, value) : 0;

	return err == -ENOMEM ? err : 0;
}

static int add_environ(struct tags *tags, pid_t pid)
{
	static const char *const unified[][2] = {
		{"service", "DD_SERVICE"}, {"env", "DD_ENV"}, {"version", "DD_VERSION"}};
	const char *text, *list;
	struct tags theirs;
	struct buf raw;
	char path[64];
	uint32_t i;
	int err = 0;

	buf_init(&raw, MAX_ENVIRON);
	tags_init(&theirs);
	snprintf(path, sizeof(path), "/proc/%d/environ", (int)pid);
	(void)io_read_file(AT_FDCWD, path, &raw); /* of one that is too long the first part is good */
	text = (const char *)raw.data;
	for (i = 0; i < 3 && text && !err; i++)
		err = add(tags, unified[i][0], facts_variable(text, raw.len, unified[i][1]));
	list = text ? facts_variable(text, raw.len, "DD_TAGS") : NULL;
	if (list && !err)
		err = tags_parse(&theirs, list, NULL, NULL) < 0 ? -ENOMEM : 0;
	for (i = 0; i < theirs.n && !err; i++)
		err = add(tags, theirs.tags[i].key, theirs.tags[i].value);
	tags_release(&theirs);
	buf_release(&raw);
	return err;
}

struct tracer_walk {
	struct facts *facts;
	struct tags *tags;
	int err;
};

static void take_string(const char *key, size_t key_len, const char *value, size_t value_len, void *arg)
{
	struct tracer_walk *w = arg;
	struct facts_tracer *t = &w->facts->tracer;
	char text[TAG_LEN_MAX + 1];
	const struct {
		const char *key, *tag;
		char *field;
		size_t size;
	} known[] = {
		{"service_name", "service", NULL, 0},
		{"service_env", "env", NULL, 0},
		{"service_version", "version", NULL, 0},
		{"tracer_language", NULL, t->language, sizeof(t->language)},
		{"tracer_version", NULL, t->version, sizeof(t->version)},
		{"runtime_id", NULL, t->runtime_id, sizeof(t->runtime_id)},
	};
	size_t i;

	if (value_len >= sizeof(text) || memchr(value, 0, value_len))
		return;
	memcpy(text, value, value_len);
	text[value_len] = '\0';
	for (i = 0; i < sizeof(known) / sizeof(*known); i++) {
		if (strlen(known[i].key) != key_len || memcmp(key, known[i].key, key_len))
			continue;
		if (known[i].field)
			snprintf(known[i].field, known[i].size, "%s", text);
		else if (add(w->tags, known[i].tag, text))
			w->err = -ENOMEM;
	}
}

static int read_tracer(const char *path, struct tracer_walk *w)
{
	struct buf data;

	buf_init(&data, MAX_TRACER);
	if (!io_read_file(AT_FDCWD, path, &data))
		(void)msgpack_strings(data.data, data.len, take_string, w);
	buf_release(&data);
	return w->err;
}

static int add_tracer(struct facts *f, pid_t pid, struct tags *tags)
{
	struct tracer_walk w = {f, tags, 0};
	char path[64 + NAME_MAX], link[64];
	const struct dirent *d;
	unsigned n = 0;
	ssize_t len;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	while (dir && !w.err && n++ < MAX_FDS && (d = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%s", (int)pid, d->d_name);
		len = readlink(path, link, sizeof(link) - 1);
		if (len <= 0)
			continue;
		link[len] = '\0';
		if (!strncmp(link, TRACER_FILE, strlen(TRACER_FILE)) && read_tracer(path, &w))
			break;
	}
	if (dir)
		closedir(dir);
	return w.err;
}

int facts_tags(struct facts *f, pid_t pid, bool with_environ, struct tags *tags)
{
	int err = with_environ ? add_environ(tags, pid) : 0;

	return err ? err : add_tracer(f, pid, tags);
}

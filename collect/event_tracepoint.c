/* SPDX-License-Identifier: Apache-2.0 */
/*
 * event_tracepoint.c - tracepoints, GROUP:NAME, by the ids in tracefs
 * (Documentation/trace/events.rst). Ordinary users mostly may not read it.
 */
#include "collect/event_private.h"

#include "base/io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const roots[] = {"/sys/kernel/tracing/events", "/sys/kernel/debug/tracing/events"};

static bool is_name(const char *s, size_t len)
{
	return event_is_name(s, len, "_-");
}

/* The id of @group:@name, or -EACCES, -ENOENT (no such one), -ENODEV (no tracefs). */
static int read_id(const char *group, const char *name)
{
	char path[512];
	struct buf b;
	size_t i;
	int err = -ENODEV, id = 0;

	for (i = 0; i < sizeof(roots) / sizeof(roots[0]); i++) {
		if (access(roots[i], X_OK)) {
			if (errno == EACCES && err == -ENODEV)
				err = -EACCES;
			continue;
		}
		snprintf(path, sizeof(path), "%s/%s/%s/id", roots[i], group, name);
		buf_init(&b, 64);
		err = io_read_file(AT_FDCWD, path, &b);
		if (!err && !buf_put_u8(&b, 0))
			id = atoi((char *)b.data);
		buf_release(&b);
		return err ? err : id;
	}
	return err;
}

int event_tracepoint(struct event *ev, const char *text, const struct event_why *why)
{
	const char *colon = strchr(text, ':');
	char group[128], name[128], mods[16] = "";
	size_t n;
	int id;

	if (!colon || !is_name(text, (size_t)(colon - text)))
		return -ENOENT;
	n = strcspn(colon + 1, ":");
	if (!is_name(colon + 1, n) || strlen(colon + 1 + n) > sizeof(mods))
		return -ENOENT;
	snprintf(group, sizeof(group), "%.*s", (int)(colon - text), text);
	snprintf(name, sizeof(name), "%.*s", (int)n, colon + 1);
	if (colon[1 + n])
		snprintf(mods, sizeof(mods), "%s", colon + n + 2);
	id = read_id(group, name);
	if (id == -EACCES)
		return event_refuse(why, -EACCES,
				    "'%s': if this is a tracepoint, this user may not read its number\n  "
				    "fix: run as root, or: "
				    "sudo mount -o remount,mode=755 /sys/kernel/tracing",
				    text);
	if (id == -ENODEV)
		return event_refuse(why, -ENODEV,
				    "'%s': if this is a tracepoint, tracefs is not mounted\n  fix: sudo "
				    "mount -t tracefs nodev "
				    "/sys/kernel/tracing",
				    text);
	if (id < 0)
		return -ENOENT;
	ev->attr.type = PERF_TYPE_TRACEPOINT;
	ev->attr.config = (uint64_t)id;
	ev->value_unit = "events";
	return event_modifiers(ev, mods, why);
}

static int search_group(const char *root, const char *group, const char *pattern,
			int (*each)(const struct event_info *, void *), void *arg)
{
	char path[512], name[2 * EVENT_NAME_MAX + 2];
	struct event_info info = {name, "", "tracepoint", true};
	struct dirent *e;
	int err = 0;
	DIR *d;

	snprintf(path, sizeof(path), "%s/%s", root, group);
	d = opendir(path);
	while (d && !err && (e = readdir(d))) {
		if (e->d_type != DT_DIR || !is_name(e->d_name, strlen(e->d_name)))
			continue;
		snprintf(name, sizeof(name), "%s:%s", group, e->d_name);
		if (strcasestr(name, pattern))
			err = each(&info, arg);
	}
	if (d)
		closedir(d);
	return err;
}

int event_search_tracepoints(const char *pattern, int (*each)(const struct event_info *, void *), void *arg)
{
	struct dirent *e;
	int err = 0;
	DIR *d = NULL;
	size_t i;

	for (i = 0; i < sizeof(roots) / sizeof(roots[0]) && !d; i++) {
		d = opendir(roots[i]);
		while (d && !err && (e = readdir(d)))
			if (e->d_type == DT_DIR && is_name(e->d_name, strlen(e->d_name)))
				err = search_group(roots[i], e->d_name, pattern, each, arg);
	}
	if (d)
		closedir(d);
	return err;
}

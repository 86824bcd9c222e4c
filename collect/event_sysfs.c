/* SPDX-License-Identifier: Apache-2.0 */
/*
 * event_sysfs.c - PMUs as the kernel describes them under
 * /sys/bus/event_source/devices (Documentation/ABI/testing/sysfs-bus-event_source-devices-*):
 * NAME/type, NAME/format/TERM ("config1:0-7,32-35"), NAME/events/EVENT
 * ("event=0x3c,umask=0x01"), NAME/cpus (hybrid), NAME/cpumask (not per task).
 */
#include "collect/event_private.h"

#include "base/io.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PMU_DIR  "/sys/bus/event_source/devices"
#define FILE_MAX 4096

static bool is_name(const char *s, size_t len)
{
	return event_is_name(s, len, "_-.");
}

/* The first line of PMU_DIR/@pmu/@dir@name into @out. 0 or -errno. */
static int read_line(const char *pmu, const char *dir, const char *name, char *out, size_t len)
{
	char path[512];
	struct buf b;
	int err;

	snprintf(path, sizeof(path), PMU_DIR "/%s/%s%s", pmu, dir, name);
	buf_init(&b, FILE_MAX);
	err = io_read_file(AT_FDCWD, path, &b);
	if (!err)
		err = buf_put_u8(&b, 0);
	if (!err) {
		b.data[strcspn((char *)b.data, "\n")] = '\0';
		if (snprintf(out, len, "%s", (char *)b.data) >= (int)len)
			err = -E2BIG;
	}
	buf_release(&b);
	return err;
}

int event_pmu_type(const char *pmu)
{
	char text[32];
	int err;

	if (!is_name(pmu, strlen(pmu)))
		return -ENOENT;
	err = read_line(pmu, "", "type", text, sizeof(text));
	return err ? -ENOENT : atoi(text);
}

/* Put @value into the bits that @format ("config1:0-7,32-35") says. -ERANGE when it does not fit. */
static int place(struct perf_event_attr *attr, const char *format, uint64_t value)
{
	uint64_t word = 0;
	const char *s;
	char *end;
	long lo, hi;

	for (s = strchr(format, ':'); s && *s; s = *end == ',' ? end : NULL) {
		lo = hi = strtol(s + 1, &end, 10);
		if (*end == '-')
			hi = strtol(end + 1, &end, 10);
		if (lo < 0 || hi > 63 || hi < lo)
			return -EBADMSG;
		for (; lo <= hi; lo++, value >>= 1)
			word |= (value & 1) << lo;
	}
	if (value)
		return -ERANGE;
	if (!strncmp(format, "config:", 7))
		attr->config |= word;
	else if (!strncmp(format, "config1:", 8))
		attr->config1 |= word;
	else if (!strncmp(format, "config2:", 8))
		attr->config2 |= word;
	else if (!strncmp(format, "config3:", 8))
		return word ? -ENOTSUP : 0; /* newer than the header this is built with */
	else
		return -EBADMSG;
	return 0;
}

static int set_term(struct event *ev, const char *pmu, char *term, bool may_alias,
		    const struct event_why *why);

/* Apply "event=0x3c,umask=1"; @text is taken apart. */
static int set_terms(struct event *ev, const char *pmu, char *text, bool may_alias,
		     const struct event_why *why)
{
	char *term, *save = NULL;
	int err = 0;

	for (term = strtok_r(text, ",", &save); term && !err; term = strtok_r(NULL, ",", &save))
		err = set_term(ev, pmu, term, may_alias, why);
	return err;
}

static int set_term(struct event *ev, const char *pmu, char *term, bool may_alias,
		    const struct event_why *why)
{
	char *eq = strchr(term, '='), line[FILE_MAX];
	uint64_t value = 1;
	char *end = NULL;
	int err;

	if (eq) {
		*eq = '\0';
		errno = 0;
		value = strtoull(eq + 1, &end, 0);
		if (errno || !eq[1] || *end) /* also "event=?": to be filled in by the user */
			return event_refuse(why, -EINVAL, "'%s': %s=%s is no number", ev->name, term, eq + 1);
	}
	if (!is_name(term, strlen(term)))
		return event_refuse(why, -EINVAL, "'%s': '%s' is no term", ev->name, term);
	if (!eq && may_alias && !read_line(pmu, "events/", term, line, sizeof(line)))
		return set_terms(ev, pmu, line, false, why);
	if (!strcmp(term, "config"))
		return ev->attr.config |= value, 0;
	if (!strcmp(term, "config1"))
		return ev->attr.config1 |= value, 0;
	if (!strcmp(term, "config2"))
		return ev->attr.config2 |= value, 0;
	if (!strcmp(term, "period") || !strcmp(term, "freq")) {
		if (!value)
			return event_refuse(why, -EINVAL, "'%s': %s is 0", ev->name, term);
		*(*term == 'p' ? &ev->period : &ev->freq) = value;
		return 0;
	}
	if (read_line(pmu, "format/", term, line, sizeof(line)))
		return event_refuse(why, -EINVAL,
				    "'%s': the PMU '%s' has no event or term '%s'\n  they are in " PMU_DIR
				    "/%s",
				    ev->name, pmu, term, pmu);
	err = place(&ev->attr, line, value);
	return err ? event_refuse(why, -EINVAL, "'%s': %s=%llu does not fit %s", ev->name, term,
				  (unsigned long long)value, line)
		   : 0;
}

/* Events of the PMU count per task? On which CPUs? */
static int set_cpus(struct event *ev, const char *pmu, const struct event_why *why)
{
	char cpus[FILE_MAX];

	if (!read_line(pmu, "", "cpumask", cpus, sizeof(cpus)) && ev->attr.type > PERF_TYPE_BREAKPOINT &&
	    read_line(pmu, "", "cpus", cpus, sizeof(cpus)))
		return event_refuse(why, -ENOTSUP,
				    "'%s': the PMU '%s' counts for a whole package, not for a program",
				    ev->name, pmu);
	if (!read_line(pmu, "", "cpus", cpus, sizeof(cpus))) {
		ev->cpus = strdup(cpus);
		if (!ev->cpus)
			return event_refuse(why, -ENOMEM, "out of memory");
	}
	return 0;
}

/* @pmu's event or terms @text, with modifiers @mods. */
static int make(struct event *ev, const char *pmu, const char *text, const char *mods,
		const struct event_why *why)
{
	char terms[EVENT_NAME_MAX];
	int type = event_pmu_type(pmu), err;

	if (type < 0)
		return event_refuse(why, -ENODEV,
				    "'%s': this machine has no PMU '%s'\n  those it has: ls " PMU_DIR,
				    ev->name, pmu);
	ev->attr.type = (uint32_t)type;
	snprintf(terms, sizeof(terms), "%s", text);
	err = set_terms(ev, pmu, terms, true, why);
	if (!err)
		err = set_cpus(ev, pmu, why);
	if (!err)
		err = event_modifiers(ev, mods, why);
	if (err) {
		free(ev->cpus);
		ev->cpus = NULL;
	}
	return err;
}

static const char *core_pmu(void)
{
	static const char *const names[] = {"cpu", "armv8_pmuv3_0", "armv8_pmuv3", "cpu_core"};
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (event_pmu_type(names[i]) >= 0)
			return names[i];
	return NULL;
}

int event_raw(struct event *ev, const char *text, const struct event_why *why)
{
	size_t n = text[0] == 'r' ? strspn(text + 1, "0123456789abcdefABCDEF") : 0;
	const char *pmu;
	int type;

	if (!n || n > 16 || (text[1 + n] && text[1 + n] != ':'))
		return -ENOENT;
	/* The kernel's PERF_TYPE_RAW means the core PMU, which on a hybrid machine is one of several. */
	pmu = core_pmu();
	type = pmu ? event_pmu_type(pmu) : -ENOENT;
	ev->attr.type = type > PERF_TYPE_RAW ? (uint32_t)type : PERF_TYPE_RAW;
	ev->attr.config = strtoull(text + 1, NULL, 16);
	return text[1 + n] ? event_modifiers(ev, text + n + 2, why) : 0;
}

struct found {
	char pmu[256];
	unsigned n;
};

/* Which PMUs have an event of this name? */
static void find(const char *name, size_t len, struct found *f)
{
	DIR *d = opendir(PMU_DIR);
	char event[160], line[FILE_MAX];
	struct dirent *e;

	snprintf(event, sizeof(event), "%.*s", (int)len, name);
	while (d && (e = readdir(d))) {
		if (!is_name(e->d_name, strlen(e->d_name)) ||
		    read_line(e->d_name, "events/", event, line, sizeof(line)))
			continue;
		if (!f->n++ || !strcmp(e->d_name, "cpu_core"))
			snprintf(f->pmu, sizeof(f->pmu), "%s", e->d_name);
	}
	if (d)
		closedir(d);
}

int event_sysfs(struct event *ev, const char *text, const struct event_why *why)
{
	const char *slash = strchr(text, '/'), *last = strrchr(text, '/');
	size_t len = strcspn(text, ":");
	struct found f = {"", 0};
	char pmu[160], terms[EVENT_NAME_MAX];

	if (slash && last > slash && is_name(text, (size_t)(slash - text))) {
		snprintf(pmu, sizeof(pmu), "%.*s", (int)(slash - text), text);
		snprintf(terms, sizeof(terms), "%.*s", (int)(last - slash - 1), slash + 1);
		return make(ev, pmu, terms, last + 1, why);
	}
	if (!is_name(text, len))
		return -ENOENT;
	find(text, len, &f);
	if (!f.n)
		return -ENOENT;
	snprintf(terms, sizeof(terms), "%.*s", (int)len, text);
	return make(ev, f.pmu, terms, text[len] ? text + len + 1 : "", why);
}

static int search_pmu(const char *pmu, const char *pattern, int (*each)(const struct event_info *, void *),
		      void *arg)
{
	char path[512], name[2 * EVENT_NAME_MAX + 2], line[FILE_MAX];
	struct event_info info = {name, line, pmu, true};
	struct dirent *e;
	int err = 0;
	DIR *d;

	snprintf(path, sizeof(path), PMU_DIR "/%s/events", pmu);
	d = opendir(path);
	while (d && !err && (e = readdir(d))) {
		size_t len = strlen(e->d_name);

		/* power's energy-pkg.scale and .unit are no events */
		if (!is_name(e->d_name, len) || strchr(e->d_name, '.') ||
		    (!strcasestr(e->d_name, pattern) && !strcasestr(pmu, pattern)) ||
		    read_line(pmu, "events/", e->d_name, line, sizeof(line)))
			continue;
		snprintf(name, sizeof(name), "%s/%s/", pmu, e->d_name);
		err = each(&info, arg);
	}
	if (d)
		closedir(d);
	return err;
}

int event_search_sysfs(const char *pattern, int (*each)(const struct event_info *, void *), void *arg)
{
	DIR *d = opendir(PMU_DIR);
	struct dirent *e;
	int err = 0;

	while (d && !err && (e = readdir(d)))
		if (is_name(e->d_name, strlen(e->d_name)))
			err = search_pmu(e->d_name, pattern, each, arg);
	if (d)
		closedir(d);
	return err;
}

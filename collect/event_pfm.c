/* SPDX-License-Identifier: Apache-2.0 */
/*
 * event_pfm.c - events by the names that libpfm4 has for them.
 */
#include "collect/event_private.h"

#include "base/log.h"

#include <ctype.h>
#include <dlfcn.h>
#include <errno.h>
#include <perfmon/pfmlib_perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Loaded when an event is named that needs it: its tables are full of pointers,
 * and relocating them costs each start half a millisecond and a megabyte.
 */
static struct {
	__typeof__(pfm_initialize) *initialize;
	__typeof__(pfm_strerror) *strerror;
	__typeof__(pfm_get_pmu_info) *pmu_info;
	__typeof__(pfm_get_event_next) *event_next;
	__typeof__(pfm_get_event_info) *event_info;
	__typeof__(pfm_get_os_event_encoding) *encode;
} pfm;

static bool load(void)
{
	const struct {
		const char *name;
		void *at;
	} wanted[] = {
		{"pfm_initialize", &pfm.initialize},     {"pfm_strerror", &pfm.strerror},
		{"pfm_get_pmu_info", &pfm.pmu_info},     {"pfm_get_event_next", &pfm.event_next},
		{"pfm_get_event_info", &pfm.event_info}, {"pfm_get_os_event_encoding", &pfm.encode},
	};
	void *lib = dlopen("libpfm.so.4", RTLD_LAZY | RTLD_LOCAL), *symbol;
	size_t i;

	for (i = 0; lib && i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		symbol = dlsym(lib, wanted[i].name);
		if (!symbol)
			return false;
		memcpy(wanted[i].at, &symbol, sizeof(symbol));
	}
	return lib && pfm.initialize() == PFM_SUCCESS;
}

static bool ready(void)
{
	static int state; /* 0: not tried */

	if (!state)
		state = load() ? 1 : -1;
	if (state < 0)
		log_debug("libpfm.so.4 cannot be used: only the kernel's own names of events are known");
	return state > 0;
}

/* Did the text say itself at which levels to count? Then what pfm made of it stands. */
static bool has_levels(const char *text)
{
	const char *m;

	for (m = strchr(text, ':'); m; m = strchr(m + 1, ':')) {
		size_t n = strcspn(m + 1, ":=");

		if (n && m[1 + n] != '=' && strspn(m + 1, "ukh") == n)
			return true;
		if (m[1 + n] == '=' && n == 1 && strchr("ukh", m[1]))
			return true;
	}
	return false;
}

/* Names of a PMU that this machine has not are worth a word of their own. */
static bool known_elsewhere(const char *text)
{
	pfm_pmu_info_t pmu;
	pfm_event_info_t info;
	size_t len = strcspn(text, ":");
	int i, e;

	pfm_for_all_pmus(i)
	{
		memset(&pmu, 0, sizeof(pmu));
		pmu.size = sizeof(pmu);
		if (pfm.pmu_info((pfm_pmu_t)i, &pmu) != PFM_SUCCESS)
			continue;
		if (!strncmp(text + len, "::", 2) && strlen(pmu.name) == len &&
		    !strncasecmp(pmu.name, text, len))
			return !pmu.is_present;
		for (e = pmu.first_event; e != -1; e = pfm.event_next(e)) {
			memset(&info, 0, sizeof(info));
			info.size = sizeof(info);
			if (pfm.event_info(e, PFM_OS_PERF_EVENT_EXT, &info) == PFM_SUCCESS &&
			    !pmu.is_present && strlen(info.name) == len && !strncasecmp(info.name, text, len))
				return true;
		}
	}
	return false;
}

static int refuse(const char *text, int rc, const struct event_why *why)
{
	switch (rc) {
	case PFM_ERR_NOTFOUND:
		if (known_elsewhere(text))
			return event_refuse(why, -ENODEV,
					    "'%s' is an event of another processor than this one", text);
		return -ENOENT;
	case PFM_ERR_ATTR:
	case PFM_ERR_ATTR_VAL:
	case PFM_ERR_ATTR_SET:
	case PFM_ERR_UMASK:
	case PFM_ERR_FEATCOMB:
	case PFM_ERR_TOOMANY:
		return event_refuse(why, -EINVAL, "'%s': %s\n  'ddprof events %.*s' shows what it takes",
				    text, pfm.strerror(rc), (int)strcspn(text, ":"), text);
	case PFM_ERR_NOMEM:
		return event_refuse(why, -ENOMEM, "out of memory");
	default:
		return -ENOENT;
	}
}

int event_pfm(struct event *ev, const char *text, const struct event_why *why)
{
	struct perf_event_attr attr = {.size = sizeof(attr)};
	pfm_perf_encode_arg_t arg = {.attr = &attr, .size = sizeof(arg), .cpu = -1};
	int rc;

	if (!ready())
		return -ENOENT;
	rc = pfm.encode(text, PFM_PLM0 | PFM_PLM3, PFM_OS_PERF_EVENT_EXT, &arg);
	if (rc != PFM_SUCCESS)
		return refuse(text, rc, why);
	if (arg.cpu >= 0)
		return event_refuse(why, -ENOTSUP, "'%s': cpu= counts a CPU, not a program", text);
	/* libpfm4 sets these two for freq= and period=. */
	ev->freq = attr.freq ? attr.sample_freq : 0;
	ev->period = attr.freq ? 0 : attr.sample_period;
	attr.freq = 0;
	attr.sample_period = 0;
	ev->attr = attr;
	ev->attr.size = sizeof(ev->attr);
	ev->modified = has_levels(text);
	if (!ev->modified)
		ev->attr.exclude_user = ev->attr.exclude_kernel = ev->attr.exclude_hv = 0;
	return 0;
}

static int list_event(const pfm_pmu_info_t *pmu, int e, const char *pattern,
		      int (*each)(const struct event_info *, void *), void *arg)
{
	pfm_event_info_t info = {.size = sizeof(info)};
	char name[EVENT_NAME_MAX];
	struct event_info out = {name, "", pmu->name, pmu->is_present};
	size_t i;

	if (pfm.event_info(e, PFM_OS_PERF_EVENT_EXT, &info) != PFM_SUCCESS)
		return 0;
	if (!strcasestr(info.name, pattern) && !strcasestr(pmu->name, pattern) &&
	    !(info.desc && strcasestr(info.desc, pattern)))
		return 0;
	out.desc = info.desc ? info.desc : "";
	/* The generic events are written in small letters everywhere else. */
	if (pmu->type == PFM_PMU_TYPE_OS_GENERIC) {
		if (!strncmp(info.name, "PERF_COUNT_", 11) || event_is_word(info.name) ||
		    pmu->pmu == PFM_PMU_PERF_EVENT_RAW)
			return 0;
		for (i = 0; i < sizeof(name) - 1 && info.name[i]; i++)
			name[i] = (char)tolower((unsigned char)info.name[i]);
		name[i] = '\0';
	} else if (pmu->is_present && pmu->is_dfl) {
		snprintf(name, sizeof(name), "%s", info.name);
	} else {
		snprintf(name, sizeof(name), "%s::%s", pmu->name, info.name);
	}
	return each(&out, arg);
}

int event_search_pfm(const char *pattern, bool all, int (*each)(const struct event_info *, void *), void *arg)
{
	pfm_pmu_info_t pmu;
	int i, e, err = 0;

	if (!ready())
		return 0;
	pfm_for_all_pmus(i)
	{
		memset(&pmu, 0, sizeof(pmu));
		pmu.size = sizeof(pmu);
		if (pfm.pmu_info((pfm_pmu_t)i, &pmu) != PFM_SUCCESS || (!all && !pmu.is_present))
			continue;
		for (e = pmu.first_event; e != -1 && !err; e = pfm.event_next(e))
			err = list_event(&pmu, e, pattern, each, arg);
		if (err)
			break;
	}
	return err;
}

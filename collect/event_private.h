/* SPDX-License-Identifier: Apache-2.0 */
/*
 * event_private.h - the kinds of events behind event_list_parse().
 *
 * Each tries to make @text into @ev: 0; -ENOENT when the text is not of its
 * kind (then the next is asked); else as event_list_parse(), with @why set.
 */
#ifndef COLLECT_EVENT_PRIVATE_H
#define COLLECT_EVENT_PRIVATE_H

#include "collect/event.h"

struct event_why {
	char *text;
	size_t len;
};

/* Format the reason and return @err. */
int event_refuse(const struct event_why *why, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

int event_word(struct event *ev, const char *text, const struct event_why *why);       /* event.c */
int event_raw(struct event *ev, const char *text, const struct event_why *why);        /* event_sysfs.c */
int event_sysfs(struct event *ev, const char *text, const struct event_why *why);      /* event_sysfs.c */
int event_breakpoint(struct event *ev, const char *text, const struct event_why *why); /* event_probe.c */
int event_uprobe(struct event *ev, const char *text, const struct event_why *why);     /* event_probe.c */
int event_pfm(struct event *ev, const char *text, const struct event_why *why);        /* event_pfm.c */
int event_tracepoint(struct event *ev, const char *text,
		     const struct event_why *why); /* event_tracepoint.c */

/* The modifiers u, k, h and p (precise, up to three) after an event of the kernel's. 0 or -EINVAL. */
int event_modifiers(struct event *ev, const char *mods, const struct event_why *why);

/* @len bytes at @s of letters, digits and @others only, not beginning with '.': fit to be a part of a path.
 */
bool event_is_name(const char *s, size_t len, const char *others);

/* Is @text a word of the former ddprof's for what is no perf event? */
bool event_is_foreign(const char *text);

void event_release(struct event *ev); /* what it owns */

/* Is @name, in any case, one that event_word() takes? */
bool event_is_word(const char *name);

/* A few names like @word that could have been meant, ", "-separated; "" if there are none. */
void event_suggest(const char *word, char *out, size_t len);

int event_search_pfm(const char *pattern, bool all, int (*each)(const struct event_info *, void *),
		     void *arg);
int event_search_sysfs(const char *pattern, int (*each)(const struct event_info *, void *), void *arg);
int event_search_tracepoints(const char *pattern, int (*each)(const struct event_info *, void *), void *arg);

/* The type number of the PMU named @pmu in sysfs, or -ENOENT. */
int event_pmu_type(const char *pmu);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * totals.h - what each event counted over the whole profile, sampled or not, as its comments tell.
 *
 *	ddprof.event.NAME.FIELD: VALUE
 *
 * NAME may hold anything but ": ", FIELD follows its last dot. Fields: total
 * (all tasks, scaled up where the event had to share its counter), user (the
 * part in user mode), samples, lost, throttled, enabled_ns, running_ns, period
 * or freq, type (the sample type that carries it), mode (user: nothing of the kernel is in it) and refused
 * (why it could not be had). What is absent is unknown, not zero.
 *
 * The comments may be of any file. A field that is there twice with different
 * values, as in a profile merged from several, is of none of its parts and is dropped.
 */
#ifndef EXPORT_TOTALS_H
#define EXPORT_TOTALS_H

#include "base/buf.h"
#include "export/pprof.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TOTALS_MAX      64 /* events of one file */
#define TOTALS_NAME_MAX 256
#define TOTALS_TEXT_MAX 200

enum totals_field {
	TOTALS_TOTAL,
	TOTALS_USER,
	TOTALS_SAMPLES,
	TOTALS_LOST,
	TOTALS_THROTTLED,
	TOTALS_ENABLED,
	TOTALS_RUNNING,
	TOTALS_PERIOD,
	TOTALS_FREQ,
	TOTALS_FIELDS, /* these are numbers */
};

struct totals_event {
	char name[TOTALS_NAME_MAX];
	bool has[TOTALS_FIELDS];
	bool differs[TOTALS_FIELDS]; /* told twice, not the same; then has[] is false */
	uint64_t value[TOTALS_FIELDS];
	bool user_only;
	char type[TOTALS_NAME_MAX];    /* "": counted only, or not told */
	char refused[TOTALS_TEXT_MAX]; /* "": it was not */
};

struct totals {
	struct totals_event *events; /* owned */
	uint32_t n;
	uint64_t cpu_ns;     /* CPU time of all tasks, by the events or by `ddprof.quality.event_cpu_ns`; 0:
				unknown */
	uint64_t elapsed_ns; /* of the profile; 0: unknown */
	bool user_mode;      /* `ddprof.mode: user`: the kernel's CPU time is in a frame of its own */
};

/* 0 or -ENOMEM. */
int totals_read(struct totals *t, const struct pprof *p);
void totals_release(struct totals *t);

/* The event whose values are the sample type named @type, or NULL. */
const struct totals_event *totals_for_type(const struct totals *t, const char *type, size_t len);

/*
 * A line per event (count, part in user mode, rate), then how they relate.
 * Nothing if no event has a total or was refused. At most 80 columns, of @columns if that is more. 0 or
 * -errno.
 */
int totals_print(const struct totals *t, unsigned columns, struct buf *out);

/*
 * The number after the comment @key (with its colon) of @p, such as
 * "ddprof.quality.samples:". -ENOENT: no such comment, -EBADMSG: no number, or several that differ.
 */
int totals_comment(const struct pprof *p, const char *key, uint64_t *out);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * event_json.h - the event that goes with a profile: what it is of, and under what it is filed.
 */
#ifndef EXPORT_EVENT_JSON_H
#define EXPORT_EVENT_JSON_H

#include "base/buf.h"
#include "collect/profile.h"
#include "export/facts.h"
#include "export/runtime.h"
#include "export/tags.h"

#include <stdbool.h>
#include <stdint.h>

#define EVENT_JSON_MAX (1u << 20)

/* All of it borrowed. */
struct upload_event {
	uint64_t start_ns, end_ns; /* Unix epoch */
	const struct tags *tags;
	const char *const *custom_labels; /* announced as ddprof.custom_ctx tags */
	uint32_t n_custom_labels;
	/* NULL, each: nothing is known of that */
	const struct facts *facts;
	const struct runtime *runtime;
	const struct profile_quality *quality;
	const char *const *settings; /* "ddprof.KEY: value", for info.profiler */
	uint32_t n_settings;
	uint64_t undelivered;   /* windows before this one that could not be delivered */
	uint64_t spool_dropped; /* kept ones that had to make room, untold so far */
	uint64_t merged_stacks; /* into [other], to keep the profile small */
	bool no_timestamps;     /* dropped for the same reason */
};

/* Append to @out, which need be no larger than EVENT_JSON_MAX. 0 or -errno. */
int event_json(const struct upload_event *e, struct buf *out);

/* @ns as "2026-01-31T23:59:59.123456789Z", 31 bytes with the NUL. */
void event_time(uint64_t ns, char out[31]);

#endif

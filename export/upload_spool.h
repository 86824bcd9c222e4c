/* SPDX-License-Identifier: Apache-2.0 */
/*
 * upload_spool.h - the spool between a window and its receiver: kept when it was not taken, sent when it is.
 */
#ifndef EXPORT_UPLOAD_SPOOL_H
#define EXPORT_UPLOAD_SPOOL_H

#include "export/spool.h"
#include "export/upload_work.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * Is a profile with this outcome worth another try later? Yes without a good
 * answer, and when the receiver's or our own state was the reason (no key, no
 * permission, no such path, no libcurl); not when it was the profile.
 */
bool upload_spool_worth(const struct upload_result *r);

/* Profiles that the spool of @job dropped and nobody was told of. 0 without a spool. */
uint64_t upload_spool_dropped(const struct upload_job *job);

/*
 * After upload_send() of a window that began at @time_ns (Unix epoch): keep @req if that is worth it, or if
 * it was delivered send what was kept for the same receiver until @until_ns (monotonic), unless somebody
 * waits. @told: what the window said of dropped ones. The outcome is in
 * @report.
 */
void upload_spool_after(const struct upload_job *job, const struct upload_request *req, uint64_t time_ns,
			uint64_t told, uint64_t until_ns, struct upload_report *report);

#endif

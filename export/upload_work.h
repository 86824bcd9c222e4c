/* SPDX-License-Identifier: Apache-2.0 */
/*
 * upload_work.h - the exporter's last step: the window as event and attachment, sent.
 */
#ifndef EXPORT_UPLOAD_WORK_H
#define EXPORT_UPLOAD_WORK_H

#include "export/delta.h"
#include "export/facts.h"
#include "export/spool.h"
#include "export/upload.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UPLOAD_RUNTIME_ID_LEN 36

/* What a window's upload takes; all borrowed until the exporter is forked. */
struct upload_job {
	const struct upload_target *target;
	struct secrets *secrets;
	const struct facts *facts;
	const char *program;     /* the service's name when there is no other */
	const char *runtime_id;  /* UUID of the run */
	const char *host;        /* DD_HOSTNAME; NULL: none, and then agentless takes the machine's */
	bool include_kernel;     /* kernel frames are sampled */
	bool git;                /* look for the repository */
	const char *git_commit;  /* of the environment; NULL: none */
	const char *git_url;     /* likewise */
	const char *copy_prefix; /* what is uploaded is kept in files of this prefix, too; NULL: not */
	const char *spool_dir;   /* absolute: where what is not taken is kept; NULL: nowhere */
	struct spool_limits spool_limits;
	bool spool_send;               /* send what is there after a delivery; false: somebody waits */
	uint64_t undelivered;          /* windows lost so far */
	bool times_in_file;            /* the file shows each sample's time, too, if there are any */
	const struct delta_base *base; /* the profile is of the whole run; NULL: it is the window */
	struct upload_policy policy;   /* its deadline counts from the start of the export */
	size_t max_bytes;              /* compressed; 0: UPLOAD_MAX_PROFILE */
};

struct upload_report {
	struct upload_result result;
	uint64_t bytes;                  /* of the compressed profile */
	uint64_t merged_stacks;          /* into [other], to make it fit */
	bool no_timestamps;              /* dropped, for the same reason */
	uint64_t cpu_ns;                 /* of this step */
	bool kept;                       /* not delivered, but in the spool */
	uint32_t spool_sent, spool_left; /* after a delivery: earlier ones sent, and still there */
	uint64_t spool_dropped;          /* if kept: dropped so far to make room, untold */
	char spool_why[224];             /* why it could not be kept; "" */
};

struct export_job;
struct symbolize_report;
struct buf;

/*
 * In the forked exporter: send job->upload. @packed is the compressed profile
 * that was just encoded, good for sending unless it is of the whole run or too
 * large; it is released. The exporter's copy of the profile is used up.
 * @begin_ns: monotonic, when the export began.
 */
void upload_window(const struct export_job *job, const struct symbolize_report *symbols, struct buf *packed,
		   uint64_t begin_ns, struct upload_report *report);

#endif

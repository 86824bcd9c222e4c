/* SPDX-License-Identifier: Apache-2.0 */
/* exporter_private.h - shared by exporter.c (the collector's side) and exporter_work.c (the work). */
#ifndef EXPORT_EXPORTER_PRIVATE_H
#define EXPORT_EXPORTER_PRIVATE_H

#include "export/exporter.h"

#define EXPORTER_MAGIC     0x31524544u /* "DER1" */
#define EXPORTER_MAX_REPLY (512u << 20)

/* What comes first through the pipe; then names_len bytes for names_decode(). */
struct exporter_reply {
	uint32_t magic;
	uint32_t size; /* of this structure */
	uint64_t names_len;
	uint64_t unwritten_len; /* and these of the window's file, to be kept */
	uint32_t kept_written;  /* of the windows kept before */
	uint32_t created;       /* of the sink, which may have changed its names */
	char path[PATH_MAX], base[PATH_MAX];
	struct export_result result;
};

/* What exporter_work() leaves besides the result: of the windows kept before, and the one that is to be kept
 * now. */
struct exporter_leftover {
	uint32_t kept_written;
	struct buf unwritten;
};

/*
 * Do the job in this process, with what is in job->names if @why_addresses is
 * given (the reason), else symbolizing first. Everything that can go wrong is
 * in @result.
 */
void exporter_work(const struct export_job *job, const char *why_addresses, struct export_result *result,
		   struct exporter_leftover *left);

/*
 * Job's profile and all its comments, @more (NULL: none) the last, into @raw and
 * compressed into @packed. 0 or -errno.
 */
int exporter_encode(const struct export_job *job, const struct symbolize_report *symbols, const char *more,
		    struct buf *raw, struct buf *packed);

/* The forked child: never returns. @fd is the pipe's end to write to, above 2. */
_Noreturn void exporter_child(const struct export_job *job, int fd);

#endif

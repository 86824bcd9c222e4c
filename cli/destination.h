/* SPDX-License-Identifier: Apache-2.0 */
/*
 * destination.h - where profiles go: to a file, to an Agent, to the intake, or to both a file and one of
 * these.
 *
 * Given -o, a file; given --upload, an upload; both, both. Neither: an upload
 * if a service is named, if an Agent's address or agentless is configured, or if
 * DD_PROFILING_ENABLED is set true; else a file. --no-upload: never an upload.
 *
 * Holds what the uploads of one run have in common, and keeps account of them.
 */
#ifndef CLI_DESTINATION_H
#define CLI_DESTINATION_H

#include "cli/options.h"
#include "export/exporter.h"
#include "export/facts.h"
#include "export/upload_target.h"
#include "export/upload_work.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct destination {
	bool file, upload;
	char copy_prefix[PATH_MAX];  /* absolute, as the profiler leaves its directory; "": no copies */
	char spool_dir[PATH_MAX];    /* likewise; "": none */
	struct upload_target target; /* if upload is set */
	struct secrets *secrets;     /* borrowed from the options; NULL: none */
	char runtime_id[UPLOAD_RUNTIME_ID_LEN + 1];
	const char *program; /* borrowed */
	struct facts facts;
	struct tags *tags;      /* borrowed: the session's */
	uint64_t looked_ns;     /* monotonic: when facts were last compared */
	struct delta_base base; /* used when the file is of the whole run and windows are uploaded */
	struct upload_job job;
	uint64_t delivered, undelivered; /* windows: undelivered ones are lost, */
	uint64_t kept;                   /* these are in the spool, or were */
	bool dropping;                   /* the spool is full, and that was logged */
	uint64_t not_before_ns;          /* the receiver asked for no attempt before */
	uint64_t bytes;                  /* of the last profile delivered */
	bool complaining;                /* the last upload failed, and that was logged: */
	enum upload_end complaint_end;
	uint32_t complaint_status;
	bool complaint_kept;
};

/*
 * By the options. What cannot be used of the environment costs one line and
 * falls back; 0, or -EINVAL with one message logged: it was given on the
 * command line. @program, borrowed, is its name.
 */
int destination_init(struct destination *d, const struct options *opt, const char *program);
void destination_release(struct destination *d);

/*
 * The target runs, or is about to: note what it is. When it was not started by
 * us (@theirs) its own environment and tracer have a say in @tags, borrowed
 * from here on; what the options say stays. 0 or -ENOMEM.
 */
int destination_target(struct destination *d, const struct options *opt, const pid_t *pids, uint32_t n,
		       bool theirs, struct tags *tags);

/* By the options alone: is there to be a file, are there to be uploads? */
void destination_decide(const struct options *opt, bool *file, bool *upload);

/* Settle @target by the options: flags before variables, a URL before host and port. 0 or -EINVAL with @why.
 */
int destination_find_target(const struct options *opt, struct upload_target *target, char *why, size_t len);

/* What the options say of the spool's limits. */
struct spool_limits destination_spool_limits(const struct options *opt);

/* One line at the start. @path: the file's name; NULL: it has none (yet). */
void destination_announce(const struct destination *d, const struct options *opt, const char *path);

/* From time to time: has the target become another program? Cheap. */
void destination_look(struct destination *d);

/*
 * What exporter_start() is to be told of the window's upload; NULL: nothing is
 * uploaded. Borrowed until the next call. @whole_run: the profile handed over is
 * not only of this window. @deadline_ms: for the upload, counted from now; @awaited: somebody
 * waits, so an Agent that is not there is not waited for.
 */
const struct upload_job *destination_job(struct destination *d, const struct options *opt, bool whole_run,
					 bool include_kernel, uint32_t deadline_ms, bool awaited);

/*
 * The exporter has been forked with @p as it is now. Times of samples that only
 * the upload was to show are forgotten: a profile of the whole run has room for so many.
 */
void destination_exported(struct destination *d, const struct options *opt, struct profile *p,
			  bool whole_run);

/* What became of it: counted, and logged when it is news. */
void destination_result(struct destination *d, const struct upload_report *report);

/* A window whose exporter came to nothing. */
void destination_lost(struct destination *d);

/* "uploaded to http://localhost:8126 (12 KB), 2 windows not" for the summary. */
void destination_summary(const struct destination *d, char *out, size_t len);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exporter.h - the forked process that turns a window's profile into a file.
 *
 * The collector forks it and goes on sampling. It closes every perf
 * descriptor first, puts /dev/null on 0-2 where they are not needed, has
 * the profile symbolized, encodes, writes, uploads, and sends back over a pipe one
 * result with the names it found, so that the next window does not pay again.
 */
#ifndef EXPORT_EXPORTER_H
#define EXPORT_EXPORTER_H

#include "collect/profile.h"
#include "export/functions.h"
#include "export/kept.h"
#include "export/sink.h"
#include "export/tags.h"
#include "export/upload_work.h"
#include "symbolize/names.h"
#include "symbolize/symbolize.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define EXPORT_TOP_MAX     10
#define EXPORT_UNNAMED_MAX 5
#define EXPORT_UNNAMED_LEN 200

struct export_job {
	const struct profile *profile; /* borrowed; inherited by fork */
	struct names *names;           /* cache: read by the exporter, extended when its result is read */
	struct kept *kept;             /* likewise; NULL: what cannot be written is lost */
	struct sink *sink;             /* ->created and ->path are updated when the result is read */
	const struct tags *tags;
	const char *const *comments; /* besides those from tags and quality */
	uint32_t n_comments;
	struct symbolize_options symbolize;
	enum functions_names show_names; /* in the result's top functions; the file has them in full */
	const struct upload_job *upload; /* NULL: to the sink only */
	const int *close_fds;            /* perf and other descriptors to close in the child first */
	uint32_t n_close_fds;
	bool awaited;     /* the program has ended and somebody waits: no lowered priority */
	bool keep_stdout; /* the sink is standard output */
};

struct export_result {
	int status; /* 0, or -errno: no file was written, see why */
	char why[256];
	char path[PATH_MAX];
	uint64_t bytes; /* of the file */
	int64_t total;  /* sum of the default sample type */
	struct export_top {
		char name[160];
		int64_t own, total_value;
	} top[EXPORT_TOP_MAX];
	uint32_t n_top;
	uint64_t unnamed_value; /* default type's value in stacks whose leaf has no function name */
	char unnamed[EXPORT_UNNAMED_MAX][EXPORT_UNNAMED_LEN]; /* "12 samples, 3 addresses in FILE (WHY)" */
	uint32_t n_unnamed;
	struct symbolize_report symbolize;
	struct upload_report upload;
	uint64_t cpu_ns, peak_rss_kb, wall_ns; /* of the exporter itself */
};

struct exporter;

/*
 * Set two descriptors aside for the pipe of exporters to come, so that a
 * collector that used up all others still gets names. Best effort; held until
 * the process ends. Optional.
 */
void exporter_reserve(void);

/*
 * Fork and start. *@out is then polled by exporter_fd() (readable: call
 * exporter_read()). -EAGAIN/-ENOMEM when fork is refused: then the job is done
 * in this process with addresses only, blocking, and the result is at hand;
 * nothing is uploaded then, as the network could block for long.
 */
int exporter_start(struct exporter **out, const struct export_job *job);
int exporter_fd(const struct exporter *e);
pid_t exporter_pid(const struct exporter *e); /* to recognize it in waitpid(); -1 if done in-process */

/* It was reaped by somebody else's waitpid(), with @status: how it died is known to exporter_read() then. */
void exporter_reaped(struct exporter *e, int status);

/* Take in what is there. 1: finished, *@result is set; 0: not yet; never blocks. */
int exporter_read(struct exporter *e, struct export_result *result);

/* Let it finish by itself, unheard and to be reaped by init: its file will be there, its names are lost. */
void exporter_abandon(struct exporter *e);

/* Somebody waits for it: what is being uploaded gets one more attempt, of a second or so. */
void exporter_hurry(const struct exporter *e);

/* Kill it if it still runs, reap, free. NULL is fine. */
void exporter_free(struct exporter *e);

#endif

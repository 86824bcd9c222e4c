/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spool.h - a directory of profiles that could not be delivered, for another try later.
 *
 * One file an entry: a header, event.json and the attachment, written without
 * a name and linked when complete, so that no half file is ever seen. Several
 * processes may share the directory. Who sends an entry holds a lock on its
 * file, which a dead process gives back by itself; an entry is removed while
 * locked, and one that is found marked "being sent" without a lock may have
 * arrived, which its event then says. Bounded by size, number and age: the
 * oldest go first, and are counted until a delivered profile has told of them.
 *
 * Holds no key: those of whoever sends are used. Files are 0600, the directory is 0700.
 */
#ifndef EXPORT_SPOOL_H
#define EXPORT_SPOOL_H

#include "export/upload.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SPOOL_MAX_BYTES  (100ull << 20)
#define SPOOL_MAX_COUNT  200
#define SPOOL_MAX_AGE_S  86400
#define SPOOL_REFUSALS   5     /* answers that the same bytes would meet again, until an entry is given up */
#define SPOOL_SCAN_MAX   65536 /* directory entries looked at */
#define SPOOL_TARGET_MAX (UPLOAD_URL_MAX + 64)
#define SPOOL_ENTRY_MAX  ((66u << 20)) /* bytes of a file that can be one */

struct spool_limits { /* 0: the default above */
	uint64_t bytes;
	uint32_t count;
	uint64_t age_s;
};

struct spool {
	int dirfd; /* -1: not open */
	char path[PATH_MAX];
	struct spool_limits limits;
};

/*
 * Open, after creating it if need be, @dir. 0, or -errno with @why: it must be
 * ours and writable by nobody else.
 */
int spool_open(struct spool *s, const char *dir, const struct spool_limits *limits, char *why,
	       size_t why_len);
void spool_close(struct spool *s);

/* "$XDG_STATE_HOME/ddprof/spool" or "~/.local/state/ddprof/spool"; root's: /var/spool/ddprof. 0 or -ENOENT.
 */
int spool_default(char out[PATH_MAX]);

/*
 * The receiver an entry is for, as text: upload_target_show(), for the intake
 * with SPOOL_AGENTLESS before it, so that no API key follows what a file says.
 */
#define SPOOL_AGENTLESS "agentless "
void spool_target(const struct upload_target *target, char out[SPOOL_TARGET_MAX]);

/*
 * Keep @req for @target (of spool_target()), with the container it is of
 * (@identity; NULL: none), whoever sends it. @time_ns, Unix epoch, is the age's
 * begin and the order of sending. @duplicate: it may have been taken already. Room is
 * made by dropping the oldest. 0, or -errno with @why and nothing left behind.
 */
int spool_add(struct spool *s, const struct upload_request *req, const char *target,
	      const struct identity *identity, uint64_t time_ns, bool duplicate, char *why, size_t why_len);

struct spool_entry {
	struct upload_request req; /* owned until the call returns */
	char target[SPOOL_TARGET_MAX];
	struct identity identity;
	uint64_t time_ns;
};

/*
 * Sends one entry; as upload_send(). UPLOAD_NONE: it was not tried, and stays as it is. A
 * flag set in the event is kept with it.
 */
typedef void spool_send_fn(struct spool_entry *e, struct upload_result *result, void *arg);

struct spool_report {
	uint32_t sent, refused, left; /* entries: delivered, given up for good, still there */
	uint32_t busy;                /* of left: another process is at them */
	uint32_t other;               /* of left: for another target */
	uint64_t dropped;             /* by age and limits, in this call */
	uint32_t foreign;             /* files that are no entries of ours: left alone */
	char why[224];                /* the last failure; "": none */
};

/*
 * Send what is there for @target (NULL: for any), oldest first, until @send
 * gives up, @until_ns (monotonic; 0: never) has passed, or nothing is left. 0 or -errno.
 */
int spool_drain(struct spool *s, const char *target, spool_send_fn *send, void *arg, uint64_t until_ns,
		struct spool_report *report);

struct spool_contents {
	uint32_t entries;
	uint64_t bytes;
	int64_t oldest_s; /* Unix epoch; 0: none */
};

/* For doctor: what is in @path, counted without touching it. A directory that is not there is empty. 0 or
 * -errno. */
int spool_look(const char *path, struct spool_contents *out);

/*
 * The number of profiles dropped so far that no delivered profile has told of.
 * spool_dropped_told() takes @n of them off, once one has.
 */
uint64_t spool_dropped(struct spool *s);
void spool_dropped_told(struct spool *s, uint64_t n);

#endif

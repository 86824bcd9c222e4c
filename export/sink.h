/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sink.h - where a profile file goes: names, atomic replacement, no leavings.
 *
 * The data is first a file without a name (O_TMPFILE), so that even a process
 * killed while it writes leaves nothing behind; file systems that cannot do this
 * get a temporary name. A symbolic link at the final name is replaced, never
 * followed; what is there and is neither file nor link is refused.
 */
#ifndef EXPORT_SINK_H
#define EXPORT_SINK_H

#include "base/buf.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum sink_kind { SINK_FILE, SINK_STDOUT, SINK_NONE /* written nowhere: uploads only */ };

struct sink {
	enum sink_kind kind;
	char path[PATH_MAX];     /* final name of the file, absolute; numbered files: of the newest */
	char base[PATH_MAX];     /* numbered files: the name without its number and suffix */
	bool numbered;           /* each window a file of its own: BASE-000017.pb.gz */
	bool exclusive;          /* the default name: never replace a file that we did not write */
	bool created;            /* we have written path before */
	uint32_t keep;           /* numbered: how many to keep, oldest removed first; 0: all */
	char temp[NAME_MAX + 1]; /* temporary name, the same for every window of a run */
	int dirfd;               /* the directory, O_PATH, held so that a chdir or rename does not matter */
};

struct sink_name {           /* for the default name */
	const char *program; /* made safe: [A-Za-z0-9._+-], at most 64 characters */
	pid_t pid;
	uint64_t time_ns; /* Unix epoch */
};

/*
 * Decide the name and check now that it can be written: creates and removes a
 * temporary file beside it. @output: NULL (default name in the current
 * directory, or if that cannot be written under $XDG_STATE_HOME/ddprof or
 * ~/.local/state/ddprof, with *@moved set), "FILE", "DIR/" or "-".
 * 0 or -errno; on failure @why says what failed on what.
 */
int sink_open(struct sink *s, const char *output, const struct sink_name *name, bool numbered, uint32_t keep,
	      bool *moved, char *why, size_t why_len);

/* A sink that takes everything and writes nothing. */
void sink_nowhere(struct sink *s);

/*
 * Write @data as the file for window @seq: a temporary file of mode 0600
 * in the same directory, fsync'ed, then renamed over the name; no failure
 * leaves it behind. Numbered sinks then remove the oldest beyond keep (only
 * files of this run's base name). 0 or -errno, @why as above.
 */
int sink_write(struct sink *s, uint64_t seq, const uint8_t *data, size_t len, char *why, size_t why_len);
void sink_close(struct sink *s);

/* Remove what a writer that was killed may have left under the temporary name. */
void sink_sweep(struct sink *s);

#endif

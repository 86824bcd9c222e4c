/* SPDX-License-Identifier: Apache-2.0 */
/*
 * supervise.h - keep one collector going: start it, hear of its death, start another.
 *
 * The collector is a process of its own (capture.h), forked without an exec
 * from a parent that never collects and so stays small: in wrapped mode the
 * one that has the program as its child, in place a daemon of ours. A
 * collector that dies leaves the program untouched; the next one attaches to
 * what runs, at most SUPERVISE_RESTARTS times. What it must know of its
 * predecessor is in memory that both share.
 */
#ifndef CLI_SUPERVISE_H
#define CLI_SUPERVISE_H

#include "cli/gate.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct session;

#define SUPERVISE_RESTARTS 3
#define SUPERVISE_PIDS     4096 /* processes remembered for a restart */

/* Exit status of a collector. Anything else, or a signal: it died, and is worth a restart. */
#define SUPERVISE_DONE    0
#define SUPERVISE_GAVE_UP 3 /* cannot profile, and has said so */

/* Shared by the supervisor and its collectors; written by the living collector only, but for restarts. */
struct supervise_state {
	uint32_t restarts;     /* collectors before this one */
	uint64_t next_seq;     /* number of the window that is being collected */
	uint32_t files;        /* files written */
	uint64_t name_time_ns; /* in the default name; 0: none yet */
	bool one_file;     /* the one file of the whole run may have been written: it is not to be replaced */
	struct gate gate;  /* read once its collector has ended */
	uint64_t stamp_ns; /* CLOCK_BOOTTIME when pids was taken: what started later is not meant */
	uint32_t n_pids;   /* written last */
	pid_t pids[SUPERVISE_PIDS]; /* the program's processes */
};

/* What is told through the pipe news_fd; its end of file stands for NEWS_STARTED. */
enum news_kind {
	NEWS_FAILED = 1, /* the program could not be executed */
	NEWS_STARTED,
	NEWS_ENDED,     /* with its CPU time */
	NEWS_INTERRUPT, /* somebody who waits wants to go on */
};

struct news {
	uint32_t kind;
	uint64_t user_ns, system_ns; /* NEWS_ENDED */
};

struct supervisor {
	struct session *session; /* as it was set up, never used for collecting here; borrowed */
	struct supervise_state *state;
	pid_t collector; /* 0: none */
	int news_fd;     /* our end of its pipe; -1: none */
};

/* 0 or -errno. The state is shared memory. */
int supervise_init(struct supervisor *sup, struct session *s);
void supervise_release(struct supervisor *sup); /* the collector lives on */

/*
 * Fork a collector and wait until its events are open, or it has said that it
 * gives up, or has died: the program may run then. 0, or -errno: no process.
 */
int supervise_start(struct supervisor *sup);

/*
 * For a supervisor that has no program to tell of: fork a collector that
 * writes one byte to @ready_fd (-1: nobody waits) when its events are open,
 * and hears news from @news_fd (-1: none). Both are closed here. 0 or -errno.
 */
int supervise_fork(struct supervisor *sup, int ready_fd, int news_fd);

/* Tell the collector; never blocks, and no matter if it is gone. */
void supervise_tell(struct supervisor *sup, const struct news *news);

/*
 * The collector was reaped with @status. Starts another if it died, the
 * program still runs and it was not the last try. True if there is one again.
 */
bool supervise_reaped(struct supervisor *sup, int status, bool program_runs);

#endif

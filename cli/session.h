/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session.h - one capture from the first event to the last file: what run and attach share.
 *
 * Owns collector, names, sink and exporter, and the poll loop over them. Whatever
 * goes wrong in here costs the profile at most, never the program.
 */
#ifndef CLI_SESSION_H
#define CLI_SESSION_H

#include "cli/destination.h"
#include "cli/gate.h"
#include "cli/launch.h"
#include "cli/options.h"
#include "collect/collector.h"
#include "collect/timer.h"
#include "export/exporter.h"
#include "export/sink.h"
#include "export/tags.h"
#include "symbolize/names.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct supervise_state;

struct session {
	const struct options *opt;
	/*
	 * Where signals and the program's end are heard from: @launch in the
	 * process that has the program as its child (attach too, which has
	 * none), else NULL and the descriptors below (capture.h).
	 */
	struct launch *launch;  /* borrowed */
	int news_fd;            /* supervise.h: from whoever launched the program; -1: nobody (any more) */
	int signal_fd;          /* signalfd of our own; -1 with @launch */
	int program_fd;         /* pidfd of the program; -1: not wanted, or none to be had */
	uint64_t program_ticks; /* its start time, to know it by where there are no pidfds */
	struct supervise_state *state; /* what outlives this process, or NULL; borrowed */
	struct timer *timer;           /* run: instead of perf events; NULL: none. Owned */
	bool runs_program;             /* ddprof run, not attach */
	const char *directory;         /* that we were started in, if the process has left it; borrowed */
	bool detached;                 /* in place: nobody waits for us */
	struct collector *collector;   /* NULL: not profiling (any more) */
	struct names names;
	struct destination dest;
	struct sink sink;
	struct sink nowhere; /* for windows that standard output does not take */
	bool sink_open;
	struct kept kept; /* windows that could not be written yet */
	struct tags tags;
	struct exporter *exporter;   /* the one that runs, or NULL */
	uint64_t export_started_ns;  /* monotonic; when it did */
	struct export_result result; /* of the last that finished */
	bool have_result;
	uint32_t files;   /* written so far */
	char program[64]; /* base name, for messages and the default file name */
	pid_t pid;
	uint64_t started_ns, window_end_ns, end_ns; /* monotonic; end_ns UINT64_MAX: none */
	uint64_t exit_timeout_ns; /* for the last window, once nothing is left to be profiled */
	bool progress;            /* show a line of it at the terminal */
	bool progress_shown;
	uint64_t progress_ns;
	bool program_started, program_ended;
	bool asked_to_end;                                     /* by a signal */
	bool last_window;                                      /* being exported, or was: */
	uint64_t finish_by_ns;                                 /* when all has to be done; monotonic */
	bool finishing;                                        /* the last window: somebody waits for it */
	struct profile_quality quality;                        /* of the last window handed over */
	struct profile_counter counters[PROFILE_MAX_COUNTERS]; /* of it, without what was refused */
	uint32_t n_counters;
	uint64_t duration_ns; /* of it */
	struct gate gate;     /* use gate_of() */
};

/* 0 or -errno. Borrows both until session_release(). */
int session_init(struct session *s, const struct options *opt, struct launch *launch, const char *program);
void session_release(struct session *s);

/* Can the output that was asked for be written? Nothing is left open or behind. As session_open_sink(). */
int session_check_sink(struct session *s);

/* Settle where the profile goes; the default name needs @pid. 0 or -errno, with one message logged. */
int session_open_sink(struct session *s, pid_t pid);

/* Is each sample to be kept with its time? As asked for; else where uploads can show it, not in files. */
bool session_timeline(const struct session *s);

/* Samples a second that are asked of the collector, and of them what the kernel's tick allows. */
uint32_t session_frequency(const struct session *s);

/* One line on where profiles go; once, not again by a collector that was restarted. */
void session_announce(const struct session *s);

/* Events are open: clocks start. */
void session_start(struct session *s);

/*
 * Wait for @timeout_ms at most, take in what is there to be heard (signals, an
 * exporter's result), and tell (session_events.c):
 */
#define SESSION_HEARD_END       1 /* the program ended: program_ended is set now */
#define SESSION_HEARD_INTERRUPT 2 /* finish now; a second one: without the profile */
#define SESSION_HEARD_TERMINATE 4 /* finish within the exit timeout, better with the program */
int session_wait(struct session *s, int timeout_ms);

/* Wait until the program was executed. False: that failed, or never happened. */
bool session_await_start(struct session *s);

/* Take in an exporter's result if there is one. */
void session_take_result(struct session *s);

enum session_until { SESSION_PROGRAM_ENDS, SESSION_TARGETS_END, SESSION_INTERRUPTED, SESSION_TIME_IS_UP };

/* Poll, drain, forward signals and write windows until one of these happens. */
enum session_until session_loop(struct session *s);

/*
 * Last window: stop the events, export, wait for the file (the program's
 * signals are still forwarded meanwhile if it runs on). 0 or -errno, logged.
 */
int session_finish(struct session *s);

#endif

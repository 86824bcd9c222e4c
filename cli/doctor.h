/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor.h - what ddprof doctor finds out, and how it is told.
 *
 * Each check does the thing it is about (opens the event, maps the ring, loads
 * the library, asks the Agent); settings are read only for the advice. A
 * check ends as one row: its state, the reason, the one command that helps,
 * what is used meanwhile. Nothing is changed on the machine, no program is run.
 *
 * The verdict: a row that is not ok and not optional makes it "degraded": a
 * profile taken now by default settings would lack something that a profile can
 * have. Optional rows are about what has to be asked for, or only informs.
 */
#ifndef CLI_DOCTOR_H
#define CLI_DOCTOR_H

#include "base/buf.h"
#include "cli/options.h"
#include "collect/ladder.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DOCTOR_MAX_CHECKS 64
#define DOCTOR_FORMAT     1 /* of --json; goes up when a key changes its meaning */

enum doctor_exit { DOCTOR_EXIT_DEGRADED = 3, DOCTOR_EXIT_NOTHING = 4 };

enum doctor_state { DOCTOR_OK, DOCTOR_DEGRADED, DOCTOR_MISSING };
enum doctor_section { DOCTOR_HOST, DOCTOR_TARGET, DOCTOR_DELIVERY };

struct doctor_check {
	enum doctor_section section;
	enum doctor_state state;
	bool optional;       /* has no part in the verdict */
	const char *key;     /* stable, for --json; static */
	const char *what;    /* for people; static */
	char reason[320];    /* ok: what was found */
	char fix[256];       /* one command; "": none */
	char meanwhile[256]; /* "": nothing is used instead */
};

struct doctor {
	const struct options *opt;
	enum doctor_section section; /* of the checks being added */
	struct doctor_check checks[DOCTOR_MAX_CHECKS];
	uint32_t n;
	struct ladder ladder;
	struct ladder_rings rings;
	bool perf;        /* a capture by perf events would start */
	bool timers;      /* one by timers in the program would */
	uint32_t hz;      /* of such timers */
	bool unreachable; /* the target cannot be profiled by either; or by timers alone: */
	bool no_timers;
};

/* Add a row; what does not fit is cut. @fix and @meanwhile may be NULL or "". */
void doctor_ok(struct doctor *d, const char *key, const char *what, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
struct doctor_ill {
	enum doctor_state state;
	bool optional;
	const char *key, *what, *fix, *meanwhile;
};
void doctor_ill(struct doctor *d, const struct doctor_ill *ill, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The sections, each in a file of its own. */
void doctor_host(struct doctor *d);
void doctor_system(struct doctor *d);
void doctor_target(struct doctor *d); /* --pid or COMMAND; nothing without */
void doctor_delivery(struct doctor *d);

/* EXIT_OK, DOCTOR_EXIT_DEGRADED or DOCTOR_EXIT_NOTHING. */
int doctor_verdict(const struct doctor *d);

/* 0 (to be shown first): counts and missing; 1: counts and degraded; 2: optional; 3: ok. */
unsigned doctor_rank(const struct doctor_check *c);

/* All of it for people, in lines of at most 80 columns of ASCII; @colour: with colours. */
void doctor_text(const struct doctor *d, bool colour, struct buf *out);

/* The same for programs; the schema is in README. 0 or the buffer's error. */
int doctor_json(const struct doctor *d, struct buf *out);

/*
 * A .tar.gz at @path, which must not exist yet, mode 0600, with the doctor's text and JSON, @log (the
 * debug log of the checks), facts of the system and the configuration; secrets masked. 0 or -errno with @why.
 */
int doctor_bundle(const struct doctor *d, const char *path, const struct buf *log, char *why, size_t why_len);

/* The options as they are after variables and command line, one a line, secrets masked (doctor_config.c). */
void doctor_config(const struct options *o, struct buf *out);

/* A small text file, its line ends at the end taken off. False: unreadable; @out is "" then. */
bool doctor_read(const char *path, char *out, size_t len);

#endif

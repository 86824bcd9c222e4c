/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options.h - what the user asked for, and the one table it is read from.
 *
 * Every option of every command is one row of option_table: parsing, the
 * environment variables, --help, the completions and the manual page all come
 * from it. To add an option, add a row and a field to struct options.
 *
 * Nothing here prints: a refusal is a text for the caller, and warnings are
 * collected until the log level and mode are known.
 */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include "base/buf.h"
#include "base/log.h"
#include "cli/command.h"
#include "collect/event.h"
#include "export/functions.h"
#include "export/secrets.h"
#include "export/tags.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define OPTIONS_MAX_PIDS     1024
#define OPTIONS_MAX_DIRS     64
#define OPTIONS_FREQUENCY    99             /* Hz, default */
#define OPTIONS_MAX_OVERHEAD 10000          /* millionths, default */
#define OPTIONS_WINDOW_NS    60000000000ull /* default */
#define OPTIONS_KEEP         60             /* numbered files, default */
#define OPTIONS_MAX_STACK    65528u         /* bytes, the kernel's own limit */
#define OPTIONS_ERROR_MAX    512            /* bytes of a refusal's text */
#define OPTIONS_WARNINGS_MAX 8192           /* bytes of all warnings together */

/*
 * Plain data. Strings are borrowed from argv and the environment, and live as
 * long as those do; pids, tags, the Agent's URL, secrets and warnings are owned.
 *
 * Secrets given on the command line are taken out of argv, which others can
 * read as /proc/PID/cmdline.
 */
struct options {
	enum command_id command;

	/* what to profile */
	char **argv; /* run: the program and its arguments; else the operands. NULL-terminated */
	int argc;
	pid_t *pids; /* attach: each once */
	uint32_t n_pids;
	bool follow;  /* go on with descendants that outlive the program */
	bool enabled; /* DD_PROFILING_ENABLED; false: run the program untouched */
	bool enabled_given;
	bool global; /* asked for, not built yet: only to explain itself */

	/* how */
	uint32_t frequency; /* Hz */
	bool frequency_given;
	uint32_t max_overhead; /* millionths; 0: no limit. See options_max_overhead() */
	bool max_overhead_given;
	uint32_t stack_size; /* bytes; 0: chosen by the collector */
	uint32_t max_frames; /* 0: chosen by the collector */
	bool user_only;      /* no kernel frames */
	/* What to sample and count: of -e, and of --counters until options_settle_events(). Owned. */
	struct event_list events, counters;
	bool events_given, counters_given, preset_given; /* as options, not as variables */
	bool events_set, preset_set;                     /* by either */
	enum options_counters { COUNTERS_AUTO, COUNTERS_NONE, COUNTERS_LIST } counters_mode;
	int preset; /* PRESET_* bits */
#define PRESET_TIME   1
#define PRESET_ALLOCS 2
	enum options_fallback {
		FALLBACK_AUTO,    /* timers in the program when perf events are refused */
		FALLBACK_PRELOAD, /* the same without asking for perf events */
		FALLBACK_PTRACE,  /* interrupt running threads, without asking for perf events */
		FALLBACK_NONE,
	} fallback;
	bool inlines;                  /* resolve inlined calls */
	bool timeline, timeline_given; /* keep each sample's time; not given: */
	enum { TIMELINE_BY_DESTINATION, TIMELINE_ON, TIMELINE_OFF } timeline_variable;
	const char **debug_dirs; /* owned, the strings are not */
	uint32_t n_debug_dirs;
	bool debuginfod; /* ask the servers of DEBUGINFOD_URLS for debug files */
	uint64_t window_ns;
	bool window_given;        /* by --window: each window becomes a file of its own */
	uint64_t duration_ns;     /* 0: to the program's exit (run), one window (attach) */
	bool in_place, wrap;      /* as given; neither: inplace.h decides */
	uint64_t exit_timeout_ns; /* 0: not given; see session.h */

	/* where to */
	const char *output;  /* FILE, DIR/ or "-"; NULL: the default name */
	uint32_t keep;       /* numbered files; 0: all */
	const char *service; /* these three: NULL when not set, else usable as a tag */
	const char *env;
	const char *version;
	struct tags tags; /* the environment's, then --tags over them */

	enum functions_names names; /* in tables; profiles have them in full */
	/* uploading: destination.h */
	bool upload, no_upload;
	bool do_export;  /* false: as no_upload */
	char *agent_url; /* without its user part, which is in secrets; owned; NULL: not set */
	const char *agent_host;
	uint32_t agent_port;                                      /* 0: not set */
	bool agent_url_given, agent_host_given, agent_port_given; /* as options, not as variables */
	bool agentless;
	const char *site;
	struct secrets *secrets; /* owned; NULL: none given */
	uint64_t upload_timeout_ns;
	const char *spool_dir; /* NULL: the default, if the circumstances ask for one */
	bool no_spool;
	uint32_t spool_mb, spool_count, spool_hours;                    /* 0: spool.h's own */
	const char *runtime_id, *copy_prefix, *hostname, *external_env; /* each NULL when not set */
	bool git;                                                       /* look for git tags */
	const char *git_commit, *git_url;

	/* talking */
	bool quiet; /* no summary, no progress */
	enum log_level log_level;
	enum log_mode log_mode;

	/* report */
	enum functions_sort sort;
	uint32_t top; /* rows; 0: all */
	bool lines;   /* a row per line, not per function */

	uint32_t min_quality; /* percent; 0: whatever it is. See gate.h */
	const char *type;     /* sample type's name; NULL: the profile's default */

	/* doctor */
	bool json;          /* for programs */
	const char *bundle; /* file to pack all into; NULL: none */

	/* events */
	bool all; /* of all processors */

	bool help;         /* --help: show it and do nothing else */
	bool help_all;     /* --help-extended: with the options that are not built yet */
	bool show_version; /* --version, likewise */

	struct buf warnings;  /* lines, each ended by '\n', to be logged before starting */
	struct buf not_built; /* names of accepted options that have no effect yet */
};

enum option_type {
	OPTION_FLAG,     /* no argument: bool, true */
	OPTION_FLAG_OFF, /* no argument: bool, false */
	OPTION_BOOL,     /* true false 1 0 yes no on off */
	OPTION_U32,      /* min..max, a multiple of step */
	OPTION_SECONDS,  /* min..max in milliseconds; given in seconds, fractions allowed; stored as ns */
	OPTION_PERCENT, /* min..max in millionths; given in per cent, fractions allowed; stored as uint32_t */
	OPTION_CHOICE,  /* one of choices; stored as an enum */
	OPTION_STRING,
	OPTION_OUTPUT,    /* a string, but no log mode */
	OPTION_TAG,       /* a string that becomes the value of the tag named in tag */
	OPTION_TAGS,      /* merged into struct tags */
	OPTION_PIDS,      /* N[,N...], added to pids */
	OPTION_DIRECTORY, /* a string that is not empty */
	OPTION_DIRS,      /* a directory, added to debug_dirs */
	OPTION_URL,       /* an Agent's address; its user part goes to the secrets */
	OPTION_HOST,      /* the name or address of one */
	OPTION_KEY,       /* an API key, to the secrets */
	OPTION_UUID,      /* a string of that shape */
	OPTION_DEBUG,     /* a boolean that, when true, sets an enum log_level to debug */
	OPTION_EVENTS,    /* event.h's grammar, added to events */
	OPTION_COUNTERS,  /* auto, none, or a list like that */
	OPTION_NOTHING,   /* parsed and forgotten */
};

enum option_status {
	OPTION_BUILT,
	OPTION_NOT_BUILT, /* accepted so that old command lines keep working; one warning */
	OPTION_REFUSED,   /* ignoring it would be worse than refusing: see help */
};

struct option_choice {
	const char *name; /* NULL ends the list */
	int value;
	bool hidden; /* accepted, but neither offered nor listed */
};

struct option_def {
	const char *name;   /* long name, with '-'; '_' is taken for it. NULL: only an environment variable */
	const char *alias;  /* another long name, or NULL */
	char letter;        /* 0: none */
	const char *arg;    /* the argument's name; NULL: takes none */
	const char *group;  /* heading in --help */
	const char *help;   /* one sentence, no full stop */
	const char *env[2]; /* read in this order, the second only if the first is not set */
	uint32_t commands;  /* COMMAND_BIT()s it belongs to */
	enum option_type type;
	enum option_status status;
	int64_t min, max, step;
	const char *unit; /* for messages */
	const char *tag;
	const struct option_choice *choices;
	size_t offset; /* into struct options */
	size_t given;  /* offset of a bool to set when the option (not the variable) is used; 0: none */
	size_t set;    /* likewise, when either gave a usable value */
	bool files;    /* completions offer file names */
};

extern const struct option_def option_table[];
extern const unsigned option_count;

/* Everything at its default. */
void options_init(struct options *o, enum command_id command);
void options_release(struct options *o);

/* What sampling may cost, in millionths: none asked for with -F, the rate is to be kept; 0: no limit. */
uint32_t options_max_overhead(const struct options *o);

/*
 * Take the DD_* variables (config.c). @get is getenv(3) outside of tests. A
 * value that cannot be used adds one warning and leaves the default. 0 or -ENOMEM.
 */
int options_environment(struct options *o, char *(*get)(const char *name));

/*
 * Parse @argv[0..argc), which holds neither the program's nor the command's
 * name. For run, parsing ends at the first word that is no option. @argv may
 * be reordered. 0; -EINVAL with the refusal in @why (OPTIONS_ERROR_MAX bytes,
 * one or two lines: what is wrong, then what would be right); -ENOMEM.
 *
 * Turns run into attach when --pid is given, as the former ddprof has it.
 */
int options_parse(struct options *o, int argc, char **argv, char *why);

/* After parsing: is what was given enough and no contradiction? As options_parse(). */
int options_check(const struct options *o, char *why);

/*
 * After parsing, for what records: events becomes all there is to sample and
 * count, in order; empty: CPU time. What is not there yet, or too many, is warned of. 0 or -ENOMEM.
 */
int options_settle_events(struct options *o);

/* OPTION_EVENTS and OPTION_COUNTERS of option_store(), options_events.c. */
int options_store_events(struct options *o, const struct option_def *d, const char *text, char *why,
			 size_t why_len);

/* Log the collected warnings. Call after log_set_level() and log_set_mode(). */
void options_log_warnings(const struct options *o);

/* Store @text as @d's value. 0; -EINVAL with @why "'TEXT' is not ..."; -ENOMEM. */
int option_store(struct options *o, const struct option_def *d, const char *text, char *why, size_t why_len);

/* Add one line to the warnings. What does not fit any more is left out. */
void options_warn(struct options *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The row for a long name (of @len bytes, '_' for '-' allowed) or a letter of @command; NULL: none. */
const struct option_def *option_by_name(enum command_id command, const char *name, size_t len);
const struct option_def *option_by_letter(enum command_id command, char letter);

/* "-F, --frequency HZ" without the indentation. */
void option_spelling(const struct option_def *d, char *out, size_t len);

/* True for rows that --help and the completions show for @command. */
bool option_shown(const struct option_def *d, enum command_id command);

#endif

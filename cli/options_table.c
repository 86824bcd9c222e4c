/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options_table.c - every option of every command, one row each.
 *
 * The rows that are not built yet are the former ddprof's: its command lines
 * keep working, with the same arguments taken, and say what has no effect.
 */
#include "cli/options.h"

#include "collect/profile.h"

#define RUN    COMMAND_BIT(COMMAND_RUN)
#define ATTACH COMMAND_BIT(COMMAND_ATTACH)
#define REPORT COMMAND_BIT(COMMAND_REPORT)
#define SEND   COMMAND_BIT(COMMAND_UPLOAD)
#define EVENTS COMMAND_BIT(COMMAND_EVENTS)
#define DOCTOR COMMAND_BIT(COMMAND_DOCTOR)
#define RECORD (RUN | ATTACH)
#define BOTH   (RECORD | SEND | DOCTOR)

#define AT(field) .offset = offsetof(struct options, field)

#define TARGET "What to profile"
#define HOW    "How"
#define WHERE  "Where the profile goes"
#define UPLOAD "Uploading"
#define NAMING "What it is filed under"
#define VIEW   "What to show"
#define TALK   "Messages"
#define LATER  "Accepted from the former ddprof, without effect yet"

static const struct option_choice log_levels[] = {
	{"error", LOG_LEVEL_ERROR, false}, {"warn", LOG_LEVEL_WARN, false},
	{"warning", LOG_LEVEL_WARN, true}, {"notice", LOG_LEVEL_NOTICE, false},
	{"info", LOG_LEVEL_INFO, false},   {"informational", LOG_LEVEL_INFO, true},
	{"debug", LOG_LEVEL_DEBUG, false}, {0},
};

static const struct option_choice log_modes[] = {
	{"stderr", LOG_MODE_STDERR, false},
	{"stdout", LOG_MODE_STDOUT, false},
	{"syslog", LOG_MODE_SYSLOG, false},
	{"disabled", LOG_MODE_DISABLED, false},
	{0},
};

static const struct option_choice sorts[] = {
	{"own", FUNCTIONS_BY_OWN, false},
	{"total", FUNCTIONS_BY_TOTAL, false},
	{"name", FUNCTIONS_BY_NAME, false},
	{0},
};

static const struct option_choice name_styles[] = {
	{"templates", FUNCTIONS_FOLDED, false},
	{"full", FUNCTIONS_FULL, false},
	{"raw", FUNCTIONS_RAW, false},
	{0},
};

static const struct option_choice fallbacks[] = {
	{"auto", FALLBACK_AUTO, false},
	{"preload", FALLBACK_PRELOAD, false},
	{"ptrace", FALLBACK_PTRACE, false},
	{"none", FALLBACK_NONE, false},
	{0},
};

static const struct option_choice presets[] = {
	{"default", PRESET_TIME | PRESET_ALLOCS, false},
	{"default-pid", PRESET_TIME, true},
	{"cpu_only", PRESET_TIME, false},
	{"alloc_only", PRESET_ALLOCS, false},
	{"cpu_live_heap", PRESET_TIME | PRESET_ALLOCS, false},
	{0},
};

/* What the language libraries also accept in DD_PROFILING_ENABLED. */
static const struct option_choice enabled_words[] = {
	{"auto", true, true},
	{0},
};

/* A boolean of which it matters whether it was set. */
static const struct option_choice timeline_words[] = {
	{"true", TIMELINE_ON, false}, {"false", TIMELINE_OFF, false}, {"1", TIMELINE_ON, true},
	{"0", TIMELINE_OFF, true},    {"yes", TIMELINE_ON, true},     {"no", TIMELINE_OFF, true},
	{"on", TIMELINE_ON, true},    {"off", TIMELINE_OFF, true},    {0},
};

/* A row of the former ddprof that takes an argument (or, with NULL, none) and does nothing yet. */
#define NOT_BUILT(long_name, short_letter, argument, text)                                                   \
	{                                                                                                    \
		.name = (long_name), .letter = (short_letter), .arg = (argument), .group = LATER,            \
		.help = (text), .commands = RECORD, .type = OPTION_NOTHING, .status = OPTION_NOT_BUILT       \
	}

/* clang-format off */
const struct option_def option_table[] = {
	{ .name = "pid", .letter = 'p', .arg = "PID[,PID...]", .group = TARGET, .commands = RECORD | DOCTOR,
	  .help = "running processes to profile, all their threads",
	  .type = OPTION_PIDS, .min = 1, .max = 4194304 },
	{ .name = "follow", .group = TARGET, .commands = RUN,
	  .help = "go on with descendants that outlive the program",
	  .type = OPTION_FLAG, AT(follow) },
	{ .name = "duration", .letter = 'd', .arg = "SECONDS", .group = TARGET, .commands = RECORD,
	  .help = "stop profiling after this time (default: run: when the program exits; attach: after one window)",
	  .type = OPTION_SECONDS, .min = 100, .max = 31536000000, .unit = "s", AT(duration_ns) },
	{ .name = "in-place", .group = TARGET, .commands = RUN,
	  .help = "the program takes this very process and the profiler detaches from it "
		  "(default under a supervisor that counts on the pid, and when uploading without a terminal)",
	  .type = OPTION_FLAG, AT(in_place) },
	{ .name = "wrap", .group = TARGET, .commands = RUN,
	  .help = "the program is a child and its profile is finished when the command returns (default otherwise)",
	  .type = OPTION_FLAG, AT(wrap) },
	{ .name = "exit-timeout", .arg = "SECONDS", .group = TARGET, .commands = RECORD,
	  .help = "how long to wait for the last profile when the program has ended "
		  "(default 5; at a terminal, where Ctrl-C twice ends it, 30)",
	  .type = OPTION_SECONDS, .min = 100, .max = 3600000, .unit = "s", AT(exit_timeout_ns) },
	{ .name = "enable", .arg = "BOOL", .group = TARGET, .commands = RUN | DOCTOR,
	  .help = "false: run the program without profiling it", .env = {"DD_PROFILING_ENABLED"},
	  .type = OPTION_BOOL, .choices = enabled_words, AT(enabled),
	  .set = offsetof(struct options, enabled_given) },

	{ .name = "frequency", .letter = 'F', .arg = "HZ", .group = HOW, .commands = RECORD | DOCTOR,
	  .help = "samples per second of CPU time (default 99)",
	  .type = OPTION_U32, .min = 1, .max = 10000, .unit = "Hz", AT(frequency),
	  .given = offsetof(struct options, frequency_given) },
	{ .name = "max-overhead", .arg = "PERCENT", .group = HOW, .commands = RECORD,
	  .help = "of the program's CPU time: if sampling costs more, fewer samples are taken; 0: no limit "
		  "(default 1; with -F none)",
	  .type = OPTION_PERCENT, .min = 0, .max = 1000000, AT(max_overhead),
	  .given = offsetof(struct options, max_overhead_given) },
	{ .name = "event", .letter = 'e', .arg = "EVENT[,EVENT...]", .group = HOW, .commands = RECORD,
	  .help = "what to profile by instead of CPU time, each event as a sample type of its own; may be repeated "
		  "('ddprof events' lists them; task-clock is CPU time)",
	  .env = {"DD_PROFILING_NATIVE_EVENTS"}, .type = OPTION_EVENTS,
	  .given = offsetof(struct options, events_given), .set = offsetof(struct options, events_set) },
	{ .name = "counters", .arg = "LIST", .group = HOW, .commands = RECORD,
	  .help = "events next to what is profiled by: auto: cycles, instructions, cache-misses and branch-misses where "
		  "the machine has them, none, or a list (default auto; with -e none)",
	  .type = OPTION_COUNTERS, .given = offsetof(struct options, counters_given) },
	{ .name = "preset", .arg = "NAME", .group = HOW, .commands = RECORD,
	  .help = "a set of events by the former ddprof's name for it", .env = {"DD_PROFILING_NATIVE_PRESET"},
	  .type = OPTION_CHOICE, .choices = presets, AT(preset),
	  .given = offsetof(struct options, preset_given), .set = offsetof(struct options, preset_set) },
	{ .name = "stack-size", .alias = "stack-sample-size", .arg = "BYTES", .group = HOW, .commands = RECORD,
	  .help = "stack copied with each sample (default: chosen to fit the memory the kernel grants)",
	  .env = {"DD_PROFILING_SAMPLE_STACK_USER"},
	  .type = OPTION_U32, .min = 512, .max = OPTIONS_MAX_STACK, .step = 8, .unit = "bytes", AT(stack_size) },
	{ .name = "user-only", .alias = "no-kernel", .group = HOW, .commands = RECORD,
	  .help = "do not ask for kernel frames", .type = OPTION_FLAG, AT(user_only) },
	{ .name = "fallback", .arg = "MODE", .group = HOW, .commands = RECORD,
	  .help = "when perf events are refused: auto: timers in the program (run only), none: no profile; "
		  "without asking for perf events: preload: those timers, ptrace: interrupt running threads "
		  "(default auto)",
	  .type = OPTION_CHOICE, .choices = fallbacks, AT(fallback) },
	{ .name = "no-inlines", .group = HOW, .commands = RECORD,
	  .help = "do not look for inlined calls: less work per profile",
	  .type = OPTION_FLAG_OFF, AT(inlines) },
	{ .name = "inlined-functions", .letter = 'I', .arg = "BOOL", .group = HOW, .commands = RECORD,
	  .help = "the same as a switch (default true)", .env = {"DD_PROFILING_INLINED_FUNCTIONS"},
	  .type = OPTION_BOOL, AT(inlines) },
	{ .name = "timeline", .letter = 't', .group = HOW, .commands = RECORD,
	  .help = "keep the time of each sample (default when uploading)", .type = OPTION_FLAG, AT(timeline),
	  .given = offsetof(struct options, timeline_given) },
	{ .name = "no-timeline", .group = HOW, .commands = RECORD,
	  .help = "one sample for all of the same stack (default for files): smaller profiles",
	  .type = OPTION_FLAG_OFF, AT(timeline), .given = offsetof(struct options, timeline_given) },
	{ .commands = RECORD, .help = "true or false: the same as these two",
	  .env = {"DD_PROFILING_TIMELINE_ENABLE"},
	  .type = OPTION_CHOICE, .choices = timeline_words, AT(timeline_variable) },
	{ .name = "debug-dir", .arg = "DIR", .group = HOW, .commands = RECORD | DOCTOR, .files = true,
	  .help = "look for separate debug files here first; may be repeated", .type = OPTION_DIRS },
	{ .name = "debuginfod", .group = HOW, .commands = RECORD | DOCTOR,
	  .help = "fetch missing debug files from the servers named by DEBUGINFOD_URLS, for at most 10 s per profile",
	  .type = OPTION_FLAG, AT(debuginfod) },
	{ .commands = RECORD, .help = "frames kept per stack", .env = {"DD_PROFILING_MAX_FRAMES"},
	  .type = OPTION_U32, .min = 1, .max = PROFILE_MAX_FRAMES, .unit = "frames", AT(max_frames) },

	{ .name = "output", .letter = 'o', .arg = "FILE", .group = WHERE, .commands = RECORD | DOCTOR, .files = true,
	  .help = "the profile: a file, DIR/, or - for standard output "
		  "(default: ddprof-PROGRAM-PID-TIME.pb.gz in the current directory)",
	  .type = OPTION_OUTPUT, AT(output) },
	{ .name = "window", .letter = 'w', .arg = "SECONDS", .group = WHERE, .commands = RECORD,
	  .help = "write a numbered file each time this many seconds have passed "
		  "(default: one file, brought up to date every 60)",
	  .type = OPTION_SECONDS, .min = 100, .max = 86400000, .unit = "s", AT(window_ns),
	  .given = offsetof(struct options, window_given) },
	{ .name = "upload-period", .letter = 'u', .arg = "SECONDS", .group = WHERE, .commands = RECORD,
	  .help = "length of the windows that are uploaded; how often the one file is brought up to date (default 60)",
	  .env = {"DD_PROFILING_UPLOAD_PERIOD", "DD_PROFILING_UPLOAD_INTERVAL"},
	  .type = OPTION_SECONDS, .min = 100, .max = 86400000, .unit = "s", AT(window_ns) },
	{ .name = "keep", .arg = "N", .group = WHERE, .commands = RECORD,
	  .help = "how many numbered files to keep, oldest removed first; 0: all (default 60)",
	  .type = OPTION_U32, .min = 0, .max = 1000000, .unit = "files", AT(keep) },

	{ .name = "upload", .group = UPLOAD, .commands = RECORD | DOCTOR,
	  .help = "send a profile of each window to the Agent (default: if a service is named or an Agent "
		  "configured, and there is no -o)",
	  .type = OPTION_FLAG, AT(upload) },
	{ .name = "no-upload", .group = UPLOAD, .commands = RECORD | DOCTOR,
	  .help = "never send anything, whatever is configured", .type = OPTION_FLAG, AT(no_upload) },
	{ .name = "url", .letter = 'U', .arg = "URL", .group = UPLOAD, .commands = BOTH,
	  .help = "the Agent: http://, https:// or unix:// (default: its usual socket, else http://localhost:8126)",
	  .env = {"DD_TRACE_AGENT_URL"}, .type = OPTION_URL,
	  .given = offsetof(struct options, agent_url_given) },
	{ .name = "host", .letter = 'H', .arg = "HOST", .group = UPLOAD, .commands = BOTH,
	  .help = "host of the Agent, where no URL is given", .env = {"DD_AGENT_HOST"},
	  .type = OPTION_HOST, AT(agent_host), .given = offsetof(struct options, agent_host_given) },
	{ .name = "port", .letter = 'P', .arg = "PORT", .group = UPLOAD, .commands = BOTH,
	  .help = "port of the Agent, likewise (default 8126)", .env = {"DD_TRACE_AGENT_PORT"},
	  .type = OPTION_U32, .min = 1, .max = 65535, .unit = "", AT(agent_port),
	  .given = offsetof(struct options, agent_port_given) },
	{ .name = "agentless", .arg = "BOOL", .group = UPLOAD, .commands = BOTH,
	  .help = "true: to the intake of the site, by the API key, without an Agent",
	  .env = {"DD_PROFILING_AGENTLESS"}, .type = OPTION_BOOL, AT(agentless) },
	{ .name = "site", .arg = "SITE", .group = UPLOAD, .commands = BOTH,
	  .help = "the site for --agentless (default datadoghq.com)", .env = {"DD_SITE"},
	  .type = OPTION_STRING, AT(site) },
	{ .name = "api-key", .arg = "KEY", .group = UPLOAD, .commands = BOTH,
	  .help = "the API key for --agentless; better given as a variable, which shows in no list of processes",
	  .env = {"DD_API_KEY"}, .type = OPTION_KEY },
	{ .name = "upload-timeout", .arg = "SECONDS", .group = UPLOAD, .commands = BOTH,
	  .help = "how long one attempt may take (default 10)",
	  .env = {"DD_PROFILING_UPLOAD_TIMEOUT", "DD_PROFILING_API_TIMEOUT"},
	  .type = OPTION_SECONDS, .min = 100, .max = 300000, .unit = "s", AT(upload_timeout_ns) },
	{ .name = "spool", .arg = "DIR", .group = UPLOAD, .commands = BOTH, .files = true,
	  .help = "where profiles are kept that could not be delivered, for another try (default: in place or "
		  "from no terminal ~/.local/state/ddprof/spool, root's /var/spool/ddprof; else nowhere)",
	  .type = OPTION_DIRECTORY, AT(spool_dir) },
	{ .name = "no-spool", .group = UPLOAD, .commands = RECORD | DOCTOR,
	  .help = "keep nothing that could not be delivered", .type = OPTION_FLAG, AT(no_spool) },
	{ .name = "spool-size", .arg = "MB", .group = UPLOAD, .commands = BOTH,
	  .help = "most that is kept there, oldest dropped first (default 100)",
	  .type = OPTION_U32, .min = 1, .max = 1000000, .unit = "MB", AT(spool_mb) },
	{ .name = "spool-count", .arg = "N", .group = UPLOAD, .commands = BOTH,
	  .help = "most profiles kept there (default 200)",
	  .type = OPTION_U32, .min = 1, .max = 50000, .unit = "profiles", AT(spool_count) },
	{ .name = "spool-age", .arg = "HOURS", .group = UPLOAD, .commands = BOTH,
	  .help = "how long they are kept there (default 24)",
	  .type = OPTION_U32, .min = 1, .max = 8760, .unit = "hours", AT(spool_hours) },
	{ .name = "do-export", .arg = "BOOL", .group = UPLOAD, .commands = RECORD | DOCTOR,
	  .help = "false: as --no-upload", .type = OPTION_BOOL, AT(do_export) },
	{ .name = "runtime-id", .arg = "UUID", .group = UPLOAD, .commands = RECORD,
	  .help = "the run's identity, instead of a random one", .env = {"DD_PROFILING_RUNTIME_ID"},
	  .type = OPTION_UUID, AT(runtime_id) },
	{ .name = "debug-pprof-prefix", .arg = "PREFIX", .group = UPLOAD, .commands = RECORD, .files = true,
	  .help = "also keep what is uploaded, in files PREFIX000000.pb.gz and on",
	  .env = {"DD_PROFILING_PPROF_PREFIX", "DD_PROFILING_OUTPUT_PPROF"},
	  .type = OPTION_STRING, AT(copy_prefix) },
	{ .commands = BOTH, .help = "the host's name in uploads", .env = {"DD_HOSTNAME"},
	  .type = OPTION_STRING, AT(hostname) },
	{ .commands = RECORD, .help = "what an orchestrator says of the container", .env = {"DD_EXTERNAL_ENV"},
	  .type = OPTION_STRING, AT(external_env) },
	{ .commands = RECORD, .help = "the commit that was built", .env = {"DD_GIT_COMMIT_SHA"},
	  .type = OPTION_STRING, AT(git_commit) },
	{ .commands = RECORD, .help = "where it comes from", .env = {"DD_GIT_REPOSITORY_URL"},
	  .type = OPTION_STRING, AT(git_url) },
	{ .commands = RECORD, .help = "false: no git tags", .env = {"DD_TRACE_GIT_METADATA_ENABLED"},
	  .type = OPTION_BOOL, AT(git) },

	{ .name = "service", .letter = 'S', .arg = "NAME", .group = NAMING, .commands = BOTH,
	  .help = "name of the profiled service", .env = {"DD_SERVICE"}, .tag = "service",
	  .type = OPTION_TAG, AT(service) },
	{ .name = "environment", .alias = "env", .letter = 'E', .arg = "NAME", .group = NAMING, .commands = BOTH,
	  .help = "environment it runs in, such as staging", .env = {"DD_ENV"}, .tag = "env",
	  .type = OPTION_TAG, AT(env) },
	{ .name = "service-version", .letter = 'V', .arg = "VERSION", .group = NAMING, .commands = BOTH,
	  .help = "version of the service", .env = {"DD_VERSION"}, .tag = "version",
	  .type = OPTION_TAG, AT(version) },
	{ .name = "tags", .letter = 'T', .arg = "KEY:VALUE[,...]", .group = NAMING, .commands = BOTH,
	  .help = "further tags, added to those of DD_TAGS", .env = {"DD_TAGS", "DD_PROFILING_TAGS"},
	  .type = OPTION_TAGS },

	{ .name = "sort", .arg = "COLUMN", .group = VIEW, .commands = REPORT,
	  .help = "order of the functions (default own)",
	  .type = OPTION_CHOICE, .choices = sorts, AT(sort) },
	{ .name = "top", .letter = 'n', .arg = "N", .group = VIEW, .commands = REPORT,
	  .help = "show the first N functions or lines; 0: all (default 30)",
	  .type = OPTION_U32, .min = 0, .max = 100000000, .unit = "functions", AT(top) },
	{ .name = "lines", .group = VIEW, .commands = REPORT,
	  .help = "a row per source line instead of one per function",
	  .type = OPTION_FLAG, AT(lines) },
	{ .name = "type", .arg = "TYPE", .group = VIEW, .commands = REPORT,
	  .help = "sample type, such as cpu-time (default: the profile's own)",
	  .type = OPTION_STRING, AT(type) },

	{ .name = "names", .arg = "STYLE", .group = VIEW, .commands = RECORD | REPORT,
	  .help = "functions in tables without template arguments, in full, or as the linker knows them "
		  "(default templates); profiles have them in full",
	  .type = OPTION_CHOICE, .choices = name_styles, AT(names) },

	{ .name = "min-quality", .arg = "PERCENT", .group = VIEW, .commands = RECORD | REPORT,
	  .help = "fail if fewer of the stacks are complete, or less of the CPU time was sampled: attach and report "
		  "with 3, run with 125 if the program itself ended with 0",
	  .type = OPTION_U32, .min = 1, .max = 100, .unit = "percent", AT(min_quality) },
	{ .name = "json", .group = VIEW, .commands = DOCTOR,
	  .help = "for programs: the same as JSON", .type = OPTION_FLAG, AT(json) },
	{ .name = "bundle", .arg = "FILE", .group = VIEW, .commands = DOCTOR, .files = true,
	  .help = "also pack all of it, the debug log and facts of the system into FILE (.tar.gz) for support, "
		  "secrets masked; FILE must not exist",
	  .type = OPTION_STRING, AT(bundle) },

	{ .name = "all", .letter = 'a', .group = VIEW, .commands = EVENTS,
	  .help = "with PATTERN: also events of processors other than this one",
	  .type = OPTION_FLAG, AT(all) },

	{ .name = "quiet", .letter = 'q', .group = TALK, .commands = BOTH,
	  .help = "no summary and no progress", .type = OPTION_FLAG, AT(quiet) },
	{ .commands = BOTH, .help = "true: as --log-level debug", .env = {"DD_TRACE_DEBUG"},
	  .type = OPTION_DEBUG, AT(log_level) },
	{ .name = "log-level", .letter = 'l', .arg = "LEVEL", .group = TALK, .commands = BOTH,
	  .help = "least severe messages to log (default notice)", .env = {"DD_PROFILING_NATIVE_LOG_LEVEL"},
	  .type = OPTION_CHOICE, .choices = log_levels, AT(log_level) },
	{ .name = "log-mode", .arg = "MODE", .group = TALK, .commands = BOTH,
	  .help = "where messages go (default stderr)", .env = {"DD_PROFILING_NATIVE_LOG_MODE"},
	  .type = OPTION_CHOICE, .choices = log_modes, AT(log_mode) },
	{ .name = "help", .letter = 'h', .group = TALK, .commands = COMMAND_ALL,
	  .help = "show this help", .type = OPTION_FLAG, AT(help) },
	{ .name = "help-extended", .group = TALK, .commands = RECORD,
	  .help = "show it with the options that have no effect yet", .type = OPTION_FLAG, AT(help_all) },
	{ .name = "version", .letter = 'v', .group = TALK, .commands = COMMAND_ALL,
	  .help = "show the version", .type = OPTION_FLAG, AT(show_version) },

	{ .name = "global", .letter = 'g', .group = LATER, .commands = RECORD, .help = "profile the whole host",
	  .type = OPTION_FLAG, .status = OPTION_NOT_BUILT, AT(global) },
	NOT_BUILT("internal-stats", 'b', "SOCKET", "statsd socket for metrics about the profiler"),
	NOT_BUILT("config", 0, "FILE", "a configuration file"),
	NOT_BUILT("capture-config", 0, "FILE", "write the configuration to a file"),
	NOT_BUILT("show-config", 0, NULL, "log the configuration"),
	NOT_BUILT("show-samples", 0, NULL, "log each sample"),
	NOT_BUILT("nice", 0, "N", "priority of the profiler"),
	NOT_BUILT("cpu-affinity", 0, "MASK", "processors the profiler may use"),
	NOT_BUILT("worker-period", 0, "N", "windows between resets of the profiler's state"),
	NOT_BUILT("fault-info", 0, "BOOL", "log where the profiler itself crashed"),
	NOT_BUILT("socket", 0, "PATH", "socket for the allocation library"),
	NOT_BUILT("pipefd", 0, "FD", "pipe from the library that started the profiler"),
	NOT_BUILT("initial-loaded-libs-check-delay", 0, "MS", "first look for libraries loaded later"),
	NOT_BUILT("loaded-libs-check-interval", 0, "MS", "further looks for libraries loaded later"),
	NOT_BUILT("remote-symbolization", 0, NULL, "leave the names to the receiver"),
	NOT_BUILT("disable-symbolization", 0, NULL, "addresses only"),
	NOT_BUILT("reorder-events", 0, NULL, "events in order of time, as they always are here"),
	NOT_BUILT("no-reorder-events", 0, NULL, "events in order of arrival"),
	NOT_BUILT("maximum-pids", 0, "N", "most processes to follow"),
	{ .name = "switch-user", .arg = "USER", .group = LATER, .commands = RECORD,
	  .help = "not built yet, and without it the program would run as the wrong user\n"
		  "use: setpriv --reuid=USER --regid=GROUP --init-groups ddprof-run COMMAND",
	  .type = OPTION_NOTHING, .status = OPTION_REFUSED },
};
/* clang-format on */

const unsigned option_count = sizeof(option_table) / sizeof(option_table[0]);

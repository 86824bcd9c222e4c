/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log.h - diagnostics from every layer, printed (if at all) in one place.
 *
 * Layers below cli/ never print for the user: they return errors or log here.
 * Each message is one write(2) of at most LOG_LINE_MAX bytes, so that lines of
 * several processes do not mix. Not for signal handlers.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>

#define LOG_LINE_MAX 1024

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARN,
	LOG_LEVEL_NOTICE, /* default: one line when something costs the user fidelity */
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
};

enum log_mode {
	LOG_MODE_STDERR,
	LOG_MODE_STDOUT,
	LOG_MODE_SYSLOG,
	LOG_MODE_DISABLED,
};

/* Messages above @level are dropped. */
void log_set_level(enum log_level level);
void log_set_mode(enum log_mode mode);

/*
 * Keep logging to the standard error of now even when descriptor 2 is
 * replaced later: duplicates it above 2, close-on-exec. Optional.
 */
void log_pin_stderr(void);

/* That duplicate, for who closes all other descriptors; -1: none. */
int log_pinned_fd(void);

/* Close it: from now on messages go to whatever descriptor 2 is. */
void log_unpin_stderr(void);

/*
 * From now on each message, of any level, is also written to @fd (borrowed), whatever else becomes of it;
 * -1: no longer.
 */
void log_also_to(int fd);

/* True when a message at @level would be shown: to skip costly arguments. */
bool log_wants(enum log_level level);

void log_at(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...)  log_at(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...)   log_at(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_notice(...) log_at(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_info(...)   log_at(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)  log_at(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif

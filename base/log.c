/* SPDX-License-Identifier: Apache-2.0 */
/* log.c - format one line, one write. */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

static enum log_level current_level = LOG_LEVEL_NOTICE;
static enum log_mode current_mode = LOG_MODE_STDERR;
static int stderr_fd = STDERR_FILENO;
static int also_fd = -1;

void log_set_level(enum log_level level)
{
	current_level = level;
}

void log_set_mode(enum log_mode mode)
{
	current_mode = mode;
}

void log_pin_stderr(void)
{
	int fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);

	if (fd >= 0)
		stderr_fd = fd;
}

int log_pinned_fd(void)
{
	return stderr_fd == STDERR_FILENO ? -1 : stderr_fd;
}

void log_unpin_stderr(void)
{
	if (stderr_fd != STDERR_FILENO)
		close(stderr_fd);
	stderr_fd = STDERR_FILENO;
}

void log_also_to(int fd)
{
	also_fd = fd;
}

static bool shown(enum log_level level)
{
	return level <= current_level && current_mode != LOG_MODE_DISABLED;
}

bool log_wants(enum log_level level)
{
	return shown(level) || also_fd >= 0;
}

static void emit(enum log_level level, char *line, size_t len)
{
	static const int priority[] = {LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_DEBUG};
	int fd = current_mode == LOG_MODE_STDOUT ? STDOUT_FILENO : stderr_fd;
	ssize_t n;

	do
		n = also_fd < 0 ? 0 : write(also_fd, line, len);
	while (n < 0 && errno == EINTR);
	if (!shown(level))
		return;
	if (current_mode == LOG_MODE_SYSLOG) {
		syslog(LOG_USER | priority[level], "%.*s", (int)len - 1, line);
		return;
	}
	do
		n = write(fd, line, len);
	while (n < 0 && errno == EINTR);
}

/* Names in it may be anybody's: no control characters for the terminal but the indented lines of our advice.
 */
static void clean(char *text, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == '\n' && len - i > 2 && text[i + 1] == ' ' && text[i + 2] == ' ')
			continue;
		if (c < 0x20 || c == 0x7f)
			text[i] = '?';
	}
}

void log_at(enum log_level level, const char *fmt, ...)
{
	static const char *const prefix[] = {
		"ddprof: error: ", "ddprof: warning: ", "ddprof: ", "ddprof: ", "ddprof: debug: "};
	char line[LOG_LINE_MAX];
	int saved = errno, head, body;
	size_t len;
	va_list ap;

	if (!log_wants(level))
		return;
	head = snprintf(line, sizeof(line), "%s", prefix[level]);
	va_start(ap, fmt);
	body = vsnprintf(line + head, sizeof(line) - (size_t)head - 1, fmt, ap);
	va_end(ap);
	if (body < 0)
		body = 0;
	len = (size_t)head + (size_t)body;
	if (len > sizeof(line) - 2)
		len = sizeof(line) - 2;
	clean(line, len);
	line[len++] = '\n';
	emit(level, line, len);
	errno = saved;
}

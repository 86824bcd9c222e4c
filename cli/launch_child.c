/* SPDX-License-Identifier: Apache-2.0 */
/*
 * launch_child.c - between fork and exec: become again what we were started as.
 *
 * Signals stay blocked until the last moment, so one that arrives meanwhile is
 * neither lost nor acted upon with our dispositions. Every descriptor of ours
 * is close-on-exec and needs no care here.
 */
#include "cli/launch_internal.h"

#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

static void restore_dispositions(const struct launch *l)
{
	struct sigaction sa = {.sa_handler = SIG_DFL};

	sigemptyset(&sa.sa_mask);
	for (int s = 1; s <= LAUNCH_SIGNALS; s++) {
		sa.sa_handler = l->ignored & SIGNAL_BIT(s) ? SIG_IGN : SIG_DFL;
		(void)sigaction(s, &sa, NULL);
	}
}

static void restore_limits(const struct launch *l)
{
	struct rlimit now;

	for (int i = 0; i < RLIM_NLIMITS; i++) {
		if (getrlimit((__rlimit_resource_t)i, &now) == 0 &&
		    (now.rlim_cur != l->limits[i].rlim_cur || now.rlim_max != l->limits[i].rlim_max))
			(void)setrlimit((__rlimit_resource_t)i, &l->limits[i]);
	}
}

/* The timers we were started with, minus the real time that has passed since. */
static void restore_timers(const struct launch *l)
{
	static const __itimer_which_t which[3] = {ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF};
	uint64_t passed_us = (io_clock_ns(CLOCK_MONOTONIC) - l->timers_taken_ns) / 1000;

	for (int i = 0; i < 3; i++) {
		struct itimerval t = l->timers[i];
		uint64_t left_us = (uint64_t)t.it_value.tv_sec * 1000000 + (uint64_t)t.it_value.tv_usec;

		if (left_us == 0)
			continue;
		if (which[i] == ITIMER_REAL)
			left_us = left_us > passed_us ? left_us - passed_us : 1;
		t.it_value.tv_sec = (time_t)(left_us / 1000000);
		t.it_value.tv_usec = (suseconds_t)(left_us % 1000000);
		(void)setitimer(which[i], &t, NULL);
	}
}

/* A regular file, and with @executable one that we may execute. */
static bool is_file(const char *path, bool executable)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && (!executable || access(path, X_OK) == 0);
}

/* Where execvp() looks and finds @program: @program itself if it has a slash. NULL: nowhere. */
static const char *find_program(const char *program, bool executable, char *path, size_t len)
{
	const char *dirs = getenv("PATH"), *end;
	int n;

	if (strchr(program, '/'))
		return program;
	for (; dirs; dirs = *end ? end + 1 : NULL) {
		end = strchrnul(dirs, ':');
		n = snprintf(path, len, "%.*s%s%s", (int)(end - dirs < PATH_MAX ? end - dirs : PATH_MAX),
			     dirs, end == dirs ? "./" : "/", program);
		if (n > 0 && (size_t)n < len && is_file(path, executable))
			return path;
	}
	return NULL;
}

int launch_exec_error(const char *program, int err)
{
	char path[PATH_MAX];

	return err == -EACCES && !find_program(program, false, path, sizeof(path)) ? -ENOENT : err;
}

void launch_fix_underscore(const char *program)
{
	static char entry[2 * PATH_MAX];
	char path[PATH_MAX];
	struct stat named, self;
	const char *found;

	for (char **e = environ; e && *e; e++) {
		if (strncmp(*e, "_=", 2) != 0)
			continue;
		if (stat(*e + 2, &named) < 0 || stat("/proc/self/exe", &self) < 0 ||
		    named.st_dev != self.st_dev || named.st_ino != self.st_ino)
			return; /* set by somebody further up: would have been inherited as it is */
		found = find_program(program, true, path, sizeof(path));
		if (found && (size_t)snprintf(entry, sizeof(entry), "_=%s", found) < sizeof(entry))
			*e = entry;
		return;
	}
}

/*
 * A service manager's variables that name the process they are for: ours was
 * meant, and the program, being a child, has another number.
 */
static void fix_pid_variables(pid_t ours)
{
	static const char *const names[] = {"LISTEN_PID", "WATCHDOG_PID"};
	static char entries[2][32];

	for (char **e = environ; e && *e; e++) {
		for (int i = 0; i < 2; i++) {
			size_t len = strlen(names[i]);

			if (strncmp(*e, names[i], len) != 0 || (*e)[len] != '=' ||
			    strtol(*e + len + 1, NULL, 10) != (long)ours)
				continue;
			snprintf(entries[i], sizeof(entries[i]), "%s=%d", names[i], (int)getpid());
			*e = entries[i];
		}
	}
}

/* The variables as they are now: setenv() puts other pointers into environ, it leaves strings alone. */
static char **copy_environment(void)
{
	size_t n = 0;
	char **copy;

	while (environ && environ[n])
		n++;
	copy = calloc(n + 1, sizeof(*copy));
	if (copy && n)
		memcpy(copy, environ, n * sizeof(*copy));
	return copy;
}

int launch_exec(const struct launch *l, char *const argv[])
{
	char **before = l->on_exec ? copy_environment() : NULL;

	if (l->on_exec)
		l->on_exec(l->on_exec_arg);
	restore_limits(l);
	if (l->death_signal)
		(void)prctl(PR_SET_PDEATHSIG, l->death_signal);
	if (l->subreaper)
		(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	launch_fix_underscore(argv[0]);
	restore_dispositions(l);
	restore_timers(l);
	launch_set_mask(l->mask);
	execvp(argv[0], argv);
	/* What was added may be what is too much: the program's own has room. */
	if (errno == E2BIG && before) {
		environ = before;
		launch_fix_underscore(argv[0]);
		execvp(argv[0], argv);
	}
	return launch_exec_error(argv[0], -errno);
}

void launch_child(const struct launch *l, int go_fd, int exec_fd, char *const argv[])
{
	int err;
	char go;

	/* One byte, or the end of file of a parent that is gone: the program runs in any case. */
	(void)io_read_full(go_fd, &go, 1);
	fix_pid_variables(l->self);
	err = -launch_exec(l, argv);
	(void)io_write_all(exec_fd, &err, sizeof(err));
	_exit(launch_exec_status(-err));
}

/* SPDX-License-Identifier: Apache-2.0 */
/* sink_fixture.h - a sink in a directory of its own, which is the current one while a test runs. */
#ifndef TESTS_UNIT_SINK_FIXTURE_H
#define TESTS_UNIT_SINK_FIXTURE_H

#include "export/sink.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
	char dir[64]; /* the current directory while a test runs */
	char root[PATH_MAX];
	struct sink s;
	char why[512];
	bool moved;
};

static const struct sink_name name = {.program = "/usr/bin/demo", .pid = 42, .time_ns = 1700000000000000000};

#define DEFAULT "ddprof-demo-42-20231114T221320Z"

static inline int setup(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));

	strcpy(x->dir, "/tmp/test_sink.XXXXXX");
	assert_non_null(getcwd(x->root, sizeof(x->root)));
	assert_non_null(mkdtemp(x->dir));
	assert_int_equal(chdir(x->dir), 0);
	x->s.dirfd = -1;
	*state = x;
	return 0;
}

static inline int teardown(void **state)
{
	struct fixture *x = *state;
	char command[256];

	sink_close(&x->s);
	assert_int_equal(chdir(x->root), 0);
	snprintf(command, sizeof(command), "chmod -R u+rwx %s; rm -rf %s", x->dir, x->dir);
	assert_int_equal(system(command), 0);
	free(x);
	return 0;
}

static inline int open_sink(struct fixture *x, const char *output, bool numbered, uint32_t keep)
{
	sink_close(&x->s);
	*x->why = '\0';
	return sink_open(&x->s, output, &name, numbered, keep, &x->moved, x->why, sizeof(x->why));
}

static inline int put(struct fixture *x, uint64_t seq, const char *text)
{
	return sink_write(&x->s, seq, (const uint8_t *)text, strlen(text), x->why, sizeof(x->why));
}

static inline void assert_file(const char *path, const char *want)
{
	char got[256] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n;

	if (fd < 0)
		fail_msg("no file '%s'", path);
	n = read(fd, got, sizeof(got) - 1);
	close(fd);
	assert_true(n >= 0);
	assert_string_equal(got, want);
}

/* How many entries, hidden ones too. */
static inline int entries(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	int n = -2;

	assert_non_null(d);
	while ((e = readdir(d)))
		n++;
	closedir(d);
	return n;
}

static inline void assert_why(struct fixture *x, const char *what)
{
	if (!strstr(x->why, what))
		fail_msg("'%s' does not say '%s'", x->why, what);
}

#endif

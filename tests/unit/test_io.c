/* SPDX-License-Identifier: Apache-2.0 */
/* test_io.c - only regular files are opened, and nothing else is even touched. */
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void a_regular_file_is_read(void **state)
{
	char path[] = "/tmp/test_io.XXXXXX", text[8] = "";
	int fd = mkstemp(path);

	(void)state;
	assert_int_equal(io_write_all(fd, "hello", 5), 0);
	close(fd);
	fd = io_open_regular(AT_FDCWD, path);
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	assert_int_equal(io_read_full(fd, text, sizeof(text)), 5);
	assert_string_equal(text, "hello");
	close(fd);
	unlink(path);
	assert_int_equal(io_open_regular(AT_FDCWD, path), -ENOENT);
}

static void devices_and_directories_are_refused(void **state)
{
	(void)state;
	assert_int_equal(io_open_regular(AT_FDCWD, "/dev/null"), -EINVAL);
	assert_int_equal(io_open_regular(AT_FDCWD, "/tmp"), -EINVAL);
	assert_int_equal(io_open_regular(AT_FDCWD, "/nonexistent/x"), -ENOENT);
}

static void what_is_refused_was_never_opened(void **state)
{
	char dir[] = "/tmp/test_io.XXXXXX", path[64], event[512];
	int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/fifo", dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_true(inotify_add_watch(watch, path, IN_OPEN) >= 0);
	assert_int_equal(io_open_regular(AT_FDCWD, path), -EINVAL);
	assert_int_equal(read(watch, event, sizeof(event)), -1);
	assert_int_equal(errno, EAGAIN);
	close(watch);
	unlink(path);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_regular_file_is_read),
		cmocka_unit_test(devices_and_directories_are_refused),
		cmocka_unit_test(what_is_refused_was_never_opened),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

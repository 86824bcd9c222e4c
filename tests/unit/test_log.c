/* SPDX-License-Identifier: Apache-2.0 */
/* test_log.c - a message is one write, and names in it cannot talk to the terminal. */
#include "base/log.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char text[2 * LOG_LINE_MAX];

/* What log_error("%s", @message) writes. */
static const char *logged(const char *message)
{
	int fds[2], saved = dup(STDOUT_FILENO);
	ssize_t n;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	dup2(fds[1], STDOUT_FILENO);
	log_set_mode(LOG_MODE_STDOUT);
	log_error("%s", message);
	dup2(saved, STDOUT_FILENO);
	n = read(fds[0], text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	close(saved);
	close(fds[0]);
	close(fds[1]);
	return text;
}

static void a_message_gets_prefix_and_newline(void **state)
{
	(void)state;
	assert_string_equal(logged("cannot open 'gr\xc3\xbcn'"),
			    "ddprof: error: cannot open 'gr\xc3\xbcn'\n");
}

static void control_characters_become_question_marks(void **state)
{
	(void)state;
	assert_string_equal(logged("a\033[2Jb\rc\177d\te\nf\n"), "ddprof: error: a?[2Jb?c?d?e?f?\n");
}

static void advice_on_lines_of_its_own_survives(void **state)
{
	(void)state;
	assert_string_equal(logged("what failed\n  do this\n  or that"),
			    "ddprof: error: what failed\n  do this\n  or that\n");
}

static void a_long_message_is_cut(void **state)
{
	char name[2 * LOG_LINE_MAX];

	(void)state;
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	logged(name);
	assert_true(strlen(text) < LOG_LINE_MAX);
	assert_int_equal(text[strlen(text) - 1], '\n');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_gets_prefix_and_newline),
		cmocka_unit_test(control_characters_become_question_marks),
		cmocka_unit_test(advice_on_lines_of_its_own_survives),
		cmocka_unit_test(a_long_message_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

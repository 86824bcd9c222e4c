/* SPDX-License-Identifier: Apache-2.0 */
/* test_tar.c - archives: what is in a header, and what is refused. (doctor.bats has tar and Python read one.)
 */
#include "export/tar.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static void a_file_is_a_header_and_whole_blocks(void **state)
{
	unsigned sum = 0, i;
	char told[8];
	struct buf b;

	(void)state;
	buf_init(&b, 1u << 20);
	assert_int_equal(tar_add(&b, "a/name", "hello", 5, 1000), 0);
	assert_int_equal(b.len, 1024);
	assert_string_equal((char *)b.data, "a/name");
	assert_memory_equal(b.data + 100, "0000600", 8);
	assert_memory_equal(b.data + 124, "00000000005", 12);
	assert_memory_equal(b.data + 136, "00000001750", 12);
	assert_memory_equal(b.data + 257,
			    "ustar\0"
			    "00",
			    8);
	assert_memory_equal(b.data + 512, "hello\0\0", 7);
	for (i = 0; i < 512; i++)
		sum += i >= 148 && i < 156 ? ' ' : b.data[i];
	snprintf(told, sizeof(told), "%06o", sum);
	assert_memory_equal(b.data + 148, told, 7);
	assert_int_equal(b.data[155], ' ');
	assert_int_equal(tar_end(&b), 0);
	assert_int_equal(b.len, 2048);
	buf_release(&b);
}

static void whole_blocks_and_empty_files_are_not_padded(void **state)
{
	static const char block[512];
	struct buf b;

	(void)state;
	buf_init(&b, 1u << 20);
	assert_int_equal(tar_add(&b, "x", block, sizeof(block), 0), 0);
	assert_int_equal(b.len, 1024);
	assert_int_equal(tar_add(&b, "y", block, 0, 0), 0);
	assert_int_equal(b.len, 1536);
	buf_release(&b);
}

static void names_that_lead_elsewhere_are_refused(void **state)
{
	char longest[TAR_NAME_MAX + 2];
	struct buf b;

	(void)state;
	buf_init(&b, 1u << 20);
	memset(longest, 'n', sizeof(longest));
	longest[TAR_NAME_MAX + 1] = '\0';
	assert_int_equal(tar_add(&b, longest, "", 0, 0), -EINVAL);
	longest[TAR_NAME_MAX] = '\0';
	assert_int_equal(tar_add(&b, longest, "", 0, 0), 0);
	assert_int_equal(tar_add(&b, "", "", 0, 0), -EINVAL);
	assert_int_equal(tar_add(&b, "/etc/passwd", "", 0, 0), -EINVAL);
	assert_int_equal(tar_add(&b, "a/../../b", "", 0, 0), -EINVAL);
	assert_int_equal(b.len, 512);
	buf_release(&b);
}

static void what_does_not_fit_leaves_nothing(void **state)
{
	static const char data[600];
	struct buf b;

	(void)state;
	buf_init(&b, 1600);
	assert_int_equal(tar_add(&b, "x", data, 100, 0), 0);
	assert_int_equal(tar_add(&b, "y", data, sizeof(data), 0), -E2BIG);
	assert_int_equal(b.len, 1024);
	assert_int_equal(tar_end(&b), -E2BIG);
	buf_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_is_a_header_and_whole_blocks),
		cmocka_unit_test(whole_blocks_and_empty_files_are_not_padded),
		cmocka_unit_test(names_that_lead_elsewhere_are_refused),
		cmocka_unit_test(what_does_not_fit_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

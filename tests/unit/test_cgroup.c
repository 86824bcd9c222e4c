/* SPDX-License-Identifier: Apache-2.0 */
/* test_cgroup.c - the tightest limit from our control group upwards is what counts. */
#include "symbolize/cgroup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char root[] = "/tmp/test_cgroup.XXXXXX", self[64];

static void put(const char *name, const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", root, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int setup(void **state)
{
	char path[64];

	(void)state;
	assert_non_null(mkdtemp(root));
	snprintf(self, sizeof(self), "%s/self", root);
	snprintf(path, sizeof(path), "%s/pod", root);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/pod/app", root);
	assert_int_equal(mkdir(path, 0700), 0);
	put("self", "12:cpu:/elsewhere\n0::/pod/app\n");
	return 0;
}

static int teardown(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", root);
	return system(command);
}

static void without_limits_there_is_no_bound(void **state)
{
	(void)state;
	assert_true(cgroup_memory_left("/nonexistent", root) == UINT64_MAX);
	assert_true(cgroup_memory_left(self, root) == UINT64_MAX);
	put("pod/app/memory.max", "max\n");
	assert_true(cgroup_memory_left(self, root) == UINT64_MAX);
}

static void a_limit_leaves_what_is_not_used(void **state)
{
	(void)state;
	put("pod/app/memory.max", "1000000\n");
	put("pod/app/memory.current", "400000\n");
	assert_int_equal(cgroup_memory_left(self, root), 600000);
	put("pod/app/memory.stat", "anon 1\ninactive_file 100000\nactive_file 7\n");
	assert_int_equal(cgroup_memory_left(self, root), 700000);
}

static void a_group_above_may_leave_less(void **state)
{
	(void)state;
	put("pod/memory.max", "2000000\n");
	put("pod/memory.current", "1999000\n");
	assert_int_equal(cgroup_memory_left(self, root), 1000);
	put("pod/memory.current", "2000001\n");
	assert_int_equal(cgroup_memory_left(self, root), 0);
}

static void the_root_of_a_namespace_is_a_group_too(void **state)
{
	(void)state;
	put("self", "0::/\n");
	assert_true(cgroup_memory_left(self, root) == UINT64_MAX);
	put("memory.max", "5000\n");
	put("memory.current", "3000\n");
	assert_int_equal(cgroup_memory_left(self, root), 2000);
	put("self", "0::/../other\n");
	assert_true(cgroup_memory_left(self, root) == UINT64_MAX);
}

static void version_1_has_other_names_for_the_same(void **state)
{
	char path[64];

	(void)state;
	put("self", "5:cpu,memory:/box\n0::/nowhere\n");
	put("memory.max", "max\n");
	snprintf(path, sizeof(path), "%s/memory", root);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/memory/box", root);
	assert_int_equal(mkdir(path, 0700), 0);
	put("memory/memory.limit_in_bytes", "9223372036854771712\n");
	put("memory/box/memory.limit_in_bytes", "9000\n");
	put("memory/box/memory.usage_in_bytes", "7000\n");
	put("memory/box/memory.stat", "inactive_file 5\ntotal_inactive_file 1000\n");
	assert_int_equal(cgroup_memory_left(self, root), 3000);
	put("self", "5:cpu,nomemory,memoryless:/box\n");
	assert_true(cgroup_memory_left(self, root) == UINT64_MAX);
	/* in a container the path is the host's, and what we see as the root is our group */
	put("self", "5:memory:/docker/0123\n");
	put("memory/memory.limit_in_bytes", "800\n");
	put("memory/memory.usage_in_bytes", "500\n");
	assert_int_equal(cgroup_memory_left(self, root), 300);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_limits_there_is_no_bound),
		cmocka_unit_test(a_limit_leaves_what_is_not_used),
		cmocka_unit_test(a_group_above_may_leave_less),
		cmocka_unit_test(the_root_of_a_namespace_is_a_group_too),
		cmocka_unit_test(version_1_has_other_names_for_the_same),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

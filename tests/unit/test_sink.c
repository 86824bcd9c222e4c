/* SPDX-License-Identifier: Apache-2.0 */
/* test_sink.c - which name a profile gets, and what it may replace. */
#include "sink_fixture.h"

#include <errno.h>
#include <sys/stat.h>

/* ---- names ---- */

static void the_default_name_tells_program_pid_and_time(void **state)
{
	struct fixture *x = *state;
	char want[PATH_MAX];
	struct stat st;

	assert_int_equal(open_sink(x, NULL, false, 0), 0);
	assert_int_equal(entries("."), 0); /* trying left nothing */
	assert_int_equal(put(x, 0, "one"), 0);
	snprintf(want, sizeof(want), "%s/" DEFAULT ".pb.gz", x->dir);
	assert_string_equal(x->s.path, want);
	assert_file(DEFAULT ".pb.gz", "one");
	assert_int_equal(stat(DEFAULT ".pb.gz", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_false(x->moved);
}

static void a_programs_name_is_made_safe(void **state)
{
	static const char *const cases[][2] = {
		{"/bin/a b\n;$(x)\x1b", "ddprof-a_b____x__-42-"},
		{"-rf", "ddprof--rf-42-"},
		{"", "ddprof-program-42-"},
		{"dir/", "ddprof-program-42-"},
		{"\xc3\xa9t\xc3\xa9", "ddprof-__t__-42-"},
	};
	struct fixture *x = *state;
	struct sink_name odd = name;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		odd.program = cases[i][0];
		sink_close(&x->s);
		assert_int_equal(sink_open(&x->s, NULL, &odd, false, 0, NULL, x->why, sizeof(x->why)), 0);
		if (strncmp(strrchr(x->s.path, '/') + 1, cases[i][1], strlen(cases[i][1])))
			fail_msg("'%s' became '%s'", cases[i][0], x->s.path);
	}
}

static void a_very_long_program_name_is_cut(void **state)
{
	struct fixture *x = *state;
	struct sink_name odd = name;
	char program[1000];

	memset(program, 'p', sizeof(program));
	program[999] = '\0';
	odd.program = program;
	assert_int_equal(sink_open(&x->s, NULL, &odd, false, 0, NULL, x->why, sizeof(x->why)), 0);
	assert_int_equal(strlen(strrchr(x->s.path, '/') + 1),
			 strlen("ddprof-") + 64 + strlen("-42-20231114T221320Z.pb.gz"));
	assert_int_equal(put(x, 0, "one"), 0);
}

static void a_default_name_never_replaces_what_is_there(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(symlink("/nowhere", DEFAULT ".pb.gz"), 0);
	assert_int_equal(open_sink(x, NULL, false, 0), 0);
	assert_int_equal(put(x, 0, "mine"), 0);
	assert_file(DEFAULT "-2.pb.gz", "mine");
	/* its own file it brings up to date */
	assert_int_equal(put(x, 1, "mine, longer"), 0);
	assert_file(DEFAULT "-2.pb.gz", "mine, longer");
	assert_int_equal(entries("."), 2);
}

static void a_name_taken_after_opening_is_given_up(void **state)
{
	struct fixture *x = *state;
	int fd;

	assert_int_equal(open_sink(x, NULL, false, 0), 0);
	fd = open(DEFAULT ".pb.gz", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, "other", 5), 5);
	close(fd);
	assert_int_equal(put(x, 0, "mine"), 0);
	assert_file(DEFAULT ".pb.gz", "other");
	assert_file(DEFAULT "-2.pb.gz", "mine");
	assert_non_null(strstr(x->s.path, DEFAULT "-2.pb.gz"));
}

static void a_directory_gets_a_default_name_inside(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(mkdir("sub", 0700), 0);
	assert_int_equal(open_sink(x, "sub/", false, 0), 0);
	assert_int_equal(put(x, 0, "one"), 0);
	assert_file("sub/" DEFAULT ".pb.gz", "one");
	assert_int_equal(open_sink(x, "sub", false, 0), 0);
	assert_int_equal(put(x, 0, "two"), 0);
	assert_file("sub/" DEFAULT "-2.pb.gz", "two");
}

static void a_change_of_directory_does_not_matter(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(mkdir("a", 0700), 0);
	assert_int_equal(open_sink(x, "a/x.pb.gz", false, 0), 0);
	assert_int_equal(rename("a", "b"), 0);
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(put(x, 0, "one"), 0);
	assert_int_equal(chdir(x->dir), 0);
	assert_file("b/x.pb.gz", "one");
}

/* ---- a given file ---- */

static void a_given_file_is_replaced(void **state)
{
	struct fixture *x = *state;
	int fd = open("x.pb.gz", O_CREAT | O_WRONLY | O_CLOEXEC, 0644);

	assert_int_equal(write(fd, "old", 3), 3);
	close(fd);
	assert_int_equal(open_sink(x, "x.pb.gz", false, 0), 0);
	assert_file("x.pb.gz", "old");
	assert_int_equal(put(x, 0, "new"), 0);
	assert_int_equal(put(x, 1, "newer"), 0);
	assert_file("x.pb.gz", "newer");
	assert_int_equal(entries("."), 1);
}

static void a_link_is_replaced_and_not_followed(void **state)
{
	struct fixture *x = *state;
	int fd = open("target", O_CREAT | O_WRONLY | O_CLOEXEC, 0644);

	assert_int_equal(write(fd, "precious", 8), 8);
	close(fd);
	assert_int_equal(symlink("target", "x.pb.gz"), 0);
	assert_int_equal(open_sink(x, "x.pb.gz", false, 0), 0);
	assert_int_equal(put(x, 0, "new"), 0);
	assert_file("target", "precious");
	assert_file("x.pb.gz", "new");
}

static void what_is_no_file_is_refused_by_name(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(mkfifo("fifo", 0600), 0);
	assert_int_equal(open_sink(x, "fifo", false, 0), -EINVAL);
	assert_why(x, "'fifo'");
	assert_why(x, "not a regular file");
	assert_int_equal(open_sink(x, "missing/x.pb.gz", false, 0), -ENOENT);
	assert_why(x, "'missing/x.pb.gz'");
	assert_why(x, "No such file or directory");
	assert_int_equal(open_sink(x, "missing/", false, 0), -ENOENT);
	assert_int_equal(open_sink(x, "fifo/x", false, 0), -ENOTDIR);
	assert_int_equal(open_sink(x, "", false, 0), -EINVAL);
	assert_int_not_equal(open_sink(x, "/dev/null", false, 0), 0);
	assert_int_equal(x->s.dirfd, -1);
}

static void a_name_that_is_too_long_is_refused(void **state)
{
	struct fixture *x = *state;
	char output[PATH_MAX + 100];

	memset(output, 'x', sizeof(output));
	output[256] = '\0';
	assert_int_equal(open_sink(x, output, false, 0), -ENAMETOOLONG);
	output[255] = '\0';
	assert_int_equal(open_sink(x, output, false, 0), 0);
	assert_int_equal(put(x, 0, "one"), 0);
	assert_int_equal(put(x, 1, "two"), 0);
	assert_file(output, "two");
	memset(output, '/', sizeof(output));
	output[sizeof(output) - 2] = 'x';
	output[sizeof(output) - 1] = '\0';
	assert_int_equal(open_sink(x, output, false, 0), -ENAMETOOLONG);
}

/* ---- numbered files ---- */

static void numbered_files_are_counted_and_capped(void **state)
{
	struct fixture *x = *state;
	char text[16], path[64];
	uint64_t seq;
	int fd = open("x-other.pb.gz", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	close(fd);
	assert_int_equal(open_sink(x, "x.pb.gz", true, 3), 0);
	for (seq = 0; seq < 10; seq++) {
		if (seq == 5) /* a window that could not be written */
			continue;
		snprintf(text, sizeof(text), "w%d", (int)seq);
		assert_int_equal(put(x, seq, text), 0);
		snprintf(path, sizeof(path), "x-%06d.pb.gz", (int)seq);
		assert_non_null(strstr(x->s.path, path));
		assert_file(path, text);
	}
	assert_int_equal(entries("."), 4);
	assert_file("x-000007.pb.gz", "w7");
	assert_file("x-000009.pb.gz", "w9");
	assert_file("x-other.pb.gz", "");
}

static void a_second_run_does_not_lose_its_files_to_the_first_ones(void **state)
{
	struct fixture *x = *state;
	uint64_t seq;

	assert_int_equal(open_sink(x, "x.pb.gz", true, 3), 0);
	for (seq = 0; seq < 10; seq++)
		assert_int_equal(put(x, seq, "first"), 0);
	assert_int_equal(open_sink(x, "x.pb.gz", true, 3), 0);
	assert_int_equal(put(x, 0, "second"), 0);
	assert_file("x-000000.pb.gz", "second");
}

static void numbered_default_names_avoid_those_that_are_taken(void **state)
{
	struct fixture *x = *state;
	int fd = open(DEFAULT "-000000.pb.gz", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	close(fd);
	assert_int_equal(open_sink(x, NULL, true, 60), 0);
	assert_int_equal(put(x, 0, "w0"), 0);
	assert_int_equal(put(x, 1, "w1"), 0);
	assert_file(DEFAULT "-000000.pb.gz", "");
	assert_file(DEFAULT "-2-000000.pb.gz", "w0");
	assert_file(DEFAULT "-2-000001.pb.gz", "w1");
}

/* ---- standard output ---- */

static void standard_output_takes_one_profile(void **state)
{
	struct fixture *x = *state;
	int saved = dup(STDOUT_FILENO), out = open("captured", O_CREAT | O_RDWR | O_CLOEXEC, 0600), err[4];

	fflush(stdout);
	assert_int_equal(dup2(out, STDOUT_FILENO), STDOUT_FILENO);
	err[0] = open_sink(x, "-", false, 0);
	err[1] = put(x, 0, "profile");
	err[2] = put(x, 1, "another");
	err[3] = open_sink(x, "-", true, 0);
	assert_int_equal(dup2(saved, STDOUT_FILENO), STDOUT_FILENO);
	close(saved);
	close(out);
	assert_int_equal(err[0], 0);
	assert_int_equal(err[1], 0);
	assert_int_equal(err[2], -EINVAL);
	assert_int_equal(err[3], -EINVAL);
	assert_file("captured", "profile");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(the_default_name_tells_program_pid_and_time),
		T(a_programs_name_is_made_safe),
		T(a_very_long_program_name_is_cut),
		T(a_default_name_never_replaces_what_is_there),
		T(a_name_taken_after_opening_is_given_up),
		T(a_directory_gets_a_default_name_inside),
		T(a_change_of_directory_does_not_matter),
		T(a_given_file_is_replaced),
		T(a_link_is_replaced_and_not_followed),
		T(what_is_no_file_is_refused_by_name),
		T(a_name_that_is_too_long_is_refused),
		T(numbered_files_are_counted_and_capped),
		T(a_second_run_does_not_lose_its_files_to_the_first_ones),
		T(numbered_default_names_avoid_those_that_are_taken),
		T(standard_output_takes_one_profile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

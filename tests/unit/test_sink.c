/* SPDX-License-Identifier: Apache-2.0 */
/* test_sink.c - whole files or none, under the right name, with nothing left beside them. */
#include "export/sink.h"
#include "deny.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
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

static int setup(void **state)
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

static int teardown(void **state)
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

static int open_sink(struct fixture *x, const char *output, bool numbered, uint32_t keep)
{
	sink_close(&x->s);
	*x->why = '\0';
	return sink_open(&x->s, output, &name, numbered, keep, &x->moved, x->why, sizeof(x->why));
}

static int put(struct fixture *x, uint64_t seq, const char *text)
{
	return sink_write(&x->s, seq, (const uint8_t *)text, strlen(text), x->why, sizeof(x->why));
}

static void assert_file(const char *path, const char *want)
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
static int entries(const char *dir)
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

static void assert_why(struct fixture *x, const char *what)
{
	if (!strstr(x->why, what))
		fail_msg("'%s' does not say '%s'", x->why, what);
}

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

/* ---- where nothing can be written ---- */

/* Run @test in a child that is an ordinary user: permissions mean nothing to root. */
static void as_ordinary_user(struct fixture *x, void (*test)(struct fixture *x))
{
	int status;
	pid_t pid;

	assert_int_equal(chmod(x->dir, 0777), 0);
	pid = fork();
	assert_int_not_equal(pid, -1);
	if (!pid) {
		if (!geteuid() && (setgid(65534) || setuid(65534)))
			_exit(99);
		test(x);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

#define CHECK(c)                                                                                             \
	do {                                                                                                 \
		if (!(c)) {                                                                                  \
			print_error("%d: not so: %s (%s)\n", __LINE__, #c, x->why);                          \
			_exit(1);                                                                            \
		}                                                                                            \
	} while (0)

static void in_readonly_directory(struct fixture *x)
{
	char state[128];

	CHECK(!mkdir("ro", 0700) && !mkdir("home", 0700) && !chmod("ro", 0555) && !chdir("ro"));
	snprintf(state, sizeof(state), "%s/home", x->dir);
	CHECK(open_sink(x, "x.pb.gz", false, 0) == -EACCES);
	CHECK(strstr(x->why, "'x.pb.gz'") && strstr(x->why, "Permission denied"));
	unsetenv("XDG_STATE_HOME");
	setenv("HOME", state, 1);
	CHECK(open_sink(x, NULL, false, 0) == 0 && x->moved);
	CHECK(!put(x, 0, "moved"));
	CHECK(!access("../home/.local/state/ddprof/" DEFAULT ".pb.gz", F_OK));
	snprintf(state, sizeof(state), "%s/home/xdg", x->dir);
	setenv("XDG_STATE_HOME", state, 1);
	CHECK(open_sink(x, NULL, false, 0) == 0 && x->moved);
	CHECK(!put(x, 0, "moved"));
	CHECK(!access("../home/xdg/ddprof/" DEFAULT ".pb.gz", F_OK));
	setenv("XDG_STATE_HOME", "/proc/nothing", 1);
	CHECK(open_sink(x, NULL, false, 0) == -EACCES && !x->moved);
	CHECK(strstr(x->why, "ro'"));
}

static void without_permission_the_state_directory_is_used(void **state)
{
	as_ordinary_user(*state, in_readonly_directory);
}

static void in_sticky_directory(struct fixture *x)
{
	CHECK(open_sink(x, "sticky/theirs", false, 0) == -EPERM);
	CHECK(strstr(x->why, "somebody else"));
	CHECK(!open_sink(x, "sticky/ours", false, 0) && !put(x, 0, "one"));
}

static void somebody_elses_file_in_a_shared_directory_is_refused_early(void **state)
{
	struct fixture *x = *state;
	int fd;

	if (geteuid())
		skip();
	assert_int_equal(mkdir("sticky", 0777), 0);
	assert_int_equal(chmod("sticky", 01777), 0);
	fd = open("sticky/theirs", O_CREAT | O_WRONLY | O_CLOEXEC, 0666);
	close(fd);
	as_ordinary_user(x, in_sticky_directory);
}

static void a_file_size_limit_leaves_the_old_file_and_nothing_else(void **state)
{
	struct fixture *x = *state;
	struct rlimit old, small;
	static char big[100000];

	memset(big, 'b', sizeof(big) - 1);
	assert_int_equal(open_sink(x, "x.pb.gz", false, 0), 0);
	assert_int_equal(put(x, 0, "old"), 0);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	small = old;
	small.rlim_cur = 4096;
	setrlimit(RLIMIT_FSIZE, &small);
	assert_int_equal(put(x, 1, big), -EFBIG);
	setrlimit(RLIMIT_FSIZE, &old);
	assert_why(x, "x.pb.gz'");
	assert_why(x, "File too large");
	assert_file("x.pb.gz", "old");
	assert_int_equal(entries("."), 1);
	assert_int_equal(put(x, 2, "again"), 0);
	assert_file("x.pb.gz", "again");
}

static void on_a_full_file_system(struct fixture *x)
{
	static char big[300000];

	memset(big, 'b', sizeof(big) - 1);
	CHECK(!mkdir("small", 0700));
	if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("tmpfs", "small", "tmpfs", 0, "size=64k"))
		_exit(77);
	CHECK(!open_sink(x, "small/x.pb.gz", false, 0));
	CHECK(!put(x, 0, "old"));
	CHECK(put(x, 1, big) == -ENOSPC);
	CHECK(strstr(x->why, "No space left"));
	CHECK(entries("small") == 1);
	CHECK(!put(x, 2, "again"));
	CHECK(entries("small") == 1);
}

static void a_full_disk_leaves_the_old_file_and_nothing_else(void **state)
{
	struct fixture *x = *state;
	int status;
	pid_t pid;

	if (geteuid()) {
		print_message("only root can mount a small file system\n");
		skip();
	}
	pid = fork();
	if (!pid) {
		on_a_full_file_system(x);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
		print_message("mounting is not permitted here\n");
		skip();
	}
	assert_int_equal(status, 0);
}

static void without_nameless_files(struct fixture *x)
{
	static char big[100000];
	struct rlimit small = {.rlim_cur = 4096, .rlim_max = 4096};

	memset(big, 'b', sizeof(big) - 1);
	if (deny_call(SYS_openat, 2, O_TMPFILE & ~O_DIRECTORY, EOPNOTSUPP))
		_exit(77);
	CHECK(open(".", O_TMPFILE | O_WRONLY, 0600) < 0);
	CHECK(!open_sink(x, NULL, false, 0) && entries(".") == 0);
	CHECK(!put(x, 0, "one") && !put(x, 1, "two") && entries(".") == 1);
	CHECK(!open_sink(x, NULL, false, 0) && !put(x, 0, "not replaced") && entries(".") == 2);
	CHECK(!open_sink(x, "x.pb.gz", false, 0) && !put(x, 0, "one") && !put(x, 1, "two") &&
	      entries(".") == 3);
	signal(SIGXFSZ, SIG_IGN);
	CHECK(!setrlimit(RLIMIT_FSIZE, &small));
	CHECK(put(x, 2, big) == -EFBIG && entries(".") == 3);
}

static void file_systems_without_nameless_files_get_the_same(void **state)
{
	struct fixture *x = *state;
	int status;
	pid_t pid = fork();

	if (!pid) {
		without_nameless_files(x);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(status, 0);
	assert_file("x.pb.gz", "two");
	assert_file(DEFAULT ".pb.gz", "two");
	assert_file(DEFAULT "-2.pb.gz", "not replaced");
}

/* ---- atomicity ---- */

#define BODY 200000

/* Write bodies of one letter each, for as long as we live. */
static void write_forever(struct fixture *x, char *body, volatile int *written)
{
	uint64_t i;

	for (i = 0;; i++) {
		memset(body, 'a' + (int)(i % 26), BODY);
		if (sink_write(&x->s, i, (uint8_t *)body, BODY, x->why, sizeof(x->why)))
			_exit(1);
		++*written;
	}
}

static void a_reader_never_sees_half_a_file(void **state)
{
	struct fixture *x = *state;
	volatile int *written = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char *body = malloc(BODY + 1), *got = malloc(BODY + 1);
	int fd, seen = 0;
	ssize_t n;
	pid_t pid;

	assert_int_equal(open_sink(x, "x.pb.gz", false, 0), 0);
	pid = fork();
	if (!pid)
		write_forever(x, body, written);
	while (*written < 200) {
		assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
		fd = open("x.pb.gz", O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		n = read(fd, got, BODY + 1);
		close(fd);
		assert_int_equal(n, BODY);
		assert_memory_equal(got, got + 1, BODY - 1);
		seen++;
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_in_range(seen, 20, 1 << 30);
	free(body);
	free(got);
	munmap((void *)written, 4096);
}

static void a_writer_killed_at_any_moment_leaves_a_whole_file_only(void **state)
{
	struct fixture *x = *state;
	volatile int *written = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char *body = malloc(BODY);
	struct timespec ts = {0};
	struct stat st;
	pid_t pid;
	int i;

	assert_int_equal(open_sink(x, "x.pb.gz", false, 0), 0);
	for (i = 0; i < 100; i++) {
		*written = 0;
		pid = fork();
		if (!pid)
			write_forever(x, body, written);
		while (!*written)
			sched_yield();
		ts.tv_nsec = i * 37000 %
			     2000000; /* not to wait for something, but to strike elsewhere each time */
		nanosleep(&ts, NULL);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		sink_sweep(&x->s);
		assert_int_equal(entries("."), 1);
		assert_int_equal(stat("x.pb.gz", &st), 0);
		assert_int_equal(st.st_size, BODY);
	}
	free(body);
	munmap((void *)written, 4096);
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
		T(without_permission_the_state_directory_is_used),
		T(somebody_elses_file_in_a_shared_directory_is_refused_early),
		T(a_file_size_limit_leaves_the_old_file_and_nothing_else),
		T(a_full_disk_leaves_the_old_file_and_nothing_else),
		T(file_systems_without_nameless_files_get_the_same),
		T(a_reader_never_sees_half_a_file),
		T(a_writer_killed_at_any_moment_leaves_a_whole_file_only),
		T(standard_output_takes_one_profile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

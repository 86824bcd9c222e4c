/* SPDX-License-Identifier: Apache-2.0 */
/* test_sink_failures.c - whole files or none, and nothing left beside them, whatever happens. */
#include "deny.h"
#include "sink_fixture.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

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

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(without_permission_the_state_directory_is_used),
		T(somebody_elses_file_in_a_shared_directory_is_refused_early),
		T(a_file_size_limit_leaves_the_old_file_and_nothing_else),
		T(a_full_disk_leaves_the_old_file_and_nothing_else),
		T(file_systems_without_nameless_files_get_the_same),
		T(a_reader_never_sees_half_a_file),
		T(a_writer_killed_at_any_moment_leaves_a_whole_file_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

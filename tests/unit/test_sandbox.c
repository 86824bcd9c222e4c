/* SPDX-License-Identifier: Apache-2.0 */
/* test_sandbox.c - what a process in the symbolizer's sandbox can and cannot do. */
#include "symbolize/sandbox.h"

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
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define SETUP_FAILED 99

/* Run @fn(@fd) in a child inside the sandbox, which keeps only @fd; its return value. */
static int in_sandbox(int (*fn)(int fd), int fd, const struct sandbox_limits *limits)
{
	struct sandbox_limits l = limits ? *limits : (struct sandbox_limits){0};
	int *keep[] = {&fd};
	int status;
	pid_t pid;

	l.parent = getpid();
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		if (sandbox_prepare(keep, 1) || sandbox_enter(&l))
			_exit(SETUP_FAILED);
		_exit(fn(fd));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* 0 if the call failed with a refusal, else a number that says which one got through. */
static int refused(long result, int number)
{
	return result == -1 && (errno == EPERM || errno == EMFILE) ? 0 : number;
}

static int try_everything(int fd)
{
	char *const argv[] = {(char *)"/bin/true", NULL};
	struct stat st;
	int bad = 0;

	(void)fd;
	bad = bad ? bad : refused(open("/etc/passwd", O_RDONLY), 1);
	bad = bad ? bad : refused(open("/tmp/x", O_WRONLY | O_CREAT, 0600), 2);
	bad = bad ? bad : refused(socket(AF_INET, SOCK_STREAM, 0), 3);
	bad = bad ? bad : refused(socket(AF_UNIX, SOCK_STREAM, 0), 4);
	bad = bad ? bad : refused(execve(argv[0], argv, NULL), 5);
	bad = bad ? bad : refused(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0), 6);
	bad = bad ? bad : refused(kill(getppid(), 0), 7);
	bad = bad ? bad : refused(ptrace(PTRACE_TRACEME, 0, NULL, NULL), 8);
	bad = bad ? bad : refused(stat("/etc/passwd", &st), 9);
	bad = bad ? bad : refused(unlink("/tmp/does-not-exist"), 10);
	bad = bad ? bad : refused(syscall(SYS_bpf, 0, NULL, 0), 11);
	bad = bad ? bad : refused(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0), 12);
	bad = bad ? bad : refused(dup(fd), 13);
	return bad;
}

static void files_sockets_programs_and_processes_are_out_of_reach(void **state)
{
	(void)state;
	assert_int_equal(in_sandbox(try_everything, -1, NULL), 0);
}

static int try_code(int fd)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)fd;
	if (p != MAP_FAILED)
		return 1;
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return 2;
	return mprotect(p, 4096, PROT_READ | PROT_EXEC) ? 0 : 3;
}

static void memory_can_be_had_but_not_executed(void **state)
{
	(void)state;
	assert_int_equal(in_sandbox(try_code, -1, NULL), 0);
}

static int read_first(int fd)
{
	struct stat st;
	char c[4];

	if (fstat(fd, &st) || st.st_size < 4 || fcntl(fd, F_GETFD) < 0)
		return 1;
	if (pread(fd, c, sizeof(c), 0) != sizeof(c) || memcmp(c, "\177ELF", sizeof(c)))
		return 2;
	return mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED ? 3 : 0;
}

static void the_given_file_can_be_read_and_mapped(void **state)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(in_sandbox(read_first, fd, NULL), 0);
	close(fd);
}

static int extra_fd;

static int others_are_closed(int fd)
{
	struct stat null, st;
	int i;

	if (fcntl(extra_fd, F_GETFD) != -1 || errno != EBADF)
		return 1;
	/* Standard descriptors are there, and all the same: the null device. */
	if (fstat(0, &null) || !S_ISCHR(null.st_mode))
		return 2;
	for (i = 1; i < 3; i++)
		if (fstat(i, &st) || st.st_rdev != null.st_rdev)
			return 3;
	return fcntl(fd, F_GETFD) < 0 ? 4 : 0;
}

static void every_other_descriptor_is_closed(void **state)
{
	int fd = open("/proc/self/exe", O_RDONLY), high;

	(void)state;
	extra_fd = fcntl(fd, F_DUPFD, 700);
	assert_int_equal(in_sandbox(others_are_closed, fd, NULL), 0);
	/* The other way round: the one to keep above the one to close. */
	high = extra_fd;
	extra_fd = fd;
	assert_int_equal(in_sandbox(others_are_closed, high, NULL), 0);
	close(fd);
	close(high);
}

static void a_kept_descriptor_among_the_standard_ones_is_moved(void **state)
{
	int saved = dup(0), fd = open("/proc/self/exe", O_RDONLY);

	(void)state;
	assert_true(dup2(fd, 0) == 0);
	assert_int_equal(in_sandbox(read_first, 0, NULL), 0);
	dup2(saved, 0);
	close(saved);
	close(fd);
}

static int report_and_wait(int fd)
{
	char c = 1;

	return write(fd, &c, 1) != 1 || read(fd, &c, 1) < 0;
}

/* What /proc says of the process, seen from outside. */
static void nothing_is_left_to_gain(void **state)
{
	static const char *const expected[] = {"CapEff:\t0000000000000000", "CapPrm:\t0000000000000000",
					       "CapAmb:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"};
	struct sandbox_limits limits = {.parent = getpid()};
	char path[64], text[8192], c;
	size_t i, len;
	int pair[2], *keep[] = {&pair[1]};
	pid_t pid;
	FILE *f;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		_exit(sandbox_prepare(keep, 1) || sandbox_enter(&limits) || report_and_wait(pair[1]));
	close(pair[1]);
	assert_int_equal(read(pair[0], &c, 1), 1);
	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "r");
	assert_non_null(f);
	len = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[len] = '\0';
	for (i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		if (!strstr(text, expected[i]))
			fail_msg("no '%s' in\n%s", expected[i], text);
	close(pair[0]);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

__attribute__((noreturn)) static int burn(int fd)
{
	volatile unsigned long n = 0;

	(void)fd;
	for (;;)
		n++;
}

static void too_much_cpu_time_ends_it(void **state)
{
	const struct sandbox_limits limits = {.cpu_seconds = 1};

	(void)state;
	assert_int_equal(in_sandbox(burn, -1, &limits), -SIGXCPU);
}

static int grab(int fd)
{
	size_t i;

	(void)fd;
	for (i = 0; i < 64; i++)
		if (mmap(NULL, 4 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
		    MAP_FAILED)
			return errno == ENOMEM ? 0 : 2;
	return 1;
}

static void too_much_memory_is_refused(void **state)
{
	const struct sandbox_limits limits = {.memory_bytes = 64 << 20};

	(void)state;
#if defined(__SANITIZE_ADDRESS__)
	skip();
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
	skip();
#endif
#endif
	assert_int_equal(in_sandbox(grab, -1, &limits), 0);
}

static void an_orphan_does_not_start(void **state)
{
	const struct sandbox_limits limits = {.parent = 1};
	int status;
	pid_t pid = fork();

	(void)state;
	assert_true(pid >= 0);
	if (!pid)
		_exit(sandbox_enter(&limits) == -ESRCH ? 0 : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_sockets_programs_and_processes_are_out_of_reach),
		cmocka_unit_test(memory_can_be_had_but_not_executed),
		cmocka_unit_test(the_given_file_can_be_read_and_mapped),
		cmocka_unit_test(every_other_descriptor_is_closed),
		cmocka_unit_test(a_kept_descriptor_among_the_standard_ones_is_moved),
		cmocka_unit_test(nothing_is_left_to_gain),
		cmocka_unit_test(too_much_cpu_time_ends_it),
		cmocka_unit_test(too_much_memory_is_refused),
		cmocka_unit_test(an_orphan_does_not_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

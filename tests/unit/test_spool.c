/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_spool.c - a spool shared, filled up, damaged, and its users killed at every system call.
 */
#include "export/spool.h"

#include "base/io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define TARGET "http://localhost:8126"

static char dir[64];
static struct spool spool;
static char why[512];

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/ddprof-spool-XXXXXX");
	assert_non_null(mkdtemp(dir));
	assert_int_equal(spool_open(&spool, dir, NULL, why, sizeof(why)), 0);
	return 0;
}

static int teardown(void **state)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	(void)state;
	while (d && (e = readdir(d)))
		unlinkat(dirfd(d), e->d_name, 0);
	if (d)
		closedir(d);
	rmdir(dir);
	spool_close(&spool);
	return 0;
}

static int add_at(uint64_t time_ns, const char *mark, const char *target)
{
	char event[1024];
	struct upload_request req = {(uint8_t *)event, 0, (const uint8_t *)mark, strlen(mark)};

	req.event_len =
		(size_t)snprintf(event, sizeof(event),
				 "{\"mark\":\"%s\",\"internal\":{" UPLOAD_DUPLICATE_FLAG "false}}", mark);
	return spool_add(&spool, &req, target, &(struct identity){.container_id = "c1", .entity_id = "ci-c1"},
			 time_ns, false, why, sizeof(why));
}

static uint64_t now(void)
{
	return io_clock_ns(CLOCK_REALTIME);
}

struct receiver {
	char got[4096]; /* "mark " or "mark* " for one that says it may be a duplicate */
	enum upload_end answer;
	uint32_t calls;
	bool lost; /* the answer is, after all went out */
};

static void receive(struct spool_entry *e, struct upload_result *result, void *arg)
{
	struct receiver *r = arg;
	bool dup = memmem(e->req.event, e->req.event_len, UPLOAD_DUPLICATE_FLAG "true ",
			  sizeof(UPLOAD_DUPLICATE_FLAG) + 4) != NULL;

	r->calls++;
	assert_string_equal(e->identity.container_id, "c1");
	assert_string_equal(e->identity.entity_id, "ci-c1");
	assert_string_equal(e->identity.external_env, "");
	result->end = r->answer;
	if (r->answer == UPLOAD_DELIVERED)
		snprintf(r->got + strlen(r->got), sizeof(r->got) - strlen(r->got), "%.*s%s ",
			 (int)e->req.pprof_len, (const char *)e->req.pprof, dup ? "*" : "");
	else
		snprintf(result->why, sizeof(result->why), "no answer");
	if (r->lost)
		upload_mark_duplicate(e->req.event, e->req.event_len);
}

static struct spool_report drain(struct receiver *r, const char *target)
{
	struct spool_report report;

	assert_int_equal(spool_drain(&spool, target, receive, r, 0, &report), 0);
	return report;
}

static uint32_t files(void)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	uint32_t n = 0;

	while ((e = readdir(d)))
		n += e->d_name[0] != '.' && strcmp(e->d_name, "dropped");
	closedir(d);
	return n;
}

static void what_was_kept_is_sent_oldest_first_and_once(void **state)
{
	struct receiver r = {.answer = UPLOAD_DELIVERED};
	uint64_t t = now();
	struct stat st;
	struct spool_report report;

	(void)state;
	assert_int_equal(add_at(t + 2, "second", TARGET), 0);
	assert_int_equal(add_at(t + 1, "first", TARGET), 0);
	assert_int_equal(add_at(t + 3, "third", TARGET), 0);
	assert_int_equal(stat(dir, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	report = drain(&r, TARGET);
	assert_string_equal(r.got, "first second third ");
	assert_int_equal(report.sent, 3);
	assert_int_equal(report.left, 0);
	assert_int_equal(files(), 0);
	drain(&r, TARGET);
	assert_int_equal(r.calls, 3);
}

static void nothing_more_is_tried_while_nobody_answers(void **state)
{
	struct receiver r = {.answer = UPLOAD_GAVE_UP};
	struct spool_report report;
	uint64_t t = now();

	(void)state;
	assert_int_equal(add_at(t, "a", TARGET), 0);
	assert_int_equal(add_at(t + 1, "b", TARGET), 0);
	report = drain(&r, TARGET);
	assert_int_equal(r.calls, 1);
	assert_int_equal(report.left, 2);
	assert_string_equal(report.why, "no answer");
	r.answer = UPLOAD_DELIVERED;
	drain(&r, TARGET);
	assert_string_equal(r.got, "a b ");
}

static void what_is_refused_again_and_again_is_given_up_and_counted(void **state)
{
	struct receiver r = {.answer = UPLOAD_REFUSED};
	struct spool_report report;
	int i;

	(void)state;
	assert_int_equal(add_at(now(), "bad", TARGET), 0);
	for (i = 1; i < SPOOL_REFUSALS; i++)
		assert_int_equal(drain(&r, TARGET).left, 1);
	report = drain(&r, TARGET);
	assert_int_equal(report.refused, 1);
	assert_int_equal(files(), 0);
	assert_int_equal(spool_dropped(&spool), 1);
	spool_dropped_told(&spool, 1);
	assert_int_equal(spool_dropped(&spool), 0);
}

static void an_answer_lost_after_the_body_is_remembered(void **state)
{
	struct receiver r = {.answer = UPLOAD_GAVE_UP, .lost = true};

	(void)state;
	assert_int_equal(add_at(now(), "x", TARGET), 0);
	drain(&r, TARGET);
	r = (struct receiver){.answer = UPLOAD_DELIVERED};
	drain(&r, TARGET);
	assert_string_equal(r.got, "x* ");
}

static void entries_for_another_receiver_are_left_to_it(void **state)
{
	struct receiver r = {.answer = UPLOAD_DELIVERED};
	struct spool_report report;

	(void)state;
	assert_int_equal(add_at(now(), "mine", TARGET), 0);
	assert_int_equal(add_at(now(), "theirs", "unix:///run/x"), 0);
	report = drain(&r, TARGET);
	assert_string_equal(r.got, "mine ");
	assert_int_equal(report.other, 1);
	assert_int_equal(files(), 1);
	drain(&r, NULL);
	assert_string_equal(r.got, "mine theirs ");
}

static void the_oldest_go_when_there_are_too_many_too_large_or_too_old(void **state)
{
	struct receiver r = {.answer = UPLOAD_DELIVERED};
	uint64_t t = now(), i;
	char mark[16], big[600];

	(void)state;
	spool.limits = (struct spool_limits){1 << 20, 3, 3600};
	for (i = 0; i < 5; i++) {
		snprintf(mark, sizeof(mark), "m%u", (unsigned)i);
		assert_int_equal(add_at(t + i, mark, TARGET), 0);
	}
	assert_int_equal(files(), 3);
	assert_int_equal(spool_dropped(&spool), 2);
	assert_int_equal(add_at(t - 7200 * 1000000000ull, "old", TARGET), 0);
	assert_int_equal(drain(&r, TARGET).dropped, 1);
	assert_string_equal(r.got, "m3 m4 ");
	memset(big, 'b', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	spool.limits.bytes = 3200;
	for (i = 0; i < 4; i++)
		assert_int_equal(add_at(t + i, big, TARGET), 0);
	assert_int_equal(files(), 2);
	spool.limits.bytes = 500;
	assert_int_equal(add_at(t, big, TARGET), -E2BIG);
	assert_non_null(strstr(why, "larger than its limit"));
}

static void rubbish_in_the_directory_is_left_alone(void **state)
{
	static const char *const names[] = {"00000000000000000001-1.ddspool",
					    "00000000000000000002-2.ddspool", "readme",
					    "99999999999999999999-9.ddspool"};
	struct receiver r = {.answer = UPLOAD_DELIVERED};
	struct spool_report report;
	char path[512], first[256] = "";
	struct dirent *e;
	size_t i;
	DIR *d;
	int fd;

	(void)state;
	spool.limits.age_s = 3000000000u; /* age drops names like 0001 otherwise */
	for (i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		if (i == 1) {
			assert_int_equal(symlink("/etc/passwd", path), 0);
			continue;
		}
		fd = open(path, O_CREAT | O_WRONLY, 0600);
		assert_int_equal(write(fd, "ddspool1 and what else", 22), 22);
		close(fd);
	}
	assert_int_equal(add_at(now(), "good", TARGET), 0);
	/* And one of ours in which a byte has changed. */
	assert_int_equal(add_at(now() - 5000000000, "damaged", TARGET), 0);
	d = opendir(dir);
	while ((e = readdir(d)))
		if (strstr(e->d_name, ".ddspool") && (!*first || strcmp(e->d_name, first) < 0) &&
		    e->d_name[1] == '1')
			snprintf(first, sizeof(first), "%s", e->d_name);
	closedir(d);
	snprintf(path, sizeof(path), "%s/%s", dir, first);
	fd = open(path, O_WRONLY);
	assert_int_equal(pwrite(fd, "#", 1, 80), 1);
	close(fd);
	report = drain(&r, TARGET);
	assert_string_equal(r.got, "good ");
	assert_int_equal(report.foreign, 5);
	assert_int_equal(files(), 5);
}

static void a_directory_that_others_can_write_is_refused(void **state)
{
	struct spool s;

	(void)state;
	assert_int_equal(chmod(dir, 0777), 0);
	assert_int_equal(spool_open(&s, dir, NULL, why, sizeof(why)), -EPERM);
	assert_non_null(strstr(why, "chmod 700"));
	assert_int_equal(chmod(dir, 0700), 0);
}

static void one_being_sent_is_nobody_elses(void **state)
{
	struct receiver r = {.answer = UPLOAD_DELIVERED};
	struct spool_report report;
	char path[512];
	struct dirent *e;
	DIR *d;
	int fd = -1;

	(void)state;
	assert_int_equal(add_at(now(), "x", TARGET), 0);
	d = opendir(dir);
	while ((e = readdir(d)))
		if (strstr(e->d_name, ".ddspool")) {
			snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
			fd = open(path, O_RDWR);
		}
	closedir(d);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	report = drain(&r, TARGET);
	assert_int_equal(report.busy, 1);
	assert_int_equal(r.calls, 0);
	close(fd);
	drain(&r, TARGET);
	assert_string_equal(r.got, "x ");
}

static void a_disk_that_is_full_costs_the_oldest_and_leaves_no_half_file(void **state)
{
	struct receiver r = {.answer = UPLOAD_DELIVERED};
	struct rlimit old, small = {64, 64};
	int err, status;
	pid_t pid;

	(void)state;
	assert_int_equal(add_at(now(), "kept", TARGET), 0);
	/* A limit of file sizes is met in the middle of a write, as a full disk is. */
	pid = fork();
	if (!pid) {
		signal(SIGXFSZ, SIG_IGN);
		getrlimit(RLIMIT_FSIZE, &old);
		small.rlim_max = old.rlim_max;
		setrlimit(RLIMIT_FSIZE, &small);
		err = add_at(now(), "not", TARGET);
		_exit(err == -EFBIG && strstr(why, "cannot write") ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(files(), 1);
	drain(&r, TARGET);
	assert_string_equal(r.got, "kept ");
}

/* ---- killed at every system call ---- */

static void told_by_pipe(struct spool_entry *e, struct upload_result *result, void *arg)
{
	const int *fd = arg;

	(void)e;
	if (write(*fd, "x", 1) == 1)
		result->end = UPLOAD_DELIVERED;
}

static void child_add(int fd)
{
	(void)fd;
	_exit(add_at(now(), "new", TARGET) ? 1 : 0);
}

static void child_drain(int fd)
{
	struct spool_report report;

	_exit(spool_drain(&spool, TARGET, told_by_pipe, &fd, 0, &report) ? 1 : 0);
}

/* Run @body in a child, killed at its @n'th stop at a system call. True when it ended by itself before. */
static bool killed_at(unsigned n, void (*body)(int), int fd)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
			_exit(99);
		raise(SIGSTOP);
		body(fd);
		_exit(1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 99)
		skip();
	assert_true(WIFSTOPPED(status));
	while (n--) {
		assert_int_equal(ptrace(PTRACE_SYSCALL, pid, NULL, NULL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (WIFEXITED(status)) {
			assert_int_equal(WEXITSTATUS(status), 0);
			return true;
		}
	}
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return false;
}

static void a_writer_killed_at_any_step_leaves_all_or_nothing(void **state)
{
	unsigned n, whole = 0;
	bool done = false;

	(void)state;
	for (n = 1; !done && n < 500; n++) {
		struct receiver r = {.answer = UPLOAD_DELIVERED};

		done = killed_at(n, child_add, -1);
		drain(&r, TARGET);
		assert_true(!*r.got || !strcmp(r.got, "new "));
		whole += *r.got != '\0';
		assert_int_equal(files(), 0);
	}
	assert_true(done);
	assert_true(n > 8 && whole >= 1);
}

static void a_sender_killed_at_any_step_loses_nothing_and_marks_what_may_come_twice(void **state)
{
	unsigned n, twice = 0;
	bool done = false;

	(void)state;
	for (n = 1; !done && n < 500; n++) {
		struct receiver r = {.answer = UPLOAD_DELIVERED};
		int fds[2];
		char c;
		bool arrived;

		assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
		assert_int_equal(add_at(now(), "x", TARGET), 0);
		done = killed_at(n, child_drain, fds[1]);
		arrived = read(fds[0], &c, 1) == 1;
		drain(&r, TARGET);
		if (arrived)
			assert_true(!*r.got || !strcmp(r.got, "x* "));
		else
			assert_true(!strcmp(r.got, "x ") || !strcmp(r.got, "x* "));
		twice += arrived && *r.got;
		assert_int_equal(files(), 0);
		close(fds[0]);
		close(fds[1]);
	}
	assert_true(done);
	assert_true(twice >= 1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(what_was_kept_is_sent_oldest_first_and_once),
		TEST(nothing_more_is_tried_while_nobody_answers),
		TEST(what_is_refused_again_and_again_is_given_up_and_counted),
		TEST(an_answer_lost_after_the_body_is_remembered),
		TEST(entries_for_another_receiver_are_left_to_it),
		TEST(the_oldest_go_when_there_are_too_many_too_large_or_too_old),
		TEST(rubbish_in_the_directory_is_left_alone),
		TEST(a_directory_that_others_can_write_is_refused),
		TEST(one_being_sent_is_nobody_elses),
		TEST(a_disk_that_is_full_costs_the_oldest_and_leaves_no_half_file),
		TEST(a_writer_killed_at_any_step_leaves_all_or_nothing),
		TEST(a_sender_killed_at_any_step_loses_nothing_and_marks_what_may_come_twice),
	};

	return cmocka_run_group_tests_name("spool", tests, NULL, NULL);
}

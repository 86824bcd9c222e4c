/* SPDX-License-Identifier: Apache-2.0 */
/* test_exporter_life.c - what an exporter is while it runs, and what is known of how it ended. */
#include "tests/unit/exporter_fixture.h"

#include <sys/resource.h>
#include <sys/wait.h>

/* Standard output is a pipe that is full, so the exporter stays where it writes. */
struct held {
	int saved, pipe[2];
	size_t filled;
};

static void hold(struct fixture *x, struct held *h)
{
	static const char fill[4096];
	ssize_t n;

	*h = (struct held){0};
	fflush(stdout);
	h->saved = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 100);
	assert_int_equal(pipe2(h->pipe, O_CLOEXEC), 0);
	assert_int_equal(fcntl(h->pipe[1], F_SETFL, O_NONBLOCK), 0);
	while ((n = write(h->pipe[1], fill, sizeof(fill))) > 0)
		h->filled += (size_t)n;
	assert_int_equal(fcntl(h->pipe[1], F_SETFL, 0), 0);
	sink_close(&x->sink);
	dup2(h->pipe[1], STDOUT_FILENO);
	assert_int_equal(sink_open(&x->sink, "-", NULL, false, 0, NULL, x->why, sizeof(x->why)), 0);
	x->job.keep_stdout = true;
	start(x);
	dup2(h->saved, STDOUT_FILENO);
	close(h->saved);
	close(h->pipe[1]);
}

/* Wait until process @pid sleeps in write(2) to a pipe. */
static void wait_until_held(pid_t pid)
{
	char path[64], text[64];
	ssize_t n;
	int fd, i;

	snprintf(path, sizeof(path), "/proc/%d/syscall", (int)pid);
	for (i = 0; i < 60000; i++) {
		fd = open(path, O_RDONLY | O_CLOEXEC);
		n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
		if (fd >= 0)
			close(fd);
		text[n > 0 ? n : 0] = '\0';
		if (!strncmp(text, "1 0x1 ", 6))
			return;
		usleep(1000);
	}
	fail_msg("the exporter never wrote");
}

/* Let it write: everything that comes until the end. Returns bytes besides the filling. */
static size_t release(struct held *h)
{
	static char sinkhole[65536];
	size_t all = 0;
	ssize_t n;

	while ((n = read(h->pipe[0], sinkhole, sizeof(sinkhole))) > 0)
		all += (size_t)n;
	close(h->pipe[0]);
	return all - h->filled;
}

static void read_proc(pid_t pid, const char *file, char *out, size_t len)
{
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? 0 : read(fd, out, len - 1);
	out[n > 0 ? n : 0] = '\0';
	if (fd >= 0)
		close(fd);
}

static void read_link(pid_t pid, int fd, char *out, size_t len)
{
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, fd);
	n = readlink(path, out, len - 1);
	out[n > 0 ? n : 0] = '\0';
}

static void the_exporter_holds_nothing_it_should_not(void **state)
{
	struct fixture *x = *state;
	char text[256];
	struct held h;
	int perf[2];
	pid_t pid;

	assert_int_equal(pipe2(perf, O_CLOEXEC), 0);
	x->job.close_fds = perf;
	x->job.n_close_fds = 2;
	hold(x, &h);
	pid = exporter_pid(x->e);
	wait_until_held(pid);
	read_link(pid, perf[0], text, sizeof(text));
	assert_string_equal(text, "");
	read_link(pid, perf[1], text, sizeof(text));
	assert_string_equal(text, "");
	read_link(pid, 0, text, sizeof(text));
	assert_string_equal(text, "/dev/null");
	read_proc(pid, "oom_score_adj", text, sizeof(text));
	assert_string_equal(text, "1000\n");
	assert_true(getpriority(PRIO_PROCESS, (id_t)pid) >= 10);
	close(perf[0]);
	close(perf[1]);
	assert_true(release(&h) > 100);
	finish(x);
	assert_int_equal(x->result.status, 0);
}

static void reading_never_waits_and_signals_of_the_group_do_not_end_it(void **state)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGPIPE};
	struct fixture *x = *state;
	struct held h;
	size_t i, bytes;

	hold(x, &h);
	wait_until_held(exporter_pid(x->e));
	for (i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
		assert_int_equal(kill(exporter_pid(x->e), signals[i]), 0);
		assert_int_equal(exporter_read(x->e, &x->result), 0);
	}
	bytes = release(&h);
	finish(x);
	assert_int_equal(x->result.status, 0);
	assert_int_equal(x->result.bytes, bytes);
}

static void an_exporter_that_is_killed_is_reported(void **state)
{
	struct fixture *x = *state;
	struct held h;

	hold(x, &h);
	wait_until_held(exporter_pid(x->e));
	assert_int_equal(kill(exporter_pid(x->e), SIGKILL), 0);
	finish(x);
	close(h.pipe[0]);
	assert_int_equal(x->result.status, -EPIPE);
	assert_non_null(strstr(x->result.why, "killed by signal 9"));
	/* and reported again, if somebody asks again */
	assert_int_equal(exporter_read(x->e, &x->result), 1);
	assert_int_equal(x->result.status, -EPIPE);
}

/* As the parent of a program does, which reaps whatever ends. */
static void how_it_died_is_known_when_somebody_else_reaped_it(void **state)
{
	struct fixture *x = *state;
	struct held h;
	int status;

	hold(x, &h);
	wait_until_held(exporter_pid(x->e));
	assert_int_equal(kill(exporter_pid(x->e), SIGKILL), 0);
	assert_int_equal(waitpid(exporter_pid(x->e), &status, 0), exporter_pid(x->e));
	exporter_reaped(x->e, status);
	finish(x);
	close(h.pipe[0]);
	assert_int_equal(x->result.status, -EPIPE);
	assert_non_null(strstr(x->result.why, "killed by signal 9"));
}

static void an_exporter_somebody_else_reaped_is_reported_too(void **state)
{
	struct fixture *x = *state;
	struct held h;
	pid_t pid;

	hold(x, &h);
	pid = exporter_pid(x->e);
	wait_until_held(pid);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	finish(x);
	close(h.pipe[0]);
	assert_int_equal(x->result.status, -EPIPE);
	assert_non_null(strstr(x->result.why, "without a result"));
}

static void freeing_ends_one_that_still_runs(void **state)
{
	struct fixture *x = *state;
	struct held h;
	pid_t pid;

	hold(x, &h);
	pid = exporter_pid(x->e);
	wait_until_held(pid);
	exporter_free(x->e);
	x->e = NULL;
	close(h.pipe[0]);
	assert_int_equal(kill(pid, 0), -1);
	assert_int_equal(errno, ESRCH);
}

static void a_reader_that_went_away_is_an_error_not_a_death(void **state)
{
	struct fixture *x = *state;
	struct held h;

	x->job.close_fds = h.pipe; /* the child must not be the reader itself */
	x->job.n_close_fds = 1;
	hold(x, &h);
	wait_until_held(exporter_pid(x->e));
	close(h.pipe[0]);
	finish(x);
	assert_int_equal(x->result.status, -EPIPE);
	assert_non_null(strstr(x->result.why, "standard output"));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(the_exporter_holds_nothing_it_should_not),
		T(reading_never_waits_and_signals_of_the_group_do_not_end_it),
		T(an_exporter_that_is_killed_is_reported),
		T(how_it_died_is_known_when_somebody_else_reaped_it),
		T(an_exporter_somebody_else_reaped_is_reported_too),
		T(freeing_ends_one_that_still_runs),
		T(a_reader_that_went_away_is_an_error_not_a_death),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* test_exporter.c - a window's profile becomes a file, whatever happens to the process that does it. */
#include "tests/unit/exporter_fixture.h"
#include "deny.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* ---- the way it should go ---- */

static void a_profile_becomes_a_file_and_a_summary(void **state)
{
	struct fixture *x = *state;
	struct pprof *p;

	start(x);
	assert_true(exporter_pid(x->e) > 0);
	finish(x);
	assert_string_equal(x->result.why, "");
	assert_int_equal(x->result.status, 0);
	assert_string_equal(x->result.path, x->output);
	assert_true(x->result.bytes > 100);
	assert_true(x->result.total == 5900000000);
	assert_string_equal(x->result.top[0].name, "profiled_function");
	assert_true(x->result.top[0].own == 5000000000);
	assert_string_equal(x->result.top[1].name, "inner(int)");
	assert_true(x->result.unnamed_value ==
		    140000000); /* libc's stripped function and the generated code */
	assert_true(x->result.wall_ns > 0 && x->result.cpu_ns > 0 && x->result.peak_rss_kb > 0);
	assert_true(x->sink.created);
	p = read_back(x);
	assert_int_equal(p->n_samples, 7);
	assert_true(has_comment(p, "ddprof.format: 1"));
	assert_true(has_comment(p, "ddprof.tag.env: prod"));
	assert_true(has_comment(p, "ddprof.quality.samples: 590"));
	assert_true(has_comment(p, "ddprof.symbols: full"));
	assert_true(has_comment(p, "ddprof.mode: test"));
	pprof_free(p);
}

static void names_come_back_for_the_next_window(void **state)
{
	struct fixture *x = *state;
	const struct names *n = &x->s.names;

	if (x->own_location < n->n_locations)
		assert_int_equal(n->locations[x->own_location].status, NAMES_PENDING);
	start(x);
	finish(x);
	assert_true(n->n_locations > x->own_location);
	assert_int_not_equal(n->locations[x->own_location].status, NAMES_PENDING);
	assert_string_equal(strtab_get(&n->strings, n->frames[n->locations[x->own_location].first].function),
			    "profiled_function");
	profile_reset(&x->s.p);
	x->s.p.seq = 1;
	start(x);
	finish(x);
	assert_int_equal(x->result.status, 0);
	assert_int_equal(x->result.total, 0);
	assert_int_equal(x->result.n_top, 0);
}

static void a_name_that_failed_is_looked_up_again(void **state)
{
	struct fixture *x = *state;
	struct names *n = &x->s.names;

	assert_int_equal(names_set(n, x->own_location, NAMES_TIMEOUT, NULL, 0), 0);
	start(x);
	finish(x);
	assert_string_equal(strtab_get(&n->strings, n->frames[n->locations[x->own_location].first].function),
			    "profiled_function");
}

static void a_failure_that_stays_is_not_looked_up_for_ever(void **state)
{
	struct fixture *x = *state;
	struct names *n = &x->s.names;
	int i;

	for (i = 0; i < NAMES_MAX_TRIES; i++)
		assert_int_equal(names_set(n, x->own_location, NAMES_FAILED, NULL, 0), 0);
	start(x);
	finish(x);
	assert_int_equal(n->locations[x->own_location].status, NAMES_FAILED);
}

static void a_reserve_gives_names_when_descriptors_are_used_up(void **state)
{
	struct fixture *x = *state;
	int taken[256], n = 0, spent;
	struct rlimit was, few;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	exporter_reserve();
	few = (struct rlimit){64, was.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	while (n < 256 && (taken[n] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
		n++;
	spent = errno;
	x->job.close_fds = taken;
	x->job.n_close_fds = (uint32_t)n;
	for (int window = 0; window < 2; window++) {
		start(x);
		assert_true(exporter_pid(x->e) > 0);
		finish(x);
		assert_int_equal(x->result.symbolize.mode, SYMBOLIZE_FULL);
	}
	while (n)
		close(taken[--n]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	assert_int_equal(spent, EMFILE);
}

static void a_sink_that_fails_is_reported_with_its_reason(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(rmdir(x->dir), 0);
	start(x);
	finish(x);
	assert_int_equal(mkdir(x->dir, 0700), 0);
	assert_int_equal(x->result.status, -ENOENT);
	assert_non_null(strstr(x->result.why, x->output));
	assert_string_equal(x->result.path, "");
	assert_false(x->sink.created);
	assert_string_equal(x->result.top[0].name,
			    "profiled_function"); /* the summary is there all the same */
}

/* ---- windows that are kept ---- */

static void a_window_that_cannot_be_written_is_kept_and_written_by_the_next_exporter(void **state)
{
	struct fixture *x = *state;
	struct kept kept = {0};
	char path[PATH_MAX];

	x->job.kept = &kept;
	x->sink.numbered = true;
	x->s.p.seq = 7;
	snprintf(path, sizeof(path), "%s/x-000007.pb.gz", x->dir);
	assert_int_equal(mkdir(path, 0700), 0); /* nothing replaces a directory */
	start(x);
	finish(x);
	assert_true(x->result.status < 0);
	assert_int_equal(kept.n, 1);
	assert_int_equal(kept.windows[0].seq, 7);
	assert_int_equal(kept.bytes, kept.windows[0].len);
	assert_int_equal(rmdir(path), 0);
	x->s.p.seq = 8;
	start(x);
	finish(x);
	assert_int_equal(x->result.status, 0);
	assert_int_equal(kept.n, 0);
	assert_int_equal(kept.bytes, 0);
	assert_int_equal(kept.written, 1);
	assert_int_equal(unlink(path), 0);
	snprintf(path, sizeof(path), "%s/x-000008.pb.gz", x->dir);
	assert_int_equal(unlink(path), 0);
}

static void what_is_kept_is_bounded_and_the_oldest_goes_first(void **state)
{
	static uint8_t data[KEPT_MAX_BYTES / 4 + 1];
	struct kept kept = {0};
	uint32_t i;

	(void)state;
	for (i = 0; i < KEPT_MAX + 3; i++)
		kept_add(&kept, i, (const uint8_t *)"x", 1);
	assert_int_equal(kept.n, KEPT_MAX);
	assert_int_equal(kept.dropped, 3);
	assert_int_equal(kept.windows[0].seq, 3);
	kept_release(&kept);
	kept = (struct kept){0};
	for (i = 0; i < 5; i++)
		kept_add(&kept, i, data, sizeof(data));
	assert_int_equal(kept.n, 3);
	assert_int_equal(kept.windows[0].seq, 2);
	assert_int_equal(kept.dropped, 2);
	kept_release(&kept);
	assert_int_equal(kept.bytes, 0);
}

/* ---- no process to be had ---- */

#define CHECK(c)                                                                                             \
	do {                                                                                                 \
		if (!(c)) {                                                                                  \
			print_error("%d: not so: %s (%s)\n", __LINE__, #c, x->result.why);                   \
			_exit(1);                                                                            \
		}                                                                                            \
	} while (0)

static void without_fork(struct fixture *x)
{
	static const uint32_t calls[] = {SYS_clone, SYS_clone3, SYS_fork, SYS_vfork};
	struct pollfd pfd = {.events = POLLIN};
	size_t i;

	for (i = 0; i < sizeof(calls) / sizeof(*calls); i++)
		if (deny_call(calls[i], 0, 0, EAGAIN))
			_exit(77);
	CHECK(!exporter_start(&x->e, &x->job));
	CHECK(exporter_pid(x->e) == -1);
	pfd.fd = exporter_fd(x->e);
	CHECK(poll(&pfd, 1, 0) == 1);
	CHECK(exporter_read(x->e, &x->result) == 1);
	CHECK(x->result.status == 0);
	CHECK(x->result.symbolize.mode == SYMBOLIZE_ADDRESSES_ONLY);
	CHECK(strstr(x->result.symbolize.why, "Resource temporarily unavailable"));
	CHECK(x->result.total == 5900000000);
	CHECK(x->result.unnamed_value == 5140000000);
	CHECK(!strcmp(x->result.top[1].name, "inner(int)")); /* was known before */
	CHECK(x->sink.created);
	exporter_free(x->e);
}

static void without_a_process_it_is_done_here_with_what_is_known(void **state)
{
	struct fixture *x = *state;
	struct pprof *p;
	int status;
	pid_t pid = fork();

	if (!pid) {
		without_fork(x);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(status, 0);
	p = read_back(x);
	assert_int_equal(p->n_samples, 7);
	assert_true(has_comment(p, "ddprof.symbols: addresses only (no process for the export: "
				   "Resource temporarily unavailable)"));
	pprof_free(p);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_profile_becomes_a_file_and_a_summary),
		T(names_come_back_for_the_next_window),
		T(a_name_that_failed_is_looked_up_again),
		T(a_failure_that_stays_is_not_looked_up_for_ever),
		T(a_reserve_gives_names_when_descriptors_are_used_up),
		T(a_sink_that_fails_is_reported_with_its_reason),
		T(a_window_that_cannot_be_written_is_kept_and_written_by_the_next_exporter),
		T(what_is_kept_is_bounded_and_the_oldest_goes_first),
		T(without_a_process_it_is_done_here_with_what_is_known),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

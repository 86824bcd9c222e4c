/* SPDX-License-Identifier: Apache-2.0 */
/* test_symbolize_failures.c - whatever happens to the symbolizer or the file, what can be named is. */
#include "tests/unit/symbolize_fixture.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>

/* ---- when the symbolizer fails ---- */

/* What happens at a stage in the first so many attempts. */
struct fault {
	void (*act)(void);
	enum symbolize_stage stage;
	uint32_t attempts;
};

static void at_stage(void *arg, uint32_t attempt, enum symbolize_stage stage)
{
	const struct fault *f = arg;

	if (stage == f->stage && attempt < f->attempts)
		f->act();
}

static void crash(void)
{
	abort();
}

static void be_killed(void)
{
	raise(SIGKILL);
}

static void stop(void)
{
	raise(SIGSTOP);
}

static void leave(void)
{
	_exit(0);
}

static void hang(void)
{
	for (;;)
		__asm__ volatile("");
}

static void run_with_fault(struct fault f, enum symbolize_mode mode, const char *why, int status)
{
	const struct symbolize_options opt = {
		.inlines = true, .hook = at_stage, .hook_arg = &f, .deadline_ms = 1500};
	struct run r;
	uint32_t loc;

	run_init(&r, full);
	loc = fixture_location(&r.p, r.module, work_addr);
	run(&r, &opt);
	assert_int_equal(r.report.mode, mode);
	assert_non_null(strstr(r.report.why, why));
	assert_int_equal(status_of(&r, loc), status);
	if (mode == SYMBOLIZE_SYMBOLS_ONLY) {
		assert_string_equal(frame_function(&r.n, loc, 0), "work");
		assert_int_equal(frame_line(&r.n, loc, 0), 0);
	}
	run_release(&r);
}

static void a_crash_costs_lines_and_no_names(void **state)
{
	(void)state;
	run_with_fault((struct fault){crash, SYMBOLIZE_FORKED, 1}, SYMBOLIZE_SYMBOLS_ONLY,
		       "crashed (signal 6)", NAMES_SYMBOL);
	run_with_fault((struct fault){crash, SYMBOLIZE_SANDBOXED, 1}, SYMBOLIZE_SYMBOLS_ONLY,
		       "crashed (signal 6)", NAMES_SYMBOL);
	run_with_fault((struct fault){crash, SYMBOLIZE_MODULE, 1}, SYMBOLIZE_SYMBOLS_ONLY,
		       "crashed (signal 6) at 'full'", NAMES_SYMBOL);
}

static void two_crashes_leave_addresses(void **state)
{
	(void)state;
	run_with_fault((struct fault){crash, SYMBOLIZE_FORKED, 2}, SYMBOLIZE_ADDRESSES_ONLY,
		       "crashed (signal 6)", NAMES_FAILED);
	run_with_fault((struct fault){crash, SYMBOLIZE_MODULE, 2}, SYMBOLIZE_ADDRESSES_ONLY,
		       "crashed (signal 6) at 'full'", NAMES_FAILED);
}

static void being_killed_or_leaving_early_is_like_a_crash(void **state)
{
	static const enum symbolize_stage stages[] = {SYMBOLIZE_FORKED, SYMBOLIZE_SANDBOXED,
						      SYMBOLIZE_MODULE};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(stages) / sizeof(stages[0]); i++) {
		run_with_fault((struct fault){be_killed, stages[i], 1}, SYMBOLIZE_SYMBOLS_ONLY, "ended early",
			       NAMES_SYMBOL);
		run_with_fault((struct fault){leave, stages[i], 2}, SYMBOLIZE_ADDRESSES_ONLY, "ended early",
			       NAMES_FAILED);
	}
}

static void names_that_were_sent_before_an_end_are_kept(void **state)
{
	(void)state;
	run_with_fault((struct fault){crash, SYMBOLIZE_NAMED, 4}, SYMBOLIZE_FULL,
		       "crashed (signal 6) at 'full'", NAMES_DWARF);
	run_with_fault((struct fault){stop, SYMBOLIZE_NAMED, 4}, SYMBOLIZE_FULL, "took longer than 1.5 s",
		       NAMES_DWARF);
}

static void a_hang_costs_lines_and_no_names(void **state)
{
	(void)state;
	run_with_fault((struct fault){hang, SYMBOLIZE_SANDBOXED, 1}, SYMBOLIZE_SYMBOLS_ONLY,
		       "took longer than 1.5 s", NAMES_SYMBOL);
}

static void two_hangs_leave_addresses(void **state)
{
	(void)state;
	run_with_fault((struct fault){hang, SYMBOLIZE_MODULE, 2}, SYMBOLIZE_ADDRESSES_ONLY,
		       "took longer than 1.5 s at 'full'", NAMES_TIMEOUT);
}

/* Nothing runs in a stopped process, not even its limit of CPU time. */
static void a_stopped_symbolizer_is_a_hang(void **state)
{
	(void)state;
	run_with_fault((struct fault){stop, SYMBOLIZE_FORKED, 1}, SYMBOLIZE_SYMBOLS_ONLY,
		       "took longer than 1.5 s", NAMES_SYMBOL);
	run_with_fault((struct fault){stop, SYMBOLIZE_MODULE, 2}, SYMBOLIZE_ADDRESSES_ONLY,
		       "took longer than 1.5 s at 'full'", NAMES_TIMEOUT);
}

/* As a library would that was taken over; if anything is granted, the attempt fails, which the test sees. */
static void reach_out(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "/tmp/x"};
	struct iovec iov = {&a, sizeof(a)};

	if (open("/etc/passwd", O_RDONLY) >= 0 || open("/proc/self/mem", O_RDWR) >= 0 ||
	    socket(AF_INET, SOCK_STREAM, 0) >= 0 || socket(AF_UNIX, SOCK_DGRAM, 0) >= 0 || fork() >= 0 ||
	    !kill(getppid(), 0) || process_vm_readv(getppid(), &iov, 1, &iov, 1, 0) >= 0 ||
	    execl("/bin/true", "true", NULL) >= 0)
		abort();
}

static void from_inside_no_file_socket_or_process_can_be_had(void **state)
{
	struct fault f = {reach_out, SYMBOLIZE_MODULE, 4};
	const struct symbolize_options opt = {.inlines = true, .hook = at_stage, .hook_arg = &f};
	struct run r;
	uint32_t loc;

	(void)state;
	run_init(&r, full);
	loc = fixture_location(&r.p, r.module, work_addr);
	run(&r, &opt);
	assert_string_equal(r.report.why, "");
	assert_int_equal(r.report.mode, SYMBOLIZE_FULL);
	assert_int_equal(status_of(&r, loc), NAMES_DWARF);
	run_release(&r);
	/* the test can tell: before the sandbox all of it is granted */
	f.stage = SYMBOLIZE_FORKED;
	run_init(&r, full);
	fixture_location(&r.p, r.module, work_addr);
	run(&r, &opt);
	assert_non_null(strstr(r.report.why, "crashed (signal 6)"));
	run_release(&r);
}

static void too_little_memory_costs_names_not_the_profile(void **state)
{
	const struct symbolize_options opt = {.inlines = true, .memory_bytes = 1};
	struct run r;
	uint32_t loc;

	(void)state;
	run_init(&r, full);
	loc = fixture_location(&r.p, r.module, work_addr);
	run(&r, &opt);
	assert_int_not_equal(status_of(&r, loc), NAMES_PENDING);
	run_release(&r);
}

static void no_process_is_left_behind(void **state)
{
	(void)state;
	two_hangs_leave_addresses(state);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

/* ---- hostile files ---- */

/* The module as it was when it was mapped; then its contents change under us. */
static void symbolize_damaged(const char *path, long cut, long flip_at)
{
	struct run r;
	uint32_t loc;
	char byte;
	int fd;

	assert_int_equal(sh("cp %s %s/damaged", path, dir), 0);
	char damaged[96];

	snprintf(damaged, sizeof(damaged), "%s/damaged", dir);
	run_init(&r, damaged);
	loc = fixture_location(&r.p, r.module, work_addr);
	fd = open(damaged, O_RDWR);
	assert_true(fd >= 0);
	if (cut >= 0)
		assert_int_equal(ftruncate(fd, cut), 0);
	if (flip_at >= 0) {
		assert_int_equal(pread(fd, &byte, 1, flip_at), 1);
		byte = (char)~byte;
		assert_int_equal(pwrite(fd, &byte, 1, flip_at), 1);
	}
	close(fd);
	run(&r, NULL);
	assert_int_not_equal(status_of(&r, loc), NAMES_PENDING);
	run_release(&r);
}

static void a_file_cut_anywhere_is_an_answer(void **state)
{
	struct stat st;
	long i;

	(void)state;
	assert_int_equal(stat(full, &st), 0);
	for (i = 0; i < 24; i++)
		symbolize_damaged(full, st.st_size * i / 24, -1);
}

static void a_file_with_a_wrong_byte_is_an_answer(void **state)
{
	struct stat st;
	long i;

	(void)state;
	assert_int_equal(stat(full, &st), 0);
	for (i = 0; i < 40; i++)
		symbolize_damaged(full, -1, i < 8 ? 40 + i * 3 : (st.st_size - 1) * i / 40);
}

static void a_file_cut_to_nothing_is_malformed(void **state)
{
	struct run r;
	uint32_t loc;
	char path[96];

	(void)state;
	snprintf(path, sizeof(path), "%s/empty", dir);
	assert_int_equal(sh("cp %s %s", full, path), 0);
	run_init(&r, path);
	loc = fixture_location(&r.p, r.module, work_addr);
	assert_int_equal(truncate(path, 0), 0);
	run(&r, NULL);
	assert_int_equal(status_of(&r, loc), NAMES_BAD_FILE);
	run_release(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_crash_costs_lines_and_no_names),
		cmocka_unit_test(two_crashes_leave_addresses),
		cmocka_unit_test(being_killed_or_leaving_early_is_like_a_crash),
		cmocka_unit_test(names_that_were_sent_before_an_end_are_kept),
		cmocka_unit_test(a_hang_costs_lines_and_no_names),
		cmocka_unit_test(two_hangs_leave_addresses),
		cmocka_unit_test(a_stopped_symbolizer_is_a_hang),
		cmocka_unit_test(from_inside_no_file_socket_or_process_can_be_had),
		cmocka_unit_test(too_little_memory_costs_names_not_the_profile),
		cmocka_unit_test(no_process_is_left_behind),
		cmocka_unit_test(a_file_cut_anywhere_is_an_answer),
		cmocka_unit_test(a_file_with_a_wrong_byte_is_an_answer),
		cmocka_unit_test(a_file_cut_to_nothing_is_malformed),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

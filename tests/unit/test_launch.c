/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_launch.c - the wrapper cannot be told from its absence.
 *
 * Each test forks a wrapper that drives launch.h as ddprof-run does, around
 * this same binary started as "test_launch --program MODE", which says what it
 * finds on a pipe. Waiting is always for a byte or an exit, bounded by an alarm.
 */
#include "cli/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#define PATIENCE_S 30

/* ---- the program ---- */

static int say_fd = 3; /* where the program reports; inherited on purpose */

static void say(const char *fmt, ...)
{
	char line[256];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (write(say_fd, line, (size_t)n) != n)
		_exit(99);
}

/* Report every signal of the set until SIGUSR2. */
static int program_signals(void)
{
	siginfo_t si;
	sigset_t all;
	int n = 0;

	sigfillset(&all);
	sigdelset(&all, SIGALRM);
	sigprocmask(SIG_SETMASK, &all, NULL);
	alarm(PATIENCE_S);
	say("ready\n");
	for (;;) {
		if (sigwaitinfo(&all, &si) < 0)
			continue;
		say("%d %d %d %s\n", si.si_signo, si.si_code,
		    si.si_code == SI_QUEUE ? si.si_value.sival_int : 0,
		    si.si_pid == getppid() ? "parent" : "other");
		if (si.si_signo == SIGUSR2)
			return n;
		n++;
	}
}

static int program_state(void)
{
	struct sigaction sa;
	struct itimerval timer;
	struct rlimit files;
	sigset_t mask;
	int blocked = 0, ignored = 0, open_fds = 0, death = 0, subreaper = 0;

	sigprocmask(SIG_SETMASK, NULL, &mask);
	for (int s = 1; s < NSIG; s++) {
		blocked += sigismember(&mask, s) == 1;
		ignored += sigaction(s, NULL, &sa) == 0 && sa.sa_handler == SIG_IGN;
	}
	for (int fd = 0; fd < 256; fd++)
		open_fds += fcntl(fd, F_GETFD) >= 0;
	getitimer(ITIMER_REAL, &timer);
	getrlimit(RLIMIT_NOFILE, &files);
	prctl(PR_GET_PDEATHSIG, &death);
	prctl(PR_GET_CHILD_SUBREAPER, &subreaper);
	sigprocmask(SIG_SETMASK, NULL, &mask);
	say("blocked %d ignored %d usr1 %d chld-ignored %d fds %d stdin %d timer %d files %d death %d "
	    "subreaper %d\n",
	    blocked, ignored, sigismember(&mask, SIGUSR1),
	    (sigaction(SIGCHLD, NULL, &sa), sa.sa_handler == SIG_IGN), open_fds, fcntl(0, F_GETFD) >= 0,
	    timer.it_value.tv_sec > 0 || timer.it_value.tv_usec > 0, (int)files.rlim_cur, death, subreaper);
	return 0;
}

static int program(const char *mode)
{
	if (strcmp(mode, "signals") == 0)
		return program_signals();
	if (strcmp(mode, "state") == 0)
		return program_state();
	if (strncmp(mode, "exit=", 5) == 0)
		return atoi(mode + 5);
	if (strncmp(mode, "die=", 4) == 0) {
		signal(atoi(mode + 4), SIG_DFL);
		raise(atoi(mode + 4));
		return 98;
	}
	if (strcmp(mode, "wait") == 0 || strcmp(mode, "idle") == 0) { /* for the end of standard input */
		bool aloud = mode[0] == 'w';
		char c;

		alarm(PATIENCE_S);
		if (aloud)
			say("ready\n");
		while (read(0, &c, 1) > 0)
			;
		if (aloud)
			say("done\n");
		return 0;
	}
	return 97;
}

/* ---- the wrapper ---- */

static char self[4096];

struct run {
	pid_t wrapper;
	int from; /* what the program says */
	int in;   /* write end of its standard input */
};

static void wrapper_loop(struct launch *l)
{
	struct pollfd p = {.fd = launch_signal_fd(l), .events = POLLIN};

	for (;;) {
		if (poll(&p, 1, -1) < 0 && errno != EINTR)
			_exit(96);
		if (launch_signals(l) & LAUNCH_EXITED)
			return;
	}
}

static void wrapper_main(char *program_name, char *mode, int meddle)
{
	char flag[] = "--program", *argv[] = {program_name, flag, mode, NULL};
	struct rlimit more = {.rlim_cur = 200, .rlim_max = 456};
	struct launch *l;
	int err;

	if (launch_prepare(&l) < 0)
		_exit(95);
	if (meddle && setrlimit(RLIMIT_NOFILE, &more) < 0) /* as the profiler does for its own needs */
		_exit(94);
	if (launch_fork(l, argv) < 0)
		_exit(95);
	err = launch_go(l);
	if (err < 0)
		_exit(launch_exec_status(err));
	wrapper_loop(l);
	launch_exit_like(l);
}

/* Descriptor 3 becomes the program's voice; everything above 2 is closed but it. */
static void become_clean(int out, int in)
{
	setpgid(0, 0);
	dup2(in, 0);
	if (dup2(out, say_fd) < 0)
		_exit(93);
	for (int fd = 4; fd < 256; fd++)
		close(fd);
	alarm(0);
}

static struct run start(const char *program_name, const char *mode, void (*before)(void))
{
	int out[2], in[2];
	struct run r;
	char name[4096], arg[64];

	snprintf(name, sizeof(name), "%s", program_name);
	snprintf(arg, sizeof(arg), "%s", mode);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	fflush(NULL);
	r.wrapper = fork();
	assert_true(r.wrapper >= 0);
	if (r.wrapper == 0) {
		become_clean(out[1], in[0]);
		if (before)
			before();
		wrapper_main(name, arg, before != NULL);
	}
	close(out[1]);
	close(in[0]);
	r.from = out[0];
	r.in = in[1];
	return r;
}

/* One line from the program, without its end. */
static void hear(const struct run *r, char *line, size_t len)
{
	size_t n = 0;

	while (n + 1 < len && read(r->from, line + n, 1) == 1 && line[n] != '\n')
		n++;
	line[n] = '\0';
}

static void expect(const struct run *r, const char *want)
{
	char line[256];

	hear(r, line, sizeof(line));
	assert_string_equal(line, want);
}

static int finish(struct run *r)
{
	int status;

	close(r->in);
	assert_int_equal(waitpid(r->wrapper, &status, 0), r->wrapper);
	close(r->from);
	return status;
}

/* ---- the tests ---- */

static void exit_codes_pass_through(void **state)
{
	static const int codes[] = {0, 1, 3, 126, 127, 255};

	(void)state;
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		char mode[32];
		struct run r;
		int status;

		snprintf(mode, sizeof(mode), "exit=%d", codes[i]);
		r = start(self, mode, NULL);
		status = finish(&r);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), codes[i]);
	}
}

static void a_program_that_cannot_start_gives_the_shells_codes(void **state)
{
	struct run r = start("no-such-program-anywhere", "", NULL);
	int status = finish(&r);

	(void)state;
	assert_int_equal(WEXITSTATUS(status), 127);
	r = start("/etc/passwd", "", NULL);
	status = finish(&r);
	assert_int_equal(WEXITSTATUS(status), 126);
	r = start("/", "", NULL);
	status = finish(&r);
	assert_int_equal(WEXITSTATUS(status), 126);
}

static void death_by_a_signal_is_death_by_that_signal(void **state)
{
	static const int signals[] = {SIGSEGV, SIGKILL, SIGTERM, SIGABRT, SIGHUP, SIGPIPE};

	(void)state;
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		char mode[32];
		struct run r;
		int status;

		snprintf(mode, sizeof(mode), "die=%d", signals[i]);
		r = start(self, mode, NULL);
		status = finish(&r);
		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), signals[i]);
		assert_false(WCOREDUMP(status));
	}
}

static void signals_sent_to_the_wrapper_reach_the_program_once(void **state)
{
	static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGWINCH, SIGSEGV, SIGCHLD};
	struct run r = start(self, "signals", NULL);
	char want[64];
	int status;

	(void)state;
	expect(&r, "ready");
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		assert_int_equal(kill(r.wrapper, signals[i]), 0);
		snprintf(want, sizeof(want), "%d %d 0 parent", signals[i], SI_USER);
		expect(&r, want);
	}
	kill(r.wrapper, SIGUSR2);
	expect(&r, "12 0 0 parent");
	status = finish(&r);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 8); /* so none came twice */
}

static void queued_values_and_their_sender_are_kept(void **state)
{
	struct run r = start(self, "signals", NULL);
	char want[64];

	(void)state;
	expect(&r, "ready");
	for (int i = 0; i < 5; i++) {
		assert_int_equal(sigqueue(r.wrapper, SIGRTMIN + 1, (union sigval){.sival_int = 1000 + i}), 0);
		snprintf(want, sizeof(want), "%d %d %d other", SIGRTMIN + 1, SI_QUEUE, 1000 + i);
		expect(&r, want);
	}
	kill(r.wrapper, SIGUSR2);
	expect(&r, "12 0 0 parent");
	assert_int_equal(WEXITSTATUS(finish(&r)), 5);
}

static void odd_state(void)
{
	struct rlimit files = {.rlim_cur = 123, .rlim_max = 456};
	struct itimerval timer = {.it_value.tv_sec = 1000};
	sigset_t mask;

	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR1);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	signal(SIGCHLD, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	setrlimit(RLIMIT_NOFILE, &files);
	setitimer(ITIMER_REAL, &timer, NULL);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	close(0);
}

static void plain_state(void)
{
	struct rlimit files = {.rlim_cur = 321, .rlim_max = 456};
	sigset_t mask;

	for (int s = 1; s < NSIG; s++)
		signal(s, SIG_DFL);
	sigemptyset(&mask);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	setrlimit(RLIMIT_NOFILE, &files);
}

static void the_program_finds_everything_as_we_found_it(void **state)
{
	struct run r = start(self, "state", odd_state);

	(void)state;
	expect(&r, "blocked 1 ignored 2 usr1 1 chld-ignored 1 fds 3 stdin 0 timer 1 files 123 death 0 "
		   "subreaper 1");
	assert_int_equal(finish(&r), 0);

	r = start(self, "state", plain_state);
	expect(&r, "blocked 0 ignored 0 usr1 0 chld-ignored 0 fds 4 stdin 1 timer 0 files 321 death 0 "
		   "subreaper 0");
	assert_int_equal(finish(&r), 0);
}

static void close_all_three(void)
{
	plain_state();
	close(0);
	close(1);
	close(2);
}

static void closed_standard_streams_are_closed_for_the_program(void **state)
{
	struct run r = start(self, "state", close_all_three);

	(void)state;
	expect(&r, "blocked 0 ignored 0 usr1 0 chld-ignored 0 fds 1 stdin 0 timer 0 files 321 death 0 "
		   "subreaper 0");
	assert_int_equal(finish(&r), 0);
}

static void killing_the_wrapper_leaves_the_program_running(void **state)
{
	struct run r = start(self, "wait", NULL);
	int status;

	(void)state;
	expect(&r, "ready");
	assert_int_equal(kill(r.wrapper, SIGKILL), 0);
	assert_int_equal(waitpid(r.wrapper, &status, 0), r.wrapper);
	close(r.in);
	expect(&r, "done");
	close(r.from);
}

static void a_wrapper_that_dies_early_lets_the_held_program_run(void **state)
{
	char name[4096], flag[] = "--program", mode[] = "wait", *argv[] = {name, flag, mode, NULL};
	int out[2], in[2], status;
	struct launch *l;
	struct run r;

	(void)state;
	snprintf(name, sizeof(name), "%s", self);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	r.wrapper = fork();
	if (r.wrapper == 0) {
		become_clean(out[1], in[0]);
		if (launch_prepare(&l) < 0 || launch_fork(l, argv) < 0)
			_exit(95);
		raise(SIGKILL);
	}
	close(out[1]);
	close(in[0]);
	r.from = out[0];
	r.in = in[1];
	assert_int_equal(waitpid(r.wrapper, &status, 0), r.wrapper);
	assert_true(WIFSIGNALED(status));
	expect(&r, "ready");
	close(r.in);
	expect(&r, "done");
	close(r.from);
}

static void a_stopped_program_stops_the_wrapper_and_both_go_on(void **state)
{
	struct run r = start(self, "wait", NULL);
	int status;

	(void)state;
	expect(&r, "ready");
	/* The test is the group's session's leader's parent: not orphaned, so the stop takes. */
	assert_int_equal(kill(r.wrapper, SIGTSTP), 0);
	assert_int_equal(waitpid(r.wrapper, &status, WUNTRACED), r.wrapper);
	assert_true(WIFSTOPPED(status));
	assert_int_equal(WSTOPSIG(status), SIGTSTP);
	assert_int_equal(kill(r.wrapper, SIGCONT), 0); /* to us alone: we must continue the program */
	close(r.in);
	expect(&r, "done");
	assert_int_equal(waitpid(r.wrapper, &status, 0), r.wrapper);
	assert_true(WIFEXITED(status));
	close(r.from);
}

static void a_signal_while_held_acts_on_the_program(void **state)
{
	char name[4096], flag[] = "--program", mode[] = "wait", *argv[] = {name, flag, mode, NULL};
	int status;
	pid_t wrapper;

	(void)state;
	snprintf(name, sizeof(name), "%s", self);
	wrapper = fork();
	if (wrapper == 0) {
		struct launch *l;

		if (launch_prepare(&l) < 0 || launch_fork(l, argv) < 0)
			_exit(95);
		kill(launch_pid(l), SIGTERM);
		if (launch_go(l) != 0)
			_exit(94);
		wrapper_loop(l);
		launch_exit_like(l);
	}
	assert_int_equal(waitpid(wrapper, &status, 0), wrapper);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGTERM);
}

static void other_children_are_reported_and_times_are_known(void **state)
{
	char name[4096], flag[] = "--program", mode[] = "idle", *argv[] = {name, flag, mode, NULL};
	int status, in[2];
	pid_t wrapper;

	(void)state;
	snprintf(name, sizeof(name), "%s", self);
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	wrapper = fork();
	if (wrapper == 0) {
		struct pollfd p = {.events = POLLIN};
		struct launch *l;
		pid_t other;
		int events;

		dup2(in[0], 0);
		close(in[1]);
		if (launch_prepare(&l) < 0 || launch_fork(l, argv) < 0 || launch_go(l) < 0)
			_exit(95);
		other = fork();
		if (other == 0)
			_exit(7);
		p.fd = launch_signal_fd(l);
		do
			poll(&p, 1, -1);
		while (!((events = launch_signals(l)) & LAUNCH_REAPED));
		if (!launch_reaped(l, other, &status) || WEXITSTATUS(status) != 7)
			_exit(94);
		if (launch_reaped(l, other, &status) || launch_reaped(l, launch_pid(l), &status))
			_exit(93); /* once only, and never the program */
		kill(launch_pid(l), SIGKILL);
		if (!(events & LAUNCH_EXITED))
			wrapper_loop(l);
		if (launch_rusage(l)->ru_utime.tv_sec + launch_rusage(l)->ru_stime.tv_sec +
			    launch_rusage(l)->ru_utime.tv_usec + launch_rusage(l)->ru_stime.tv_usec ==
		    0)
			_exit(92);
		status = launch_wait_status(l);
		launch_free(l);
		_exit(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL ? 0 : 91);
	}
	close(in[0]);
	assert_int_equal(waitpid(wrapper, &status, 0), wrapper);
	close(in[1]);
	assert_int_equal(status, 0);
}

static void without_a_program_signals_are_ours(void **state)
{
	int status, tell[2];
	pid_t wrapper;
	char c;

	(void)state;
	assert_int_equal(pipe2(tell, O_CLOEXEC), 0);
	wrapper = fork();
	if (wrapper == 0) {
		struct pollfd p = {.events = POLLIN};
		struct launch *l;

		signal(SIGHUP, SIG_IGN);
		if (launch_prepare(&l) < 0 || write(tell[1], "r", 1) != 1)
			_exit(95);
		p.fd = launch_signal_fd(l);
		for (;;) {
			poll(&p, 1, -1);
			if (launch_signals(l) & LAUNCH_INTERRUPT)
				_exit(42);
		}
	}
	assert_int_equal(read(tell[0], &c, 1), 1);
	kill(wrapper, SIGHUP); /* ignored from the start: as under nohup */
	kill(wrapper, SIGWINCH);
	kill(wrapper, SIGINT);
	assert_int_equal(waitpid(wrapper, &status, 0), wrapper);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 42);
	close(tell[0]);
	close(tell[1]);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exit_codes_pass_through),
		cmocka_unit_test(a_program_that_cannot_start_gives_the_shells_codes),
		cmocka_unit_test(death_by_a_signal_is_death_by_that_signal),
		cmocka_unit_test(signals_sent_to_the_wrapper_reach_the_program_once),
		cmocka_unit_test(queued_values_and_their_sender_are_kept),
		cmocka_unit_test(the_program_finds_everything_as_we_found_it),
		cmocka_unit_test(closed_standard_streams_are_closed_for_the_program),
		cmocka_unit_test(killing_the_wrapper_leaves_the_program_running),
		cmocka_unit_test(a_wrapper_that_dies_early_lets_the_held_program_run),
		cmocka_unit_test(a_stopped_program_stops_the_wrapper_and_both_go_on),
		cmocka_unit_test(a_signal_while_held_acts_on_the_program),
		cmocka_unit_test(other_children_are_reported_and_times_are_known),
		cmocka_unit_test(without_a_program_signals_are_ours),
	};
	ssize_t n;
	int sig;

	if (argc == 3 && strcmp(argv[1], "--program") == 0)
		_exit(program(argv[2])); /* no leak check: the status is what is tested */
	/* Whoever started us may ignore some (nohup, a shell's background job); the tests count from none. */
	for (sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (n < 0)
		return 1;
	self[n] = '\0';
	alarm(4 * PATIENCE_S);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

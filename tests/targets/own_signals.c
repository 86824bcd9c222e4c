/* SPDX-License-Identifier: Apache-2.0 */
/*
 * own_signals.c - a program that uses signals in every way, the highest
 * real-time one, too, says what it got, and must say the same whoever profiles it.
 *
 * "own_signals threads": works with all signals blocked in every thread, as
 * worker threads of many libraries do, for about 0.4 s of CPU.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;
static volatile uint64_t sink;
static volatile sig_atomic_t got, value;

/* CPU time of this thread, so that any timer of it fires. */
__attribute__((noinline)) static void spin_blocked(unsigned ms)
{
	struct timespec begin, t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
	do {
		for (unsigned i = 0; i < 100000; i++)
			sink += i;
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	} while ((t.tv_sec - begin.tv_sec) * 1000 + (t.tv_nsec - begin.tv_nsec) / 1000000 < (long)ms);
}

static void *worker(void *arg)
{
	spin_blocked(100);
	return arg;
}

static int blocked_threads(void)
{
	pthread_t t[4];
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	for (int i = 0; i < 4; i++)
		if (pthread_create(&t[i], NULL, worker, NULL))
			return 2;
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	return 0;
}

static void handler(int sig, siginfo_t *si, void *context)
{
	(void)context;
	got = sig;
	value = si->si_value.sival_int;
}

static void own_handler(void)
{
	struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO}, old;
	union sigval v = {.sival_int = 4711};

	sigaction(SIGRTMAX, NULL, &old);
	printf("before: %s\n", old.sa_handler == SIG_DFL ? "default" : "a handler");
	for (int s = SIGRTMIN; s <= SIGRTMAX; s++)
		sigaction(s, &sa, NULL);
	sigaction(SIGRTMAX, NULL, &old);
	printf("mine: %d\n", old.sa_sigaction == handler);
	spin_blocked(50);
	printf("none yet: %d\n", got);
	sigqueue(getpid(), SIGRTMAX, v);
	printf("got %d with %d\n", got == SIGRTMAX, value);
	signal(SIGRTMAX, SIG_IGN);
	raise(SIGRTMAX);
	sigqueue(getpid(), SIGRTMAX - 1, v);
	printf("got %d with %d\n", got == SIGRTMAX - 1, value);
	for (int s = SIGRTMIN; s <= SIGRTMAX; s++)
		signal(s, SIG_DFL);
}

/* Of all signals, and of one only. */
static void waiting(void)
{
	struct timespec now = {0, 0};
	struct signalfd_siginfo si;
	sigset_t all, one;
	int fd, sig = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	spin_blocked(50);
	printf("pending: %d %s\n", sigtimedwait(&all, NULL, &now), strerror(errno));
	fd = signalfd(-1, &all, SFD_NONBLOCK);
	printf("signalfd: %zd %s\n", read(fd, &si, sizeof(si)), strerror(errno));
	raise(SIGUSR1);
	sigwait(&all, &sig);
	printf("sigwait: %d\n", sig);
	sigemptyset(&one);
	sigaddset(&one, SIGRTMAX);
	kill(getpid(), SIGRTMAX);
	sigwait(&one, &sig);
	printf("sigwait of one: %d\n", sig == SIGRTMAX);
	spin_blocked(50);
	printf("and no other: %d %s\n", sigtimedwait(&one, NULL, &now), strerror(errno));
	sigemptyset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
}

static void on_another_stack(void)
{
	stack_t ss = {.ss_size = 16384, .ss_sp = malloc(16384)}, old;

	sigaltstack(&ss, &old);
	printf("stack before: %d\n", old.ss_flags == SS_DISABLE);
	spin_blocked(50);
	sigaltstack(NULL, &old);
	printf("stack kept: %d\n", old.ss_sp == ss.ss_sp && old.ss_size == ss.ss_size);
}

static int status_of(pid_t pid)
{
	int status = -1;

	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void children(void)
{
	char *argv[] = {"sh", "-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; exit 3", NULL};
	char *bad[] = {"/no/such/program", NULL};
	FILE *f = popen("echo popen", "r");
	char line[32] = "";
	pid_t pid;

	printf("popen: %s", f && fgets(line, sizeof(line), f) ? line : "no\n");
	printf("popen: %d\n", pclose(f));
	printf("system: %d\n", WEXITSTATUS(system("exit 5")));
	printf("spawn: %d\n", posix_spawnp(&pid, "sh", NULL, NULL, argv, environ) ? -1 : status_of(pid));
	pid = vfork();
	if (!pid) {
		execve(bad[0], bad, environ);
		execvp("sh", argv);
		_exit(9);
	}
	printf("vfork: %d\n", status_of(pid));
	pid = fork();
	if (!pid) {
		spin_blocked(30);
		execl("/bin/sh", "sh", "-c", "exit 6", (char *)NULL);
		_exit(9);
	}
	printf("fork: %d\n", status_of(pid));
	pid = fork();
	if (!pid)
		raise(SIGRTMAX);
	printf("killed by it: %d\n", status_of(pid) == -SIGRTMAX);
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "threads"))
		return blocked_threads();
	setvbuf(stdout, NULL, _IONBF, 0);
	own_handler();
	on_another_stack();
	waiting();
	children();
	execv("/no/such/program", argv);
	spin_blocked(50);
	printf("still here: %s\n", getenv("LD_PRELOAD") ? getenv("LD_PRELOAD") : "not preloaded");
	return 7;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * churn.c - a process that forks, dlopens and ends children for ever: a
 * handful a second run at a time, each loads and unloads libraries, starts a
 * thread, works for some milliseconds and exits. Ends at SIGTERM.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *const libraries[] = {"libm.so.6", "libz.so.1", "libresolv.so.2", "libnss_files.so.2",
					"libelf.so.1"};
static volatile sig_atomic_t ended;
static volatile unsigned long sink;

static void end(int signo)
{
	(void)signo;
	ended = 1;
}

static void *work(void *arg)
{
	struct timespec from, now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
	do {
		for (int i = 0; i < 20000; i++)
			sink += (unsigned long)i * (unsigned long)(size_t)arg;
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	} while ((now.tv_sec - from.tv_sec) * 1000 + (now.tv_nsec - from.tv_nsec) / 1000000 < 5);
	return NULL;
}

static void child(unsigned n)
{
	void *lib = dlopen(libraries[n % (sizeof(libraries) / sizeof(*libraries))], RTLD_NOW);
	pthread_t t;

	if (!pthread_create(&t, NULL, work, (void *)(size_t)n))
		pthread_join(t, NULL);
	if (lib)
		dlclose(lib);
	_exit(0);
}

int main(void)
{
	struct sigaction sa = {.sa_handler = end};
	unsigned n = 0;
	pid_t pid;

	sigaction(SIGTERM, &sa, NULL);
	while (!ended) {
		pid = fork();
		if (!pid)
			child(n);
		n++;
		work((void *)1);
		if (pid > 0)
			waitpid(pid, NULL, 0);
	}
	printf("%u children\n", n);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * many_threads.c - a process to attach to with THREADS threads, of which BUSY
 * spend 75 and 25 % of their CPU time in two functions, in turns far shorter
 * than a sampling period, and the others wait. Says "ready" when all run, ends
 * SECONDS later and prints the CPU seconds it used. With a fourth argument,
 * children that work for 20 milliseconds come one after another meanwhile.
 */
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STACK_BYTES (64 * 1024)

static atomic_bool stop;
static volatile uint64_t sink;
static sem_t started, never;

static uint64_t now(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

__attribute__((noinline)) static void major(void)
{
	for (int i = 0; i < 10000; i++)
		sink = sink * 3 + 1;
}

__attribute__((noinline)) static void minor(void)
{
	for (int i = 0; i < 10000; i++)
		sink = sink * 5 + 1;
}

static void spend(void (*work)(void), uint64_t ns)
{
	uint64_t begin = now(CLOCK_THREAD_CPUTIME_ID);

	while (!stop && now(CLOCK_THREAD_CPUTIME_ID) - begin < ns)
		work();
}

__attribute__((noinline)) static void of_child(void)
{
	for (int i = 0; i < 10000; i++)
		sink = sink * 7 + 1;
}

static void run_child(void)
{
	pid_t pid = fork();

	if (!pid) {
		spend(of_child, 20000000);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
}

static void *busy(void *arg)
{
	uint64_t part, seed = (uint64_t)gettid();

	sem_post(&started);
	while (!stop) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		part = 300000 + (seed >> 33) % 400000; /* else turns and sampling could go in step */
		spend(major, 3 * part);
		spend(minor, part);
	}
	return arg;
}

static void *waiting(void *arg)
{
	sem_post(&started);
	sem_wait(&never);
	return arg;
}

int main(int argc, char **argv)
{
	int threads = argc > 1 ? atoi(argv[1]) : 100, n_busy = argc > 2 ? atoi(argv[2]) : 2;
	pthread_attr_t attr;
	uint64_t end;
	pthread_t t;

	sem_init(&started, 0, 0);
	sem_init(&never, 0, 0);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	/* The main thread waits, too; the busy ones are the last that a list of threads shows. */
	for (int i = 1; i < threads; i++) {
		if (pthread_create(&t, &attr, i < threads - n_busy ? waiting : busy, NULL)) {
			fprintf(stderr, "cannot start thread %d\n", i);
			return 1;
		}
		sem_wait(&started);
	}
	puts("ready");
	fflush(stdout);
	end = now(CLOCK_MONOTONIC) + (uint64_t)((argc > 3 ? atof(argv[3]) : 5) * 1e9);
	while (now(CLOCK_MONOTONIC) < end)
		if (argc > 4)
			run_child();
		else
			usleep(1000);
	stop = 1;
	printf("cpu %.3f\n", (double)now(CLOCK_PROCESS_CPUTIME_ID) / 1e9);
	return 0;
}

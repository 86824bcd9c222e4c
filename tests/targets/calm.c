/* SPDX-License-Identifier: Apache-2.0 */
/*
 * calm.c - blocking calls that no signal may cut short, thousands of each: in
 * one thread, epoll_wait, nanosleep, poll, a futex, and reads of a pipe that
 * have to come whole, while other threads use the CPU. Prints how many calls
 * were interrupted, or came back short, of each kind, and exits with 1 if any was.
 * Argument: rounds (default 1500).
 */
#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define CHUNK 300000 /* more than a pipe holds: a read meets its writer's pace */

static atomic_bool stop;
static volatile uint64_t sink;

/* Some work before each call, so that periods end anywhere in it. */
static void work(unsigned n)
{
	for (n *= 3000; n; n--)
		sink += n;
}

static void *busy(void *arg)
{
	while (!stop)
		work(1);
	return arg;
}

static void *feed(void *arg)
{
	static char data[CHUNK];
	int fd = *(int *)arg;
	ssize_t n;

	for (size_t at = 0; !stop; at = (at + (size_t)n) % CHUNK) {
		n = write(fd, data + at, CHUNK - at);
		if (n <= 0)
			return NULL;
	}
	return NULL;
}

enum { EPOLL, SLEEP, POLL, SELECT, FUTEX, SEMAPHORE, PIPE, KINDS };
static const char *const names[KINDS] = {"epoll_wait", "nanosleep",     "poll", "select",
					 "futex",      "sem_timedwait", "pipe"};
static unsigned cut[KINDS];

static void round_of_calls(int epfd, int in, unsigned i)
{
	struct timespec ms = {0, 300000}, soon, left;
	struct timeval tv = {0, 300};
	struct epoll_event ev;
	static char data[4096];
	static sem_t sem;
	uint32_t word = 0;

	work(i % 17);
	cut[EPOLL] += epoll_wait(epfd, &ev, 1, 1) < 0;
	work(i % 13);
	cut[SLEEP] += nanosleep(&ms, &left) < 0;
	work(i % 11);
	cut[POLL] += poll(NULL, 0, 1) < 0;
	work(i % 7);
	cut[SELECT] += select(0, NULL, NULL, NULL, &tv) < 0;
	work(i % 5);
	cut[FUTEX] += syscall(SYS_futex, &word, FUTEX_WAIT, 0, &ms, NULL, 0) < 0 && errno == EINTR;
	clock_gettime(CLOCK_REALTIME, &soon);
	soon.tv_nsec += 200000;
	if (soon.tv_nsec >= 1000000000) {
		soon.tv_sec++;
		soon.tv_nsec -= 1000000000;
	}
	cut[SEMAPHORE] += sem_timedwait(&sem, &soon) < 0 && errno == EINTR;
	work(i % 3);
	cut[PIPE] += read(in, data, sizeof(data)) != (ssize_t)sizeof(data);
}

int main(int argc, char **argv)
{
	unsigned rounds = argc > 1 ? (unsigned)atoi(argv[1]) : 1500, i, bad = 0;
	pthread_t threads[2];
	int fds[2], epfd = epoll_create1(0);

	if (pipe(fds) || epfd < 0 || pthread_create(&threads[0], NULL, busy, NULL) ||
	    pthread_create(&threads[1], NULL, feed, &fds[1]))
		return 2;
	signal(SIGPIPE, SIG_IGN);
	for (i = 0; i < rounds; i++)
		round_of_calls(epfd, fds[0], i);
	stop = 1;
	close(fds[0]);
	for (i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	for (i = 0; i < KINDS; i++) {
		printf("%s %u\n", names[i], cut[i]);
		bad += cut[i];
	}
	return bad != 0;
}

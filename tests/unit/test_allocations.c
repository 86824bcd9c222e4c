/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_allocations.c - the way of a sample allocates nothing once it is warm.
 *
 * Every allocation of this process is counted, the C library's included, while
 * the collector takes in samples of a child that spins in a few functions.
 * Rounds that bring a stack or a location never seen before do not count.
 */
#include "base/io.h"
#include "collect/collector.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#define SAMPLES_WANTED 2000
#define ROUNDS_MAX     4000

static volatile unsigned long allocations; /* compilers know that malloc() changes no such variable */

#if defined(__SANITIZE_ADDRESS__)
#define UNDER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define UNDER_ASAN 1
#endif
#endif

#ifdef UNDER_ASAN
int __sanitizer_install_malloc_and_free_hooks(void (*allocated)(const volatile void *, size_t),
					      void (*freed)(const volatile void *));

static void allocated(const volatile void *p, size_t size)
{
	(void)p, (void)size;
	allocations++;
}

static void freed(const volatile void *p)
{
	(void)p;
}

__attribute__((constructor)) static void install(void)
{
	__sanitizer_install_malloc_and_free_hooks(allocated, freed);
}
#else
/* glibc's own names for its allocator. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);

void *malloc(size_t size)
{
	allocations++;
	return __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	allocations++;
	return __libc_calloc(n, size);
}

void *realloc(void *p, size_t size)
{
	allocations++;
	return __libc_realloc(p, size);
}
#endif

static volatile unsigned sink;

__attribute__((noinline)) static void inner(unsigned n)
{
	while (n--)
		sink = sink * 5 + n;
}

__attribute__((noinline)) static void outer(unsigned n)
{
	inner(n);
	sink++;
}

static pid_t start_spinner(void)
{
	pid_t parent = getpid(), pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() == parent)
		for (;;)
			outer(100000);
	_exit(0);
}

struct tally {
	unsigned long samples, warm_samples, warm_allocations;
};

/* One round: wait until there is something, take it in. */
static int round_once(struct collector *c, struct profile *p, struct tally *t)
{
	struct pollfd pfd = {.fd = collector_epoll_fd(c), .events = POLLIN};
	uint32_t stacks = p->n_stacks, locations = p->n_locations;
	unsigned long before, had = p->quality.samples;
	int err;

	poll(&pfd, 1, 50);
	before = allocations;
	err = collector_drain(c, false);
	t->samples += p->quality.samples - had;
	if (p->n_stacks != stacks || p->n_locations != locations)
		return err;
	t->warm_samples += p->quality.samples - had;
	t->warm_allocations += allocations - before;
	return err;
}

static void the_counter_counts(void **state)
{
	unsigned long before = allocations;
	void *volatile p = malloc(100);

	(void)state;
	free(p);
	assert_int_equal(allocations, before + 1);
}

static void samples_allocate_nothing_once_warm(void **state)
{
	struct collector_options opt = {.frequency = 4999, .user_only = true};
	struct collector *c;
	struct profile *p;
	struct tally t = {0};
	pid_t pid = start_spinner(), bad;
	unsigned long before = allocations;
	unsigned i;
	int err;

	(void)state;
	assert_true(pid > 0);
	assert_int_equal(collector_new(&c, &opt), 0);
	assert_true(allocations > before); /* those of the library are counted */
	err = collector_attach(c, &pid, 1, &bad);
	if (!err) {
		p = collector_window(c); /* the same for the collector's life */
		collector_next(c, true);
		for (i = 0; i < ROUNDS_MAX && t.warm_samples < SAMPLES_WANTED && !err; i++)
			err = round_once(c, p, &t);
	}
	collector_free(c);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	if (err == -EACCES || err == -EPERM || err == -ENOSYS) {
		print_message("perf events are not permitted here\n");
		skip();
	}
	assert_int_equal(err, 0);
	print_message("%lu samples, of which %lu in rounds with nothing new\n", t.samples, t.warm_samples);
	assert_true(t.warm_samples >= SAMPLES_WANTED);
	assert_int_equal(t.warm_allocations, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_counter_counts),
		cmocka_unit_test(samples_allocate_nothing_once_warm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

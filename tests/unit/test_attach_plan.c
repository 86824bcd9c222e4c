/* SPDX-License-Identifier: Apache-2.0 */
/* test_attach_plan.c - when a process has too many threads for events on each, and which are the busiest. */
#include "collect/attach_busy.h"
#include "collect/attach_plan.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

static const struct attach_need roomy = {
	.threads = 100, .fds = 4, .fds_full = 6, .fds_free = 20000, .open_ns = 20000};

static void all_threads_where_they_fit(void **state)
{
	struct attach_plan p = attach_plan(&roomy);

	(void)state;
	assert_int_equal(p.limit, ATTACH_FITS);
	assert_true(p.full);
	assert_int_equal(p.threads, 100);
}

static void what_is_good_to_have_goes_first(void **state)
{
	struct attach_need n = roomy;
	struct attach_plan p;

	(void)state;
	n.fds_free = 512 + 599; /* 100 threads take 600 with all, 400 without */
	p = attach_plan(&n);
	assert_int_equal(p.limit, ATTACH_FITS);
	assert_false(p.full);
	n.fds_free = 1200;
	assert_true(attach_plan(&n).full);
	n.threads = 513;
	n.fds_free = 20000;
	p = attach_plan(&n);
	assert_int_equal(p.limit, ATTACH_FITS);
	assert_false(p.full);
}

static void too_few_descriptors_leave_room_for_files(void **state)
{
	struct attach_need n = roomy;
	struct attach_plan p;

	(void)state;
	n.threads = 5000;
	n.fds_free = 19990;
	p = attach_plan(&n);
	assert_int_equal(p.limit, ATTACH_FDS);
	assert_int_equal(p.threads, (19990 - 512) / 4);
	n.fds_free = 100;
	p = attach_plan(&n);
	assert_int_equal(p.threads, 50 / 4);
	n.fds_free = 0;
	p = attach_plan(&n);
	assert_int_equal(p.limit, ATTACH_FDS);
	assert_int_equal(p.threads, 1); /* the attempt tells what is wrong */
}

static void a_second_is_the_most_that_it_may_take(void **state)
{
	struct attach_need n = {
		.threads = 5000, .fds = 128, .fds_full = 192, .fds_free = 1000000, .open_ns = 17000};
	struct attach_plan p = attach_plan(&n);

	(void)state;
	assert_int_equal(p.limit, ATTACH_TIME);
	assert_int_equal(p.threads, 1000000000 / 17000 / 128);
	n.fds = 4;
	assert_int_equal(attach_plan(&n).limit, ATTACH_FITS);
	n.open_ns = 0; /* not known */
	n.fds = 128;
	assert_int_equal(attach_plan(&n).limit, ATTACH_FITS);
}

static void no_number_overflows(void **state)
{
	struct attach_need n = {.threads = UINT32_MAX,
				.fds = UINT32_MAX,
				.fds_full = UINT32_MAX,
				.fds_free = UINT64_MAX,
				.open_ns = UINT64_MAX};

	(void)state;
	assert_int_equal(attach_plan(&n).limit, ATTACH_TIME);
	assert_int_equal(attach_plan(&n).threads, 1);
	n.fds = 0;
	n.threads = 0;
	assert_int_equal(attach_plan(&n).limit, ATTACH_FITS);
}

/* ---- the busiest ---- */

static atomic_bool stop;
static atomic_int spinning_tid;

static void *spin(void *arg)
{
	spinning_tid = (int)gettid();
	while (!stop)
		;
	return arg;
}

static void *rest(void *arg)
{
	while (!stop)
		usleep(1000);
	return arg;
}

static void the_thread_that_works_comes_first(void **state)
{
	struct busy_list l = {0};
	pthread_t t[3];
	int i;

	(void)state;
	for (i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&t[i], NULL, i == 1 ? spin : rest, NULL), 0);
	while (!spinning_tid)
		usleep(100);
	assert_int_equal(busy_add(&l, getpid()), 0);
	busy_sort(&l);
	assert_int_equal(l.n, 4);
	assert_int_equal(l.threads[0].tid, spinning_tid);
	assert_true(l.threads[0].recent > l.threads[1].recent);
	assert_true(busy_share(&l, 1) > 500000);
	assert_int_equal(busy_share(&l, 4), 1000000);
	assert_int_equal(busy_share(&l, 0), 0);
	stop = true;
	for (i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	busy_release(&l);
}

static void no_such_process(void **state)
{
	struct busy_list l = {0};

	(void)state;
	assert_int_equal(busy_add(&l, 0x7ffffff0), -ESRCH);
	busy_sort(&l);
	assert_int_equal(busy_share(&l, 1), 0);
	busy_release(&l);
}

static void shares_come_from_totals_when_nothing_ran(void **state)
{
	struct busy_thread threads[] = {{.total = 300}, {.total = 100}};
	struct busy_list l = {.threads = threads, .n = 2};

	(void)state;
	assert_int_equal(busy_share(&l, 1), 750000);
	threads[1].recent = 10;
	assert_int_equal(busy_share(&l, 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_threads_where_they_fit),
		cmocka_unit_test(what_is_good_to_have_goes_first),
		cmocka_unit_test(too_few_descriptors_leave_room_for_files),
		cmocka_unit_test(a_second_is_the_most_that_it_may_take),
		cmocka_unit_test(no_number_overflows),
		cmocka_unit_test(the_thread_that_works_comes_first),
		cmocka_unit_test(no_such_process),
		cmocka_unit_test(shares_come_from_totals_when_nothing_ran),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

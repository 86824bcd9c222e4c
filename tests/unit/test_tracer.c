/* SPDX-License-Identifier: Apache-2.0 */
/* test_tracer.c - the records of the tracer, what its samples stand for, and what it remembers of threads. */
#include "collect/record.h"
#include "collect/tracer_private.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define MS 1000000u

static const struct record_layout *layout(void)
{
	static struct record_layout l = {.sample_type = TRACER_SAMPLE_TYPE};

	l.n_regs = (unsigned)__builtin_popcountll(regs_arch.perf_mask);
	return &l;
}

static struct tracer_facts some_facts(void)
{
	struct tracer_facts f = {.pid = 4242, .tid = 4243, .time = 77 * MS, .period = 20 * MS};
	unsigned i;

	for (i = 0; i < REGS_MAX; i++)
		f.regs[i] = 0x1000 + i;
	return f;
}

static void a_sample_reads_back_as_what_was_put_in(void **state)
{
	struct tracer_facts f = some_facts();
	static struct tracer_sample s;
	uint64_t dwarf[REGS_MAX];
	struct record r;
	size_t size;

	(void)state;
	memset(tracer_sample_stack(&s), 0x5a, 4096);
	size = tracer_sample_finish(&s, &f, 4096);
	assert_int_equal(s.words[0] >> 48, size); /* the header's last field */
	assert_int_equal(record_decode((struct perf_event_header *)(void *)s.words, layout(), &r), 0);
	assert_int_equal(r.kind, RECORD_SAMPLE);
	assert_int_equal(r.pid, 4242);
	assert_int_equal(r.tid, 4243);
	assert_int_equal(r.time, 77 * MS);
	assert_int_equal(r.u.sample.period, 20 * MS);
	assert_true(r.u.sample.user);
	assert_true(regs_from_perf(r.u.sample.regs, r.u.sample.n_regs, dwarf));
	assert_int_equal(r.u.sample.ip, dwarf[regs_arch.pc]);
	assert_memory_equal(r.u.sample.regs, f.regs, r.u.sample.n_regs * 8);
	assert_int_equal(r.u.sample.stack_size, 4096);
	assert_memory_equal(r.u.sample.stack, tracer_sample_stack(&s), 4096);
	assert_int_equal(record_time_offset(PERF_RECORD_SAMPLE, size, layout()), 4 * 8);
}

static void no_stack_and_the_largest_one_are_samples_too(void **state)
{
	static const size_t copied[] = {0, 7, 8, TRACER_STACK_MAX};
	struct tracer_facts f = some_facts();
	static struct tracer_sample s;
	struct record r;
	size_t size;

	(void)state;
	for (unsigned i = 0; i < sizeof(copied) / sizeof(copied[0]); i++) {
		size = tracer_sample_finish(&s, &f, copied[i]);
		assert_true(size <= sizeof(s) && size % 8 == 0 && size <= UINT16_MAX);
		assert_int_equal(record_decode((struct perf_event_header *)(void *)s.words, layout(), &r), 0);
		assert_int_equal(r.u.sample.stack_size, copied[i] & ~(size_t)7);
	}
}

static void an_exec_is_a_comm_record_of_the_process(void **state)
{
	const char longest[16] = "fifteen letters"; /* and its NUL */
	uint64_t words[16];
	struct record r;

	(void)state;
	assert_true(tracer_exec_record(words, 99, longest, 5 * MS) <= sizeof(words));
	assert_int_equal(record_decode((struct perf_event_header *)(void *)words, layout(), &r), 0);
	assert_int_equal(r.kind, RECORD_COMM);
	assert_true(r.u.comm.exec);
	assert_string_equal(r.u.comm.name, longest);
	assert_int_equal(r.pid, 99);
	assert_int_equal(r.tid, 99);
	assert_int_equal(r.time, 5 * MS);
}

static void a_ring_wraps_and_refuses_what_does_not_fit(void **state)
{
	static uint8_t memory[4096 + 1024] __attribute__((aligned(8)));
	static uint8_t scratch[RING_RECORD_MAX] __attribute__((aligned(8)));
	struct perf_event_header *h = (void *)scratch, seen;
	uint64_t record[50] = {0}, fill;
	struct ring *ring;
	unsigned i;

	(void)state;
	assert_int_equal(ring_new_shared(&ring, memory, 4096, 1024), 0);
	record[0] = PERF_RECORD_COMM | (uint64_t)sizeof(record) << 48;
	assert_true(tracer_push(memory, 4096, 1024, record, sizeof(record), &fill));
	assert_true(tracer_push(memory, 4096, 1024, record, sizeof(record), &fill));
	assert_int_equal(fill, 2 * sizeof(record));
	assert_false(tracer_push(memory, 4096, 1024, record, sizeof(record), &fill));
	assert_int_equal(fill, 2 * sizeof(record));
	for (i = 0; i < 20; i++) { /* several times around */
		ring_mark(ring);
		assert_int_equal(ring_peek(ring, &seen), 1);
		h = (void *)(uintptr_t)ring_record(ring, scratch);
		assert_memory_equal((uint64_t *)(void *)h + 1, record + 1, i < 2 ? 8 : sizeof(record) - 8);
		ring_consume(ring);
		memset(record + 1, (int)i, sizeof(record) - 8);
		assert_true(tracer_push(memory, 4096, 1024, record, sizeof(record), &fill));
		ring_mark(ring);
		assert_int_equal(ring_peek(ring, &seen), 1);
		ring_consume(ring);
		assert_true(tracer_push(memory, 4096, 1024, record, sizeof(record), &fill));
	}
	ring_free(ring);
}

/* ---- what a sample stands for ---- */

static uint64_t sample(struct tracer_time *t, struct tracer_used used, int in_call)
{
	uint64_t period = tracer_time_period(t, &used, in_call);

	tracer_time_took(t, &used, in_call);
	return period;
}

static void samples_in_calls_stand_for_system_time_and_others_for_user_time(void **state)
{
	uint64_t in_calls = 0, outside = 0, i;
	struct tracer_time t = {0};

	(void)state;
	/* 10 % of the time in the kernel, and every other stop there. */
	for (i = 1; i <= 100; i++) {
		struct tracer_used used = {i * 20 * MS, i * 18 * MS, i * 2 * MS};

		*(i % 2 ? &in_calls : &outside) += sample(&t, used, i % 2);
	}
	assert_true(outside <= 1800 * MS && outside >= 1760 * MS);
	assert_true(in_calls <= 200 * MS && in_calls >= 190 * MS);
}

static void the_time_before_we_came_is_not_ours(void **state)
{
	struct tracer_time t = {.begin = {5000 * MS, 4000 * MS, 1000 * MS}};

	(void)state;
	assert_int_equal(sample(&t, (struct tracer_used){5020 * MS, 4020 * MS, 1000 * MS}, 0), 20 * MS);
}

static void time_of_a_kind_that_is_never_met_is_not_left_out(void **state)
{
	static const int kinds[] = {0, 1, -1};

	(void)state;
	for (unsigned k = 0; k < 3; k++) {
		struct tracer_time t = {0};
		uint64_t sum = 0, i;

		for (i = 1; i <= 1300; i++)
			sum += sample(&t, (struct tracer_used){i * MS, i * MS / 2, i * MS / 2}, kinds[k]);
		assert_true(sum <= 1300 * MS && sum >= 1160 * MS);
	}
}

static void the_sum_never_exceeds_what_was_used(void **state)
{
	struct tracer_used used = {0};
	struct tracer_time t = {0};
	uint64_t sum = 0, x = 88172645463325252u, i;

	(void)state;
	for (i = 0; i < 20000; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		used.run_ns += x % (3 * MS);
		/* Coarse, late, and now and then going back. */
		used.user_ns = used.run_ns / (10 * MS) * (7 + x % 3) * MS;
		used.system_ns = used.run_ns / (10 * MS) * (x % 3) * MS;
		sum += sample(&t, used, (int)(x >> 20) % 2);
		assert_true(sum <= used.run_ns);
	}
	assert_true(sum >= used.run_ns - used.run_ns / 20);
}

/* ---- threads ---- */

static void threads_are_found_again_and_forgotten_when_not_seen(void **state)
{
	struct traced_threads all = {0};
	struct traced_thread *th;
	bool fresh;
	pid_t tid;

	(void)state;
	for (tid = 1; tid <= 3000; tid++) {
		th = traced_threads_get(&all, 1, tid, &fresh);
		assert_non_null(th);
		assert_true(fresh);
		th->seen = tid % 2 ? 7 : 8;
		th->stopping = tid == 11;
	}
	traced_threads_sweep(&all, 8);
	assert_int_equal(all.n, 1501);
	assert_null(traced_threads_find(&all, 13));
	assert_non_null(traced_threads_find(&all, 11));
	th = traced_threads_get(&all, 1, 2, &fresh);
	assert_false(fresh);
	th->time.user_ns = 5;
	th = traced_threads_get(&all, 2, 2, &fresh); /* the number is another process's now */
	assert_true(fresh);
	assert_int_equal(th->time.user_ns, 0);
	traced_threads_release(&all);
}

static void there_is_a_bound_to_them(void **state)
{
	struct traced_threads all = {0};
	bool fresh;
	pid_t tid;

	(void)state;
	for (tid = 1; tid <= (pid_t)TRACER_THREADS_MAX; tid++)
		assert_non_null(traced_threads_get(&all, 1, tid, &fresh));
	assert_null(traced_threads_get(&all, 1, tid, &fresh));
	assert_non_null(traced_threads_get(&all, 1, 1, &fresh));
	traced_threads_release(&all);
}

/* ---- the kernel's answers ---- */

static void who_is_traced_or_gone_is_told(void **state)
{
	pid_t by, pid = fork();

	(void)state;
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	assert_int_equal(tracer_check(pid, &by), 0);
	assert_int_equal(by, 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_int_equal(tracer_check(pid, &by), -ESRCH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sample_reads_back_as_what_was_put_in),
		cmocka_unit_test(no_stack_and_the_largest_one_are_samples_too),
		cmocka_unit_test(an_exec_is_a_comm_record_of_the_process),
		cmocka_unit_test(a_ring_wraps_and_refuses_what_does_not_fit),
		cmocka_unit_test(samples_in_calls_stand_for_system_time_and_others_for_user_time),
		cmocka_unit_test(the_time_before_we_came_is_not_ours),
		cmocka_unit_test(time_of_a_kind_that_is_never_met_is_not_left_out),
		cmocka_unit_test(the_sum_never_exceeds_what_was_used),
		cmocka_unit_test(threads_are_found_again_and_forgotten_when_not_seen),
		cmocka_unit_test(there_is_a_bound_to_them),
		cmocka_unit_test(who_is_traced_or_gone_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* test_procs.c - the process table, fed with records and with our own /proc. */
#include "collect/procs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#define FAR 4000000 /* above any pid here, so that /proc has nothing to say about it */

struct world {
	struct profile profile;
	struct modules *modules;
	struct procs *procs;
};

static int setup(void **state)
{
	static struct world w;

	memset(&w, 0, sizeof(w));
	*state = &w;
	return profile_init(&w.profile) || modules_new(&w.modules, &w.profile, 64) ||
	       procs_new(&w.procs, w.modules, &w.profile);
}

static int teardown(void **state)
{
	struct world *w = *state;

	procs_free(w->procs);
	modules_free(w->modules);
	profile_release(&w->profile);
	return 0;
}

static void fork_record(struct world *w, uint32_t ppid, uint32_t ptid, uint32_t pid, uint32_t tid,
			uint64_t time)
{
	struct record r = {.kind = RECORD_FORK, .pid = pid, .tid = tid, .time = time};

	r.u.task.ppid = ppid;
	r.u.task.ptid = ptid;
	assert_int_equal(procs_record(w->procs, &r), 0);
}

static void exit_record(struct world *w, uint32_t pid, uint32_t tid)
{
	struct record r = {.kind = RECORD_EXIT, .pid = pid, .tid = tid};

	assert_int_equal(procs_record(w->procs, &r), 0);
}

static void comm_record(struct world *w, uint32_t pid, uint32_t tid, const char *name, bool exec,
			uint64_t time)
{
	struct record r = {.kind = RECORD_COMM, .pid = pid, .tid = tid, .time = time};

	r.u.comm.name = name;
	r.u.comm.exec = exec;
	assert_int_equal(procs_record(w->procs, &r), 0);
}

static void mmap_record(struct world *w, uint32_t pid, uint64_t start, uint64_t len, uint64_t time)
{
	struct record r = {.kind = RECORD_MMAP, .pid = pid, .tid = pid, .time = time};

	r.u.mmap.start = start;
	r.u.mmap.len = len;
	r.u.mmap.prot = PROT_READ | PROT_EXEC;
	r.u.mmap.path = "//anon";
	assert_int_equal(procs_record(w->procs, &r), 0);
}

static const char *label(struct world *w, struct thread *t, unsigned i)
{
	uint32_t set = procs_labels(w->procs, t, 1);
	const struct profile_range *r = &w->profile.labelsets[set];

	assert_true(i < r->n);
	return strtab_get(&w->profile.label_strings, w->profile.labels[r->first + i].str);
}

static void a_child_has_its_parents_mappings_until_it_execs(void **state)
{
	struct world *w = *state;
	struct thread *child;

	assert_int_equal(procs_adopt(w->procs, FAR), 0);
	comm_record(w, FAR, FAR, "parent", true, 1);
	mmap_record(w, FAR, 0x10000, 0x1000, 2);
	fork_record(w, FAR, FAR, FAR + 1, FAR + 1, 3);
	child = procs_find_thread(w->procs, FAR + 1);
	assert_non_null(child);
	assert_non_null(maps_find(child->proc->maps, 0x10800));
	/* What the child maps is its own. */
	mmap_record(w, FAR + 1, 0x20000, 0x1000, 4);
	assert_non_null(maps_find(child->proc->maps, 0x20800));
	assert_null(maps_find(procs_find_thread(w->procs, FAR)->proc->maps, 0x20800));
	comm_record(w, FAR + 1, FAR + 1, "other", true, 5);
	assert_null(maps_find(child->proc->maps, 0x10800));
	assert_string_equal(label(w, child, 3), "other");
	assert_string_equal(label(w, procs_find_thread(w->procs, FAR), 3), "parent");
}

static void the_last_thread_takes_the_process_along(void **state)
{
	struct world *w = *state;
	uint32_t processes, threads;

	assert_int_equal(procs_adopt(w->procs, FAR), 0);
	fork_record(w, FAR, FAR, FAR, FAR + 1, 1);
	exit_record(w, FAR, FAR); /* the leader may end first */
	assert_non_null(procs_find_thread(w->procs, FAR + 1));
	exit_record(w, FAR, FAR + 1);
	assert_null(procs_find_thread(w->procs, FAR + 1));
	procs_seen(w->procs, &processes, &threads, true);
	assert_int_equal(processes, 1);
	assert_int_equal(threads, 2);
	procs_seen(w->procs, &processes, &threads, false);
	assert_int_equal(processes, 0);
	assert_int_equal(threads, 0);
}

static void an_exec_leaves_no_other_thread_behind(void **state)
{
	struct world *w = *state;
	uint32_t processes, threads;

	/* The exec of a thread that is not the leader: it takes the leader's number and its own has no EXIT.
	 */
	assert_int_equal(procs_adopt(w->procs, FAR), 0);
	fork_record(w, FAR, FAR, FAR, FAR + 1, 1);
	fork_record(w, FAR, FAR, FAR, FAR + 2, 2);
	comm_record(w, FAR, FAR, "new", true, 3);
	assert_null(procs_find_thread(w->procs, FAR + 1));
	assert_null(procs_find_thread(w->procs, FAR + 2));
	exit_record(w, FAR, FAR);
	procs_seen(w->procs, &processes, &threads, true);
	procs_seen(w->procs, &processes, &threads, false);
	assert_int_equal(processes, 0);
}

static void a_pid_used_again_is_another_process(void **state)
{
	struct world *w = *state;
	struct thread *t;

	assert_int_equal(procs_adopt(w->procs, FAR), 0);
	comm_record(w, FAR, FAR, "one", false, 1);
	fork_record(w, FAR, FAR, FAR + 1, FAR + 1, 2);
	mmap_record(w, FAR + 1, 0x30000, 0x1000, 3);
	/* Its EXIT is lost; the number comes again. */
	fork_record(w, FAR, FAR, FAR + 1, FAR + 1, 4);
	t = procs_find_thread(w->procs, FAR + 1);
	assert_null(maps_find(t->proc->maps, 0x30800));
}

static void a_new_name_makes_new_labels(void **state)
{
	struct world *w = *state;
	struct thread *t;

	assert_int_equal(procs_adopt(w->procs, FAR), 0);
	fork_record(w, FAR, FAR, FAR, FAR + 1, 1);
	t = procs_find_thread(w->procs, FAR + 1);
	comm_record(w, FAR, FAR + 1, "first", false, 2);
	assert_string_equal(label(w, t, 1), "first");
	comm_record(w, FAR, FAR + 1, "second", false, 3);
	assert_string_equal(label(w, t, 1), "second");
	comm_record(w, FAR, FAR, "main", false, 4); /* the process's name is in the labels of all */
	assert_string_equal(label(w, t, 3), "main");
}

static void our_own_process_is_read_from_proc(void **state)
{
	struct world *w = *state;
	struct thread *t;
	const struct mapping *m;

	assert_int_equal(procs_scan(w->procs, getpid()), 0);
	t = procs_find_thread(w->procs, getpid());
	assert_non_null(t);
	m = maps_find(t->proc->maps, (uint64_t)(uintptr_t)our_own_process_is_read_from_proc);
	assert_non_null(m);
	assert_int_equal(w->profile.modules[m->module->id].kind, MODULE_FILE);
	assert_int_equal(w->profile.modules[m->module->id].reason, MODULE_OK);
	assert_int_equal(procs_scan(w->procs, FAR), -3 /* ESRCH */);
	procs_rescan(w->procs);
	assert_non_null(procs_find_thread(w->procs, getpid()));
}

static void after_lost_records_processes_that_are_gone_are_forgotten(void **state)
{
	struct world *w = *state;
	uint32_t i;

	for (i = 0; i < 50; i++) {
		assert_int_equal(procs_adopt(w->procs, (pid_t)(FAR + i)), 0);
		fork_record(w, FAR + i, FAR + i, FAR + i, FAR + 100 + i, 1);
	}
	procs_rescan(w->procs);
	for (i = 0; i < 50; i++)
		assert_null(procs_find_thread(w->procs, (pid_t)(FAR + 100 + i)));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_child_has_its_parents_mappings_until_it_execs),
		TEST(the_last_thread_takes_the_process_along),
		TEST(an_exec_leaves_no_other_thread_behind),
		TEST(a_pid_used_again_is_another_process),
		TEST(a_new_name_makes_new_labels),
		TEST(our_own_process_is_read_from_proc),
		TEST(after_lost_records_processes_that_are_gone_are_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* test_tidy.c - a capture that meets ever new files: what it keeps, gives back, and never confuses. */
#include "collect/collector_private.h"
#include "symbolize/names.h"

#include "tests/unit/fake_elf.h"

#include <dirent.h>
#include <fcntl.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cmocka.h>

#define FAR         4000000 /* above any pid here */
#define AT          0x10000 /* where everything is mapped */
#define MARK        0x3ff0  /* what tells one file's contents from another's is here */
#define MAX_MODULES 64
#define PER_WINDOW  20
#define WINDOWS     150

struct world {
	char dir[64];
	struct collector *c;
	struct names names;
	struct fake_elf elf;
	uint64_t time;
	uint32_t renumbered; /* times */
	uint32_t asked;      /* names that were not known */
};

static int set_up_with(void **state, uint32_t max_modules)
{
	struct collector_options opt = {.frequency = 99, .max_modules = max_modules};
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	strcpy(w->dir, "/tmp/ddprof-test-tidy.XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	assert_int_equal(chmod(w->dir, 0755), 0);
	assert_int_equal(collector_new(&w->c, &opt), 0);
	/* made when events are opened, and here are none */
	w->c->profile.default_type = profile_add_type(&w->c->profile, "samples", "count");
	assert_int_equal(names_init(&w->names), 0);
	fake_init(&w->elf, FAKE_TABLE);
	fake_fde(&w->elf, FAKE_CODE, 0x40, NULL, 0);
	fake_finish(&w->elf, FAKE_CODE);
	*state = w;
	return 0;
}

static int set_up(void **state)
{
	return set_up_with(state, MAX_MODULES);
}

static int set_up_as_shipped(void **state)
{
	return set_up_with(state, 0);
}

static int tear_down(void **state)
{
	struct world *w = *state;
	char command[128];

	names_release(&w->names);
	collector_free(w->c);
	snprintf(command, sizeof(command), "rm -rf '%s'", w->dir);
	assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c) */
	free(w);
	return 0;
}

static void path_of(const struct world *w, unsigned i, char path[128])
{
	snprintf(path, 128, "%s/file%u", w->dir, i);
}

static void write_file(struct world *w, unsigned i, uint64_t mark)
{
	char path[128];
	int fd;

	path_of(w, i, path);
	memcpy(w->elf.image + MARK, &mark, sizeof(mark));
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, w->elf.image, FAKE_SIZE), FAKE_SIZE);
	close(fd);
}

static void record(struct world *w, struct record *r, pid_t pid)
{
	r->pid = r->tid = (uint32_t)pid;
	r->time = ++w->time;
	assert_int_equal(procs_record(w->c->procs, r), 0);
}

static void start_process(struct world *w, pid_t pid)
{
	struct record r = {.kind = RECORD_COMM, .u.comm = {.name = "p", .exec = true}};

	record(w, &r, pid);
}

static void end_process(struct world *w, pid_t pid)
{
	struct record r = {.kind = RECORD_EXIT};

	record(w, &r, pid);
}

/* Process @pid maps file @i at @at. */
static void map_file(struct world *w, pid_t pid, unsigned i, uint64_t at)
{
	struct record r = {.kind = RECORD_MMAP};
	struct stat st;
	char path[128];

	path_of(w, i, path);
	assert_int_equal(stat(path, &st), 0);
	r.u.mmap.start = at;
	r.u.mmap.len = FAKE_SIZE;
	r.u.mmap.prot = PROT_READ | PROT_EXEC;
	r.u.mmap.path = path;
	r.u.mmap.maj = major(st.st_dev);
	r.u.mmap.min = minor(st.st_dev);
	r.u.mmap.ino = st.st_ino;
	record(w, &r, pid);
}

static const struct mapping *mapping_at(struct world *w, pid_t pid, uint64_t at)
{
	struct thread *t = procs_find_thread(w->c->procs, pid);
	const struct mapping *m;

	assert_non_null(t);
	m = maps_find(t->proc->maps, at);
	assert_non_null(m);
	return m;
}

/* One sample of @pid in what is mapped at @at, worth @value. */
static void sample(struct world *w, pid_t pid, uint64_t at, int64_t value)
{
	struct profile *p = &w->c->profile;
	uint32_t loc[2] = {profile_location(p, mapping_at(w, pid, at)->mapping_id, 0x2010),
			   w->c->loc_incomplete};

	assert_true(loc[0] < p->n_locations);
	assert_int_equal(profile_add(p, profile_stack(p, loc, 2), p->overflow_labels, p->default_type, value),
			 0);
}

static const char *module_path(const struct profile *p, uint32_t loc)
{
	uint32_t mapping = p->locations[loc].mapping;

	if (mapping == PROFILE_NONE)
		return strtab_get(&p->strings, (uint32_t)p->locations[loc].off);
	assert_true(mapping < p->n_mappings);
	assert_true(p->mappings[mapping].module < p->n_modules);
	return strtab_get(&p->strings, p->modules[p->mappings[mapping].module].path);
}

/* What the exporter does: every location of a stack is named, after its file, unless it has its name already.
 */
static void name_and_check(struct world *w)
{
	const struct profile *p = &w->c->profile;
	struct names_frame f = {0};
	uint32_t i, loc;

	for (i = 0; i < p->n_frames; i++) {
		loc = p->frames[i];
		assert_true(loc < p->n_locations);
		if (loc >= w->names.n_locations || w->names.locations[loc].status == NAMES_PENDING) {
			assert_int_equal(strtab_put(&w->names.strings, module_path(p, loc), &f.function), 0);
			f.line = 7;
			assert_int_equal(names_set(&w->names, loc, NAMES_DWARF, &f, 1), 0);
			w->asked++;
		}
		assert_string_equal(strtab_get(&w->names.strings,
					       w->names.frames[w->names.locations[loc].first].function),
				    module_path(p, loc));
		assert_int_equal(w->names.frames[w->names.locations[loc].first].line, 7);
	}
}

static void end_window(struct world *w, bool keep)
{
	uint32_t *locations, n;

	assert_int_equal(collector_tidy(w->c, &locations, &n), 0);
	if (locations) {
		names_renumber(&w->names, locations, n);
		w->renumbered++;
	}
	free(locations);
	name_and_check(w);
	/* as collector_next(), which reads the events' counts besides, and here are none */
	jits_next(procs_jits(w->c->procs));
	if (!keep)
		profile_reset(&w->c->profile);
}

static int64_t value_of(const struct profile *p, const char *path)
{
	int64_t sum = 0;
	uint32_t i;

	for (i = 0; i < p->n_samples; i++) {
		const struct profile_range *s = &p->stacks[p->samples[i].stack];

		if (s->n == 2 && !strcmp(module_path(p, p->frames[s->first]), path))
			sum += p->values[(size_t)i * p->n_types + p->default_type];
	}
	return sum;
}

static unsigned open_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n - 3; /* "." and "..", and its own */
}

/* A compiler run again and again: each file is mapped by one short process, sampled, and deleted. */
static void short_lived(struct world *w, unsigned i)
{
	pid_t pid = FAR + 1 + (pid_t)i;
	char path[128];

	path_of(w, i, path);
	write_file(w, i, i);
	start_process(w, pid);
	map_file(w, pid, i, AT);
	assert_int_equal(unlink(path), 0);
	sample(w, pid, AT + 0x10, (int64_t)i + 1);
	end_process(w, pid);
	assert_int_equal(value_of(&w->c->profile, path), (int64_t)i + 1);
}

static void files_that_are_gone_make_room(void **state)
{
	struct world *w = *state;
	const struct profile *p = &w->c->profile;
	unsigned before, i, window, next = 1;
	size_t text = 0;

	write_file(w, 0, 0);
	start_process(w, FAR);
	map_file(w, FAR, 0, AT);
	before = open_descriptors();
	for (window = 0; window < WINDOWS; window++) {
		sample(w, FAR, AT, 1);
		for (i = 0; i < PER_WINDOW; i++)
			short_lived(w, next++);
		assert_int_equal(value_of(p, "[too many modules]"), 0);
		end_window(w, false);
		/* those of this window, and of the two before it */
		assert_in_range(open_descriptors(), before, before + 3 * PER_WINDOW);
		assert_true(p->n_modules <= MAX_MODULES + 8);
		if (window == 20)
			text = p->strings.bytes_len + w->names.strings.bytes_len;
	}
	assert_true(w->renumbered >= WINDOWS / 10);
	/* Nothing has grown after the beginning, and what is still there was named once only. */
	assert_true(p->strings.bytes_len + w->names.strings.bytes_len <= 2 * text);
	assert_true(p->n_locations <= 2 * MAX_MODULES && w->names.n_frames <= 4 * MAX_MODULES);
	assert_in_range(w->asked, next, next + 8);
}

static void a_whole_run_keeps_what_it_has_seen(void **state)
{
	struct world *w = *state;
	const struct profile *p = &w->c->profile;
	unsigned i, next = 1, window;
	char path[128];

	write_file(w, 0, 0);
	start_process(w, FAR);
	map_file(w, FAR, 0, AT);
	for (window = 0; window < 4; window++) {
		sample(w, FAR, AT, 100);
		for (i = 0; i < 10; i++)
			short_lived(w, next++);
		for (i = 0; i < 3 * PER_WINDOW; i++) { /* never sampled */
			write_file(w, 1000 + window * 100 + i, i);
			start_process(w, FAR - 1);
			map_file(w, FAR - 1, 1000 + window * 100 + i, AT);
			end_process(w, FAR - 1);
			if (i % 10 == 9)
				end_window(w, true);
		}
	}
	assert_true(w->renumbered >= 2);
	for (i = 1; i < next; i++) {
		path_of(w, i, path);
		assert_int_equal(value_of(p, path), i + 1);
	}
	path_of(w, 0, path);
	assert_int_equal(value_of(p, path), 400);
	assert_in_range(w->asked, next, next + 8);
}

static uint64_t mark_read(struct world *w, struct module *m)
{
	uint64_t mark = 0;

	return module_read(w->c->modules, m, MARK, &mark, sizeof(mark)) ? UINT64_MAX : mark;
}

static void descriptors_go_to_those_that_need_them(void **state)
{
	struct world *w = *state;
	struct profile *p = &w->c->profile;
	struct rlimit was, low;
	unsigned i, n = MAX_MODULES - 8, open_now = 0;
	struct module *m[MAX_MODULES];
	char path[128], other[160];

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	low = was;
	low.rlim_cur = open_descriptors() + 16; /* for files, besides those that are left to others */
	low.rlim_cur += low.rlim_cur + 8 < 64 ? 8 : 32;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	start_process(w, FAR);
	for (i = 0; i < n; i++) {
		write_file(w, i, 1000 + i);
		map_file(w, FAR, i, AT + i * 0x10000);
		m[i] = mapping_at(w, FAR, AT + i * 0x10000)->module;
		assert_int_equal(module_by_id(w->c->modules, m[i]->id)->info->reason, MODULE_OK);
		path_of(w, i, path);
		if (i == 3) /* deleted while it runs: it could not be opened again */
			assert_int_equal(unlink(path), 0);
	}
	for (i = 0; i < n; i++)
		assert_int_equal(mark_read(w, m[i]), 1000 + i);
	for (i = 0; i < p->n_modules; i++)
		open_now += p->modules[i].fd >= 0;
	assert_in_range(open_now, 8, 16);
	open_now = 0;

	/* Another file stands there by now; one was only touched; one is gone. */
	snprintf(other, sizeof(other), "%s/file%u", w->dir, 999);
	write_file(w, 999, 5555);
	path_of(w, 0, path);
	assert_int_equal(rename(other, path), 0);
	path_of(w, 1, path);
	assert_int_equal(unlink(path), 0);
	end_window(w, false);
	sample(w, FAR, AT + 2 * 0x10000, 1);
	end_window(w, false);
	assert_true(p->modules[m[2]->id].fd >= 0);
	for (i = 2; i < n; i++)
		assert_int_equal(mark_read(w, m[i]), 1000 + i);
	for (i = 0; i < p->n_modules; i++)
		open_now += p->modules[i].fd >= 0;
	assert_in_range(open_now, 1, 16);
	assert_int_equal(p->modules[m[0]->id].fd, -1);
	assert_int_equal(mark_read(w, m[0]), UINT64_MAX);
	assert_int_equal(p->modules[m[0]->id].reason, MODULE_REPLACED);
	assert_int_equal(mark_read(w, m[1]), UINT64_MAX);
	assert_int_equal(p->modules[m[1]->id].reason, MODULE_GONE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
}

static void a_file_mapped_again_is_the_same_module_only_if_unchanged(void **state)
{
	struct world *w = *state;
	struct profile *p = &w->c->profile;
	uint32_t first, again, changed;
	int i;

	write_file(w, 1, 11);
	start_process(w, FAR);
	map_file(w, FAR, 1, AT);
	first = mapping_at(w, FAR, AT)->module->id;
	end_process(w, FAR);
	for (i = 0; i < 4; i++)
		end_window(w, false);
	assert_int_equal(p->modules[first].fd, -1);

	start_process(w, FAR);
	map_file(w, FAR, 1, AT);
	again = mapping_at(w, FAR, AT)->module->id;
	assert_int_equal(again, first);
	assert_true(p->modules[first].fd >= 0);
	assert_int_equal(p->modules[first].reason, MODULE_OK);
	end_process(w, FAR);
	for (i = 0; i < 4; i++)
		end_window(w, false);
	assert_int_equal(p->modules[first].fd, -1);

	/* Written anew in place: the same inode, other contents, and a time that tells. */
	write_file(w, 1, 22);
	start_process(w, FAR);
	map_file(w, FAR, 1, AT);
	changed = mapping_at(w, FAR, AT)->module->id;
	assert_int_not_equal(changed, first);
	assert_int_equal(mark_read(w, mapping_at(w, FAR, AT)->module), 22);
	assert_int_equal(p->modules[first].reason, MODULE_REPLACED);
}

static void generated_code_of_ended_processes_is_forgotten(void **state)
{
	struct world *w = *state;
	struct profile *p = &w->c->profile;
	struct record r = {.kind = RECORD_MMAP};
	unsigned window, i;
	pid_t pid = FAR;

	r.u.mmap.start = AT;
	r.u.mmap.len = FAKE_SIZE;
	r.u.mmap.prot = PROT_READ | PROT_EXEC;
	r.u.mmap.path = "//anon";
	for (window = 0; window < 40; window++) {
		for (i = 0; i < 1000; i++) {
			start_process(w, ++pid);
			record(w, &r, pid);
			sample(w, pid, AT, 1);
			assert_int_equal(p->modules[mapping_at(w, pid, AT)->module->id].pid, pid);
			end_process(w, pid);
		}
		end_window(w, false);
	}
	assert_true(w->renumbered >= 5);
	assert_true(p->n_modules < 8000 && p->n_jits < 8000);
}

/* Bytes in use for each of PROCESSES more processes with MAPPINGS mappings; of files of its own, or the same
 * for all. Each mapping is sampled and its file read. */
#define PROCESSES 100
#define MAPPINGS  50
static size_t bytes_a_process(struct world *w, bool own_files)
{
	char path[128], other[128];
	unsigned i, k, file;
	size_t before;

	write_file(w, 0, 0);
	path_of(w, 0, path);
	start_process(w, FAR);
	map_file(w, FAR, 0, AT); /* what is had once for all is there */
	sample(w, FAR, AT, 1);
	(void)mark_read(w, mapping_at(w, FAR, AT)->module);
	for (i = 1; i <= PROCESSES * MAPPINGS; i++) {
		path_of(w, i, other); /* a file by path and inode */
		assert_int_equal(link(path, other), 0);
	}
	before = mallinfo2().uordblks + mallinfo2().hblkhd;
	for (i = 0; i < PROCESSES; i++) {
		start_process(w, FAR + 1 + (pid_t)i);
		for (k = 0; k < MAPPINGS; k++) {
			file = 1 + (own_files ? i * MAPPINGS + k : k);
			map_file(w, FAR + 1 + (pid_t)i, file, AT + k * 0x10000);
			sample(w, FAR + 1 + (pid_t)i, AT + k * 0x10000, 1);
			(void)mark_read(w, mapping_at(w, FAR + 1 + (pid_t)i, AT + k * 0x10000)->module);
		}
	}
	assert_true(w->c->profile.n_modules > (own_files ? PROCESSES * MAPPINGS : MAPPINGS));
	return (mallinfo2().uordblks + mallinfo2().hblkhd - before) / PROCESSES;
}

static void a_process_with_shared_files_takes_8_kb_at_most(void **state)
{
	size_t bytes = bytes_a_process(*state, false);

	print_message("a process with %d mappings of shared files: %zu bytes\n", MAPPINGS, bytes);
	assert_true(bytes <= 8 << 10);
}

static void a_process_with_files_of_its_own_takes_128_kb_at_most(void **state)
{
	size_t bytes = bytes_a_process(*state, true);

	print_message("a process with %d mappings of files of its own: %zu bytes\n", MAPPINGS, bytes);
	assert_true(bytes <= 128 << 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(files_that_are_gone_make_room, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_whole_run_keeps_what_it_has_seen, set_up, tear_down),
		cmocka_unit_test_setup_teardown(descriptors_go_to_those_that_need_them, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_file_mapped_again_is_the_same_module_only_if_unchanged,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_process_with_shared_files_takes_8_kb_at_most,
						set_up_as_shipped, tear_down),
		cmocka_unit_test_setup_teardown(a_process_with_files_of_its_own_takes_128_kb_at_most,
						set_up_as_shipped, tear_down),
		cmocka_unit_test_setup_teardown(generated_code_of_ended_processes_is_forgotten, set_up,
						tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

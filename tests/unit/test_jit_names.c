/* SPDX-License-Identifier: Apache-2.0 */
/* test_jit_names.c - names of generated code: perf maps, jitdumps, which code was where when, Go's tables. */
#include "collect/jit.h"
#include "collect/jitdump.h"
#include "symbolize/gopclntab.h"
#include "tests/fuzz/source_fuzz.h"
#include "tests/unit/elf_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define ADDRS 8

struct lookup {
	struct profile_module mod;
	struct source_module m;
	struct source_addr addrs[ADDRS];
	struct names n;
};

/* An empty lookup in @data as a file of kind @which. Add addresses with want(), in order. */
static void begin(struct lookup *l, int which, const void *data, size_t len)
{
	memset(l, 0, sizeof(*l));
	assert_int_equal(names_init(&l->n), 0);
	l->mod = (struct profile_module){.kind = MODULE_ANON, .fd = -1};
	l->m = (struct source_module){.mod = &l->mod,
				      .path = "[anon]",
				      .debug_fd = -1,
				      .alt_fd = -1,
				      .aux_fd = {-1, -1},
				      .missing = NAMES_JIT_UNMAPPED,
				      .addrs = l->addrs};
	l->m.aux_fd[which] = fuzz_file(data, len);
	assert_true(l->m.aux_fd[which] >= 0);
}

static void want(struct lookup *l, uint64_t vaddr, uint64_t time)
{
	assert_true(l->m.n_addrs < ADDRS);
	l->addrs[l->m.n_addrs] = (struct source_addr){.vaddr = vaddr, .time = time, .location = l->m.n_addrs};
	l->m.n_addrs++;
}

static void resolve(struct lookup *l, const struct source *src)
{
	assert_int_equal(src->resolve(&l->m, &l->n, true), 0);
	close(l->m.aux_fd[0]);
	close(l->m.aux_fd[1]);
}

static void assert_name(const struct lookup *l, uint32_t i, const char *name)
{
	assert_true(l->addrs[i].done);
	assert_string_equal(frame_function(&l->n, i, 0), name);
	assert_int_equal(l->n.locations[i].status, NAMES_JIT);
}

static void the_last_line_of_a_perf_map_holds(void **state)
{
	static const char map[] = "1000 100 old\n"
				  "0x1000 0x80 new\n"
				  "no line at all\n"
				  "ffffffffffffffff 10 wraps\n"
				  "2000 10 _ZN3foo3barEv\r\n"
				  "3000 10 half";
	struct lookup l;

	(void)state;
	begin(&l, SOURCE_FD_PERFMAP, map, sizeof(map) - 1);
	want(&l, 0xfff, 0);
	want(&l, 0x1000, 0);
	want(&l, 0x107f, 0);
	want(&l, 0x1080, 0);
	want(&l, 0x2005, 0);
	want(&l, 0x3000, 0);
	resolve(&l, &source_perfmap);
	assert_false(l.addrs[0].done);
	assert_name(&l, 1, "new");
	assert_name(&l, 2, "new");
	assert_name(&l, 3, "old");
	assert_name(&l, 4, "foo::bar()");
	assert_string_equal(frame_system_name(&l.n, 4, 0), "_ZN3foo3barEv");
	assert_false(l.addrs[5].done); /* not written to its end yet */
	assert_int_equal(l.m.missing, NAMES_JIT_NOT_LISTED);
	names_release(&l.n);
}

static void what_runtimes_write_is_taken_apart(void **state)
{
	static const char map[] = "1000 10 JS:*fib /srv/my app.js:12:34\n"
				  "1010 10 JS:~ file:///srv/x.js:3:1\n"
				  "1020 10 LazyCompile:^get size node:internal/url:7\n"
				  "1030 10 Builtin:ArrayMap\n"
				  "1040 10 py::Class.method:/a:b/x.py\n"
				  "1050 10 py::<module>:<frozen runpy>\n"
				  "1060 10 RegExp:[a-z]+\n";
	static const struct {
		const char *function, *file;
		uint32_t start;
	} is[] = {
		{"fib", "/srv/my app.js", 12},
		{"(anonymous)", "/srv/x.js", 3},
		{"get size", "node:internal/url", 7},
		{"Builtin:ArrayMap", "", 0},
		{"Class.method", "/a:b/x.py", 0},
		{"<module>", "<frozen runpy>", 0},
		{"[a-z]+", "", 0},
	};
	struct lookup l;
	uint32_t i;

	(void)state;
	begin(&l, SOURCE_FD_PERFMAP, map, sizeof(map) - 1);
	for (i = 0; i < 7; i++)
		want(&l, 0x1000 + i * 16, 0);
	resolve(&l, &source_perfmap);
	for (i = 0; i < 7; i++) {
		const struct names_frame *f = &l.n.frames[l.n.locations[i].first];

		assert_name(&l, i, is[i].function);
		assert_string_equal(strtab_get(&l.n.strings, f->file), is[i].file);
		assert_int_equal(f->start_line, is[i].start);
	}
	assert_string_equal(frame_system_name(&l.n, 0, 0), "JS:*fib /srv/my app.js:12:34");
	names_release(&l.n);
}

static void a_jitdump_answers_for_the_time_asked(void **state)
{
	struct lookup l;
	uint8_t *data;
	size_t len;

	(void)state;
	data = fixture_read("tests/fixtures/fuzz_jitdump/reuse", &len);
	begin(&l, SOURCE_FD_JITDUMP, data, len);
	want(&l, 0x1000, 60);
	want(&l, 0x1000, 150);
	want(&l, 0x1010, 10); /* before anything is known to have been there: the first that came */
	want(&l, 0x1014, 100);
	want(&l, 0x1040, 100); /* behind the code */
	want(&l, 0x1204, 500); /* moved here */
	resolve(&l, &source_jitdump);
	assert_name(&l, 0, "first");
	assert_string_equal(frame_file(&l.n, 0, 0), "a.x");
	assert_int_equal(frame_line(&l.n, 0, 0), 7);
	assert_name(&l, 1, "second");
	assert_int_equal(frame_line(&l.n, 1, 0), 0);
	assert_name(&l, 2, "first");
	assert_name(&l, 3, "first");
	assert_int_equal(frame_line(&l.n, 3, 0), 8);
	assert_string_equal(frame_file(&l.n, 3, 0), "a.x"); /* "the same as before" */
	assert_false(l.addrs[4].done);
	assert_name(&l, 5, "second");
	names_release(&l.n);
	free(data);
}

static void code_is_numbered_only_where_it_replaces_code(void **state)
{
	struct jit_code c = {0};

	(void)state;
	jit_code_put(&c, 0x1000, 0x1100, 100);
	jit_code_put(&c, 0x1100, 0x1200, 200);
	assert_int_equal(jit_code_generation(&c, 0x1080, 150), 0);
	assert_int_equal(jit_code_generation(&c, 0x1180, 250), 0);
	assert_int_equal(c.generations, 0);
	jit_code_put(&c, 0x10c0, 0x1140, 300); /* in place of both */
	assert_int_equal(c.n, 1);
	assert_int_equal(jit_code_generation(&c, 0x10c0, 299), 0);
	assert_int_equal(jit_code_generation(&c, 0x10c0, 300), 1);
	assert_int_equal(jit_code_generation(&c, 0x1000, 400), 0); /* there is none */
	jit_code_put(&c, 0x10c0, 0x1140, 400);
	assert_int_equal(jit_code_generation(&c, 0x1100, 350), 1);
	assert_int_equal(jit_code_generation(&c, 0x1100, 450), 2);
	jit_code_release(&c);
}

static void a_growing_jitdump_is_read_as_far_as_it_is_written(void **state)
{
	struct jit_code c = {0};
	uint8_t *data;
	size_t len, i;
	int fd = fuzz_file(NULL, 0);

	(void)state;
	data = fixture_read("tests/fixtures/fuzz_jitdump/reuse", &len);
	for (i = 0; i < len; i++) {
		assert_int_equal(io_write_all(fd, data + i, 1), 0);
		assert_true(jit_code_read(&c, fd));
	}
	assert_false(c.broken);
	assert_int_equal(c.off, len);
	assert_int_equal(jit_code_generation(&c, 0x1000, 149), 0);
	assert_int_equal(jit_code_generation(&c, 0x1000, 150), 1);
	assert_int_equal(jit_code_generation(&c, 0x1200, 200), 0);
	jit_code_release(&c);
	close(fd);
	free(data);
}

static void only_jitdumps_are_taken_for_one(void **state)
{
	(void)state;
	assert_true(jits_is_dump("/home/u/jit-123.dump"));
	assert_true(jits_is_dump("/jit-1.dump"));
	assert_false(jits_is_dump("/home/u/jit-.dump"));
	assert_false(jits_is_dump("/home/u/jit-1x.dump"));
	assert_false(jits_is_dump("/home/u/jit-1.dump (deleted)"));
	assert_false(jits_is_dump("/home/u/xjit-1.dump"));
	assert_false(jits_is_dump("//anon"));
}

static void all_four_layouts_of_gos_table_are_read(void **state)
{
	static const char *const versions[] = {"2", "16", "18", "20"};
	struct gopcln_function f;
	struct gopclntab t;
	const char *file;
	uint32_t i, line;
	char path[64];
	uint8_t *data;
	size_t len;

	(void)state;
	for (i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "tests/fixtures/fuzz_gopclntab/go1.%s", versions[i]);
		data = fixture_read(path, &len);
		assert_int_equal(gopclntab_open(&t, data, len), 0);
		assert_int_equal(t.version, (enum gopcln_version)i);
		assert_true(gopclntab_find(&t, 63, &f));
		assert_string_equal(f.name, "f");
		gopclntab_line(&t, &f, 63, &file, &line);
		assert_int_equal(line, 2);
		assert_true(gopclntab_find(&t, 64, &f));
		assert_string_equal(f.name, "g");
		assert_int_equal(f.entry, 64);
		assert_int_equal(f.end, 128);
		gopclntab_line(&t, &f, 95, &file, &line);
		assert_int_equal(line, 1);
		assert_int_equal(f.start_line, i == 3 ? 5 : 0);
		assert_false(gopclntab_find(&t, 128, &f));
		/* However short it is cut, nothing is read beyond its end (sanitizers look). */
		while (len--) {
			data[len] = '\0';
			if (!gopclntab_open(&t, data, len) && gopclntab_find(&t, 64, &f))
				gopclntab_line(&t, &f, 95, &file, &line);
		}
		free(data);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_line_of_a_perf_map_holds),
		cmocka_unit_test(what_runtimes_write_is_taken_apart),
		cmocka_unit_test(a_jitdump_answers_for_the_time_asked),
		cmocka_unit_test(code_is_numbered_only_where_it_replaces_code),
		cmocka_unit_test(a_growing_jitdump_is_read_as_far_as_it_is_written),
		cmocka_unit_test(only_jitdumps_are_taken_for_one),
		cmocka_unit_test(all_four_layouts_of_gos_table_are_read),
	};

	return cmocka_run_group_tests_name("jit_names", tests, NULL, NULL);
}

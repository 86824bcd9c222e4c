/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_src_go.c - a stripped Go program has the same names as with its DWARF.
 *
 * The same binary twice, as Go linked it and stripped: what .gopclntab says of
 * addresses all over its text is compared with what DWARF says. DDPROF_GO_BINARIES
 * adds binaries of other Go versions (a list with ':' between; not stripped).
 */
#include "tests/unit/elf_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define ADDRESSES 3000

static const char program[] = "package main\n"
			      "\n"
			      "type counter struct{ n int }\n"
			      "\n"
			      "func twice(x int) int {\n"
			      "	return x*2 ^ x>>3\n"
			      "}\n"
			      "\n"
			      "func (c *counter) add(x int) int {\n"
			      "	c.n += twice(x)\n"
			      "	return c.n\n"
			      "}\n"
			      "\n"
			      "//go:noinline\n"
			      "func work(k int) int {\n"
			      "	c := &counter{}\n"
			      "	for i := 0; i < k; i++ {\n"
			      "		c.add(i)\n"
			      "	}\n"
			      "	return c.n\n"
			      "}\n"
			      "\n"
			      "func main() {\n"
			      "	println(work(1000))\n"
			      "}\n";

static char dir[64];
static bool have_go;

struct side {
	struct profile p;
	struct names n;
	struct symbolize_report report;
	uint32_t module, loc[ADDRESSES];
};

static const struct module_segment *text_of(const struct profile_module *m)
{
	uint32_t i;

	for (i = 0; i < m->n_segments; i++)
		if (m->segments[i].flags & 1)
			return &m->segments[i];
	return NULL;
}

/* Names of addresses spread evenly over the text. */
static void resolve(struct side *s, const char *path)
{
	static const struct symbolize_options opt = {.inlines = true};
	const struct module_segment *text;
	uint32_t i;

	memset(s, 0, sizeof(*s));
	assert_int_equal(profile_init(&s->p), 0);
	assert_int_equal(names_init(&s->n), 0);
	s->module = fixture_module(&s->p, path);
	assert_int_not_equal(s->module, PROFILE_NONE);
	text = text_of(&s->p.modules[s->module]);
	assert_non_null(text);
	for (i = 0; i < ADDRESSES; i++)
		s->loc[i] = fixture_location(&s->p, s->module,
					     text->vaddr + text->filesz / ADDRESSES * i + i % 7);
	assert_int_equal(symbolize(&s->p, &s->n, &opt, &s->report), 0);
	assert_int_equal(s->report.mode, SYMBOLIZE_FULL);
}

static void release(struct side *s)
{
	names_release(&s->n);
	fixture_close(&s->p);
}

static bool same(const struct side *a, const struct side *b, uint32_t i, bool inlines)
{
	const struct names_location *la = fixture_names(&a->n, a->loc[i]),
				    *lb = fixture_names(&b->n, b->loc[i]);
	uint32_t k, n = inlines ? la->n : 1, from_a, from_b;

	if (inlines && la->n != lb->n)
		return false;
	for (k = 0; k < n; k++) {
		from_a = inlines ? k : la->n - 1u;
		from_b = inlines ? k : lb->n - 1u;
		if (strcmp(frame_function(&a->n, a->loc[i], from_a),
			   frame_function(&b->n, b->loc[i], from_b)) ||
		    (inlines && (strcmp(frame_file(&a->n, a->loc[i], k), frame_file(&b->n, b->loc[i], k)) ||
				 frame_line(&a->n, a->loc[i], k) != frame_line(&b->n, b->loc[i], k))))
			return false;
	}
	return true;
}

static void show(const struct side *s, uint32_t i)
{
	uint32_t k;

	for (k = 0; k < fixture_names(&s->n, s->loc[i])->n; k++)
		print_message(" %s %s:%u", frame_function(&s->n, s->loc[i], k),
			      frame_file(&s->n, s->loc[i], k), frame_line(&s->n, s->loc[i], k));
	print_message("\n");
}

/* Where DWARF names an address, the table must agree on at least @percent of them. */
static void compare(const char *with, const char *without, bool inlines, unsigned percent)
{
	static struct side a, b;
	uint32_t i, n = 0, equal = 0, deep = 0, shown = 0;

	resolve(&a, with);
	resolve(&b, without);
	for (i = 0; i < ADDRESSES; i++) {
		if (fixture_names(&a.n, a.loc[i])->status != NAMES_DWARF || !frame_line(&a.n, a.loc[i], 0))
			continue;
		n++;
		deep += fixture_names(&b.n, b.loc[i])->n > 1;
		if (same(&a, &b, i, inlines)) {
			equal++;
		} else if (shown++ < 10) {
			show(&a, i);
			show(&b, i);
		}
	}
	print_message("%s: %u of %u the same, %u with inlined calls\n", with, equal, n, deep);
	assert_true(n > ADDRESSES / 2);
	if (inlines)
		assert_true(deep > n / 20);
	assert_true(equal * 100ull >= (uint64_t)n * percent);
	release(&a);
	release(&b);
}

static void build(const char *name, const char *flags)
{
	assert_int_equal(
		sh("cd %s && HOME=%s GOFLAGS=-mod=mod GOCACHE=%s/cache CGO_ENABLED=0 go build %s -o %s "
		   "prog.go >go.log 2>&1 && strip -s -o %s.stripped %s",
		   dir, dir, dir, flags, name, name, name),
		0);
}

static void a_stripped_go_program_keeps_functions_lines_and_inlined_calls(void **state)
{
	char with[96], without[112];

	(void)state;
	if (!have_go)
		skip();
	build("static", "");
	snprintf(with, sizeof(with), "%s/static", dir);
	snprintf(without, sizeof(without), "%s/static.stripped", dir);
	compare(with, without, true, 100);
}

static void so_does_one_that_can_be_loaded_anywhere(void **state)
{
	char with[96], without[112];

	(void)state;
	if (!have_go)
		skip();
	build("pie", "-buildmode=pie");
	snprintf(with, sizeof(with), "%s/pie", dir);
	snprintf(without, sizeof(without), "%s/pie.stripped", dir);
	compare(with, without, true, 100);
}

static void binaries_of_other_versions_do_as_well(void **state)
{
	char *list = getenv("DDPROF_GO_BINARIES"), *copy, *path, *rest;
	char stripped[128];

	(void)state;
	if (!list)
		skip();
	copy = strdup(list);
	snprintf(stripped, sizeof(stripped), "%s/other", dir);
	for (path = strtok_r(copy, ":", &rest); path; path = strtok_r(NULL, ":", &rest)) {
		assert_int_equal(sh("strip -s -o %s %s", stripped, path), 0);
		compare(path, stripped, true, 97); /* 1.15 leaves calls out of its DWARF */
	}
	free(copy);
}

static int setup(void **state)
{
	char path[96];

	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/ddprof-go-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	have_go = !sh("command -v go >/dev/null && command -v strip >/dev/null");
	snprintf(path, sizeof(path), "%s/prog.go", dir);
	return write_text(path, program);
}

static int teardown(void **state)
{
	(void)state;
	return sh("chmod -R u+w %s; rm -rf %s", dir, dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stripped_go_program_keeps_functions_lines_and_inlined_calls),
		cmocka_unit_test(so_does_one_that_can_be_loaded_anywhere),
		cmocka_unit_test(binaries_of_other_versions_do_as_well),
	};

	return cmocka_run_group_tests_name("src_go", tests, setup, teardown);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* test_stripped.c - what can still be named in a stripped library: packed symbols, PLT stubs, whole
 * functions. */
#include "tests/unit/elf_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const char source[] = "#include <stdlib.h>\n"
			     "#include <string.h>\n"
			     "__attribute__((noinline)) static int hidden(const char *s)\n"
			     "{\n"
			     "	return (int)strlen(s) * rand();\n"
			     "}\n"
			     "int shown(const char *s)\n"
			     "{\n"
			     "	return hidden(s) + hidden(s + 1);\n"
			     "}\n";

static char dir[64];

struct run {
	struct profile p;
	struct names n;
	struct symbolize_report report;
	uint32_t module;
};

static void open_file(struct run *r, const char *name)
{
	char path[128];

	memset(r, 0, sizeof(*r));
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(profile_init(&r->p), 0);
	assert_int_equal(names_init(&r->n), 0);
	r->module = fixture_module(&r->p, path);
	assert_int_not_equal(r->module, PROFILE_NONE);
}

static void resolve(struct run *r)
{
	static const struct symbolize_options opt = {.inlines = true};

	assert_int_equal(symbolize(&r->p, &r->n, &opt, &r->report), 0);
	assert_int_equal(r->report.mode, SYMBOLIZE_FULL);
}

static void close_file(struct run *r)
{
	names_release(&r->n);
	fixture_close(&r->p);
}

/* The first number that a shell command prints, in hexadecimal. */
static uint64_t number(const char *command)
{
	unsigned long long v = 0;
	char cmd[512];
	FILE *f;

	snprintf(cmd, sizeof(cmd), "cd %s && %s", dir, command);
	f = popen(cmd, "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%llx", &v), 1);
	pclose(f);
	return v;
}

static void local_functions_have_names_from_packed_symbols(void **state)
{
	uint64_t hidden = number("nm lib.so | grep ' hidden$'");
	struct run r;
	uint32_t loc;

	(void)state;
	open_file(&r, "packed.so");
	loc = fixture_location(&r.p, r.module, hidden + 1);
	resolve(&r);
	assert_string_equal(frame_function(&r.n, loc, 0), "hidden");
	assert_int_equal(fixture_names(&r.n, loc)->status, NAMES_SYMBOL);
	close_file(&r);
}

static void packed_symbols_that_are_none_cost_nothing_else(void **state)
{
	static const char *const files[] = {"broken.so", "bomb.so"};
	uint64_t hidden = number("nm lib.so | grep ' hidden$'"), shown = number("nm lib.so | grep ' shown$'");
	char want[64];
	struct run r;
	uint32_t a, b, i;

	(void)state;
	for (i = 0; i < 2; i++) {
		open_file(&r, files[i]);
		a = fixture_location(&r.p, r.module, hidden + 2);
		b = fixture_location(&r.p, r.module, shown);
		resolve(&r);
		snprintf(want, sizeof(want), "[%s+0x%llx]", files[i], (unsigned long long)hidden);
		assert_string_equal(frame_function(&r.n, a, 0), want);
		assert_int_equal(fixture_names(&r.n, a)->status, NAMES_BAD_FILE);
		assert_string_equal(frame_function(&r.n, b, 0), "shown");
		close_file(&r);
	}
}

static void stubs_are_called_after_what_they_call(const char *file)
{
	struct run r;
	uint32_t loc[16], i, n = 0, rand = 0, strlen_ = 0, k;
	uint64_t start, size;
	char cmd[256];
	static const char *const sections[] = {".plt", ".plt.sec", ".plt.got"};

	open_file(&r, file);
	for (k = 0; k < 3; k++) {
		snprintf(cmd, sizeof(cmd),
			 "readelf -SW %s | awk '{sub(/^ *\\[ */, \"\")} $2 == \"%s\" {print $4; f=1} END {if "
			 "(!f) print 0}'",
			 file, sections[k]);
		start = number(cmd);
		snprintf(cmd, sizeof(cmd),
			 "readelf -SW %s | awk '{sub(/^ *\\[ */, \"\")} $2 == \"%s\" {print $6; f=1} END {if "
			 "(!f) print 0}'",
			 file, sections[k]);
		size = number(cmd);
		for (i = 0; i < size && n < 16; i += 16)
			loc[n++] = fixture_location(&r.p, r.module, start + i + 3);
	}
	resolve(&r);
	for (i = 0; i < n; i++) {
		rand += !strcmp(frame_function(&r.n, loc[i], 0), "rand@plt");
		strlen_ += !strcmp(frame_function(&r.n, loc[i], 0), "strlen@plt");
	}
	assert_true(rand >= 1);
	assert_true(strlen_ >= 1);
	close_file(&r);
}

static void plt_stubs_have_the_name_of_what_they_call(void **state)
{
	(void)state;
	stubs_are_called_after_what_they_call("stripped.so");
	stubs_are_called_after_what_they_call("now.so");
	if (!sh("test -e %s/ibt.so", dir))
		stubs_are_called_after_what_they_call("ibt.so");
	if (!sh("test -e %s/arm.so", dir))
		stubs_are_called_after_what_they_call("arm.so");
}

static int setup(void **state)
{
	char path[96];

	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/ddprof-stripped-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/lib.c", dir);
	if (write_text(path, source))
		return -1;
	if (sh("cd %s && b='cc -O1 -fno-builtin -shared -fPIC -nostartfiles lib.c' && $b -Wl,-z,lazy -o "
	       "lib.so &&"
	       " $b -Wl,-z,now -o now.so && strip -s -o stripped.so lib.so && strip -s now.so &&"
	       " cp lib.so mini && xz mini && objcopy --add-section .gnu_debugdata=mini.xz stripped.so "
	       "packed.so &&"
	       " head -c 100 mini.xz >half.xz &&"
	       " objcopy --add-section .gnu_debugdata=half.xz stripped.so broken.so &&"
	       " head -c 400M /dev/zero | xz -1 >bomb.xz &&"
	       " objcopy --add-section .gnu_debugdata=bomb.xz stripped.so bomb.so",
	       dir))
		return -1;
	/* What the compiler or machine has not, is left out. */
	sh("cd %s && cc -O1 -fno-builtin -shared -fPIC -nostartfiles -fcf-protection -Wl,-z,ibtplt "
	   "-Wl,-z,lazy lib.c -o ibt.so"
	   " 2>/dev/null && strip -s ibt.so; aarch64-linux-gnu-gcc -O1 -fno-builtin -shared -fPIC -nostdlib "
	   "lib.c"
	   " -o arm.so 2>/dev/null && aarch64-linux-gnu-strip -s arm.so",
	   dir);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	return sh("rm -rf %s", dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(local_functions_have_names_from_packed_symbols),
		cmocka_unit_test(packed_symbols_that_are_none_cost_nothing_else),
		cmocka_unit_test(plt_stubs_have_the_name_of_what_they_call),
	};

	return cmocka_run_group_tests_name("stripped", tests, setup, teardown);
}

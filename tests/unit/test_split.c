/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_split.c - programs built with -gsplit-dwarf have the same names as without.
 *
 * Compiled here, by gcc and clang, in DWARF 4 and 5; packaged by binutils' dwp
 * and by llvm-dwp where the two can (binutils 2.40 packages no DWARF 5 of gcc;
 * llvm-dwp 14 never ends on it, and reads no compressed sections).
 */
#include "symbolize/debugfile.h"
#include "symbolize/dwp.h"
#include "symbolize/split.h"
#include "tests/unit/elf_fixture.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const char part_a[] = "namespace a {\n"
			     "struct counter {\n"
			     "	int n;\n"
			     "	__attribute__((always_inline)) int twice(int x)\n"
			     "	{\n"
			     "		return n += x * 2 + (x >> 2);\n"
			     "	}\n"
			     "	__attribute__((noinline)) int count(int x);\n"
			     "};\n"
			     "int counter::count(int x)\n"
			     "{\n"
			     "	return twice(x) ^ 5;\n"
			     "}\n"
			     "}\n"
			     "int other(int x);\n"
			     "int main(int argc, char **)\n"
			     "{\n"
			     "	a::counter c = {argc};\n"
			     "	return c.count(argc) + other(argc);\n"
			     "}\n";

/* Two sections, so that the unit has ranges and not one stretch of code. */
static const char part_b[] = "static inline __attribute__((always_inline)) int half(int x)\n"
			     "{\n"
			     "	return x / 3 ^ 77;\n"
			     "}\n"
			     "__attribute__((noinline, section(\".text.far\"))) int far_away(int x)\n"
			     "{\n"
			     "	return half(x) * x;\n"
			     "}\n"
			     "__attribute__((noinline)) int other(int x)\n"
			     "{\n"
			     "	return half(x) + far_away(x);\n"
			     "}\n";

static char dir[64];
static struct debugfile_dirs dirs;

static uint64_t address_of(const char *path, const char *symbol)
{
	unsigned long long addr = 0;
	char command[256];
	FILE *f;

	snprintf(command, sizeof(command), "nm %s | grep ' %s$'", path, symbol);
	f = popen(command, "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%llx", &addr), 1);
	pclose(f);
	return addr;
}

static symbolize_hook hook;

/* Frames of every byte of three functions as text, "function|file:line|start" each, one address a line. */
static void names_of(const char *path, struct buf *out, uint32_t *deep)
{
	static const char *const functions[] = {"_ZN1a7counter5countEi", "_Z5otheri", "_Z8far_awayi"};
	const struct symbolize_options opt = {.inlines = true, .debug_dirs = dirs, .hook = hook};
	const struct names_location *l;
	struct symbolize_report report;
	uint32_t module, f, i, k, locs[3][8];
	struct profile p;
	struct names n;

	assert_int_equal(profile_init(&p), 0);
	assert_int_equal(names_init(&n), 0);
	module = fixture_module(&p, path);
	assert_int_not_equal(module, PROFILE_NONE);
	for (f = 0; f < 3; f++)
		for (i = 0; i < 8; i++)
			locs[f][i] = fixture_location(&p, module, address_of(path, functions[f]) + i);
	assert_int_equal(symbolize(&p, &n, &opt, &report), 0);
	assert_int_equal(report.mode, SYMBOLIZE_FULL);
	buf_init(out, 1 << 20);
	for (f = 0, *deep = 0; f < 3; f++) {
		for (i = 0; i < 8; i++) {
			l = fixture_names(&n, locs[f][i]);
			*deep += l->n > 1;
			for (k = 0; k < l->n; k++)
				buf_printf(out, "%s|%s:%u|%u ", frame_function(&n, locs[f][i], k),
					   frame_file(&n, locs[f][i], k), frame_line(&n, locs[f][i], k),
					   n.frames[l->first + k].start_line);
			buf_printf(out, "\n");
		}
	}
	assert_int_equal(buf_put_u8(out, 0), 0);
	names_release(&n);
	fixture_close(&p);
}

/* The program in @dir/NAME, once whole and once split; the whole one's names in @whole. */
static void build(const char *name, const char *cc, int version, const char *flags, struct buf *whole)
{
	char path[160];
	uint32_t deep;

	assert_int_equal(
		sh("rm -rf %s/%s && mkdir %s/%s && cd %s/%s && cp ../a.cc ../b.cc . && "
		   "%s -O2 -g -gdwarf-%d -fcf-protection=none %s -c a.cc b.cc && %s -o prog a.o b.o && "
		   "rm a.o b.o && "
		   "%s -O2 -g -gdwarf-%d -fcf-protection=none %s -gsplit-dwarf -c a.cc b.cc && "
		   "%s -o split a.o b.o && rm a.o b.o",
		   dir, name, dir, name, dir, name, cc, version, flags, cc, cc, version, flags, cc),
		0);
	snprintf(path, sizeof(path), "%s/%s/prog", dir, name);
	names_of(path, whole, &deep);
	assert_true(deep >= 8);
	assert_non_null(strstr((char *)whole->data, "a.cc:"));
	assert_non_null(strstr((char *)whole->data, "half|b.cc:3|1 ")
				?: strstr((char *)whole->data, "half(int)|b.cc:3|1 "));
}

static void same_names(const char *name, const struct buf *whole)
{
	struct buf split;
	uint32_t deep;
	char path[160];

	snprintf(path, sizeof(path), "%s/%s/split", dir, name);
	names_of(path, &split, &deep);
	assert_string_equal((char *)split.data, (char *)whole->data);
	buf_release(&split);
}

static const struct variant {
	const char *cc;
	int version;
	const char *package, *flags;
} variants[] = {
	{"g++", 4, "dwp -e split -o split.dwp", ""},
	{"g++", 4, "dwp -e split -o split.dwp", "-fdebug-types-section -gz"},
	{"g++", 5, NULL, ""},
	{"g++", 5, NULL, "-gz -ffunction-sections"},
	{"clang++-14", 4, "timeout 20 llvm-dwp-14 -e split -o split.dwp", ""},
	{"clang++-14", 5, "timeout 20 llvm-dwp-14 -e split -o split.dwp", ""},
	{"clang++-14", 5, NULL, "-ffunction-sections -gz"},
};

#define N_VARIANTS (sizeof(variants) / sizeof(variants[0]))

static bool have(const char *command)
{
	return !sh("command -v %s >/dev/null", command);
}

static void dwo_files_and_packages_give_the_names_of_a_whole_program(void **state)
{
	struct buf whole;
	char name[16];
	size_t i;

	(void)state;
	for (i = 0; i < N_VARIANTS; i++) {
		if (!have(variants[i].cc))
			continue;
		snprintf(name, sizeof(name), "v%zu", i);
		build(name, variants[i].cc, variants[i].version, variants[i].flags, &whole);
		same_names(name, &whole);
		if (variants[i].package && have("dwp") && have("llvm-dwp-14")) {
			assert_int_equal(sh("cd %s/%s && %s && rm *.dwo", dir, name, variants[i].package), 0);
			same_names(name, &whole);
		}
		buf_release(&whole);
	}
}

/* ---- where they are, and what is in them; over copies of one build that does not know its directory ---- */

static struct buf base;

static void copy_base(const char *name)
{
	if (!base.len)
		build("base", "g++", 5, "-fdebug-prefix-map=$PWD=.", &base);
	assert_int_equal(sh("cp -r %s/base %s/%s", dir, dir, name), 0);
}

static void dwo_files_that_moved_are_found_beside_the_program_and_in_the_users_directory(void **state)
{
	char mine[128];
	const char *paths[] = {mine};

	(void)state;
	copy_base("moved");
	assert_int_equal(
		sh("mkdir %s/moved/to && mv %s/moved/split %s/moved/*.dwo %s/moved/to/", dir, dir, dir, dir),
		0);
	same_names("moved/to", &base);
	assert_int_equal(sh("mkdir %s/moved/mine && mv %s/moved/to/*.dwo %s/moved/mine/", dir, dir, dir), 0);
	snprintf(mine, sizeof(mine), "%s/moved/mine", dir);
	dirs = (struct debugfile_dirs){paths, 1};
	same_names("moved/to", &base);
	dirs.n = 0;
}

static void skeletons_in_a_separate_debug_file_lead_to_the_dwo_files_too(void **state)
{
	(void)state;
	copy_base("separate");
	assert_int_equal(sh("cd %s/separate && objcopy --only-keep-debug split split.debug && "
			    "objcopy -g --add-gnu-debuglink=split.debug split",
			    dir),
			 0);
	same_names("separate", &base);
}

/* Without the other half: functions by the symbol table, lines by the skeleton's own table. */
static void without_the_dwo_files_functions_and_lines_remain(void **state)
{
	struct buf rest;
	uint32_t deep;
	char path[128];

	(void)state;
	copy_base("gone");
	assert_int_equal(sh("rm %s/gone/*.dwo", dir), 0);
	snprintf(path, sizeof(path), "%s/gone/split", dir);
	names_of(path, &rest, &deep);
	assert_int_equal(deep, 0);
	assert_non_null(strstr((char *)rest.data, "a::counter::count(int)|a.cc:"));
	assert_non_null(strstr((char *)rest.data, "other(int)|b.cc:"));
	buf_release(&rest);
}

static void crash_scout(void *unused, uint32_t attempt, enum symbolize_stage stage)
{
	(void)unused;
	if (attempt == SYMBOLIZE_SCOUT && stage == SYMBOLIZE_MODULE)
		abort();
}

static void when_the_scout_crashes_functions_and_lines_remain(void **state)
{
	struct buf rest;
	uint32_t deep;
	char path[128];

	(void)state;
	copy_base("scout");
	snprintf(path, sizeof(path), "%s/scout/split", dir);
	hook = crash_scout;
	names_of(path, &rest, &deep);
	hook = NULL;
	assert_int_equal(deep, 0);
	assert_non_null(strstr((char *)rest.data, "a::counter::count(int)|a.cc:"));
	buf_release(&rest);
	same_names("scout", &base);
}

/* Of an earlier build: the id of the unit in it is another. */
static void a_dwo_file_of_another_build_is_not_taken(void **state)
{
	struct buf rest;
	uint32_t deep;
	char path[128];

	(void)state;
	copy_base("stale");
	assert_int_equal(sh("cd %s/stale && sed -i 's/half/hold/g' b.cc && sed -i 's/twice/twins/g' a.cc && "
			    "g++ -O1 -g -gdwarf-5 -gsplit-dwarf -c a.cc b.cc",
			    dir),
			 0);
	snprintf(path, sizeof(path), "%s/stale/split", dir);
	names_of(path, &rest, &deep);
	assert_null(strstr((char *)rest.data, "hold"));
	assert_null(strstr((char *)rest.data, "twins"));
	assert_non_null(strstr((char *)rest.data, "other(int)|b.cc:"));
	buf_release(&rest);
}

#define DAMAGES 12

/* A byte wrong here and there: always an answer. */
static void damaged_dwo_files_are_an_answer(void **state)
{
	struct buf rest;
	uint32_t deep, i;
	struct stat st;
	char path[128];
	uint8_t byte;
	int fd;

	(void)state;
	copy_base("damaged");
	snprintf(path, sizeof(path), "%s/damaged/b.dwo", dir);
	assert_int_equal(stat(path, &st), 0);
	for (i = 0; i < DAMAGES; i++) {
		fd = open(path, O_RDWR);
		assert_true(fd >= 0);
		assert_int_equal(pread(fd, &byte, 1, (st.st_size - 1) * i / DAMAGES), 1);
		byte = (uint8_t)~byte;
		assert_int_equal(pwrite(fd, &byte, 1, (st.st_size - 1) * i / DAMAGES), 1);
		snprintf(path, sizeof(path), "%s/damaged/split", dir);
		names_of(path, &rest, &deep);
		/* the other file's unit is as it was */
		assert_non_null(strstr((char *)rest.data, "a::counter::twice(int)|a.cc:6|4 "));
		buf_release(&rest);
		byte = (uint8_t)~byte;
		assert_int_equal(pwrite(fd, &byte, 1, (st.st_size - 1) * i / DAMAGES), 1);
		close(fd);
		snprintf(path, sizeof(path), "%s/damaged/b.dwo", dir);
	}
	same_names("damaged", &base);
}

/* ---- the index of packages ---- */

static void put32(uint8_t *p, uint32_t v)
{
	memcpy(p, &v, sizeof(v));
}

static void an_index_is_searched_by_its_hash_and_its_sizes_are_checked(void **state)
{
	uint8_t index[16 + 4 * 12 + 3 * 4 + 2 * 12] = {0};
	const uint64_t id = 0x100000003; /* slot 3, step 1 */
	struct dwp_span at[DWP_PARTS];
	size_t i;

	(void)state;
	put32(index, 5);
	put32(index + 4, 3);
	put32(index + 8, 1);
	put32(index + 12, 4);
	/* the first slot is another's, the next, after wrapping round, is it */
	memset(index + 16 + 3 * 8, 0xee, 8);
	put32(index + 16 + 32 + 3 * 4, 1);
	memcpy(index + 16, &id, 8);
	put32(index + 16 + 32, 1);
	put32(index + 64, 1);
	put32(index + 68, 3);
	put32(index + 72, 6);
	for (i = 0; i < 6; i++)
		put32(index + 76 + 4 * i, (uint32_t)(10 + i));
	assert_int_equal(dwp_find(index, sizeof(index), id, at), 0);
	assert_int_equal(at[DWP_INFO].off, 10);
	assert_int_equal(at[DWP_INFO].size, 13);
	assert_int_equal(at[DWP_STR_OFFSETS].off, 12);
	assert_int_equal(at[DWP_STR_OFFSETS].size, 15);
	assert_int_equal(at[DWP_RNGLISTS].size, 0);
	assert_int_equal(dwp_find(index, sizeof(index), 0x77, at), -ENOENT);
	for (i = 0; i < sizeof(index); i++)
		assert_int_equal(dwp_find(index, i, id, at), -EBADMSG);
	put32(index + 16 + 32, 2); /* a row that does not exist */
	assert_int_equal(dwp_find(index, sizeof(index), id, at), -ENOENT);
	put32(index + 12, 3);
	assert_int_equal(dwp_find(index, sizeof(index), id, at), -EBADMSG);
	put32(index + 12, 4);
	put32(index + 8, UINT32_MAX);
	assert_int_equal(dwp_find(index, sizeof(index), id, at), -EBADMSG);
}

static void names_of_dwo_files_are_bounded(void **state)
{
	struct split_files *s = split_new(-1);
	char name[SPLIT_MAX_PATH + 1];
	uint32_t i;

	(void)state;
	assert_non_null(s);
	memset(name, 'x', SPLIT_MAX_PATH);
	name[SPLIT_MAX_PATH] = '\0';
	assert_int_equal(split_add(s, 1, "/", name), -EINVAL);
	assert_int_equal(split_add(s, 1, name, "x"), -EINVAL);
	assert_int_equal(split_add(s, 1, "/", ""), -EINVAL);
	for (i = 0; i < SPLIT_MAX_FILES; i++)
		assert_int_equal(split_add(s, i, "", "x"), 0);
	assert_int_equal(split_add(s, i, "", "x"), -ENOSPC);
	split_free(s);
}

static int set_up(void **state)
{
	char path[96];

	(void)state;
	strcpy(dir, "/tmp/ddprof-split-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/a.cc", dir);
	if (write_text(path, part_a))
		return -1;
	snprintf(path, sizeof(path), "%s/b.cc", dir);
	return write_text(path, part_b);
}

static int tear_down(void **state)
{
	(void)state;
	buf_release(&base);
	return sh("rm -rf %s", dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dwo_files_and_packages_give_the_names_of_a_whole_program),
		cmocka_unit_test(
			dwo_files_that_moved_are_found_beside_the_program_and_in_the_users_directory),
		cmocka_unit_test(skeletons_in_a_separate_debug_file_lead_to_the_dwo_files_too),
		cmocka_unit_test(without_the_dwo_files_functions_and_lines_remain),
		cmocka_unit_test(when_the_scout_crashes_functions_and_lines_remain),
		cmocka_unit_test(a_dwo_file_of_another_build_is_not_taken),
		cmocka_unit_test(damaged_dwo_files_are_an_answer),
		cmocka_unit_test(an_index_is_searched_by_its_hash_and_its_sizes_are_checked),
		cmocka_unit_test(names_of_dwo_files_are_bounded),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

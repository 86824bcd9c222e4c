/* SPDX-License-Identifier: Apache-2.0 */
/* test_dwarf_line.c - line tables of compiled files say what libdw says, at every address. */
#include "tests/unit/elf_fixture.h"
#include "tests/unit/line_oracle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define MAX_QUERIES 20000

static const char source[] = "#include \"sub/header.h\"\n"
			     "#include <stdio.h>\n"
			     "static int loop(int n)\n"
			     "{\n"
			     "	int i, sum = 0;\n"
			     "\n"
			     "	for (i = 0; i < n; i++)\n"
			     "		sum += in_header(i) ^ (i << 3);\n"
			     "	return sum;\n"
			     "}\n"
			     "\n"
			     "#line 4000 \"generated.y\"\n"
			     "__attribute__((noinline, cold)) void report(int x)\n"
			     "{\n"
			     "	printf(\"%d\\n\", x);\n"
			     "}\n"
			     "#line 70000 \"/absolute/other.y\"\n"
			     "int main(int argc, char **argv)\n"
			     "{\n"
			     "	(void)argv;\n"
			     "	if (argc > 100)\n"
			     "		report(loop(argc));\n"
			     "	return loop(argc * 3) & 1;\n"
			     "}\n";

static const char header[] =
	"static inline int in_header(int x)\n{\n\tif (x % 3)\n\t\treturn x * 7;\n\treturn x / 5;\n}\n";

static const char assembly[] = ".text\n.globl by_hand\nby_hand:\n\tnop\n\tnop\n\tret\n\n\tnop\n\tret\n";

static char dir[64];

static int compare_queries(const void *a, const void *b)
{
	const struct dwarf_line_query *x = a, *y = b;

	return x->vaddr < y->vaddr ? -1 : x->vaddr > y->vaddr;
}

/* Both sides of each row of @cu, each address once. */
static uint32_t queries_of(Dwarf_Die *cu, struct dwarf_line_query *q)
{
	Dwarf_Lines *lines;
	Dwarf_Addr addr;
	uint32_t n = 0, kept = 0, k;
	size_t count, i;

	if (dwarf_getsrclines(cu, &lines, &count))
		return 0;
	for (i = 0; i < count && n + 3 < MAX_QUERIES; i++) {
		assert_int_equal(dwarf_lineaddr(dwarf_onesrcline(lines, i), &addr), 0);
		for (k = 0; k < 3; k++)
			q[n++] = (struct dwarf_line_query){.vaddr = addr + k - 1};
	}
	qsort(q, n, sizeof(*q), compare_queries);
	for (k = 0; k < n; k++)
		if (q[k].vaddr && (!kept || q[kept - 1].vaddr != q[k].vaddr))
			q[kept++] = q[k];
	return kept;
}

/* Every unit of the file; the number of addresses that were compared. */
static uint32_t check_file(const char *path)
{
	static struct dwarf_line_query q[MAX_QUERIES];
	struct dwarf_unit *u;
	struct dwarf_lines lines;
	struct dwarf_reader f;
	Dwarf_CU *cu = NULL;
	Dwarf_Die die;
	uint64_t off = 0, next;
	uint32_t compared = 0, n;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	Dwarf *dbg = dwarf_begin(fd, DWARF_C_READ);

	assert_non_null(dbg);
	assert_int_equal(dwarf_reader_open(&f, fd), 0);
	while (!dwarf_get_units(dbg, cu, &cu, NULL, NULL, &die, NULL)) {
		u = dwarf_unit_at(&f, off, false, &next);
		assert_non_null(u);
		off = next;
		n = queries_of(&die, q);
		if (!n)
			continue;
		assert_int_equal(dwarf_lines_open(&lines, u), 0);
		assert_int_equal(oracle_compare(&lines, &die, q, n, &compared), 0);
		dwarf_lines_release(&lines);
	}
	assert_int_equal(next, 0);
	dwarf_reader_close(&f);
	dwarf_end(dbg);
	close(fd);
	return compared;
}

static void check(const char *compiler, const char *flags)
{
	char path[96];

	if (sh("command -v %s >/dev/null", compiler))
		skip();
	assert_int_equal(
		sh("cd %s && %s %s -o prog main.c hand.S 2>err || { cat err; false; }", dir, compiler, flags),
		0);
	snprintf(path, sizeof(path), "%s/prog", dir);
	assert_true(check_file(path) > 60);
}

#define COMPILED(name, compiler, flags)                                                                      \
	static void name(void **state)                                                                       \
	{                                                                                                    \
		(void)state;                                                                                 \
		check(compiler, flags);                                                                      \
	}

COMPILED(gcc_dwarf2, "gcc", "-O2 -gdwarf-2 -gstrict-dwarf")
COMPILED(gcc_dwarf3, "gcc", "-O2 -gdwarf-3 -gstrict-dwarf")
COMPILED(gcc_dwarf4, "gcc", "-O2 -gdwarf-4")
COMPILED(gcc_dwarf5, "gcc", "-O2 -gdwarf-5")
COMPILED(gcc_tables_of_its_own_making, "gcc", "-O1 -gdwarf-5 -gno-as-loc-support")
COMPILED(gcc_dropped_sections, "gcc", "-O2 -g -ffunction-sections -Wl,--gc-sections")
COMPILED(gcc_relative_compilation_directory, "gcc", "-O2 -g -fdebug-prefix-map=/tmp=rel")
COMPILED(gcc_compressed, "gcc", "-O2 -g -gz=zlib")
COMPILED(gcc_compressed_the_old_way, "gcc", "-O2 -g -gz=zlib-gnu")
COMPILED(gcc_64_bit_dwarf, "gcc", "-O2 -gdwarf64 -gdwarf-5")
COMPILED(clang_dwarf3, "clang", "-O2 -gdwarf-3")
COMPILED(clang_dwarf4, "clang", "-O2 -gdwarf-4")
COMPILED(clang_dwarf5_with_md5, "clang", "-O2 -gdwarf-5")
COMPILED(clang_relative_compilation_directory, "clang", "-O2 -gdwarf-5 -fdebug-compilation-dir=rel/here")
COMPILED(clang_line_tables_only, "clang", "-O2 -gline-tables-only")

/* Debian's C library is compressed, of many units and languages, and in parts assembly. */
static void the_c_library(void **state)
{
	char path[256] = "";
	FILE *f;

	(void)state;
	f = popen("readelf -n /lib/*-linux-gnu/libc.so.6 2>/dev/null | sed -n 's|.*Build ID: \\(..\\)|"
		  "/usr/lib/debug/.build-id/\\1/|p' | head -n 1",
		  "r");
	assert_non_null(f);
	if (!fgets(path, 200, f))
		path[0] = '\0';
	pclose(f);
	path[strcspn(path, "\n")] = '\0';
	strcat(path, ".debug");
	if (access(path, R_OK))
		skip();
	assert_true(check_file(path) > 10000);
}

static int make_dir(void **state)
{
	char path[96];

	(void)state;
	strcpy(dir, "/tmp/ddprof-lines-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	sh("mkdir %s/sub", dir);
	snprintf(path, sizeof(path), "%s/main.c", dir);
	if (write_text(path, source))
		return -1;
	snprintf(path, sizeof(path), "%s/hand.S", dir);
	if (write_text(path, assembly))
		return -1;
	snprintf(path, sizeof(path), "%s/sub/header.h", dir);
	return write_text(path, header);
}

static int remove_dir(void **state)
{
	(void)state;
	return sh("rm -rf %s", dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gcc_dwarf2),
		cmocka_unit_test(gcc_dwarf3),
		cmocka_unit_test(gcc_dwarf4),
		cmocka_unit_test(gcc_dwarf5),
		cmocka_unit_test(gcc_tables_of_its_own_making),
		cmocka_unit_test(gcc_dropped_sections),
		cmocka_unit_test(gcc_relative_compilation_directory),
		cmocka_unit_test(gcc_compressed),
		cmocka_unit_test(gcc_compressed_the_old_way),
		cmocka_unit_test(gcc_64_bit_dwarf),
		cmocka_unit_test(clang_dwarf3),
		cmocka_unit_test(clang_dwarf4),
		cmocka_unit_test(clang_dwarf5_with_md5),
		cmocka_unit_test(clang_relative_compilation_directory),
		cmocka_unit_test(clang_line_tables_only),
		cmocka_unit_test(the_c_library),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}

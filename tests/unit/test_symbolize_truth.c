/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_symbolize_truth.c - every address of compiled programs has the frames that other tools find.
 *
 * No tool is right everywhere (binutils mixes symbol and DWARF names in inlined
 * code, elfutils' needs .debug_aranges), so each address has to agree in
 * functions, files and lines of its whole inline chain with at least one of
 * addr2line, eu-addr2line and, where installed, llvm-symbolizer.
 */
#include "symbolize/demangle.h"
#include "tests/unit/elf_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define MAX_ADDRS 4000
#define CHAIN_MAX 8192

static const char program[] =
	"#include <algorithm>\n"
	"#include <cstdio>\n"
	"#include <string>\n"
	"#include <vector>\n"
	"namespace geo {\n"
	"struct point { double x, y; };\n"
	"static inline double square(double v) { return v * v; }\n"
	"static inline double norm(const point &p) { return square(p.x) + square(p.y); }\n"
	"struct sorter {\n"
	"	explicit sorter(int n) : n_(n) {}\n"
	"	virtual ~sorter();\n"
	"	__attribute__((noinline)) void sort(std::vector<point> &v) const\n"
	"	{\n"
	"		std::sort(v.begin(), v.end(),\n"
	"			[this](const point &a, const point &b) { return norm(a) * n_ < norm(b) * n_; "
	"});\n"
	"	}\n"
	"	int n_;\n"
	"};\n"
	"sorter::~sorter() { puts(\"gone\"); }\n"
	"namespace {\n"
	"__attribute__((noinline)) int hidden(int x)\n"
	"{\n"
	"	struct local { __attribute__((noinline)) static int method(int y) { return y * 7 + (y >> 3); "
	"} };\n"
	"	return local::method(x) + 1;\n"
	"}\n"
	"}\n"
	"template <typename T> __attribute__((noinline)) T fold(const std::vector<T> &v)\n"
	"{\n"
	"	T sum = 0;\n"
	"	for (const T &t : v)\n"
	"		sum += t * t;\n"
	"	return sum;\n"
	"}\n"
	"}\n"
	"extern \"C\" __attribute__((noinline)) int plain_c(int x) { return x > 3 ? geo::hidden(x) : x; }\n"
	"int main(int argc, char **argv)\n"
	"{\n"
	"	std::vector<geo::point> v;\n"
	"	for (int i = 0; i < argc * 100; i++)\n"
	"		v.push_back({(double)(i * 7919 % 101), (double)(i * 104729 % 97)});\n"
	"	geo::sorter s(argc);\n"
	"	s.sort(v);\n"
	"	std::vector<double> d(v.size(), v[0].x);\n"
	"	printf(\"%f %f %d %s\\n\", v[0].x, geo::fold(d), plain_c(argc),\n"
	"		std::string(argv[0]).substr(0, 2).c_str());\n"
	"	return 0;\n"
	"}\n";

static char dir[64];

struct truth {
	uint64_t addrs[MAX_ADDRS];
	uint32_t n;
	char *chains[3][MAX_ADDRS]; /* by tool; NULL where it is silent */
};

static void free_truth(struct truth *t)
{
	int tool;
	uint32_t i;

	for (tool = 0; tool < 3; tool++)
		for (i = 0; i < t->n; i++)
			free(t->chains[tool][i]);
	free(t);
}

/* Every third address of each function with a size that nm lists in code. */
static struct truth *addresses_of(const char *path)
{
	struct truth *t = calloc(1, sizeof(*t));
	unsigned long long start, size, a;
	char cmd[256], line[4096], type;
	FILE *f;

	assert_non_null(t);
	snprintf(cmd, sizeof(cmd), "nm -S --defined-only %s", path);
	f = popen(cmd, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%llx %llx %c", &start, &size, &type) != 3 || !strchr("tTwW", type))
			continue;
		/* Start-up code has no DWARF: only its own test below. */
		if (strstr(line, " _start") || strstr(line, "_tm_clones") || strstr(line, "frame_dummy"))
			continue;
		for (a = start; a < start + size && t->n < MAX_ADDRS; a += 3)
			t->addrs[t->n++] = a;
	}
	pclose(f);
	return t;
}

static void add_frame(struct buf *chain, const char *name, const char *file, const char *line)
{
	char readable[DEMANGLE_MAX];

	demangle(name, readable, sizeof(readable));
	assert_int_equal(buf_printf(chain, "%s %s:%s\n", readable, file, line), 0);
}

/* "dir/file:12:3" or "dir/file:12 (discriminator 2)" into its base name and "12". */
static void split_place(char *place, const char **file, const char **line)
{
	char *p, *last;

	p = strchr(place, ' ');
	if (p)
		*p = '\0';
	p = strrchr(place, '/');
	*file = p ? p + 1 : place;
	last = strchr(*file, ':');
	*line = last ? last + 1 : "?";
	if (last) {
		*last = '\0';
		p = strchr(last + 1, ':');
		if (p)
			*p = '\0';
	}
	if (!strcmp(*line, "?"))
		*line = "0";
	if (!strcmp(*file, "??"))
		*file = "";
}

/* Ask a tool that prints GNU addr2line's format. */
static void ask(struct truth *t, int tool, const char *command, const char *path)
{
	char cmd[512], name[4096], place[4096];
	struct buf chain;
	const char *file, *line;
	unsigned long long addr;
	uint32_t i, at = UINT32_MAX;
	FILE *f;

	buf_init(&chain, CHAIN_MAX);
	snprintf(cmd, sizeof(cmd), "%s/addrs", dir);
	f = fopen(cmd, "w");
	assert_non_null(f);
	for (i = 0; i < t->n; i++)
		fprintf(f, "0x%llx\n", (unsigned long long)t->addrs[i]);
	fclose(f);
	snprintf(cmd, sizeof(cmd), "%s -e %s < %s/addrs 2>/dev/null", command, path, dir);
	f = popen(cmd, "r");
	assert_non_null(f);
	while (fgets(name, sizeof(name), f)) {
		name[strcspn(name, "\n")] = '\0';
		if (!strncmp(name, "0x", 2) && sscanf(name, "%llx", &addr) == 1 && !strchr(name, ' ')) {
			if (at < t->n && chain.len)
				t->chains[tool][at] = strndup((char *)chain.data, chain.len);
			at++;
			buf_clear(&chain);
			continue;
		}
		if (!fgets(place, sizeof(place), f))
			break;
		place[strcspn(place, "\n")] = '\0';
		name[strcspn(name, " ")] = '\0'; /* "foo inlined at ..." */
		split_place(place, &file, &line);
		add_frame(&chain, name, file, line);
	}
	if (at < t->n && chain.len)
		t->chains[tool][at] = strndup((char *)chain.data, chain.len);
	pclose(f);
	buf_release(&chain);
}

static void our_chain(const struct names *n, uint32_t loc, struct buf *chain)
{
	char line[16];
	uint32_t i;

	buf_clear(chain);
	for (i = 0; i < fixture_names(n, loc)->n; i++) {
		snprintf(line, sizeof(line), "%u", frame_line(n, loc, i));
		add_frame(chain, frame_system_name(n, loc, i), frame_file(n, loc, i), line);
	}
}

static uint32_t compare(const struct truth *t, const struct names *n, const uint32_t *locs, uint32_t *inlined)
{
	struct buf chain;
	uint32_t i, wrong = 0;
	int tool;
	bool ok;

	*inlined = 0;
	buf_init(&chain, CHAIN_MAX);
	for (i = 0; i < t->n; i++) {
		our_chain(n, locs[i], &chain);
		assert_int_equal(buf_put_u8(&chain, 0), 0);
		*inlined += fixture_names(n, locs[i])->n > 1;
		for (ok = false, tool = 0; tool < 3; tool++)
			ok = ok || (t->chains[tool][i] && !strcmp(t->chains[tool][i], (char *)chain.data));
		if (ok)
			continue;
		if (wrong++ < 3)
			print_error("0x%llx: ours\n%.400s\naddr2line\n%.400s\n",
				    (unsigned long long)t->addrs[i], (char *)chain.data,
				    t->chains[0][i] ? t->chains[0][i] : "");
	}
	buf_release(&chain);
	return wrong;
}

/* @after: a command that changes the finished program. */
static void check_changed(const char *compiler, const char *flags, const char *after)
{
	const struct symbolize_options opt = {.inlines = true};
	struct symbolize_report report;
	struct truth *t;
	uint32_t *locs, i, module, inlined, wrong;
	char path[128];
	struct profile p;
	struct names n;

	if (sh("command -v %s >/dev/null", compiler)) {
		print_message("no %s here\n", compiler);
		return;
	}
	snprintf(path, sizeof(path), "%s/prog", dir);
	assert_int_equal(sh("cd %s && %s %s -o prog prog.cc && %s", dir, compiler, flags, after), 0);
	t = addresses_of(path);
	assert_true(t->n > 300);
	ask(t, 0, "addr2line -a -f -i", path);
	ask(t, 1, "eu-addr2line -a -f -i", path);
	ask(t, 2, "llvm-symbolizer --output-style=GNU --no-demangle -a -f -i", path);

	assert_int_equal(profile_init(&p), 0);
	assert_int_equal(names_init(&n), 0);
	module = fixture_module(&p, path);
	assert_int_not_equal(module, PROFILE_NONE);
	locs = calloc(t->n, sizeof(*locs));
	for (i = 0; i < t->n; i++)
		locs[i] = fixture_location(&p, module, t->addrs[i]);
	assert_int_equal(symbolize(&p, &n, &opt, &report), 0);
	assert_int_equal(report.mode, SYMBOLIZE_FULL);
	/* Without lists of ranges gcc cuts an inlined call's code to its first piece, but not that of calls
	 * in it. */
	wrong = compare(t, &n, locs, &inlined);
	assert_true(strstr(flags, "-gstrict-dwarf") ? wrong < t->n / 100 : !wrong);
	if (!strstr(flags, "-O0"))
		assert_true(inlined > 50);
	free(locs);
	free_truth(t);
	names_release(&n);
	fixture_close(&p);
}

static void check_program(const char *compiler, const char *flags)
{
	check_changed(compiler, flags, "true");
}

static void gcc_dwarf5(void **state)
{
	(void)state;
	check_program("g++", "-O2 -g -gdwarf-5");
}

static void gcc_dwarf4_at_fixed_addresses(void **state)
{
	(void)state;
	check_program("g++", "-O3 -g -gdwarf-4 -no-pie");
}

static void gcc_without_optimization(void **state)
{
	(void)state;
	check_program("g++", "-O0 -g");
}

static void gcc_with_dropped_sections_and_compressed_debug_info(void **state)
{
	(void)state;
	check_program("g++", "-O2 -g -gz -ffunction-sections -Wl,--gc-sections");
}

static void clang_dwarf5(void **state)
{
	(void)state;
	check_program("clang++", "-O2 -g -gdwarf-5");
}

static void clang_dwarf4(void **state)
{
	(void)state;
	check_program("clang++", "-O2 -g -gdwarf-4");
}

static void gcc_link_time_optimization(void **state)
{
	(void)state;
	check_program("g++", "-O2 -g -flto");
}

static void gcc_types_in_units_of_their_own(void **state)
{
	(void)state;
	check_program("g++", "-O2 -gdwarf-4 -fdebug-types-section");
}

static void gcc_strict_dwarf2(void **state)
{
	(void)state;
	check_program("g++", "-O2 -gdwarf-2 -gstrict-dwarf");
}

static void partial_units_of_dwz(void **state)
{
	(void)state;
	if (sh("command -v dwz >/dev/null"))
		skip();
	check_changed("g++", "-O2 -gdwarf-4", "dwz prog");
}

static void debug_info_compressed_the_old_way(void **state)
{
	(void)state;
	check_program("g++", "-O2 -g -gz=zlib-gnu");
}

/* ---- one range of code, claimed several times: no tool to compare with gets these right ---- */

static const char folded[] =
	"static inline __attribute__((always_inline)) int in1(int x) { return x * 3 + (x >> 4); }\n"
	"static inline __attribute__((always_inline)) int in2(int x) { return x * 3 + (x >> 4); }\n"
	"__attribute__((noinline)) int fa(int x) { return in1(x) ^ 9; }\n"
	"__attribute__((noinline)) int fb(int x) { return in2(x) ^ 9; }\n"
	"int main(int c, char **v) { (void)v; return fa(c) + fb(c + 1); }\n";

static const char shared[] =
	"inline __attribute__((always_inline)) int in1(int x) { return x * 3 + (x >> 4); }\n"
	"inline __attribute__((noinline)) int fa(int x) { return in1(x) ^ 9; }\n"
	"int FN(int x) { return fa(x); }\n"
	"#ifdef MAIN\n"
	"int f2(int);\n"
	"int main(int c, char **) { return f1(c) + f2(c); }\n"
	"#endif\n";

static const char nested[] =
	"static inline __attribute__((always_inline)) int in1(int x) { return x * 3 + (x >> 4); }\n"
	"__attribute__((noinline)) int outer(int x)\n"
	"{\n"
	"	__attribute__((noinline)) int inner(int y) { return in1(y) * x; }\n"
	"	return inner(x + 1) + inner(x);\n"
	"}\n"
	"int main(int c, char **v) { (void)v; return outer(c); }\n";

/* The chain at the first address of the function whose symbol ends in @symbol. */
static void chain_at(const char *file, const char *symbol, struct buf *chain)
{
	const struct symbolize_options opt = {.inlines = true};
	struct symbolize_report report;
	unsigned long long addr = 0;
	struct profile p;
	struct names n;
	char path[256];
	uint32_t module, loc;
	FILE *f;

	snprintf(path, sizeof(path), "nm %s/%s | grep ' [TtWw] %s$'", dir, file, symbol);
	f = popen(path, "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%llx", &addr), 1);
	pclose(f);
	snprintf(path, sizeof(path), "%s/%s", dir, file);
	assert_int_equal(profile_init(&p), 0);
	assert_int_equal(names_init(&n), 0);
	module = fixture_module(&p, path);
	assert_int_not_equal(module, PROFILE_NONE);
	loc = fixture_location(&p, module, addr);
	assert_int_equal(symbolize(&p, &n, &opt, &report), 0);
	assert_int_equal(fixture_names(&n, loc)->n, 2);
	our_chain(&n, loc, chain);
	assert_int_equal(buf_put_u8(chain, 0), 0);
	names_release(&n);
	fixture_close(&p);
}

static void functions_folded_into_one_have_the_chain_of_one_of_them(void **state)
{
	struct buf chain;
	char path[96];
	const char *text;

	(void)state;
	snprintf(path, sizeof(path), "%s/folded.c", dir);
	assert_int_equal(write_text(path, folded), 0);
	if (sh("cd %s && cc -O2 -g -ffunction-sections -fuse-ld=gold -Wl,--icf=all -o folded folded.c "
	       "2>/dev/null",
	       dir))
		skip();
	buf_init(&chain, CHAIN_MAX);
	chain_at("folded", "fa", &chain);
	text = (const char *)chain.data;
	assert_true((strstr(text, "in1 ") && strstr(text, "fa folded.c:3")) ||
		    (strstr(text, "in2 ") && strstr(text, "fb folded.c:4")));
	buf_release(&chain);
}

static void a_function_of_several_units_has_one_chain(void **state)
{
	struct buf chain;
	char path[96];

	(void)state;
	snprintf(path, sizeof(path), "%s/shared.cc", dir);
	assert_int_equal(write_text(path, shared), 0);
	assert_int_equal(sh("cd %s && c++ -O2 -g -DFN=f2 -c -o s2.o shared.cc && "
			    "c++ -O2 -g -DFN=f1 -DMAIN -c -o s1.o shared.cc && c++ -o shared s1.o s2.o",
			    dir),
			 0);
	buf_init(&chain, CHAIN_MAX);
	chain_at("shared", "_Z2fai", &chain);
	assert_string_equal((const char *)chain.data, "in1(int) shared.cc:1\nfa(int) shared.cc:2\n");
	buf_release(&chain);
}

/* Such DWARF has no linkage names; the symbol table completes the function around the inlined ones. */
static void line_tables_only_have_the_names_of_the_symbol_table(void **state)
{
	struct buf chain;

	(void)state;
	if (sh("command -v clang++ >/dev/null"))
		skip();
	assert_int_equal(sh("cd %s && clang++ -O2 -gline-tables-only -DFN=f2 -c -o s2.o shared.cc && "
			    "clang++ -O2 -gline-tables-only -DFN=f1 -DMAIN -c -o s1.o shared.cc && "
			    "clang++ -o lines s1.o s2.o",
			    dir),
			 0);
	buf_init(&chain, CHAIN_MAX);
	chain_at("lines", "_Z2fai", &chain);
	assert_non_null(strstr((const char *)chain.data, "\nfa(int) shared.cc:2\n"));
	buf_release(&chain);
}

/* Its DIE is below that of a function which has none of the wanted addresses. */
static void a_nested_function_is_found_without_the_one_around_it(void **state)
{
	struct buf chain;
	char path[96];

	(void)state;
	snprintf(path, sizeof(path), "%s/nested.c", dir);
	assert_int_equal(write_text(path, nested), 0);
	assert_int_equal(sh("cd %s && gcc -O2 -g -o nested nested.c", dir), 0);
	buf_init(&chain, CHAIN_MAX);
	chain_at("nested", "inner\\.[0-9]*", &chain);
	assert_string_equal((const char *)chain.data, "in1 nested.c:1\ninner nested.c:4\n");
	buf_release(&chain);
}

static int make_dir(void **state)
{
	char path[96];

	(void)state;
	strcpy(dir, "/tmp/ddprof-truth-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/prog.cc", dir);
	return write_text(path, program);
}

static int remove_dir(void **state)
{
	(void)state;
	return sh("rm -rf %s", dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gcc_dwarf5),
		cmocka_unit_test(gcc_dwarf4_at_fixed_addresses),
		cmocka_unit_test(gcc_without_optimization),
		cmocka_unit_test(gcc_with_dropped_sections_and_compressed_debug_info),
		cmocka_unit_test(clang_dwarf5),
		cmocka_unit_test(clang_dwarf4),
		cmocka_unit_test(gcc_link_time_optimization),
		cmocka_unit_test(gcc_types_in_units_of_their_own),
		cmocka_unit_test(gcc_strict_dwarf2),
		cmocka_unit_test(partial_units_of_dwz),
		cmocka_unit_test(debug_info_compressed_the_old_way),
		cmocka_unit_test(functions_folded_into_one_have_the_chain_of_one_of_them),
		cmocka_unit_test(a_function_of_several_units_has_one_chain),
		cmocka_unit_test(a_nested_function_is_found_without_the_one_around_it),
		cmocka_unit_test(line_tables_only_have_the_names_of_the_symbol_table),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}

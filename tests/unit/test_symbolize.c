/* SPDX-License-Identifier: Apache-2.0 */
/* test_symbolize.c - every location gets a name or a reason. */
#include "tests/unit/symbolize_fixture.h"

#include <dlfcn.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/auxv.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <cmocka.h>

static void an_inlined_call_is_two_frames_with_lines(void **state)
{
	struct run r;
	uint32_t loc;

	(void)state;
	run_init(&r, full);
	loc = fixture_location(&r.p, r.module, work_addr);
	run(&r, NULL);
	assert_int_equal(r.report.mode, SYMBOLIZE_FULL);
	assert_string_equal(r.report.why, "");
	assert_int_equal(status_of(&r, loc), NAMES_DWARF);
	assert_int_equal(fixture_names(&r.n, loc)->n, 2);
	assert_string_equal(frame_function(&r.n, loc, 0), "twice");
	assert_int_equal(frame_line(&r.n, loc, 0), 3);
	assert_int_equal(r.n.frames[r.n.locations[loc].first].start_line, 1);
	assert_string_equal(frame_function(&r.n, loc, 1), "work");
	assert_int_equal(frame_line(&r.n, loc, 1), 7);
	assert_string_equal(frame_file(&r.n, loc, 1), "prog.c");
	assert_true(r.report.cpu_ns > 0 && r.report.wall_ns > 0 && r.report.peak_rss_kb > 0);
	run_release(&r);
}

static void without_inlines_the_function_has_the_line_of_the_call(void **state)
{
	const struct symbolize_options opt = {.inlines = false};
	struct run r;
	uint32_t loc;

	(void)state;
	run_init(&r, full);
	loc = fixture_location(&r.p, r.module, work_addr);
	run(&r, &opt);
	assert_int_equal(fixture_names(&r.n, loc)->n, 1);
	assert_string_equal(frame_function(&r.n, loc, 0), "work");
	assert_int_equal(frame_line(&r.n, loc, 0), 7);
	run_release(&r);
}

static void assembly_has_its_function_from_the_symbol_table_and_its_line_from_dwarf(void **state)
{
	struct run r;
	uint32_t loc, label;

	(void)state;
	run_init(&r, full);
	loc = fixture_location(&r.p, r.module, by_hand_addr + 1);
	label = fixture_location(&r.p, r.module, no_size_addr + 1);
	run(&r, NULL);
	assert_int_equal(status_of(&r, loc), NAMES_DWARF);
	assert_string_equal(frame_function(&r.n, loc, 0), "by_hand");
	assert_string_equal(frame_file(&r.n, loc, 0), "hand.s");
	assert_int_equal(frame_line(&r.n, loc, 0), 6);
	assert_string_equal(frame_function(&r.n, label, 0), "no_size");
	run_release(&r);
}

static void a_stripped_function_is_called_by_its_begin(void **state)
{
	struct run r;
	uint32_t loc, next, none;
	char want[64];

	(void)state;
	run_init(&r, stripped);
	loc = fixture_location(&r.p, r.module, work_addr);
	next = fixture_location(&r.p, r.module, work_addr + 1);
	none = fixture_location(&r.p, r.module, by_hand_addr);
	run(&r, NULL);
	assert_int_equal(r.report.mode, SYMBOLIZE_FULL);
	assert_int_equal(status_of(&r, loc), NAMES_STRIPPED);
	snprintf(want, sizeof(want), "[stripped+0x%llx]", (unsigned long long)work_addr);
	assert_string_equal(frame_function(&r.n, loc, 0), want);
	assert_string_equal(frame_function(&r.n, next, 0), want);
	/* Assembly has no unwind information: nothing says where its function begins. */
	assert_int_equal(status_of(&r, none), NAMES_STRIPPED);
	assert_int_equal(fixture_names(&r.n, none)->n, 0);
	run_release(&r);
}

static void the_same_address_in_two_mappings_has_the_same_name(void **state)
{
	struct run r;
	uint32_t a, b, mapping;

	(void)state;
	run_init(&r, full);
	a = fixture_location(&r.p, r.module, work_addr);
	/* Another process has the segment mapped in a larger piece. */
	mapping = profile_mapping(&r.p, r.module, 0x10000000, 0x20000000, 0);
	b = profile_location(&r.p, mapping, r.p.locations[a].off);
	assert_int_not_equal(a, b);
	run(&r, NULL);
	assert_string_equal(frame_function(&r.n, a, 0), "twice");
	assert_string_equal(frame_function(&r.n, b, 0), "twice");
	assert_int_equal(fixture_names(&r.n, b)->n, 2);
	run_release(&r);
}

static void names_found_before_are_kept_and_not_looked_up_again(void **state)
{
	struct names_frame f = {0};
	struct run r;
	uint32_t loc;

	(void)state;
	run_init(&r, full);
	loc = fixture_location(&r.p, r.module, work_addr);
	assert_int_equal(strtab_put(&r.n.strings, "cached", &f.function), 0);
	assert_int_equal(names_set(&r.n, loc, NAMES_SYMBOL, &f, 1), 0);
	run(&r, NULL);
	assert_string_equal(frame_function(&r.n, loc, 0), "cached");
	assert_int_equal(r.report.cpu_ns, 0);
	run_release(&r);
}

static void modules_without_contents_have_their_reasons(void **state)
{
	struct profile_module gone = {.kind = MODULE_FILE, .reason = MODULE_GONE, .fd = -1};
	struct profile_module anon = {.kind = MODULE_ANON, .reason = MODULE_NO_CONTENTS, .fd = -1};
	uint32_t in_gone, in_anon, synthetic;
	struct run r;

	(void)state;
	run_init(&r, NULL);
	strtab_put(&r.p.strings, "/gone", &gone.path);
	in_gone = profile_location(
		&r.p, profile_mapping(&r.p, profile_add_module(&r.p, &gone), 0x1000, 0x2000, 0), 0x10);
	in_anon = profile_location(
		&r.p, profile_mapping(&r.p, profile_add_module(&r.p, &anon), 0x5000, 0x6000, 0x5000), 0x5010);
	synthetic = profile_synthetic(&r.p, "[lost]");
	run(&r, NULL);
	assert_int_equal(status_of(&r, in_gone), NAMES_NO_FILE);
	assert_int_equal(status_of(&r, in_anon), NAMES_JIT_UNMAPPED);
	assert_int_equal(status_of(&r, synthetic), NAMES_PENDING);
	assert_int_equal(r.report.mode, SYMBOLIZE_FULL);
	run_release(&r);
}

/* ---- what has no file ---- */

static void the_vdso_is_named_from_memory(void **state)
{
	const uint8_t *image = (const uint8_t *)getauxval(AT_SYSINFO_EHDR);
	struct profile_module m = {.kind = MODULE_VDSO, .fd = -1, .image = image, .image_size = 8192};
	struct elf_source src = {.fd = -1, .image = image, .size = 8192};
	struct elf_file f;
	struct run r;
	uint32_t loc;
	void *fn;

	(void)state;
	fn = dlsym(dlopen("linux-vdso.so.1", RTLD_LAZY | RTLD_NOLOAD), "__vdso_clock_gettime");
	if (!image || !fn)
		skip();
	assert_int_equal(elf_file_parse(&src, &f), 0);
	m.n_segments = f.n_segments;
	memcpy(m.segments, f.segments, sizeof(m.segments));
	run_init(&r, NULL);
	strtab_put(&r.p.strings, "[vdso]", &m.path);
	r.module = profile_add_module(&r.p, &m);
	loc = fixture_location(&r.p, r.module, (uint64_t)((const uint8_t *)fn - image));
	run(&r, NULL);
	assert_int_equal(status_of(&r, loc), NAMES_SYMBOL);
	assert_non_null(strstr(frame_function(&r.n, loc, 0), "clock_gettime"));
	run_release(&r);
}

static void the_kernel_is_named_or_says_that_it_is_not_permitted(void **state)
{
	struct profile_module m = {.kind = MODULE_KERNEL, .reason = MODULE_NO_CONTENTS, .fd = -1};
	uint64_t addr = kernel_symbol("vfs_read"), known = addr ? addr : 0xffffffff81000100;
	uint32_t loc, mapping, low;
	struct run r;

	(void)state;
	run_init(&r, NULL);
	strtab_put(&r.p.strings, "[kernel.kallsyms]", &m.path);
	r.module = profile_add_module(&r.p, &m);
	mapping = profile_mapping(&r.p, r.module, 0xffff000000000000, UINT64_MAX, 0xffff000000000000);
	loc = profile_location(&r.p, mapping, known + 5);
	low = profile_location(&r.p, mapping, 0xffff000000001234);
	run(&r, NULL);
	if (addr) {
		assert_int_equal(status_of(&r, loc), NAMES_SYMBOL);
		assert_string_equal(frame_function(&r.n, loc, 0), "vfs_read");
		assert_int_equal(status_of(&r, low), NAMES_NO_SYMBOL);
	} else {
		assert_int_equal(status_of(&r, loc), NAMES_NOT_ALLOWED);
		assert_int_equal(status_of(&r, low), NAMES_NOT_ALLOWED);
	}
	run_release(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_inlined_call_is_two_frames_with_lines),
		cmocka_unit_test(without_inlines_the_function_has_the_line_of_the_call),
		cmocka_unit_test(assembly_has_its_function_from_the_symbol_table_and_its_line_from_dwarf),
		cmocka_unit_test(a_stripped_function_is_called_by_its_begin),
		cmocka_unit_test(the_same_address_in_two_mappings_has_the_same_name),
		cmocka_unit_test(names_found_before_are_kept_and_not_looked_up_again),
		cmocka_unit_test(modules_without_contents_have_their_reasons),
		cmocka_unit_test(the_vdso_is_named_from_memory),
		cmocka_unit_test(the_kernel_is_named_or_says_that_it_is_not_permitted),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

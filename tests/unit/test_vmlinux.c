/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_vmlinux.c - kernel frames get inlined calls and lines from a debug file of the running kernel.
 *
 * The kernel is the real one; its debug file is ours, because distributions'
 * take gigabytes: it has the kernel's build id and _text, and code at the
 * distance from it where the running kernel has vfs_read.
 */
#include "symbolize/debugfile.h"
#include "tests/unit/elf_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const char program[] = "static inline __attribute__((always_inline)) int half(int x)\n"
			      "{\n"
			      "	return x / 2 ^ 77;\n"
			      "}\n"
			      "__attribute__((section(\".vfs\"))) int vfs_read(int x)\n"
			      "{\n"
			      "	return half(x);\n"
			      "}\n";

#define LINKED_AT 0xffffffff90000000ull /* not where any kernel runs that has no KASLR */

static char dir[64], id[2 * PROFILE_BUILD_ID_MAX + 1];
static uint64_t text, vfs_read;

static bool read_kernel(void)
{
	uint8_t bytes[PROFILE_BUILD_ID_MAX], len, i;
	struct buf notes;

	buf_init(&notes, 65536);
	len = io_read_file(AT_FDCWD, "/sys/kernel/notes", &notes)
		      ? 0
		      : debugfile_note_id(notes.data, notes.len, bytes);
	buf_release(&notes);
	for (i = 0; i < len; i++)
		sprintf(id + 2 * i, "%02x", bytes[i]);
	text = kernel_symbol("_text");
	vfs_read = kernel_symbol("vfs_read");
	return len && text && vfs_read > text;
}

/* "vmlinux" in @dir with build id @build_id. */
static void link_kernel(const char *build_id)
{
	assert_int_equal(sh("cd %s && cc -O2 -g -ffreestanding -fcf-protection=none -mcmodel=large -fno-pic "
			    "-c prog.c && "
			    "ld -N -e 0 --build-id=0x%s --defsym=_text=0x%llx --section-start=.vfs=0x%llx "
			    "-o vmlinux prog.o",
			    dir, build_id, (unsigned long long)LINKED_AT,
			    (unsigned long long)(LINKED_AT + (vfs_read - text))),
			 0);
}

struct answer {
	uint32_t n, status, line[2];
	char function[2][64], other[64];
};

static void crash_first(void *unused, uint32_t attempt, enum symbolize_stage stage)
{
	(void)unused;
	if (!attempt && stage == SYMBOLIZE_MODULE)
		abort();
}

/* Of vfs_read, and the function of the address right before it. */
static void ask(struct answer *a, bool symbols_only)
{
	struct profile_module m = {.kind = MODULE_KERNEL, .reason = MODULE_NO_CONTENTS, .fd = -1};
	const char *paths[] = {dir};
	const struct symbolize_options opt = {
		.inlines = true, .debug_dirs = {paths, 1}, .hook = symbols_only ? crash_first : NULL};
	struct symbolize_report report;
	uint32_t mapping, loc, other, i;
	struct profile p;
	struct names n;

	assert_int_equal(profile_init(&p), 0);
	assert_int_equal(names_init(&n), 0);
	assert_int_equal(strtab_put(&p.strings, "[kernel.kallsyms]", &m.path), 0);
	mapping = profile_mapping(&p, profile_add_module(&p, &m), 0xffff000000000000, UINT64_MAX,
				  0xffff000000000000);
	loc = profile_location(&p, mapping, vfs_read);
	other = profile_location(&p, mapping, vfs_read - 1);
	assert_int_equal(symbolize(&p, &n, &opt, &report), 0);
	*a = (struct answer){.n = fixture_names(&n, loc)->n, .status = fixture_names(&n, loc)->status};
	for (i = 0; i < 2; i++) {
		a->line[i] = frame_line(&n, loc, i);
		snprintf(a->function[i], sizeof(a->function[i]), "%s", frame_function(&n, loc, i));
	}
	snprintf(a->other, sizeof(a->other), "%s", frame_function(&n, other, 0));
	names_release(&n);
	fixture_close(&p);
}

static void the_kernel_has_inlined_calls_and_lines_from_its_debug_file(void **state)
{
	struct answer a;

	(void)state;
	if (!read_kernel())
		skip();
	link_kernel(id);
	ask(&a, false);
	assert_int_equal(a.status, NAMES_DWARF);
	assert_int_equal(a.n, 2);
	assert_string_equal(a.function[0], "half");
	assert_int_equal(a.line[0], 3);
	assert_string_equal(a.function[1], "vfs_read");
	assert_int_equal(a.line[1], 7);
	/* not in our small debug file: kallsyms has it */
	assert_string_not_equal(a.other, "(none)");
	assert_string_not_equal(a.other, "vfs_read");
}

static void after_a_crash_the_kernel_is_named_by_kallsyms_alone(void **state)
{
	struct answer a;

	(void)state;
	if (!read_kernel())
		skip();
	link_kernel(id);
	ask(&a, true);
	assert_int_equal(a.status, NAMES_SYMBOL);
	assert_string_equal(a.function[0], "vfs_read");
}

static void the_debug_file_of_another_kernel_is_not_taken(void **state)
{
	struct answer a;

	(void)state;
	if (!read_kernel())
		skip();
	link_kernel("0123456789abcdef0123456789abcdef01234567");
	ask(&a, false);
	assert_int_equal(a.status, NAMES_SYMBOL);
	assert_int_equal(a.n, 1);
	assert_string_equal(a.function[0], "vfs_read");
	assert_int_equal(a.line[0], 0);
}

static int set_up(void **state)
{
	(void)state;
	return program_directory(dir, "/tmp/ddprof-kdbg-XXXXXX", program);
}

static int tear_down(void **state)
{
	(void)state;
	return sh("rm -rf %s", dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_kernel_has_inlined_calls_and_lines_from_its_debug_file),
		cmocka_unit_test(after_a_crash_the_kernel_is_named_by_kallsyms_alone),
		cmocka_unit_test(the_debug_file_of_another_kernel_is_not_taken),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

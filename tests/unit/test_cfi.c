/* SPDX-License-Identifier: Apache-2.0 */
/* test_cfi.c - CFI: finding an FDE, running its program, evaluating expressions. */
#include "collect/cfi.h"

#include "tests/unit/fake_elf.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cmocka.h>

struct bench {
	struct fake_elf elf;
	struct profile profile;
	struct modules *modules;
	struct cfi *cfi;
	struct module *m;
	struct cfi_row row;
};

static int set_up(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	assert_int_equal(profile_init(&b->profile), 0);
	assert_int_equal(modules_new(&b->modules, &b->profile, 64), 0);
	assert_int_equal(cfi_new(&b->cfi, b->modules), 0);
	*state = b;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *b = *state;

	cfi_free(b->cfi);
	modules_free(b->modules);
	profile_release(&b->profile);
	free(b);
	return 0;
}

static void load(struct bench *b)
{
	fake_finish(&b->elf, 0);
	b->m = modules_add_image(b->modules, "[fake]", b->elf.image, sizeof(b->elf.image));
	assert_non_null(b->m);
	assert_int_equal(b->m->info->reason, MODULE_OK);
}

static int row_at(struct bench *b, uint64_t vaddr)
{
	memset(&b->row, 0xee, sizeof(b->row));
	return cfi_row_at(b->cfi, b->m, vaddr, &b->row);
}

/* push %rbp; mov %rsp,%rbp; ...; pop %rbp, as GCC describes it. */
static const uint8_t frame_insns[] = {0x41, 0x0e, 16, 0x86, 2, 0x43, 0x0d, 6, 0x50, 0x0c, 7, 8};

static void three_functions(struct bench *b, enum fake_kind kind)
{
	fake_init(&b->elf, kind);
	fake_fde(&b->elf, 0x2000, 0x40, frame_insns, sizeof(frame_insns));
	fake_fde(&b->elf, 0x2040, 0x10, NULL, 0);
	fake_fde(&b->elf, 0x2100, 0x20, frame_insns, sizeof(frame_insns));
	load(b);
}

static void check_three_functions(struct bench *b)
{
	assert_int_equal(row_at(b, 0x1fff), -ENOENT);
	assert_int_equal(row_at(b, 0x2000), 0);
	assert_int_equal(b->row.start, 0x2000);
	assert_int_equal(b->row.end, 0x2040);
	assert_int_equal(b->row.cfa_reg, 7);
	assert_int_equal(b->row.cfa_off, 8);
	assert_int_equal(b->row.ra, 16);
	assert_int_equal(b->row.regs[16].kind, CFI_OFFSET);
	assert_int_equal(b->row.regs[16].u.off, -8);
	assert_int_equal(b->row.regs[6].kind, CFI_UNSPECIFIED);
	assert_int_equal(row_at(b, 0x2001), 0);
	assert_int_equal(b->row.cfa_off, 16);
	assert_int_equal(b->row.regs[6].u.off, -16);
	assert_int_equal(row_at(b, 0x2013), 0);
	assert_int_equal(b->row.cfa_reg, 6);
	assert_int_equal(row_at(b, 0x2014), 0);
	assert_int_equal(b->row.cfa_reg, 7);
	assert_int_equal(b->row.cfa_off, 8);
	assert_int_equal(row_at(b, 0x204f), 0);
	assert_int_equal(b->row.start, 0x2040);
	assert_int_equal(row_at(b, 0x2050), -ENOENT);
	assert_int_equal(row_at(b, 0x20ff), -ENOENT);
	assert_int_equal(row_at(b, 0x211f), 0);
	assert_int_equal(row_at(b, 0x2120), -ENOENT);
	assert_int_equal(row_at(b, UINT64_MAX), -ENOENT);
}

static void rows_are_found_through_the_search_table(void **state)
{
	three_functions(*state, FAKE_TABLE);
	check_three_functions(*state);
}

static void rows_are_found_without_a_search_table(void **state)
{
	three_functions(*state, FAKE_SECTION);
	check_three_functions(*state);
}

static void rows_are_found_in_debug_frame(void **state)
{
	three_functions(*state, FAKE_DEBUG);
	check_three_functions(*state);
}

/* Run @insns as the program of a function of 0x100 bytes, up to its byte @at. */
static int run(struct cfi_row *row, const uint8_t *insns, size_t n, uint64_t at)
{
	static const uint8_t initial[] = {0x0c, 7, 8, 0x90, 1};
	struct cfi_fde fde = {.cie = {.code_align = 1,
				      .data_align = -8,
				      .ra = 16,
				      .insns = initial,
				      .insns_len = sizeof(initial)},
			      .start = 0x1000,
			      .end = 0x1100,
			      .insns = insns,
			      .insns_len = n};

	return cfi_run(&fde, 0x1000 + at, row);
}

#define RUN(row, at, ...) run(row, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}), at)

static void every_form_of_advance_is_understood(void **state)
{
	struct cfi_row row;

	(void)state;
	assert_int_equal(RUN(&row, 0x3f, 0x7f, 0x0e, 16), 0);
	assert_int_equal(row.cfa_off, 16);
	assert_int_equal(RUN(&row, 0x3e, 0x7f, 0x0e, 16), 0);
	assert_int_equal(row.cfa_off, 8);
	assert_int_equal(RUN(&row, 0xa0, 0x02, 0x9f, 0x0e, 24), 0);
	assert_int_equal(row.cfa_off, 24);
	assert_int_equal(RUN(&row, 0xa0, 0x02, 0xa1, 0x0e, 24), 0);
	assert_int_equal(row.cfa_off, 8);
	assert_int_equal(RUN(&row, 0xf0, 0x03, 0xf0, 0x00, 0x0e, 32), 0);
	assert_int_equal(row.cfa_off, 32);
	assert_int_equal(RUN(&row, 0xf0, 0x04, 0xf1, 0, 0, 0, 0x0e, 32), 0);
	assert_int_equal(row.cfa_off, 8);
	assert_int_equal(RUN(&row, 0x20, 0x01, 0x20, 0x10, 0, 0, 0, 0, 0, 0, 0x0e, 48), 0);
	assert_int_equal(row.cfa_off, 48);
}

static void remembered_rows_come_back_whole_and_nested(void **state)
{
	struct cfi_row row;

	(void)state;
	/* remember; cfa=rbp+16, rbp saved; remember; undefined ra; restore; restore */
	assert_int_equal(RUN(&row, 9, 0x0a, 0x0c, 6, 16, 0x86, 2, 0x0a, 0x07, 16, 0x0b, 0x41, 0x0b), 0);
	assert_int_equal(row.cfa_reg, 7);
	assert_int_equal(row.cfa_off, 8);
	assert_int_equal(row.regs[6].kind, CFI_UNSPECIFIED);
	assert_int_equal(RUN(&row, 0, 0x0a, 0x0c, 6, 16, 0x86, 2, 0x0a, 0x07, 16, 0x0b, 0x41, 0x0b), 0);
	assert_int_equal(row.cfa_reg, 6);
	assert_int_equal(row.regs[6].u.off, -16);
	assert_int_equal(row.regs[16].kind, CFI_OFFSET);
}

static void restore_brings_back_the_rule_of_the_cie(void **state)
{
	struct cfi_row row;

	(void)state;
	assert_int_equal(RUN(&row, 0, 0x07, 16, 0x83, 3, 0xd0, 0xc3), 0);
	assert_int_equal(row.regs[16].kind, CFI_OFFSET);
	assert_int_equal(row.regs[16].u.off, -8);
	assert_int_equal(row.regs[3].kind, CFI_UNSPECIFIED);
	assert_int_equal(RUN(&row, 0, 0x07, 16, 0x06, 16), 0);
	assert_int_equal(row.regs[16].kind, CFI_OFFSET);
}

static void every_kind_of_rule_is_understood(void **state)
{
	struct cfi_row row;

	(void)state;
	assert_int_equal(RUN(&row, 0, 0x05, 3, 4, 0x11, 12, 0x7d, 0x14, 13, 2, 0x15, 14, 0x7e, 0x09, 15, 3),
			 0);
	assert_int_equal(row.regs[3].u.off, -32);
	assert_int_equal(row.regs[12].u.off, 24);
	assert_int_equal(row.regs[13].kind, CFI_VAL_OFFSET);
	assert_int_equal(row.regs[13].u.off, -16);
	assert_int_equal(row.regs[14].u.off, 16);
	assert_int_equal(row.regs[15].kind, CFI_REGISTER);
	assert_int_equal(row.regs[15].u.reg, 3);
	assert_int_equal(RUN(&row, 0, 0x10, 3, 2, 0x77, 8, 0x16, 6, 1, 0x30, 0x08, 12, 0x2f, 13, 2), 0);
	assert_int_equal(row.regs[3].kind, CFI_EXPR);
	assert_int_equal(row.regs[3].len, 2);
	assert_int_equal(row.regs[3].u.expr[0], 0x77);
	assert_int_equal(row.regs[6].kind, CFI_VAL_EXPR);
	assert_int_equal(row.regs[12].kind, CFI_SAME);
	assert_int_equal(row.regs[13].u.off, 16);
	assert_int_equal(RUN(&row, 0, 0x0f, 2, 0x77, 8), 0);
	assert_true(row.cfa_is_expr);
	assert_int_equal(row.cfa_len, 2);
	assert_int_equal(RUN(&row, 0, 0x12, 6, 0x7e), 0);
	assert_int_equal(row.cfa_reg, 6);
	assert_int_equal(row.cfa_off, 16);
	assert_int_equal(RUN(&row, 0, 0x13, 0x7d), 0);
	assert_int_equal(row.cfa_off, 24);
}

static void what_concerns_others_is_skipped(void **state)
{
	struct cfi_row row;

	(void)state;
	/* args_size, negate_ra_state, a rule for a vector register, nops */
	assert_int_equal(RUN(&row, 0, 0x2e, 0x90, 1, 0x2d, 0x05, 0xc8, 0, 4, 0, 0, 0x0e, 40), 0);
	assert_int_equal(row.cfa_off, 40);
}

static void malformed_programs_are_refused(void **state)
{
	struct cfi_row row;
	uint8_t deep[64];

	(void)state;
	assert_int_equal(RUN(&row, 0, 0x0b), -EBADMSG);          /* restore without remember */
	assert_int_equal(RUN(&row, 0, 0x3f), -EBADMSG);          /* unknown */
	assert_int_equal(RUN(&row, 0, 0x0c, 7), -EBADMSG);       /* operand missing */
	assert_int_equal(RUN(&row, 0, 0x0e, 0x80), -EBADMSG);    /* number without an end */
	assert_int_equal(RUN(&row, 0, 0x10, 3, 9, 0), -EBADMSG); /* expression longer than the program */
	assert_int_equal(RUN(&row, 0x20, 0x41, 0x01, 0, 0, 0, 0, 0, 0, 0, 0), -EBADMSG); /* backwards */
	memset(deep, 0x0a, sizeof(deep));
	assert_int_equal(run(&row, deep, sizeof(deep), 0), -EBADMSG);
}

static void malformed_sections_are_errors_not_crashes(void **state)
{
	struct bench *b = *state;
	uint32_t huge = 0xfffffff0;

	three_functions(b, FAKE_TABLE);
	memcpy(b->elf.image + b->elf.table[0].fde + FAKE_HDR, &huge, 4); /* the FDE's length */
	assert_int_equal(row_at(b, 0x2000), -EBADMSG);
	memcpy(b->elf.image + b->elf.table[1].fde + FAKE_HDR + 4, &huge, 4); /* its CIE */
	assert_int_equal(row_at(b, 0x2040), -EBADMSG);
	memcpy(b->elf.image + FAKE_HDR + 12 + 2 * 8 + 4, &huge, 4); /* the table's pointer to it */
	assert_int_equal(row_at(b, 0x2100), -EBADMSG);
}

static void a_table_that_claims_more_than_it_has_is_not_used(void **state)
{
	struct bench *b = *state;
	uint32_t many = 1u << 30;

	three_functions(b, FAKE_TABLE);
	memcpy(b->elf.image + FAKE_HDR + 8, &many, 4);
	/* .eh_frame itself is intact, and indexed instead. */
	check_three_functions(b);
}

/* The fake image in a file whose .debug_frame is @size bytes long, mostly a hole. */
static void load_sparse(struct bench *b, uint64_t size)
{
	char path[] = "/tmp/ddprof-test-cfi.XXXXXX";
	Elf64_Shdr *sh = (void *)(b->elf.image + FAKE_SHDRS + sizeof(*sh));
	int fd = mkstemp(path);
	struct module_ident id;
	struct stat st;

	assert_true(fd >= 0);
	fake_finish(&b->elf, 0);
	((Elf64_Ehdr *)(void *)b->elf.image)->e_machine = regs_arch.e_machine;
	sh->sh_size = size;
	assert_int_equal(write(fd, b->elf.image, FAKE_SIZE), FAKE_SIZE);
	assert_int_equal(ftruncate(fd, (off_t)(FAKE_FRAME + size)), 0);
	assert_int_equal(fstat(fd, &st), 0);
	id = (struct module_ident){major(st.st_dev), minor(st.st_dev), st.st_ino, 0};
	close(fd);
	b->m = modules_get(b->modules, getpid(), path, &id, 0, 0);
	unlink(path);
	assert_non_null(b->m);
	assert_int_equal(b->m->info->reason, MODULE_OK);
	assert_int_equal(b->m->debug_frame.size, size);
}

/* Without a limit the next two would take hours. */
static void a_hole_in_a_file_is_the_end_of_the_section(void **state)
{
	struct bench *b = *state;

	fake_init(&b->elf, FAKE_DEBUG);
	fake_fde(&b->elf, 0x2000, 0x40, NULL, 0);
	load_sparse(b, 1ull << 40);
	assert_int_equal(row_at(b, 0x2000), 0);
	assert_int_equal(row_at(b, 0x3000), -ENOENT);
	assert_int_equal(row_at(b, 0x2040), -ENOENT);
}

static void a_section_that_is_all_hole_has_no_index(void **state)
{
	struct bench *b = *state;

	fake_init(&b->elf, FAKE_DEBUG);
	memset(b->elf.image + FAKE_FRAME, 0, FAKE_SIZE - FAKE_FRAME);
	load_sparse(b, 1ull << 40);
	assert_int_equal(row_at(b, 0x2000), -ENOENT);
}

static void what_lies_behind_the_limit_of_a_section_is_not_looked_at(void **state)
{
	struct bench *b = *state;
	uint32_t far = 65u << 20;

	fake_init(&b->elf, FAKE_DEBUG);
	fake_fde(&b->elf, 0x2000, 0x40, NULL, 0);
	fake_u32(&b->elf, far); /* an entry as long as that, and one more behind it */
	load_sparse(b, 1ull << 40);
	assert_int_equal(row_at(b, 0x2000), 0);
	assert_int_equal(row_at(b, 0x2fff), -ENOENT);
}

static void each_byte_of_an_image_may_be_wrong(void **state)
{
	struct bench *b = *state;
	struct fake_elf good;
	uint32_t i;

	three_functions(b, FAKE_TABLE);
	good = b->elf;
	for (i = FAKE_HDR; i < b->elf.at; i++) {
		b->elf = good;
		b->elf.image[i] ^= (uint8_t)(0x80 + i % 0x7f);
		(void)row_at(b, 0x2010);
		(void)row_at(b, 0x2110);
	}
}

/* ---- expressions ---- */

static const uint64_t stack_words[] = {0x1111, 0x2222, 0x3333};

static int eval(uint64_t *v, const uint8_t *e, size_t n)
{
	static const uint64_t regs[REGS_MAX] = {[6] = 0x7000, [7] = 0x8000, [16] = 0x40001b};
	const struct cfi_machine mc = {regs, 1u << 6 | 1u << 7 | 1u << 16, (const uint8_t *)stack_words,
				       0x8000, sizeof(stack_words)};

	return cfi_eval(e, n, &mc, NULL, v);
}

#define EVAL(v, ...) eval(v, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void the_expression_of_a_plt_gives_its_cfa(void **state)
{
	uint64_t v;

	(void)state;
	/* sp + 8, and 8 more from byte 11 of the entry on: rip is 0x...b here */
	assert_int_equal(EVAL(&v, 0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22), 0);
	assert_int_equal(v, 0x8010);
}

static void memory_is_read_from_the_stack_copy_only(void **state)
{
	uint64_t v;

	(void)state;
	assert_int_equal(EVAL(&v, 0x77, 8, 0x06), 0);
	assert_int_equal(v, 0x2222);
	assert_int_equal(EVAL(&v, 0x77, 16, 0x94, 1), 0);
	assert_int_equal(v, 0x33);
	assert_int_equal(EVAL(&v, 0x77, 17, 0x06), -EFAULT);
	assert_int_equal(EVAL(&v, 0x77, 0x7f, 0x06), -EFAULT);
	assert_int_equal(EVAL(&v, 0x30, 0x06), -EFAULT);
	assert_int_equal(EVAL(&v, 0x77, 0, 0x94, 3), -EBADMSG);
}

static void a_register_that_is_not_known_is_no_value(void **state)
{
	uint64_t v;

	(void)state;
	assert_int_equal(EVAL(&v, 0x73, 0), -EFAULT);
	assert_int_equal(EVAL(&v, 0x92, 0xff, 0x7f, 0), -EFAULT);
	assert_int_equal(EVAL(&v, 0x92, 6, 1), 0);
	assert_int_equal(v, 0x7001);
}

static void arithmetic_has_no_traps(void **state)
{
	uint64_t v;

	(void)state;
	assert_int_equal(EVAL(&v, 0x31, 0x30, 0x1b), -EBADMSG); /* / 0 */
	assert_int_equal(EVAL(&v, 0x31, 0x30, 0x1d), -EBADMSG); /* % 0 */
	assert_int_equal(
		EVAL(&v, 0x31, 0x08, 63, 0x24, 0x0f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1b),
		0);
	assert_int_equal(v, 1ull << 63); /* INT64_MIN / -1 */
	assert_int_equal(EVAL(&v, 0x31, 0x08, 64, 0x24), 0);
	assert_int_equal(v, 0);
	assert_int_equal(EVAL(&v, 0x09, 0x80, 0x08, 200, 0x26), 0);
	assert_int_equal(v, UINT64_MAX);
	assert_int_equal(EVAL(&v, 0x09, 0xfb, 0x32, 0x1b), 0); /* -5 / 2 */
	assert_int_equal(v, (uint64_t)-2);
	assert_int_equal(EVAL(&v, 0x09, 0xfb, 0x31, 0x2d), 0); /* -5 < 1 */
	assert_int_equal(v, 1);
}

static void entries_are_moved_as_the_standard_says(void **state)
{
	uint64_t v;

	(void)state;
	assert_int_equal(EVAL(&v, 0x31, 0x32, 0x33, 0x17, 0x13), 0); /* 1 2 3 rot: 3 1 2 */
	assert_int_equal(v, 1);
	assert_int_equal(EVAL(&v, 0x31, 0x32, 0x16), 0);
	assert_int_equal(v, 1);
	assert_int_equal(EVAL(&v, 0x31, 0x32, 0x33, 0x15, 2), 0);
	assert_int_equal(v, 1);
	assert_int_equal(EVAL(&v, 0x31, 0x32, 0x14), 0);
	assert_int_equal(v, 1);
	assert_int_equal(EVAL(&v, 0x13), -EBADMSG);
	assert_int_equal(EVAL(&v, 0x22), -EBADMSG);
	assert_int_equal(EVAL(&v, 0x31, 0x17), -EBADMSG);
	assert_int_equal(EVAL(&v, 0x96), -EBADMSG); /* nothing left to return */
}

static void branches_stay_inside_and_loops_end(void **state)
{
	uint64_t v;

	(void)state;
	assert_int_equal(EVAL(&v, 0x31, 0x28, 1, 0, 0x35, 0x36), 0); /* taken: skips one */
	assert_int_equal(v, 6);
	assert_int_equal(EVAL(&v, 0x2f, 0xfd, 0xff), -EBADMSG);       /* to itself for ever */
	assert_int_equal(EVAL(&v, 0x2f, 0xfc, 0xff), -EBADMSG);       /* before the start */
	assert_int_equal(EVAL(&v, 0x2f, 1, 0), -EBADMSG);             /* behind the end */
	assert_int_equal(EVAL(&v, 0x31, 0x2f, 0xfc, 0xff), -EBADMSG); /* pushes for ever */
}

static void operations_without_a_meaning_here_are_refused(void **state)
{
	uint64_t v;

	(void)state;
	assert_int_equal(EVAL(&v, 0x91, 0), -EBADMSG); /* frame base */
	assert_int_equal(EVAL(&v, 0xf0), -EBADMSG);
	assert_int_equal(EVAL(&v, 0x0e, 1, 2), -EBADMSG); /* cut off */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(rows_are_found_through_the_search_table, set_up, tear_down),
		cmocka_unit_test_setup_teardown(rows_are_found_without_a_search_table, set_up, tear_down),
		cmocka_unit_test_setup_teardown(rows_are_found_in_debug_frame, set_up, tear_down),
		cmocka_unit_test(every_form_of_advance_is_understood),
		cmocka_unit_test(remembered_rows_come_back_whole_and_nested),
		cmocka_unit_test(restore_brings_back_the_rule_of_the_cie),
		cmocka_unit_test(every_kind_of_rule_is_understood),
		cmocka_unit_test(what_concerns_others_is_skipped),
		cmocka_unit_test(malformed_programs_are_refused),
		cmocka_unit_test_setup_teardown(malformed_sections_are_errors_not_crashes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_table_that_claims_more_than_it_has_is_not_used, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_hole_in_a_file_is_the_end_of_the_section, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_section_that_is_all_hole_has_no_index, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_lies_behind_the_limit_of_a_section_is_not_looked_at,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(each_byte_of_an_image_may_be_wrong, set_up, tear_down),
		cmocka_unit_test(the_expression_of_a_plt_gives_its_cfa),
		cmocka_unit_test(memory_is_read_from_the_stack_copy_only),
		cmocka_unit_test(a_register_that_is_not_known_is_no_value),
		cmocka_unit_test(arithmetic_has_no_traps),
		cmocka_unit_test(entries_are_moved_as_the_standard_says),
		cmocka_unit_test(branches_stay_inside_and_loops_end),
		cmocka_unit_test(operations_without_a_meaning_here_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

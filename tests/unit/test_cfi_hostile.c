/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_cfi_hostile.c - CFI that lies: lengths, pointers, tables, files that shrink.
 *
 * What is asked for each time: no crash, an error or the right row, never a row
 * of another function, and the functions that are intact stay found.
 */
#include "collect/cfi.h"
#include "collect/unwind.h"

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

#define FIRST  0x2000
#define SECOND 0x2040
#define THIRD  0x2100

struct bench {
	struct fake_elf elf;
	struct profile profile;
	struct modules *modules;
	struct cfi *cfi;
	struct module *m;
	struct cfi_row row;
	uint32_t fde[4], cie[2]; /* offsets in the image */
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

/* Three functions; what is done to the image comes between build() and load(). */
static void build(struct bench *b, enum fake_kind kind)
{
	static const uint8_t deep[] = {0x0e, 32};

	fake_init(&b->elf, kind);
	b->cie[0] = b->elf.cie;
	b->fde[0] = b->elf.at;
	fake_fde(&b->elf, FIRST, 0x40, NULL, 0);
	b->fde[1] = b->elf.at;
	fake_fde(&b->elf, SECOND, 0x20, deep, sizeof(deep));
	b->fde[2] = b->elf.at;
	fake_fde(&b->elf, THIRD, 0x20, NULL, 0);
	b->fde[3] = b->elf.at;
	fake_finish(&b->elf, 0);
}

static void load(struct bench *b)
{
	b->m = modules_add_image(b->modules, "[fake]", b->elf.image, sizeof(b->elf.image));
	assert_non_null(b->m);
	assert_int_equal(b->m->info->reason, MODULE_OK);
}

static void poke32(struct bench *b, uint32_t at, uint32_t v)
{
	memcpy(b->elf.image + at, &v, sizeof(v));
}

static int row_at(struct bench *b, uint64_t vaddr)
{
	int err = cfi_row_at(b->cfi, b->m, vaddr, &b->row);

	if (!err) {
		assert_true(vaddr >= b->row.start && vaddr < b->row.end);
	}
	return err;
}

static const enum fake_kind kinds[] = {FAKE_TABLE, FAKE_SECTION, FAKE_DEBUG};

static void a_length_that_lies_costs_its_own_function_only(void **state)
{
	static const uint32_t lengths[] = {0, 1, 3, 0x10000, 0x7fffffff, 0xfffffff0, UINT32_MAX};
	struct bench *b = *state;
	unsigned i, k;

	for (k = 0; k < 3; k++) {
		for (i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
			build(b, kinds[k]);
			poke32(b, b->fde[1], lengths[i]);
			load(b);
			assert_int_equal(row_at(b, FIRST), 0);
			assert_int_not_equal(row_at(b, SECOND), 0);
			/* An index is built from one entry to the next, and ends at what makes no sense. */
			if (kinds[k] == FAKE_TABLE)
				assert_int_equal(row_at(b, THIRD), 0);
			else
				(void)row_at(b, THIRD);
		}
	}
}

static void a_wide_length_that_lies_is_refused(void **state)
{
	static const uint64_t lengths[] = {0, 4, 1ull << 32, 1ull << 63, UINT64_MAX, UINT64_MAX - 11};
	struct bench *b = *state;
	unsigned i;

	for (i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		build(b, FAKE_TABLE);
		poke32(b, b->fde[1], UINT32_MAX);
		memcpy(b->elf.image + b->fde[1] + 4, &lengths[i], 8);
		load(b);
		assert_int_not_equal(row_at(b, SECOND), 0);
		assert_int_equal(row_at(b, FIRST), 0);
	}
}

static void a_cie_pointer_to_an_fde_is_refused(void **state)
{
	struct bench *b = *state;
	unsigned i, k;

	for (k = 0; k < 2; k++) {
		build(b, kinds[k]);
		poke32(b, b->fde[0] + 4, 4);                         /* to itself */
		poke32(b, b->fde[1] + 4, b->fde[1] + 4 - b->fde[2]); /* to the next, which ... */
		poke32(b, b->fde[2] + 4, b->fde[2] + 4 - b->fde[1]); /* ... points back */
		load(b);
		for (i = 0; i < 2; i++) {
			assert_int_not_equal(row_at(b, FIRST), 0);
			assert_int_not_equal(row_at(b, SECOND), 0);
			assert_int_not_equal(row_at(b, THIRD), 0);
		}
	}
}

static void a_cie_pointer_out_of_the_section_is_refused(void **state)
{
	static const uint32_t pointers[] = {1, 0x1000, 0x7fffffff, UINT32_MAX};
	struct bench *b = *state;
	unsigned i;

	for (i = 0; i < sizeof(pointers) / sizeof(*pointers); i++) {
		build(b, FAKE_TABLE);
		poke32(b, b->fde[1] + 4, pointers[i]);
		load(b);
		assert_int_not_equal(row_at(b, SECOND), 0);
		assert_int_equal(row_at(b, THIRD), 0);
	}
}

static void unknown_letters_of_an_augmentation_end_it(void **state)
{
	struct bench *b = *state;

	fake_init(&b->elf, FAKE_TABLE);
	fake_cie(&b->elf, "Q?"); /* "zRQ?": the encoding is known by then, the length tells the rest */
	fake_fde(&b->elf, FIRST, 0x40, NULL, 0);
	fake_finish(&b->elf, 0);
	load(b);
	assert_int_equal(row_at(b, FIRST), 0);
	assert_int_equal(b->row.cfa_off, 8);
	/* Without 'z' nobody knows how long it is. */
	build(b, FAKE_TABLE);
	memcpy(b->elf.image + b->cie[0] + 9, "eh", 2);
	load(b);
	assert_int_equal(row_at(b, FIRST), -EBADMSG);
}

static void an_augmentation_without_its_end_is_refused(void **state)
{
	struct bench *b = *state;
	uint32_t len;

	build(b, FAKE_TABLE);
	memcpy(&len, b->elf.image + b->cie[0], 4);
	memset(b->elf.image + b->cie[0] + 9, 'z', len - 5);
	load(b);
	assert_int_equal(row_at(b, FIRST), -EBADMSG);
	build(b, FAKE_TABLE);
	b->elf.image[b->cie[0] + 9 + 3 + 3] = 0xff; /* its length, in more bytes than there are */
	load(b);
	assert_int_equal(row_at(b, FIRST), -EBADMSG);
}

/* Every order of three entries. */
static void an_unsorted_table_never_gives_the_row_of_another_function(void **state)
{
	static const uint8_t orders[][3] = {{0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}, {0, 0, 0}};
	struct bench *b = *state;
	uint8_t entries[24];
	unsigned i, j, at;

	for (i = 0; i < 6; i++) {
		build(b, FAKE_TABLE);
		memcpy(entries, b->elf.image + FAKE_HDR + 12, sizeof(entries));
		for (j = 0; j < 3; j++)
			memcpy(b->elf.image + FAKE_HDR + 12 + j * 8, entries + orders[i][j] * 8, 8);
		load(b);
		for (at = FIRST - 0x10; at < THIRD + 0x30; at++)
			(void)row_at(b, at); /* checks that the row covers it */
	}
}

static void overlapping_functions_give_a_row_that_covers_the_address(void **state)
{
	struct bench *b = *state;
	unsigned k, at;

	for (k = 0; k < 3; k++) {
		fake_init(&b->elf, kinds[k]);
		fake_fde(&b->elf, FIRST, 0x200, NULL, 0);
		fake_fde(&b->elf, FIRST + 0x20, 0x40, NULL, 0);
		fake_fde(&b->elf, FIRST + 0x20, 0x80, NULL, 0);
		fake_fde(&b->elf, FIRST + 0x30, 0, NULL, 0);
		fake_finish(&b->elf, 0);
		load(b);
		for (at = FIRST - 1; at < FIRST + 0x210; at++)
			(void)row_at(b, at);
		assert_int_equal(row_at(b, FIRST), 0);
	}
}

static void a_table_that_disagrees_with_its_section_is_not_believed(void **state)
{
	struct bench *b = *state;
	uint32_t targets[6];
	unsigned i;

	build(b, FAKE_TABLE);
	targets[0] = b->cie[0];      /* a CIE */
	targets[1] = b->fde[1] + 4;  /* the middle of an entry */
	targets[2] = b->fde[2];      /* another function's */
	targets[3] = b->fde[3];      /* behind the last */
	targets[4] = FAKE_FRAME - 4; /* before the section */
	targets[5] = 0x7fff0000;     /* nowhere */
	for (i = 0; i < 6; i++) {
		build(b, FAKE_TABLE);
		poke32(b, FAKE_HDR + 12 + 8 + 4, targets[i] - FAKE_HDR);
		load(b);
		assert_int_not_equal(row_at(b, SECOND), 0);
		assert_int_equal(row_at(b, FIRST), 0);
		assert_int_equal(row_at(b, THIRD), 0);
	}
}

static void a_table_for_other_addresses_finds_nothing(void **state)
{
	struct bench *b = *state;
	unsigned at;

	build(b, FAKE_TABLE);
	for (at = 0; at < 3; at++)
		poke32(b, FAKE_HDR + 12 + at * 8, 0x100 * at);
	load(b);
	for (at = FIRST; at < THIRD + 0x20; at += 4)
		(void)row_at(b, at);
}

/* The image as a file, opened; its path is gone afterwards. Returns a descriptor for writing. */
static int load_file(struct bench *b)
{
	char path[] = "/tmp/ddprof-test-hostile.XXXXXX";
	int fd = mkstemp(path);
	struct module_ident id;
	struct stat st;

	assert_true(fd >= 0);
	((Elf64_Ehdr *)(void *)b->elf.image)->e_machine = regs_arch.e_machine;
	assert_int_equal(write(fd, b->elf.image, FAKE_SIZE), FAKE_SIZE);
	assert_int_equal(fstat(fd, &st), 0);
	id = (struct module_ident){major(st.st_dev), minor(st.st_dev), st.st_ino, 0};
	b->m = modules_get(b->modules, getpid(), path, &id, 0, 0);
	unlink(path);
	assert_non_null(b->m);
	assert_int_equal(b->m->info->reason, MODULE_OK);
	return fd;
}

static void a_file_truncated_while_in_use_gives_errors(void **state)
{
	static const off_t sizes[] = {FAKE_FRAME + 0x20, FAKE_HDR + 8, 0x10, 0};
	struct bench *b = *state;
	unsigned i, k;
	int fd;

	for (k = 0; k < 3; k++) {
		for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
			build(b, kinds[k]);
			fd = load_file(b);
			assert_int_equal(ftruncate(fd, sizes[i]), 0);
			assert_int_not_equal(row_at(b, SECOND), 0);
			assert_int_not_equal(row_at(b, THIRD), 0);
			close(fd);
		}
	}
}

static void a_file_truncated_between_two_rows_ends_the_walk_with_a_reason(void **state)
{
	struct bench *b = *state;
	struct unwind_frame frames[8];
	uint64_t regs[REGS_MAX] = {0}, stack[8];
	struct unwind_sample s = {.regs = regs, .stack = (uint8_t *)stack, .stack_size = sizeof(stack)};
	struct mapping map = {0x400000, 0x400000 + FAKE_SIZE, 0, NULL, 0};
	struct unwinder *u = NULL;
	struct maps *maps = maps_new();
	struct unwind_result got;
	int fd;

	if (regs_arch.lr >= 0)
		skip(); /* the made-up code is x86-64's */
	build(b, FAKE_TABLE);
	fd = load_file(b);
	map.module = b->m;
	assert_int_equal(maps_insert(&maps, &map), 0);
	assert_int_equal(unwinder_new(&u, b->modules), 0);
	regs[regs_arch.sp] = 0x7000;
	regs[regs_arch.pc] = map.start + FIRST;
	stack[0] = map.start + THIRD + 8;
	stack[1] = 0;
	assert_int_equal(ftruncate(fd, 0x100), 0);
	unwind_walk(u, maps, &s, frames, 8, &got);
	assert_int_equal(got.n, 1);
	assert_false(unwind_end_complete(got.end));
	unwinder_free(u);
	maps_unref(maps);
	close(fd);
}

int main(void)
{
#define T(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(a_length_that_lies_costs_its_own_function_only),
		T(a_wide_length_that_lies_is_refused),
		T(a_cie_pointer_to_an_fde_is_refused),
		T(a_cie_pointer_out_of_the_section_is_refused),
		T(unknown_letters_of_an_augmentation_end_it),
		T(an_augmentation_without_its_end_is_refused),
		T(an_unsorted_table_never_gives_the_row_of_another_function),
		T(overlapping_functions_give_a_row_that_covers_the_address),
		T(a_table_that_disagrees_with_its_section_is_not_believed),
		T(a_table_for_other_addresses_finds_nothing),
		T(a_file_truncated_while_in_use_gives_errors),
		T(a_file_truncated_between_two_rows_ends_the_walk_with_a_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

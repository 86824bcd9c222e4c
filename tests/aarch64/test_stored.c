/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_stored.c - aarch64: registers, rows, and a stored stack that knows its chain.
 *
 * Runs under qemu, after `snapshot` has written SNAPSHOT (an environment variable).
 */
#include "collect/cfi.h"
#include "collect/regs.h"
#include "collect/rowcache.h"
#include "collect/unwind.h"
#include "snapshot.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cmocka.h>

#define MAX_FRAMES 256
#define FP         29
#define LR         30
#define SP         31
#define PC         32

static struct snapshot shot;

static struct {
	struct profile profile;
	struct modules *modules;
	struct unwinder *unwinder;
	struct maps *maps;
	struct unwind_frame frames[MAX_FRAMES];
	struct unwind_result got;
} self;

static void add_mapping(const struct snapshot_map *s)
{
	struct mapping m = {s->start, s->end, s->off, NULL, 0};
	struct module_ident id = {0};
	struct stat st;

	if (s->path[0] == '/' && !stat(s->path, &st))
		id = (struct module_ident){major(st.st_dev), minor(st.st_dev), st.st_ino, 0};
	m.module = modules_get(self.modules, getpid(), s->path[0] ? s->path : "//anon", &id, m.start, m.end);
	assert_non_null(m.module);
	if (m.module->info->kind == MODULE_ANON)
		m.pgoff = m.start;
	assert_int_equal(maps_insert(&self.maps, &m), 0);
}

static int set_up(void **state)
{
	const char *path = getenv("SNAPSHOT");
	FILE *f = path ? fopen(path, "rbe") : NULL;
	uint64_t i;

	(void)state;
	if (!f || fread(&shot, sizeof(shot), 1, f) != 1) {
		printf("# SNAPSHOT='%s' cannot be read\n", path ? path : "");
		return -1;
	}
	fclose(f);
	if (profile_init(&self.profile) || modules_new(&self.modules, &self.profile, 64) ||
	    unwinder_new(&self.unwinder, self.modules))
		return -1;
	self.maps = maps_new();
	for (i = 0; i < shot.n_maps; i++)
		add_mapping(&shot.maps[i]);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	maps_unref(self.maps);
	unwinder_free(self.unwinder);
	modules_free(self.modules);
	profile_release(&self.profile);
	return 0;
}

static void walk(const uint64_t *regs, const uint8_t *stack, uint64_t size)
{
	struct unwind_sample s = {.regs = regs, .stack = stack, .stack_size = size};

	unwind_walk(self.unwinder, self.maps, &s, self.frames, MAX_FRAMES, &self.got);
}

static void registers_are_in_dwarf_order_and_the_pc_is_stripped(void **state)
{
	uint64_t perf[33], out[REGS_MAX];
	unsigned i;

	(void)state;
	assert_int_equal(__builtin_popcountll(regs_arch.perf_mask), 33);
	for (i = 0; i < 33; i++)
		perf[i] = 0x1000 + i;
	perf[PC] |= 0x00bf000000000000;
	assert_true(regs_from_perf(perf, 33, out));
	for (i = 0; i < 33; i++)
		assert_int_equal(out[i], 0x1000 + i);
	assert_false(regs_from_perf(perf, 32, out));
	assert_int_equal(regs_strip_pc(0x003b0000004012ac), 0x4012ac);
	assert_int_equal(regs_strip_pc(0x0000ffff8c4012ac), 0xffff8c4012ac);
}

/* paciasp; stp x29, x30, [sp, -32]!; mov x29, sp; str x19, [sp, 16]; ... as GCC describes it. */
static const uint8_t signed_frame[] = {
	0x41,                /* advance 4 */
	0x2d,                /* DW_CFA_AARCH64_negate_ra_state */
	0x41, 0x0e, 32,      /* def_cfa_offset 32 */
	0x9d, 4,    0x9e, 3, /* x29 at -32, x30 at -24 */
	0x41, 0x0d, 29,      /* def_cfa_register x29 */
	0x41, 0x93, 2,       /* x19 at -16 */
};

static void run(uint64_t at, struct cfi_row *full, struct row *row)
{
	static const uint8_t initial[] = {0x0c, 31, 0};
	struct cfi_fde fde = {.cie = {.code_align = 4,
				      .data_align = -8,
				      .ra = 30,
				      .insns = initial,
				      .insns_len = sizeof(initial)},
			      .start = 0x1000,
			      .end = 0x1100,
			      .insns = signed_frame,
			      .insns_len = sizeof(signed_frame)};

	assert_int_equal(cfi_run(&fde, 0x1000 + at, full), 0);
	memset(row, 0, sizeof(*row));
	row_pack(row, full);
}

static void a_signed_frame_has_compact_rows(void **state)
{
	const uint8_t *list;
	struct cfi_row full;
	struct row row;
	unsigned n, i, lr;

	(void)state;
	list = row_registers(&n);
	assert_int_equal(n, 12); /* x19-x30 */
	for (lr = 0; list[lr] != LR; lr++)
		;
	for (i = 0; i < 2; i++) { /* before and behind the signing: still in the register */
		run(i * 4, &full, &row);
		assert_int_equal(row.kind, ROW_CFI);
		assert_int_equal(row.cfa_reg, SP);
		assert_int_equal(row.cfa_off, 0);
		assert_int_equal(row.saved, 0);
	}
	run(16, &full, &row);
	assert_int_equal(row.kind, ROW_CFI);
	assert_int_equal(row.cfa_reg, FP);
	assert_int_equal(row.cfa_off, 32);
	assert_int_equal((row.base + row.slot[lr]) * 8, -24);
	assert_int_equal((row.base + row.slot[0]) * 8, -16); /* x19 */
	assert_int_equal(full.regs[FP].u.off, -32);
}

/* The stored stack: each level's own record, innermost last, in this order. */
static void the_stored_chain_is_found_to_its_end(void **state)
{
	uint64_t level = shot.n_chain;
	uint32_t i;

	(void)state;
	walk(shot.regs, shot.stack, shot.stack_size);
	for (i = 0; i < self.got.n && level; i++)
		if (self.frames[i].pc == shot.chain[level - 1] - 1)
			level--;
	printf("# %u frames, end: %s\n", self.got.n, unwind_end_name(self.got.end));
	assert_int_equal(level, 0);
	assert_true(unwind_end_complete(self.got.end));
	assert_in_range(shot.n_chain, 12, 64);
	/* Nothing but qsort's own frames, the code without CFI and libc's start is beside the levels. */
	assert_in_range(self.got.n, shot.n_chain + 3, shot.n_chain + 10);
}

/* Else the test above would not have tried it. */
static void return_addresses_on_the_stored_stack_are_signed(void **state)
{
	uint64_t at, v, i, found = 0;

	(void)state;
	for (at = 0; at + 8 <= shot.stack_size; at += 8) {
		memcpy(&v, shot.stack + at, 8);
		for (i = 0; i < shot.n_chain; i++)
			found += v != shot.chain[i] && regs_strip_pc(v) == shot.chain[i];
	}
	assert_in_range(found, 8, 1000);
}

static void a_short_copy_gives_the_same_first_frames(void **state)
{
	struct unwind_frame whole[MAX_FRAMES];
	uint32_t n;

	(void)state;
	walk(shot.regs, shot.stack, shot.stack_size);
	n = self.got.n;
	memcpy(whole, self.frames, sizeof(whole));
	walk(shot.regs, shot.stack, 2048); /* ends in the frame of 70 KB */
	assert_int_equal(self.got.end, UNWIND_END_STACK);
	assert_in_range(self.got.n, 4, n - 1);
	assert_memory_equal(self.frames, whole, self.got.n * sizeof(whole[0]));
}

/* {caller's x29, x30} anywhere in a frame, signed, in code without CFI. */
static void frame_records_are_followed_where_there_is_no_cfi(void **state)
{
	uint64_t regs[33] = {0}, stack[16] = {0};
	struct mapping jit = {0x900000, 0x901000, 0x900000, NULL, 0};

	(void)state;
	jit.module = modules_get(self.modules, 1, "//anon", NULL, jit.start, jit.end);
	assert_non_null(jit.module);
	assert_int_equal(maps_insert(&self.maps, &jit), 0);
	regs[SP] = 0x7000;
	regs[FP] = 0x7000 + 2 * 8;
	regs[PC] = 0x900100;
	stack[2] = 0x7000 + 6 * 8;
	stack[3] = 0x0011000000900200; /* signed */
	stack[6] = 0x7000 + 12 * 8;
	stack[7] = 0x900300;
	walk(regs, (const uint8_t *)stack, sizeof(stack)); /* the last record is all zero: the end */
	assert_int_equal(self.got.n, 3);
	assert_int_equal(self.frames[0].pc, 0x900100);
	assert_int_equal(self.frames[1].pc, 0x9001ff);
	assert_int_equal(self.frames[2].pc, 0x9002ff);
	assert_int_equal(self.got.end, UNWIND_COMPLETE_RULE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(registers_are_in_dwarf_order_and_the_pc_is_stripped),
		cmocka_unit_test(a_signed_frame_has_compact_rows),
		cmocka_unit_test(the_stored_chain_is_found_to_its_end),
		cmocka_unit_test(return_addresses_on_the_stored_stack_are_signed),
		cmocka_unit_test(a_short_copy_gives_the_same_first_frames),
		cmocka_unit_test(frame_records_are_followed_where_there_is_no_cfi),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

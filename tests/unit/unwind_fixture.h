/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unwind_fixture.h - a made-up image, a made-up stack, and a walk over them.
 *
 * The image has one function for each rule that the tests need; walk() does each
 * walk with empty caches, with full ones and without its fast way, and all agree.
 */
#ifndef TESTS_UNIT_UNWIND_FIXTURE_H
#define TESTS_UNIT_UNWIND_FIXTURE_H

#include "collect/regs.h"
#include "collect/unwind.h"
#include "collect/unwind_fast.h"
#include "tests/unit/fake_elf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define BASE       0x400000u /* where the image is mapped */
#define STACK      0x7fff0000u
#define WORDS      64
#define JIT        0x900000u /* executable memory without a file */
#define RBP        6
#define RSP        7
#define RIP        16
#define MAX_FRAMES 32

/* Functions of the image. */
enum {
	PLAIN = 0x2000,      /* CFA = rsp + 8 throughout */
	FRAMED = 0x2040,     /* saves rbp at +1, uses it from +4 on, pops it at +0x14 */
	OUTERMOST = 0x2100,  /* return address undefined */
	NORETURN = 0x2140,   /* CFA = rsp + 32, ends with a call */
	BEHIND = 0x2150,     /* follows at once */
	PLT = 0x2180,        /* CFA by expression */
	TRAMPOLINE = 0x21c0, /* signal frame: saved at rsp {., rsp, rip, rbp} */
	ENTRY = 0x2200,      /* e_entry */
	BROKEN = 0x2280,     /* CFI that makes no sense */
	NO_CFI = 0x2400,
};

struct bench {
	struct fake_elf elf;
	struct profile profile;
	struct modules *modules;
	struct unwinder *unwinder;
	struct maps *maps;
	uint64_t regs[REGS_MAX];
	uint64_t stack[WORDS];
	uint64_t stack_size;
	struct unwind_frame frames[MAX_FRAMES];
	uint32_t n, max, gap;
	uint64_t stack_used;
	enum unwind_end end;
};

static inline void add_functions(struct fake_elf *f, bool entry_has_cfi)
{
	static const uint8_t framed[] = {0x41, 0x0e, 16, 0x86, 2, 0x43, 0x0d, 6, 0x50, 0x0c, 7, 8};
	static const uint8_t undefined[] = {0x07, 16};
	static const uint8_t deep[] = {0x0e, 32}, shallow[] = {0x0e, 16};
	static const uint8_t plt[] = {0x0f, 11, 0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22};
	static const uint8_t trampoline[] = {0x0f, 3,  0x77, 8,    0x06, 0x10, 7, 2, 0x77, 8,
					     0x10, 16, 2,    0x77, 16,   0x10, 6, 2, 0x77, 24};
	static const uint8_t broken[] = {0x3f};

	fake_init(f, FAKE_TABLE);
	fake_fde(f, PLAIN, 0x40, NULL, 0);
	fake_fde(f, FRAMED, 0x40, framed, sizeof(framed));
	fake_fde(f, OUTERMOST, 0x20, undefined, sizeof(undefined));
	fake_fde(f, NORETURN, 0x10, deep, sizeof(deep));
	fake_fde(f, BEHIND, 0x10, shallow, sizeof(shallow));
	fake_fde(f, PLT, 0x40, plt, sizeof(plt));
	fake_cie(f, "S");
	fake_fde(f, TRAMPOLINE, 0x10, trampoline, sizeof(trampoline));
	if (entry_has_cfi)
		fake_fde(f, ENTRY, 0x40, NULL, 0);
	fake_fde(f, BROKEN, 0x10, broken, sizeof(broken));
	fake_finish(f, ENTRY);
}

static inline void map_image(struct bench *b)
{
	struct mapping m = {BASE, BASE + FAKE_SIZE, 0, NULL, 1}, jit = {JIT, JIT + 0x1000, JIT, NULL, 2};

	m.module = modules_add_image(b->modules, "[fake]", b->elf.image, sizeof(b->elf.image));
	assert_non_null(m.module);
	assert_int_equal(m.module->info->reason, MODULE_OK);
	assert_int_equal(maps_insert(&b->maps, &m), 0);
	jit.module = modules_get(b->modules, 1, "//anon", NULL, JIT, JIT + 0x1000);
	assert_non_null(jit.module);
	assert_int_equal(maps_insert(&b->maps, &jit), 0);
}

static inline int set_up_image(void **state, bool entry_has_cfi)
{
	struct bench *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	assert_int_equal(profile_init(&b->profile), 0);
	assert_int_equal(modules_new(&b->modules, &b->profile, 64), 0);
	assert_int_equal(unwinder_new(&b->unwinder, b->modules), 0);
	b->maps = maps_new();
	assert_non_null(b->maps);
	add_functions(&b->elf, entry_has_cfi);
	map_image(b);
	b->regs[RSP] = STACK;
	b->stack_size = sizeof(b->stack);
	b->max = MAX_FRAMES;
	*state = b;
	return 0;
}

static inline int set_up(void **state)
{
	return set_up_image(state, true);
}

static inline int tear_down(void **state)
{
	struct bench *b = *state;

	maps_unref(b->maps);
	unwinder_free(b->unwinder);
	modules_free(b->modules);
	profile_release(&b->profile);
	free(b);
	return 0;
}

/* The walk that plain stacks do not get must say the same of them. */
static inline void walk_thoroughly(struct bench *b, const struct unwind_sample *s,
				   const struct unwind_result *want)
{
	struct unwind_frame frames[MAX_FRAMES];
	struct unwind_result got;

	unwind_thorough(b->unwinder, b->maps, s, frames, b->max, &got);
	assert_int_equal(got.n, want->n);
	assert_int_equal(got.end, want->end);
	assert_int_equal(got.gap, want->gap);
	assert_int_equal(got.stack_used, want->stack_used);
	assert_memory_equal(frames, b->frames, got.n * sizeof(frames[0]));
}

static inline void walk(struct bench *b)
{
	struct unwind_sample s = {
		.regs = b->regs, .stack = (const uint8_t *)b->stack, .stack_size = b->stack_size};
	struct unwind_result got;
	uint32_t i, cold;

	if (regs_arch.pc != RIP)
		skip(); /* the rules are the same elsewhere; the made-up code is x86-64's */
	unwind_walk(b->unwinder, b->maps, &s, b->frames, b->max, &got);
	cold = got.n;
	/* Once more with every row cached: nothing may change. */
	for (i = 0; i < 2; i++) {
		unwind_walk(b->unwinder, b->maps, &s, b->frames, b->max, &got);
		assert_int_equal(got.n, cold);
		b->n = got.n;
		b->end = got.end;
		b->gap = got.gap;
		b->stack_used = got.stack_used;
		assert_int_equal(got.spliced, 0);
	}
	walk_thoroughly(b, &s, &got);
}

static inline void expect(struct bench *b, enum unwind_end end, uint32_t n, const uint64_t *pcs)
{
	uint32_t i;

	assert_string_equal(unwind_end_name(b->end), unwind_end_name(end));
	assert_int_equal(b->n, n);
	for (i = 0; i < n; i++)
		assert_int_equal(b->frames[i].pc, pcs[i]);
}

#define EXPECT(b, end, ...) expect(b, end, sizeof((uint64_t[]){__VA_ARGS__}) / 8, (uint64_t[]){__VA_ARGS__})

/* Return addresses on the stack are those behind a call in the middle of the function. */
static inline uint64_t in(uint32_t function)
{
	return BASE + function + 8;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

#endif

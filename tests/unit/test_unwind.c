/* SPDX-License-Identifier: Apache-2.0 */
/* test_unwind.c - walks over made-up stacks: each rule and each way to end. */
#include "collect/unwind.h"

#include "collect/regs.h"
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

static void add_functions(struct fake_elf *f, bool entry_has_cfi)
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

static void map_image(struct bench *b)
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

static int set_up_image(void **state, bool entry_has_cfi)
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

static int set_up(void **state)
{
	return set_up_image(state, true);
}

static int set_up_bare_entry(void **state)
{
	return set_up_image(state, false);
}

static int tear_down(void **state)
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
static void walk_thoroughly(struct bench *b, const struct unwind_sample *s, const struct unwind_result *want)
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

static void walk(struct bench *b)
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

static void expect(struct bench *b, enum unwind_end end, uint32_t n, const uint64_t *pcs)
{
	uint32_t i;

	assert_string_equal(unwind_end_name(b->end), unwind_end_name(end));
	assert_int_equal(b->n, n);
	for (i = 0; i < n; i++)
		assert_int_equal(b->frames[i].pc, pcs[i]);
}

#define EXPECT(b, end, ...) expect(b, end, sizeof((uint64_t[]){__VA_ARGS__}) / 8, (uint64_t[]){__VA_ARGS__})

/* Return addresses on the stack are those behind a call in the middle of the function. */
static uint64_t in(uint32_t function)
{
	return BASE + function + 8;
}

static void a_walk_ends_where_the_return_address_is_undefined(void **state)
{
	struct bench *b = *state;

	b->regs[RIP] = BASE + PLAIN;
	b->regs[RBP] = STACK + 3 * 8;
	b->stack[0] = in(FRAMED);
	b->stack[3] = 0x1234; /* rbp */
	b->stack[4] = in(PLAIN);
	b->stack[5] = in(OUTERMOST);
	walk(b);
	EXPECT(b, UNWIND_COMPLETE_CFI, BASE + PLAIN, in(FRAMED)-1, in(PLAIN)-1, in(OUTERMOST)-1);
	assert_int_equal(b->frames[1].map->mapping_id, 1);
}

static void a_saved_frame_pointer_serves_the_next_frame(void **state)
{
	struct bench *b = *state;

	b->regs[RIP] = in(FRAMED);
	b->regs[RBP] = STACK + 2 * 8;
	b->stack[2] = STACK + 10 * 8;
	b->stack[3] = in(FRAMED);
	b->stack[10] = 0;
	b->stack[11] = in(OUTERMOST);
	walk(b);
	EXPECT(b, UNWIND_COMPLETE_CFI, in(FRAMED), in(FRAMED)-1, in(OUTERMOST)-1);
}

/* After pop %rbp the rule still says that it is saved, just below the stack pointer. */
static void a_register_saved_below_the_stack_pointer_still_holds_its_value(void **state)
{
	struct bench *b = *state;

	b->regs[RIP] = BASE + FRAMED + 0x15;
	b->regs[RBP] = STACK + 4 * 8;
	b->stack[0] = in(FRAMED);
	b->stack[4] = 0;
	b->stack[5] = in(OUTERMOST);
	walk(b);
	EXPECT(b, UNWIND_COMPLETE_CFI, BASE + FRAMED + 0x15, in(FRAMED)-1, in(OUTERMOST)-1);
}

static void a_return_address_belongs_to_the_function_that_called(void **state)
{
	struct bench *b = *state;

	b->regs[RIP] = BASE + PLAIN;
	b->stack[0] = BASE + BEHIND; /* behind the last call of NORETURN */
	b->stack[1 + 3] = in(OUTERMOST);
	walk(b);
	EXPECT(b, UNWIND_COMPLETE_CFI, BASE + PLAIN, BASE + BEHIND - 1, in(OUTERMOST)-1);
	/* Interrupted at the same address it is the other function. */
	b->regs[RIP] = BASE + BEHIND;
	b->stack[1] = in(OUTERMOST);
	walk(b);
	EXPECT(b, UNWIND_COMPLETE_CFI, BASE + BEHIND, in(OUTERMOST)-1);
}

static void the_entry_point_ends_a_stack(void **state)
{
	struct bench *b = *state;

	b->regs[RIP] = BASE + PLAIN;
	b->stack[0] = BASE + ENTRY + 0x30;
	walk(b);
	EXPECT(b, UNWIND_COMPLETE_ENTRY, BASE + PLAIN, BASE + ENTRY + 0x2f);
}

static void an_entry_point_without_cfi_ends_a_stack_nearby_only(void **state)
{
	struct bench *b = *state;

	b->regs[RIP] = BASE + PLAIN;
	b->stack[0] = BASE + ENTRY + 0x30;
	walk(b);
	EXPECT(b, UNWIND_COMPLETE_ENTRY, BASE + PLAIN, BASE + ENTRY + 0x2f);
	b->regs[RBP] = 1;
	b->stack[0] = in(NO_CFI);
	walk(b);
	EXPECT(b, UNWIND_END_NO_CFI, BASE + PLAIN, in(NO_CFI)-1);
}

static void a_stack_longer_than_its_copy_is_truncated(void **state)
{
	struct bench *b = *state;

	b->regs[RIP] = BASE + PLAIN;
	b->stack[0] = in(NORETURN);
	b->stack_size = 4 * 8;
	walk(b);
	EXPECT(b, UNWIND_END_STACK, BASE + PLAIN, in(NORETURN)-1);
	assert_true(unwind_end_truncated(b->end));
	b->stack_size = 7; /* not even one word */
	walk(b);
	EXPECT(b, UNWIND_END_STACK, BASE + PLAIN);
	b->stack_size = 0;
	walk(b);
	EXPECT(b, UNWIND_END_STACK, BASE + PLAIN);
}

static void recursion_deeper_than_the_limit_is_cut(void **state)
{
	struct bench *b = *state;
	uint32_t i;

	b->regs[RIP] = BASE + PLAIN;
	for (i = 0; i < WORDS; i++)
		b->stack[i] = in(PLAIN);
	b->max = 10;
	walk(b);
	assert_int_equal(b->n, 10);
	assert_int_equal(b->end, UNWIND_END_FRAMES);
	b->max = 0;
	walk(b);
	assert_int_equal(b->n, 0);
	assert_int_equal(b->end, UNWIND_END_FRAMES);
}

static void of_too_many_frames_both_ends_are_kept(void **state)
{
	struct bench *b = *state;
	uint32_t i;

	b->regs[RIP] = BASE + PLAIN;
	for (i = 0; i < 20; i++)
		b->stack[i] = in(PLAIN);
	b->stack[19] += 4;
	b->stack[20] = in(ENTRY);
	walk(b);
	assert_int_equal(b->n, 22);
	assert_int_equal(b->end, UNWIND_COMPLETE_ENTRY);
	assert_int_equal(b->gap, 0);
	assert_int_equal(b->stack_used, 21 * 8);
	for (b->max = 8; b->max < 22; b->max++) {
		walk(b);
		assert_int_equal(b->n, b->max);
		assert_int_equal(b->end, UNWIND_END_FRAMES);
		assert_int_equal(b->gap, b->max - b->max / 4);
		assert_int_equal(b->frames[0].pc, BASE + PLAIN);
		assert_int_equal(b->frames[b->gap - 1].pc, in(PLAIN)-1);
		assert_int_equal(b->frames[b->max - 2].pc, in(PLAIN) + 4 - 1);
		assert_int_equal(b->frames[b->max - 1].pc, in(ENTRY)-1);
	}
}

static void a_walk_never_goes_down(void **state)
{
	struct bench *b = *state;

	b->regs[RIP] = BASE + PLAIN;
	b->regs[RBP] = STACK - 16; /* FRAMED's CFA would be its own stack pointer */
	b->stack[0] = in(FRAMED);
	walk(b);
	EXPECT(b, UNWIND_END_NO_PROGRESS, BASE + PLAIN, in(FRAMED)-1);
}

static void a_wild_frame_address_is_no_truncation(void **state)
{
	struct bench *b = *state;

	b->regs[RIP] = in(FRAMED);
	b->regs[RBP] = 0xdeadbeefdeadbeef;
	walk(b);
	EXPECT(b, UNWIND_END_BAD_MEMORY, in(FRAMED));
	b->regs[RBP] = UINT64_MAX - 15; /* the CFA wraps */
	walk(b);
	EXPECT(b, UNWIND_END_NO_PROGRESS, in(FRAMED));
}

static void a_stack_at_the_end_of_the_address_space_is_not_read_past(void **state)
{
	struct bench *b = *state;

	b->regs[RIP] = BASE + PLAIN;
	b->regs[RSP] = UINT64_MAX - 7;
	b->stack[0] = in(PLAIN);
	walk(b);
	assert_false(unwind_end_complete(b->end));
	assert_in_range(b->n, 1, 2);
}

static void malformed_cfi_is_told_apart_from_none(void **state)
{
	struct bench *b = *state;

	b->regs[RIP] = BASE + BROKEN;
	walk(b);
	EXPECT(b, UNWIND_END_BAD_CFI, BASE + BROKEN);
}

static void code_without_cfi_is_walked_by_its_frame_pointer(void **state)
{
	struct bench *b = *state;

	b->regs[RIP] = JIT + 0x10;
	b->regs[RBP] = STACK + 2 * 8;
	b->stack[2] = STACK + 6 * 8;
	b->stack[3] = JIT + 0x20;
	b->stack[6] = STACK + 10 * 8;
	b->stack[7] = in(FRAMED);
	b->stack[10] = 0;
	b->stack[11] = in(OUTERMOST);
	walk(b);
	EXPECT(b, UNWIND_COMPLETE_CFI, JIT + 0x10, JIT + 0x1f, in(FRAMED)-1, in(OUTERMOST)-1);
}

static void an_implausible_frame_pointer_is_not_believed(void **state)
{
	struct bench *b = *state;

	b->regs[RIP] = JIT + 0x10;
	b->regs[RBP] = STACK + 2 * 8;
	b->stack[2] = STACK + 6 * 8;
	b->stack[3] = 0x1234; /* no code */
	walk(b);
	EXPECT(b, UNWIND_END_NO_CFI, JIT + 0x10);
	b->stack[3] = in(PLAIN);
	b->stack[2] = STACK + 8; /* downwards */
	walk(b);
	EXPECT(b, UNWIND_END_NO_CFI, JIT + 0x10);
	b->stack[2] = 0x123456789abc; /* elsewhere */
	walk(b);
	EXPECT(b, UNWIND_END_NO_CFI, JIT + 0x10);
	b->regs[RBP] = STACK - 8; /* below the stack pointer */
	walk(b);
	EXPECT(b, UNWIND_END_NO_CFI, JIT + 0x10);
	b->regs[RBP] = STACK + 17; /* not aligned */
	walk(b);
	EXPECT(b, UNWIND_END_NO_CFI, JIT + 0x10);
}

static void a_frame_pointer_of_zero_marks_the_outermost_frame(void **state)
{
	struct bench *b = *state;

	b->regs[RIP] = JIT + 0x10;
	b->regs[RBP] = STACK + 2 * 8;
	b->stack[2] = 0;
	b->stack[3] = JIT + 0x40;
	walk(b);
	EXPECT(b, UNWIND_COMPLETE_RULE, JIT + 0x10, JIT + 0x3f);
	/* In the innermost frame it may be any value. */
	b->regs[RBP] = 0;
	walk(b);
	EXPECT(b, UNWIND_END_NO_CFI, JIT + 0x10);
}

static void what_only_a_saved_register_could_tell_is_lost_after_a_frame_pointer(void **state)
{
	struct bench *b = *state;

	/* rbx and the like are not brought back; rbp and rsp are, and PLAIN needs no more. */
	b->regs[RIP] = JIT + 0x10;
	b->regs[RBP] = STACK + 2 * 8;
	b->stack[2] = STACK + 20 * 8;
	b->stack[3] = in(PLAIN);
	b->stack[4] = in(OUTERMOST);
	walk(b);
	EXPECT(b, UNWIND_COMPLETE_CFI, JIT + 0x10, in(PLAIN)-1, in(OUTERMOST)-1);
}

static void a_return_address_of_zero_ends_a_hand_made_stack(void **state)
{
	struct bench *b = *state;

	b->regs[RIP] = BASE + PLAIN;
	b->stack[0] = in(PLAIN);
	b->stack[1] = 0;
	walk(b);
	EXPECT(b, UNWIND_COMPLETE_RULE, BASE + PLAIN, in(PLAIN)-1);
}

static void a_return_address_outside_all_mappings_is_kept_and_ends_the_walk(void **state)
{
	struct bench *b = *state;

	b->regs[RIP] = BASE + PLAIN;
	b->stack[0] = 0x12345;
	walk(b);
	EXPECT(b, UNWIND_END_NO_MAPPING, BASE + PLAIN, 0x12344);
	assert_null(b->frames[1].map);
}

static void a_call_through_a_null_pointer_shows_its_caller(void **state)
{
	struct bench *b = *state;

	b->regs[RIP] = 0;
	b->stack[0] = in(PLAIN);
	b->stack[1] = in(OUTERMOST);
	walk(b);
	EXPECT(b, UNWIND_COMPLETE_CFI, 0, in(PLAIN)-1, in(OUTERMOST)-1);
	assert_null(b->frames[0].map);
}

static void both_halves_of_a_plt_entry_are_understood(void **state)
{
	struct bench *b = *state;

	b->regs[RIP] = BASE + PLT + 0x10;
	b->stack[0] = in(OUTERMOST);
	walk(b);
	EXPECT(b, UNWIND_COMPLETE_CFI, BASE + PLT + 0x10, in(OUTERMOST)-1);
	b->regs[RIP] = BASE + PLT + 0x1b; /* the index has been pushed */
	b->stack[0] = 3;
	b->stack[1] = in(OUTERMOST);
	walk(b);
	EXPECT(b, UNWIND_COMPLETE_CFI, BASE + PLT + 0x1b, in(OUTERMOST)-1);
}

static void below_a_signal_frame_the_pc_is_exact(void **state)
{
	struct bench *b = *state;

	b->regs[RIP] = BASE + PLAIN;
	b->stack[0] = BASE + TRAMPOLINE + 1;
	b->stack[2] = STACK + 20 * 8; /* interrupted rsp */
	b->stack[3] = BASE + BEHIND;  /* at its first instruction */
	b->stack[4] = 0;              /* rbp */
	b->stack[21] = in(OUTERMOST);
	walk(b);
	EXPECT(b, UNWIND_COMPLETE_CFI, BASE + PLAIN, BASE + TRAMPOLINE + 1, BASE + BEHIND, in(OUTERMOST)-1);
}

static void from_a_signal_stack_the_interrupted_function_is_still_seen(void **state)
{
	struct bench *b = *state;

	b->regs[RIP] = BASE + PLAIN;
	b->stack[0] = BASE + TRAMPOLINE + 1;
	b->stack[2] = 0x12345678; /* another stack, of which there is no copy */
	b->stack[3] = BASE + BEHIND;
	walk(b);
	EXPECT(b, UNWIND_END_STACK, BASE + PLAIN, BASE + TRAMPOLINE + 1, BASE + BEHIND);
}

static void signal_frames_cannot_make_it_go_round(void **state)
{
	struct bench *b = *state;

	b->regs[RIP] = BASE + TRAMPOLINE;
	b->stack[1] = STACK; /* interrupted rsp: its own */
	b->stack[2] = BASE + TRAMPOLINE;
	walk(b);
	EXPECT(b, UNWIND_END_NO_PROGRESS, BASE + TRAMPOLINE);
}

static void random_stacks_end_with_a_reason(void **state)
{
	struct bench *b = *state;
	unsigned i, j;

	srand(7);
	for (i = 0; i < 20000; i++) {
		for (j = 0; j < WORDS; j++) {
			uint64_t r = (uint64_t)rand();

			b->stack[j] = r % 3 == 0   ? BASE + PLAIN + r % 0x500
				      : r % 3 == 1 ? STACK + r % 600
						   : r * r * r;
		}
		b->regs[RIP] = BASE + PLAIN + (uint64_t)rand() % 0x500;
		b->regs[RBP] = STACK + (uint64_t)rand() % 600;
		walk(b);
		assert_in_range(b->end, 0, UNWIND_END_COUNT - 1);
		assert_in_range(b->n, 1, b->max);
	}
}

static void every_end_has_a_name(void **state)
{
	unsigned i, j;

	(void)state;
	for (i = 0; i < UNWIND_END_COUNT; i++)
		for (j = 0; j < i; j++)
			assert_string_not_equal(unwind_end_name((enum unwind_end)i),
						unwind_end_name((enum unwind_end)j));
	assert_string_equal(unwind_end_name((enum unwind_end)1000), "unknown");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_walk_ends_where_the_return_address_is_undefined),
		TEST(a_saved_frame_pointer_serves_the_next_frame),
		TEST(a_register_saved_below_the_stack_pointer_still_holds_its_value),
		TEST(a_return_address_belongs_to_the_function_that_called),
		TEST(the_entry_point_ends_a_stack),
		cmocka_unit_test_setup_teardown(an_entry_point_without_cfi_ends_a_stack_nearby_only,
						set_up_bare_entry, tear_down),
		TEST(a_stack_longer_than_its_copy_is_truncated),
		TEST(recursion_deeper_than_the_limit_is_cut),
		TEST(of_too_many_frames_both_ends_are_kept),
		TEST(a_walk_never_goes_down),
		TEST(a_wild_frame_address_is_no_truncation),
		TEST(a_stack_at_the_end_of_the_address_space_is_not_read_past),
		TEST(malformed_cfi_is_told_apart_from_none),
		TEST(code_without_cfi_is_walked_by_its_frame_pointer),
		TEST(an_implausible_frame_pointer_is_not_believed),
		TEST(a_frame_pointer_of_zero_marks_the_outermost_frame),
		TEST(what_only_a_saved_register_could_tell_is_lost_after_a_frame_pointer),
		TEST(a_return_address_of_zero_ends_a_hand_made_stack),
		TEST(a_return_address_outside_all_mappings_is_kept_and_ends_the_walk),
		TEST(a_call_through_a_null_pointer_shows_its_caller),
		TEST(both_halves_of_a_plt_entry_are_understood),
		TEST(below_a_signal_frame_the_pc_is_exact),
		TEST(from_a_signal_stack_the_interrupted_function_is_still_seen),
		TEST(signal_frames_cannot_make_it_go_round),
		TEST(random_stacks_end_with_a_reason),
		cmocka_unit_test(every_end_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

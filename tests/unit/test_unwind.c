/* SPDX-License-Identifier: Apache-2.0 */
/* test_unwind.c - walks over made-up stacks: each rule that finds a caller. */
#include "tests/unit/unwind_fixture.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_walk_ends_where_the_return_address_is_undefined),
		TEST(a_saved_frame_pointer_serves_the_next_frame),
		TEST(a_register_saved_below_the_stack_pointer_still_holds_its_value),
		TEST(a_return_address_belongs_to_the_function_that_called),
		TEST(code_without_cfi_is_walked_by_its_frame_pointer),
		TEST(an_implausible_frame_pointer_is_not_believed),
		TEST(a_frame_pointer_of_zero_marks_the_outermost_frame),
		TEST(what_only_a_saved_register_could_tell_is_lost_after_a_frame_pointer),
		TEST(a_call_through_a_null_pointer_shows_its_caller),
		TEST(both_halves_of_a_plt_entry_are_understood),
		TEST(below_a_signal_frame_the_pc_is_exact),
		TEST(from_a_signal_stack_the_interrupted_function_is_still_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

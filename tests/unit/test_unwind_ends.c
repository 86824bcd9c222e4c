/* SPDX-License-Identifier: Apache-2.0 */
/* test_unwind_ends.c - walks over made-up stacks: each way to end. */
#include "tests/unit/unwind_fixture.h"

static int set_up_bare_entry(void **state)
{
	return set_up_image(state, false);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
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
		TEST(a_return_address_of_zero_ends_a_hand_made_stack),
		TEST(a_return_address_outside_all_mappings_is_kept_and_ends_the_walk),
		TEST(signal_frames_cannot_make_it_go_round),
		TEST(random_stacks_end_with_a_reason),
		cmocka_unit_test(every_end_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_unwind_memo.c - stacks that share their outer frames with the one before.
 *
 * walk() also does each walk the thorough way, which remembers nothing: what a
 * memo must not hide shows as a difference between the two.
 */
#include "collect/unwind_memo.h"

#include "tests/unit/unwind_fixture.h"

/* PLAIN < FRAMED < FRAMED < PLAIN < OUTERMOST; the inner FRAMED's record is at 4, the outer one's at 10. */
static void put_stack(struct bench *b)
{
	b->regs[RSP] = STACK;
	b->regs[RIP] = BASE + PLAIN;
	b->regs[RBP] = STACK + 4 * 8;
	b->stack[0] = in(FRAMED);
	b->stack[4] = STACK + 10 * 8;
	b->stack[5] = in(FRAMED);
	b->stack[10] = 0x1234;
	b->stack[11] = in(PLAIN);
	b->stack[12] = in(OUTERMOST);
	walk(b);
	EXPECT(b, UNWIND_COMPLETE_CFI, BASE + PLAIN, in(FRAMED)-1, in(FRAMED)-1, in(PLAIN)-1,
	       in(OUTERMOST)-1);
}

static void another_leaf_has_the_callers_it_had(void **state)
{
	struct bench *b = *state;

	put_stack(b);
	b->regs[RIP] = in(FRAMED);
	walk(b);
	EXPECT(b, UNWIND_COMPLETE_CFI, in(FRAMED), in(FRAMED)-1, in(PLAIN)-1, in(OUTERMOST)-1);
	put_stack(b);
}

static void an_outer_return_address_that_changed_is_seen(void **state)
{
	struct bench *b = *state;

	put_stack(b);
	b->stack[11] = in(OUTERMOST);
	walk(b);
	EXPECT(b, UNWIND_COMPLETE_CFI, BASE + PLAIN, in(FRAMED)-1, in(FRAMED)-1, in(OUTERMOST)-1);
	put_stack(b);
	b->stack[12] = in(PLAIN);
	b->stack[13] = in(OUTERMOST);
	walk(b);
	EXPECT(b, UNWIND_COMPLETE_CFI, BASE + PLAIN, in(FRAMED)-1, in(FRAMED)-1, in(PLAIN)-1, in(PLAIN)-1,
	       in(OUTERMOST)-1);
}

static void a_saved_frame_pointer_that_changed_is_seen(void **state)
{
	struct bench *b = *state;

	put_stack(b);
	/* The same return address behind it, but the caller's frame ends elsewhere. */
	b->stack[4] = STACK + 20 * 8;
	b->stack[20] = 0;
	b->stack[21] = in(OUTERMOST);
	walk(b);
	EXPECT(b, UNWIND_COMPLETE_CFI, BASE + PLAIN, in(FRAMED)-1, in(FRAMED)-1, in(OUTERMOST)-1);
}

static void a_copy_that_ends_before_the_remembered_frames_gives_no_more_than_it_has(void **state)
{
	struct bench *b = *state;

	put_stack(b);
	b->stack_size = 12 * 8;
	walk(b);
	EXPECT(b, UNWIND_END_STACK, BASE + PLAIN, in(FRAMED)-1, in(FRAMED)-1, in(PLAIN)-1);
	assert_int_equal(b->stack_used, 12 * 8);
}

static void too_little_room_for_the_remembered_frames_is_seen(void **state)
{
	struct bench *b = *state;

	put_stack(b);
	b->max = 4;
	walk(b);
	assert_int_equal(b->n, 4);
	assert_int_equal(b->gap, 3);
	assert_string_equal(unwind_end_name(b->end), unwind_end_name(UNWIND_END_FRAMES));
}

static void what_is_mapped_anew_is_not_what_was_remembered(void **state)
{
	struct bench *b = *state;
	struct mapping anew = {BASE, BASE + FAKE_SIZE, 0, NULL, 7};

	put_stack(b);
	anew.module = b->frames[0].map->module;
	assert_int_equal(maps_insert(&b->maps, &anew), 0);
	walk(b);
	assert_int_equal(b->n, 5);
	assert_int_equal(b->frames[4].map->mapping_id, 7);
}

/* How far memo_follow() goes tells that the tests above are of stacks that it is asked about. */
static void a_memo_is_followed_up_to_the_first_word_that_differs(void **state)
{
	static const struct memo_frame trail[] = {{0x8000, 1, 0x11, NULL, MEMO_SLOT_NONE},
						  {0x8010, 1, 0x22, NULL, 0x8010},
						  {0x8020, 5, 0x33, NULL, MEMO_SLOT_NONE},
						  {0x8028, 5, 0x44, NULL, MEMO_SLOT_NONE}};
	uint64_t stack[] = {0, 0x23, 5, 0x34, 0x45};
	struct unwind_sample s = {.stack = (const uint8_t *)stack, .stack_size = sizeof(stack)};
	struct unwind_frame out[4];
	struct memos *ms;
	struct memo *m;

	(void)state;
	assert_int_equal(memos_new(&ms), 0);
	m = memo_for(ms, 1, 0x8000);
	memo_keep(m, trail, 4, 0, UNWIND_COMPLETE_CFI);
	assert_int_equal(m->n, 4);
	assert_int_equal(memo_follow(m, 4, &s, 0x8000, out), 1);
	assert_int_equal(out[2].pc, 0x44);
	stack[4]++;
	assert_int_equal(memo_follow(m, 4, &s, 0x8000, out), 2);
	stack[2]++;
	assert_int_equal(memo_follow(m, 4, &s, 0x8000, out), 3);
	s.stack_size = 8;
	assert_int_equal(memo_follow(m, 4, &s, 0x8000, out), 4);
	assert_ptr_equal(memo_for(ms, 1, 0x8000), m);
	assert_int_equal(m->n, 4);
	memo_keep(m, trail, 4, MEMO_FRAMES - 3, UNWIND_COMPLETE_CFI);
	assert_int_equal(m->n, 0);
	memos_free(ms);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(another_leaf_has_the_callers_it_had),
		TEST(an_outer_return_address_that_changed_is_seen),
		TEST(a_saved_frame_pointer_that_changed_is_seen),
		TEST(a_copy_that_ends_before_the_remembered_frames_gives_no_more_than_it_has),
		TEST(too_little_room_for_the_remembered_frames_is_seen),
		TEST(what_is_mapped_anew_is_not_what_was_remembered),
		cmocka_unit_test(a_memo_is_followed_up_to_the_first_word_that_differs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

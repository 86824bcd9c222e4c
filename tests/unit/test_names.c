/* SPDX-License-Identifier: Apache-2.0 */
/* test_names.c - the table of names survives a trip through a pipe, and whatever a pipe may bring. */
#include "symbolize/names.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint32_t intern(struct names *n, const char *s)
{
	uint32_t id;

	assert_int_equal(strtab_put(&n->strings, s, &id), 0);
	return id;
}

static struct names_frame frame(struct names *n, const char *function, const char *file, uint32_t line)
{
	struct names_frame f = {intern(n, function), intern(n, function), intern(n, file), line, line - 1};

	return f;
}

static void fill(struct names *n)
{
	struct names_frame f[2];

	assert_int_equal(names_init(n), 0);
	f[0] = frame(n, "inner", "a.c", 12);
	f[1] = frame(n, "outer", "b.c", 34);
	assert_int_equal(names_set(n, 7, NAMES_DWARF, f, 2), 0);
	assert_int_equal(names_set(n, 9, NAMES_STRIPPED, NULL, 0), 0);
}

static void encode(const struct names *n, struct buf *out)
{
	const uint32_t ids[] = {7, 8, 9, 4000};

	buf_init(out, 1 << 20);
	assert_int_equal(names_encode(n, ids, 4, out), 0);
}

static void new_locations_are_pending(void **state)
{
	struct names n;

	(void)state;
	assert_int_equal(names_init(&n), 0);
	assert_int_equal(names_resize(&n, 1000), 0);
	assert_int_equal(n.n_locations, 1000);
	assert_int_equal(n.locations[999].status, NAMES_PENDING);
	assert_int_equal(n.locations[999].n, 0);
	names_release(&n);
}

static void every_status_has_a_text(void **state)
{
	int s;

	(void)state;
	for (s = 0; s < NAMES_STATUS_COUNT; s++)
		assert_true(strlen(names_status_text((enum names_status)s)) > 3);
	assert_string_equal(names_status_text(NAMES_STATUS_COUNT), "unknown status");
}

static void setting_again_replaces(void **state)
{
	struct names_frame f;
	struct names n;

	(void)state;
	fill(&n);
	f = frame(&n, "other", "c.c", 5);
	assert_int_equal(names_set(&n, 7, NAMES_SYMBOL, &f, 1), 0);
	assert_int_equal(n.locations[7].n, 1);
	assert_string_equal(strtab_get(&n.strings, n.frames[n.locations[7].first].function), "other");
	names_release(&n);
}

static void failures_that_may_pass_are_tried_three_times(void **state)
{
	static const enum names_status may_pass[] = {NAMES_NO_FILE, NAMES_JIT_UNMAPPED, NAMES_TIMEOUT,
						     NAMES_FAILED};
	struct names n;
	uint32_t i;
	int window;

	(void)state;
	fill(&n);
	for (window = 1; window <= NAMES_MAX_TRIES; window++) {
		for (i = 0; i < 4; i++)
			assert_int_equal(names_set(&n, i, may_pass[i], NULL, 0), 0);
		names_retry(&n, 3);
		for (i = 0; i < 3; i++)
			assert_int_equal(n.locations[i].status,
					 window < NAMES_MAX_TRIES ? NAMES_PENDING : may_pass[i]);
		assert_int_equal(n.locations[3].status, NAMES_FAILED); /* not one of the first three */
	}
	names_retry(&n, UINT32_MAX);
	assert_int_equal(n.locations[7].status, NAMES_DWARF);
	assert_int_equal(n.locations[7].n, 2);
	assert_int_equal(n.locations[9].status, NAMES_STRIPPED);
	names_release(&n);
}

static void more_frames_than_allowed_are_refused(void **state)
{
	struct names_frame f[NAMES_MAX_INLINE + 1];
	struct names n;

	(void)state;
	memset(f, 0, sizeof(f));
	assert_int_equal(names_init(&n), 0);
	assert_int_equal(names_set(&n, 0, NAMES_DWARF, f, NAMES_MAX_INLINE), 0);
	assert_int_equal(names_set(&n, 0, NAMES_DWARF, f, NAMES_MAX_INLINE + 1), -EINVAL);
	names_release(&n);
}

static void what_was_encoded_is_decoded_into_a_table_with_other_ids(void **state)
{
	struct names from, to;
	struct names_frame *f;
	struct buf b;

	(void)state;
	fill(&from);
	encode(&from, &b);
	assert_int_equal(names_init(&to), 0);
	intern(&to, "something that shifts the ids");
	assert_int_equal(names_decode(&to, 10, b.data, b.len), 0);
	assert_int_equal(to.locations[7].status, NAMES_DWARF);
	assert_int_equal(to.locations[7].n, 2);
	f = to.frames + to.locations[7].first;
	assert_string_equal(strtab_get(&to.strings, f[0].function), "inner");
	assert_string_equal(strtab_get(&to.strings, f[0].file), "a.c");
	assert_int_equal(f[0].line, 12);
	assert_int_equal(f[0].start_line, 11);
	assert_string_equal(strtab_get(&to.strings, f[1].system_name), "outer");
	assert_int_equal(to.locations[8].status, NAMES_PENDING);
	assert_int_equal(to.locations[9].status, NAMES_STRIPPED);
	assert_int_equal(to.locations[9].n, 0);
	buf_release(&b);
	names_release(&from);
	names_release(&to);
}

static void an_answer_cannot_be_changed_from_the_wire(void **state)
{
	struct names from, to;
	struct names_frame f;
	struct buf b;

	(void)state;
	fill(&from);
	encode(&from, &b);
	assert_int_equal(names_init(&to), 0);
	f = frame(&to, "mine", "m.c", 1);
	assert_int_equal(names_set(&to, 7, NAMES_SYMBOL, &f, 1), 0);
	assert_int_equal(names_decode(&to, 10, b.data, b.len), 0);
	assert_int_equal(to.locations[7].status, NAMES_SYMBOL);
	assert_int_equal(to.locations[9].status, NAMES_STRIPPED);
	buf_release(&b);
	names_release(&from);
	names_release(&to);
}

static void a_location_beyond_the_profile_is_malformed(void **state)
{
	struct names from, to;
	struct buf b;

	(void)state;
	fill(&from);
	encode(&from, &b);
	assert_int_equal(names_init(&to), 0);
	assert_int_equal(names_decode(&to, 7, b.data, b.len), -EBADMSG);
	buf_release(&b);
	names_release(&from);
	names_release(&to);
}

static void any_truncation_is_malformed(void **state)
{
	struct names from, to;
	uint8_t *exact;
	struct buf b;
	size_t len;

	(void)state;
	fill(&from);
	encode(&from, &b);
	assert_int_equal(names_init(&to), 0);
	for (len = 0; len < b.len; len++) {
		/* Of exactly that size, so that a sanitizer sees any read beyond it. */
		exact = malloc(len ? len : 1);
		memcpy(exact, b.data, len);
		assert_int_equal(names_decode(&to, 10, exact, len), -EBADMSG);
		free(exact);
	}
	buf_put_u8(&b, 0);
	assert_int_equal(names_decode(&to, 10, b.data, b.len), -EBADMSG);
	buf_release(&b);
	names_release(&from);
	names_release(&to);
}

static void no_changed_byte_crashes_the_reader(void **state)
{
	struct names from, to;
	struct buf b;
	size_t i;
	int bit;

	(void)state;
	fill(&from);
	encode(&from, &b);
	for (i = 0; i < b.len; i++) {
		for (bit = 0; bit < 8; bit++) {
			b.data[i] ^= (uint8_t)(1u << bit);
			assert_int_equal(names_init(&to), 0);
			names_decode(&to, 10, b.data, b.len);
			assert_true(to.n_locations <= 10);
			names_release(&to);
			b.data[i] ^= (uint8_t)(1u << bit);
		}
	}
	buf_release(&b);
	names_release(&from);
}

static void bytes_that_are_no_utf8_become_question_marks(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{"plain", "plain"},
		{"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
		{"\xe2\x82\xac\xf0\x9f\x98\x80", "\xe2\x82\xac\xf0\x9f\x98\x80"},
		{"a\xff\x62", "a?b"},
		{"cut\xe2\x82", "cut??"},
		{"long\xc0\x80", "long??"},
		{"half\xed\xa0\x80", "half???"},
		{"big\xf4\x90\x80\x80", "big????"},
	};
	const uint32_t id = 0;
	struct names from, to;
	struct names_frame f = {0};
	struct buf b;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(names_init(&from), 0);
		assert_int_equal(names_init(&to), 0);
		f.function = intern(&from, cases[i].in);
		assert_int_equal(names_set(&from, 0, NAMES_SYMBOL, &f, 1), 0);
		buf_init(&b, 4096);
		assert_int_equal(names_encode(&from, &id, 1, &b), 0);
		assert_int_equal(names_decode(&to, 1, b.data, b.len), 0);
		assert_string_equal(strtab_get(&to.strings, to.frames[0].function), cases[i].out);
		buf_release(&b);
		names_release(&from);
		names_release(&to);
	}
}

static void an_encoding_that_does_not_fit_leaves_the_buffer_as_it_was(void **state)
{
	const uint32_t id = 7;
	struct names n;
	struct buf b;

	(void)state;
	fill(&n);
	buf_init(&b, 20);
	assert_int_equal(buf_put_str(&b, "before"), 0);
	assert_int_equal(names_encode(&n, &id, 1, &b), -E2BIG);
	assert_int_equal(b.len, 6);
	buf_release(&b);
	names_release(&n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(new_locations_are_pending),
		cmocka_unit_test(every_status_has_a_text),
		cmocka_unit_test(setting_again_replaces),
		cmocka_unit_test(failures_that_may_pass_are_tried_three_times),
		cmocka_unit_test(more_frames_than_allowed_are_refused),
		cmocka_unit_test(what_was_encoded_is_decoded_into_a_table_with_other_ids),
		cmocka_unit_test(an_answer_cannot_be_changed_from_the_wire),
		cmocka_unit_test(a_location_beyond_the_profile_is_malformed),
		cmocka_unit_test(any_truncation_is_malformed),
		cmocka_unit_test(no_changed_byte_crashes_the_reader),
		cmocka_unit_test(bytes_that_are_no_utf8_become_question_marks),
		cmocka_unit_test(an_encoding_that_does_not_fit_leaves_the_buffer_as_it_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

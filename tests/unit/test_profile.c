/* SPDX-License-Identifier: Apache-2.0 */
/* test_profile.c - interning, caps and the overflow stack. */
#include "collect/profile.h"

#include <elf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int setup(void **state)
{
	struct profile *p = malloc(sizeof(*p));

	assert_int_equal(profile_init(p), 0);
	profile_add_type(p, "cpu-samples", "count");
	p->default_type = profile_add_type(p, "cpu-time", "nanoseconds");
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	profile_release(*state);
	free(*state);
	return 0;
}

static uint32_t add_module(struct profile *p)
{
	struct profile_module m = {.kind = MODULE_FILE, .fd = -1};

	return profile_add_module(p, &m);
}

static void the_same_things_get_the_same_numbers(void **state)
{
	struct profile *p = *state;
	uint32_t mapping = profile_mapping(p, add_module(p), 0x1000, 0x2000, 0);
	uint32_t a = profile_location(p, mapping, 0x10), b = profile_location(p, mapping, 0x20);
	uint32_t ab[] = {a, b}, ba[] = {b, a};

	assert_int_not_equal(a, b);
	assert_int_equal(profile_location(p, mapping, 0x10), a);
	assert_int_equal(profile_stack(p, ab, 2), profile_stack(p, ab, 2));
	assert_int_not_equal(profile_stack(p, ab, 2), profile_stack(p, ba, 2));
	assert_int_not_equal(profile_stack(p, ab, 1), profile_stack(p, ab, 2));
	assert_int_equal(profile_synthetic(p, "[lost]"), profile_synthetic(p, "[lost]"));
	assert_int_not_equal(profile_synthetic(p, "[lost]"), profile_synthetic(p, "[gone]"));
}

static void labels_differ_by_key_value_and_kind(void **state)
{
	struct profile *p = *state;
	struct profile_label str = {.key = 1, .str = 2}, num = {.key = 1, .num = 2, .is_num = true};
	struct profile_label other = {.key = 2, .str = 2}, stray = {.key = 1, .str = 2, .num = 99};

	assert_int_equal(profile_labelset(p, &str, 1), profile_labelset(p, &str, 1));
	assert_int_equal(profile_labelset(p, &str, 1), profile_labelset(p, &stray, 1));
	assert_int_not_equal(profile_labelset(p, &str, 1), profile_labelset(p, &num, 1));
	assert_int_not_equal(profile_labelset(p, &str, 1), profile_labelset(p, &other, 1));
}

static void a_segment_is_one_mapping_wherever_processes_have_it(void **state)
{
	struct profile *p = *state;
	uint32_t module = add_module(p), first = profile_mapping(p, module, 0x10000, 0x12000, 0x1000);

	assert_int_equal(profile_mapping(p, module, 0x7f0000, 0x7f4000, 0x1000), first);
	assert_int_equal(p->mappings[first].start, 0x10000);
	assert_int_equal(p->mappings[first].limit, 0x14000);
	assert_int_not_equal(profile_mapping(p, module, 0x10000, 0x12000, 0x2000), first);
	assert_int_not_equal(profile_mapping(p, add_module(p), 0x10000, 0x12000, 0x1000), first);
}

static void impossible_mappings_and_locations_are_refused(void **state)
{
	struct profile *p = *state;
	uint32_t module = add_module(p), bad = 12345;

	assert_int_equal(profile_mapping(p, module + 1, 0x1000, 0x2000, 0), PROFILE_NONE);
	assert_int_equal(profile_mapping(p, module, 0x2000, 0x2000, 0), PROFILE_NONE);
	assert_int_equal(profile_location(p, 7, 0), PROFILE_NONE);
	assert_int_equal(profile_location(p, PROFILE_NONE, 0), PROFILE_NONE);
	assert_int_equal(profile_stack(p, &bad, 1), PROFILE_NONE);
}

static void an_address_lies_inside_its_mapping(void **state)
{
	struct profile *p = *state;
	uint32_t mapping = profile_mapping(p, add_module(p), 0x55000000, 0x55002000, 0x3000);
	uint32_t loc = profile_location(p, mapping, 0x3123);

	assert_int_equal(profile_location_address(&p->mappings[mapping], &p->locations[loc]), 0x55000123);
}

static void an_offset_becomes_the_address_of_the_segment_with_code(void **state)
{
	struct profile_module m = {.kind = MODULE_FILE, .n_segments = 2};
	uint64_t vaddr = 1;

	(void)state;
	m.segments[0] = (struct module_segment){.vaddr = 0x400000, .off = 0, .filesz = 0x2000, .flags = PF_R};
	m.segments[1] = (struct module_segment){
		.vaddr = 0x601000, .off = 0x1800, .filesz = 0x1000, .flags = PF_R | PF_X};
	assert_true(profile_module_vaddr(&m, 0x10, &vaddr));
	assert_int_equal(vaddr, 0x400010);
	assert_true(profile_module_vaddr(&m, 0x1900, &vaddr));
	assert_int_equal(vaddr, 0x601100);
	assert_false(profile_module_vaddr(&m, 0x2800, &vaddr));
	assert_false(profile_module_vaddr(&m, UINT64_MAX, &vaddr));
	m.kind = MODULE_KERNEL;
	assert_true(profile_module_vaddr(&m, 0xffffffff81000000, &vaddr));
	assert_int_equal(vaddr, 0xffffffff81000000);
}

static void values_add_up_per_stack_and_labels(void **state)
{
	struct profile *p = *state;
	uint32_t frame = profile_synthetic(p, "f"), stack = profile_stack(p, &frame, 1);
	struct profile_label label = {.key = 1, .str = 2};
	uint32_t none = profile_labelset(p, NULL, 0), one = profile_labelset(p, &label, 1);

	assert_int_equal(profile_add(p, stack, none, 0, 1), 0);
	assert_int_equal(profile_add(p, stack, none, 0, 2), 0);
	assert_int_equal(profile_add(p, stack, none, 1, 30), 0);
	assert_int_equal(profile_add(p, stack, one, 1, 40), 0);
	assert_int_equal(p->n_samples, 2);
	assert_int_equal(p->values[0], 3);
	assert_int_equal(p->values[1], 30);
	assert_int_equal(p->values[2], 0);
	assert_int_equal(p->values[3], 40);
	assert_int_equal(profile_add(p, stack, none, 2, 1), -EINVAL);
}

static void a_value_stops_at_the_largest_number(void **state)
{
	struct profile *p = *state;
	uint32_t frame = profile_synthetic(p, "f"), stack = profile_stack(p, &frame, 1);

	assert_int_equal(profile_add(p, stack, 0, 0, INT64_MAX), 0);
	assert_int_equal(profile_add(p, stack, 0, 0, INT64_MAX), 0);
	assert_true(p->values[0] == INT64_MAX);
}

static int64_t value_under(const struct profile *p, const char *frame, uint32_t type)
{
	const struct profile_location *l;
	int64_t sum = 0;
	uint32_t i;

	for (i = 0; i < p->n_samples; i++) {
		l = &p->locations[p->frames[p->stacks[p->samples[i].stack].first]];
		if (l->mapping == PROFILE_NONE && !strcmp(strtab_get(&p->strings, (uint32_t)l->off), frame))
			sum += p->values[i * p->n_types + type];
	}
	return sum;
}

static void what_does_not_fit_is_counted_as_overflow(void **state)
{
	struct profile *p = *state;
	uint32_t frame = profile_synthetic(p, "f"), stack = profile_stack(p, &frame, 1);

	assert_int_equal(profile_add(p, PROFILE_NONE, 0, 0, 1), 0);
	assert_int_equal(profile_add(p, PROFILE_NONE, 0, 1, 100), 0);
	assert_int_equal(value_under(p, "[overflow]", 0), 1);
	assert_int_equal(value_under(p, "[overflow]", 1), 100);
	assert_int_equal(p->quality.overflow, 1);
	/* without room for its labels a sample keeps its stack */
	assert_int_equal(profile_add(p, stack, PROFILE_NONE, 1, 7), 0);
	assert_int_equal(value_under(p, "f", 1), 7);
	assert_int_equal(p->quality.overflow, 2);
}

static void label_sets_are_capped(void **state)
{
	struct profile *p = *state;
	struct profile_label label = {.key = 1, .is_num = true};
	uint32_t i, last = 0;

	for (i = 0; i < PROFILE_MAX_LABELS + 10; i++) {
		label.num = i;
		last = profile_labelset(p, &label, 1);
	}
	assert_int_equal(last, PROFILE_NONE);
	assert_int_equal(p->n_labelsets, PROFILE_MAX_LABELS);
	label.num = 0;
	assert_int_not_equal(profile_labelset(p, &label, 1), PROFILE_NONE);
}

static void stacks_are_capped_and_none_is_lost(void **state)
{
	struct profile *p = *state;
	uint32_t mapping = profile_mapping(p, add_module(p), 0x1000, 0x100000000, 0), i, loc, stack;
	int64_t sum = 0;

	for (i = 0; i < PROFILE_MAX_STACKS + 100; i++) {
		loc = profile_location(p, mapping, i);
		stack = profile_stack(p, &loc, 1);
		assert_int_equal(profile_add(p, stack, 0, 0, 1), 0);
	}
	for (i = 0; i < p->n_samples; i++)
		sum += p->values[i * p->n_types];
	assert_int_equal(p->n_stacks, PROFILE_MAX_STACKS);
	assert_int_equal(sum, PROFILE_MAX_STACKS + 100);
	assert_int_equal(value_under(p, "[overflow]", 0), 101); /* the overflow stack is one of them */
}

static void a_stack_that_is_too_deep_keeps_its_inner_frames(void **state)
{
	struct profile *p = *state;
	uint32_t mapping = profile_mapping(p, add_module(p), 0x1000, 0x10000, 0),
		 frames[PROFILE_MAX_FRAMES + 5];
	uint32_t i, stack;
	const struct profile_location *root;

	for (i = 0; i < PROFILE_MAX_FRAMES + 5; i++)
		frames[i] = profile_location(p, mapping, i);
	stack = profile_stack(p, frames, PROFILE_MAX_FRAMES + 5);
	assert_int_not_equal(stack, PROFILE_NONE);
	assert_int_equal(p->stacks[stack].n, PROFILE_MAX_FRAMES);
	assert_int_equal(p->frames[p->stacks[stack].first], frames[0]);
	root = &p->locations[p->frames[p->stacks[stack].first + PROFILE_MAX_FRAMES - 1]];
	assert_string_equal(strtab_get(&p->strings, (uint32_t)root->off), "[truncated]");
}

static void a_reset_keeps_what_names_are_found_for(void **state)
{
	struct profile *p = *state;
	uint32_t mapping = profile_mapping(p, add_module(p), 0x1000, 0x2000, 0);
	uint32_t loc = profile_location(p, mapping, 0x10), stack = profile_stack(p, &loc, 1);

	profile_add(p, stack, 0, 0, 5);
	p->quality.lost = 3;
	profile_reset(p);
	assert_int_equal(p->n_samples, 0);
	assert_int_equal(p->quality.lost, 0);
	assert_int_equal(profile_location(p, mapping, 0x10), loc);
	stack = profile_stack(p, &loc, 1);
	assert_int_equal(profile_add(p, stack, 0, 0, 1), 0);
	assert_int_equal(p->values[0], 1);
	assert_int_equal(profile_add(p, PROFILE_NONE, 0, 0, 1), 0);
	assert_int_equal(value_under(p, "[overflow]", 0), 1);
}

static void types_are_fixed_once_there_are_samples(void **state)
{
	struct profile *p = *state;

	assert_int_equal(profile_add(p, PROFILE_NONE, 0, 0, 1), 0);
	assert_int_equal(profile_add_type(p, "wall-time", "nanoseconds"), PROFILE_NONE);
	profile_reset(p);
	assert_int_equal(profile_add_type(p, "wall-time", "nanoseconds"), 2);
	assert_int_equal(profile_add(p, PROFILE_NONE, 0, 2, 9), 0);
	assert_int_equal(p->values[2], 9);
}

static void beyond_its_bound_a_timeline_loses_times_and_no_values(void **state)
{
	struct profile *p = *state;
	uint32_t loc = profile_synthetic(p, "f"), stack = profile_stack(p, &loc, 1);
	uint32_t labels = profile_labelset(p, NULL, 0), i;

	p->max_events = 5;
	for (i = 0; i < 8; i++) {
		assert_int_equal(profile_add(p, stack, labels, 0, 1), 0);
		assert_int_equal(profile_add(p, stack, labels, 1, 10), 0);
		profile_event(p, stack, labels, 100 + i, 0, 1, 1, 10);
	}
	assert_int_equal(p->n_samples, 1);
	assert_int_equal(p->values[0], 8);
	assert_int_equal(p->values[1], 80);
	assert_int_equal(p->n_events, 5);
	assert_int_equal(p->merged_events, 3);
	assert_int_equal(p->events[4].time_ns, 104);
	profile_reset(p);
	assert_int_equal(p->n_events, 0);
	assert_int_equal(p->merged_events, 0);
	assert_int_equal(p->max_events, 5);
}

static void without_a_timeline_no_event_is_kept(void **state)
{
	struct profile *p = *state;
	uint32_t loc = profile_synthetic(p, "f"), stack = profile_stack(p, &loc, 1);

	assert_int_equal(profile_add(p, stack, 0, 0, 1), 0);
	profile_event(p, stack, 0, 100, 0, 1, 0, 0);
	assert_int_equal(p->n_events, 0);
	assert_int_equal(p->merged_events, 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(the_same_things_get_the_same_numbers),
		T(labels_differ_by_key_value_and_kind),
		T(a_segment_is_one_mapping_wherever_processes_have_it),
		T(impossible_mappings_and_locations_are_refused),
		T(an_address_lies_inside_its_mapping),
		T(an_offset_becomes_the_address_of_the_segment_with_code),
		T(values_add_up_per_stack_and_labels),
		T(a_value_stops_at_the_largest_number),
		T(what_does_not_fit_is_counted_as_overflow),
		T(label_sets_are_capped),
		T(stacks_are_capped_and_none_is_lost),
		T(a_stack_that_is_too_deep_keeps_its_inner_frames),
		T(a_reset_keeps_what_names_are_found_for),
		T(types_are_fixed_once_there_are_samples),
		T(beyond_its_bound_a_timeline_loses_times_and_no_values),
		T(without_a_timeline_no_event_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

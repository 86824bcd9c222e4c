/* SPDX-License-Identifier: Apache-2.0 */
/* test_maps.c - the mappings of an address space. */
#include "collect/maps.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static struct mapping map(uint64_t start, uint64_t end, uint64_t pgoff, uint32_t id)
{
	return (struct mapping){start, end, pgoff, NULL, id};
}

static void insert(struct maps **maps, uint64_t start, uint64_t end, uint64_t pgoff, uint32_t id)
{
	struct mapping m = map(start, end, pgoff, id);

	assert_int_equal(maps_insert(maps, &m), 0);
}

static uint32_t id_at(struct maps *maps, uint64_t addr)
{
	const struct mapping *m = maps_find(maps, addr);

	return m ? m->mapping_id : 0;
}

static void an_address_is_found_in_the_mapping_that_holds_it(void **state)
{
	struct maps *maps = maps_new();

	(void)state;
	assert_null(maps_find(maps, 0x1000));
	insert(&maps, 0x3000, 0x4000, 0, 3);
	insert(&maps, 0x1000, 0x2000, 0, 1);
	insert(&maps, 0x2000, 0x2800, 0, 2);
	assert_int_equal(id_at(maps, 0xfff), 0);
	assert_int_equal(id_at(maps, 0x1000), 1);
	assert_int_equal(id_at(maps, 0x1fff), 1);
	assert_int_equal(id_at(maps, 0x2000), 2);
	assert_int_equal(id_at(maps, 0x2800), 0);
	assert_int_equal(id_at(maps, 0x3fff), 3);
	assert_int_equal(id_at(maps, 0x4000), 0);
	assert_int_equal(id_at(maps, UINT64_MAX), 0);
	maps_unref(maps);
}

static void a_new_mapping_replaces_what_it_covers(void **state)
{
	struct maps *maps = maps_new();

	(void)state;
	insert(&maps, 0x1000, 0x2000, 0, 1);
	insert(&maps, 0x2000, 0x3000, 0, 2);
	insert(&maps, 0x3000, 0x4000, 0, 3);
	insert(&maps, 0x1000, 0x4000, 0, 4);
	assert_int_equal(maps->n, 1);
	assert_int_equal(id_at(maps, 0x2345), 4);
	insert(&maps, 0x1000, 0x4000, 0, 5);
	assert_int_equal(maps->n, 1);
	assert_int_equal(id_at(maps, 0x1000), 5);
	maps_unref(maps);
}

static void a_mapping_in_the_middle_splits_and_file_offsets_stay_right(void **state)
{
	struct maps *maps = maps_new();

	(void)state;
	insert(&maps, 0x10000, 0x20000, 0x5000, 1);
	insert(&maps, 0x14000, 0x15000, 0, 2);
	assert_int_equal(maps->n, 3);
	assert_int_equal(id_at(maps, 0x13fff), 1);
	assert_int_equal(id_at(maps, 0x14000), 2);
	assert_int_equal(id_at(maps, 0x15000), 1);
	assert_int_equal(maps_find(maps, 0x13fff)->pgoff, 0x5000);
	assert_int_equal(maps_find(maps, 0x15000)->pgoff, 0xa000);
	assert_int_equal(maps_find(maps, 0x15000)->start, 0x15000);
	maps_unref(maps);
}

static void overlaps_at_either_end_are_trimmed(void **state)
{
	struct maps *maps = maps_new();

	(void)state;
	insert(&maps, 0x1000, 0x3000, 0, 1);
	insert(&maps, 0x5000, 0x7000, 0x100, 2);
	insert(&maps, 0x2000, 0x6000, 0, 3);
	assert_int_equal(maps->n, 3);
	assert_int_equal(maps_find(maps, 0x1fff)->end, 0x2000);
	assert_int_equal(id_at(maps, 0x5fff), 3);
	assert_int_equal(maps_find(maps, 0x6000)->pgoff, 0x1100);
	maps_unref(maps);
}

static void a_child_keeps_its_view_when_the_parent_maps_more(void **state)
{
	struct maps *parent = maps_new(), *child;

	(void)state;
	insert(&parent, 0x1000, 0x2000, 0, 1);
	child = maps_ref(parent);
	assert_ptr_equal(child, parent);
	insert(&parent, 0x1000, 0x2000, 0, 2);
	assert_ptr_not_equal(child, parent);
	assert_int_equal(id_at(parent, 0x1800), 2);
	assert_int_equal(id_at(child, 0x1800), 1);
	assert_int_equal(child->refs, 1);
	assert_int_equal(parent->refs, 1);
	maps_unref(parent);
	maps_unref(child);
	maps_unref(NULL);
}

static void an_empty_mapping_is_refused(void **state)
{
	struct maps *maps = maps_new();
	struct mapping none = map(0x1000, 0x1000, 0, 1), backwards = map(0x2000, 0x1000, 0, 1);

	(void)state;
	assert_int_equal(maps_insert(&maps, &none), -EINVAL);
	assert_int_equal(maps_insert(&maps, &backwards), -EINVAL);
	assert_int_equal(maps->n, 0);
	maps_unref(maps);
}

static void more_mappings_than_the_limit_are_refused_and_the_rest_stays(void **state)
{
	struct maps *maps = maps_new();
	struct mapping m;
	uint64_t i;

	(void)state;
	for (i = 0; i < MAPS_MAX; i++)
		insert(&maps, i * 0x2000, i * 0x2000 + 0x1000, 0, (uint32_t)i + 1);
	m = map(i * 0x2000, i * 0x2000 + 0x1000, 0, 1);
	assert_int_equal(maps_insert(&maps, &m), -E2BIG);
	assert_int_equal(maps->n, MAPS_MAX);
	assert_int_equal(id_at(maps, 0x2000 * 777), 778);
	/* Replacing does not need room. */
	insert(&maps, 0, 0x1000, 0, 9);
	assert_int_equal(id_at(maps, 0), 9);
	maps_unref(maps);
}

/* Against a plain array of addresses. */
static void random_mappings_agree_with_a_naive_model(void **state)
{
	static uint32_t model[256];
	struct maps *maps = maps_new();
	unsigned i, j;

	(void)state;
	srand(1);
	for (i = 1; i < 2000; i++) {
		uint64_t start = (uint64_t)rand() % 250,
			 end = start + 1 + (uint64_t)rand() % (256 - start - 1);

		insert(&maps, start, end, start, i);
		for (j = (unsigned)start; j < end; j++)
			model[j] = i;
		for (j = 0; j < 256; j++) {
			assert_int_equal(id_at(maps, j), model[j]);
			if (model[j])
				assert_int_equal(maps_find(maps, j)->pgoff, maps_find(maps, j)->start);
		}
	}
	maps_unref(maps);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_is_found_in_the_mapping_that_holds_it),
		cmocka_unit_test(a_new_mapping_replaces_what_it_covers),
		cmocka_unit_test(a_mapping_in_the_middle_splits_and_file_offsets_stay_right),
		cmocka_unit_test(overlaps_at_either_end_are_trimmed),
		cmocka_unit_test(a_child_keeps_its_view_when_the_parent_maps_more),
		cmocka_unit_test(an_empty_mapping_is_refused),
		cmocka_unit_test(more_mappings_than_the_limit_are_refused_and_the_rest_stays),
		cmocka_unit_test(random_mappings_agree_with_a_naive_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

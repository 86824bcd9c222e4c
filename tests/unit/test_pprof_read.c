/* SPDX-License-Identifier: Apache-2.0 */
/* test_pprof_read.c - profiles by other writers are understood, and hostile bytes do no harm. */
#include "export/functions.h"
#include "export/gzip.h"
#include "export/pprof_fields.h"
#include "export/proto.h"
#include "pprof_fixture.h"

#include <errno.h>

/* ---- gzip ---- */

static void gzip_and_zlib_and_plain_are_all_read(void **state)
{
	struct fixture *f = *state;
	struct buf packed;
	struct pprof *p;
	size_t i;

	buf_init(&packed, PPROF_MAX_RAW);
	assert_int_equal(pprof_gzip(&f->raw, 6, &packed), 0);
	assert_int_equal(packed.data[0], 0x1f);
	assert_int_equal(pprof_read(packed.data, packed.len, &p, f->why, sizeof(f->why)), 0);
	assert_int_equal(p->raw_len, f->raw.len);
	pprof_free(p);
	for (i = 0; i < packed.len; i++) {
		p = NULL;
		assert_int_equal(pprof_read(packed.data, i, &p, f->why, sizeof(f->why)), -EBADMSG);
		assert_null(p);
	}
	assert_non_null(strstr(f->why, "cut off"));
	assert_int_equal(buf_put(&packed, "tail", 4), 0);
	assert_int_equal(pprof_read(packed.data, packed.len, &p, f->why, sizeof(f->why)), -EBADMSG);
	buf_release(&packed);
}

static void several_gzip_members_are_one_file(void **state)
{
	struct buf a = {.data = (uint8_t *)"hello ", .len = 6}, b = {.data = (uint8_t *)"world", .len = 5},
		   packed, out;

	(void)state;
	buf_init(&packed, 4096);
	buf_init(&out, 4096);
	assert_int_equal(pprof_gzip(&a, 1, &packed), 0);
	assert_int_equal(pprof_gzip(&b, 9, &packed), 0);
	assert_int_equal(gzip_unpack(packed.data, packed.len, &out), 0);
	assert_int_equal(out.len, 11);
	assert_memory_equal(out.data, "hello world", 11);
	buf_release(&packed);
	buf_release(&out);
}

static void a_gzip_bomb_costs_no_more_than_the_limit(void **state)
{
	struct buf zeros, packed, out;

	(void)state;
	buf_init(&zeros, 16u << 20);
	buf_init(&packed, 32u << 20);
	buf_init(&out, 1u << 20);
	assert_int_equal(buf_reserve(&zeros, 16u << 20), 0);
	memset(zeros.data, 0, 16u << 20);
	zeros.len = 16u << 20;
	assert_int_equal(pprof_gzip(&zeros, 9, &packed), 0);
	assert_in_range(packed.len, 1, 32768);
	assert_int_equal(gzip_unpack(packed.data, packed.len, &out), -E2BIG);
	assert_true(out.cap <= 1u << 20);
	buf_release(&zeros);
	buf_release(&packed);
	buf_release(&out);
}

/* ---- other writers' ways ---- */

struct made {
	struct buf b, sub;
};

static void made_init(struct made *m)
{
	buf_init(&m->b, 1 << 20);
	buf_init(&m->sub, 1 << 20);
}

static void made_release(struct made *m)
{
	buf_release(&m->b);
	buf_release(&m->sub);
}

static void put_sub(struct made *m, uint32_t field)
{
	proto_put_bytes(&m->b, field, m->sub.data, m->sub.len);
	buf_clear(&m->sub);
}

static void put_text(struct made *m, const char *s)
{
	proto_put_bytes(&m->b, PROFILE_STRING_TABLE, s, strlen(s));
}

/* A sample type and the strings "", "cpu", "count". */
static void put_base(struct made *m)
{
	proto_put_u64(&m->sub, VALUE_TYPE_TYPE, 1);
	proto_put_u64(&m->sub, VALUE_TYPE_UNIT, 2);
	put_sub(m, PROFILE_SAMPLE_TYPE);
	put_text(m, "");
	put_text(m, "cpu");
	put_text(m, "count");
}

static void put_location(struct made *m, uint64_t id)
{
	proto_put_u64(&m->sub, LOCATION_ID, id);
	proto_put_u64(&m->sub, LOCATION_ADDRESS, 0x1000 + id);
	put_sub(m, PROFILE_LOCATION);
}

static void assert_refused(struct made *m, int err, const char *reason)
{
	struct pprof *p = NULL;
	char why[200] = "";

	assert_int_equal(m->b.error, 0);
	assert_int_equal(pprof_read(m->b.data, m->b.len, &p, why, sizeof(why)), err);
	assert_null(p);
	if (!strstr(why, reason))
		fail_msg("the reason '%s' does not say '%s'", why, reason);
}

static void unpacked_numbers_unknown_fields_and_any_order_are_understood(void **state)
{
	struct fixture *f = *state;
	struct made m;
	struct pprof *p;

	made_init(&m);
	/* the sample first, its numbers one by one, among fields nobody knows */
	proto_put_u64(&m.sub, 99, 12345);
	proto_put_u64(&m.sub, SAMPLE_LOCATION_ID, 77);
	proto_put_u64(&m.sub, SAMPLE_LOCATION_ID, 5);
	proto_put_u64(&m.sub, SAMPLE_VALUE, 42);
	buf_put(&m.sub, "\x4d\x01\x02\x03\x04", 5);                 /* field 9, 32 bits */
	buf_put(&m.sub, "\x51\x01\x02\x03\x04\x05\x06\x07\x08", 9); /* field 10, 64 bits */
	put_sub(&m, PROFILE_SAMPLE);
	proto_put_bytes(&m.b, 200, "unknown", 7);
	proto_put_u64(&m.b, PROFILE_COMMENT, 1);
	proto_put_u64(&m.b, PROFILE_COMMENT, 2);
	put_location(&m, 77);
	put_location(&m, 5);
	put_base(&m);
	assert_int_equal(pprof_read(m.b.data, m.b.len, &p, f->why, sizeof(f->why)), 0);
	assert_int_equal(p->n_samples, 1);
	assert_int_equal(p->values[0], 42);
	assert_int_equal(p->samples[0].n_locations, 2);
	assert_int_equal(p->locations[p->location_refs[0]].address, 0x1000 + 77);
	assert_int_equal(p->locations[p->location_refs[1]].address, 0x1000 + 5);
	assert_int_equal(p->n_comments, 2);
	assert_str(p, p->comments[1], "count");
	pprof_free(p);
	made_release(&m);
}

static void without_a_default_the_last_type_is_it(void **state)
{
	struct fixture *f = *state;
	struct made m;
	struct pprof *p;

	made_init(&m);
	put_base(&m);
	proto_put_u64(&m.sub, VALUE_TYPE_TYPE, 2);
	put_sub(&m, PROFILE_SAMPLE_TYPE);
	assert_int_equal(pprof_read(m.b.data, m.b.len, &p, f->why, sizeof(f->why)), 0);
	assert_int_equal(p->default_type, 1);
	pprof_free(p);
	made_release(&m);
}

static void references_that_lead_nowhere_are_named(void **state)
{
	struct made m;

	(void)state;
	made_init(&m);
	put_base(&m);
	put_location(&m, 5);
	proto_put_u64(&m.sub, SAMPLE_LOCATION_ID, 6);
	proto_put_u64(&m.sub, SAMPLE_VALUE, 1);
	put_sub(&m, PROFILE_SAMPLE);
	assert_refused(&m, -EBADMSG, "sample 0: location 6 does not exist");

	buf_clear(&m.b);
	put_base(&m);
	proto_put_u64(&m.sub, LOCATION_ID, 1);
	proto_put_u64(&m.sub, LOCATION_MAPPING_ID, 9);
	put_sub(&m, PROFILE_LOCATION);
	assert_refused(&m, -EBADMSG, "location 0: mapping 9 does not exist");

	buf_clear(&m.b);
	put_base(&m);
	proto_put_u64(&m.sub, FUNCTION_ID, 1);
	proto_put_u64(&m.sub, FUNCTION_NAME, 1000);
	put_sub(&m, PROFILE_FUNCTION);
	assert_refused(&m, -EBADMSG, "function 0: string 1000 does not exist, the table has 3");

	buf_clear(&m.b);
	put_base(&m);
	put_location(&m, 8);
	put_location(&m, 3);
	put_location(&m, 8);
	assert_refused(&m, -EBADMSG, "two locations have id 8");
	made_release(&m);
}

static void samples_have_as_many_values_as_there_are_types(void **state)
{
	struct made m;

	(void)state;
	made_init(&m);
	put_base(&m);
	proto_put_u64(&m.sub, SAMPLE_VALUE, 1);
	proto_put_u64(&m.sub, SAMPLE_VALUE, 2);
	put_sub(&m, PROFILE_SAMPLE);
	assert_refused(&m, -EBADMSG, "sample 0: more values than the 1 sample types");
	buf_clear(&m.b);
	put_base(&m);
	proto_put_bytes(&m.b, PROFILE_SAMPLE, "", 0);
	assert_refused(&m, -EBADMSG, "sample 0: 0 values for 1 sample types");
	made_release(&m);
}

static void what_is_no_profile_is_called_so(void **state)
{
	static const struct {
		const char *data, *reason;
		size_t len;
	} cases[] = {
		{"", "empty", 0},
		{"hello world, this is text\n", "", 26},
		{"\x7f"
		 "ELF\x02\x01\x01",
		 "", 7},
		{"\x50\x01", "no string table", 2},
		{"\x32\x00", "no sample types", 2},
		{"\x08\x01", "no message", 2},
		{"\x32\x7f", "byte 2 of 2", 2},
		{"\x0b\x0c", "byte 1 of 2", 2},
		{"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "byte 10 of 11", 11},
		{"\x1f\x8b\x08garbage", "", 10},
		{"\x1f\x8b", "cut off", 2},
		{"\n\0\x32\x01x", "string 0 is not empty", 5},
	};
	struct made m;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		made_init(&m);
		buf_put(&m.b, cases[i].data, cases[i].len);
		assert_refused(&m, -EBADMSG, cases[i].reason);
		made_release(&m);
	}
}

static void too_many_items_are_refused_before_memory_is_spent(void **state)
{
	struct buf b;
	struct pprof *p = NULL;
	char why[200];

	(void)state;
	buf_init(&b, PPROF_MAX_RAW);
	assert_int_equal(buf_reserve(&b, 2 * (PPROF_MAX_ITEMS + 1)), 0);
	for (b.len = 0; b.len < 2 * (PPROF_MAX_ITEMS + 1); b.len += 2) {
		b.data[b.len] = PROFILE_STRING_TABLE << 3 | PROTO_BYTES;
		b.data[b.len + 1] = 0;
	}
	assert_int_equal(pprof_read(b.data, b.len, &p, why, sizeof(why)), -E2BIG);
	assert_null(p);
	buf_release(&b);
}

/* ---- damage ---- */

/* Whatever was read must be safe to walk over. */
static void use(const struct pprof *p)
{
	struct functions *f;
	struct buf out;
	uint32_t type;

	for (type = 0; type < p->n_types && type < 4; type++) {
		assert_int_equal(
			functions_new(&f, p, &(struct functions_spec){.type = type, .sort = type % 3}), 0);
		buf_init(&out, 64u << 20);
		assert_int_equal(functions_print(f, p, 20, 80, &out), 0);
		buf_release(&out);
		functions_free(f);
	}
}

static void every_truncation_is_refused_or_harmless(void **state)
{
	struct fixture *f = *state;
	uint8_t *copy;
	struct pprof *p;
	size_t len;
	int err;

	for (len = 0; len < f->raw.len; len++) {
		copy = malloc(
			len ? len
			    : 1); /* of the exact size, so that a sanitizer sees what is read beyond it */
		memcpy(copy, f->raw.data, len);
		*f->why = '\0';
		p = NULL;
		err = pprof_read(copy, len, &p, f->why, sizeof(f->why));
		free(copy);
		if (err) {
			assert_null(p);
			assert_true(*f->why);
			continue;
		}
		use(p);
		pprof_free(p);
	}
	/* the string table comes last, so all that is cut off ends in a string that is missing */
	assert_int_equal(err, -EBADMSG);
}

static uint64_t next_random(uint64_t *x)
{
	*x += 0x9e3779b97f4a7c15u;
	return hash_u64(*x);
}

static void random_damage_is_refused_or_harmless(void **state)
{
	struct fixture *f = *state;
	uint8_t *copy = malloc(f->raw.len);
	uint64_t seed = 20240229;
	struct pprof *p;
	int i, k, read = 0;

	for (i = 0; i < 20000; i++) {
		memcpy(copy, f->raw.data, f->raw.len);
		for (k = 0; k <= i % 4; k++)
			copy[next_random(&seed) % f->raw.len] ^= (uint8_t)(1 + next_random(&seed) % 255);
		p = NULL;
		*f->why = '\0';
		if (pprof_read(copy, f->raw.len, &p, f->why, sizeof(f->why))) {
			assert_null(p);
			assert_true(*f->why);
			continue;
		}
		read++;
		use(p);
		pprof_free(p);
	}
	free(copy);
	assert_in_range(read, 1000, 19999); /* both ways were taken */
}

/* ---- files ---- */

static void other_tools_profiles_are_read(void **state)
{
	struct fixture *f = *state;
	struct pprof *p;

	assert_int_equal(pprof_read_file("tests/fixtures/pprof/go-cpu.pb.gz", &p, f->why, sizeof(f->why)), 0);
	assert_str(p, p->types[0].type, "samples");
	assert_str(p, p->types[p->default_type].type, "cpu");
	assert_in_range(p->n_samples, 1, 10000);
	use(p);
	pprof_free(p);
	assert_int_equal(pprof_read_file("tests/fixtures/pprof/go-heap.pb.gz", &p, f->why, sizeof(f->why)),
			 0);
	assert_int_equal(p->n_types, 4);
	assert_str(p, p->types[p->default_type].type, "inuse_space");
	use(p);
	pprof_free(p);
}

static void a_message_names_the_file(void **state)
{
	struct fixture *f = *state;
	struct pprof *p = NULL;

	assert_int_equal(pprof_read_file("/nowhere/x.pb.gz", &p, f->why, sizeof(f->why)), -ENOENT);
	assert_non_null(strstr(f->why, "'/nowhere/x.pb.gz'"));
	assert_int_equal(pprof_read_file("tests", &p, f->why, sizeof(f->why)), -EISDIR);
	assert_int_equal(pprof_read_file("Makefile", &p, f->why, sizeof(f->why)), -EBADMSG);
	assert_non_null(strstr(f->why, "'Makefile'"));
	assert_int_equal(pprof_read_file("/dev/null", &p, f->why, sizeof(f->why)), -EBADMSG);
	assert_non_null(strstr(f->why, "empty"));
	assert_null(p);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(gzip_and_zlib_and_plain_are_all_read),
		T(several_gzip_members_are_one_file),
		T(a_gzip_bomb_costs_no_more_than_the_limit),
		T(unpacked_numbers_unknown_fields_and_any_order_are_understood),
		T(without_a_default_the_last_type_is_it),
		T(references_that_lead_nowhere_are_named),
		T(samples_have_as_many_values_as_there_are_types),
		T(what_is_no_profile_is_called_so),
		T(too_many_items_are_refused_before_memory_is_spent),
		T(every_truncation_is_refused_or_harmless),
		T(random_damage_is_refused_or_harmless),
		T(other_tools_profiles_are_read),
		T(a_message_names_the_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

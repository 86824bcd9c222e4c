/* SPDX-License-Identifier: Apache-2.0 */
/* test_pprof.c - what is written is read back the same, by us and by Go; hostile bytes do no harm. */
#include "export/functions.h"
#include "export/gzip.h"
#include "export/pprof.h"
#include "export/pprof_fields.h"
#include "export/proto.h"
#include "sample_profile.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const char *const comments[] = {"ddprof.format: 1", "ddprof.tag.env: prod"};

struct fixture {
	struct sample_profile s;
	struct buf raw;
	struct pprof *p;
	char why[200];
};

static void encode(struct fixture *f)
{
	buf_init(&f->raw, PPROF_MAX_RAW);
	assert_int_equal(pprof_write(&f->s.p, &f->s.names, comments, 2, &f->raw), 0);
	assert_int_equal(pprof_read(f->raw.data, f->raw.len, &f->p, f->why, sizeof(f->why)), 0);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	sample_profile_init(&f->s);
	encode(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	pprof_free(f->p);
	buf_release(&f->raw);
	sample_profile_release(&f->s);
	free(f);
	return 0;
}

static void assert_str(const struct pprof *p, uint32_t id, const char *want)
{
	struct pprof_str s = pprof_string(p, id);

	assert_int_equal(s.len, strlen(want));
	assert_memory_equal(s.s, want, s.len);
}

/* ---- round trip ---- */

static void head_and_comments_survive(void **state)
{
	const struct pprof *p = ((struct fixture *)*state)->p;

	assert_int_equal(p->n_types, 2);
	assert_str(p, p->types[0].type, "cpu-samples");
	assert_str(p, p->types[0].unit, "count");
	assert_str(p, p->types[1].type, "cpu-time");
	assert_str(p, p->types[1].unit, "nanoseconds");
	assert_int_equal(p->default_type, 1);
	assert_str(p, p->period_type.type, "cpu-time");
	assert_int_equal(p->period, 10000000);
	assert_true(p->time_nanos == 1700000000123456789);
	assert_true(p->duration_nanos == 2000000000);
	assert_int_equal(p->n_comments, 2);
	assert_str(p, p->comments[0], comments[0]);
	assert_str(p, p->comments[1], comments[1]);
}

static void compare_lines(const struct pprof *p, const struct pprof_location *l, const struct fixture *f,
			  uint32_t loc)
{
	const struct names *n = &f->s.names;
	const struct names_location *nl = &n->locations[loc];
	uint32_t i;

	assert_int_equal(l->n_lines, nl->n);
	for (i = 0; i < nl->n; i++) {
		const struct names_frame *want = &n->frames[nl->first + i];
		const struct pprof_line *line = &p->lines[l->first_line + i];
		const struct pprof_function *fn = &p->functions[line->function];

		assert_int_equal(line->line, want->line);
		assert_int_equal(fn->start_line, want->start_line);
		assert_str(p, fn->name, strtab_get(&n->strings, want->function));
		assert_str(p, fn->system_name, strtab_get(&n->strings, want->system_name));
		assert_str(p, fn->filename, strtab_get(&n->strings, want->file));
	}
}

static void compare_location(const struct pprof *p, const struct pprof_location *l, const struct fixture *f,
			     uint32_t loc)
{
	const struct profile *q = &f->s.p;
	const struct profile_location *want = &q->locations[loc];
	const struct profile_mapping *m;

	if (want->mapping == PROFILE_NONE) {
		assert_int_equal(l->mapping, UINT32_MAX);
		assert_int_equal(l->address, 0);
		assert_int_equal(l->n_lines, 1);
		assert_str(p, p->functions[p->lines[l->first_line].function].name,
			   strtab_get(&q->strings, (uint32_t)want->off));
		return;
	}
	m = &q->mappings[want->mapping];
	assert_true(l->address == profile_location_address(m, want));
	assert_true(p->mappings[l->mapping].start == m->start && p->mappings[l->mapping].limit == m->limit);
	assert_true(p->mappings[l->mapping].off == m->off);
	assert_true(l->address >= m->start && l->address < m->limit);
	assert_str(p, p->mappings[l->mapping].filename, strtab_get(&q->strings, q->modules[m->module].path));
	compare_lines(p, l, f, loc);
}

static void every_sample_survives(void **state)
{
	struct fixture *f = *state;
	const struct profile *q = &f->s.p;
	const struct pprof *p = f->p;
	uint32_t i, k;

	assert_int_equal(p->n_samples, q->n_samples);
	for (i = 0; i < p->n_samples; i++) {
		const struct profile_range *stack = &q->stacks[q->samples[i].stack];
		const struct profile_range *set = &q->labelsets[q->samples[i].labels];
		const struct pprof_sample *s = &p->samples[i];

		assert_memory_equal(p->values + i * 2, q->values + i * 2, 2 * sizeof(int64_t));
		assert_int_equal(s->n_locations, stack->n);
		for (k = 0; k < stack->n; k++)
			compare_location(p, &p->locations[p->location_refs[s->first_location + k]], f,
					 q->frames[stack->first + k]);
		assert_int_equal(s->n_labels, set->n);
		for (k = 0; k < set->n; k++) {
			const struct profile_label *want = &q->labels[set->first + k];
			const struct pprof_label *got = &p->labels[s->first_label + k];

			assert_str(p, got->key, strtab_get(&q->strings, want->key));
			assert_str(p, got->str, want->is_num ? "" : strtab_get(&q->strings, want->str));
			assert_true(got->num == (want->is_num ? want->num : 0));
		}
	}
}

static void the_program_is_the_first_mapping_and_build_ids_are_lowercase_hex(void **state)
{
	const struct pprof *p = ((struct fixture *)*state)->p;

	assert_int_equal(p->n_mappings, 4);
	assert_str(p, p->mappings[0].filename, "/opt/demo/bin/demo");
	assert_int_equal(p->mappings[0].id, 1);
	assert_str(p, p->mappings[0].build_id, "abababababababababababababababababababab");
}

static const struct pprof_mapping *mapping_named(const struct pprof *p, const char *name)
{
	uint32_t i;

	for (i = 0; i < p->n_mappings; i++)
		if (pprof_string(p, p->mappings[i].filename).len == strlen(name) &&
		    !memcmp(pprof_string(p, p->mappings[i].filename).s, name, strlen(name)))
			return &p->mappings[i];
	fail_msg("no mapping '%s'", name);
	return NULL;
}

static void a_mapping_claims_no_more_than_was_found(void **state)
{
	const struct pprof *p = ((struct fixture *)*state)->p;
	const struct pprof_mapping *demo = mapping_named(p, "/opt/demo/bin/demo");
	const struct pprof_mapping *libc = mapping_named(p, "/usr/lib/libc.so.6");
	const struct pprof_mapping *kernel = mapping_named(p, "[kernel.kallsyms]");

	assert_true(demo->has_functions && demo->has_filenames && demo->has_lines && demo->has_inlines);
	/* one of its addresses could still be named by somebody with a debug file */
	assert_false(libc->has_functions || libc->has_filenames || libc->has_lines || libc->has_inlines);
	assert_true(kernel->has_functions);
	assert_false(kernel->has_lines);
}

static void only_what_samples_use_is_written(void **state)
{
	struct fixture *f = *state;
	struct profile *q = &f->s.p;
	uint32_t other = profile_mapping(q, 0, 0x1000, 0x2000, 0x999000),
		 loc = profile_location(q, other, 0x999010);
	uint32_t empty = profile_stack(q, &loc, 1);

	assert_int_equal(profile_add(q, empty, 0, 0, 0), 0);
	pprof_free(f->p);
	buf_release(&f->raw);
	encode(f);
	assert_int_equal(f->p->n_mappings, 4);
	assert_int_equal(f->p->n_locations, 7);
	assert_int_equal(f->p->n_samples, 6);
}

static void an_empty_profile_is_a_profile(void **state)
{
	struct fixture *f = *state;

	profile_reset(&f->s.p);
	pprof_free(f->p);
	buf_release(&f->raw);
	encode(f);
	assert_int_equal(f->p->n_samples, 0);
	assert_int_equal(f->p->n_types, 2);
}

static void strings_are_made_utf8(void **state)
{
	struct fixture *f = *state;
	const char *odd[] = {"ok \xc3\xa9", "\xff\xfe bytes", "cut \xe2\x82"};
	struct buf raw;
	struct pprof *p;

	buf_init(&raw, PPROF_MAX_RAW);
	assert_int_equal(pprof_write(&f->s.p, &f->s.names, odd, 3, &raw), 0);
	assert_int_equal(pprof_read(raw.data, raw.len, &p, f->why, sizeof(f->why)), 0);
	assert_str(p, p->comments[0], "ok \xc3\xa9");
	assert_str(p, p->comments[1], "\xef\xbf\xbd\xef\xbf\xbd bytes");
	assert_str(p, p->comments[2], "cut \xef\xbf\xbd\xef\xbf\xbd");
	pprof_free(p);
	buf_release(&raw);
}

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
		assert_int_equal(functions_new(&f, p, type, (enum functions_sort)(type % 3)), 0);
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

/* ---- Go's reader ---- */

/* All that @command prints, and its exit status. */
static int run(const char *command, struct buf *out)
{
	FILE *f = popen(command, "r");
	size_t n;

	assert_non_null(f);
	buf_clear(out);
	do {
		assert_int_equal(buf_reserve(out, 65536), 0);
		n = fread(out->data + out->len, 1, 65535, f);
		out->len += n;
	} while (n);
	out->data[out->len] = '\0';
	return pclose(f);
}

static void assert_says(const struct buf *out, const char *what)
{
	if (!strstr((const char *)out->data, what))
		fail_msg("no '%s' in:\n%s", what, (const char *)out->data);
}

/* Its own home, so that it leaves nothing in the user's. */
static int pprof_tool(const char *dir, const char *options, struct buf *out)
{
	char command[512];

	snprintf(command, sizeof(command),
		 "cd %s && HOME=%s PPROF_TMPDIR=%s GOFLAGS= GOTOOLCHAIN=local go tool pprof %s x.pb.gz 2>&1",
		 dir, dir, dir, options);
	return run(command, out);
}

static void go_checks(const char *dir, struct buf *out)
{
	assert_int_equal(pprof_tool(dir, "-symbolize=none -raw", out), 0);
	assert_says(out, "cpu-samples/count cpu-time/nanoseconds[dflt]");
	assert_says(out, "PeriodType: cpu-time nanoseconds");
	assert_says(out, "thread id:[4242]");
	assert_says(out, "1: 0x555500001000/0x555500009000/0x1000 /opt/demo/bin/demo abababab");
	assert_says(out, "inner(int) /src/demo/inner.h:7");
	assert_says(out, "span id:[-9223372036854775803]");
	assert_int_equal(pprof_tool(dir, "-symbolize=none -top -nodecount=50", out), 0);
	assert_says(out, "File: demo");
	assert_says(out, "Type: cpu-time");
	assert_says(out, "500ms 55.56% 55.56%      700ms 77.78%  inner(int) (inline)");
	assert_says(out, "200ms 22.22% 77.78%      200ms 22.22%  malloc");
	assert_says(out, "[lost]");
	assert_int_equal(pprof_tool(dir, "-symbolize=none -sample_index=cpu-samples -top", out), 0);
	assert_says(out, "inner");
	assert_int_equal(pprof_tool(dir, "-symbolize=none -traces", out), 0);
	assert_says(out, "worker \xc3\xa9");
	assert_says(out, "middle(int) (inline)");
	assert_int_equal(pprof_tool(dir, "-comments", out), 0);
	assert_says(out, "ddprof.tag.env: prod");
}

static void go_tool_pprof_reads_it(void **state)
{
	struct fixture *f = *state;
	char dir[] = "/tmp/test_pprof.XXXXXX", path[64], command[64];
	struct buf packed, out;
	int fd;

	buf_init(&out, 16u << 20);
	/* go builds its pprof at first use, which takes half a minute: only where it can keep it */
	if (run("command -v go && d=$(go env GOCACHE) && mkdir -p \"$d\" && test -w \"$d\"", &out)) {
		print_message("go is not installed, or has no cache here: its reader is not tried\n");
		buf_release(&out);
		skip();
	}
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/x.pb.gz", dir);
	buf_init(&packed, PPROF_MAX_RAW);
	assert_int_equal(pprof_gzip(&f->raw, 6, &packed), 0);
	assert_int_equal(run("go env GOCACHE", &out), 0);
	((char *)out.data)[strcspn((char *)out.data, "\n")] = '\0';
	setenv("GOCACHE", (char *)out.data, 1);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, packed.data, packed.len), packed.len);
	close(fd);
	buf_release(&packed);
	go_checks(dir, &out);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	assert_int_equal(run(command, &out), 0);
	buf_release(&out);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(head_and_comments_survive),
		T(every_sample_survives),
		T(the_program_is_the_first_mapping_and_build_ids_are_lowercase_hex),
		T(a_mapping_claims_no_more_than_was_found),
		T(only_what_samples_use_is_written),
		T(an_empty_profile_is_a_profile),
		T(strings_are_made_utf8),
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
		T(go_tool_pprof_reads_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pprof_read.c - any tool's pprof into a plain model, whatever its bytes.
 *
 * The message is walked four times, since its parts refer to each other in
 * any order: to count (so that tables are allocated once and limits are
 * known before anything is), then strings, types, mappings and functions, then
 * locations, then samples. Fields we do not know are skipped; an index or id
 * that leads nowhere is an error, so that users of the model need no checks.
 */
#include "export/pprof.h"
#include "export/gzip.h"
#include "export/pprof_fields.h"
#include "export/pprof_reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define READER_MAX_REFS                                                                                      \
	(4 * PPROF_MAX_ITEMS) /* frames, labels, values over all samples; lines over all locations           \
			       */

/* ---- first walk: count ---- */

static int count_items(struct reader *r)
{
	struct proto_reader m = {.pos = r->p->raw, .end = r->p->raw + r->p->raw_len};
	uint32_t *const counts[] = {
		[PROFILE_SAMPLE_TYPE] = &r->n_types,  [PROFILE_SAMPLE] = &r->n_samples,
		[PROFILE_MAPPING] = &r->n_mappings,   [PROFILE_LOCATION] = &r->n_locations,
		[PROFILE_FUNCTION] = &r->n_functions, [PROFILE_STRING_TABLE] = &r->n_strings,
	};
	struct proto_field f;
	int ret;

	while ((ret = proto_next(&m, &f)) > 0) {
		if (f.number > PROFILE_STRING_TABLE)
			continue;
		if (f.wire != PROTO_BYTES)
			return reader_fail(r, -EBADMSG, "not a pprof profile: field %u is no message",
					   f.number);
		if (++*counts[f.number] > PPROF_MAX_ITEMS)
			return reader_fail(r, -E2BIG, "more than %u entries of field %u", PPROF_MAX_ITEMS,
					   f.number);
	}
	ret = reader_ended(r, &m, ret);
	if (ret)
		return ret;
	if (!r->n_strings)
		return reader_fail(r, -EBADMSG, "not a pprof profile: it has no string table");
	if (!r->n_types)
		return reader_fail(r, -EBADMSG, "not a pprof profile: it has no sample types");
	if ((uint64_t)r->n_samples * r->n_types > READER_MAX_REFS)
		return reader_fail(r, -E2BIG, "more than %u values", READER_MAX_REFS);
	return 0;
}

static int allocate(struct reader *r)
{
	struct pprof *p = r->p;

	p->strings = calloc(r->n_strings, sizeof(*p->strings));
	p->types = calloc(r->n_types, sizeof(*p->types));
	p->mappings = calloc(r->n_mappings ? r->n_mappings : 1, sizeof(*p->mappings));
	p->functions = calloc(r->n_functions ? r->n_functions : 1, sizeof(*p->functions));
	p->locations = calloc(r->n_locations ? r->n_locations : 1, sizeof(*p->locations));
	p->samples = calloc(r->n_samples ? r->n_samples : 1, sizeof(*p->samples));
	p->values = calloc(r->n_samples ? (size_t)r->n_samples * r->n_types : 1, sizeof(*p->values));
	if (!p->strings || !p->types || !p->mappings || !p->functions || !p->locations || !p->samples ||
	    !p->values)
		return reader_no_memory(r);
	return 0;
}

/* ---- second walk: what refers to strings only ---- */

static int read_value_type(struct reader *r, struct proto_reader m, struct pprof_value_type *o)
{
	static const struct reader_spec specs[] = {
		{VALUE_TYPE_TYPE, READER_STRING, offsetof(struct pprof_value_type, type)},
		{VALUE_TYPE_UNIT, READER_STRING, offsetof(struct pprof_value_type, unit)},
		{0},
	};

	return reader_plain(r, m, specs, o);
}

static int read_mapping(struct reader *r, struct proto_reader m, struct pprof_mapping *o)
{
	static const struct reader_spec specs[] = {
		{MAPPING_ID, READER_NUMBER, offsetof(struct pprof_mapping, id)},
		{MAPPING_START, READER_NUMBER, offsetof(struct pprof_mapping, start)},
		{MAPPING_LIMIT, READER_NUMBER, offsetof(struct pprof_mapping, limit)},
		{MAPPING_OFFSET, READER_NUMBER, offsetof(struct pprof_mapping, off)},
		{MAPPING_FILENAME, READER_STRING, offsetof(struct pprof_mapping, filename)},
		{MAPPING_BUILD_ID, READER_STRING, offsetof(struct pprof_mapping, build_id)},
		{MAPPING_HAS_FUNCTIONS, READER_FLAG, offsetof(struct pprof_mapping, has_functions)},
		{MAPPING_HAS_FILENAMES, READER_FLAG, offsetof(struct pprof_mapping, has_filenames)},
		{MAPPING_HAS_LINES, READER_FLAG, offsetof(struct pprof_mapping, has_lines)},
		{MAPPING_HAS_INLINES, READER_FLAG, offsetof(struct pprof_mapping, has_inlines)},
		{0},
	};
	int err = reader_plain(r, m, specs, o);

	return err || o->id ? err : reader_fail(r, -EBADMSG, "has no id");
}

static int read_function(struct reader *r, struct proto_reader m, struct pprof_function *o)
{
	static const struct reader_spec specs[] = {
		{FUNCTION_ID, READER_NUMBER, offsetof(struct pprof_function, id)},
		{FUNCTION_NAME, READER_STRING, offsetof(struct pprof_function, name)},
		{FUNCTION_SYSTEM_NAME, READER_STRING, offsetof(struct pprof_function, system_name)},
		{FUNCTION_FILENAME, READER_STRING, offsetof(struct pprof_function, filename)},
		{FUNCTION_START_LINE, READER_NUMBER, offsetof(struct pprof_function, start_line)},
		{0},
	};
	int err = reader_plain(r, m, specs, o);

	return err || o->id ? err : reader_fail(r, -EBADMSG, "has no id");
}

static int read_comments(struct reader *r, const struct proto_field *f)
{
	struct pprof *p = r->p;
	struct proto_numbers n;
	uint64_t v;
	int ret, err;

	proto_numbers_init(&n, f);
	while ((ret = proto_numbers_next(&n, &v)) > 0) {
		err = reader_room(r, &p->comments, p->n_comments, &r->cap_comments, sizeof(*p->comments));
		if (!err)
			err = reader_check_string(r, v, &p->comments[p->n_comments]);
		if (err)
			return err;
		p->n_comments++;
	}
	return ret ? reader_fail(r, -EBADMSG, "damaged comments") : 0;
}

static void part(struct reader *r, const char *what, uint32_t index)
{
	r->what = what;
	r->index = index;
}

static int read_first(struct reader *r, const struct proto_field *f)
{
	struct pprof *p = r->p;
	struct proto_reader m;

	switch (f->number) {
	case PROFILE_SAMPLE_TYPE:
		part(r, "sample type", p->n_types);
		return read_value_type(r, f->bytes, &p->types[p->n_types++]);
	case PROFILE_MAPPING:
		part(r, "mapping", p->n_mappings);
		return read_mapping(r, f->bytes, &p->mappings[p->n_mappings++]);
	case PROFILE_FUNCTION:
		part(r, "function", p->n_functions);
		return read_function(r, f->bytes, &p->functions[p->n_functions++]);
	case PROFILE_STRING_TABLE:
		p->strings[p->n_strings++] = (struct pprof_str){
			.s = (const char *)f->bytes.pos, .len = (uint32_t)(f->bytes.end - f->bytes.pos)};
		return 0;
	case PROFILE_TIME_NANOS:
		return reader_i64(r, f, &p->time_nanos);
	case PROFILE_DURATION_NANOS:
		return reader_i64(r, f, &p->duration_nanos);
	case PROFILE_PERIOD:
		return reader_i64(r, f, &p->period);
	case PROFILE_PERIOD_TYPE:
		part(r, "period type", 0);
		return reader_message(r, f, &m) ?: read_value_type(r, m, &p->period_type);
	case PROFILE_COMMENT:
		return read_comments(r, f);
	case PROFILE_DEFAULT_SAMPLE_TYPE:
		return reader_string(r, f, &r->default_type);
	}
	return 0;
}

/* ---- third walk: locations ---- */

static int read_line(struct reader *r, struct proto_reader m)
{
	static const struct reader_spec specs[] = {
		{LINE_LINE, READER_NUMBER, offsetof(struct pprof_line, line)},
		{LINE_COLUMN, READER_NUMBER, offsetof(struct pprof_line, column)},
		{0},
	};
	struct pprof *p = r->p;
	struct pprof_line *o;
	struct proto_field f;
	uint64_t id = 0;
	int ret, err;

	err = reader_room(r, &p->lines, p->n_lines, &r->cap_lines, sizeof(*p->lines));
	if (err)
		return err;
	o = &p->lines[p->n_lines++];
	*o = (struct pprof_line){.function = UINT32_MAX};
	while (!err && (ret = reader_fields(r, &m, specs, o, &f)) != 0) {
		err = ret < 0 ? ret : 0;
		if (!err && f.number == LINE_FUNCTION_ID)
			err = reader_number(r, &f, &id);
	}
	return err ? err : reader_ref(r, &r->functions, "function", id, true, &o->function);
}

static int read_location(struct reader *r, const struct proto_field *field)
{
	static const struct reader_spec specs[] = {
		{LOCATION_ID, READER_NUMBER, offsetof(struct pprof_location, id)},
		{LOCATION_ADDRESS, READER_NUMBER, offsetof(struct pprof_location, address)},
		{LOCATION_FOLDED, READER_FLAG, offsetof(struct pprof_location, folded)},
		{0},
	};
	struct proto_reader m = field->bytes, line;
	struct pprof *p = r->p;
	struct pprof_location *o;
	struct proto_field f;
	uint64_t mapping = 0;
	int ret, err = 0;

	if (field->number != PROFILE_LOCATION)
		return 0;
	part(r, "location", p->n_locations);
	o = &p->locations[p->n_locations++];
	o->first_line = p->n_lines;
	while (!err && (ret = reader_fields(r, &m, specs, o, &f)) != 0) {
		if (ret < 0)
			err = ret;
		else if (f.number == LOCATION_MAPPING_ID)
			err = reader_number(r, &f, &mapping);
		else if (f.number == LOCATION_LINE)
			err = reader_message(r, &f, &line) ?: read_line(r, line);
	}
	o->n_lines = p->n_lines - o->first_line;
	if (!err && !o->id)
		err = reader_fail(r, -EBADMSG, "has no id");
	return err ? err : reader_ref(r, &r->mappings, "mapping", mapping, true, &o->mapping);
}

/* ---- fourth walk: samples ---- */

static int read_frames(struct reader *r, const struct proto_field *f)
{
	struct pprof *p = r->p;
	struct proto_numbers n;
	uint64_t id;
	int ret, err;

	proto_numbers_init(&n, f);
	while ((ret = proto_numbers_next(&n, &id)) > 0) {
		err = reader_room(r, &p->location_refs, p->n_location_refs, &r->cap_refs,
				  sizeof(*p->location_refs));
		if (!err)
			err = reader_ref(r, &r->locations, "location", id, false,
					 &p->location_refs[p->n_location_refs]);
		if (err)
			return err;
		p->n_location_refs++;
	}
	return ret ? reader_fail(r, -EBADMSG, "damaged list of locations") : 0;
}

static int read_values(struct reader *r, const struct proto_field *f, int64_t *values, uint32_t *n_values)
{
	struct proto_numbers n;
	uint64_t v;
	int ret;

	proto_numbers_init(&n, f);
	while ((ret = proto_numbers_next(&n, &v)) > 0) {
		if (*n_values == r->n_types)
			return reader_fail(r, -EBADMSG, "more values than the %u sample types", r->n_types);
		values[(*n_values)++] = (int64_t)v;
	}
	return ret ? reader_fail(r, -EBADMSG, "damaged values") : 0;
}

static int read_label(struct reader *r, struct proto_reader m)
{
	static const struct reader_spec specs[] = {
		{LABEL_KEY, READER_STRING, offsetof(struct pprof_label, key)},
		{LABEL_STR, READER_STRING, offsetof(struct pprof_label, str)},
		{LABEL_NUM, READER_NUMBER, offsetof(struct pprof_label, num)},
		{LABEL_NUM_UNIT, READER_STRING, offsetof(struct pprof_label, unit)},
		{0},
	};
	struct pprof *p = r->p;
	int err = reader_room(r, &p->labels, p->n_labels, &r->cap_labels, sizeof(*p->labels));

	if (err)
		return err;
	p->labels[p->n_labels] = (struct pprof_label){0};
	return reader_plain(r, m, specs, &p->labels[p->n_labels++]);
}

static int read_sample(struct reader *r, const struct proto_field *field)
{
	struct pprof *p = r->p;
	struct proto_reader m = field->bytes, label;
	uint32_t i = p->n_samples, n_values = 0;
	struct pprof_sample *o;
	struct proto_field f;
	int ret, err = 0;

	if (field->number != PROFILE_SAMPLE)
		return 0;
	part(r, "sample", i);
	p->n_samples++;
	o = &p->samples[i];
	*o = (struct pprof_sample){.first_location = p->n_location_refs, .first_label = p->n_labels};
	while (!err && (ret = proto_next(&m, &f)) != 0) {
		if (ret < 0)
			return reader_ended(r, &m, ret);
		if (f.number == SAMPLE_LOCATION_ID)
			err = read_frames(r, &f);
		else if (f.number == SAMPLE_VALUE)
			err = read_values(r, &f, p->values + (size_t)i * r->n_types, &n_values);
		else if (f.number == SAMPLE_LABEL)
			err = reader_message(r, &f, &label) ?: read_label(r, label);
	}
	if (!err && n_values != r->n_types)
		err = reader_fail(r, -EBADMSG, "%u values for %u sample types", n_values, r->n_types);
	o->n_locations = p->n_location_refs - o->first_location;
	o->n_labels = p->n_labels - o->first_label;
	return err;
}

/* ---- the whole ---- */

static int walk(struct reader *r, int (*read)(struct reader *r, const struct proto_field *f))
{
	struct proto_reader m = {.pos = r->p->raw, .end = r->p->raw + r->p->raw_len};
	struct proto_field f;
	int ret, err;

	while ((ret = proto_next(&m, &f)) > 0) {
		err = read(r, &f);
		part(r, NULL, 0);
		if (err)
			return err;
	}
	return reader_ended(r, &m, ret);
}

static int index_ids(struct reader *r, struct pprof_ids *t, const char *kind, const void *objects, uint32_t n,
		     size_t size)
{
	uint64_t twice = 0;
	int err = pprof_ids_init(t, objects, n, size, &twice);

	if (err == -EEXIST)
		return reader_fail(r, -EBADMSG, "two %ss have id %llu", kind, (unsigned long long)twice);
	return err ? reader_no_memory(r) : 0;
}

static void choose_default(struct reader *r)
{
	struct pprof *p = r->p;
	struct pprof_str want = pprof_string(p, r->default_type), have;
	uint32_t i;

	p->default_type = p->n_types - 1;
	for (i = 0; i < p->n_types && want.len; i++) {
		have = pprof_string(p, p->types[i].type);
		if (have.len == want.len && !memcmp(have.s, want.s, want.len)) {
			p->default_type = i;
			return;
		}
	}
}

static int read_all(struct reader *r)
{
	struct pprof *p = r->p;
	int err;

	err = count_items(r) ?: allocate(r) ?: walk(r, read_first);
	if (!err && p->strings[0].len)
		err = reader_fail(r, -EBADMSG, "not a pprof profile: string 0 is not empty");
	if (err)
		return err;
	choose_default(r);
	return index_ids(r, &r->mappings, "mapping", p->mappings, p->n_mappings, sizeof(*p->mappings)) ?:
	       index_ids(r, &r->functions, "function", p->functions, p->n_functions, sizeof(*p->functions)) ?:
	       walk(r, read_location) ?:
	       index_ids(r, &r->locations, "location", p->locations, p->n_locations, sizeof(*p->locations)) ?:
	       walk(r, read_sample);
}

static int unpack(struct reader *r, const uint8_t *data, size_t len)
{
	struct buf raw;
	int err;

	if (!len)
		return reader_fail(r, -EBADMSG, "it is empty");
	buf_init(&raw, PPROF_MAX_RAW);
	err = gzip_detect(data, len) ? gzip_unpack(data, len, &raw) : buf_put(&raw, data, len);
	r->p->raw = raw.data; /* the model owns it even if only half is there */
	r->p->raw_len = raw.len;
	switch (err) {
	case 0:
		return raw.len ? 0 : reader_fail(r, -EBADMSG, "it is empty");
	case -ENODATA:
		return reader_fail(r, -EBADMSG, "cut off: its compressed data ends early");
	case -E2BIG:
		return reader_fail(r, err, "larger than %u MB uncompressed", PPROF_MAX_RAW >> 20);
	case -ENOMEM:
		return reader_no_memory(r);
	}
	return reader_fail(r, -EBADMSG, "its compressed data is damaged");
}

int pprof_read(const uint8_t *data, size_t len, struct pprof **out, char *why, size_t why_len)
{
	struct reader r = {.p = calloc(1, sizeof(*r.p)), .why = why, .why_len = why_len};
	int err;

	err = r.p ? unpack(&r, data, len) : reader_no_memory(&r);
	if (!err)
		err = read_all(&r);
	pprof_ids_release(&r.mappings);
	pprof_ids_release(&r.functions);
	pprof_ids_release(&r.locations);
	if (err)
		pprof_free(r.p);
	else
		*out = r.p;
	return err;
}

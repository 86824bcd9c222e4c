/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pprof_write.c - our profile and its names as a pprof message.
 *
 * Only what the window's samples refer to is written: locations and mappings
 * outlive windows, the file should not. Locations, mappings and functions are
 * numbered from 1 in the order they are met, except that the main program's
 * mapping comes first, as readers expect. A location nobody could name is
 * called by its place in the file; its mapping then does not claim to have
 * functions, so that a reader may symbolize it.
 */
#include "export/pprof.h"
#include "export/pprof_fields.h"
#include "export/proto.h"
#include "export/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_STRING_BYTES (256u << 20)

struct function {
	uint32_t name, system_name, file, start_line; /* string ids of the output */
};

struct writer {
	const struct profile *p;
	const struct names *names;
	struct buf *out;
	struct buf msg, sub, clean; /* a message, one inside it, a string made valid */
	struct strtab strings;
	uint32_t *from_profile, *from_names; /* string id -> output's, 0: not yet */
	uint32_t *locations;                 /* location -> its id in the output, 0: unused */
	uint32_t *mappings;                  /* likewise */
	uint32_t *order;                     /* used locations by output id - 1 */
	uint32_t n_locations;
	uint32_t *mapping_order;
	uint32_t n_mappings;
	struct function *functions;
	uint32_t n_functions, cap_functions;
	struct idmap function_map;
	int error; /* first failure */
};

static void *table(struct writer *w, uint32_t n)
{
	void *p = calloc(n ? n : 1, sizeof(uint32_t));

	if (!p)
		w->error = -ENOMEM;
	return p;
}

/* ---- strings ---- */

/* Intern; a protobuf string must be UTF-8, which paths and thread names need not be. */
static uint32_t string(struct writer *w, const char *s)
{
	size_t len = strnlen(s, STRTAB_STR_MAX);
	uint32_t id = 0;
	int err;

	buf_clear(&w->clean);
	err = text_put_valid(&w->clean, s, len);
	if (!err)
		err = strtab_put_len(&w->strings, len ? (char *)w->clean.data : "", w->clean.len, &id);
	if (err && !w->error)
		w->error = err;
	return id;
}

static uint32_t cached(struct writer *w, const struct strtab *from, uint32_t *map, uint32_t id)
{
	if (!id || id >= from->count)
		return 0;
	if (!map[id])
		map[id] = string(w, strtab_get(from, id));
	return map[id];
}

static uint32_t profile_string(struct writer *w, uint32_t id)
{
	return cached(w, &w->p->strings, w->from_profile, id);
}

static uint32_t names_string(struct writer *w, uint32_t id)
{
	return cached(w, &w->names->strings, w->from_names, id);
}

/* ---- what the samples use ---- */

static bool any_value(const int64_t *v, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		if (v[i])
			return true;
	return false;
}

/* A program rather than a library, as far as a name can tell. */
static bool looks_like_program(const struct profile *p, uint32_t mapping)
{
	const struct profile_module *m = &p->modules[p->mappings[mapping].module];
	const char *path = strtab_get(&p->strings, m->path), *base = strrchr(path, '/'), *so;

	base = base ? base + 1 : path;
	so = strstr(base, ".so");
	return m->kind == MODULE_FILE && *base && *base != '[' && strncmp(base, "ld-", 3) &&
	       !(so && (!so[3] || so[3] == '.'));
}

/*
 * The main program: of the mappings that look like one, that which is nearest
 * to the root in most of the window's samples; the one seen first if equal.
 */
static uint32_t main_mapping(struct writer *w)
{
	const struct profile *p = w->p;
	uint64_t *weight = calloc(p->n_mappings ? p->n_mappings : 1, sizeof(*weight));
	uint32_t i, k, m, best = PROFILE_NONE;

	if (!weight) {
		w->error = -ENOMEM;
		return PROFILE_NONE;
	}
	for (i = 0; i < p->n_samples; i++) {
		const struct profile_range *s = &p->stacks[p->samples[i].stack];
		int64_t v = p->values[(size_t)i * p->n_types + p->default_type];

		for (k = s->n; k-- && v > 0;) {
			m = p->locations[p->frames[s->first + k]].mapping;
			if (m == PROFILE_NONE || !looks_like_program(p, m))
				continue;
			if (__builtin_add_overflow(weight[m], (uint64_t)v, &weight[m]))
				weight[m] = UINT64_MAX;
			break;
		}
	}
	for (m = 0; m < p->n_mappings; m++)
		if (weight[m] && (best == PROFILE_NONE || weight[m] > weight[best]))
			best = m;
	free(weight);
	return best;
}

static void use_mapping(struct writer *w, uint32_t mapping)
{
	if (mapping == PROFILE_NONE || w->mappings[mapping])
		return;
	w->mapping_order[w->n_mappings++] = mapping;
	w->mappings[mapping] = w->n_mappings;
}

static void collect_used(struct writer *w)
{
	const struct profile *p = w->p;
	uint32_t i, k, loc;

	use_mapping(w, main_mapping(w));
	for (i = 0; i < p->n_samples && !w->error; i++) {
		const struct profile_range *s = &p->stacks[p->samples[i].stack];

		if (!any_value(&p->values[(size_t)i * p->n_types], p->n_types))
			continue;
		for (k = 0; k < s->n; k++) {
			loc = p->frames[s->first + k];
			if (w->locations[loc])
				continue;
			w->order[w->n_locations++] = loc;
			w->locations[loc] = w->n_locations;
			use_mapping(w, p->locations[loc].mapping);
		}
	}
}

/* ---- functions ---- */

static uint64_t function_hash(const struct function *f)
{
	return hash_mix(hash_mix((uint64_t)f->name << 32 | f->system_name, f->file), f->start_line);
}

static bool function_same(const void *owner, uint32_t id, const void *key)
{
	return !memcmp(&((const struct writer *)owner)->functions[id], key, sizeof(struct function));
}

static uint64_t function_rehash(const void *owner, uint32_t id)
{
	return function_hash(&((const struct writer *)owner)->functions[id]);
}

/* The output's id of @key, from 1; 0 on failure. */
static uint32_t function(struct writer *w, const struct function *key)
{
	uint64_t hash = function_hash(key);
	uint32_t cap, id = idmap_find(&w->function_map, hash, function_same, w, key);
	struct function *f;

	if (id != IDMAP_NONE)
		return id + 1;
	if (w->n_functions == w->cap_functions) {
		cap = w->cap_functions ? w->cap_functions * 2 : 256;
		f = realloc(w->functions, cap * sizeof(*f));
		if (!f) {
			w->error = -ENOMEM;
			return 0;
		}
		w->functions = f;
		w->cap_functions = cap;
	}
	w->functions[w->n_functions] = *key;
	if (idmap_add(&w->function_map, hash, w->n_functions, function_rehash, w)) {
		w->error = -ENOMEM;
		return 0;
	}
	return ++w->n_functions;
}

/* ---- messages ---- */

static void put_message(struct writer *w, uint32_t field)
{
	if (w->msg.error && !w->error)
		w->error = w->msg.error;
	proto_put_bytes(w->out, field, w->msg.data, w->msg.len);
	buf_clear(&w->msg);
}

static void put_submessage(struct writer *w, uint32_t field)
{
	if (w->sub.error && !w->error)
		w->error = w->sub.error;
	proto_put_bytes(&w->msg, field, w->sub.data, w->sub.len);
	buf_clear(&w->sub);
}

static void put_value_type(struct writer *w, uint32_t field, const struct profile_type *t)
{
	proto_put_u64(&w->msg, VALUE_TYPE_TYPE, string(w, t->name));
	proto_put_u64(&w->msg, VALUE_TYPE_UNIT, string(w, t->unit));
	put_message(w, field);
}

static void put_label(struct writer *w, const struct profile_label *l)
{
	proto_put_u64(&w->sub, LABEL_KEY, profile_string(w, l->key));
	if (l->is_num)
		proto_put_i64(&w->sub, LABEL_NUM, l->num);
	else
		proto_put_u64(&w->sub, LABEL_STR, string(w, strtab_get(&w->p->label_strings, l->str)));
	put_submessage(w, SAMPLE_LABEL);
}

/* Sample @i with these values; @time_ns is a timeline's, 0: none. */
static void put_values(struct writer *w, uint32_t i, const int64_t *values, uint64_t time_ns)
{
	const struct profile *p = w->p;
	const struct profile_range *stack = &p->stacks[p->samples[i].stack];
	const struct profile_range *labels = &p->labelsets[p->samples[i].labels];
	uint32_t k;

	for (k = 0; k < stack->n; k++)
		proto_put_varint(&w->sub, w->locations[p->frames[stack->first + k]]);
	put_submessage(w, SAMPLE_LOCATION_ID);
	for (k = 0; k < p->n_types; k++)
		proto_put_varint(&w->sub, (uint64_t)values[k]);
	put_submessage(w, SAMPLE_VALUE);
	for (k = 0; k < labels->n; k++)
		put_label(w, &p->labels[labels->first + k]);
	if (time_ns) {
		proto_put_u64(&w->sub, LABEL_KEY, string(w, "end_timestamp_ns"));
		proto_put_i64(&w->sub, LABEL_NUM, (int64_t)time_ns);
		put_submessage(w, SAMPLE_LABEL);
	}
	put_message(w, PROFILE_SAMPLE);
}

/* Each event by itself, in the order of time; then what of the samples' values is in no event. */
static void put_samples(struct writer *w)
{
	const struct profile *p = w->p;
	size_t n = (size_t)p->n_samples * p->n_types;
	int64_t *rest = n && p->n_events ? malloc(n * sizeof(*rest)) : NULL;
	const int64_t *values = p->values;
	uint32_t i;

	if (rest) {
		memcpy(rest, p->values, n * sizeof(*rest));
		values = rest;
	}
	/* without the memory they are all merged, which is no loss of values */
	for (i = 0; rest && i < p->n_events && !w->error && !w->out->error; i++) {
		const struct profile_event *e = &p->events[i];
		int64_t own[PROFILE_MAX_TYPES] = {0}, *r = &rest[(size_t)e->sample * p->n_types];

		own[e->type[0]] = e->value[0];
		own[e->type[1]] += e->value[1];
		r[e->type[0]] -= e->value[0];
		r[e->type[1]] -= e->value[1];
		put_values(w, e->sample, own, e->time_ns);
	}
	for (i = 0; i < p->n_samples && !w->error && !w->out->error; i++)
		if (any_value(&values[(size_t)i * p->n_types], p->n_types))
			put_values(w, i, &values[(size_t)i * p->n_types], 0);
	free(rest);
}

static void put_line(struct writer *w, const struct function *f, uint32_t line)
{
	proto_put_u64(&w->sub, LINE_FUNCTION_ID, function(w, f));
	proto_put_u64(&w->sub, LINE_LINE, line);
	put_submessage(w, LOCATION_LINE);
}

static const struct names_location *name_of(const struct writer *w, uint32_t loc)
{
	static const struct names_location pending = {.status = NAMES_PENDING};

	return loc < w->names->n_locations ? &w->names->locations[loc] : &pending;
}

/* The frame of a location that nobody had a name for. */
static void put_place(struct writer *w, const struct profile_location *l)
{
	const struct profile_module *mod = &w->p->modules[w->p->mappings[l->mapping].module];
	char text[NAMES_PLACE_MAX];
	struct function f = {0};
	uint64_t addr;

	/* As an ELF address, like those of unwind information; by offset where the file is unknown. */
	if (!profile_module_vaddr(mod, l->off, &addr))
		addr = l->off;
	names_place(strtab_get(&w->p->strings, mod->path), addr, text);
	f.name = f.system_name = string(w, text);
	put_line(w, &f, 0);
}

static void put_location(struct writer *w, uint32_t loc)
{
	const struct profile_location *l = &w->p->locations[loc];
	const struct names_location *n = name_of(w, loc);
	struct function f = {0};
	uint32_t i;

	proto_put_u64(&w->msg, LOCATION_ID, w->locations[loc]);
	if (l->mapping == PROFILE_NONE) {
		f.name = f.system_name = profile_string(w, (uint32_t)l->off);
		put_line(w, &f, 0);
	} else {
		proto_put_u64(&w->msg, LOCATION_MAPPING_ID, w->mappings[l->mapping]);
		proto_put_u64(&w->msg, LOCATION_ADDRESS,
			      profile_location_address(&w->p->mappings[l->mapping], l));
		for (i = 0; i < n->n; i++) {
			const struct names_frame *nf = &w->names->frames[n->first + i];

			f = (struct function){.name = names_string(w, nf->function),
					      .system_name = names_string(w, nf->system_name),
					      .file = names_string(w, nf->file),
					      .start_line = nf->start_line};
			put_line(w, &f, nf->line);
		}
		if (!n->n)
			put_place(w, l);
	}
	put_message(w, PROFILE_LOCATION);
}

static void put_functions(struct writer *w)
{
	uint32_t i;

	for (i = 0; i < w->n_functions; i++) {
		const struct function *f = &w->functions[i];

		proto_put_u64(&w->msg, FUNCTION_ID, i + 1);
		proto_put_u64(&w->msg, FUNCTION_NAME, f->name);
		proto_put_u64(&w->msg, FUNCTION_SYSTEM_NAME, f->system_name);
		proto_put_u64(&w->msg, FUNCTION_FILENAME, f->file);
		proto_put_u64(&w->msg, FUNCTION_START_LINE, f->start_line);
		put_message(w, PROFILE_FUNCTION);
	}
}

/* ---- mappings ---- */

struct resolution { /* of a mapping's used locations */
	bool any_function, any_line, any_inline, open;
};

/*
 * A mapping counts as resolved when nobody could find more than we did:
 * an address that no symbol covers does not make a reader look again, one that
 * we could not look up (no file, no permission, no time) does.
 */
static void resolve(const struct writer *w, struct resolution *res)
{
	uint32_t i, k;

	for (i = 0; i < w->n_locations; i++) {
		const struct names_location *n = name_of(w, w->order[i]);
		uint32_t mapping = w->p->locations[w->order[i]].mapping;
		struct resolution *r;

		if (mapping == PROFILE_NONE)
			continue;
		r = &res[mapping];
		if (!names_status_named((enum names_status)n->status) && n->status != NAMES_NO_SYMBOL)
			r->open = true;
		if (n->n > 1)
			r->any_inline = true;
		for (k = 0; k < n->n; k++) {
			const struct names_frame *f = &w->names->frames[n->first + k];

			r->any_function |= f->function != 0;
			r->any_line |= f->file && f->line;
		}
	}
}

static void put_mapping(struct writer *w, uint32_t mapping, const struct resolution *r)
{
	const struct profile_mapping *m = &w->p->mappings[mapping];
	const struct profile_module *mod = &w->p->modules[m->module];
	char id[2 * PROFILE_BUILD_ID_MAX + 1] = "";
	uint32_t i;

	for (i = 0; i < mod->build_id_len && i < PROFILE_BUILD_ID_MAX; i++)
		snprintf(id + 2 * i, 3, "%02x", mod->build_id[i]);
	proto_put_u64(&w->msg, MAPPING_ID, w->mappings[mapping]);
	proto_put_u64(&w->msg, MAPPING_START, m->start);
	proto_put_u64(&w->msg, MAPPING_LIMIT, m->limit);
	proto_put_u64(&w->msg, MAPPING_OFFSET, m->off);
	proto_put_u64(&w->msg, MAPPING_FILENAME, profile_string(w, mod->path));
	proto_put_u64(&w->msg, MAPPING_BUILD_ID, string(w, id));
	proto_put_bool(&w->msg, MAPPING_HAS_FUNCTIONS, r->any_function && !r->open);
	proto_put_bool(&w->msg, MAPPING_HAS_FILENAMES, r->any_line && !r->open);
	proto_put_bool(&w->msg, MAPPING_HAS_LINES, r->any_line && !r->open);
	proto_put_bool(&w->msg, MAPPING_HAS_INLINES, r->any_inline && !r->open);
	put_message(w, PROFILE_MAPPING);
}

static void put_mappings(struct writer *w)
{
	struct resolution *res = calloc(w->p->n_mappings ? w->p->n_mappings : 1, sizeof(*res));
	uint32_t i;

	if (!res) {
		w->error = -ENOMEM;
		return;
	}
	resolve(w, res);
	for (i = 0; i < w->n_mappings; i++)
		put_mapping(w, w->mapping_order[i], &res[w->mapping_order[i]]);
	free(res);
}

/* ---- the whole ---- */

static void put_header(struct writer *w, const char *const *comments, uint32_t n)
{
	const struct profile *p = w->p;
	uint32_t i;

	for (i = 0; i < p->n_types; i++)
		put_value_type(w, PROFILE_SAMPLE_TYPE, &p->types[i]);
	if (p->default_type < p->n_types)
		proto_put_u64(w->out, PROFILE_DEFAULT_SAMPLE_TYPE, string(w, p->types[p->default_type].name));
	if (p->period_type.name)
		put_value_type(w, PROFILE_PERIOD_TYPE, &p->period_type);
	proto_put_i64(w->out, PROFILE_PERIOD, p->period);
	proto_put_u64(w->out, PROFILE_TIME_NANOS, p->start_ns);
	proto_put_u64(w->out, PROFILE_DURATION_NANOS, p->duration_ns);
	for (i = 0; i < n; i++)
		proto_put_varint(&w->msg, string(w, comments[i]));
	if (n)
		put_message(w, PROFILE_COMMENT);
}

static void put_strings(struct writer *w)
{
	uint32_t i;

	for (i = 0; i < w->strings.count; i++)
		proto_put_bytes(w->out, PROFILE_STRING_TABLE, w->strings.bytes + w->strings.start[i],
				w->strings.length[i]);
}

static int writer_init(struct writer *w, const struct profile *p, const struct names *names, struct buf *out)
{
	*w = (struct writer){.p = p, .names = names, .out = out};
	buf_init(&w->msg, PPROF_MAX_RAW);
	buf_init(&w->sub, PPROF_MAX_RAW);
	buf_init(&w->clean, 4 * STRTAB_STR_MAX);
	w->error = strtab_init(&w->strings, MAX_STRING_BYTES);
	w->from_profile = table(w, p->strings.count);
	w->from_names = table(w, names->strings.count);
	w->locations = table(w, p->n_locations);
	w->order = table(w, p->n_locations);
	w->mappings = table(w, p->n_mappings);
	w->mapping_order = table(w, p->n_mappings);
	return w->error;
}

static void writer_release(struct writer *w)
{
	buf_release(&w->msg);
	buf_release(&w->sub);
	buf_release(&w->clean);
	strtab_release(&w->strings);
	free(w->from_profile);
	free(w->from_names);
	free(w->locations);
	free(w->order);
	free(w->mappings);
	free(w->mapping_order);
	free(w->functions);
	idmap_release(&w->function_map);
}

int pprof_write(const struct profile *p, const struct names *names, const char *const *comments, uint32_t n,
		struct buf *out)
{
	size_t before = out->len;
	struct writer w;
	uint32_t i;
	int err;

	err = writer_init(&w, p, names, out);
	if (err)
		goto done;
	collect_used(&w);
	put_header(&w, comments, n);
	put_samples(&w);
	put_mappings(&w);
	for (i = 0; i < w.n_locations && !w.error && !out->error; i++)
		put_location(&w, w.order[i]);
	put_functions(&w);
	put_strings(&w);
	err = w.error ? w.error : out->error;
done:
	if (err)
		out->len = before;
	writer_release(&w);
	return err;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * functions.c - samples added up by function.
 *
 * A function is its name, its mapping's file and its source file, each by
 * content: ids of functions and strings may differ for what is the same. An
 * address without a name is a row of its own. Hashes are seeded, so that a file
 * cannot be made in which everything collides.
 */
#include "export/functions.h"
#include "base/hash.h"
#include "export/fold.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define UNSET UINT32_MAX

struct key {
	uint32_t name, file, module; /* canonical string ids; file and module: 0 if unknown */
	uint32_t named;              /* else @off tells rows apart */
	uint64_t off;
	int64_t line; /* 0 unless rows are lines */
};

struct row {
	struct key key;
	int64_t line, own, total;
	uint32_t seen; /* last sample counted into total, + 1 */
};

struct builder {
	const struct pprof *p;
	uint64_t seed;
	const struct functions_spec *spec;
	struct buf text; /* of the name being folded */
	/* String ids from p->n_strings on are folded names, by function. Owned, NULL where a name stays as it
	 * is. */
	char **folded;
	uint32_t *canon; /* string id -> first id with these contents */
	struct idmap strings, row_map;
	struct row *rows;
	struct functions_own *also; /* [n_also] a row */
	uint32_t n_rows, cap_rows;
	uint32_t *line_rows;     /* line -> row */
	uint32_t *location_rows; /* location without lines -> row */
};

/* ---- strings by content ---- */

static struct pprof_str text_of(const struct builder *b, uint32_t id)
{
	const char *s;

	if (id < b->p->n_strings)
		return b->p->strings[id];
	s = b->folded[id - b->p->n_strings];
	return (struct pprof_str){s, (uint32_t)strlen(s)};
}

static uint64_t string_hash(const void *owner, uint32_t id)
{
	const struct builder *b = owner;
	struct pprof_str s = text_of(b, id);
	uint64_t h = hash_mix(b->seed, s.len), w;
	uint32_t i;

	for (i = 0; i < s.len; i += 8) {
		w = 0;
		memcpy(&w, s.s + i, s.len - i < 8 ? s.len - i : 8);
		h = hash_mix(h, w);
	}
	return h;
}

static bool string_same(const void *owner, uint32_t id, const void *key)
{
	struct pprof_str a = text_of(owner, id);
	const struct pprof_str *b = key;

	return a.len == b->len && !memcmp(a.s, b->s, a.len);
}

static int canonical(struct builder *b, uint32_t id, uint32_t *out)
{
	struct pprof_str text;
	uint64_t hash;
	uint32_t found;
	int err;

	if (b->canon[id] == UNSET) {
		text = text_of(b, id);
		hash = string_hash(b, id);
		found = idmap_find(&b->strings, hash, string_same, b, &text);
		if (found == IDMAP_NONE) {
			found = id;
			err = idmap_add(&b->strings, hash, id, string_hash, b);
			if (err)
				return err;
		}
		b->canon[id] = found;
	}
	*out = b->canon[id];
	return 0;
}

/* ---- rows ---- */

static uint64_t key_hash(const struct builder *b, const struct key *k)
{
	uint64_t h = hash_mix(b->seed, (uint64_t)k->name << 32 | k->file);

	h = hash_mix(hash_mix(h, (uint64_t)k->module << 1 | k->named), k->off);
	return hash_mix(h, (uint64_t)k->line);
}

static uint64_t row_hash(const void *owner, uint32_t id)
{
	const struct builder *b = owner;

	return key_hash(b, &b->rows[id].key);
}

static bool row_same(const void *owner, uint32_t id, const void *key)
{
	return !memcmp(&((const struct builder *)owner)->rows[id].key, key, sizeof(struct key));
}

static int grow_rows(struct builder *b)
{
	uint32_t cap = b->cap_rows ? b->cap_rows * 2 : 256, n_also = b->spec->n_also;
	struct row *rows = realloc(b->rows, cap * sizeof(*rows));
	struct functions_own *also;

	if (!rows)
		return -ENOMEM;
	b->rows = rows;
	if (n_also) {
		also = realloc(b->also, (size_t)cap * n_also * sizeof(*also));
		if (!also)
			return -ENOMEM;
		b->also = also;
	}
	b->cap_rows = cap;
	return 0;
}

static int row_for(struct builder *b, const struct key *key, int64_t line, uint32_t *out)
{
	uint64_t hash = key_hash(b, key);
	uint32_t id = idmap_find(&b->row_map, hash, row_same, b, key), n_also = b->spec->n_also;
	int err;

	if (id != IDMAP_NONE) {
		*out = id;
		return 0;
	}
	err = b->n_rows == b->cap_rows ? grow_rows(b) : 0;
	if (err)
		return err;
	b->rows[b->n_rows] = (struct row){.key = *key, .line = line};
	if (n_also)
		memset(&b->also[(size_t)b->n_rows * n_also], 0, n_also * sizeof(*b->also));
	err = idmap_add(&b->row_map, hash, b->n_rows, row_hash, b);
	if (err)
		return err;
	*out = b->n_rows++;
	return 0;
}

static int unnamed_row(struct builder *b, const struct pprof_location *l, uint32_t file, uint32_t *out)
{
	const struct pprof *p = b->p;
	struct key key = {.off = l->address};
	int err = canonical(b, file, &key.file);

	if (!err && l->mapping != UINT32_MAX) {
		const struct pprof_mapping *m = &p->mappings[l->mapping];

		key.off = l->address - m->start + m->off;
		err = canonical(b, m->filename, &key.module);
	}
	return err ? err : row_for(b, &key, 0, out);
}

/* The string that function @index goes by. */
static int name_of(struct builder *b, uint32_t index, uint32_t *id)
{
	const struct pprof_function *f = &b->p->functions[index];
	struct pprof_str name = b->p->strings[f->name];

	*id = f->name;
	if (b->spec->names == FUNCTIONS_RAW && b->p->strings[f->system_name].len)
		*id = f->system_name;
	if (b->spec->names != FUNCTIONS_FOLDED)
		return 0;
	buf_clear(&b->text);
	/* A NUL inside could not be told from the end; nobody's name has one. */
	if (!b->folded[index] && name.len && !memchr(name.s, 0, name.len) &&
	    fold_templates(name.s, name.len, &b->text)) {
		if (buf_put_u8(&b->text, 0))
			return b->text.error;
		b->folded[index] = strdup((const char *)b->text.data);
		if (!b->folded[index])
			return -ENOMEM;
	}
	if (b->folded[index])
		*id = b->p->n_strings + index;
	return b->text.error;
}

static int line_row(struct builder *b, const struct pprof_location *l, const struct pprof_line *line,
		    uint32_t *out)
{
	const struct pprof *p = b->p;
	const struct pprof_function *f = line->function == UINT32_MAX ? NULL : &p->functions[line->function];
	struct key key = {.named = 1};
	uint32_t name;
	int err;

	if (!f || !p->strings[f->name].len)
		return unnamed_row(b, l, f ? f->filename : 0, out);
	err = name_of(b, line->function, &name) ?: canonical(b, name, &key.name);
	if (!err)
		err = canonical(b, f->filename, &key.file);
	if (!err && l->mapping != UINT32_MAX)
		err = canonical(b, p->mappings[l->mapping].filename, &key.module);
	if (b->spec->lines)
		key.line = line->line;
	return err ? err : row_for(b, &key, b->spec->lines ? line->line : f->start_line, out);
}

/* ---- adding up ---- */

static int64_t add(int64_t a, int64_t b)
{
	int64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? (b > 0 ? INT64_MAX : INT64_MIN) : sum;
}

static void count(struct builder *b, uint32_t row, uint32_t sample, int64_t v, bool own)
{
	struct row *r = &b->rows[row];

	if (own)
		r->own = add(r->own, v);
	if (r->seen == sample + 1)
		return;
	r->seen = sample + 1;
	r->total = add(r->total, v);
}

static void count_also(struct functions_own *own, const struct functions_spec *spec, const int64_t *values)
{
	uint32_t i;
	int64_t v;

	for (i = 0; i < spec->n_also; i++) {
		v = values[spec->also[i]];
		own[i].value = add(own[i].value, v);
		own[i].stacks += v != 0;
	}
}

static int row_of_location(struct builder *b, uint32_t location, uint32_t *out)
{
	uint32_t *row = &b->location_rows[location];
	int err = *row == UNSET ? unnamed_row(b, &b->p->locations[location], 0, row) : 0;

	*out = *row;
	return err;
}

static int row_of_line(struct builder *b, uint32_t location, uint32_t i, uint32_t *out)
{
	const struct pprof_location *l = &b->p->locations[location];
	uint32_t *row = &b->line_rows[l->first_line + i];
	int err = *row == UNSET ? line_row(b, l, &b->p->lines[l->first_line + i], row) : 0;

	*out = *row;
	return err;
}

static int add_location(struct builder *b, uint32_t location, uint32_t sample, int64_t v, bool leaf)
{
	uint32_t i, row, n = b->p->locations[location].n_lines;
	int err;

	if (!n) {
		err = row_of_location(b, location, &row);
		if (!err)
			count(b, row, sample, v, leaf);
		return err;
	}
	for (i = 0; i < n; i++) {
		err = row_of_line(b, location, i, &row);
		if (err)
			return err;
		count(b, row, sample, v, leaf && !i);
	}
	return 0;
}

/* The other types' values of a sample, for its innermost frame. */
static int add_also(struct builder *b, struct functions *f, const struct pprof_sample *s,
		    const int64_t *values)
{
	const struct functions_spec *spec = b->spec;
	uint32_t i, location, row;
	int err;

	for (i = 0; i < spec->n_also && !values[spec->also[i]]; i++)
		;
	if (i == spec->n_also)
		return 0;
	count_also(f->also_sum, spec, values);
	if (!s->n_locations)
		return 0;
	location = b->p->location_refs[s->first_location];
	err = b->p->locations[location].n_lines ? row_of_line(b, location, 0, &row)
						: row_of_location(b, location, &row);
	if (!err)
		count_also(&b->also[(size_t)row * spec->n_also], spec, values);
	return err;
}

static int add_samples(struct builder *b, struct functions *f)
{
	const struct pprof *p = b->p;
	uint32_t i, k;
	int err;

	for (i = 0; i < p->n_samples; i++) {
		const struct pprof_sample *s = &p->samples[i];
		const int64_t *values = &p->values[(size_t)i * p->n_types];
		int64_t v = values[f->type];

		err = add_also(b, f, s, values);
		if (err)
			return err;
		if (!v)
			continue;
		f->sum = add(f->sum, v);
		for (k = 0; k < s->n_locations; k++) {
			err = add_location(b, p->location_refs[s->first_location + k], i, v, !k);
			if (err)
				return err;
		}
	}
	return 0;
}

/* ---- results ---- */

static struct pprof_str basename_of(struct pprof_str path)
{
	const char *slash = path.len ? memrchr(path.s, '/', path.len) : NULL;

	if (slash && slash + 1 < path.s + path.len) {
		path.len -= (uint32_t)(slash + 1 - path.s);
		path.s = slash + 1;
	}
	return path;
}

static char *copy(struct pprof_str s)
{
	/* a NUL inside would end it early: shown as a space */
	char *c = malloc((size_t)s.len + 1), *nul;

	if (!c)
		return NULL;
	if (s.len)
		memcpy(c, s.s, s.len);
	c[s.len] = '\0';
	while ((nul = memchr(c, '\0', s.len)))
		*nul = ' ';
	return c;
}

static int finish_row(const struct builder *b, const struct row *row, struct functions_row *out)
{
	struct pprof_str module = basename_of(pprof_string(b->p, row->key.module)), bare = module;
	int len;

	/* "[anon]" has its brackets already */
	if (bare.len > 2 && bare.s[0] == '[' && bare.s[bare.len - 1] == ']') {
		bare.s++;
		bare.len -= 2;
	}
	len = bare.len < 256 ? (int)bare.len : 256;
	*out = (struct functions_row){.line = row->line, .own = row->own, .total = row->total};
	out->module = copy(module);
	out->file = copy(pprof_string(b->p, row->key.file));
	if (row->key.named)
		out->name = copy(text_of(b, row->key.name));
	else if (asprintf(&out->name, len ? "[%.*s+0x%" PRIx64 "]" : "[%.*s0x%" PRIx64 "]", len, bare.s,
			  row->key.off) < 0)
		out->name = NULL;
	return out->name && out->module && out->file ? 0 : -ENOMEM;
}

static int finish(struct builder *b, struct functions *f)
{
	uint32_t i, n_also = b->spec->n_also;
	int err = 0;

	f->rows = calloc(b->n_rows ? b->n_rows : 1, sizeof(*f->rows));
	if (!f->rows)
		return -ENOMEM;
	f->also = b->also;
	b->also = NULL;
	for (i = 0; i < b->n_rows && !err; i++) {
		if (!b->rows[i].seen)
			continue; /* has values of other types only */
		err = finish_row(b, &b->rows[i], &f->rows[f->n]);
		if (n_also)
			f->rows[f->n].also = &f->also[(size_t)i * n_also];
		f->n++;
	}
	return err;
}

static int compare(const void *va, const void *vb, void *arg)
{
	const struct functions_row *a = va, *b = vb;
	enum functions_sort sort = *(enum functions_sort *)arg;
	int64_t x[2] = {a->own, a->total}, y[2] = {b->own, b->total};
	int i, d, first = sort == FUNCTIONS_BY_TOTAL;

	for (i = 0; i < 2 && sort != FUNCTIONS_BY_NAME; i++) {
		d = (x[i ^ first] < y[i ^ first]) - (x[i ^ first] > y[i ^ first]);
		if (d)
			return d;
	}
	d = strcmp(a->name, b->name);
	d = d ? d : strcmp(a->module, b->module);
	d = d ? d : strcmp(a->file, b->file);
	d = d ? d : (a->line > b->line) - (a->line < b->line);
	return d ? d : (a->own < b->own) - (a->own > b->own);
}

static int builder_init(struct builder *b, const struct pprof *p, const struct functions_spec *spec)
{
	/* Neither count is above PPROF_MAX_ITEMS. */
	size_t n_strings = (size_t)p->n_strings + p->n_functions;

	*b = (struct builder){.p = p, .spec = spec};
	buf_init(&b->text, 1u << 20);
	/* not secret enough before the kernel's pool is ready, good enough all the same */
	if (getrandom(&b->seed, sizeof(b->seed), GRND_NONBLOCK) != sizeof(b->seed))
		b->seed = (uint64_t)(uintptr_t)b;
	b->canon = malloc((n_strings ? n_strings : 1) * sizeof(*b->canon));
	b->folded = calloc(p->n_functions ? p->n_functions : 1, sizeof(*b->folded));
	b->line_rows = malloc((p->n_lines ? p->n_lines : 1) * sizeof(*b->line_rows));
	b->location_rows = malloc((p->n_locations ? p->n_locations : 1) * sizeof(*b->location_rows));
	if (!b->canon || !b->folded || !b->line_rows || !b->location_rows)
		return -ENOMEM;
	memset(b->canon, 0xff, n_strings * sizeof(*b->canon));
	memset(b->line_rows, 0xff, p->n_lines * sizeof(*b->line_rows));
	memset(b->location_rows, 0xff, p->n_locations * sizeof(*b->location_rows));
	return 0;
}

static void builder_release(struct builder *b)
{
	uint32_t i;

	for (i = 0; b->folded && i < b->p->n_functions; i++)
		free(b->folded[i]);
	free(b->folded);
	buf_release(&b->text);
	free(b->canon);
	free(b->line_rows);
	free(b->location_rows);
	free(b->rows);
	free(b->also);
	idmap_release(&b->strings);
	idmap_release(&b->row_map);
}

int functions_new(struct functions **out, const struct pprof *p, const struct functions_spec *spec)
{
	enum functions_sort sort = spec->sort;
	struct functions *f;
	struct builder b;
	uint32_t i;
	int err;

	if (spec->type >= p->n_types || spec->n_also > FUNCTIONS_MAX_ALSO)
		return -EINVAL;
	for (i = 0; i < spec->n_also; i++)
		if (spec->also[i] >= p->n_types)
			return -EINVAL;
	f = calloc(1, sizeof(*f));
	if (!f)
		return -ENOMEM;
	f->type = spec->type;
	f->lines = spec->lines;
	f->n_also = spec->n_also;
	err = builder_init(&b, p, spec);
	if (!err)
		err = add_samples(&b, f);
	if (!err)
		err = finish(&b, f);
	builder_release(&b);
	if (err) {
		functions_free(f);
		return err;
	}
	qsort_r(f->rows, f->n, sizeof(*f->rows), compare, &sort);
	*out = f;
	return 0;
}

void functions_free(struct functions *f)
{
	uint32_t i;

	if (!f)
		return;
	for (i = 0; i < f->n; i++) {
		free(f->rows[i].name);
		free(f->rows[i].module);
		free(f->rows[i].file);
	}
	free(f->rows);
	free(f->also);
	free(f);
}

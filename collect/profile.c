/* SPDX-License-Identifier: Apache-2.0 */
/*
 * profile.c - interning of everything a sample is made of.
 *
 * Each table is an array that grows by doubling up to its cap, and an idmap
 * from contents to index. The overflow stack and the empty label set are made
 * at the start and made again by every reset from memory that is already
 * there, so that the place for what does not fit can always be had.
 */
#include "collect/profile.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_STRING_BYTES (64u << 20)
#define MAX_LABEL_BYTES  (16u << 20)
#define MAX_MODULES      (1u << 16)
#define MAX_MAPPINGS     (1u << 20)
#define MAX_JITS         (1u << 16)
#define MAX_LOCATIONS    (4u << 20)
#define MAX_FRAME_IDS    (64u << 20) /* over all stacks */
#define MAX_LABEL_IDS    (1u << 20)  /* over all label sets */
#define MAX_SAMPLES      (2u << 20)  /* one more for what overflows */

/* Make room for @need entries of @size bytes in *@array. */
static int grow(void *array, uint32_t *cap, uint64_t need, uint32_t max, size_t size)
{
	void *old, *new;
	uint64_t want = *cap ? *cap : 16;

	if (need <= *cap)
		return 0;
	if (need > max)
		return -E2BIG;
	while (want < need)
		want *= 2;
	if (want > max)
		want = max;
	memcpy(&old, array, sizeof(old));
	new = realloc(old, want * size);
	if (!new)
		return -ENOMEM;
	memcpy(array, &new, sizeof(new));
	*cap = (uint32_t)want;
	return 0;
}

/* ---- types, modules ---- */

uint32_t profile_add_type(struct profile *p, const char *name, const char *unit)
{
	/* the width of the values is fixed once there are some */
	if (p->n_types == PROFILE_MAX_TYPES || p->n_samples)
		return PROFILE_NONE;
	free(p->values);
	p->values = NULL;
	free(p->samples);
	p->samples = NULL;
	p->cap_samples = 0;
	p->types[p->n_types] = (struct profile_type){.name = name, .unit = unit};
	return p->n_types++;
}

uint32_t profile_add_module(struct profile *p, const struct profile_module *m)
{
	if (grow(&p->modules, &p->cap_modules, (uint64_t)p->n_modules + 1, MAX_MODULES, sizeof(*p->modules)))
		return PROFILE_NONE;
	p->modules[p->n_modules] = *m;
	return p->n_modules++;
}

uint32_t profile_add_jit(struct profile *p, uint32_t module)
{
	if (module >= p->n_modules ||
	    grow(&p->jits, &p->cap_jits, (uint64_t)p->n_jits + 1, MAX_JITS, sizeof(*p->jits)))
		return PROFILE_NONE;
	p->jits[p->n_jits] = (struct profile_jit){.map_fd = -1, .dump_fd = -1};
	p->modules[module].jit = p->n_jits + 1;
	return p->n_jits++;
}

bool profile_module_vaddr(const struct profile_module *mod, uint64_t off, uint64_t *vaddr)
{
	const struct module_segment *s, *hit = NULL;
	uint32_t i;

	if (mod->kind == MODULE_KERNEL || mod->kind == MODULE_ANON) {
		*vaddr = off;
		return true;
	}
	for (i = 0; i < mod->n_segments && i < PROFILE_MAX_SEGMENTS; i++) {
		s = &mod->segments[i];
		if (off < s->off || off - s->off >= s->filesz)
			continue;
		/* linkers may let segments share file bytes: code is meant */
		if (!hit || (!(hit->flags & PF_X) && (s->flags & PF_X)))
			hit = s;
	}
	if (!hit)
		return false;
	*vaddr = hit->vaddr + (off - hit->off);
	return true;
}

/* ---- mappings: one per (module, file offset) ---- */

struct mapping_key {
	uint32_t module;
	uint64_t off;
};

static uint64_t mapping_hash(uint32_t module, uint64_t off)
{
	return hash_mix(hash_u64(module + 1), off);
}

static bool mapping_same(const void *owner, uint32_t id, const void *key)
{
	const struct profile_mapping *m = &((const struct profile *)owner)->mappings[id];
	const struct mapping_key *k = key;

	return m->module == k->module && m->off == k->off;
}

static uint64_t mapping_rehash(const void *owner, uint32_t id)
{
	const struct profile_mapping *m = &((const struct profile *)owner)->mappings[id];

	return mapping_hash(m->module, m->off);
}

/* A process that has more of the segment mapped than the first one widens it. */
static void widen(struct profile_mapping *m, uint64_t size)
{
	uint64_t limit;

	if (size <= m->limit - m->start)
		return;
	if (__builtin_add_overflow(m->start, size, &limit))
		limit = UINT64_MAX;
	m->limit = limit;
}

uint32_t profile_mapping(struct profile *p, uint32_t module, uint64_t start, uint64_t limit, uint64_t off)
{
	struct mapping_key key = {.module = module, .off = off};
	uint64_t hash = mapping_hash(module, off);
	uint32_t id;

	if (module >= p->n_modules || limit <= start)
		return PROFILE_NONE;
	id = idmap_find(&p->mapping_map, hash, mapping_same, p, &key);
	if (id != IDMAP_NONE) {
		widen(&p->mappings[id], limit - start);
		return id;
	}
	id = p->n_mappings;
	if (grow(&p->mappings, &p->cap_mappings, (uint64_t)id + 1, MAX_MAPPINGS, sizeof(*p->mappings)))
		return PROFILE_NONE;
	p->mappings[id] =
		(struct profile_mapping){.module = module, .start = start, .limit = limit, .off = off};
	if (idmap_add(&p->mapping_map, hash, id, mapping_rehash, p))
		return PROFILE_NONE;
	p->n_mappings++;
	return id;
}

/* ---- locations ---- */

static uint64_t location_hash(const struct profile_location *l)
{
	return hash_mix(hash_u64(((uint64_t)l->generation << 32 | l->mapping) + 1), l->off);
}

static bool location_same(const void *owner, uint32_t id, const void *key)
{
	const struct profile_location *l = &((const struct profile *)owner)->locations[id], *k = key;

	return l->mapping == k->mapping && l->off == k->off && l->generation == k->generation;
}

static uint64_t location_rehash(const void *owner, uint32_t id)
{
	return location_hash(&((const struct profile *)owner)->locations[id]);
}

static uint32_t location(struct profile *p, const struct profile_location *key)
{
	uint64_t hash = location_hash(key);
	uint32_t id = idmap_find(&p->location_map, hash, location_same, p, key);

	if (id != IDMAP_NONE)
		return id;
	id = p->n_locations;
	if (grow(&p->locations, &p->cap_locations, (uint64_t)id + 1, MAX_LOCATIONS, sizeof(*p->locations)))
		return PROFILE_NONE;
	p->locations[id] = *key;
	if (idmap_add(&p->location_map, hash, id, location_rehash, p))
		return PROFILE_NONE;
	p->n_locations++;
	return id;
}

uint32_t profile_location(struct profile *p, uint32_t mapping, uint64_t off)
{
	return profile_jit_location(p, mapping, off, 0, 0);
}

uint32_t profile_jit_location(struct profile *p, uint32_t mapping, uint64_t off, uint32_t generation,
			      uint64_t time)
{
	struct profile_location key = {
		.mapping = mapping, .generation = generation, .off = off, .time = time};

	return mapping < p->n_mappings ? location(p, &key) : PROFILE_NONE;
}

uint32_t profile_synthetic(struct profile *p, const char *name)
{
	struct profile_location key = {.mapping = PROFILE_NONE};
	uint32_t id;

	if (strtab_put(&p->strings, name, &id))
		return PROFILE_NONE;
	key.off = id;
	return location(p, &key);
}

/* ---- stacks ---- */

struct stack_key {
	const uint32_t *locations;
	uint32_t n;
};

static uint64_t stack_hash(const uint32_t *locations, uint32_t n)
{
	uint64_t h = n;
	uint32_t i;

	for (i = 0; i < n; i++)
		h = hash_mix(h, locations[i]);
	return h;
}

static bool stack_same(const void *owner, uint32_t id, const void *key)
{
	const struct profile *p = owner;
	const struct stack_key *k = key;
	const struct profile_range *s = &p->stacks[id];

	return s->n == k->n &&
	       (!k->n || !memcmp(p->frames + s->first, k->locations, k->n * sizeof(*p->frames)));
}

static uint64_t stack_rehash(const void *owner, uint32_t id)
{
	const struct profile *p = owner;

	return stack_hash(p->frames + p->stacks[id].first, p->stacks[id].n);
}

static uint32_t stack_add(struct profile *p, const uint32_t *locations, uint32_t n)
{
	struct stack_key key = {.locations = locations, .n = n};
	uint64_t hash = stack_hash(locations, n);
	uint32_t id = idmap_find(&p->stack_map, hash, stack_same, p, &key);

	if (id != IDMAP_NONE)
		return id;
	id = p->n_stacks;
	if (grow(&p->stacks, &p->cap_stacks, (uint64_t)id + 1, PROFILE_MAX_STACKS, sizeof(*p->stacks)) ||
	    grow(&p->frames, &p->cap_frames, (uint64_t)p->n_frames + n, MAX_FRAME_IDS, sizeof(*p->frames)))
		return PROFILE_NONE;
	if (n)
		memcpy(p->frames + p->n_frames, locations, n * sizeof(*locations));
	p->stacks[id] = (struct profile_range){.first = p->n_frames, .n = n};
	if (idmap_add(&p->stack_map, hash, id, stack_rehash, p))
		return PROFILE_NONE;
	p->n_frames += n;
	p->n_stacks++;
	return id;
}

/* Longer than any caller should send: keep the inner frames and say so at the root. */
static uint32_t stack_add_cut(struct profile *p, const uint32_t *locations)
{
	uint32_t cut[PROFILE_MAX_FRAMES], mark = profile_synthetic(p, "[truncated]");

	if (mark == PROFILE_NONE)
		return PROFILE_NONE;
	memcpy(cut, locations, sizeof(cut) - sizeof(*cut));
	cut[PROFILE_MAX_FRAMES - 1] = mark;
	return stack_add(p, cut, PROFILE_MAX_FRAMES);
}

uint32_t profile_stack(struct profile *p, const uint32_t *locations, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		if (locations[i] >= p->n_locations)
			return PROFILE_NONE;
	return n > PROFILE_MAX_FRAMES ? stack_add_cut(p, locations) : stack_add(p, locations, n);
}

/* ---- label sets ---- */

struct labels_key {
	const struct profile_label *labels;
	uint32_t n;
};

static bool label_same(const struct profile_label *a, const struct profile_label *b)
{
	return a->key == b->key && a->is_num == b->is_num &&
	       (a->is_num ? a->num == b->num : a->str == b->str);
}

static uint64_t labels_hash(const struct profile_label *l, uint32_t n)
{
	uint64_t h = n;
	uint32_t i;

	for (i = 0; i < n; i++)
		h = hash_mix(hash_mix(h, l[i].key), l[i].is_num ? ~(uint64_t)l[i].num : l[i].str);
	return h;
}

static bool labels_same(const void *owner, uint32_t id, const void *key)
{
	const struct profile *p = owner;
	const struct labels_key *k = key;
	const struct profile_range *s = &p->labelsets[id];
	uint32_t i;

	if (s->n != k->n)
		return false;
	for (i = 0; i < k->n; i++)
		if (!label_same(&p->labels[s->first + i], &k->labels[i]))
			return false;
	return true;
}

static uint64_t labels_rehash(const void *owner, uint32_t id)
{
	const struct profile *p = owner;

	return labels_hash(p->labels + p->labelsets[id].first, p->labelsets[id].n);
}

uint32_t profile_labelset(struct profile *p, const struct profile_label *labels, uint32_t n)
{
	struct labels_key key = {.labels = labels, .n = n};
	uint64_t hash = labels_hash(labels, n);
	uint32_t id = idmap_find(&p->labelset_map, hash, labels_same, p, &key);

	if (id != IDMAP_NONE)
		return id;
	id = p->n_labelsets;
	if (grow(&p->labelsets, &p->cap_labelsets, (uint64_t)id + 1, PROFILE_MAX_LABELS,
		 sizeof(*p->labelsets)) ||
	    grow(&p->labels, &p->cap_labels, (uint64_t)p->n_labels + n, MAX_LABEL_IDS, sizeof(*p->labels)))
		return PROFILE_NONE;
	if (n)
		memcpy(p->labels + p->n_labels, labels, n * sizeof(*labels));
	p->labelsets[id] = (struct profile_range){.first = p->n_labels, .n = n};
	if (idmap_add(&p->labelset_map, hash, id, labels_rehash, p))
		return PROFILE_NONE;
	p->n_labels += n;
	p->n_labelsets++;
	return id;
}

/* ---- samples ---- */

static uint64_t sample_hash(const struct profile_sample *s)
{
	return hash_u64((uint64_t)s->stack << 32 | s->labels);
}

static bool sample_same(const void *owner, uint32_t id, const void *key)
{
	const struct profile_sample *s = &((const struct profile *)owner)->samples[id], *k = key;

	return s->stack == k->stack && s->labels == k->labels;
}

static uint64_t sample_rehash(const void *owner, uint32_t id)
{
	return sample_hash(&((const struct profile *)owner)->samples[id]);
}

static int reserve_samples(struct profile *p, uint64_t need, uint32_t max)
{
	uint32_t cap = p->cap_samples;
	int err = grow(&p->samples, &cap, need, max, sizeof(*p->samples));

	/* one capacity for both arrays: it counts once both have it */
	return err ? err : grow(&p->values, &p->cap_samples, need, max, p->n_types * sizeof(*p->values));
}

static int sample_index(struct profile *p, uint32_t stack, uint32_t labels, uint32_t max, uint32_t *out)
{
	struct profile_sample key = {.stack = stack, .labels = labels};
	uint64_t hash = sample_hash(&key);
	uint32_t id = idmap_find(&p->sample_map, hash, sample_same, p, &key);
	int err;

	if (id == IDMAP_NONE) {
		id = p->n_samples;
		err = reserve_samples(p, (uint64_t)id + 1, max);
		if (err)
			return err;
		p->samples[id] = key;
		memset(p->values + (size_t)id * p->n_types, 0, p->n_types * sizeof(*p->values));
		err = idmap_add(&p->sample_map, hash, id, sample_rehash, p);
		if (err)
			return err;
		p->n_samples++;
	}
	*out = id;
	return 0;
}

int profile_add(struct profile *p, uint32_t stack, uint32_t labels, uint32_t type, int64_t value)
{
	bool spilled = stack >= p->n_stacks || labels >= p->n_labelsets;
	uint32_t id;
	int64_t *v;
	int err;

	if (type >= p->n_types)
		return -EINVAL;
	if (stack >= p->n_stacks)
		stack = p->overflow_stack;
	if (labels >= p->n_labelsets)
		labels = p->overflow_labels;
	err = sample_index(p, stack, labels, MAX_SAMPLES, &id);
	if (err == -E2BIG) {
		spilled = true;
		err = sample_index(p, p->overflow_stack, p->overflow_labels, MAX_SAMPLES + 1, &id);
	}
	if (err)
		return err;
	v = &p->values[(size_t)id * p->n_types + type];
	if (__builtin_add_overflow(*v, value, v))
		*v = value > 0 ? INT64_MAX : INT64_MIN;
	if (spilled && type == p->default_type)
		p->quality.overflow++;
	return 0;
}

/* ---- timeline ---- */

void profile_event(struct profile *p, uint32_t stack, uint32_t labels, uint64_t time_ns, uint32_t t0,
		   int64_t v0, uint32_t t1, int64_t v1)
{
	struct profile_sample key = {.stack = stack < p->n_stacks ? stack : p->overflow_stack,
				     .labels = labels < p->n_labelsets ? labels : p->overflow_labels};
	uint32_t id;

	if (!p->max_events)
		return;
	id = idmap_find(&p->sample_map, sample_hash(&key), sample_same, p, &key);
	if (id == IDMAP_NONE || t0 >= p->n_types || t1 >= p->n_types ||
	    grow(&p->events, &p->cap_events, (uint64_t)p->n_events + 1, p->max_events, sizeof(*p->events))) {
		p->merged_events++;
		return;
	}
	p->events[p->n_events++] = (struct profile_event){.time_ns = time_ns,
							  .value = {v0, t1 == t0 ? 0 : v1},
							  .sample = id,
							  .type = {(uint8_t)t0, (uint8_t)t1}};
}

/* ---- life ---- */

void profile_reset(struct profile *p)
{
	uint32_t overflow = profile_synthetic(p, "[overflow]");

	idmap_clear(&p->stack_map);
	idmap_clear(&p->labelset_map);
	idmap_clear(&p->sample_map);
	p->n_frames = p->n_stacks = p->n_labels = p->n_labelsets = p->n_samples = p->n_events = 0;
	p->merged_events = 0;
	p->quality = (struct profile_quality){0};
	p->n_counters = 0;
	strtab_release(&p->label_strings);
	(void)strtab_init(&p->label_strings, MAX_LABEL_BYTES); /* out of memory: values become empty */
	p->overflow_stack = profile_stack(p, &overflow, 1);
	p->overflow_labels = profile_labelset(p, NULL, 0);
}

static void reindex(struct profile *p, struct idmap *map, uint32_t n,
		    uint64_t (*rehash)(const void *owner, uint32_t id))
{
	uint32_t i;

	idmap_clear(map);
	for (i = 0; i < n; i++)
		(void)idmap_add(map, rehash(p, i), i, rehash, p);
}

void profile_reindex(struct profile *p)
{
	reindex(p, &p->mapping_map, p->n_mappings, mapping_rehash);
	reindex(p, &p->location_map, p->n_locations, location_rehash);
	reindex(p, &p->stack_map, p->n_stacks, stack_rehash);
	reindex(p, &p->labelset_map, p->n_labelsets, labels_rehash);
}

int profile_init(struct profile *p)
{
	int err;

	*p = (struct profile){0};
	err = strtab_init(&p->strings, MAX_STRING_BYTES);
	if (err)
		return err;
	profile_reset(p);
	if (p->overflow_stack == PROFILE_NONE || p->overflow_labels == PROFILE_NONE) {
		profile_release(p);
		return -ENOMEM;
	}
	return 0;
}

void profile_release(struct profile *p)
{
	strtab_release(&p->strings);
	strtab_release(&p->label_strings);
	free(p->modules);
	free(p->mappings);
	free(p->locations);
	free(p->jits);
	free(p->frames);
	free(p->stacks);
	free(p->labels);
	free(p->labelsets);
	free(p->samples);
	free(p->values);
	free(p->events);
	idmap_release(&p->mapping_map);
	idmap_release(&p->location_map);
	idmap_release(&p->stack_map);
	idmap_release(&p->labelset_map);
	idmap_release(&p->sample_map);
	*p = (struct profile){0};
}

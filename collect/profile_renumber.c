/* SPDX-License-Identifier: Apache-2.0 */
/* profile_renumber.c - see profile_renumber.h: mark, number, move. */
#include "collect/profile_renumber.h"

#include <errno.h>
#include <stdlib.h>

static uint32_t *table(uint32_t n)
{
	return calloc((size_t)n + 1, sizeof(uint32_t));
}

static int allocate(const struct profile *p, struct profile_renumber *r)
{
	*r = (struct profile_renumber){
		.n_modules = p->n_modules,
		.n_mappings = p->n_mappings,
		.n_locations = p->n_locations,
		.n_jits = p->n_jits,
		.n_strings = p->strings.count,
	};
	r->modules = table(r->n_modules);
	r->mappings = table(r->n_mappings);
	r->locations = table(r->n_locations);
	r->jits = table(r->n_jits);
	r->strings = table(r->n_strings);
	if (!r->modules || !r->mappings || !r->locations || !r->jits || !r->strings)
		return -ENOMEM;
	return strtab_init(&r->fresh, p->strings.bytes_max);
}

void profile_renumber_release(struct profile_renumber *r)
{
	free(r->modules);
	free(r->mappings);
	free(r->locations);
	free(r->jits);
	free(r->strings);
	strtab_release(&r->fresh);
	*r = (struct profile_renumber){0};
}

/* ---- marking: 1 stays, 0 goes ---- */

static uint32_t module_of(const struct profile *p, const struct profile_location *l)
{
	return l->mapping < p->n_mappings ? p->mappings[l->mapping].module : PROFILE_NONE;
}

static void mark_stacks(const struct profile *p, bool *keep, struct profile_renumber *r)
{
	uint32_t i, module;

	for (i = 0; i < p->n_frames; i++)
		r->locations[p->frames[i]] = 1;
	for (i = 0; i < p->n_locations; i++) {
		module = r->locations[i] ? module_of(p, &p->locations[i]) : PROFILE_NONE;
		if (module < p->n_modules)
			keep[module] = true;
	}
}

static void mark_rest(const struct profile *p, const bool *keep, struct profile_renumber *r)
{
	uint32_t i, module;

	for (i = 0; i < p->n_modules; i++)
		r->modules[i] = keep[i];
	for (i = 0; i < p->n_mappings; i++)
		r->mappings[i] = p->mappings[i].module < p->n_modules && keep[p->mappings[i].module];
	for (i = 0; i < p->n_locations; i++) {
		module = module_of(p, &p->locations[i]);
		if (module == PROFILE_NONE ||
		    (module < p->n_modules && keep[module] && p->modules[module].kind != MODULE_ANON))
			r->locations[i] = 1;
	}
	for (i = 0; i < p->n_modules; i++)
		if (keep[i] && p->modules[i].jit && p->modules[i].jit <= p->n_jits)
			r->jits[p->modules[i].jit - 1] = 1;
}

static void mark_string(struct profile_renumber *r, uint64_t id)
{
	if (id < r->n_strings)
		r->strings[id] = 1;
}

static void mark_strings(const struct profile *p, const bool *keep, const uint32_t *strings, uint32_t n,
			 struct profile_renumber *r)
{
	uint32_t i;

	mark_string(r, 0);
	for (i = 0; i < n; i++)
		mark_string(r, strings[i]);
	for (i = 0; i < p->n_modules; i++)
		if (keep[i])
			mark_string(r, p->modules[i].path);
	for (i = 0; i < p->n_locations; i++)
		if (p->locations[i].mapping == PROFILE_NONE)
			mark_string(r, p->locations[i].off);
	for (i = 0; i < p->n_labels; i++)
		mark_string(r, p->labels[i].key);
}

/* ---- numbering ---- */

/* Returns how many go. */
static uint32_t number(uint32_t *ids, uint32_t n)
{
	uint32_t i, next = 0;

	for (i = 0; i < n; i++)
		ids[i] = ids[i] ? next++ : PROFILE_NONE;
	return n - next;
}

int profile_plan(const struct profile *p, bool *keep, const uint32_t *strings, uint32_t n,
		 struct profile_renumber *out)
{
	struct profile_renumber r;
	uint32_t i, id;
	int err = allocate(p, &r);

	if (err)
		goto fail;
	mark_stacks(p, keep, &r);
	mark_rest(p, keep, &r);
	mark_strings(p, keep, strings, n, &r);
	/* Put in their order, they get the numbers that number() gives. */
	for (i = 0; i < r.n_strings && !err; i++)
		if (r.strings[i])
			err = strtab_put_len(&r.fresh, strtab_get(&p->strings, i), p->strings.length[i], &id);
	if (err)
		goto fail;
	r.dropped_strings = number(r.strings, r.n_strings);
	r.dropped_modules = number(r.modules, r.n_modules);
	r.dropped_locations = number(r.locations, r.n_locations);
	number(r.mappings, r.n_mappings);
	number(r.jits, r.n_jits);
	*out = r;
	return 0;
fail:
	profile_renumber_release(&r);
	return err;
}

/* ---- moving: always towards the front ---- */

static void move_modules(struct profile *p, const struct profile_renumber *r)
{
	struct profile_module *m;
	uint32_t i, n = 0;

	for (i = 0; i < r->n_modules; i++) {
		if (r->modules[i] == PROFILE_NONE)
			continue;
		m = &p->modules[n++];
		*m = p->modules[i];
		m->path = r->strings[m->path];
		if (m->jit)
			m->jit = r->jits[m->jit - 1] + 1;
	}
	p->n_modules = n;
	for (i = n = 0; i < r->n_jits; i++)
		if (r->jits[i] != PROFILE_NONE)
			p->jits[n++] = p->jits[i];
	p->n_jits = n;
}

static void move_mappings(struct profile *p, const struct profile_renumber *r)
{
	uint32_t i, n = 0;

	for (i = 0; i < r->n_mappings; i++) {
		if (r->mappings[i] == PROFILE_NONE)
			continue;
		p->mappings[n] = p->mappings[i];
		p->mappings[n].module = r->modules[p->mappings[n].module];
		n++;
	}
	p->n_mappings = n;
}

static void move_locations(struct profile *p, const struct profile_renumber *r)
{
	struct profile_location *l;
	uint32_t i, n = 0;

	for (i = 0; i < r->n_locations; i++) {
		if (r->locations[i] == PROFILE_NONE)
			continue;
		l = &p->locations[n++];
		*l = p->locations[i];
		if (l->mapping == PROFILE_NONE)
			l->off = r->strings[l->off];
		else
			l->mapping = r->mappings[l->mapping];
	}
	p->n_locations = n;
}

void profile_renumber(struct profile *p, struct profile_renumber *r)
{
	uint32_t i;

	move_modules(p, r);
	move_mappings(p, r);
	move_locations(p, r);
	for (i = 0; i < p->n_frames; i++)
		p->frames[i] = r->locations[p->frames[i]];
	for (i = 0; i < p->n_labels; i++)
		p->labels[i].key = r->strings[p->labels[i].key];
	strtab_release(&p->strings);
	p->strings = r->fresh;
	r->fresh = (struct strtab){0};
	profile_reindex(p);
}

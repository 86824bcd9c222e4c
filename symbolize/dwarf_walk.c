/* SPDX-License-Identifier: Apache-2.0 */
/* dwarf_walk.c - see dwarf_walk.h. Format: DWARF 5, 3.3 (and 4, where it differs). */
#include "symbolize/dwarf_walk.h"

#include <dwarf.h>
#include <errno.h>
#include <stdlib.h>

#define ALIGNMENT 16 /* of functions, wherever compilers align them */

void dwarf_walk_init(struct dwarf_walk *w, struct dwarf_unit *unit, const struct profile_module *mod,
		     struct dwarf_place *places, uint32_t n)
{
	*w = (struct dwarf_walk){.unit = unit, .mod = mod, .places = places, .n_places = n, .n_outside = n};
}

void dwarf_walk_release(struct dwarf_walk *w)
{
	free(w->scopes);
	free(w->gaps);
	dwarf_spaces_release(&w->spaces);
	*w = (struct dwarf_walk){0};
}

static uint32_t first_place(const struct dwarf_walk *w, uint64_t vaddr)
{
	uint32_t lo = 0, hi = w->n_places, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (w->places[mid].addr->vaddr < vaddr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* What is read of a function's or an inlined call's DIE. */
struct code_die {
	struct dwarf_code code;
	uint64_t call_file, sibling, end;
	uint32_t call_line;
};

/* False when malformed. */
static bool read_code_die(const struct dwarf_die *die, struct code_die *d)
{
	struct dwarf_code_attrs attrs = {0};
	struct dwarf_attr_iter it = {0};
	uint64_t n;

	*d = (struct code_die){.end = die->attrs};
	while (dwarf_attr_next(die, &it)) {
		d->end = it.at;
		if (it.name == DW_AT_call_file && dwarf_value_number(&it.value, &n))
			d->call_file = n;
		else if (it.name == DW_AT_call_line && dwarf_value_number(&it.value, &n) && n <= INT32_MAX)
			d->call_line = (uint32_t)n;
		else
			dwarf_code_note(&attrs, it.name, &it.value);
	}
	if (it.i == UINT32_MAX)
		return false;
	dwarf_die_end(die, &d->sibling);
	dwarf_code_finish(die->unit, &attrs, &d->code);
	return true;
}

static uint32_t add_scope(struct dwarf_walk *w, const struct dwarf_die *die, const struct code_die *d,
			  uint32_t outer)
{
	if (!dwarf_grow((void **)&w->scopes, w->n_scopes, &w->cap_scopes, sizeof(*w->scopes))) {
		w->error = -ENOMEM;
		return DWARF_OUTSIDE;
	}
	w->scopes[w->n_scopes] = (struct dwarf_range_scope){.off = die->off,
							    .outer = outer,
							    .call_file = d->call_file,
							    .call_line = d->call_line,
							    .inlined = outer != DWARF_OUTSIDE};
	return w->n_scopes++;
}

/* A function's range: places before it end there at the latest, those behind begin after it. */
static void note_gaps(struct dwarf_walk *w, uint32_t first, const struct dwarf_range_iter *range)
{
	uint32_t behind = first;

	if (!w->gaps)
		return;
	if (first && range->start < w->gaps[first - 1].end)
		w->gaps[first - 1].end = range->start;
	while (behind < w->n_places && w->places[behind].addr->vaddr < range->end)
		behind++;
	if (behind < w->n_places && range->end > w->gaps[behind].start)
		w->gaps[behind].start = range->end;
}

/*
 * Is there a place without a function that can be in one? Not what fills up
 * the space behind a function until the next one's aligned beginning.
 */
static bool worth_a_second_pass(struct dwarf_walk *w)
{
	struct dwarf_gap *g = w->gaps;
	uint32_t i;

	if (!g || !w->n_outside)
		return w->n_outside;
	for (i = 1; i < w->n_places; i++)
		if (g[i].start < g[i - 1].start)
			g[i].start = g[i - 1].start;
	for (i = w->n_places - 1; i > 0; i--)
		if (g[i - 1].end > g[i].end)
			g[i - 1].end = g[i].end;
	for (i = 0; i < w->n_places; i++)
		if (w->places[i].scope == DWARF_OUTSIDE && !w->places[i].addr->hidden &&
		    (g[i].end % ALIGNMENT || !(g[i].start % ALIGNMENT) || g[i].end - g[i].start >= ALIGNMENT))
			return true;
	return false;
}

/*
 * Put the DIE around the places in its ranges. An inlined call only takes
 * places whose innermost scope so far is @outer, the one it stands in; a
 * function takes those that have none, and from a function it is nested in.
 * Returns the new scope, or DWARF_OUTSIDE if it has none.
 */
static uint32_t take_places(struct dwarf_walk *w, const struct dwarf_die *die, const struct code_die *d,
			    uint32_t outer, bool inlined)
{
	struct dwarf_range_iter it = {0};
	uint32_t scope = DWARF_OUTSIDE, i;
	struct dwarf_place *p;

	while (!w->error && dwarf_range_next(w->unit, &d->code, &it)) {
		i = first_place(w, it.start);
		if (!inlined)
			note_gaps(w, i, &it);
		if (i == w->n_places || w->places[i].addr->vaddr >= it.end ||
		    !source_in_code(w->mod, it.start))
			continue;
		for (; i < w->n_places && w->places[i].addr->vaddr < it.end; i++) {
			p = &w->places[i];
			if (p->scope != outer && (inlined || p->scope != DWARF_OUTSIDE))
				continue;
			if (scope == DWARF_OUTSIDE)
				scope = add_scope(w, die, d, inlined ? outer : DWARF_OUTSIDE);
			if (scope == DWARF_OUTSIDE)
				break;
			w->n_outside -= p->scope == DWARF_OUTSIDE;
			p->scope = scope;
		}
	}
	return scope;
}

/* ---- the walk: each returns where it got to ---- */

static uint64_t walk_children(struct dwarf_walk *w, uint64_t off, uint32_t scope, unsigned int depth);

static uint64_t step_over(struct dwarf_walk *w, const struct dwarf_die *die, uint64_t end, uint64_t sibling)
{
	if (!die->ab->children)
		return end;
	return sibling ? sibling : dwarf_skip_children(w->unit, end);
}

static uint64_t visit_code(struct dwarf_walk *w, const struct dwarf_die *die, uint32_t scope,
			   unsigned int depth)
{
	bool inlined = die->ab->kind == DWARF_KIND_INLINED;
	struct code_die d;
	uint32_t own;

	/* Declarations, and inlined calls in functions that are of no interest. */
	if (!die->ab->has_code || (inlined && scope == DWARF_OUTSIDE)) {
		d.end = dwarf_die_end(die, &d.sibling);
		own = DWARF_OUTSIDE;
	} else {
		if (!read_code_die(die, &d))
			return w->unit->end;
		own = take_places(w, die, &d, scope, inlined);
	}
	if (!d.end)
		return w->unit->end;
	if (!die->ab->children)
		return d.end;
	if (own == DWARF_OUTSIDE && (inlined || !w->everything))
		return step_over(w, die, d.end, d.sibling);
	return walk_children(w, d.end, own, depth);
}

static uint64_t visit(struct dwarf_walk *w, const struct dwarf_die *die, uint32_t scope, unsigned int depth)
{
	uint64_t end, sibling;
	bool enter = false;

	switch (die->ab->kind) {
	case DWARF_KIND_FUNCTION:
	case DWARF_KIND_INLINED:
		return visit_code(w, die, scope, depth);
	case DWARF_KIND_SPACE:
	case DWARF_KIND_BLOCK:
		enter = true;
		break;
	case DWARF_KIND_TYPE:
		enter = w->everything || scope != DWARF_OUTSIDE;
		break;
	default:
		break;
	}
	end = dwarf_die_end(die, &sibling);
	if (!end)
		return w->unit->end;
	if (enter && die->ab->children)
		return walk_children(w, end, scope, depth);
	return step_over(w, die, end, sibling);
}

static uint64_t walk_children(struct dwarf_walk *w, uint64_t off, uint32_t scope, unsigned int depth)
{
	struct dwarf_die die;
	uint64_t next;

	if (depth == DWARF_MAX_DEPTH)
		return dwarf_skip_children(w->unit, off);
	while (!w->error && off < w->unit->end) {
		if (!dwarf_die_read(w->unit, off, &die, &next))
			return next;
		off = visit(w, &die, scope, depth + 1);
	}
	return off;
}

int dwarf_walk_run(struct dwarf_walk *w, bool all_here)
{
	uint32_t i;

	if (!w->unit->children || !w->n_places)
		return 0;
	w->gaps = malloc(w->n_places * sizeof(*w->gaps));
	for (i = 0; w->gaps && i < w->n_places; i++)
		w->gaps[i] = (struct dwarf_gap){0, UINT64_MAX};
	dwarf_unit_prepare(w->unit);
	walk_children(w, w->unit->first_child, DWARF_OUTSIDE, 0);
	if (!w->error && all_here && worth_a_second_pass(w)) {
		w->everything = true;
		walk_children(w, w->unit->first_child, DWARF_OUTSIDE, 0);
		/* Thunks of classes, claimed by many units, described by none. */
		for (i = 0; i < w->n_places; i++)
			w->places[i].addr->hidden = w->places[i].scope == DWARF_OUTSIDE;
	}
	return w->error;
}

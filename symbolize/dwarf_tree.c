/* SPDX-License-Identifier: Apache-2.0 */
/* dwarf_tree.c - see dwarf_tree.h. Format: DWARF 5, sections 2 and 3 (and 4, where it differs). */
#include "symbolize/dwarf_tree.h"

#include <dwarf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What the walk knows about where it is. */
struct position {
	uint32_t scope; /* innermost function or inlined call whose DIE is an ancestor */
	uint32_t space; /* innermost namespace or class */
	unsigned int depth;
};

int dwarf_hit_compare(const void *a, const void *b)
{
	const struct dwarf_hit *x = a, *y = b;

	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

void dwarf_tree_init(struct dwarf_tree *t, Dwarf_Die *cu, const struct profile_module *mod,
		     struct dwarf_hit *hits, uint32_t n_hits)
{
	*t = (struct dwarf_tree){.cu = cu,
				 .line_cu = cu,
				 .mod = mod,
				 .hits = hits,
				 .n_hits = n_hits,
				 .qualify = dwarf_language_qualifies((unsigned int)dwarf_srclang(cu))};
}

void dwarf_tree_release(struct dwarf_tree *t)
{
	free(t->scopes);
	dwarf_spaces_release(&t->spaces);
	*t = (struct dwarf_tree){0};
}

/* ---- code ---- */

static uint32_t first_hit(const struct dwarf_tree *t, uint64_t vaddr)
{
	uint32_t lo = 0, hi = t->n_hits, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (t->hits[mid].addr->vaddr < vaddr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static uint32_t add_scope(struct dwarf_tree *t, const Dwarf_Die *die, uint32_t outer)
{
	if (!dwarf_grow((void **)&t->scopes, t->n_scopes, &t->cap_scopes, sizeof(*t->scopes))) {
		t->error = -ENOMEM;
		return DWARF_NO_SCOPE;
	}
	t->scopes[t->n_scopes] = (struct dwarf_scope){.die = *die, .outer = outer};
	return t->n_scopes++;
}

/*
 * Put @die around the hits in its ranges. An inlined call only takes hits
 * whose innermost scope so far is @outer, the one it stands in; a function
 * takes those that have none, and from a function it is nested in. Returns the
 * new scope, or DWARF_NO_SCOPE if it has no hits.
 */
static uint32_t take_hits(struct dwarf_tree *t, Dwarf_Die *die, uint32_t outer, bool inlined)
{
	uint32_t scope = DWARF_NO_SCOPE, i;
	Dwarf_Addr base, start, end;
	ptrdiff_t next = 0;

	while (!t->error && (next = dwarf_ranges(die, next, &base, &start, &end)) > 0) {
		if (!source_in_code(t->mod, start))
			continue;
		for (i = first_hit(t, start); i < t->n_hits && t->hits[i].addr->vaddr < end; i++) {
			if (t->hits[i].scope != outer && (inlined || t->hits[i].scope != DWARF_NO_SCOPE))
				continue;
			if (scope == DWARF_NO_SCOPE)
				scope = add_scope(t, die, inlined ? outer : DWARF_NO_SCOPE);
			if (scope == DWARF_NO_SCOPE)
				break;
			t->hits[i].scope = scope;
		}
	}
	return scope;
}

/* ---- the walk ---- */

static void walk_children(struct dwarf_tree *t, Dwarf_Die *parent, struct position at);

static void visit(struct dwarf_tree *t, Dwarf_Die *die, struct position at)
{
	switch (dwarf_tag(die)) {
	case DW_TAG_subprogram:
		if (t->qualify)
			t->error = dwarf_spaces_add_member(&t->spaces, dwarf_dieoffset(die), at.space);
		/*
		 * Also those without hits are entered: methods of local classes
		 * and nested functions have their code elsewhere.
		 */
		at.scope = take_hits(t, die, at.scope, false);
		walk_children(t, die, at);
		break;
	case DW_TAG_inlined_subroutine:
		if (at.scope == DWARF_NO_SCOPE)
			break;
		at.scope = take_hits(t, die, at.scope, true);
		if (at.scope != DWARF_NO_SCOPE)
			walk_children(t, die, at);
		break;
	case DW_TAG_namespace:
	case DW_TAG_module:
	case DW_TAG_class_type:
	case DW_TAG_structure_type:
	case DW_TAG_union_type:
	case DW_TAG_interface_type:
	case DW_TAG_enumeration_type:
		if (!dwarf_haschildren(die))
			break;
		if (t->qualify)
			t->error = dwarf_spaces_add(&t->spaces, dwarf_dieoffset(die), at.space, &at.space);
		walk_children(t, die, at);
		break;
	case DW_TAG_lexical_block:
	case DW_TAG_try_block:
	case DW_TAG_catch_block:
	case DW_TAG_with_stmt:
	case DW_TAG_common_block:
		walk_children(t, die, at);
		break;
	default:
		break;
	}
}

static void walk_children(struct dwarf_tree *t, Dwarf_Die *parent, struct position at)
{
	Dwarf_Off before;
	Dwarf_Die die;

	if (at.depth++ >= DWARF_MAX_DEPTH || dwarf_child(parent, &die))
		return;
	do {
		visit(t, &die, at);
		before = dwarf_dieoffset(&die);
		/* A hostile sibling reference may point backwards. */
	} while (!t->error && !dwarf_siblingof(&die, &die) && dwarf_dieoffset(&die) > before);
}

int dwarf_tree_walk(struct dwarf_tree *t)
{
	struct position top = {DWARF_NO_SCOPE, DWARF_NO_SPACE, 0};

	if (dwarf_haschildren(t->cu) > 0)
		walk_children(t, t->cu, top);
	return t->error;
}

/* ---- names ---- */

static const char *attr_string(Dwarf_Die *die, unsigned int name)
{
	Dwarf_Attribute attr;

	return dwarf_formstring(dwarf_attr_integrate(die, name, &attr));
}

/* The DIE at the end of the chain of origins and specifications: where the function is declared. */
static void find_declaration(Dwarf_Die *die, Dwarf_Die *decl)
{
	Dwarf_Attribute attr;
	Dwarf_Die next;
	int i;

	*decl = *die;
	for (i = 0; i < DWARF_MAX_REFS; i++) {
		if (!dwarf_attr(decl, DW_AT_abstract_origin, &attr) &&
		    !dwarf_attr(decl, DW_AT_specification, &attr))
			return;
		if (!dwarf_formref_die(&attr, &next))
			return;
		*decl = next;
	}
}

static const char *space_name(void *arg, uint64_t off)
{
	const struct dwarf_tree *t = arg;
	const char *name;
	Dwarf_Die die;

	if (!dwarf_offdie(dwarf_cu_getdwarf(t->cu->cu), off, &die))
		return NULL;
	name = dwarf_diename(&die);
	return name ? name : dwarf_anonymous(dwarf_tag(&die) == DW_TAG_namespace);
}

static int qualified_name(struct dwarf_tree *t, Dwarf_Die *die, const char *name, struct names *names,
			  uint32_t *id)
{
	Dwarf_Die decl;

	*id = 0;
	find_declaration(die, &decl);
	/* Offsets are those of this file, not of a supplementary one. */
	if (!decl.cu || dwarf_cu_getdwarf(decl.cu) != dwarf_cu_getdwarf(t->cu->cu))
		return 0;
	return dwarf_spaces_name(&t->spaces, dwarf_dieoffset(&decl), name, space_name, t, names, id);
}

static int name_scope(struct dwarf_tree *t, struct dwarf_scope *s, struct names *names)
{
	const char *linkage = attr_string(&s->die, DW_AT_linkage_name), *name;
	struct names_frame f = {0};
	Dwarf_Attribute attr;
	Dwarf_Word line;
	int err = 0;

	if (!linkage)
		linkage = attr_string(&s->die, DW_AT_MIPS_linkage_name);
	name = dwarf_diename(&s->die);
	if (linkage && *linkage) {
		s->linkage = true;
		err = source_symbol_name(names, linkage, strlen(linkage), &f);
	} else if (name && *name) {
		err = strtab_put(&names->strings, name, &f.system_name);
		if (!err && t->qualify)
			err = qualified_name(t, &s->die, name, names, &f.function);
		if (!f.function)
			f.function = f.system_name;
	}
	if (!dwarf_formudata(dwarf_attr_integrate(&s->die, DW_AT_decl_line, &attr), &line) &&
	    line <= INT32_MAX)
		s->start_line = (uint32_t)line;
	s->function = f.function;
	s->system_name = f.system_name;
	s->named = !err;
	return err;
}

int dwarf_tree_name(struct dwarf_tree *t, uint32_t scope, struct names *names, struct names_frame *f)
{
	struct dwarf_scope *s = &t->scopes[scope];
	int err = s->named ? 0 : name_scope(t, s, names);

	*f = (struct names_frame){
		.function = s->function, .system_name = s->system_name, .start_line = s->start_line};
	return err;
}

bool dwarf_tree_wants_symbol(const struct dwarf_tree *t, uint32_t scope)
{
	while (t->scopes[scope].outer != DWARF_NO_SCOPE)
		scope = t->scopes[scope].outer;
	return t->qualify && !t->scopes[scope].linkage;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* dwarf_tree.c - see dwarf_tree.h. Format: DWARF 5, sections 2 and 3 (and 4, where it differs). */
#include "symbolize/dwarf_tree.h"

#include "base/buf.h"

#include <dwarf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DEPTH  256 /* of DIEs inside each other; deeper ones are not looked at */
#define MAX_REFS   16  /* links from a DIE to the one that has its name */
#define MAX_SPACES 32  /* namespaces and classes around a function */
#define MAX_NAME   4096

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

static bool language_qualifies(Dwarf_Die *cu)
{
	switch (dwarf_srclang(cu)) {
	case DW_LANG_C_plus_plus:
	case DW_LANG_C_plus_plus_03:
	case DW_LANG_C_plus_plus_11:
	case DW_LANG_C_plus_plus_14:
	case 0x2b: /* C++17, DWARF 6 */
	case 0x2c: /* C++20, DWARF 6 */
	case DW_LANG_ObjC_plus_plus:
	case DW_LANG_Rust:
		return true;
	default:
		return false;
	}
}

void dwarf_tree_init(struct dwarf_tree *t, Dwarf_Die *cu, const struct profile_module *mod,
		     struct dwarf_hit *hits, uint32_t n_hits)
{
	*t = (struct dwarf_tree){.cu = cu,
				 .line_cu = cu,
				 .mod = mod,
				 .hits = hits,
				 .n_hits = n_hits,
				 .qualify = language_qualifies(cu)};
}

void dwarf_tree_release(struct dwarf_tree *t)
{
	free(t->scopes);
	free(t->spaces);
	free(t->members);
	*t = (struct dwarf_tree){0};
}

/* Room for one more element of @size bytes; sets t->error and returns false if there is none. */
static bool reserve(struct dwarf_tree *t, void **array, uint32_t n, uint32_t *cap, size_t size)
{
	uint32_t want = *cap ? *cap * 2 : 64;
	void *p;

	if (n < *cap)
		return true;
	p = want > *cap ? realloc(*array, want * size) : NULL;
	if (!p) {
		t->error = -ENOMEM;
		return false;
	}
	*array = p;
	*cap = want;
	return true;
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
	if (!reserve(t, (void **)&t->scopes, t->n_scopes, &t->cap_scopes, sizeof(*t->scopes)))
		return DWARF_NO_SCOPE;
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

static uint32_t add_space(struct dwarf_tree *t, Dwarf_Die *die, uint32_t outer)
{
	if (!reserve(t, (void **)&t->spaces, t->n_spaces, &t->cap_spaces, sizeof(*t->spaces)))
		return DWARF_NO_SCOPE;
	t->spaces[t->n_spaces] = (struct dwarf_space){dwarf_dieoffset(die), outer};
	return t->n_spaces++;
}

static void add_member(struct dwarf_tree *t, Dwarf_Die *die, uint32_t space)
{
	if (space == DWARF_NO_SCOPE ||
	    !reserve(t, (void **)&t->members, t->n_members, &t->cap_members, sizeof(*t->members)))
		return;
	t->members[t->n_members++] = (struct dwarf_member){dwarf_dieoffset(die), space};
}

static void visit(struct dwarf_tree *t, Dwarf_Die *die, struct position at)
{
	switch (dwarf_tag(die)) {
	case DW_TAG_subprogram:
		if (t->qualify)
			add_member(t, die, at.space);
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
			at.space = add_space(t, die, at.space);
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

	if (at.depth++ >= MAX_DEPTH || dwarf_child(parent, &die))
		return;
	do {
		visit(t, &die, at);
		before = dwarf_dieoffset(&die);
		/* A hostile sibling reference may point backwards. */
	} while (!t->error && !dwarf_siblingof(&die, &die) && dwarf_dieoffset(&die) > before);
}

int dwarf_tree_walk(struct dwarf_tree *t)
{
	struct position top = {DWARF_NO_SCOPE, DWARF_NO_SCOPE, 0};

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
	for (i = 0; i < MAX_REFS; i++) {
		if (!dwarf_attr(decl, DW_AT_abstract_origin, &attr) &&
		    !dwarf_attr(decl, DW_AT_specification, &attr))
			return;
		if (!dwarf_formref_die(&attr, &next))
			return;
		*decl = next;
	}
}

static uint32_t find_space(const struct dwarf_tree *t, Dwarf_Off off)
{
	uint32_t lo = 0, hi = t->n_members, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (t->members[mid].off < off)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < t->n_members && t->members[lo].off == off ? t->members[lo].space : DWARF_NO_SCOPE;
}

static void put_space(const struct dwarf_tree *t, uint32_t space, struct buf *out)
{
	Dwarf *dbg = dwarf_cu_getdwarf(t->cu->cu);
	const char *name;
	Dwarf_Die die;

	if (!dwarf_offdie(dbg, t->spaces[space].off, &die))
		return;
	name = dwarf_diename(&die);
	if (name)
		buf_put_str(out, name);
	else
		buf_put_str(out,
			    dwarf_tag(&die) == DW_TAG_namespace ? "(anonymous namespace)" : "(anonymous)");
	buf_put_str(out, "::");
}

/* "a::b::name" for a function with no linkage name; *@id is 0 when it is in no namespace or class. */
static int qualified_name(struct dwarf_tree *t, Dwarf_Die *die, const char *name, struct names *names,
			  uint32_t *id)
{
	uint32_t chain[MAX_SPACES], n = 0, space;
	struct buf full;
	Dwarf_Die decl;
	int err = 0;

	*id = 0;
	find_declaration(die, &decl);
	/* Offsets are those of this file, not of a supplementary one. */
	if (!decl.cu || dwarf_cu_getdwarf(decl.cu) != dwarf_cu_getdwarf(t->cu->cu))
		return 0;
	for (space = find_space(t, dwarf_dieoffset(&decl)); space != DWARF_NO_SCOPE && n < MAX_SPACES;
	     space = t->spaces[space].outer)
		chain[n++] = space;
	if (!n)
		return 0;
	buf_init(&full, MAX_NAME);
	while (n)
		put_space(t, chain[--n], &full);
	buf_put_str(&full, name);
	if (!full.error)
		err = strtab_put_len(&names->strings, (char *)full.data, full.len, id);
	buf_release(&full);
	return err;
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

/* SPDX-License-Identifier: Apache-2.0 */
/* dwarf_names.c - what functions are called; see dwarf_walk.h. Format: DWARF 5, 3.3 and 3.22. */
#include "base/buf.h"
#include "symbolize/dwarf_walk.h"

#include <dwarf.h>
#include <errno.h>
#include <string.h>

#define MAX_REFS   16  /* links from a DIE to the one that has its name */
#define MAX_SPACES 32  /* namespaces and classes around a function */
#define MAX_DEPTH  256 /* of those inside each other */
#define MAX_NAME   4096

static bool language_qualifies(uint16_t language)
{
	switch (language) {
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

/* ---- namespaces and classes, for functions without a linkage name ---- */

static uint64_t walk_spaces(struct dwarf_walk *w, uint64_t off, uint32_t node, unsigned int depth);

static uint32_t add_node(struct dwarf_walk *w, uint64_t off, uint32_t outer)
{
	struct dwarf_spaces *s = &w->spaces;

	if (!dwarf_walk_grow((void **)&s->nodes, s->n_nodes, &s->cap_nodes, sizeof(*s->nodes))) {
		w->error = -ENOMEM;
		return DWARF_OUTSIDE;
	}
	s->nodes[s->n_nodes] = (struct dwarf_space_node){off, outer};
	return s->n_nodes++;
}

static void add_member(struct dwarf_walk *w, uint64_t off, uint32_t node)
{
	struct dwarf_spaces *s = &w->spaces;

	if (!dwarf_walk_grow((void **)&s->members, s->n_members, &s->cap_members, sizeof(*s->members)))
		w->error = -ENOMEM;
	else
		s->members[s->n_members++] = (struct dwarf_space_member){off, node};
}

static uint64_t visit_space(struct dwarf_walk *w, const struct dwarf_die *die, uint32_t node,
			    unsigned int depth)
{
	struct dwarf_unit *u = w->spaces.unit;
	uint64_t sibling, end = dwarf_die_end(die, &sibling);
	bool space = die->ab->kind == DWARF_KIND_SPACE || die->ab->kind == DWARF_KIND_TYPE;

	if (!end)
		return u->end;
	if (die->ab->kind == DWARF_KIND_FUNCTION && node != DWARF_OUTSIDE)
		add_member(w, die->off, node);
	if (!die->ab->children)
		return end;
	if (space)
		return walk_spaces(w, end, add_node(w, die->off, node), depth);
	/* Local classes: in functions and their blocks. */
	if (die->ab->kind == DWARF_KIND_FUNCTION || die->ab->kind == DWARF_KIND_BLOCK)
		return walk_spaces(w, end, node, depth);
	return sibling ? sibling : dwarf_skip_children(u, end);
}

static uint64_t walk_spaces(struct dwarf_walk *w, uint64_t off, uint32_t node, unsigned int depth)
{
	struct dwarf_unit *u = w->spaces.unit;
	struct dwarf_die die;
	uint64_t next;

	if (depth == MAX_DEPTH)
		return dwarf_skip_children(u, off);
	while (!w->error && off < u->end) {
		if (!dwarf_die_read(u, off, &die, &next))
			return next;
		off = visit_space(w, &die, node, depth + 1);
	}
	return off;
}

static uint32_t find_space(struct dwarf_walk *w, const struct dwarf_die *decl)
{
	struct dwarf_spaces *s = &w->spaces;
	uint32_t lo = 0, hi, mid;

	if (s->unit != decl->unit) {
		s->unit = decl->unit;
		s->n_nodes = s->n_members = 0;
		if (decl->unit->children)
			walk_spaces(w, decl->unit->first_child, DWARF_OUTSIDE, 0);
	}
	hi = s->n_members;
	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (s->members[mid].off < decl->off)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < s->n_members && s->members[lo].off == decl->off ? s->members[lo].node : DWARF_OUTSIDE;
}

static void put_space(const struct dwarf_walk *w, uint32_t node, struct buf *out)
{
	struct dwarf_unit *u = w->spaces.unit;
	struct dwarf_attr_iter it = {0};
	const char *name = NULL;
	struct dwarf_die die;
	uint64_t next;

	if (!dwarf_die_read(u, w->spaces.nodes[node].off, &die, &next))
		return;
	while (!name && dwarf_attr_next(&die, &it))
		if (it.name == DW_AT_name)
			name = dwarf_value_string(u, &it.value);
	if (!name)
		name = die.ab->kind == DWARF_KIND_SPACE ? "(anonymous namespace)" : "(anonymous)";
	buf_put_str(out, name);
	buf_put_str(out, "::");
}

/* "a::b::name" for a function with no linkage name; *@id is 0 when it is in no namespace or class. */
static int qualified_name(struct dwarf_walk *w, const struct dwarf_die *decl, const char *name,
			  struct names *names, uint32_t *id)
{
	uint32_t chain[MAX_SPACES], n = 0, node;
	struct buf full;
	int err = 0;

	*id = 0;
	for (node = find_space(w, decl); node != DWARF_OUTSIDE && n < MAX_SPACES;
	     node = w->spaces.nodes[node].outer)
		chain[n++] = node;
	if (!n)
		return w->error;
	buf_init(&full, MAX_NAME);
	while (n)
		put_space(w, chain[--n], &full);
	buf_put_str(&full, name);
	if (!full.error)
		err = strtab_put_len(&names->strings, (char *)full.data, full.len, id);
	buf_release(&full);
	return err;
}

/* ---- functions ---- */

struct naming {
	const char *linkage, *name;
	uint64_t line;
	bool has_line;
	struct dwarf_die decl; /* where the chain of references ends */
};

/* What @die itself says, for what is not known yet; *@next is where it refers to. True: it does. */
static bool read_naming(const struct dwarf_die *die, struct naming *n, struct dwarf_die *next)
{
	struct dwarf_attr_iter it = {0};
	struct dwarf_value ref = {0};
	struct dwarf_unit *u = die->unit;
	bool linked = false;

	while (dwarf_attr_next(die, &it)) {
		switch (it.name) {
		case DW_AT_linkage_name:
		case DW_AT_MIPS_linkage_name:
			if (!n->linkage)
				n->linkage = dwarf_value_string(u, &it.value);
			break;
		case DW_AT_name:
			if (!n->name)
				n->name = dwarf_value_string(u, &it.value);
			break;
		case DW_AT_decl_line:
			if (!n->has_line)
				n->has_line = dwarf_value_number(&it.value, &n->line);
			break;
		case DW_AT_specification:
			ref = linked ? ref : it.value;
			linked = true;
			break;
		case DW_AT_abstract_origin:
			ref = it.value;
			linked = true;
			break;
		default:
			break;
		}
	}
	return linked && dwarf_value_die(u, &ref, next);
}

static void follow(const struct dwarf_die *die, struct naming *n)
{
	struct dwarf_die next;
	int i;

	*n = (struct naming){.decl = *die};
	for (i = 0; i < MAX_REFS && read_naming(&n->decl, n, &next); i++)
		n->decl = next;
}

static int name_scope(struct dwarf_walk *w, struct dwarf_range_scope *s, struct names *names)
{
	struct names_frame f = {0};
	struct dwarf_die die;
	struct naming n;
	uint64_t next;
	int err = 0;

	s->named = true;
	if (!dwarf_die_read(w->unit, s->off, &die, &next))
		return 0;
	follow(&die, &n);
	if (n.linkage && *n.linkage) {
		s->linkage = true;
		err = source_symbol_name(names, n.linkage, strlen(n.linkage), &f);
	} else if (n.name && *n.name) {
		err = strtab_put(&names->strings, n.name, &f.system_name);
		/* Offsets are those of this file, not of a supplementary one. */
		if (!err && language_qualifies(w->unit->language) && n.decl.unit->file == w->unit->file)
			err = qualified_name(w, &n.decl, n.name, names, &f.function);
		if (!f.function)
			f.function = f.system_name;
	}
	if (n.has_line && n.line <= INT32_MAX)
		s->start_line = (uint32_t)n.line;
	s->function = f.function;
	s->system_name = f.system_name;
	return err;
}

int dwarf_walk_name(struct dwarf_walk *w, uint32_t scope, struct names *names, struct names_frame *f)
{
	struct dwarf_range_scope *s = &w->scopes[scope];
	int err = s->named ? 0 : name_scope(w, s, names);

	*f = (struct names_frame){
		.function = s->function, .system_name = s->system_name, .start_line = s->start_line};
	return err;
}

bool dwarf_walk_wants_symbol(const struct dwarf_walk *w, uint32_t scope)
{
	while (w->scopes[scope].outer != DWARF_OUTSIDE)
		scope = w->scopes[scope].outer;
	return language_qualifies(w->unit->language) && !w->scopes[scope].linkage;
}

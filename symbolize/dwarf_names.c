/* SPDX-License-Identifier: Apache-2.0 */
/* dwarf_names.c - what functions are called; see dwarf_walk.h. Format: DWARF 5, 3.3 and 3.22. */
#include "symbolize/dwarf_walk.h"

#include <dwarf.h>
#include <errno.h>
#include <string.h>

/* ---- namespaces and classes, for functions without a linkage name ---- */

static uint64_t walk_spaces(struct dwarf_walk *w, uint64_t off, uint32_t around, unsigned int depth);

static uint64_t visit_space(struct dwarf_walk *w, const struct dwarf_die *die, uint32_t around,
			    unsigned int depth)
{
	struct dwarf_unit *u = w->spaces_unit;
	uint64_t sibling, end = dwarf_die_end(die, &sibling);
	bool space = die->ab->kind == DWARF_KIND_SPACE || die->ab->kind == DWARF_KIND_TYPE;

	if (!end)
		return u->end;
	if (die->ab->kind == DWARF_KIND_FUNCTION)
		w->error = dwarf_spaces_add_member(&w->spaces, die->off, around);
	if (!die->ab->children)
		return end;
	if (space && !w->error) {
		w->error = dwarf_spaces_add(&w->spaces, die->off, around, &around);
		return walk_spaces(w, end, around, depth);
	}
	/* Local classes: in functions and their blocks. */
	if (die->ab->kind == DWARF_KIND_FUNCTION || die->ab->kind == DWARF_KIND_BLOCK)
		return walk_spaces(w, end, around, depth);
	return sibling ? sibling : dwarf_skip_children(u, end);
}

static uint64_t walk_spaces(struct dwarf_walk *w, uint64_t off, uint32_t around, unsigned int depth)
{
	struct dwarf_unit *u = w->spaces_unit;
	struct dwarf_die die;
	uint64_t next;

	if (depth == DWARF_MAX_DEPTH)
		return dwarf_skip_children(u, off);
	while (!w->error && off < u->end) {
		if (!dwarf_die_read(u, off, &die, &next))
			return next;
		off = visit_space(w, &die, around, depth + 1);
	}
	return off;
}

static void read_spaces(struct dwarf_walk *w, struct dwarf_unit *unit)
{
	if (w->spaces_unit == unit)
		return;
	w->spaces_unit = unit;
	dwarf_spaces_clear(&w->spaces);
	if (unit->children)
		walk_spaces(w, unit->first_child, DWARF_NO_SPACE, 0);
}

static const char *space_name(void *arg, uint64_t off)
{
	const struct dwarf_walk *w = arg;
	struct dwarf_unit *u = w->spaces_unit;
	struct dwarf_attr_iter it = {0};
	const char *name = NULL;
	struct dwarf_die die;
	uint64_t next;

	if (!dwarf_die_read(u, off, &die, &next))
		return NULL;
	while (!name && dwarf_attr_next(&die, &it))
		if (it.name == DW_AT_name)
			name = dwarf_value_string(u, &it.value);
	return name ? name : dwarf_anonymous(die.ab->kind == DWARF_KIND_SPACE);
}

static int qualified_name(struct dwarf_walk *w, const struct dwarf_die *decl, const char *name,
			  struct names *names, uint32_t *id)
{
	read_spaces(w, decl->unit);
	return w->error ? w->error : dwarf_spaces_name(&w->spaces, decl->off, name, space_name, w, names, id);
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
	for (i = 0; i < DWARF_MAX_REFS && read_naming(&n->decl, n, &next); i++)
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
		if (!err && dwarf_language_qualifies(w->unit->language) && n.decl.unit->file == w->unit->file)
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
	return dwarf_language_qualifies(w->unit->language) && !w->scopes[scope].linkage;
}

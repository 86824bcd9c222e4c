/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dwarf_tree.h - one walk over one unit's DIEs: which function and inlined calls hold which address.
 *
 * The walk visits every DIE that code or a function's declaration can hang
 * from, once, and looks up each code range among the wanted addresses. It also notes in
 * which namespace or class functions are declared, for names that carry no
 * linkage name.
 */
#ifndef SYMBOLIZE_DWARF_TREE_H
#define SYMBOLIZE_DWARF_TREE_H

#include "symbolize/dwarf_spaces.h"
#include "symbolize/source.h"

#include <elfutils/libdw.h>

#define DWARF_NO_SCOPE UINT32_MAX

struct dwarf_hit {
	struct source_addr *addr; /* borrowed */
	uint32_t scope;           /* the innermost one around it, or DWARF_NO_SCOPE */
};

/* A function (outer is DWARF_NO_SCOPE) or a call inlined into another scope, with wanted addresses in it. */
struct dwarf_scope {
	Dwarf_Die die;
	uint32_t outer;
	bool named;   /* the rest is set */
	bool linkage; /* system_name is the linker's */
	uint32_t function, system_name, start_line;
};

struct dwarf_tree {
	Dwarf_Die *cu;                    /* borrowed */
	Dwarf_Die *line_cu;               /* borrowed; has the line table: @cu, or its skeleton */
	const struct profile_module *mod; /* borrowed */
	struct dwarf_hit *hits;           /* borrowed; sorted by address */
	uint32_t n_hits;
	struct dwarf_scope *scopes;
	uint32_t n_scopes, cap_scopes;
	struct dwarf_spaces spaces;
	bool qualify; /* the language has namespaces and writes them a::b */
	int error;
};

/* qsort order of hits, by address. */
int dwarf_hit_compare(const void *a, const void *b);

void dwarf_tree_init(struct dwarf_tree *t, Dwarf_Die *cu, const struct profile_module *mod,
		     struct dwarf_hit *hits, uint32_t n_hits); /* line_cu is @cu; set it if it is another */
void dwarf_tree_release(struct dwarf_tree *t);

/* Set the hits' scopes. 0 or -ENOMEM; malformed DWARF only leaves hits without. */
int dwarf_tree_walk(struct dwarf_tree *t);

/*
 * Name of scope @scope: function, system_name and start_line of *@f, zeros
 * where DWARF does not say. 0, -ENOMEM or -E2BIG from @names.
 */
int dwarf_tree_name(struct dwarf_tree *t, uint32_t scope, struct names *names, struct names_frame *f);

/*
 * True if the function around @scope, once named, is one whose linkage name
 * DWARF leaves out (clang -g1 does) although its language mangles names: then
 * the symbol table knows more.
 */
bool dwarf_tree_wants_symbol(const struct dwarf_tree *t, uint32_t scope);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dwarf_walk.h - which function and inlined calls of a unit hold which address, and their names.
 *
 * One walk over the DIEs that code can hang from, stepping over all others,
 * first without looking into types and into functions that hold none of the
 * addresses. Only where addresses are then left without a function, and are
 * not merely the filling between two, is everything else looked into, once:
 * nested functions and methods of local classes may be anywhere. Names are read
 * when asked for, once per function.
 */
#ifndef SYMBOLIZE_DWARF_WALK_H
#define SYMBOLIZE_DWARF_WALK_H

#include "symbolize/dwarf_spaces.h"
#include "symbolize/dwarf_unit.h"
#include "symbolize/source.h"

#define DWARF_OUTSIDE UINT32_MAX /* of any function */

struct dwarf_place {
	struct source_addr *addr; /* borrowed */
	uint32_t scope;           /* the innermost one around it, or DWARF_OUTSIDE */
};

/* A function (outer is DWARF_OUTSIDE) or a call inlined into another scope, with wanted addresses in it. */
struct dwarf_range_scope {
	uint64_t off; /* of its DIE */
	uint32_t outer;
	uint32_t call_line;
	uint64_t call_file;
	bool inlined;
	bool named;   /* the rest is set */
	bool linkage; /* system_name is the linker's */
	uint32_t function, system_name, start_line;
};

struct dwarf_walk {
	struct dwarf_unit *unit;          /* borrowed */
	const struct profile_module *mod; /* borrowed */
	struct dwarf_place *places;       /* borrowed; sorted by address */
	uint32_t n_places, n_outside;     /* n_outside: those without a scope */
	struct dwarf_gap { /* around each place: where the last function before it ended, the next one begins
			    */
		uint64_t start, end;
	} * gaps; /* NULL: no memory for it */
	struct dwarf_range_scope *scopes;
	uint32_t n_scopes, cap_scopes;
	struct dwarf_spaces spaces;
	struct dwarf_unit *spaces_unit; /* whose they are; NULL: not read yet */
	bool everything;                /* second pass */
	int error;
};

void dwarf_walk_init(struct dwarf_walk *w, struct dwarf_unit *unit, const struct profile_module *mod,
		     struct dwarf_place *places, uint32_t n);
void dwarf_walk_release(struct dwarf_walk *w);

/*
 * Set the places' scopes. 0 or -ENOMEM; malformed DWARF only leaves places
 * without. @all_here: the places are known to be the unit's.
 */
int dwarf_walk_run(struct dwarf_walk *w, bool all_here);

/*
 * Name of scope @scope: function, system_name and start_line of *@f, zeros
 * where DWARF does not say. 0, -ENOMEM or -E2BIG from @names.
 */
int dwarf_walk_name(struct dwarf_walk *w, uint32_t scope, struct names *names, struct names_frame *f);

/*
 * True if the function around @scope, once named, is one whose linkage name
 * DWARF leaves out (clang -g1 does) although its language mangles names: then
 * the symbol table knows more.
 */
bool dwarf_walk_wants_symbol(const struct dwarf_walk *w, uint32_t scope);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dwarf_spaces.h - namespaces and classes around functions that have no linkage name.
 *
 * DIEs do not refer to the DIE they stand in, so a walk over a unit notes for
 * each function's declaration which namespace or class that is. Offsets are
 * those of DIEs in one section of one file.
 */
#ifndef SYMBOLIZE_DWARF_SPACES_H
#define SYMBOLIZE_DWARF_SPACES_H

#include "base/buf.h"
#include "symbolize/names.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DWARF_NO_SPACE  UINT32_MAX
#define DWARF_MAX_REFS  16  /* links followed from a DIE to the one that has its name */
#define DWARF_MAX_DEPTH 256 /* of DIEs inside each other; deeper ones are not looked at */

struct dwarf_spaces {
	struct dwarf_space {
		uint64_t off;
		uint32_t outer; /* index, or DWARF_NO_SPACE */
	} * spaces;
	struct dwarf_member { /* functions declared in one; by ascending offset */
		uint64_t off;
		uint32_t space;
	} * members;
	uint32_t n_spaces, cap_spaces, n_members, cap_members;
};

/* Room for one more element of @size bytes in *@array; else false. */
bool dwarf_grow(void **array, uint32_t n, uint32_t *cap, size_t size);

/* True if functions are called a::b in this language (DW_LANG_*). */
bool dwarf_language_qualifies(unsigned int language);

void dwarf_spaces_release(struct dwarf_spaces *s);
void dwarf_spaces_clear(struct dwarf_spaces *s); /* keeps the memory */

/*
 * The DIE at @off, in @outer: a space, whose index goes to *@index, or a
 * function, which is ignored outside of any space. 0 or -ENOMEM. Functions
 * come by ascending offset.
 */
int dwarf_spaces_add(struct dwarf_spaces *s, uint64_t off, uint32_t outer, uint32_t *index);
int dwarf_spaces_add_member(struct dwarf_spaces *s, uint64_t off, uint32_t outer);

/*
 * "a::b::@name" into @names for the function declared at @off; *@id is 0 when
 * it is in no space. @part: what the space at @off is called, NULL if it cannot
 * be read; a C string that lives until the next call. 0, -ENOMEM or -E2BIG.
 */
int dwarf_spaces_name(const struct dwarf_spaces *s, uint64_t off, const char *name,
		      const char *(*part)(void *arg, uint64_t off), void *arg, struct names *names,
		      uint32_t *id);

/* What a space without a name is called. */
const char *dwarf_anonymous(bool is_namespace);

#endif

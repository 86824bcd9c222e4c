/* SPDX-License-Identifier: Apache-2.0 */
/* dwarf_spaces.c - see dwarf_spaces.h. */
#include "symbolize/dwarf_spaces.h"

#include <dwarf.h>
#include <errno.h>
#include <stdlib.h>

#define MAX_AROUND 32 /* namespaces and classes around a function */
#define MAX_NAME   4096

bool dwarf_grow(void **array, uint32_t n, uint32_t *cap, size_t size)
{
	uint32_t want = *cap ? *cap * 2 : 64;
	void *p;

	if (n < *cap)
		return true;
	p = want > *cap ? realloc(*array, want * size) : NULL;
	if (!p)
		return false;
	*array = p;
	*cap = want;
	return true;
}

bool dwarf_language_qualifies(unsigned int language)
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

void dwarf_spaces_release(struct dwarf_spaces *s)
{
	free(s->spaces);
	free(s->members);
	*s = (struct dwarf_spaces){0};
}

void dwarf_spaces_clear(struct dwarf_spaces *s)
{
	s->n_spaces = s->n_members = 0;
}

int dwarf_spaces_add(struct dwarf_spaces *s, uint64_t off, uint32_t outer, uint32_t *index)
{
	*index = DWARF_NO_SPACE;
	if (!dwarf_grow((void **)&s->spaces, s->n_spaces, &s->cap_spaces, sizeof(*s->spaces)))
		return -ENOMEM;
	s->spaces[s->n_spaces] = (struct dwarf_space){off, outer};
	*index = s->n_spaces++;
	return 0;
}

int dwarf_spaces_add_member(struct dwarf_spaces *s, uint64_t off, uint32_t outer)
{
	if (outer == DWARF_NO_SPACE)
		return 0;
	if (!dwarf_grow((void **)&s->members, s->n_members, &s->cap_members, sizeof(*s->members)))
		return -ENOMEM;
	s->members[s->n_members++] = (struct dwarf_member){off, outer};
	return 0;
}

static uint32_t find(const struct dwarf_spaces *s, uint64_t off)
{
	uint32_t lo = 0, hi = s->n_members, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (s->members[mid].off < off)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < s->n_members && s->members[lo].off == off ? s->members[lo].space : DWARF_NO_SPACE;
}

int dwarf_spaces_name(const struct dwarf_spaces *s, uint64_t off, const char *name,
		      const char *(*part)(void *arg, uint64_t off), void *arg, struct names *names,
		      uint32_t *id)
{
	uint32_t chain[MAX_AROUND], n = 0, space;
	struct buf full;
	int err = 0;

	*id = 0;
	for (space = find(s, off); space != DWARF_NO_SPACE && n < MAX_AROUND; space = s->spaces[space].outer)
		chain[n++] = space;
	if (!n)
		return 0;
	buf_init(&full, MAX_NAME);
	while (n) {
		const char *text = part(arg, s->spaces[chain[--n]].off);

		if (text) {
			buf_put_str(&full, text);
			buf_put_str(&full, "::");
		}
	}
	buf_put_str(&full, name);
	if (!full.error)
		err = strtab_put_len(&names->strings, (char *)full.data, full.len, id);
	buf_release(&full);
	return err;
}

const char *dwarf_anonymous(bool is_namespace)
{
	return is_namespace ? "(anonymous namespace)" : "(anonymous)";
}

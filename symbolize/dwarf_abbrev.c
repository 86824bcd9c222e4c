/* SPDX-License-Identifier: Apache-2.0 */
/* dwarf_abbrev.c - abbreviation tables, and stepping over DIEs; see dwarf_unit.h. */
#include "symbolize/dwarf_abbrev.h"

#include "collect/dwarf_read.h"

#include <dwarf.h>
#include <errno.h>
#include <stdlib.h>

#define MAX_ENTRIES (1u << 20) /* in a table */
#define MAX_SPECS   (8u << 20)
#define MAX_TAG     0xffff

static uint8_t kind_of(uint64_t tag)
{
	switch (tag) {
	case DW_TAG_subprogram:
		return DWARF_KIND_FUNCTION;
	case DW_TAG_inlined_subroutine:
		return DWARF_KIND_INLINED;
	case DW_TAG_lexical_block:
	case DW_TAG_try_block:
	case DW_TAG_catch_block:
	case DW_TAG_with_stmt:
	case DW_TAG_common_block:
		return DWARF_KIND_BLOCK;
	case DW_TAG_namespace:
	case DW_TAG_module:
		return DWARF_KIND_SPACE;
	case DW_TAG_class_type:
	case DW_TAG_structure_type:
	case DW_TAG_union_type:
	case DW_TAG_interface_type:
	case DW_TAG_enumeration_type:
		return DWARF_KIND_TYPE;
	default:
		return DWARF_KIND_OTHER;
	}
}

static bool is_leb(uint16_t form)
{
	switch (form) {
	case DW_FORM_udata:
	case DW_FORM_sdata:
	case DW_FORM_ref_udata:
	case DW_FORM_strx:
	case DW_FORM_addrx:
	case DW_FORM_rnglistx:
	case DW_FORM_loclistx:
	case DW_FORM_GNU_addr_index:
	case DW_FORM_GNU_str_index:
		return true;
	default:
		return false;
	}
}

/* Length of a value of @form that is the same everywhere, or -1. */
static int32_t form_length(const struct dwarf_abbrevs *t, uint16_t form)
{
	static const uint8_t zeros[16];
	struct dwarf_value v;
	uint64_t end;

	if (is_leb(form))
		return -1;
	switch (form) {
	case DW_FORM_block:
	case DW_FORM_block1:
	case DW_FORM_block2:
	case DW_FORM_block4:
	case DW_FORM_exprloc:
	case DW_FORM_string:
	case DW_FORM_indirect:
		return -1;
	case DW_FORM_flag_present:
	case DW_FORM_implicit_const:
		return 0;
	default:
		end = dwarf_form_read(zeros, 0, sizeof(zeros), form, t->off_size, t->version, 0, &v);
		return end ? (int32_t)end : -1;
	}
}

/* Room for one more element. */
static bool grow(void **array, uint32_t n, uint32_t *cap, size_t size)
{
	uint32_t want = *cap ? *cap * 2 : 32;
	void *p;

	if (n < *cap)
		return true;
	p = realloc(*array, want * size);
	if (!p)
		return false;
	*array = p;
	*cap = want;
	return true;
}

static bool same_code(const void *owner, uint32_t id, const void *key)
{
	const struct dwarf_abbrevs *t = owner;

	return t->entries[id].code == *(const uint64_t *)key;
}

static uint64_t hash_code(const void *owner, uint32_t id)
{
	const struct dwarf_abbrevs *t = owner;

	return hash_u64(t->entries[id].code);
}

/* From now on codes are looked up in a hash table. */
static bool make_sparse(struct dwarf_abbrevs *t)
{
	uint32_t i;

	t->dense = false;
	for (i = 0; i < t->n_entries; i++)
		if (idmap_add(&t->by_code, hash_code(t, i), i, hash_code, t))
			return false;
	return true;
}

static bool add_step(struct dwarf_abbrevs *t, struct dwarf_abbrev *a, uint16_t bytes, enum dwarf_then then,
		     uint16_t form)
{
	if (t->n_steps == MAX_SPECS ||
	    !grow((void **)&t->steps, t->n_steps, &t->cap_steps, sizeof(*t->steps)))
		return false;
	t->steps[t->n_steps++] = (struct dwarf_step){bytes, (uint8_t)then, form};
	a->n_steps++;
	return true;
}

/* How to get past one more attribute; *@bytes are waiting for a step to take them. */
static bool add_form(struct dwarf_abbrevs *t, struct dwarf_abbrev *a, const struct dwarf_spec *s,
		     uint16_t *bytes)
{
	int32_t len = form_length(t, s->form);
	enum dwarf_then then = DWARF_THEN_FORM;
	uint16_t before = *bytes;

	if (s->at == DW_AT_sibling && s->form == DW_FORM_ref4)
		then = DWARF_THEN_SIBLING;
	else if (s->form == DW_FORM_exprloc || s->form == DW_FORM_block)
		then = DWARF_THEN_BLOCK;
	else if (is_leb(s->form))
		then = DWARF_THEN_LEB;
	else if (len >= 0 && before < UINT16_MAX - 16) {
		*bytes = (uint16_t)(before + len);
		return true;
	}
	*bytes = 0;
	return add_step(t, a, before, then, s->form);
}

/* The two shapes that most DIEs have need no steps. */
static void set_fixed(const struct dwarf_abbrevs *t, struct dwarf_abbrev *a)
{
	const struct dwarf_step *s = &t->steps[a->first_step];

	a->fixed = a->sibling = -1;
	if (a->n_steps == 1) {
		a->fixed = s[0].bytes;
	} else if (a->n_steps == 2 && s[0].then == DWARF_THEN_SIBLING) {
		a->sibling = s[0].bytes;
		a->fixed = s[0].bytes + 4 + s[1].bytes;
	}
}

static bool read_specs(struct dwarf_abbrevs *t, struct dwarf_cursor *c, struct dwarf_abbrev *a)
{
	struct dwarf_spec s;
	uint64_t at, form;
	uint16_t bytes = 0;

	for (;;) {
		at = dwarf_uleb(c);
		form = dwarf_uleb(c);
		if (c->bad)
			return false;
		if (!at && !form)
			break;
		s = (struct dwarf_spec){.at = at <= UINT16_MAX ? (uint16_t)at : 0,
					.form = form <= UINT16_MAX ? (uint16_t)form : 0};
		if (form == DW_FORM_implicit_const)
			s.implicit = dwarf_sleb(c);
		if (t->n_specs == MAX_SPECS ||
		    !grow((void **)&t->specs, t->n_specs, &t->cap_specs, sizeof(s)))
			return false;
		t->specs[t->n_specs++] = s;
		a->n++;
		a->has_code = a->has_code || at == DW_AT_low_pc || at == DW_AT_ranges;
		if (!add_form(t, a, &s, &bytes))
			return false;
	}
	if (!add_step(t, a, bytes, DWARF_THEN_END, 0))
		return false;
	set_fixed(t, a);
	return true;
}

/* Decode the table's next entry. False: there is none. */
static bool read_entry(struct dwarf_abbrevs *t, struct dwarf_span sec)
{
	struct dwarf_cursor c = {.start = sec.data, .p = sec.data + t->at, .end = sec.data + sec.len};
	struct dwarf_abbrev a = {.first = t->n_specs, .first_step = t->n_steps};
	uint64_t tag;

	a.code = dwarf_uleb(&c);
	if (!a.code || c.bad || t->n_entries == MAX_ENTRIES)
		return false;
	tag = dwarf_uleb(&c);
	a.tag = tag <= MAX_TAG ? (uint16_t)tag : 0;
	a.kind = kind_of(tag);
	a.children = dwarf_u8(&c);
	if (!read_specs(t, &c, &a))
		return false;
	if (!grow((void **)&t->entries, t->n_entries, &t->cap_entries, sizeof(a)))
		return false;
	t->entries[t->n_entries] = a;
	t->at = (uint64_t)(c.p - sec.data);
	if (t->dense && a.code != t->n_entries + 1ull && !make_sparse(t))
		return false;
	t->n_entries++;
	if (!t->dense && idmap_find(&t->by_code, hash_u64(a.code), same_code, t, &a.code) == IDMAP_NONE &&
	    idmap_add(&t->by_code, hash_u64(a.code), t->n_entries - 1, hash_code, t))
		return false;
	return true;
}

static const struct dwarf_abbrev *find_sparse(const struct dwarf_abbrevs *t, uint64_t code)
{
	uint32_t id = idmap_find(&t->by_code, hash_u64(code), same_code, t, &code);

	return id == IDMAP_NONE ? NULL : &t->entries[id];
}

/* Decode entries until that of @code. True: it is the last one there is now. */
static bool decode_to(struct dwarf_reader *f, struct dwarf_abbrevs *t, uint64_t code)
{
	struct dwarf_span sec = dwarf_image_need(&f->img, DWARF_ABBREV, UINT64_MAX);

	if (t->at > sec.len)
		t->end = true;
	while (!t->end) {
		t->end = !read_entry(t, sec);
		if (!t->end && t->entries[t->n_entries - 1].code == code)
			return true;
	}
	return false;
}

const struct dwarf_abbrev *dwarf_abbrev_find(struct dwarf_reader *f, struct dwarf_abbrevs *t, uint64_t code)
{
	const struct dwarf_abbrev *a;

	if (t->dense && code <= t->n_entries)
		return &t->entries[code - 1];
	a = t->dense ? NULL : find_sparse(t, code);
	if (!a && !t->end && decode_to(f, t, code))
		a = &t->entries[t->n_entries - 1];
	return a;
}

void dwarf_unit_prepare(struct dwarf_unit *u)
{
	/* No entry has code 0. */
	if (!u->abbrevs->end)
		decode_to(u->file, u->abbrevs, 0);
}

struct dwarf_abbrevs *dwarf_abbrevs_at(struct dwarf_reader *f, uint64_t off, uint8_t off_size,
				       uint8_t version)
{
	struct dwarf_abbrevs **head = &f->tables[hash_u64(off) % DWARF_TABLE_BUCKETS], *t;

	for (t = *head; t; t = t->next)
		if (t->off == off && t->off_size == off_size && t->version == version)
			return t;
	t = calloc(1, sizeof(*t));
	if (!t) {
		f->error = -ENOMEM;
		return NULL;
	}
	*t = (struct dwarf_abbrevs){.next = *head,
				    .off = off,
				    .at = off,
				    .off_size = off_size,
				    .version = version,
				    .dense = true};
	idmap_init(&t->by_code);
	*head = t;
	return t;
}

size_t dwarf_abbrevs_bytes(const struct dwarf_abbrevs *t)
{
	return sizeof(*t) + t->cap_entries * sizeof(*t->entries) + t->cap_specs * sizeof(*t->specs) +
	       t->cap_steps * sizeof(*t->steps);
}

void dwarf_abbrevs_free(struct dwarf_abbrevs *t)
{
	idmap_release(&t->by_code);
	free(t->entries);
	free(t->specs);
	free(t->steps);
	free(t);
}

/* ---- DIEs ---- */

bool dwarf_die_read_slow(struct dwarf_unit *u, uint64_t off, struct dwarf_die *die, uint64_t *next)
{
	struct dwarf_cursor c = {.p = u->info + off, .end = u->info + u->end};
	const struct dwarf_abbrev *a;
	uint64_t code;

	if (off >= u->end) {
		*next = u->end;
		return false;
	}
	code = dwarf_uleb(&c);
	*next = (uint64_t)(c.p - u->info);
	if (!code && !c.bad)
		return false;
	a = c.bad ? NULL : dwarf_abbrev_find(u->file, u->abbrevs, code);
	if (!a) {
		*next = u->end;
		return false;
	}
	die->unit = u;
	die->off = off;
	die->ab = a;
	die->attrs = *next;
	return true;
}

bool dwarf_attr_next(const struct dwarf_die *die, struct dwarf_attr_iter *it)
{
	const struct dwarf_unit *u = die->unit;
	const struct dwarf_spec *s;

	if (it->i >= die->ab->n)
		return false;
	if (!it->i)
		it->at = die->attrs;
	s = &u->abbrevs->specs[die->ab->first + it->i++];
	it->name = s->at;
	it->at = dwarf_form_read(u->info, it->at, u->end, s->form, u->off_size, u->version, s->implicit,
				 &it->value);
	if (!it->at)
		it->i = UINT32_MAX;
	return it->at;
}

/* Past a LEB128 at @p, or NULL. */
static inline const uint8_t *skip_leb(const uint8_t *p, const uint8_t *end)
{
	while (p < end)
		if (*p++ < 0x80)
			return p;
	return NULL;
}

static const uint8_t *skip_block(const uint8_t *p, const uint8_t *end)
{
	struct dwarf_cursor c = {.p = p, .end = end};
	uint64_t len = dwarf_uleb(&c);

	dwarf_skip(&c, len);
	return c.bad ? NULL : c.p;
}

static const uint8_t *skip_form(const struct dwarf_unit *u, const uint8_t *p, uint16_t form)
{
	struct dwarf_value v;
	uint64_t end = dwarf_form_read(u->info, (uint64_t)(p - u->info), u->end, form, u->off_size,
				       u->version, 0, &v);

	return end ? u->info + end : NULL;
}

uint64_t dwarf_die_end_slow(const struct dwarf_die *die, uint64_t *sibling)
{
	const struct dwarf_unit *u = die->unit;
	const struct dwarf_step *s = &u->abbrevs->steps[die->ab->first_step];
	const uint8_t *p = u->info + die->attrs, *end = u->info + u->end;
	uint32_t ref = 0;
	uint64_t at;

	*sibling = 0;
	for (;; s++) {
		if (s->bytes > end - p)
			return 0;
		p += s->bytes;
		if (s->then == DWARF_THEN_END)
			break;
		if (s->then == DWARF_THEN_SIBLING && end - p >= 4) {
			memcpy(&ref, p, sizeof(ref));
			p += 4;
			continue;
		}
		if (s->then == DWARF_THEN_LEB)
			p = skip_leb(p, end);
		else if (s->then == DWARF_THEN_BLOCK)
			p = skip_block(p, end);
		else
			p = skip_form(u, p, s->form);
		if (!p)
			return 0;
	}
	at = (uint64_t)(p - u->info);
	if (ref < u->end - u->off && u->off + ref >= at)
		*sibling = u->off + ref;
	return at;
}

uint64_t dwarf_skip_children(struct dwarf_unit *u, uint64_t off)
{
	struct dwarf_die die;
	uint64_t depth = 1, next, sibling;

	while (depth && off < u->end) {
		if (!dwarf_die_read(u, off, &die, &next)) {
			depth--;
			off = next;
			continue;
		}
		off = dwarf_die_end(&die, &sibling);
		if (!off)
			return u->end;
		if (die.ab->children && sibling)
			off = sibling;
		else if (die.ab->children)
			depth++;
	}
	return off;
}

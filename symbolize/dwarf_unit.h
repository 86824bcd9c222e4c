/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dwarf_unit.h - units, abbreviations and attributes of DWARF 2 to 5, read in place.
 *
 * What walking millions of DIEs needs and no more: abbreviations are decoded
 * as they are met, a DIE of no interest is stepped over by its length, nothing
 * is allocated per DIE. Everything is checked against the unit's end; all
 * steps go forward. Format: DWARF 5, sections 7.5 and 7.26 (and 4, 3, 2 where
 * they differ); GNU's extensions: strings and DIEs in a supplementary file,
 * made by dwz. Only units with 8-byte addresses. Type units and split units
 * are not read.
 */
#ifndef SYMBOLIZE_DWARF_UNIT_H
#define SYMBOLIZE_DWARF_UNIT_H

#include "base/hash.h"
#include "symbolize/dwarf_image.h"

#include <string.h>

/* Why a DIE's tag matters when looking for code. */
enum dwarf_kind {
	DWARF_KIND_OTHER,
	DWARF_KIND_FUNCTION,
	DWARF_KIND_INLINED,
	DWARF_KIND_BLOCK, /* may hold inlined calls */
	DWARF_KIND_SPACE, /* namespaces */
	DWARF_KIND_TYPE,  /* classes and the like */
};

struct dwarf_abbrev {
	uint64_t code;
	uint32_t first, n;            /* into specs */
	uint32_t first_step, n_steps; /* into steps: how to get past its attributes */
	int32_t fixed;                /* bytes of all attributes, or -1: follow the steps */
	int32_t sibling;              /* where in those a 4-byte DW_AT_sibling is, or -1 */
	uint16_t tag;
	uint8_t kind;  /* enum dwarf_kind */
	bool children; /* its DIEs have */
	bool has_code; /* they have a low_pc or ranges */
};

/* Bytes to pass over, then what has no fixed length. */
struct dwarf_step {
	uint16_t bytes;
	uint8_t then; /* enum dwarf_then */
	uint16_t form;
};

enum dwarf_then {
	DWARF_THEN_END,
	DWARF_THEN_SIBLING, /* a DW_FORM_ref4 */
	DWARF_THEN_LEB,
	DWARF_THEN_BLOCK, /* its length is a LEB128 */
	DWARF_THEN_FORM,  /* anything else: see form */
};

struct dwarf_spec {
	int64_t implicit; /* the value of DW_FORM_implicit_const */
	uint16_t at, form;
};

/* One table, as far as it was needed. */
struct dwarf_abbrevs {
	struct dwarf_abbrevs *next;
	uint64_t off, at; /* where it begins, and where decoding goes on */
	uint8_t off_size, version;
	bool end, dense; /* dense: code is index + 1, as all producers do */
	struct dwarf_abbrev *entries;
	struct dwarf_spec *specs;
	struct dwarf_step *steps;
	uint32_t n_entries, cap_entries, n_specs, cap_specs, n_steps, cap_steps;
	struct idmap by_code; /* if not dense */
};

/* Code of a DIE (or unit): from low to high, or a list of ranges. */
struct dwarf_code {
	bool has_low, has_high, has_ranges;
	bool range_index; /* ranges is an index into the table at rnglists_base */
	uint64_t low, high, ranges;
};

struct dwarf_unit {
	struct dwarf_reader *file;
	const uint8_t *info; /* the section's data */
	uint64_t off, end;   /* in .debug_info: the header, and past the last DIE */
	uint64_t root;       /* of the root DIE */
	struct dwarf_abbrevs *abbrevs;
	uint8_t version, off_size, type; /* type: DW_UT_*, told from the root before DWARF 5 */
	/* From the root: */
	uint16_t tag, language;
	bool children, has_lines, split;
	struct dwarf_code code;
	uint64_t lines, first_child;
	uint64_t addr_base, str_base, rnglists_base;
	const char *name, *comp_dir; /* borrowed; NULL: unknown */
};

#define DWARF_TABLE_BUCKETS 256

struct dwarf_reader {
	struct dwarf_image img;
	struct dwarf_reader *alt; /* supplementary, or NULL; borrowed */
	struct dwarf_index {
		uint64_t off, end;
		struct dwarf_unit *unit; /* loaded, or NULL */
	} * index;
	uint32_t n_index, cap_index;
	uint64_t scanned; /* .debug_info up to here is in the index */
	struct dwarf_abbrevs *tables[DWARF_TABLE_BUCKETS];
	uint32_t since_trim;
	bool foreign; /* has units that this reader does not know */
	int error;    /* -ENOMEM */
};

struct dwarf_die {
	struct dwarf_unit *unit;
	uint64_t off;
	const struct dwarf_abbrev *ab; /* valid until another entry of the table is decoded */
	uint64_t attrs;                /* where its attributes begin */
};

struct dwarf_value {
	uint16_t form;
	uint64_t u;          /* number, offset, index; length of a block */
	const uint8_t *data; /* of blocks and strings in place */
};

/* 0, or as dwarf_image_open(). */
int dwarf_reader_open(struct dwarf_reader *f, int fd);
void dwarf_reader_over(struct dwarf_reader *f, const struct dwarf_span spans[DWARF_SECTIONS]);
void dwarf_reader_close(struct dwarf_reader *f);

/*
 * The unit whose header is at @off or, with @inside, that contains @off;
 * @next, if not NULL, gets where the next header would be, 0 at the end. NULL: none,
 * malformed, or not for this reader (then *@next still leads on). Owned by
 * @f, until dwarf_reader_trim().
 */
struct dwarf_unit *dwarf_unit_at(struct dwarf_reader *f, uint64_t off, bool inside, uint64_t *next);

/* Forget loaded units and abbreviations if they have become many; no pointer to them may be in use. */
void dwarf_reader_trim(struct dwarf_reader *f);

/* Decode all of @u's abbreviations, so that DIEs' pointers to them stay valid; before DIEs below the root are
 * read. */
void dwarf_unit_prepare(struct dwarf_unit *u);

/* As dwarf_die_read(), for what is rare. */
bool dwarf_die_read_slow(struct dwarf_unit *u, uint64_t off, struct dwarf_die *die, uint64_t *next);

/* False at a NULL entry (*@next is then behind it) and where the data is malformed (*@next is the unit's
 * end). */
static inline bool dwarf_die_read(struct dwarf_unit *u, uint64_t off, struct dwarf_die *die, uint64_t *next)
{
	const struct dwarf_abbrevs *t = u->abbrevs;
	uint8_t code = off < u->end ? u->info[off] : 0;

	/* Most codes are of one byte. */
	if (!code || code >= 0x80 || !t->dense || code > t->n_entries)
		return dwarf_die_read_slow(u, off, die, next);
	*next = off + 1;
	*die = (struct dwarf_die){u, off, &t->entries[code - 1], off + 1};
	return true;
}

/* As dwarf_die_end(), for what is not of fixed length. */
uint64_t dwarf_die_end_slow(const struct dwarf_die *die, uint64_t *sibling);

/*
 * Past the attributes of @die. *@sibling is where its DW_AT_sibling points, or
 * 0; only forward, since a hostile one may point anywhere. 0 when malformed.
 */
static inline uint64_t dwarf_die_end(const struct dwarf_die *die, uint64_t *sibling)
{
	const struct dwarf_abbrev *ab = die->ab;
	const struct dwarf_unit *u = die->unit;
	uint64_t end = die->attrs + (uint64_t)ab->fixed;
	uint32_t ref = 0;

	if (ab->fixed < 0)
		return dwarf_die_end_slow(die, sibling);
	*sibling = 0;
	if (end > u->end)
		return 0;
	if (ab->sibling >= 0)
		memcpy(&ref, u->info + die->attrs + ab->sibling, sizeof(ref));
	if (ref < u->end - u->off && u->off + ref >= end)
		*sibling = u->off + ref;
	return end;
}

/* Past everything below a DIE whose first child would be at @off. */
uint64_t dwarf_skip_children(struct dwarf_unit *u, uint64_t off);

/* Step through attributes: true and the next one, false at the end or when malformed. Begin with a zeroed
 * @it. */
struct dwarf_attr_iter {
	uint64_t at;
	uint32_t i;
	uint16_t name;
	struct dwarf_value value;
};
bool dwarf_attr_next(const struct dwarf_die *die, struct dwarf_attr_iter *it);

/* What a value means in @u; false when it is of another class or points nowhere. */
bool dwarf_value_address(struct dwarf_unit *u, const struct dwarf_value *v, uint64_t *addr);
bool dwarf_value_number(const struct dwarf_value *v, uint64_t *n);
const char *dwarf_value_string(struct dwarf_unit *u, const struct dwarf_value *v);
bool dwarf_value_die(struct dwarf_unit *u, const struct dwarf_value *v, struct dwarf_die *die);

/*
 * One value of @form at @off of section data @d (bounded by @end); also for
 * the forms of line tables. Returns where the next one begins, or 0.
 */
uint64_t dwarf_form_read(const uint8_t *d, uint64_t off, uint64_t end, uint16_t form, uint8_t off_size,
			 uint8_t version, int64_t implicit, struct dwarf_value *v);

/* ---- code ranges ---- */

/* True if the iterator has another range, of at least one byte. Begin with a zeroed @it. */
struct dwarf_range_iter {
	uint64_t at, base;
	bool begun;
	uint64_t start, end;
};
bool dwarf_range_next(struct dwarf_unit *u, const struct dwarf_code *code, struct dwarf_range_iter *it);

/* Note what attribute @name says about a DIE's code; dwarf_code_finish() once they are all in. */
struct dwarf_code_attrs {
	struct dwarf_value low, high, ranges;
};
void dwarf_code_note(struct dwarf_code_attrs *attrs, uint16_t name, const struct dwarf_value *v);
void dwarf_code_finish(struct dwarf_unit *u, const struct dwarf_code_attrs *attrs, struct dwarf_code *code);

#endif

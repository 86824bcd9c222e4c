/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cfi_private.h - what the parts of the way from an address to its FDE share.
 *
 *   cfi.c        entries of a section: CIEs and FDEs
 *   cfi_table.c  .eh_frame_hdr's search table
 *   cfi_index.c  an index, built once where there is no table
 *   cfi_unpack.c a compressed .debug_frame
 */
#ifndef COLLECT_CFI_PRIVATE_H
#define COLLECT_CFI_PRIVATE_H

#include "collect/cfi.h"
#include "collect/dwarf_read.h"

/* What hostile files may cost, sparse ones above all; real ones stay well below. */
#define CFI_INDEX_BUDGET (2u << 20)  /* entries looked at over all modules; 8 bytes each if kept */
#define CFI_TABLE_STEPS  (1u << 20)  /* entries of one section */
#define CFI_TABLE_BYTES  (64u << 20) /* of one section: how far it is followed, and how much is read */
#define CFI_UNPACK_MAX   (16u << 20) /* bytes that a compressed section may come to */
#define CFI_UNPACK_ALL   (32u << 20) /* and all that an unwinder reads in its life */

#define CIES      8   /* kept; a module has two or three */
#define CIE_SMALL 256 /* bytes of one that is kept; none in practice has 100 */
#define TABLES    64  /* search tables whose place is kept */

struct search_table {
	uint64_t at, n; /* of the first entry: offset in the section; entries */
	uint8_t enc;
	uint8_t width; /* of half an entry */
	bool usable;
};

/*
 * Halving a table asks for the same entries first, each in a block of its own:
 * those of the first PIVOT_LEVELS steps are kept once they have been read, as the
 * nodes of a tree (root 1, below node i: 2i and 2i + 1).
 */
#define PIVOT_LEVELS 6
#define PIVOTS       (1u << PIVOT_LEVELS)

struct known_table {
	uint32_t module; /* its id + 1; 0: none */
	struct search_table t;
	uint64_t pivots; /* bit per node that is known */
	uint64_t pivot[PIVOTS];
};

struct known_cie {
	uint32_t module; /* its id + 1; 0: none */
	bool debug;
	uint64_t off;
	struct cfi_cie cie;
	struct cfi_row initial;
	uint8_t buf[CIE_SMALL];
};

struct cfi {
	struct modules *ms;
	uint32_t index_left, unpack_left;
	uint64_t bytes_read;               /* of sections so far */
	struct known_table tables[TABLES]; /* by id */
	struct known_cie cies[CIES];
	uint32_t next_cie;  /* to be replaced */
	struct cfi_cie big; /* one that is not kept, in cie_buf */
	struct cfi_row big_initial;
	uint8_t cie_buf[CFI_ENTRY_MAX], fde_buf[CFI_ENTRY_MAX];
};

/* One section of one module. */
struct section {
	struct cfi *c;
	struct module *m;
	const struct cfi_section *s;
	bool debug;
	const uint8_t *bytes; /* s->size of them, if the section was compressed; else NULL: the file's */
};

struct extent { /* of an entry; offsets in the section */
	uint64_t body, len;
	bool wide; /* 64-bit DWARF */
};

/* All offsets are relative to the section. 0, -EBADMSG when outside of it, or the error of reading. */
int section_read(const struct section *s, uint64_t off, void *buf, size_t len);

/* Look at bytes without copying; borrowed until the next read or peek. */
int section_peek(const struct section *s, uint64_t off, const uint8_t **at, size_t *len);

int entry_extent(const struct section *s, uint64_t off, struct extent *x);
uint64_t entry_take_id(struct dwarf_cursor *c, const struct section *s, const struct extent *x);
bool entry_is_cie(const struct section *s, const struct extent *x, uint64_t id);
uint64_t entry_cie_offset(const struct section *s, const struct extent *x, uint64_t id);

/* The CIE at @off; borrowed until the next call. 0, -EBADMSG, or the error of reading. */
int cie_at(const struct section *s, uint64_t off, const struct cfi_cie **out);

/* What an FDE covers, into @fde; leaves @c behind the range. 0 or -EBADMSG. */
int entry_take_range(struct dwarf_cursor *c, const struct cfi_cie *cie, struct cfi_fde *fde);

/* The search table in @hdr, which is an .eh_frame_hdr; NULL if there is none to be used. Borrowed. */
struct known_table *search_table_of(const struct section *hdr);

/*
 * The last entry of @t that starts at or before @vaddr: its FDE's offset in .eh_frame.
 * -ENOENT: there is none; -EBADMSG: it is before .eh_frame; or the error of reading.
 */
int search_table_find(const struct section *hdr, struct known_table *known, uint64_t vaddr, uint64_t *off);

struct cfi_unpacked { /* of a module, kept with its index */
	uint8_t *bytes;
	struct cfi_section section;
};

/*
 * What @m's compressed .debug_frame holds, or nothing: if it is too large,
 * malformed, or compressed otherwise. What is within the bounds costs memory
 * as it is, and time like that of building its index.
 */
void cfi_unpack(struct cfi *c, struct module *m, struct cfi_unpacked *out);
void cfi_unpacked_release(struct cfi_unpacked *u);

/* @m's .debug_frame, to be read by offset; it must have an index if it is compressed. */
struct section debug_section(struct cfi *c, struct module *m);

/* Build @m's index, once: of .eh_frame if @want_eh, and of .debug_frame. */
void index_build(struct cfi *c, struct module *m, bool want_eh);

/* Offset of the FDE that starts last before @vaddr, or -ENOENT. @m must have an index. */
int index_find_eh(const struct module *m, uint64_t vaddr, uint64_t *off);
int index_find_debug(const struct module *m, uint64_t vaddr, uint64_t *off);

#endif

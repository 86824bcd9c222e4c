/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dwarf_read.h - a cursor over DWARF bytes that cannot be led outside them.
 *
 * A read past the end yields 0 and sets `bad`, which stays set: a parser reads
 * a whole structure and looks once. Formats: DWARF 5, 7.6 (LEB128); Linux
 * Standard Base, "DWARF Extensions" (encoded pointers).
 */
#ifndef COLLECT_DWARF_READ_H
#define COLLECT_DWARF_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define DW_PE_ABSPTR   0x00
#define DW_PE_OMIT     0xff
#define DW_PE_FORMAT   0x0f
#define DW_PE_RELATIVE 0x70
#define DW_PE_PCREL    0x10
#define DW_PE_DATAREL  0x30
#define DW_PE_INDIRECT 0x80

struct dwarf_cursor {
	const uint8_t *start, *p, *end;
	uint64_t vaddr; /* of start: what pc-relative pointers are relative to */
	bool bad;
};

static inline struct dwarf_cursor dwarf_cursor(const uint8_t *data, size_t len, uint64_t vaddr)
{
	return (struct dwarf_cursor){data, data, data + len, vaddr, false};
}

static inline size_t dwarf_left(const struct dwarf_cursor *c)
{
	return (size_t)(c->end - c->p);
}

static inline bool dwarf_take(struct dwarf_cursor *c, void *to, size_t len)
{
	if (len > dwarf_left(c)) {
		c->bad = true;
		c->p = c->end;
		memset(to, 0, len);
		return false;
	}
	memcpy(to, c->p, len);
	c->p += len;
	return true;
}

static inline uint8_t dwarf_u8(struct dwarf_cursor *c)
{
	uint8_t v;

	dwarf_take(c, &v, sizeof(v));
	return v;
}

static inline uint16_t dwarf_u16(struct dwarf_cursor *c)
{
	uint16_t v;

	dwarf_take(c, &v, sizeof(v));
	return v;
}

static inline uint32_t dwarf_u32(struct dwarf_cursor *c)
{
	uint32_t v;

	dwarf_take(c, &v, sizeof(v));
	return v;
}

static inline uint64_t dwarf_u64(struct dwarf_cursor *c)
{
	uint64_t v;

	dwarf_take(c, &v, sizeof(v));
	return v;
}

static inline const uint8_t *dwarf_skip(struct dwarf_cursor *c, uint64_t len)
{
	const uint8_t *at = c->p;

	if (len > dwarf_left(c)) {
		c->bad = true;
		c->p = c->end;
		return c->end;
	}
	c->p += len;
	return at;
}

/* Bits beyond 64 are dropped; padding bytes are allowed, up to the end of the data. */
static inline uint64_t dwarf_uleb(struct dwarf_cursor *c)
{
	unsigned shift = 0;
	uint64_t v = 0;
	uint8_t b;

	do {
		b = dwarf_u8(c);
		if (shift < 64)
			v |= (uint64_t)(b & 0x7f) << shift;
		shift += shift < 64 ? 7 : 0;
	} while ((b & 0x80) && !c->bad);
	return v;
}

static inline int64_t dwarf_sleb(struct dwarf_cursor *c)
{
	unsigned shift = 0;
	uint64_t v = 0;
	uint8_t b;

	do {
		b = dwarf_u8(c);
		if (shift < 64)
			v |= (uint64_t)(b & 0x7f) << shift;
		shift += shift < 64 ? 7 : 0;
	} while ((b & 0x80) && !c->bad);
	if (shift < 64 && (b & 0x40))
		v |= ~(uint64_t)0 << shift;
	return (int64_t)v;
}

/* Bytes of a pointer of encoding @enc, or 0 if that is not fixed. */
static inline unsigned dwarf_pointer_size(uint8_t enc)
{
	static const uint8_t size[16] = {[0] = 8, [2] = 2, [3] = 4, [4] = 8, [10] = 2, [11] = 4, [12] = 8};

	return enc == DW_PE_OMIT ? 0 : size[enc & DW_PE_FORMAT];
}

/*
 * An encoded pointer; @data_base is what data-relative ones are relative to.
 * Text- and function-relative, aligned and indirect ones make the cursor bad:
 * no linker emits them for code addresses.
 */
static inline uint64_t dwarf_pointer(struct dwarf_cursor *c, uint8_t enc, uint64_t data_base)
{
	uint64_t at = c->vaddr + (uint64_t)(c->p - c->start);
	uint64_t v = 0;

	switch (enc & DW_PE_FORMAT) {
	case 0x00:
	case 0x04:
	case 0x0c:
		v = dwarf_u64(c);
		break;
	case 0x01:
		v = dwarf_uleb(c);
		break;
	case 0x02:
		v = dwarf_u16(c);
		break;
	case 0x03:
		v = dwarf_u32(c);
		break;
	case 0x09:
		v = (uint64_t)dwarf_sleb(c);
		break;
	case 0x0a:
		v = (uint64_t)(int16_t)dwarf_u16(c);
		break;
	case 0x0b:
		v = (uint64_t)(int32_t)dwarf_u32(c);
		break;
	default:
		c->bad = true;
	}
	switch (enc & (DW_PE_RELATIVE | DW_PE_INDIRECT)) {
	case 0:
		return v;
	case DW_PE_PCREL:
		return v + at;
	case DW_PE_DATAREL:
		return v + data_base;
	default:
		c->bad = true;
		return 0;
	}
}

#endif

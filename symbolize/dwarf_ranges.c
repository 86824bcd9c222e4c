/* SPDX-License-Identifier: Apache-2.0 */
/* dwarf_ranges.c - which code a DIE describes; see dwarf_unit.h. Format: DWARF 5, 2.17; DWARF 4, 2.17.3. */
#include "symbolize/dwarf_unit.h"

#include "collect/dwarf_read.h"

#include <dwarf.h>

void dwarf_code_note(struct dwarf_code_attrs *attrs, uint16_t name, const struct dwarf_value *v)
{
	if (name == DW_AT_low_pc)
		attrs->low = *v;
	else if (name == DW_AT_high_pc)
		attrs->high = *v;
	else if (name == DW_AT_ranges)
		attrs->ranges = *v;
}

void dwarf_code_finish(struct dwarf_unit *u, const struct dwarf_code_attrs *attrs, struct dwarf_code *code)
{
	*code = (struct dwarf_code){0};
	code->has_low = dwarf_value_address(u, &attrs->low, &code->low);
	/* Since DWARF 4 a number is the length. */
	if (code->has_low && dwarf_value_number(&attrs->high, &code->high))
		code->has_high = !__builtin_add_overflow(code->low, code->high, &code->high);
	else
		code->has_high = code->has_low && dwarf_value_address(u, &attrs->high, &code->high);
	code->ranges = attrs->ranges.u;
	code->range_index = attrs->ranges.form == DW_FORM_rnglistx;
	code->has_ranges = code->range_index || dwarf_value_number(&attrs->ranges, &code->ranges);
}

/* DWARF 2 to 4: pairs relative to a base; (0, 0) ends, (-1, base) sets the base. */
static bool next_pair(struct dwarf_unit *u, struct dwarf_range_iter *it)
{
	struct dwarf_span s = dwarf_image_need(&u->file->img, DWARF_RANGES, UINT64_MAX);
	uint64_t a, b;

	while (it->at <= s.len && s.len - it->at >= 16) {
		memcpy(&a, s.data + it->at, 8);
		memcpy(&b, s.data + it->at + 8, 8);
		it->at += 16;
		if (!a && !b)
			break;
		if (a == UINT64_MAX) {
			it->base = b;
			continue;
		}
		it->start = it->base + a;
		it->end = it->base + b;
		if (it->start < it->end)
			return true;
	}
	it->at = UINT64_MAX;
	return false;
}

/* Where list number @index begins. */
static bool list_offset(struct dwarf_unit *u, uint64_t index, uint64_t *off)
{
	struct dwarf_span s = dwarf_image_need(&u->file->img, DWARF_RNGLISTS, UINT64_MAX);
	uint64_t at, rel = 0;

	if (__builtin_mul_overflow(index, (uint64_t)u->off_size, &at) ||
	    __builtin_add_overflow(at, u->rnglists_base, &at) || at > s.len || s.len - at < u->off_size)
		return false;
	memcpy(&rel, s.data + at, u->off_size);
	return !__builtin_add_overflow(rel, u->rnglists_base, off);
}

static uint64_t address_at(struct dwarf_unit *u, uint64_t index, struct dwarf_cursor *c)
{
	struct dwarf_value v = {.form = DW_FORM_addrx, .u = index};
	uint64_t addr = 0;

	if (!dwarf_value_address(u, &v, &addr))
		c->bad = true;
	return addr;
}

/* One entry. 1: a range, 0: something else, -1: the end. */
static int read_entry(struct dwarf_unit *u, struct dwarf_cursor *c, struct dwarf_range_iter *it)
{
	switch (dwarf_u8(c)) {
	case DW_RLE_base_addressx:
		it->base = address_at(u, dwarf_uleb(c), c);
		return 0;
	case DW_RLE_startx_endx:
		it->start = address_at(u, dwarf_uleb(c), c);
		it->end = address_at(u, dwarf_uleb(c), c);
		return 1;
	case DW_RLE_startx_length:
		it->start = address_at(u, dwarf_uleb(c), c);
		it->end = it->start + dwarf_uleb(c);
		return 1;
	case DW_RLE_offset_pair:
		it->start = it->base + dwarf_uleb(c);
		it->end = it->base + dwarf_uleb(c);
		return 1;
	case DW_RLE_base_address:
		it->base = dwarf_u64(c);
		return 0;
	case DW_RLE_start_end:
		it->start = dwarf_u64(c);
		it->end = dwarf_u64(c);
		return 1;
	case DW_RLE_start_length:
		it->start = dwarf_u64(c);
		it->end = it->start + dwarf_uleb(c);
		return 1;
	default:
		return -1;
	}
}

static bool next_entry(struct dwarf_unit *u, struct dwarf_range_iter *it)
{
	struct dwarf_span s = dwarf_image_need(&u->file->img, DWARF_RNGLISTS, UINT64_MAX);
	struct dwarf_cursor c;
	int r = it->at < s.len ? 0 : -1;

	while (r >= 0) {
		c = (struct dwarf_cursor){.p = s.data + it->at, .end = s.data + s.len};
		r = read_entry(u, &c, it);
		it->at = (uint64_t)(c.p - s.data);
		if (c.bad)
			r = -1;
		if (r == 1 && it->start < it->end)
			return true;
	}
	it->at = UINT64_MAX;
	return false;
}

bool dwarf_range_next(struct dwarf_unit *u, const struct dwarf_code *code, struct dwarf_range_iter *it)
{
	if (!code->has_ranges) {
		if (it->begun || !code->has_low || !code->has_high || code->low >= code->high)
			return false;
		it->begun = true;
		it->start = code->low;
		it->end = code->high;
		return true;
	}
	if (!it->begun) {
		it->begun = true;
		it->at = code->ranges;
		it->base = u->code.has_low ? u->code.low : 0;
		if (code->range_index && !list_offset(u, code->ranges, &it->at))
			it->at = UINT64_MAX;
	}
	if (it->at == UINT64_MAX)
		return false;
	return u->version >= 5 ? next_entry(u, it) : next_pair(u, it);
}

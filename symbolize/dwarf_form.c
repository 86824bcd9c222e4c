/* SPDX-License-Identifier: Apache-2.0 */
/* dwarf_form.c - values of attributes; see dwarf_unit.h. Format: DWARF 5, 7.5.5 and 7.5.6. */
#include "symbolize/dwarf_unit.h"

#include "collect/dwarf_read.h"

#include <dwarf.h>

static bool is_block(uint16_t form)
{
	return form == DW_FORM_block || form == DW_FORM_block1 || form == DW_FORM_block2 ||
	       form == DW_FORM_block4 || form == DW_FORM_exprloc || form == DW_FORM_data16;
}

/* Blocks and strings in place: where they are and how long. */
static void read_bytes(struct dwarf_cursor *c, uint16_t form, struct dwarf_value *v)
{
	const uint8_t *nul;

	switch (form) {
	case DW_FORM_block1:
		v->u = dwarf_u8(c);
		break;
	case DW_FORM_block2:
		v->u = dwarf_u16(c);
		break;
	case DW_FORM_block4:
		v->u = dwarf_u32(c);
		break;
	case DW_FORM_data16:
		v->u = 16;
		break;
	case DW_FORM_string:
		nul = memchr(c->p, 0, dwarf_left(c));
		c->bad = c->bad || !nul;
		v->u = nul ? (uint64_t)(nul - c->p) + 1 : 0;
		break;
	default:
		v->u = dwarf_uleb(c);
	}
	v->data = dwarf_skip(c, v->u);
}

static uint64_t read_u24(struct dwarf_cursor *c)
{
	uint64_t low = dwarf_u16(c);

	return low | (uint64_t)dwarf_u8(c) << 16;
}

/* Bytes of a number of fixed size, 0 if it is none. */
static unsigned int fixed_size(uint16_t form, uint8_t off_size, uint8_t version)
{
	switch (form) {
	case DW_FORM_data1:
	case DW_FORM_ref1:
	case DW_FORM_flag:
	case DW_FORM_strx1:
	case DW_FORM_addrx1:
		return 1;
	case DW_FORM_data2:
	case DW_FORM_ref2:
	case DW_FORM_strx2:
	case DW_FORM_addrx2:
		return 2;
	case DW_FORM_strx3:
	case DW_FORM_addrx3:
		return 3;
	case DW_FORM_data4:
	case DW_FORM_ref4:
	case DW_FORM_strx4:
	case DW_FORM_addrx4:
	case DW_FORM_ref_sup4:
		return 4;
	case DW_FORM_data8:
	case DW_FORM_ref8:
	case DW_FORM_ref_sig8:
	case DW_FORM_ref_sup8:
	case DW_FORM_addr:
		return 8;
	case DW_FORM_data16:
		return 16;
	case DW_FORM_ref_addr:
		return version < 3 ? 8 : off_size;
	case DW_FORM_strp:
	case DW_FORM_line_strp:
	case DW_FORM_strp_sup:
	case DW_FORM_sec_offset:
	case DW_FORM_GNU_ref_alt:
	case DW_FORM_GNU_strp_alt:
		return off_size;
	default:
		return 0;
	}
}

static uint64_t read_fixed(struct dwarf_cursor *c, unsigned int size)
{
	switch (size) {
	case 1:
		return dwarf_u8(c);
	case 2:
		return dwarf_u16(c);
	case 3:
		return read_u24(c);
	case 4:
		return dwarf_u32(c);
	default:
		return dwarf_u64(c);
	}
}

uint64_t dwarf_form_read(const uint8_t *d, uint64_t off, uint64_t end, uint16_t form, uint8_t off_size,
			 uint8_t version, int64_t implicit, struct dwarf_value *v)
{
	struct dwarf_cursor c = {.start = d, .p = d + off, .end = d + end};
	unsigned int size;

	if (off > end)
		return 0;
	if (form == DW_FORM_indirect) {
		form = (uint16_t)dwarf_uleb(&c);
		/* One level: no producer nests them, and nesting has no bound. */
		if (form == DW_FORM_indirect || form == DW_FORM_implicit_const)
			return 0;
	}
	*v = (struct dwarf_value){.form = form};
	size = fixed_size(form, off_size, version);
	if (is_block(form) || form == DW_FORM_string) {
		read_bytes(&c, form, v);
	} else if (size) {
		v->u = read_fixed(&c, size);
	} else {
		switch (form) {
		case DW_FORM_udata:
		case DW_FORM_ref_udata:
		case DW_FORM_strx:
		case DW_FORM_addrx:
		case DW_FORM_rnglistx:
		case DW_FORM_loclistx:
		case DW_FORM_GNU_addr_index:
		case DW_FORM_GNU_str_index:
			v->u = dwarf_uleb(&c);
			break;
		case DW_FORM_sdata:
			v->u = (uint64_t)dwarf_sleb(&c);
			break;
		case DW_FORM_implicit_const:
			v->u = (uint64_t)implicit;
			break;
		case DW_FORM_flag_present:
			v->u = 1;
			break;
		default:
			return 0;
		}
	}
	return c.bad ? 0 : (uint64_t)(c.p - d);
}

/* Entry @index of the table of offsets or addresses at @base, its entries of @size bytes. */
static bool indexed(struct dwarf_unit *u, enum dwarf_section id, uint64_t base, uint64_t index,
		    unsigned int size, uint64_t *out)
{
	struct dwarf_span s;
	uint64_t at;

	if (__builtin_mul_overflow(index, size, &at) || __builtin_add_overflow(at, base, &at) ||
	    at > UINT64_MAX - size)
		return false;
	s = dwarf_image_need(&u->file->img, id, at + size);
	if (at + size > s.len)
		return false;
	*out = 0;
	memcpy(out, s.data + at, size);
	return true;
}

bool dwarf_value_address(struct dwarf_unit *u, const struct dwarf_value *v, uint64_t *addr)
{
	switch (v->form) {
	case DW_FORM_addr:
		*addr = v->u;
		return true;
	case DW_FORM_addrx:
	case DW_FORM_addrx1:
	case DW_FORM_addrx2:
	case DW_FORM_addrx3:
	case DW_FORM_addrx4:
	case DW_FORM_GNU_addr_index:
		return indexed(u, DWARF_ADDR, u->addr_base, v->u, 8, addr);
	default:
		return false;
	}
}

bool dwarf_value_number(const struct dwarf_value *v, uint64_t *n)
{
	switch (v->form) {
	case DW_FORM_data1:
	case DW_FORM_data2:
	case DW_FORM_data4:
	case DW_FORM_data8:
	case DW_FORM_udata:
	case DW_FORM_sdata:
	case DW_FORM_implicit_const:
	case DW_FORM_sec_offset:
		*n = v->u;
		return true;
	default:
		return false;
	}
}

const char *dwarf_value_string(struct dwarf_unit *u, const struct dwarf_value *v)
{
	struct dwarf_image *img = &u->file->img;
	uint64_t off;

	switch (v->form) {
	case DW_FORM_string:
		return (const char *)v->data;
	case DW_FORM_strp:
		return dwarf_image_string(img, DWARF_STR, v->u);
	case DW_FORM_line_strp:
		return dwarf_image_string(img, DWARF_LINE_STR, v->u);
	case DW_FORM_strp_sup:
	case DW_FORM_GNU_strp_alt:
		return u->file->alt ? dwarf_image_string(&u->file->alt->img, DWARF_STR, v->u) : NULL;
	case DW_FORM_strx:
	case DW_FORM_strx1:
	case DW_FORM_strx2:
	case DW_FORM_strx3:
	case DW_FORM_strx4:
	case DW_FORM_GNU_str_index:
		if (indexed(u, DWARF_STR_OFFSETS, u->str_base, v->u, u->off_size, &off))
			return dwarf_image_string(img, DWARF_STR, off);
		return NULL;
	default:
		return NULL;
	}
}

bool dwarf_value_die(struct dwarf_unit *u, const struct dwarf_value *v, struct dwarf_die *die)
{
	struct dwarf_unit *to = NULL;
	uint64_t off = v->u, next;

	switch (v->form) {
	case DW_FORM_ref1:
	case DW_FORM_ref2:
	case DW_FORM_ref4:
	case DW_FORM_ref8:
	case DW_FORM_ref_udata:
		if (off < u->end - u->off)
			to = u;
		off += u->off;
		break;
	case DW_FORM_ref_addr:
		to = off >= u->off && off < u->end ? u : dwarf_unit_at(u->file, off, true, NULL);
		break;
	case DW_FORM_ref_sup4:
	case DW_FORM_ref_sup8:
	case DW_FORM_GNU_ref_alt:
		to = u->file->alt ? dwarf_unit_at(u->file->alt, off, true, NULL) : NULL;
		break;
	default:
		break;
	}
	if (!to || off < to->root)
		return false;
	dwarf_unit_prepare(to);
	return dwarf_die_read(to, off, die, &next);
}

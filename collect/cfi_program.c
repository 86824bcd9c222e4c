/* SPDX-License-Identifier: Apache-2.0 */
/* cfi_program.c - see cfi.h: the CFA program, DWARF 5, 6.4.2. */
#include "collect/cfi.h"

#include "collect/dwarf_read.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#define MAX_REMEMBERED 16 /* compilers nest one deep */

struct state {
	struct cfi_row *row;           /* at hand */
	const struct cfi_row *initial; /* after the CIE's program, for DW_CFA_restore */
	struct cfi_row remembered[MAX_REMEMBERED];
	unsigned depth;
	uint64_t loc;
	const struct cfi_cie *cie;
};

enum {
	CFA_NOP = 0x00,
	CFA_SET_LOC = 0x01,
	CFA_ADVANCE_LOC1 = 0x02,
	CFA_ADVANCE_LOC2 = 0x03,
	CFA_ADVANCE_LOC4 = 0x04,
	CFA_OFFSET_EXTENDED = 0x05,
	CFA_RESTORE_EXTENDED = 0x06,
	CFA_UNDEFINED = 0x07,
	CFA_SAME_VALUE = 0x08,
	CFA_REGISTER = 0x09,
	CFA_REMEMBER_STATE = 0x0a,
	CFA_RESTORE_STATE = 0x0b,
	CFA_DEF_CFA = 0x0c,
	CFA_DEF_CFA_REGISTER = 0x0d,
	CFA_DEF_CFA_OFFSET = 0x0e,
	CFA_DEF_CFA_EXPRESSION = 0x0f,
	CFA_EXPRESSION = 0x10,
	CFA_OFFSET_EXTENDED_SF = 0x11,
	CFA_DEF_CFA_SF = 0x12,
	CFA_DEF_CFA_OFFSET_SF = 0x13,
	CFA_VAL_OFFSET = 0x14,
	CFA_VAL_OFFSET_SF = 0x15,
	CFA_VAL_EXPRESSION = 0x16,
	CFA_ADVANCE_LOC8 = 0x1d,
	CFA_AARCH64_NEGATE_RA_STATE_WITH_PC = 0x2c,
	CFA_AARCH64_NEGATE_RA_STATE = 0x2d, /* DW_CFA_GNU_window_save on SPARC */
	CFA_GNU_ARGS_SIZE = 0x2e,
	CFA_GNU_NEGATIVE_OFFSET_EXTENDED = 0x2f,
	CFA_ADVANCE_LOC = 0x40, /* these three have their operand in the low six bits */
	CFA_OFFSET = 0x80,
	CFA_RESTORE = 0xc0,
};

/* Most of the room for registers is for another architecture. */
static void copy_row(struct cfi_row *to, const struct cfi_row *from)
{
	memcpy(to, from, offsetof(struct cfi_row, regs) + regs_arch.n * sizeof(from->regs[0]));
}

/* Rules of registers that nobody asks for (vector registers, ...) are read and dropped. */
static void set_rule(struct state *s, uint64_t reg, struct cfi_rule rule)
{
	if (reg < regs_arch.n)
		s->row->regs[reg] = rule;
}

static void set_offset(struct state *s, uint64_t reg, enum cfi_kind kind, uint64_t factored)
{
	/* unsigned: a product that overflows is nonsense, but must not be undefined */
	int64_t off = (int64_t)(factored * (uint64_t)s->cie->data_align);

	set_rule(s, reg, (struct cfi_rule){.kind = kind, .u.off = off});
}

static void set_expr(struct state *s, uint64_t reg, enum cfi_kind kind, struct dwarf_cursor *c)
{
	uint64_t len = dwarf_uleb(c);
	const uint8_t *expr = dwarf_skip(c, len);

	if (!c->bad)
		set_rule(s, reg, (struct cfi_rule){.kind = kind, .len = (uint32_t)len, .u.expr = expr});
}

static void set_cfa(struct state *s, uint64_t reg, int64_t off)
{
	s->row->cfa_is_expr = false;
	s->row->cfa_reg = reg;
	s->row->cfa_off = off;
}

static void set_cfa_expr(struct state *s, struct dwarf_cursor *c)
{
	uint64_t len = dwarf_uleb(c);

	s->row->cfa_is_expr = true;
	s->row->cfa_expr = dwarf_skip(c, len);
	s->row->cfa_len = (uint32_t)len;
}

static int restore(struct state *s, uint64_t reg)
{
	if (reg < regs_arch.n)
		s->row->regs[reg] = s->initial->regs[reg];
	return 0;
}

/* Instructions that define the CFA. */
static int step_cfa(struct state *s, uint8_t op, struct dwarf_cursor *c)
{
	uint64_t reg;

	switch (op) {
	case CFA_DEF_CFA:
		reg = dwarf_uleb(c);
		set_cfa(s, reg, (int64_t)dwarf_uleb(c));
		return 0;
	case CFA_DEF_CFA_SF:
		reg = dwarf_uleb(c);
		set_cfa(s, reg, (int64_t)((uint64_t)dwarf_sleb(c) * (uint64_t)s->cie->data_align));
		return 0;
	case CFA_DEF_CFA_REGISTER:
		set_cfa(s, dwarf_uleb(c), s->row->cfa_is_expr ? 0 : s->row->cfa_off);
		return 0;
	case CFA_DEF_CFA_OFFSET:
		set_cfa(s, s->row->cfa_reg, (int64_t)dwarf_uleb(c));
		return 0;
	case CFA_DEF_CFA_OFFSET_SF:
		set_cfa(s, s->row->cfa_reg,
			(int64_t)((uint64_t)dwarf_sleb(c) * (uint64_t)s->cie->data_align));
		return 0;
	case CFA_DEF_CFA_EXPRESSION:
		set_cfa_expr(s, c);
		return 0;
	default:
		return -EBADMSG;
	}
}

/* Instructions that keep and bring back whole rows, or mean nothing to us. */
static int step_state(struct state *s, uint8_t op, struct dwarf_cursor *c)
{
	switch (op) {
	case CFA_NOP:
	case CFA_AARCH64_NEGATE_RA_STATE: /* signatures are stripped from every address */
	case CFA_AARCH64_NEGATE_RA_STATE_WITH_PC:
		return 0;
	case CFA_GNU_ARGS_SIZE:
		(void)dwarf_uleb(c);
		return 0;
	case CFA_REMEMBER_STATE:
		if (s->depth == MAX_REMEMBERED)
			return -EBADMSG;
		copy_row(&s->remembered[s->depth++], s->row);
		return 0;
	case CFA_RESTORE_STATE:
		if (!s->depth)
			return -EBADMSG;
		copy_row(s->row, &s->remembered[--s->depth]);
		return 0;
	default:
		return step_cfa(s, op, c);
	}
}

/* Instructions with a register first. */
static int step_reg(struct state *s, uint8_t op, struct dwarf_cursor *c)
{
	uint64_t reg = dwarf_uleb(c);

	switch (op) {
	case CFA_OFFSET_EXTENDED:
		set_offset(s, reg, CFI_OFFSET, dwarf_uleb(c));
		return 0;
	case CFA_OFFSET_EXTENDED_SF:
		set_offset(s, reg, CFI_OFFSET, (uint64_t)dwarf_sleb(c));
		return 0;
	case CFA_GNU_NEGATIVE_OFFSET_EXTENDED:
		set_offset(s, reg, CFI_OFFSET, 0 - dwarf_uleb(c));
		return 0;
	case CFA_VAL_OFFSET:
		set_offset(s, reg, CFI_VAL_OFFSET, dwarf_uleb(c));
		return 0;
	case CFA_VAL_OFFSET_SF:
		set_offset(s, reg, CFI_VAL_OFFSET, (uint64_t)dwarf_sleb(c));
		return 0;
	case CFA_UNDEFINED:
		set_rule(s, reg, (struct cfi_rule){.kind = CFI_UNDEFINED});
		return 0;
	case CFA_SAME_VALUE:
		set_rule(s, reg, (struct cfi_rule){.kind = CFI_SAME});
		return 0;
	case CFA_REGISTER:
		set_rule(s, reg, (struct cfi_rule){.kind = CFI_REGISTER, .u.reg = dwarf_uleb(c)});
		return 0;
	case CFA_RESTORE_EXTENDED:
		return restore(s, reg);
	case CFA_EXPRESSION:
		set_expr(s, reg, CFI_EXPR, c);
		return 0;
	case CFA_VAL_EXPRESSION:
		set_expr(s, reg, CFI_VAL_EXPR, c);
		return 0;
	default:
		return -EBADMSG;
	}
}

static bool takes_reg(uint8_t op)
{
	return (op >= CFA_OFFSET_EXTENDED && op <= CFA_REGISTER) || op == CFA_EXPRESSION ||
	       op == CFA_OFFSET_EXTENDED_SF || (op >= CFA_VAL_OFFSET && op <= CFA_VAL_EXPRESSION) ||
	       op == CFA_GNU_NEGATIVE_OFFSET_EXTENDED;
}

/* True if @op moves on in the code; *@loc is then where to. */
static bool advances(const struct state *s, uint8_t op, struct dwarf_cursor *c, uint64_t *loc)
{
	uint64_t delta;

	if ((op & 0xc0) == CFA_ADVANCE_LOC) {
		delta = op & 0x3f;
	} else if (op == CFA_ADVANCE_LOC1) {
		delta = dwarf_u8(c);
	} else if (op == CFA_ADVANCE_LOC2) {
		delta = dwarf_u16(c);
	} else if (op == CFA_ADVANCE_LOC4) {
		delta = dwarf_u32(c);
	} else if (op == CFA_ADVANCE_LOC8) {
		delta = dwarf_u64(c);
	} else if (op == CFA_SET_LOC) {
		*loc = dwarf_pointer(c, s->cie->pointer_enc, 0);
		return true;
	} else {
		return false;
	}
	*loc = s->loc + delta * s->cie->code_align;
	return true;
}

static int run(struct state *s, struct dwarf_cursor *c, uint64_t target)
{
	uint64_t loc;
	uint8_t op;
	int err;

	while (dwarf_left(c)) {
		op = dwarf_u8(c);
		if (advances(s, op, c, &loc)) {
			if (c->bad || loc < s->loc)
				return -EBADMSG;
			if (loc > target)
				return 0;
			s->loc = loc;
			continue;
		}
		err = 0;
		if ((op & 0xc0) == CFA_OFFSET)
			set_offset(s, op & 0x3f, CFI_OFFSET, dwarf_uleb(c));
		else if ((op & 0xc0) == CFA_RESTORE)
			err = restore(s, op & 0x3f);
		else if (takes_reg(op))
			err = step_reg(s, op, c);
		else
			err = step_state(s, op, c);
		if (err || c->bad)
			return -EBADMSG;
	}
	return 0;
}

int cfi_run_cie(const struct cfi_cie *cie, struct cfi_row *row)
{
	struct dwarf_cursor c = dwarf_cursor(cie->insns, cie->insns_len, 0);
	static const struct cfi_row none;
	struct state s; /* remembered[] is large, and written before it is read */

	copy_row(row, &none);
	row->cfa_reg = UINT64_MAX; /* until the program says: no such register */
	s.row = row;
	s.initial = &none;
	s.depth = 0;
	s.loc = 0;
	s.cie = cie;
	/* Should the CIE's program advance, its rows hold from the start all the same. */
	return run(&s, &c, UINT64_MAX);
}

int cfi_run(const struct cfi_fde *fde, uint64_t vaddr, struct cfi_row *row)
{
	struct dwarf_cursor c = dwarf_cursor(fde->insns, fde->insns_len, fde->insns_vaddr);
	struct cfi_row initial;
	struct state s;
	int err;

	s.initial = fde->cie.initial;
	if (!s.initial) {
		err = cfi_run_cie(&fde->cie, &initial);
		if (err)
			return err;
		s.initial = &initial;
	}
	copy_row(row, s.initial);
	s.row = row;
	s.depth = 0;
	s.loc = fde->start;
	s.cie = &fde->cie;
	err = run(&s, &c, vaddr);
	if (err)
		return err;
	row->ra = fde->cie.ra;
	row->signal = fde->cie.signal;
	row->start = fde->start;
	row->end = fde->end;
	return 0;
}

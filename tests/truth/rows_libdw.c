/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rows_libdw.c - see rows_libdw.h.
 *
 * libdw gives rules as location expressions, and applies the ABI's defaults
 * itself; ours are brought into the same form: operations with operands.
 */
#include "rows_libdw.h"

#include "collect/dwarf_read.h"

#include <dwarf.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MAX_OPS 256

struct ops {
	Dwarf_Op op[MAX_OPS];
	size_t n;
	bool bad;
};

static void put(struct ops *o, uint8_t atom, uint64_t number, uint64_t number2)
{
	if (o->n == MAX_OPS) {
		o->bad = true;
		return;
	}
	o->op[o->n++] = (Dwarf_Op){.atom = atom, .number = number, .number2 = number2};
}

static void decode_op(struct ops *o, struct dwarf_cursor *c)
{
	uint8_t op = dwarf_u8(c);
	uint64_t reg;

	switch (op) {
	case DW_OP_const1u:
	case DW_OP_pick:
	case DW_OP_deref_size:
		return put(o, op, dwarf_u8(c), 0);
	case DW_OP_const1s:
		return put(o, op, (uint64_t)(int8_t)dwarf_u8(c), 0);
	case DW_OP_const2u:
		return put(o, op, dwarf_u16(c), 0);
	case DW_OP_const2s:
	case DW_OP_skip:
	case DW_OP_bra:
		return put(o, op, (uint64_t)(int16_t)dwarf_u16(c), 0);
	case DW_OP_const4u:
		return put(o, op, dwarf_u32(c), 0);
	case DW_OP_const4s:
		return put(o, op, (uint64_t)(int32_t)dwarf_u32(c), 0);
	case DW_OP_addr:
	case DW_OP_const8u:
	case DW_OP_const8s:
		return put(o, op, dwarf_u64(c), 0);
	case DW_OP_constu:
	case DW_OP_plus_uconst:
		return put(o, op, dwarf_uleb(c), 0);
	case DW_OP_consts:
		return put(o, op, (uint64_t)dwarf_sleb(c), 0);
	case DW_OP_bregx:
		reg = dwarf_uleb(c);
		return put(o, op, reg, (uint64_t)dwarf_sleb(c));
	default:
		return put(o, op, op >= DW_OP_breg0 && op <= DW_OP_breg31 ? (uint64_t)dwarf_sleb(c) : 0, 0);
	}
}

static void decode(struct ops *o, const uint8_t *expr, size_t len)
{
	struct dwarf_cursor c = dwarf_cursor(expr, len, 0);

	while (dwarf_left(&c) && !o->bad)
		decode_op(o, &c);
	o->bad |= c.bad;
}

static bool ops_equal(const struct ops *a, const Dwarf_Op *b, size_t n)
{
	size_t i;

	if (a->bad || a->n != n)
		return false;
	for (i = 0; i < n; i++)
		if (a->op[i].atom != b[i].atom || a->op[i].number != b[i].number ||
		    a->op[i].number2 != b[i].number2)
			return false;
	return true;
}

static void print_ops(const char *label, const Dwarf_Op *op, size_t n, char *what, size_t size)
{
	size_t used = strlen(what), i;

	used += (size_t)snprintf(what + used, size - used, " %s", label);
	for (i = 0; i < n && used < size; i++)
		used += (size_t)snprintf(what + used, size - used, " %02x(%" PRIx64 ",%" PRIx64 ")",
					 op[i].atom, op[i].number, op[i].number2);
}

static bool cfa_equal(Dwarf_Frame *frame, const struct cfi_row *row, char *what, size_t size)
{
	struct ops ours = {.n = 0};
	Dwarf_Op *op = NULL;
	size_t n = 0;

	if (dwarf_frame_cfa(frame, &op, &n)) {
		snprintf(what, size, "CFA: libdw: %s", dwarf_errmsg(-1));
		return false;
	}
	if (row->cfa_is_expr)
		decode(&ours, row->cfa_expr, row->cfa_len);
	else
		put(&ours, DW_OP_bregx, row->cfa_reg, (uint64_t)row->cfa_off);
	if (ops_equal(&ours, op, n))
		return true;
	snprintf(what, size, "CFA:");
	print_ops("ours", ours.op, ours.n, what, size);
	print_ops("libdw", op, n, what, size);
	return false;
}

enum place { PLACE_OPS, PLACE_SAME, PLACE_UNDEFINED };

/* Our rule for @reg in libdw's terms; the ABI says what is not specified. */
static enum place our_place(const struct cfi_row *row, unsigned reg, struct ops *o)
{
	const struct cfi_rule *r = &row->regs[reg];

	o->n = 0;
	switch (r->kind) {
	case CFI_UNSPECIFIED:
		if (reg != regs_arch.sp)
			return regs_arch.callee_saved >> reg & 1 ? PLACE_SAME : PLACE_UNDEFINED;
		put(o, DW_OP_call_frame_cfa, 0, 0);
		put(o, DW_OP_stack_value, 0, 0);
		return PLACE_OPS;
	case CFI_UNDEFINED:
		return PLACE_UNDEFINED;
	case CFI_SAME:
		return PLACE_SAME;
	case CFI_REGISTER:
		put(o, DW_OP_regx, r->u.reg, 0);
		return PLACE_OPS;
	case CFI_OFFSET:
	case CFI_VAL_OFFSET:
		put(o, DW_OP_call_frame_cfa, 0, 0);
		if (r->u.off)
			put(o, DW_OP_plus_uconst, (uint64_t)r->u.off, 0);
		break;
	default:
		put(o, DW_OP_call_frame_cfa, 0, 0);
		decode(o, r->u.expr, r->len);
	}
	if (r->kind == CFI_VAL_OFFSET || r->kind == CFI_VAL_EXPR)
		put(o, DW_OP_stack_value, 0, 0);
	return PLACE_OPS;
}

/*
 * Where libdw is wrong: its table of what calls preserve by the ABI says 0 where
 * it means %rbx, but 0 is %rax, and %rbx is 3 (System V ABI, AMD64 supplement,
 * figures 3.4 and 3.36). It shows in each row that has no rule for them.
 */
static bool libdw_is_wrong(const struct cfi_row *row, unsigned reg, enum place theirs)
{
#ifdef __x86_64__
	return row->regs[reg].kind == CFI_UNSPECIFIED &&
	       ((reg == 0 && theirs == PLACE_SAME) || (reg == 3 && theirs == PLACE_UNDEFINED));
#else
	(void)row, (void)reg, (void)theirs;
	return false;
#endif
}

static bool register_equal(Dwarf_Frame *frame, const struct cfi_row *row, unsigned reg, char *what,
			   size_t size)
{
	static const char *const names[] = {"somewhere", "same value", "undefined"};
	enum place ours, theirs;
	struct ops o = {.n = 0};
	Dwarf_Op mem[3], *op;
	size_t n;

	if (dwarf_frame_register(frame, (int)reg, mem, &op, &n)) {
		snprintf(what, size, "register %u: libdw: %s", reg, dwarf_errmsg(-1));
		return false;
	}
	theirs = n ? PLACE_OPS : op ? PLACE_UNDEFINED : PLACE_SAME;
	ours = our_place(row, reg, &o);
	if (ours == theirs && (ours != PLACE_OPS || ops_equal(&o, op, n)))
		return true;
	if (libdw_is_wrong(row, reg, theirs))
		return true;
	snprintf(what, size, "register %u: ours %s, libdw's %s:", reg, names[ours], names[theirs]);
	print_ops("ours", o.op, o.n, what, size);
	print_ops("libdw", op, n, what, size);
	return false;
}

bool rows_equal(Dwarf_Frame *frame, const struct cfi_row *row, char *what, size_t size)
{
	bool signal = false;
	int ra = dwarf_frame_info(frame, NULL, NULL, &signal);
	unsigned i;

	if (ra < 0 || (uint64_t)ra != row->ra || signal != row->signal) {
		snprintf(what, size, "return address column %" PRIu64 "/%d, signal frame %d/%d (ours/libdw)",
			 row->ra, ra, row->signal, signal);
		return false;
	}
	if (!cfa_equal(frame, row, what, size))
		return false;
	for (i = 0; i < regs_arch.n; i++)
		if (!register_equal(frame, row, i, what, size))
			return false;
	return true;
}

bool rows_has_expression(const struct cfi_row *row)
{
	unsigned i;

	for (i = 0; i < regs_arch.n; i++)
		if (row->regs[i].kind == CFI_EXPR || row->regs[i].kind == CFI_VAL_EXPR)
			return true;
	return row->cfa_is_expr;
}

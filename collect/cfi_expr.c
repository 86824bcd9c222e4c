/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cfi_expr.c - see cfi.h: DWARF expressions, DWARF 5, 2.5.
 *
 * Those operations that can stand in CFI; the ones that need a compilation
 * unit, a frame base or thread-local storage cannot.
 */
#include "collect/cfi.h"

#include "collect/dwarf_read.h"

#include <errno.h>

#define MAX_DEPTH 64
#define MAX_STEPS 1024 /* there are branches, and so loops */

enum {
	OP_ADDR = 0x03,
	OP_DEREF = 0x06,
	OP_CONST1U = 0x08,
	OP_CONST1S = 0x09,
	OP_CONST2U = 0x0a,
	OP_CONST2S = 0x0b,
	OP_CONST4U = 0x0c,
	OP_CONST4S = 0x0d,
	OP_CONST8U = 0x0e,
	OP_CONST8S = 0x0f,
	OP_CONSTU = 0x10,
	OP_CONSTS = 0x11,
	OP_DUP = 0x12,
	OP_DROP = 0x13,
	OP_OVER = 0x14,
	OP_PICK = 0x15,
	OP_SWAP = 0x16,
	OP_ROT = 0x17,
	OP_ABS = 0x19,
	OP_AND = 0x1a,
	OP_DIV = 0x1b,
	OP_MINUS = 0x1c,
	OP_MOD = 0x1d,
	OP_MUL = 0x1e,
	OP_NEG = 0x1f,
	OP_NOT = 0x20,
	OP_OR = 0x21,
	OP_PLUS = 0x22,
	OP_PLUS_UCONST = 0x23,
	OP_SHL = 0x24,
	OP_SHR = 0x25,
	OP_SHRA = 0x26,
	OP_XOR = 0x27,
	OP_BRA = 0x28,
	OP_EQ = 0x29,
	OP_GE = 0x2a,
	OP_GT = 0x2b,
	OP_LE = 0x2c,
	OP_LT = 0x2d,
	OP_NE = 0x2e,
	OP_SKIP = 0x2f,
	OP_LIT0 = 0x30,
	OP_LIT31 = 0x4f,
	OP_BREG0 = 0x70,
	OP_BREG31 = 0x8f,
	OP_BREGX = 0x92,
	OP_DEREF_SIZE = 0x94,
	OP_NOP = 0x96,
};

struct machine {
	const struct cfi_machine *mc;
	uint64_t s[MAX_DEPTH];
	unsigned n;
	int err; /* first failure */
};

bool cfi_load(const struct cfi_machine *mc, uint64_t addr, unsigned size, uint64_t *value)
{
	uint64_t at = addr - mc->stack_at, v = 0;

	if (addr < mc->stack_at || at > mc->stack_size || size > mc->stack_size - at)
		return false;
	/* little-endian, as all we run on is (elf_file.c takes nothing else there) */
	memcpy(&v, mc->stack + at, size);
	*value = v;
	return true;
}

static void fail(struct machine *m, int err)
{
	if (!m->err)
		m->err = err;
}

static void push(struct machine *m, uint64_t v)
{
	if (m->n == MAX_DEPTH)
		fail(m, -EBADMSG);
	else
		m->s[m->n++] = v;
}

static uint64_t pop(struct machine *m)
{
	if (m->n)
		return m->s[--m->n];
	fail(m, -EBADMSG);
	return 0;
}

/* The entry @depth below the top. */
static uint64_t peek(struct machine *m, unsigned depth)
{
	if (depth < m->n)
		return m->s[m->n - 1 - depth];
	fail(m, -EBADMSG);
	return 0;
}

static uint64_t reg_value(struct machine *m, uint64_t reg)
{
	if (reg < REGS_MAX && (m->mc->valid & (1ull << reg)))
		return m->mc->regs[reg];
	fail(m, -EFAULT);
	return 0;
}

static void deref(struct machine *m, unsigned size)
{
	uint64_t v = 0;

	if (size != 1 && size != 2 && size != 4 && size != 8)
		fail(m, -EBADMSG);
	else if (!cfi_load(m->mc, pop(m), size, &v))
		fail(m, -EFAULT);
	push(m, v);
}

static bool constant(uint8_t op, struct dwarf_cursor *c, uint64_t *v)
{
	switch (op) {
	case OP_CONST1U:
		*v = dwarf_u8(c);
		return true;
	case OP_CONST1S:
		*v = (uint64_t)(int8_t)dwarf_u8(c);
		return true;
	case OP_CONST2U:
		*v = dwarf_u16(c);
		return true;
	case OP_CONST2S:
		*v = (uint64_t)(int16_t)dwarf_u16(c);
		return true;
	case OP_CONST4U:
		*v = dwarf_u32(c);
		return true;
	case OP_CONST4S:
		*v = (uint64_t)(int32_t)dwarf_u32(c);
		return true;
	case OP_ADDR: /* unrelocated: of no use in a PIE, and not emitted there */
	case OP_CONST8U:
	case OP_CONST8S:
		*v = dwarf_u64(c);
		return true;
	case OP_CONSTU:
		*v = dwarf_uleb(c);
		return true;
	case OP_CONSTS:
		*v = (uint64_t)dwarf_sleb(c);
		return true;
	default:
		*v = (uint64_t)(op - OP_LIT0);
		return op >= OP_LIT0 && op <= OP_LIT31;
	}
}

static uint64_t shift_right(uint64_t a, uint64_t by)
{
	return by < 64 ? a >> by : 0;
}

static uint64_t shift_arithmetic(uint64_t a, uint64_t by)
{
	return (uint64_t)((int64_t)a >> (by < 63 ? by : 63));
}

/* DW_OP_div is signed, DW_OP_mod is not. */
static uint64_t divide(struct machine *m, uint64_t a, uint64_t b)
{
	if (!b) {
		fail(m, -EBADMSG);
		return 0;
	}
	if (b == UINT64_MAX)
		return 0 - a; /* INT64_MIN / -1 traps */
	return (uint64_t)((int64_t)a / (int64_t)b);
}

static uint64_t modulo(struct machine *m, uint64_t a, uint64_t b)
{
	if (b)
		return a % b;
	fail(m, -EBADMSG);
	return 0;
}

/* Operations on the two topmost entries, @a below @b. */
static void binary(struct machine *m, uint8_t op, uint64_t a, uint64_t b)
{
	switch (op) {
	case OP_AND:
		return push(m, a & b);
	case OP_OR:
		return push(m, a | b);
	case OP_XOR:
		return push(m, a ^ b);
	case OP_PLUS:
		return push(m, a + b);
	case OP_MINUS:
		return push(m, a - b);
	case OP_MUL:
		return push(m, a * b);
	case OP_DIV:
		return push(m, divide(m, a, b));
	case OP_MOD:
		return push(m, modulo(m, a, b));
	case OP_SHL:
		return push(m, b < 64 ? a << b : 0);
	case OP_SHR:
		return push(m, shift_right(a, b));
	case OP_SHRA:
		return push(m, shift_arithmetic(a, b));
	case OP_EQ:
		return push(m, a == b);
	case OP_NE:
		return push(m, a != b);
	case OP_GE:
		return push(m, (int64_t)a >= (int64_t)b);
	case OP_GT:
		return push(m, (int64_t)a > (int64_t)b);
	case OP_LE:
		return push(m, (int64_t)a <= (int64_t)b);
	case OP_LT:
		return push(m, (int64_t)a < (int64_t)b);
	default:
		fail(m, -EBADMSG);
	}
}

static void swap_or_rotate(struct machine *m, unsigned n)
{
	uint64_t top = peek(m, 0);
	unsigned i;

	if (m->n < n) {
		fail(m, -EBADMSG);
		return;
	}
	for (i = 1; i < n; i++)
		m->s[m->n - i] = m->s[m->n - i - 1];
	m->s[m->n - n] = top;
}

static void branch(struct machine *m, struct dwarf_cursor *c, bool taken)
{
	int64_t by = (int16_t)dwarf_u16(c);

	if (!taken || c->bad)
		return;
	if (by < c->start - c->p || by > c->end - c->p)
		fail(m, -EBADMSG);
	else
		c->p += by;
}

/* Operations that move entries or have one operand. */
static bool unary(struct machine *m, uint8_t op, struct dwarf_cursor *c)
{
	uint64_t v;

	switch (op) {
	case OP_NOP:
		break;
	case OP_DUP:
		push(m, peek(m, 0));
		break;
	case OP_DROP:
		(void)pop(m);
		break;
	case OP_OVER:
		push(m, peek(m, 1));
		break;
	case OP_PICK:
		push(m, peek(m, dwarf_u8(c)));
		break;
	case OP_SWAP:
		swap_or_rotate(m, 2);
		break;
	case OP_ROT:
		swap_or_rotate(m, 3);
		break;
	case OP_ABS:
		v = pop(m);
		push(m, (int64_t)v < 0 ? 0 - v : v);
		break;
	case OP_NEG:
		push(m, 0 - pop(m));
		break;
	case OP_NOT:
		push(m, ~pop(m));
		break;
	case OP_PLUS_UCONST:
		v = pop(m);
		push(m, v + dwarf_uleb(c));
		break;
	default:
		return false;
	}
	return true;
}

static void step(struct machine *m, uint8_t op, struct dwarf_cursor *c)
{
	uint64_t v, reg;

	if (constant(op, c, &v)) {
		push(m, v);
	} else if ((op >= OP_BREG0 && op <= OP_BREG31) || op == OP_BREGX) {
		reg = op == OP_BREGX ? dwarf_uleb(c) : (uint64_t)(op - OP_BREG0);
		push(m, reg_value(m, reg) + (uint64_t)dwarf_sleb(c));
	} else if (op == OP_DEREF) {
		deref(m, 8);
	} else if (op == OP_DEREF_SIZE) {
		deref(m, dwarf_u8(c));
	} else if (op == OP_SKIP) {
		branch(m, c, true);
	} else if (op == OP_BRA) {
		branch(m, c, pop(m) != 0);
	} else if (!unary(m, op, c)) {
		v = pop(m);
		binary(m, op, pop(m), v);
	}
}

int cfi_eval(const uint8_t *expr, size_t len, const struct cfi_machine *mc, const uint64_t *cfa,
	     uint64_t *value)
{
	struct dwarf_cursor c = dwarf_cursor(expr, len, 0);
	struct machine m;
	unsigned steps = 0;
	uint64_t top;

	m.mc = mc;
	m.n = 0;
	m.err = 0;
	if (cfa)
		push(&m, *cfa);
	while (dwarf_left(&c) && !m.err) {
		if (++steps > MAX_STEPS)
			return -EBADMSG;
		step(&m, dwarf_u8(&c), &c);
		if (c.bad)
			return -EBADMSG;
	}
	top = pop(&m);
	if (m.err)
		return m.err;
	*value = top;
	return 0;
}

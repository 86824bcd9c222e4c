/* SPDX-License-Identifier: Apache-2.0 */
/* insn_x86_64.c - see insn_x86_64.h. */
#include "collect/insn_x86_64.h"

#include <string.h>

enum operand { NONE = 0, M = 1, I8 = 2, I32 = 4, I16 = 8, J = 16, BAD = 32 };

/*
 * Operands of the one-byte opcodes from 0x40 on, 16 a line; those below follow
 * a pattern, and prefixes have been taken. m: modrm; b, w, d: immediate of 1, 2
 * and 4 bytes; B, D: modrm and immediate; j, J: distance of 1 and 4 bytes;
 * e: enter; x: none in 64-bit mode.
 */
static const char one_byte[] = "................"
			       "................"
			       "xxxmxxxxdDbB...."
			       "jjjjjjjjjjjjjjjj"
			       "BDxBmmmmmmmmmmmm"
			       "..........x....."
			       "........bd......"
			       "bbbbbbbbdddddddd"
			       "BBw.xxBDe.w..bx."
			       "mmmmxxx.mmmmmmmm"
			       "jjjjbbbbJJxj...."
			       "x.xx..mm......mm";

static uint8_t operands_of(char c)
{
	switch (c) {
	case '.':
		return NONE;
	case 'm':
		return M;
	case 'b':
		return I8;
	case 'w':
		return I16;
	case 'd':
		return I32;
	case 'B':
		return M | I8;
	case 'D':
		return M | I32;
	case 'j':
		return J | I8;
	case 'J':
		return J | I32;
	case 'e':
		return I16 | I8;
	default:
		return BAD;
	}
}

struct input {
	const uint8_t *p;
	size_t n, at;
	bool bad;
};

static uint8_t take(struct input *in)
{
	if (in->at >= in->n || in->at >= INSN_MAX) {
		in->bad = true;
		return 0;
	}
	return in->p[in->at++];
}

static int64_t take_signed(struct input *in, unsigned size)
{
	uint64_t v = 0;
	unsigned i;

	for (i = 0; i < size; i++)
		v |= (uint64_t)take(in) << 8 * i;
	return size == 8 ? (int64_t)v : (int64_t)(v << (64 - 8 * size)) >> (64 - 8 * size);
}

static uint8_t two_byte(uint8_t op)
{
	if (op >= 0x80 && op <= 0x8f)
		return J | I32;
	if ((op >= 0x05 && op <= 0x09) || op == 0x0b || op == 0x0e || (op >= 0x30 && op <= 0x37) ||
	    op == 0x77 || (op >= 0xa0 && op <= 0xa2) || (op >= 0xa8 && op <= 0xaa) ||
	    (op >= 0xc8 && op <= 0xcf))
		return NONE;
	if (op == 0x04 || op == 0x0a || op == 0x0c || (op >= 0x24 && op <= 0x27) || op == 0x36 ||
	    (op >= 0x38 && op <= 0x3f))
		return BAD;
	if ((op >= 0x70 && op <= 0x73) || op == 0xa4 || op == 0xac || op == 0xba || op == 0xc2 ||
	    (op >= 0xc4 && op <= 0xc6))
		return M | I8;
	return M;
}

static uint8_t operands(const struct insn *o)
{
	if (o->map == 3)
		return M | I8;
	if (o->map == 1 && o->vector)
		return o->opcode == 0x77 ? NONE : two_byte(o->opcode) & (M | I8 | BAD);
	if (o->map == 1)
		return two_byte(o->opcode);
	if (o->map)
		return M;
	if (o->opcode >= 0x40)
		return operands_of(one_byte[o->opcode - 0x40]);
	if ((o->opcode & 7) < 4)
		return M;
	return (o->opcode & 7) == 4 ? I8 : (o->opcode & 7) == 5 ? I32 : BAD;
}

static void take_modrm(struct input *in, struct insn *o, uint8_t rex)
{
	uint8_t b = take(in), sib;

	o->has_modrm = true;
	o->mod = b >> 6;
	o->reg = (uint8_t)((b >> 3 & 7) | (rex & 4) << 1);
	o->rm = (uint8_t)((b & 7) | (rex & 1) << 3);
	if (o->mod == 3)
		return;
	if ((b & 7) == 4) {
		sib = take(in);
		o->rm = (uint8_t)((sib & 7) | (rex & 1) << 3);
		o->has_index = ((sib >> 3 & 7) | (rex & 2) << 2) != 4;
		o->no_base = (sib & 7) == 5 && !o->mod;
	} else if ((b & 7) == 5 && !o->mod) {
		o->no_base = o->rip_relative = true;
	}
	if (o->mod == 1)
		o->disp = (int32_t)take_signed(in, 1);
	else if (o->mod == 2 || o->no_base)
		o->disp = (int32_t)take_signed(in, 4);
}

/* Prefixes of VEX and EVEX carry the REX bits inverted; the map and what follows is as without them. */
static void take_vector_prefix(struct input *in, struct insn *o, uint8_t first, uint8_t *rex)
{
	uint8_t a = take(in);

	o->vector = true;
	if (first == 0xc5) {
		o->map = 1;
		*rex = (uint8_t)(~a >> 5 & 4);
		return;
	}
	o->map = first == 0xc4 ? a & 31 : a & 7;
	*rex = (uint8_t)(~a >> 5 & 7);
	o->wide = take(in) >> 7;
	if (first == 0x62)
		take(in);
	if (o->map < 1 || o->map > 6 || o->map == 4)
		in->bad = true;
}

static bool is_prefix(uint8_t b)
{
	return b == 0x66 || b == 0x67 || b == 0xf0 || b == 0xf2 || b == 0xf3 || b == 0x2e || b == 0x36 ||
	       b == 0x3e || b == 0x26 || b == 0x64 || b == 0x65;
}

static uint8_t take_opcode(struct input *in, struct insn *o, bool *short_address)
{
	uint8_t b = take(in), rex = 0;

	for (; is_prefix(b) && !in->bad; b = take(in)) {
		o->short_imm |= b == 0x66;
		*short_address |= b == 0x67;
	}
	if ((b & 0xf0) == 0x40) {
		rex = b;
		o->wide = b >> 3 & 1;
		b = take(in);
	}
	if (b == 0xc5 || b == 0xc4 || b == 0x62) {
		take_vector_prefix(in, o, b, &rex);
		b = take(in);
	} else if (b == 0x0f) {
		b = take(in);
		o->map = b == 0x38 ? 2 : b == 0x3a ? 3 : 1;
		if (o->map > 1)
			b = take(in);
	}
	o->opcode = b;
	return rex;
}

static void take_immediate(struct input *in, struct insn *o, uint8_t what, bool short_address)
{
	bool plain = !o->map && !o->vector;

	/* test has an immediate where the others of its group have none */
	if (plain && (o->opcode == 0xf6 || o->opcode == 0xf7) && (o->reg & 7) < 2)
		what |= o->opcode == 0xf6 ? I8 : I32;
	if (plain && o->opcode >= 0xa0 && o->opcode <= 0xa3)
		take_signed(in, short_address ? 4 : 8);
	if (what & I16)
		o->imm = take_signed(in, 2);
	if (what & I8)
		o->imm = take_signed(in, 1);
	if (what & I32)
		o->imm = take_signed(in, plain && o->wide && (o->opcode & 0xf8) == 0xb8 ? 8
					 : o->short_imm && !(what & J) && !o->wide      ? 2
											: 4);
}

bool insn_decode(const uint8_t *p, size_t n, struct insn *out)
{
	struct input in = {p, n, 0, false};
	bool short_address = false;
	struct insn o;
	uint8_t rex, what;

	memset(&o, 0, sizeof(o));
	rex = take_opcode(&in, &o, &short_address);
	what = operands(&o);
	if (in.bad || what & BAD)
		return false;
	if (what & M)
		take_modrm(&in, &o, rex);
	else if (!o.map)
		o.rm = (uint8_t)((o.opcode & 7) | (rex & 1) << 3);
	if (!o.map && o.opcode == 0x8f && (o.reg & 7)) /* AMD's XOP, which nobody emits any more */
		return false;
	take_immediate(&in, &o, what, short_address);
	o.len = (uint8_t)in.at;
	*out = o;
	return !in.bad;
}

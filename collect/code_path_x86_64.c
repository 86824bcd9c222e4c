/* SPDX-License-Identifier: Apache-2.0 */
/* code_path_x86_64.c - see code_path_x86_64.h. */
#include "collect/code_path_x86_64.h"

#include <string.h>

void path_start(struct path *p, uint64_t pc)
{
	unsigned i;

	memset(p, 0, sizeof(*p));
	p->pc = pc;
	for (i = 0; i < PATH_REGS; i++)
		p->reg[i] = (struct value){ADDRESS, (uint8_t)i, 0};
}

bool value_same(struct value a, struct value b)
{
	return a.kind == b.kind && (a.kind == LOST || (a.base == b.base && a.off == b.off));
}

struct value value_plus(struct value v, int64_t n)
{
	int64_t off = v.off + n;

	if (v.kind != ADDRESS || off > INT32_MAX / 2 || off < INT32_MIN / 2)
		return (struct value){LOST, 0, 0};
	v.off = (int32_t)off;
	return v;
}

/* Memory below the stack pointer of the start holds only what the path itself put there. */
struct value path_load(const struct path *p, struct value at)
{
	unsigned i;

	for (i = 0; at.kind == ADDRESS && i < p->n_stores; i++)
		if (value_same(p->stores[i].at, at))
			return p->stores[i].what;
	if (at.kind != ADDRESS || (at.base == PATH_RSP && at.off < 0))
		return (struct value){LOST, 0, 0};
	return (struct value){MEMORY, at.base, at.off};
}

/* What finds no place is forgotten: restored registers come from slots that are written once. */
static void store_at(struct path *p, struct value at, struct value what, bool always)
{
	unsigned i;

	if (at.kind != ADDRESS)
		return;
	for (i = 0; i < p->n_stores && !value_same(p->stores[i].at, at); i++)
		;
	if (i < p->n_stores)
		p->stores[i].what = what;
	else if ((always || what.kind != LOST) && i < PATH_STORES)
		p->stores[p->n_stores++] = (struct store){at, what};
}

/* The address of @o's memory operand. */
static struct value operand(const struct path *p, const struct insn *o)
{
	if (o->mod == 3 || o->has_index || o->no_base)
		return (struct value){LOST, 0, 0};
	return value_plus(p->reg[o->rm], o->disp);
}

static void push(struct path *p, struct value what)
{
	p->reg[PATH_RSP] = value_plus(p->reg[PATH_RSP], -8);
	store_at(p, p->reg[PATH_RSP], what, true);
}

static struct value pop(struct path *p)
{
	struct value v = path_load(p, p->reg[PATH_RSP]);

	p->reg[PATH_RSP] = value_plus(p->reg[PATH_RSP], 8);
	return v;
}

/* ---- instructions that do not branch ---- */

static void one_operand(struct path *p, const struct insn *o, bool *handled)
{
	static const struct value lost = {LOST, 0, 0};

	*handled = true;
	switch (o->opcode) {
	case 0x68: /* push imm */
	case 0x6a:
	case 0x9c: /* pushf */
		push(p, lost);
		break;
	case 0x9d: /* popf */
		(void)pop(p);
		break;
	case 0xc9: /* leave */
		p->reg[PATH_RSP] = p->reg[PATH_RBP];
		p->reg[PATH_RBP] = pop(p);
		break;
	case 0xc8: /* enter */
		p->reg[PATH_RSP] = p->reg[PATH_RBP] = lost;
		break;
	default:
		*handled = false;
		if ((o->opcode & 0xf8) == 0x50) {
			push(p, p->reg[o->rm]);
			*handled = true;
		} else if ((o->opcode & 0xf8) == 0x58) {
			p->reg[o->rm] = pop(p);
			*handled = true;
		}
	}
}

/* Copies and sums of 64 bits; everything else that names a stack register as its target loses it. */
static void two_operands(struct path *p, const struct insn *o)
{
	static const struct value lost = {LOST, 0, 0};
	unsigned op = o->opcode, group = o->reg & 7;
	bool to_reg = op == 0x8b || op == 0x8d || op == 0x63 || (op < 0x40 && (op & 7) >= 2 && (op & 7) < 4);
	unsigned to = to_reg ? o->reg : o->rm;

	if (op == 0x89 && o->wide && o->mod == 3)
		p->reg[o->rm] = p->reg[o->reg];
	else if (op == 0x89 && o->wide)
		store_at(p, operand(p, o), p->reg[o->reg], false);
	else if (op == 0x8b && o->wide)
		p->reg[o->reg] = o->mod == 3 ? p->reg[o->rm] : path_load(p, operand(p, o));
	else if (op == 0x8d && o->wide)
		p->reg[o->reg] = operand(p, o);
	else if ((op == 0x83 || op == 0x81) && o->mod == 3 && (group == 0 || group == 5) && o->wide)
		p->reg[o->rm] = value_plus(p->reg[o->rm], group ? -o->imm : o->imm);
	else if (op == 0xff && group == 6)
		push(p, lost);
	else if (op == 0x8f)
		(void)pop(p);
	else if ((op >= 0x38 && op < 0x40) || op == 0x84 || op == 0x85 ||
		 (op >= 0x80 && op <= 0x83 && group == 7))
		return; /* cmp and test write nothing */
	else if ((to_reg || o->mod == 3) && (to == PATH_RSP || to == PATH_RBP))
		p->reg[to] = lost;
}

static void note_eax(struct path *p, const struct insn *o)
{
	bool plain = !o->map && !o->vector;

	if (plain && o->opcode == 0xb8 && o->rm == PATH_RAX) {
		p->eax_known = true;
		p->eax = (uint32_t)o->imm;
	} else if (plain && (o->opcode == 0x31 || o->opcode == 0x33) && o->mod == 3 && !o->reg && !o->rm) {
		p->eax_known = true;
		p->eax = 0;
	} else if (plain && o->opcode == 0xc7 && o->mod == 3 && !o->rm) {
		p->eax_known = true;
		p->eax = (uint32_t)o->imm;
	} else if (plain && o->opcode == 0xb0 && o->rm == PATH_RAX && p->eax_known) {
		p->eax = (p->eax & ~0xffu) | (uint8_t)o->imm;
	} else if (!(plain && o->has_modrm && o->mod == 3 && (o->opcode == 0x89 || o->opcode == 0x31) &&
		     o->rm != PATH_RAX)) {
		p->eax_known = false;
	}
}

void path_advance(struct path *p, const struct insn *o)
{
	bool handled = false;

	note_eax(p, o);
	if (o->map || o->vector)
		return;
	if (o->has_modrm && (o->opcode == 0x03 || o->opcode == 0x63 || (o->opcode == 0x8b && o->has_index)))
		p->table_regs |= (uint16_t)(1u << o->reg);
	else if (o->opcode == 0x01 && o->mod == 3)
		p->table_regs |= (uint16_t)(1u << o->rm);
	one_operand(p, o, &handled);
	if (!handled && o->has_modrm)
		two_operands(p, o);
}

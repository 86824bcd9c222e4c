/* SPDX-License-Identifier: Apache-2.0 */
/*
 * code_x86_64.c - see code.h.
 *
 * Values are known as "what register r held at the start, plus n", or as "what
 * was in memory there at the start". Only what moves stack pointers and
 * callee-saved registers is looked at: whatever else a function does to these
 * registers, it must undo before it returns, and the last load counts.
 */
#include "collect/code.h"

#include "collect/insn_x86_64.h"

#include <string.h>

#define PENDING   64  /* branches not yet followed */
#define STORES    16  /* of one path: pushes, mostly */
#define SEEN_BITS 11  /* a table of the instructions done, half full at most */
#define WINDOW    256 /* code is read by the piece */

#define SIGRETURN_MAX 9 /* bytes of a signal trampoline */

enum {
	RAX,
	RCX,
	RDX,
	RBX,
	RSP,
	RBP,
	RSI,
	RDI,
	R8,
	R9,
	R10,
	R11,
	R12,
	R13,
	R14,
	R15,
	N_REGS,
	NOT_ALIGNED = 16
};

/* DWARF's numbers: System V ABI, AMD64 supplement, figure 3.36. */
static const uint8_t dwarf_number[N_REGS] = {0, 2, 1, 3, 7, 6, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15};

static const uint8_t preserved[] = {RBX, RBP, R12, R13, R14, R15};

/* Where struct ucontext keeps them, as DWARF 0 to 16: arch/x86/include/uapi/asm/{ucontext,sigcontext}.h */
static const uint8_t ucontext_slot[] = {18, 17, 19, 16, 14, 13, 15, 20, 5, 6, 7, 8, 9, 10, 11, 12, 21};

enum value_kind { LOST, ADDRESS, MEMORY };

struct value { /* of what register @base held at the start, plus off; or what memory held there */
	uint8_t kind, base;
	int32_t off;
};

struct store {
	struct value at, what;
};

struct path {
	uint64_t pc;
	struct value reg[N_REGS];
	struct store stores[STORES];
	uint8_t n_stores;
	uint8_t align_base; /* register whose value at the start is known to be off + 16 n; NOT_ALIGNED */
	int32_t align_off;
	uint16_t table_regs; /* bit per register that was added to or indexed: what jump tables do */
	bool eax_known;
	uint32_t eax;
};

struct search {
	struct modules *ms;
	struct module *m;
	struct path pending[PENDING];
	unsigned first, n;
	uint64_t seen[1 << SEEN_BITS]; /* address + 1 */
	bool cut;                      /* some way could not be followed to its end */
	bool found, contradicted;
	bool weak;    /* found at a jump that is taken for a tail call */
	bool started; /* the first instructions led on, without a branch */
	enum code_verdict straight;
	struct path end; /* at the return */
	uint64_t window_at;
	size_t window_len;
	uint8_t window[WINDOW];
};

/* ---- values ---- */

static bool same(struct value a, struct value b)
{
	return a.kind == b.kind && (a.kind == LOST || (a.base == b.base && a.off == b.off));
}

static struct value plus(struct value v, int64_t n)
{
	int64_t off = v.off + n;

	if (v.kind != ADDRESS || off > INT32_MAX / 2 || off < INT32_MIN / 2)
		return (struct value){LOST, 0, 0};
	v.off = (int32_t)off;
	return v;
}

/* Memory below the stack pointer of the start holds only what the path itself put there. */
static struct value load_from(const struct path *p, struct value at)
{
	unsigned i;

	for (i = 0; at.kind == ADDRESS && i < p->n_stores; i++)
		if (same(p->stores[i].at, at))
			return p->stores[i].what;
	if (at.kind != ADDRESS || (at.base == RSP && at.off < 0))
		return (struct value){LOST, 0, 0};
	return (struct value){MEMORY, at.base, at.off};
}

/* What finds no place is forgotten: restored registers come from slots that are written once. */
static void store_at(struct path *p, struct value at, struct value what, bool always)
{
	unsigned i;

	if (at.kind != ADDRESS)
		return;
	for (i = 0; i < p->n_stores && !same(p->stores[i].at, at); i++)
		;
	if (i < p->n_stores)
		p->stores[i].what = what;
	else if ((always || what.kind != LOST) && i < STORES)
		p->stores[p->n_stores++] = (struct store){at, what};
}

/* The address of @o's memory operand. */
static struct value operand(const struct path *p, const struct insn *o)
{
	if (o->mod == 3 || o->has_index || o->no_base)
		return (struct value){LOST, 0, 0};
	return plus(p->reg[o->rm], o->disp);
}

static void push(struct path *p, struct value what)
{
	p->reg[RSP] = plus(p->reg[RSP], -8);
	store_at(p, p->reg[RSP], what, true);
}

static struct value pop(struct path *p)
{
	struct value v = load_from(p, p->reg[RSP]);

	p->reg[RSP] = plus(p->reg[RSP], 8);
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
		p->reg[RSP] = p->reg[RBP];
		p->reg[RBP] = pop(p);
		break;
	case 0xc8: /* enter */
		p->reg[RSP] = p->reg[RBP] = lost;
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
		p->reg[o->reg] = o->mod == 3 ? p->reg[o->rm] : load_from(p, operand(p, o));
	else if (op == 0x8d && o->wide)
		p->reg[o->reg] = operand(p, o);
	else if ((op == 0x83 || op == 0x81) && o->mod == 3 && (group == 0 || group == 5) && o->wide)
		p->reg[o->rm] = plus(p->reg[o->rm], group ? -o->imm : o->imm);
	else if (op == 0xff && group == 6)
		push(p, lost);
	else if (op == 0x8f)
		(void)pop(p);
	else if ((op >= 0x38 && op < 0x40) || op == 0x84 || op == 0x85 ||
		 (op >= 0x80 && op <= 0x83 && group == 7))
		return; /* cmp and test write nothing */
	else if ((to_reg || o->mod == 3) && (to == RSP || to == RBP))
		p->reg[to] = lost;
}

static void note_eax(struct path *p, const struct insn *o)
{
	bool plain = !o->map && !o->vector;

	if (plain && o->opcode == 0xb8 && o->rm == RAX) {
		p->eax_known = true;
		p->eax = (uint32_t)o->imm;
	} else if (plain && (o->opcode == 0x31 || o->opcode == 0x33) && o->mod == 3 && !o->reg && !o->rm) {
		p->eax_known = true;
		p->eax = 0;
	} else if (plain && o->opcode == 0xc7 && o->mod == 3 && !o->rm) {
		p->eax_known = true;
		p->eax = (uint32_t)o->imm;
	} else if (plain && o->opcode == 0xb0 && o->rm == RAX && p->eax_known) {
		p->eax = (p->eax & ~0xffu) | (uint8_t)o->imm;
	} else if (!(plain && o->has_modrm && o->mod == 3 && (o->opcode == 0x89 || o->opcode == 0x31) &&
		     o->rm != RAX)) {
		p->eax_known = false;
	}
}

static void advance(struct path *p, const struct insn *o)
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

/* ---- the search ---- */

static bool fetch(struct search *s, uint64_t vaddr, struct insn *o)
{
	const struct module_segment *g;
	uint64_t off, left = 0;
	unsigned i;

	if (vaddr - s->window_at >= s->window_len ||
	    (s->window_len == WINDOW && vaddr - s->window_at > WINDOW - INSN_MAX)) {
		s->window_len = 0;
		for (i = 0; i < s->m->info->n_segments && i < PROFILE_MAX_SEGMENTS; i++) {
			g = &s->m->info->segments[i];
			if (vaddr >= g->vaddr && vaddr - g->vaddr < g->filesz)
				left = g->filesz - (vaddr - g->vaddr);
		}
		left = left < WINDOW ? left : WINDOW;
		if (!left || !module_vaddr_to_off(s->m, vaddr, &off) ||
		    module_read(s->ms, s->m, off, s->window, left))
			return false;
		s->window_at = vaddr;
		s->window_len = left;
	}
	return insn_decode(s->window + (vaddr - s->window_at), s->window_len - (vaddr - s->window_at), o);
}

/* False if the instruction was done before, on another path: to the same end. */
static bool first_visit(struct search *s, uint64_t pc)
{
	const uint64_t mask = (1u << SEEN_BITS) - 1;
	uint64_t h = pc * 0x9e3779b97f4a7c15u >> (64 - SEEN_BITS);

	for (; s->seen[h]; h = (h + 1) & mask)
		if (s->seen[h] == pc + 1)
			return false;
	s->seen[h] = pc + 1;
	return true;
}

_Static_assert(CODE_STEPS <= 1 << (SEEN_BITS - 1), "probing must find a free place");

static void enqueue(struct search *s, const struct path *p, uint64_t pc)
{
	if (s->n == PENDING) {
		s->cut = true;
		return;
	}
	s->pending[(s->first + s->n) % PENDING] = *p;
	s->pending[(s->first + s->n++) % PENDING].pc = pc;
}

/* A path comes to a call: false if the stack cannot be aligned as the ABI has it. */
static bool aligned_call(struct path *p)
{
	struct value sp = p->reg[RSP];

	if (sp.kind != ADDRESS)
		return true;
	if (p->align_base == sp.base)
		return (sp.off - p->align_off) % 16 == 0;
	if (p->align_base == NOT_ALIGNED) {
		p->align_base = sp.base;
		p->align_off = sp.off;
	}
	return true;
}

static void arrive_at_return(struct search *s, const struct path *p, bool weak)
{
	struct value sp = p->reg[RSP], ra = load_from(p, sp);
	unsigned i;

	/* The return address may have been moved, to drop arguments; one made by the path itself is no
	 * caller. */
	if (sp.kind != ADDRESS || ra.kind != MEMORY || ra.base != sp.base) {
		s->cut = true;
		return;
	}
	if (p->align_base == sp.base && (sp.off - p->align_off) % 16 != 8 &&
	    (sp.off - p->align_off) % 16 != -8)
		return; /* of another function, behind a call that never returns */
	if (!s->found || (s->weak && !weak)) {
		s->found = true;
		s->weak = weak;
		s->end = *p;
		return;
	}
	if (weak)
		return;
	if (same(s->end.reg[RSP], sp)) {
		for (i = 0; i < sizeof(preserved); i++)
			if (!same(s->end.reg[preserved[i]], p->reg[preserved[i]]))
				s->end.reg[preserved[i]].kind = LOST;
		return;
	}
	/* By the frame pointer or by the stack pointer: both may be right. */
	if (s->end.reg[RSP].base == sp.base)
		s->contradicted = true;
}

/*
 * What a path does at a branch of any kind; false: goes on to *@next. One byte
 * map only. Indirect jumps through a table end a path; those through a pointer
 * in memory, as in PLT stubs, are calls in the place of a return. So are those
 * through a register that no table was indexed for, if there is no better way.
 */
static bool branches(struct search *s, struct path *p, const struct insn *o, uint64_t *next)
{
	uint8_t op = o->opcode;

	if (op == 0xc3 || op == 0xc2) {
		arrive_at_return(s, p, false);
		return true;
	}
	if (op == 0xe8 || (op == 0xff && (o->reg & 7) == 2)) {
		p->eax_known = false;
		return !aligned_call(p);
	}
	if (op == 0xff && ((o->reg & 7) == 4 || (o->reg & 7) == 5)) {
		if (o->rip_relative)
			arrive_at_return(s, p, false);
		else if (o->mod == 3 && !(p->table_regs & 1u << o->rm))
			arrive_at_return(s, p, true);
		else
			s->cut = true;
		return true;
	}
	if (op == 0xe9 || op == 0xeb) {
		*next += (uint64_t)o->imm;
		return false;
	}
	if ((op & 0xf0) == 0x70 || (op >= 0xe0 && op <= 0xe3)) {
		enqueue(s, p, *next + (uint64_t)o->imm);
		return false;
	}
	return op == 0xf4 || op == 0xcc || op == 0xcf || op == 0xca ||
	       op == 0xcb; /* hlt, int3, far returns */
}

/* The same for the opcodes behind 0f. */
static bool branches_far(struct search *s, struct path *p, const struct insn *o, uint64_t next)
{
	if (o->opcode >= 0x80 && o->opcode <= 0x8f)
		enqueue(s, p, next + (uint64_t)o->imm);
	if (o->opcode == 0x05) { /* syscall: exit and exit_group do not return */
		if (p->eax_known && (p->eax == 60 || p->eax == 231)) {
			if (!s->started)
				s->straight = CODE_EXITS;
			return true;
		}
		p->eax_known = false;
	}
	return o->opcode == 0x0b || o->opcode == 0xff || o->opcode == 0xb9; /* ud2, ud0, ud1 */
}

/* Follow one path for one instruction. False when it ended. */
static bool follow(struct search *s, struct path *p)
{
	bool ended = false;
	struct insn o;
	uint64_t next;

	if (!first_visit(s, p->pc))
		return false;
	if (!fetch(s, p->pc, &o)) {
		s->cut = true;
		return false;
	}
	next = p->pc + o.len;
	if (!o.map && !o.vector)
		ended = branches(s, p, &o, &next);
	else if (o.map == 1 && !o.vector)
		ended = branches_far(s, p, &o, next);
	if (s->n || next != p->pc + o.len || (!o.map && o.opcode == 0xe8))
		s->started = true;
	if (ended)
		return false;
	advance(p, &o);
	p->pc = next;
	return true;
}

static void search(struct search *s)
{
	unsigned steps;
	struct path p;

	for (steps = 0; s->n && steps < CODE_STEPS && !s->contradicted; steps++) {
		p = s->pending[s->first];
		s->first = (s->first + 1) % PENDING;
		s->n--;
		if (follow(s, &p))
			enqueue(s, &p, p.pc);
	}
	if (s->n)
		s->cut = true;
}

/* ---- rows ---- */

static void set_rule(struct cfi_row *row, unsigned reg, struct value v, struct value cfa)
{
	struct cfi_rule *r = &row->regs[dwarf_number[reg]];

	if (v.kind == ADDRESS && v.base == reg && !v.off)
		*r = (struct cfi_rule){.kind = CFI_SAME};
	else if (v.kind == MEMORY && v.base == cfa.base)
		*r = (struct cfi_rule){.kind = CFI_OFFSET, .u.off = (int64_t)v.off - cfa.off};
	else
		*r = (struct cfi_rule){.kind = CFI_UNDEFINED};
}

static enum code_verdict make_row(const struct path *end, struct cfi_row *row)
{
	struct value cfa = plus(end->reg[RSP], 8), ra;
	unsigned i;

	if (cfa.kind != ADDRESS || (cfa.base != RSP && cfa.base != RBP) || (cfa.base == RSP && cfa.off < 8))
		return CODE_UNKNOWN;
	memset(row, 0, sizeof(*row));
	row->cfa_reg = dwarf_number[cfa.base];
	row->cfa_off = cfa.off;
	row->ra = regs_arch.pc;
	ra = load_from(end, end->reg[RSP]);
	row->regs[regs_arch.pc] = (struct cfi_rule){.kind = CFI_OFFSET, .u.off = (int64_t)ra.off - cfa.off};
	for (i = 0; i < sizeof(preserved); i++)
		set_rule(row, preserved[i], end->reg[preserved[i]], cfa);
	return CODE_ROW;
}

/* mov $15, %rax (or %eax); syscall: rt_sigreturn, with the ucontext on top of the stack. */
bool code_signal_row(struct modules *ms, struct module *m, uint64_t vaddr, struct cfi_row *row)
{
	uint8_t raw[SIGRETURN_MAX];
	struct insn a, b;
	uint64_t off;
	unsigned i;

	if (!module_vaddr_to_off(m, vaddr, &off) || module_read(ms, m, off, raw, SIGRETURN_MAX) ||
	    !insn_decode(raw, SIGRETURN_MAX, &a) || a.map || a.vector || a.imm != 15 ||
	    !((a.opcode == 0xc7 && a.mod == 3 && a.rm == RAX) || (a.opcode == 0xb8 && a.rm == RAX)) ||
	    !insn_decode(raw + a.len, SIGRETURN_MAX - a.len, &b) || b.map != 1 || b.opcode != 0x05)
		return false;
	memset(row, 0, sizeof(*row));
	row->signal = true;
	row->ra = regs_arch.pc;
	row->cfa_reg = regs_arch.sp;
	for (i = 0; i < sizeof(ucontext_slot); i++)
		row->regs[i] = (struct cfi_rule){.kind = CFI_OFFSET, .u.off = 8 * ucontext_slot[i]};
	return true;
}

enum code_verdict code_row_at(struct modules *ms, struct module *m, uint64_t vaddr, bool exact,
			      struct cfi_row *row)
{
	static struct search s; /* large; one search at a time */
	struct path *p = &s.pending[0];
	unsigned i;

	memset(&s, 0, offsetof(struct search, window));
	s.ms = ms;
	s.m = m;
	p->pc = vaddr;
	for (i = 0; i < N_REGS; i++)
		p->reg[i] = (struct value){ADDRESS, (uint8_t)i, 0};
	/* At a return address the stack is as it was at the call. */
	p->align_base = exact ? NOT_ALIGNED : RSP;
	s.n = 1;
	search(&s);
	if (s.contradicted)
		return CODE_UNKNOWN;
	if (s.found)
		return make_row(&s.end, row);
	if (s.straight == CODE_EXITS)
		return CODE_EXITS;
	return s.cut ? CODE_UNKNOWN : CODE_NORETURN;
}

/* ---- calls ---- */

bool code_follows_call(struct modules *ms, struct module *m, uint64_t vaddr, uint64_t *target)
{
	uint8_t b[8];
	uint64_t off;
	struct insn o;
	unsigned len;

	if (vaddr < sizeof(b) || !module_vaddr_to_off(m, vaddr - 1, &off) || off < sizeof(b) - 1 ||
	    module_read(ms, m, off - (sizeof(b) - 1), b, sizeof(b)))
		return false;
	for (len = 2; len <= sizeof(b); len++) {
		if (!insn_decode(b + sizeof(b) - len, len, &o) || o.len != len || o.map || o.vector)
			continue;
		if (!(o.opcode == 0xe8 && len >= 5) && !(o.opcode == 0xff && (o.reg & 7) == 2))
			continue;
		if (target)
			*target = o.opcode == 0xe8 ? vaddr + (uint64_t)o.imm : 0;
		return true;
	}
	return false;
}

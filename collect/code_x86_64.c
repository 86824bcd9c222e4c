/* SPDX-License-Identifier: Apache-2.0 */
/* code_x86_64.c - see code.h: the search for a return, and the row at its end. */
#include "collect/code.h"

#include "collect/code_path_x86_64.h"
#include "collect/insn_x86_64.h"

#include <string.h>

#define PENDING   64  /* branches not yet followed */
#define SEEN_BITS 11  /* a table of the instructions done, half full at most */
#define WINDOW    256 /* code is read by the piece */

#define SIGRETURN_MAX 9 /* bytes of a signal trampoline */

/* DWARF's numbers: System V ABI, AMD64 supplement, figure 3.36. */
static const uint8_t dwarf_number[PATH_REGS] = {0, 2, 1, 3, 7, 6, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15};

static const uint8_t preserved[] = {PATH_RBX, PATH_RBP, PATH_R12, PATH_R13, PATH_R14, PATH_R15};

/* Where struct ucontext keeps them, as DWARF 0 to 16: arch/x86/include/uapi/asm/{ucontext,sigcontext}.h */
static const uint8_t ucontext_slot[] = {18, 17, 19, 16, 14, 13, 15, 20, 5, 6, 7, 8, 9, 10, 11, 12, 21};

struct search {
	struct modules *ms;
	struct module *m;
	struct path pending[PENDING];
	unsigned first, n;
	uint64_t seen[1 << SEEN_BITS]; /* address + 1 */
	bool cut;                      /* some way could not be followed to its end */
	bool found, contradicted;
	bool doubtful; /* found, but by its alignment it is of another function */
	bool doubts;   /* so were several, that contradict each other */
	bool weak;     /* found at a jump that is taken for a tail call */
	bool started;  /* the first instructions led on, without a branch */
	enum code_verdict straight;
	struct path end; /* at the return */
	uint64_t window_at;
	size_t window_len;
	uint8_t window[WINDOW];
};

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
	struct value sp = p->reg[PATH_RSP];

	if (sp.kind != ADDRESS)
		return true;
	if (p->align_base == sp.base)
		return (sp.off - p->align_off) % 16 == 0;
	if (p->align_base == PATH_NOT_ALIGNED) {
		p->align_base = sp.base;
		p->align_off = sp.off;
	}
	return true;
}

static void arrive_at_return(struct search *s, const struct path *p, bool weak)
{
	struct value sp = p->reg[PATH_RSP], ra = path_load(p, sp);
	bool doubtful = false;
	unsigned i;

	/* The return address may have been moved, to drop arguments; one made by the path itself is no
	 * caller. */
	if (sp.kind != ADDRESS || ra.kind != MEMORY || ra.base != sp.base) {
		s->cut = true;
		return;
	}
	if (p->align_base == sp.base && (sp.off - p->align_off) % 16 != 8 &&
	    (sp.off - p->align_off) % 16 != -8)
		doubtful = true; /* of another function, behind a call that never returns? */
	if (s->found && !s->doubtful && doubtful)
		return;
	if (!s->found || (s->weak && !weak) || (s->doubtful && !doubtful)) {
		s->found = true;
		s->weak = weak;
		s->doubtful = doubtful;
		s->end = *p;
		return;
	}
	if (weak)
		return;
	if (value_same(s->end.reg[PATH_RSP], sp)) {
		for (i = 0; i < sizeof(preserved); i++)
			if (!value_same(s->end.reg[preserved[i]], p->reg[preserved[i]]))
				s->end.reg[preserved[i]].kind = LOST;
		return;
	}
	/* By the frame pointer or by the stack pointer: both may be right. */
	if (s->end.reg[PATH_RSP].base != sp.base)
		return;
	if (s->doubtful)
		s->doubts = true;
	else
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
	path_advance(p, &o);
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
	struct value cfa = value_plus(end->reg[PATH_RSP], 8), ra;
	unsigned i;

	if (cfa.kind != ADDRESS || (cfa.base != PATH_RSP && cfa.base != PATH_RBP) ||
	    (cfa.base == PATH_RSP && cfa.off < 8))
		return CODE_UNKNOWN;
	memset(row, 0, sizeof(*row));
	row->cfa_reg = dwarf_number[cfa.base];
	row->cfa_off = cfa.off;
	row->ra = regs_arch.pc;
	ra = path_load(end, end->reg[PATH_RSP]);
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
	    !((a.opcode == 0xc7 && a.mod == 3 && a.rm == PATH_RAX) ||
	      (a.opcode == 0xb8 && a.rm == PATH_RAX)) ||
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

	memset(&s, 0, offsetof(struct search, window));
	s.ms = ms;
	s.m = m;
	path_start(p, vaddr);
	/* At a return address the stack is as it was at the call. */
	p->align_base = exact ? PATH_NOT_ALIGNED : PATH_RSP;
	s.n = 1;
	search(&s);
	if (s.contradicted)
		return CODE_UNKNOWN;
	if (s.found && !s.doubtful)
		return make_row(&s.end, row);
	if (s.straight == CODE_EXITS)
		return CODE_EXITS;
	if (s.cut)
		return CODE_UNKNOWN;
	return s.doubtful && !s.doubts && make_row(&s.end, row) == CODE_ROW ? CODE_DOUBTFUL : CODE_NORETURN;
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

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unwind.c - see unwind.h.
 *
 * Registers are carried along with a bit each for "known". A register whose
 * save slot lies below the stack pointer is taken to hold its value still:
 * after `pop` compilers emit no restore rule, and the slot is not copied.
 */
#include "collect/unwind.h"

#include "collect/cfi.h"
#include "collect/regs.h"
#include "collect/rowcache.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(UNWIND_REGS_MAX == REGS_MAX, "unwind.h repeats it to spare its users regs.h");

#define GO_ON UNWIND_END_COUNT /* not an end */

/* Start-up code of loaders and of musl has no CFI; this much of it, from the entry point on, ends a stack. */
#define ENTRY_WINDOW 128
/* An address this far above the copy is where a deep stack goes on; beyond it is nonsense. */
#define STACK_REACH (64u << 20)
/* No code is mapped below; a pc there is a call through a null pointer, perhaps with an offset. */
#define NULL_AREA 65536
/* How far above the copy a frame pointer may point: the frames between were cut off. */
#define FP_REACH (1u << 20)

struct unwinder {
	struct modules *ms;
	struct cfi *cfi;
	struct rowcache *rows;
	const uint8_t *list; /* registers that rows speak of */
	struct cfi_row full; /* of the frame at hand, if its row is ROW_FULL */
};

struct walk {
	struct unwinder *u;
	struct maps *maps;
	const uint8_t *stack;
	uint64_t at, size; /* of the stack copy */
	uint64_t used;     /* bytes of it that were needed so far */
	uint64_t regs[REGS_MAX];
	uint64_t valid; /* bit per register whose value is known */
	bool exact;     /* pc is where it was interrupted, not where a call returns to */
	bool guessed;   /* some frame was found by its frame pointer */
	bool switched;  /* left for another stack, of which there is no copy */
	struct row row; /* where the cache has no place */
};

static inline uint64_t bit(unsigned reg)
{
	return 1ull << reg;
}

static inline bool load(struct walk *w, uint64_t addr, uint64_t *v)
{
	uint64_t off = addr - w->at;

	if (off >= w->size || w->size - off < sizeof(*v))
		return false;
	memcpy(v, w->stack + off, sizeof(*v));
	if (off + sizeof(*v) > w->used)
		w->used = off + sizeof(*v);
	return true;
}

int unwinder_new(struct unwinder **out, struct modules *ms)
{
	struct unwinder *u = calloc(1, sizeof(*u));
	unsigned n;
	int err;

	if (!u)
		return -ENOMEM;
	u->ms = ms;
	u->list = row_registers(&n);
	err = cfi_new(&u->cfi, ms);
	if (!err)
		err = rowcache_new(&u->rows);
	if (err) {
		unwinder_free(u);
		return err;
	}
	*out = u;
	return 0;
}

void unwinder_free(struct unwinder *u)
{
	if (!u)
		return;
	cfi_free(u->cfi);
	rowcache_free(u->rows);
	free(u);
}

/* ---- rows ---- */

/*
 * In a program the FDE around the entry point is the outermost function's. The
 * loader and static PIEs have no PT_INTERP to tell them from libraries, whose
 * entry point may be just the start of their code: there it must begin an FDE.
 */
static bool is_entry(const struct module *m, const struct cfi_row *full)
{
	if (m->entry && (m->info->e_type == ET_EXEC || m->has_interp))
		return m->entry >= full->start && m->entry < full->end;
	return m->entry && m->entry == full->start;
}

static void fill_row(struct unwinder *u, struct module *m, uint64_t off, struct row *row)
{
	uint64_t vaddr;
	int err;

	row->kind = ROW_NONE;
	row->signal = 0;
	if (!module_by_id(u->ms, m->id) || !profile_module_vaddr(m->info, off, &vaddr))
		return;
	err = cfi_row_at(u->cfi, m, vaddr, &u->full);
	if (err == -ENOENT) {
		if (m->entry && vaddr >= m->entry && vaddr - m->entry < ENTRY_WINDOW)
			row->kind = ROW_END_ENTRY;
	} else if (err) {
		row->kind = ROW_BAD;
	} else {
		row_pack(row, &u->full);
		if (row->kind != ROW_END_CFI && is_entry(m, &u->full))
			row->kind = ROW_END_ENTRY;
	}
}

static inline const struct row *row_at(struct walk *w, const struct mapping *map, uint64_t pc)
{
	struct module *m = map->module;
	uint64_t off = pc - map->start + map->pgoff;
	const struct row *row;
	bool cached;

	cached = row_key(m->id, off, &w->row.key);
	if (cached) {
		row = rowcache_get(w->u->rows, w->row.key);
		if (row)
			return row;
	}
	/* Generated code would only push useful rows out. */
	if (!m->eh_frame_hdr.size && !m->eh_frame.size && !m->debug_frame.size && !m->entry) {
		w->row.kind = ROW_NONE;
		return &w->row;
	}
	fill_row(w->u, m, off, &w->row);
	return cached ? rowcache_put(w->u->rows, &w->row) : &w->row;
}

/* ---- steps ---- */

/* What it means that @addr cannot be read. */
static enum unwind_end unreadable(const struct walk *w, uint64_t addr)
{
	uint64_t top = w->at + w->size;

	if (w->switched || (addr + 8 > top && addr < top + STACK_REACH))
		return UNWIND_END_STACK;
	return UNWIND_END_BAD_MEMORY;
}

/* A function that has not yet saved its return address in memory may have no frame. */
static inline bool ascends(const struct walk *w, uint64_t cfa)
{
	uint64_t sp = w->regs[regs_arch.sp];

	return cfa > sp || (cfa == sp && regs_arch.lr >= 0 && w->exact);
}

/* The caller is at @pc with stack pointer @sp; other registers are in place. */
static inline enum unwind_end arrive(struct walk *w, uint64_t pc, uint64_t sp, bool signal)
{
	pc = regs_strip_pc(pc);
	w->regs[regs_arch.sp] = sp;
	w->regs[regs_arch.pc] = pc;
	w->valid |= bit(regs_arch.sp) | bit(regs_arch.pc);
	w->exact = signal;
	/* Who makes a stack by hand ends it with a return address of 0. */
	if (!pc && !signal)
		return w->guessed ? UNWIND_END_NO_MAPPING : UNWIND_COMPLETE_RULE;
	return GO_ON;
}

static enum unwind_end step_frame_pointer(struct walk *w, enum unwind_end reason);

static inline enum unwind_end step_row(struct walk *w, const struct row *row)
{
	const uint8_t *list = w->u->list;
	const unsigned ra = regs_arch.lr < 0 ? regs_arch.pc : (unsigned)regs_arch.lr;
	uint64_t cfa, sp = w->regs[regs_arch.sp], addr, v;
	unsigned mask, i;

	if (!(w->valid & bit(row->cfa_reg)))
		/* Frame pointers do not bring back what else a register held. */
		return w->guessed ? step_frame_pointer(w, UNWIND_END_BAD_MEMORY) : UNWIND_END_BAD_MEMORY;
	cfa = w->regs[row->cfa_reg] + (uint64_t)(int64_t)row->cfa_off;
	if (!ascends(w, cfa))
		return UNWIND_END_NO_PROGRESS;
	w->valid &= regs_arch.callee_saved | bit(regs_arch.pc);
	for (mask = row->undefined; mask; mask &= mask - 1)
		w->valid &= ~bit(list[__builtin_ctz(mask)]);
	for (mask = row->saved; mask; mask &= mask - 1) {
		i = (unsigned)__builtin_ctz(mask);
		addr = cfa + (uint64_t)((int64_t)(row->base + row->slot[i]) * 8);
		if (load(w, addr, &v)) {
			w->regs[list[i]] = v;
			w->valid |= bit(list[i]);
		} else if (list[i] == ra && (regs_arch.lr < 0 || addr >= sp)) {
			return unreadable(w, addr);
		} else if (addr >= sp) {
			w->valid &= ~bit(list[i]);
		}
	}
	if (!(w->valid & bit(ra)))
		return UNWIND_END_BAD_MEMORY;
	return arrive(w, w->regs[ra], cfa, false);
}

/* The value that @rule gives register @reg in the caller. 0, -EBADMSG, or -EFAULT: not known (*@addr: where
 * it is). */
static int rule_value(const struct cfi_machine *mc, const struct cfi_rule *rule, unsigned reg, uint64_t cfa,
		      uint64_t *v, uint64_t *addr)
{
	uint64_t sp = mc->regs[regs_arch.sp];
	uint64_t from = reg;
	int err;

	switch (rule->kind) {
	case CFI_UNDEFINED:
		return -EFAULT;
	case CFI_UNSPECIFIED:
		if (!(regs_arch.callee_saved & bit(reg)))
			return -EFAULT;
		break;
	case CFI_SAME:
		break;
	case CFI_REGISTER:
		from = rule->u.reg;
		break;
	case CFI_VAL_OFFSET:
		*v = cfa + (uint64_t)rule->u.off;
		return 0;
	case CFI_VAL_EXPR:
		return cfi_eval(rule->u.expr, rule->len, mc, &cfa, v);
	default:
		*addr = cfa + (uint64_t)rule->u.off;
		err = rule->kind == CFI_EXPR ? cfi_eval(rule->u.expr, rule->len, mc, &cfa, addr) : 0;
		if (err || cfi_load(mc, *addr, 8, v))
			return err;
		if (*addr >= sp || reg == regs_arch.pc)
			return -EFAULT;
	}
	if (from >= REGS_MAX || !(mc->valid & bit((unsigned)from)))
		return -EFAULT;
	*v = mc->regs[from];
	return 0;
}

static int full_cfa(const struct cfi_machine *mc, const struct cfi_row *full, uint64_t *cfa)
{
	if (full->cfa_is_expr)
		return cfi_eval(full->cfa_expr, full->cfa_len, mc, NULL, cfa);
	if (full->cfa_reg >= REGS_MAX)
		return -EBADMSG;
	if (!(mc->valid & bit((unsigned)full->cfa_reg)))
		return -EFAULT;
	*cfa = mc->regs[full->cfa_reg] + (uint64_t)full->cfa_off;
	return 0;
}

/* After a signal frame the stack may be another one, in either direction. */
static enum unwind_end change_stack(struct walk *w, uint64_t sp)
{
	uint64_t from = w->regs[regs_arch.sp];

	if (sp < w->at || sp - w->at >= w->size) {
		w->switched = true;
		return GO_ON;
	}
	return sp > from ? GO_ON : UNWIND_END_NO_PROGRESS;
}

/* The registers of the caller by @full's rules; known ones in *@valid. 0 or -EBADMSG. */
static int full_registers(const struct cfi_machine *mc, const struct cfi_row *full, uint64_t cfa,
			  uint64_t out[REGS_MAX], uint64_t *valid)
{
	uint64_t addr;
	unsigned i;
	int err;

	*valid = 0;
	for (i = 0; i < regs_arch.n; i++) {
		err = rule_value(mc, &full->regs[i], i, cfa, &out[i], &addr);
		if (err == -EBADMSG)
			return err;
		if (!err)
			*valid |= bit(i);
	}
	if (full->regs[regs_arch.sp].kind == CFI_UNSPECIFIED || full->regs[regs_arch.sp].kind == CFI_SAME) {
		out[regs_arch.sp] = cfa;
		*valid |= bit(regs_arch.sp);
	}
	return 0;
}

static int full_return_address(const struct cfi_machine *mc, const struct cfi_row *full, uint64_t cfa,
			       uint64_t *pc, uint64_t *addr)
{
	struct cfi_rule rule;

	if (full->ra >= regs_arch.n)
		return -EBADMSG;
	rule = full->regs[full->ra];
	if (rule.kind == CFI_UNSPECIFIED && regs_arch.lr < 0)
		rule = (struct cfi_rule){.kind = CFI_OFFSET, .u.off = -8};
	return rule_value(mc, &rule, (unsigned)full->ra, cfa, pc, addr);
}

static enum unwind_end step_full(struct walk *w, const struct mapping *map, uint64_t pc)
{
	const struct cfi_machine mc = {w->regs, w->valid, w->stack, w->at, w->size};
	struct cfi_row *full = &w->u->full;
	uint64_t out[REGS_MAX] = {0}, valid, cfa, vaddr, ra, addr = 0;
	enum unwind_end end;
	int err;

	if (!module_by_id(w->u->ms, map->module->id) ||
	    !profile_module_vaddr(map->module->info, pc - map->start + map->pgoff, &vaddr) ||
	    cfi_row_at(w->u->cfi, map->module, vaddr, full))
		return UNWIND_END_BAD_CFI;
	err = full_cfa(&mc, full, &cfa);
	if (!err)
		err = full_registers(&mc, full, cfa, out, &valid);
	if (err)
		return err == -EBADMSG ? UNWIND_END_BAD_CFI : unreadable(w, w->regs[regs_arch.sp]);
	if (!full->signal && !ascends(w, cfa))
		return UNWIND_END_NO_PROGRESS;
	err = full_return_address(&mc, full, cfa, &ra, &addr);
	if (err)
		return err == -EBADMSG ? UNWIND_END_BAD_CFI : unreadable(w, addr);
	if (!(valid & bit(regs_arch.sp)))
		return UNWIND_END_BAD_MEMORY;
	if (full->signal) {
		end = change_stack(w, out[regs_arch.sp]);
		if (end != GO_ON)
			return end;
	} else if (out[regs_arch.sp] <= w->regs[regs_arch.sp] && !ascends(w, out[regs_arch.sp])) {
		return UNWIND_END_NO_PROGRESS;
	}
	memcpy(w->regs, out, sizeof(out));
	w->valid = valid;
	return arrive(w, ra, out[regs_arch.sp], full->signal);
}

/* ---- where there is no CFI ---- */

/* A call through a null pointer: nothing of the callee has run, so the return address is where the call put
 * it. */
static bool step_null_call(struct walk *w)
{
	uint64_t sp = w->regs[regs_arch.sp], ra;

	if (regs_arch.lr >= 0)
		ra = w->valid & bit((unsigned)regs_arch.lr) ? w->regs[regs_arch.lr] : 0;
	else if (!load(w, sp, &ra))
		return false;
	ra = regs_strip_pc(ra);
	if (!ra || !maps_find(w->maps, ra - 1))
		return false;
	w->valid &= regs_arch.callee_saved;
	arrive(w, ra, regs_arch.lr >= 0 ? sp : sp + 8, false);
	return true;
}

static bool plausible_link(const struct walk *w, uint64_t fp, uint64_t next)
{
	/* 0 marks the outermost frame: x86-64 psABI 3.4.1, AAPCS64 6.4.6 */
	return !next || (next > fp && next - w->at < w->size + FP_REACH);
}

/* The frame record that both psABIs describe: {caller's frame pointer, return address} at the frame pointer.
 */
static enum unwind_end step_frame_pointer(struct walk *w, enum unwind_end reason)
{
	uint64_t fp = w->regs[regs_arch.fp], next, ra;

	if (!(w->valid & bit(regs_arch.fp)))
		return reason;
	if (!fp && !w->exact)
		return UNWIND_COMPLETE_RULE;
	if (fp < w->regs[regs_arch.sp] || fp % 8)
		return reason;
	if (!load(w, fp, &next) || !load(w, fp + 8, &ra))
		return w->guessed ? unreadable(w, fp) : reason;
	ra = regs_strip_pc(ra);
	if (!next && !ra && !w->exact)
		return UNWIND_COMPLETE_RULE;
	if (!plausible_link(w, fp, next) || !ra || !maps_find(w->maps, ra - 1))
		return reason;
	w->guessed = true;
	w->valid = bit(regs_arch.fp);
	w->regs[regs_arch.fp] = next;
	arrive(w, ra, fp + 16, false);
	/* Where calls do not push, the record may lie anywhere in the frame: a lower bound only. */
	if (regs_arch.lr >= 0)
		w->valid &= ~bit(regs_arch.sp);
	return GO_ON;
}

static enum unwind_end step_without_cfi(struct walk *w, const struct mapping *map)
{
	enum unwind_end reason = UNWIND_END_NO_CFI;
	const struct module *m;

	if (!map) {
		reason = UNWIND_END_NO_MAPPING;
		if (!w->exact) /* no return address at all, perhaps: nothing to build on */
			return reason;
		if (w->regs[regs_arch.pc] < NULL_AREA && step_null_call(w))
			return GO_ON;
	} else {
		m = module_by_id(w->u->ms, map->module->id);
		if (m && m->info->reason != MODULE_OK && m->info->kind != MODULE_ANON)
			reason = UNWIND_END_NO_MODULE;
	}
	return step_frame_pointer(w, reason);
}

static inline enum unwind_end step(struct walk *w, struct unwind_frame *frame)
{
	const struct row *row;

	if (!frame->map)
		return step_without_cfi(w, frame->map);
	row = row_at(w, frame->map, frame->pc);
	switch (row->kind) {
	case ROW_CFI:
		return step_row(w, row);
	case ROW_FULL:
		/* The kernel, not a call, made a trampoline the return address: its name is that of pc
		 * itself. */
		if (row->signal && !w->exact && w->regs[regs_arch.pc] < frame->map->end)
			return step_full(w, frame->map, frame->pc++);
		return step_full(w, frame->map, frame->pc);
	case ROW_END_CFI:
		return UNWIND_COMPLETE_CFI;
	case ROW_END_ENTRY:
		return UNWIND_COMPLETE_ENTRY;
	case ROW_NONE:
		return step_without_cfi(w, frame->map);
	default:
		return UNWIND_END_BAD_CFI;
	}
}

void unwind_walk(struct unwinder *u, struct maps *maps, const struct unwind_sample *sample,
		 struct unwind_frame *frames, uint32_t max, struct unwind_result *out)
{
	enum unwind_end stop = GO_ON;
	uint32_t n = 0;
	struct walk w;
	uint64_t pc;

	memcpy(w.regs, sample->regs, regs_arch.n * sizeof(w.regs[0]));
	w.u = u;
	w.maps = maps;
	w.at = w.regs[regs_arch.sp];
	w.stack = sample->stack;
	w.size = sample->stack ? sample->stack_size : 0;
	if (w.size > UINT64_MAX - w.at) /* a stack at the end of the address space: hostile */
		w.size = 0;
	w.used = 0;
	w.valid = (1ull << regs_arch.n) - 1;
	w.exact = true;
	w.guessed = w.switched = false;
	while (stop == GO_ON) {
		if (n == max) {
			stop = UNWIND_END_FRAMES;
			break;
		}
		pc = w.regs[regs_arch.pc] - (w.exact ? 0 : 1);
		frames[n] = (struct unwind_frame){pc, maps_find(maps, pc)};
		stop = step(&w, &frames[n++]);
	}
	*out = (struct unwind_result){.end = stop, .n = n, .stack_used = w.used};
}

/* SPDX-License-Identifier: Apache-2.0 */
/* unwind_guess.c - see unwind_private.h: steps where nothing describes the code. */
#include "collect/unwind_private.h"

#include "collect/code.h"

/* No code is mapped below; a pc there is a call through a null pointer, perhaps with an offset. */
#define NULL_AREA 65536
/* How far above the copy a frame pointer may point: the frames between were cut off. */
#define FP_REACH (1u << 20)
/* Bytes that generated code may have put below its interpreter's frame, and what such a frame has at least.
 */
#define VM_SPILLS    2048
#define VM_FRAME_MIN 32
/* How large a function that never returns may be: its frame, and its code up to where it is. */
#define NORETURN_WORDS 64
#define NORETURN_BYTES 4096

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

/* A call is before every return address; a signal trampoline is where a handler returns to, without one. */
static bool is_return_address(struct walk *w, uint64_t ra)
{
	const struct mapping *map = maps_find(w->maps, ra - 1);
	const struct row *row = map ? unwind_row(w, map, ra - 1, false) : NULL;

	return row && (row->signal || unwind_follows_call(w, map, ra));
}

/*
 * Whether {@next, @ra} at @fp looks like a frame record. The last one before code
 * that uses the register otherwise holds just any value: then the call must tell.
 */
static bool plausible_record(struct walk *w, uint64_t fp, uint64_t next, uint64_t ra)
{
	if (!ra || !maps_find(w->maps, ra - 1))
		return false;
	/* 0 marks the outermost frame: x86-64 psABI 3.4.1, AAPCS64 6.4.6 */
	return !next || (next > fp && next - w->at < w->size + FP_REACH) || is_return_address(w, ra);
}

/* The frame record that both psABIs describe: {caller's frame pointer, return address} at the frame pointer.
 */
enum unwind_end unwind_step_frame_pointer(struct walk *w, enum unwind_end reason)
{
	uint64_t fp = w->regs[regs_arch.fp], next, ra;

	if (!(w->valid & bit(regs_arch.fp)))
		return reason;
	/* Where frame pointers are the exception, a register of 0 is just a value. */
	if (!fp && !w->exact && (w->guessed || regs_arch.lr >= 0))
		return UNWIND_COMPLETE_RULE;
	if (fp < w->regs[regs_arch.sp] || fp % 8)
		return reason;
	if (!load(w, fp, &next) || !load(w, fp + 8, &ra))
		return w->guessed ? unreadable(w, fp) : reason;
	ra = regs_strip_pc(ra);
	if (!next && !ra && !w->exact)
		return UNWIND_COMPLETE_RULE;
	if (!plausible_record(w, fp, next, ra))
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

/* ---- the code itself ---- */

enum unwind_end unwind_step_code(struct walk *w, const struct row *row)
{
	const struct row r = *row; /* looking at the caller may move it in the cache */
	uint64_t cfa, ra;

	if (!(w->valid & bit(r.cfa_reg)))
		return unwind_step_frame_pointer(w, UNWIND_END_NO_CFI);
	cfa = w->regs[r.cfa_reg] + (uint64_t)(int64_t)r.cfa_off;
	if (!ascends(w, cfa))
		return unwind_step_frame_pointer(w, UNWIND_END_NO_CFI);
	if (!load(w, cfa + (uint64_t)((int64_t)r.base * 8), &ra))
		return unreadable(w, cfa);
	ra = regs_strip_pc(ra);
	if (!ra && r.kind == ROW_DOUBTFUL)
		return unwind_step_noreturn(w);
	/* 0 ends a stack made by hand. */
	if (ra && !is_return_address(w, ra))
		return r.kind == ROW_DOUBTFUL ? unwind_step_noreturn(w)
					      : unwind_step_frame_pointer(w, UNWIND_END_NO_CFI);
	return unwind_step_row(w, &r);
}

/* The ELF address @ra has in @map, and where the call before it leads to. False: no call, or only the running
 * program knows. */
static bool direct_call(struct walk *w, const struct mapping *map, uint64_t ra, uint64_t *vaddr,
			uint64_t *target)
{
	if (!unwind_follows_call(w, map, ra) || !module_by_id(w->u->ms, map->module->id) ||
	    !profile_module_vaddr(map->module->info, ra - 1 - map->start + map->pgoff, vaddr))
		return false;
	++*vaddr;
	return code_follows_call(w->u->ms, map->module, *vaddr, target) && *target;
}

/*
 * Whether the frame pointer is of the function whose return address lies below
 * @at: what it inherited would point further up. Then that is what is restored.
 */
static bool own_record(struct walk *w, uint64_t at)
{
	const uint64_t fp = w->regs[regs_arch.fp];

	return regs_arch.lr < 0 && (w->valid & bit(regs_arch.fp)) && fp == at - 16 &&
	       load(w, fp, &w->regs[regs_arch.fp]);
}

/*
 * A function that never returns does not tell where its return address is. Its
 * caller is the one whose call leads to the nearest place before @pc: that is the
 * function's begin. Else the outermost frame (start code calls what never returns,
 * too), unless there is what looks like a frame between.
 */
enum unwind_end unwind_step_noreturn(struct walk *w)
{
	uint64_t sp = w->regs[regs_arch.sp], pc = w->regs[regs_arch.pc], near = 0, found = 0, at = 0;
	uint64_t ra, to, vaddr, target;
	const struct mapping *map;
	const struct row *row;
	bool end = false, between = false;
	unsigned i;

	for (i = 0; i < NORETURN_WORDS && !end && load(w, sp + 8 * i, &ra); i++) {
		ra = regs_strip_pc(ra);
		map = ra ? maps_find(w->maps, ra - 1) : NULL;
		if (!map || !unwind_follows_call(w, map, ra))
			continue;
		to = direct_call(w, map, ra, &vaddr, &target) ? ra + (target - vaddr) : 0;
		row = unwind_row(w, map, ra - 1, false);
		end = row->kind == ROW_END_ENTRY || row->kind == ROW_END_RULE;
		if (to > near && to < pc && pc - to < NORETURN_BYTES) {
			near = to;
		} else if (near || !end || between) {
			/* Start code calls main by a pointer, and then what ends the process. */
			between |= row->kind != ROW_NORETURN && (to || row->kind != ROW_DOUBTFUL);
			continue;
		}
		found = ra;
		at = sp + 8 * (i + 1);
	}
	if (!found)
		return unwind_step_frame_pointer(w, UNWIND_END_NO_CFI);
	w->valid = own_record(w, at) ? bit(regs_arch.fp) : 0;
	return arrive(w, found, at, false);
}

/*
 * The row of an interpreter's frame, if @ra is where one returns to: what was
 * called has one CFA rule for all its code, its first instruction included.
 * Functions of compilers never do: there the CFA is next to the stack pointer.
 */
static bool interpreter_row(struct walk *w, uint64_t ra)
{
	const struct mapping *map = maps_find(w->maps, ra - 1);
	struct cfi_row *row = &w->u->full;
	uint64_t target, vaddr;

	if (!map || !direct_call(w, map, ra, &vaddr, &target))
		return false;
	return !cfi_row_at(w->u->cfi, map->module, target, row) && target >= row->start &&
	       target < row->end && !row->cfa_is_expr && row->cfa_reg == regs_arch.sp &&
	       row->cfa_off >= VM_FRAME_MIN && !cfi_row_at(w->u->cfi, map->module, row->start, row) &&
	       row->cfa_off >= VM_FRAME_MIN;
}

/*
 * Machine code that an interpreter made runs on the interpreter's own frame,
 * with some room for spills below it (LuaJIT). The interpreter has CFI, and its
 * frame's return address is the first up the stack that follows a call to it.
 */
static enum unwind_end step_generated(struct walk *w, enum unwind_end reason)
{
	uint64_t sp = w->regs[regs_arch.sp], addr, ra, below;
	struct row row = {.key = 0};

	if (regs_arch.lr >= 0 || !(w->valid & bit(regs_arch.sp)))
		return reason;
	for (addr = sp; addr - sp < VM_SPILLS && load(w, addr, &ra); addr += 8) {
		if (!ra || !interpreter_row(w, ra))
			continue;
		below = addr + 8 - (uint64_t)w->u->full.cfa_off;
		if (below < sp || below - sp > VM_SPILLS)
			continue;
		row_pack(&row, &w->u->full);
		if (row.kind != ROW_CFI)
			return reason;
		w->regs[regs_arch.sp] = below;
		return unwind_step_row(w, &row);
	}
	return reason;
}

enum unwind_end unwind_step_unknown(struct walk *w, const struct mapping *map)
{
	enum unwind_end reason = UNWIND_END_NO_CFI;
	const struct module *m;
	enum unwind_end end;

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
	end = unwind_step_frame_pointer(w, reason);
	if (end == reason && map && map->module->info->kind == MODULE_ANON)
		end = step_generated(w, reason);
	return end;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unwind.c - see unwind.h.
 *
 * Registers are carried along with a bit each for "known". A register whose
 * save slot lies below the stack pointer is taken to hold its value still:
 * after `pop` compilers emit no restore rule, and the slot is not copied.
 */
#include "collect/unwind_private.h"

#include "collect/code.h"
#include "collect/gotab.h"
#include "collect/unwind_fast.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>

_Static_assert(UNWIND_REGS_MAX == REGS_MAX, "unwind.h repeats it to spare its users regs.h");

/* Start-up code of loaders and of musl has no CFI; this much of it, from the entry point on, ends a stack. */
#define ENTRY_WINDOW 64
/* Outermost frames that are kept of a stack with too many. */
#define ROOT_FRAMES 64
/*
 * A return address takes this much of a stack. More frames than the copy can hold
 * need no memory to go on: expressions of a hostile file, made up from registers.
 */
#define FRAME_MIN 8

#define NEED_SHIFT 4    /* the average is over about so many samples, as a power of two */
#define NEED_MAX   4096 /* more than this in flight only drives out what is needed first */

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
	if (!err)
		err = memos_new(&u->memos);
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
	memos_free(u->memos);
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

/*
 * The full row of u->full from what there is but CFI: signal trampolines, Go's
 * table, and the code itself. Returns the kind it is of.
 */
static enum row_kind other_row(struct unwinder *u, struct module *m, uint64_t vaddr, bool exact)
{
	if (code_signal_row(u->ms, m, vaddr + !exact, &u->full))
		return ROW_FULL;
	switch (gotab_row_at(u->ms, m, vaddr, &u->full)) {
	case GOTAB_ROW:
		return ROW_CFI;
	case GOTAB_TOP:
		return ROW_END_RULE;
	case GOTAB_SWITCH:
		return ROW_SWITCH;
	case GOTAB_NONE:
		break;
	}
	if (m->entry && vaddr >= m->entry && vaddr - m->entry < ENTRY_WINDOW)
		return ROW_END_ENTRY;
	switch (code_row_at(u->ms, m, vaddr + !exact, exact, &u->full)) {
	case CODE_ROW:
		return ROW_CODE;
	case CODE_DOUBTFUL:
		return ROW_DOUBTFUL;
	case CODE_NORETURN:
		return ROW_NORETURN;
	case CODE_EXITS:
		return ROW_END_RULE;
	case CODE_UNKNOWN:
		break;
	}
	return ROW_NONE;
}

static void fill_other(struct unwinder *u, struct module *m, uint64_t vaddr, bool exact, struct row *row)
{
	enum row_kind kind = other_row(u, m, vaddr, exact);

	if (kind == ROW_CFI || kind == ROW_CODE || kind == ROW_DOUBTFUL || kind == ROW_FULL ||
	    kind == ROW_SWITCH) {
		row_pack(row, &u->full);
		if ((kind == ROW_CODE || kind == ROW_DOUBTFUL) && row->kind == ROW_FULL)
			kind = ROW_NONE;
		else if (row->kind == ROW_FULL && kind != ROW_SWITCH)
			kind = ROW_FULL;
	}
	row->kind = kind;
}

/* @exact: the code at @off was interrupted; else it is the last byte of a call. No address is ever both. */
static void fill_row(struct unwinder *u, struct module *m, uint64_t off, bool exact, struct row *row)
{
	uint64_t vaddr;
	int err;

	*row = (struct row){.key = row->key, .kind = ROW_NONE};
	if (!module_by_id(u->ms, m->id) || !profile_module_vaddr(m->info, off, &vaddr))
		return;
	/* Go's .debug_frame cannot tell where a stack ends or changes; its table can. */
	err = m->gopclntab.size ? -ENOENT : cfi_row_at(u->cfi, m, vaddr, &u->full);
	if (err == -ENOENT)
		fill_other(u, m, vaddr, exact, row);
	if (m->gopclntab.size && row->kind == ROW_NONE)
		err = cfi_row_at(u->cfi, m, vaddr, &u->full);
	if (err == -ENOENT) {
		return;
	} else if (err) {
		row->kind = ROW_BAD;
	} else {
		row_pack(row, &u->full);
		if (row->kind != ROW_END_CFI && is_entry(m, &u->full))
			row->kind = ROW_END_ENTRY;
	}
}

/* The row for @pc in @map, in the cache if it can be there, else in @uncached. */
static const struct row *find_row(struct unwinder *u, const struct mapping *map, uint64_t pc, bool exact,
				  struct row *uncached)
{
	struct module *m = map->module;
	uint64_t off = pc - map->start + map->pgoff;
	const struct row *row;
	bool cached;

	cached = row_key(m->id, off, &uncached->key);
	if (cached) {
		row = rowcache_get(u->rows, uncached->key);
		if (row)
			return row;
	}
	/* Generated code would only push useful rows out. */
	if (!m->eh_frame_hdr.size && !m->eh_frame.size && !m->debug_frame.size && !m->entry && !m->has_code) {
		*uncached = (struct row){.kind = ROW_NONE};
		return uncached;
	}
	fill_row(u, m, off, exact, uncached);
	uncached->plain &= uncached->kind == ROW_CFI; /* the packed rules may serve another kind */
	return cached ? rowcache_put(u->rows, uncached) : uncached;
}

const struct row *unwind_row(struct walk *w, const struct mapping *map, uint64_t pc, bool exact)
{
	return find_row(w->u, map, pc, exact, &w->row);
}

bool unwind_follows_call(struct walk *w, const struct mapping *map, uint64_t ra)
{
	/* All rows are the cache's or the walk's: const only to those who look. */
	struct row *row = (struct row *)(uintptr_t)unwind_row(w, map, ra - 1, false);
	struct module *m = module_by_id(w->u->ms, map->module->id);
	uint64_t vaddr;

	if (row->call == ROW_CALL_UNKNOWN)
		row->call = m && profile_module_vaddr(m->info, ra - 1 - map->start + map->pgoff, &vaddr) &&
					    code_follows_call(w->u->ms, m, vaddr + 1, NULL)
				    ? ROW_CALL_YES
				    : ROW_CALL_NO;
	return row->call == ROW_CALL_YES;
}

static const struct row *row_for_fast(void *arg, const struct mapping *map, uint64_t pc, bool exact)
{
	struct unwinder *u = arg;

	return find_row(u, map, pc, exact, &u->uncached);
}

int unwind_full_row(struct walk *w, const struct mapping *map, uint64_t pc)
{
	struct unwinder *u = w->u;
	uint64_t vaddr;
	int err;

	if (!module_by_id(u->ms, map->module->id) ||
	    !profile_module_vaddr(map->module->info, pc - map->start + map->pgoff, &vaddr))
		return -ENOENT;
	err = cfi_row_at(u->cfi, map->module, vaddr, &u->full);
	if (err != -ENOENT)
		return err;
	return code_row_at(u->ms, map->module, vaddr + !w->exact, w->exact, &u->full) == CODE_ROW ? 0
												  : -ENOENT;
}

/* ---- steps ---- */

/*
 * The CFA by @row, where sp is not known: behind code without CFI whose frame record
 * may lie anywhere in its frame. If the function of @row keeps a record of its own,
 * fp points to it. If not, fp is some outer function's, and its callers are out of reach.
 */
static bool cfa_by_record(const struct walk *w, const struct row *row, uint64_t *cfa)
{
	const unsigned fp = row_fp_slot(), lr = fp + 1; /* by number, as in a record */

	if (row->cfa_reg != regs_arch.sp || !(w->valid & bit(regs_arch.fp)) || !(row->saved >> fp & 1) ||
	    !(row->saved >> lr & 1) || row->slot[lr] != row->slot[fp] + 1)
		return false;
	*cfa = w->regs[regs_arch.fp] - (uint64_t)((int64_t)(row->base + row->slot[fp]) * 8);
	return true;
}

inline enum unwind_end unwind_step_row(struct walk *w, const struct row *row)
{
	const uint8_t *list = w->u->list;
	const unsigned ra = regs_arch.lr < 0 ? regs_arch.pc : (unsigned)regs_arch.lr;
	uint64_t cfa = 0, sp = w->regs[regs_arch.sp], addr, v;
	unsigned mask, i;
	bool ok = true;

	if (w->valid & bit(row->cfa_reg))
		cfa = w->regs[row->cfa_reg] + (uint64_t)(int64_t)row->cfa_off;
	else if (regs_arch.lr >= 0)
		ok = w->guessed && cfa_by_record(w, row, &cfa);
	else
		/* Frame pointers do not bring back what else a register held. */
		return w->guessed ? unwind_step_frame_pointer(w, UNWIND_END_BAD_MEMORY)
				  : UNWIND_END_BAD_MEMORY;
	if (!ok)
		return UNWIND_END_BAD_MEMORY;
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

static inline enum unwind_end step(struct walk *w, struct unwind_frame *frame)
{
	const struct row *row;

	if (!frame->map)
		return unwind_step_unknown(w, frame->map);
	row = unwind_row(w, frame->map, frame->pc, w->exact);
	switch (row->kind) {
	case ROW_CFI:
		return unwind_step_row(w, row);
	case ROW_FULL:
		/* The kernel, not a call, made a trampoline the return address: its name is that of pc
		 * itself. */
		if (row->signal && !w->exact && w->regs[regs_arch.pc] < frame->map->end)
			return unwind_step_full(w, frame->map, frame->pc++);
		return unwind_step_full(w, frame->map, frame->pc);
	case ROW_CODE:
	case ROW_DOUBTFUL:
		return unwind_step_code(w, row);
	case ROW_SWITCH:
		/* The frame pointer is where that of the function on this stack would be: not switched yet,
		 * or back. */
		if (row->saved && regs_arch.lr < 0 && (w->valid & bit(regs_arch.fp)) &&
		    w->regs[regs_arch.fp] + 16 == w->regs[regs_arch.sp] + (uint64_t)(int64_t)row->cfa_off)
			return unwind_step_row(w, row);
		/* Go's mcall and morestack clear the frame pointer: what they call never returns to them. */
		if (!w->exact && (w->valid & bit(regs_arch.fp)) && !w->regs[regs_arch.fp])
			return UNWIND_COMPLETE_RULE;
		w->switched = w->go_switch = true;
		return UNWIND_END_STACK;
	case ROW_NORETURN:
		return unwind_step_noreturn(w);
	case ROW_END_CFI:
		return UNWIND_COMPLETE_CFI;
	case ROW_END_ENTRY:
		return UNWIND_COMPLETE_ENTRY;
	case ROW_END_RULE:
		return UNWIND_COMPLETE_RULE;
	case ROW_NONE:
		return unwind_step_unknown(w, frame->map);
	default:
		return UNWIND_END_BAD_CFI;
	}
}

/*
 * Where frame @i goes when there are at most @max: behind the leaf ones, the
 * last places take turns, so that the outermost are there at the end.
 */
static inline uint32_t place(uint32_t i, uint32_t max)
{
	uint32_t root = max / 4 < ROOT_FRAMES ? max / 4 : ROOT_FRAMES;

	if (i < max || !root)
		return i;
	return max - root + (i - max) % root;
}

/* The root frames lie in a circle: put them in order. */
static void unroll(struct unwind_frame *frames, uint32_t n, uint32_t max, struct unwind_result *out)
{
	uint32_t root = max / 4 < ROOT_FRAMES ? max / 4 : ROOT_FRAMES, i, first;
	struct unwind_frame tmp[ROOT_FRAMES];

	first = (n - max) % root;
	for (i = 0; i < root; i++)
		tmp[i] = frames[max - root + (first + i) % root];
	memcpy(frames + max - root, tmp, root * sizeof(*tmp));
	out->n = max;
	out->gap = max - root;
	out->end = UNWIND_END_FRAMES;
}

static enum unwind_end walk_frames(struct walk *w, struct unwind_frame *frames, uint32_t max)
{
	enum unwind_end stop = GO_ON;
	struct unwind_frame *f;
	uint64_t pc;

	while (stop == GO_ON) {
		if (w->n >= max && (max < 4 || w->n > w->size / FRAME_MIN))
			return UNWIND_END_FRAMES;
		pc = w->regs[regs_arch.pc] - (w->exact ? 0 : 1);
		f = &frames[place(w->n, max)];
		*f = (struct unwind_frame){pc, maps_find(w->maps, pc)};
		w->trail[w->n++ % TRAIL] = w->regs[regs_arch.sp];
		stop = step(w, f);
		if (!w->switched)
			w->high = w->regs[regs_arch.sp];
	}
	return stop;
}

static void start(struct walk *w, struct unwinder *u, struct maps *maps, const struct unwind_sample *sample)
{
	memset(w, 0, offsetof(struct walk, regs));
	memcpy(w->regs, sample->regs, regs_arch.n * sizeof(w->regs[0]));
	memset((uint8_t *)w + offsetof(struct walk, valid), 0,
	       offsetof(struct walk, row) - offsetof(struct walk, valid));
	w->u = u;
	w->maps = maps;
	w->sample = sample;
	w->at = w->high = w->regs[regs_arch.sp];
	w->stack = sample->stack;
	w->size = sample->stack ? sample->stack_size : 0;
	if (w->size > UINT64_MAX - w->at) /* a stack at the end of the address space: hostile */
		w->size = 0;
	w->valid = (1ull << regs_arch.n) - 1;
	w->exact = true;
}

/* What the walk needed of the copy: all of it, if it needed more than there is. */
static uint64_t used(const struct walk *w, enum unwind_end end)
{
	if (end == UNWIND_END_STACK && !w->switched)
		return w->size;
	return w->high - w->at < w->size ? w->high - w->at : w->size;
}

void unwind_walk(struct unwinder *u, struct maps *maps, const struct unwind_sample *sample,
		 struct unwind_frame *frames, uint32_t max, struct unwind_result *out)
{
	uint32_t need;

	if (!unwind_fast(u->rows, u->memos, row_for_fast, u, maps, sample, frames, max, out))
		unwind_thorough(u, maps, sample, frames, max, out);
	need = out->stack_used < NEED_MAX ? (uint32_t)out->stack_used : NEED_MAX;
	u->need += need - (u->need >> NEED_SHIFT);
}

uint32_t unwinder_ahead(const struct unwinder *u)
{
	return u->need >> NEED_SHIFT;
}

void unwind_thorough(struct unwinder *u, struct maps *maps, const struct unwind_sample *sample,
		     struct unwind_frame *frames, uint32_t max, struct unwind_result *out)
{
	enum unwind_end end;
	struct walk w;

	start(&w, u, maps, sample);
	end = walk_frames(&w, frames, max);
	*out = (struct unwind_result){.end = end, .n = w.n, .stack_used = used(&w, end)};
	if (w.n > max)
		unroll(frames, w.n, max, out);
	else if (end == UNWIND_END_STACK && sample->chain && w.n < max)
		out->n += out->spliced = splice(&w, frames, max, &out->end);
}

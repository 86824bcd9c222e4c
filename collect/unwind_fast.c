/* SPDX-License-Identifier: Apache-2.0 */
/* unwind_fast.c - see unwind_fast.h. Only where return addresses are on the stack: x86-64. */
#include "collect/unwind_fast.h"

#include "collect/regs.h"
#include "collect/unwind_memo.h"

#include <string.h>

#define LINE  64
#define AHEAD 32

#define LOWEST 4096 /* stack pointer */

/* The mapping at hand. */
struct span {
	uint64_t start, len;
	uint64_t key; /* plus an address in it: that address' row's key */
	const struct mapping *map;
};

struct fast {
	struct rowcache *rc;
	unwind_row_fn *fill;
	void *arg;
	struct maps *maps;
	struct span now;
};

static inline bool in_span(const struct span *s, uint64_t addr)
{
	return addr - s->start < s->len;
}

/* Make the mapping of @addr the one at hand. False: there is none, or its rows have no keys. */
static bool enter(struct fast *f, uint64_t addr)
{
	const struct mapping *map = maps_find(f->maps, addr);
	uint64_t key, last;

	if (!map)
		return false;
	last = map->end - map->start - 1;
	if (last > UINT64_MAX - map->pgoff || !row_key(map->module->id, map->pgoff + last, &key))
		return false;
	f->now = (struct span){map->start, last + 1, key - (map->end - 1), map};
	return true;
}

/* The row of @key, which is that of @pc; NULL if there is no cached one. */
static const struct row *look_up(struct fast *f, uint64_t key, uint64_t pc, bool exact)
{
	const struct row *row = rowcache_get(f->rc, key);

	if (row)
		return row;
	row = f->fill(f->arg, f->now.map, pc, exact);
	return row >= f->rc->rows && row < f->rc->rows + ROWCACHE_ROWS ? row : NULL;
}

static inline uint64_t load(const uint8_t *stack, uint64_t off)
{
	uint64_t v;

	memcpy(&v, stack + off, sizeof(v));
	return v;
}

/* True if @row is of an outermost frame. */
static inline bool is_end(const struct row *row, enum unwind_end *end)
{
	switch (row->kind) {
	case ROW_END_CFI:
		*end = UNWIND_COMPLETE_CFI;
		return true;
	case ROW_END_ENTRY:
		*end = UNWIND_COMPLETE_ENTRY;
		return true;
	case ROW_END_RULE:
		*end = UNWIND_COMPLETE_RULE;
		return true;
	default:
		return false;
	}
}

/* The frames so far, as a memo has them, and the frame of the memo that the walk has not passed. */
struct trail {
	struct memo *memo;
	const struct memo_frame *next;
	uint32_t n; /* of more than there is room for nothing is kept */
	struct memo_frame f[MEMO_FRAMES + 1];
};

/*
 * The walk is at the last frame of @t, as the memo was once. True: so is all the
 * rest, which is in @frames behind the @n that are there; @out is set.
 */
static bool join(struct trail *t, const struct unwind_sample *s, struct unwind_frame *frames, uint32_t n,
		 uint32_t max, struct unwind_result *out)
{
	const uint64_t at = s->regs[regs_arch.sp];
	uint32_t from = (uint32_t)(t->next - t->memo->f), left;

	if (from - 1 > max - n)
		return false;
	left = memo_follow(t->memo, from, s, at, frames + n);
	if (left != 1) {
		t->next = &t->memo->f[left - 1]; /* what is between would come no farther */
		return false;
	}
	*out = (struct unwind_result){
		.end = t->memo->end, .n = n + from - 1, .stack_used = t->memo->f[1].sp - at};
	memo_keep(t->memo, t->f, t->n - 1, from, t->memo->end);
	return true;
}

static bool walk(struct fast *f, struct trail *t, const struct unwind_sample *s, struct unwind_frame *frames,
		 uint32_t max, struct unwind_result *out)
{
	const unsigned fp_slot = row_fp_slot(), fp_reg = regs_arch.fp;
	const uint8_t *stack = s->stack;
	const uint64_t at = s->regs[regs_arch.sp], last = s->stack_size - 8;
	uint64_t sp = 0, fp = s->regs[regs_arch.fp], pc = s->regs[regs_arch.pc]; /* sp: from at on */
	uint64_t cfa, slot, key;
	struct memo_frame *own;
	enum unwind_end end;
	const struct row *row;
	uint32_t n = 0;
	bool saved;

	if (!enter(f, pc))
		return false;
	key = f->now.key + pc;
	row = look_up(f, key, pc, true);
	while (row && n < max) {
		frames[n++] = (struct unwind_frame){pc, f->now.map};
		own = &t->f[t->n++ & MEMO_FRAMES];
		*own = (struct memo_frame){at + sp, fp, pc, f->now.map, MEMO_SLOT_NONE};
		while (t->next->sp < at + sp)
			t->next--;
		if (t->next->sp == at + sp && t->next->pc == pc && t->next->fp == fp &&
		    join(t, s, frames, n, max, out))
			return true;
		if (!row->plain) {
			if (!is_end(row, &end))
				return false;
			*out = (struct unwind_result){.end = end, .n = n, .stack_used = sp};
			memo_keep(t->memo, t->f, t->n, 0, end);
			return true;
		}
		cfa = (row->cfa_reg == fp_reg ? fp - at : sp) + (uint64_t)(int64_t)row->cfa_off;
		if ((int64_t)cfa <= (int64_t)sp || cfa - 8 > last)
			return false;
		__builtin_prefetch(stack + cfa + AHEAD * LINE);
		/* Where fp is not saved, the slot is the return address': loaded for nothing, but no branch.
		 */
		slot = cfa + (uint64_t)((int64_t)(row->base + row->slot[fp_slot]) * 8);
		saved = row->saved >> fp_slot & 1;
		own->slot = saved ? at + slot : MEMO_SLOT_NONE;
		if (slot > last) {
			if ((int64_t)slot >= (int64_t)sp)
				return false;
			own->slot = saved ? MEMO_SLOT_BELOW : MEMO_SLOT_NONE;
			saved = false; /* below the copy: still in the register */
			slot = cfa - 8;
		}
		pc = load(stack, cfa - 8) - 1;
		slot = load(stack, slot);
		fp = saved ? slot : fp;
		sp = cfa;
		if (!in_span(&f->now, pc) && !enter(f, pc))
			return false;
		key = f->now.key + pc;
		row = &f->rc->rows[rowcache_place(key)];
		if (row->key != key)
			row = look_up(f, key, pc, false);
	}
	return false;
}

bool unwind_fast(struct rowcache *rc, struct memos *memos, unwind_row_fn *row, void *arg, struct maps *maps,
		 const struct unwind_sample *sample, struct unwind_frame *frames, uint32_t max,
		 struct unwind_result *out)
{
	struct fast f = {.rc = rc, .fill = row, .arg = arg, .maps = maps};
	uint64_t at = sample->regs[regs_arch.sp], size = sample->stack ? sample->stack_size : 0;
	struct trail t; /* large, and written before it is read */

	/* No stack lies in the first page or ends with the last one; marks of the memo do. */
	if (regs_arch.lr >= 0 || size < 8 || size > INT64_MAX || at < LOWEST || size >= UINT64_MAX - at)
		return false;
	unwind_prefetch(sample->stack, AHEAD * LINE);
	t.memo = memo_for(memos, maps->version, at);
	t.next = &t.memo->f[t.memo->n];
	t.n = 0;
	return walk(&f, &t, sample, frames, max, out);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * splice.c - see unwind_private.h: the kernel's callchain, where the copy ends.
 *
 * The kernel follows frame records {frame pointer, return address} from the
 * same registers at the same moment. Followed once more inside the copy, each
 * entry of its chain gets a place on the stack. The join is where the last
 * record in the copy lies in the last frame that CFI found: one place, whatever
 * the addresses are, so recursion cannot make it ambiguous. The frames before
 * must agree with their records as well, in place and in value; else the code
 * has no frame pointers there, and nothing is added. Behind the join the kernel
 * is followed as long as each function keeps a record, by its own CFI.
 *
 * Where Go goes on on another stack, the frame pointer leads from one to the
 * other: the join is then at the last frame of the stack that was copied.
 */
#include "collect/unwind_private.h"

#define AGREE 3 /* frames that must have a record each */

struct record_at {
	uint64_t addr, ra;
	uint32_t index; /* in the chain */
};

/* The last AGREE records in the copy below @limit, the last of them first. Returns how many there are. */
static unsigned records_in_copy(const struct unwind_sample *s, uint64_t limit, struct record_at last[AGREE])
{
	uint64_t at = s->regs[regs_arch.sp], fp = s->regs[regs_arch.fp], rec[2];
	uint32_t i;
	unsigned n = 0, k;

	for (i = 1; i < s->n_chain; i++) {
		if (fp < at || fp >= limit || s->stack_size < sizeof(rec) ||
		    fp - at > s->stack_size - sizeof(rec) || fp % 8)
			break;
		memcpy(rec, s->stack + (fp - at), sizeof(rec));
		if (regs_strip_pc(rec[1]) != regs_strip_pc(s->chain[i]))
			return 0; /* not what the kernel did */
		for (k = AGREE - 1; k; k--)
			last[k] = last[k - 1];
		last[0] = (struct record_at){fp, regs_strip_pc(rec[1]), i};
		n += n < AGREE;
		if (rec[0] <= fp)
			break;
		fp = rec[0];
	}
	return n;
}

/* Frame @i was called from where @r says, and @r lies in the frame that it called. */
static bool agrees(const struct walk *w, const struct unwind_frame *frames, uint32_t i,
		   const struct record_at *r)
{
	return frames[i].pc == r->ra - 1 && r->addr >= w->trail[(i - 1) % TRAIL] &&
	       r->addr < w->trail[i % TRAIL];
}

/* How a stack ends whose outermost frame is @f. */
static enum unwind_end end_at(struct walk *w, const struct unwind_frame *f)
{
	switch (unwind_row(w, f->map, f->pc, false)->kind) {
	case ROW_END_CFI:
		return UNWIND_COMPLETE_CFI;
	case ROW_END_ENTRY:
		return UNWIND_COMPLETE_ENTRY;
	case ROW_END_RULE:
		return UNWIND_COMPLETE_RULE;
	default:
		return UNWIND_END_STACK;
	}
}

/*
 * The next record belongs to @f's caller only if @f's function made one of its
 * own; else the kernel has stepped over that caller. Rows tell: on x86-64 the
 * CFA is found by the frame pointer, elsewhere the two halves of a record are
 * saved side by side. Go's rows do not, but all of its code keeps records; code
 * without rows is taken to do so as in any walk.
 */
static bool keeps_record(struct walk *w, const struct unwind_frame *f)
{
	const struct row *row = unwind_row(w, f->map, f->pc, false);
	int fp = 1000, lr = -1000; /* in no slot: those are 8 bits */
	unsigned mask, i;

	if (w->go_switch || row->kind == ROW_NONE)
		return true;
	if (row->kind != ROW_CFI || regs_arch.lr < 0)
		return row->kind == ROW_CFI && row->cfa_reg == regs_arch.fp;
	for (mask = row->saved; mask; mask &= mask - 1) {
		i = (unsigned)__builtin_ctz(mask);
		if (w->u->list[i] == regs_arch.fp)
			fp = row->slot[i];
		else if (w->u->list[i] == regs_arch.lr)
			lr = row->slot[i];
	}
	return lr == fp + 1;
}

uint32_t splice(struct walk *w, struct unwind_frame *frames, uint32_t max, enum unwind_end *end)
{
	const struct unwind_sample *s = w->sample;
	/* Another of Go's stacks may lie right above this one, and in the same copy. */
	const uint64_t limit = w->go_switch ? w->trail[(w->n - 1) % TRAIL] : UINT64_MAX;
	struct record_at last[AGREE] = {{0, 0, 0}};
	uint32_t i, n = w->n;
	unsigned k, need;
	uint64_t ra;

	if ((w->switched && !w->go_switch) || w->guessed || !s->stack || n < 2)
		return 0;
	/* Go's code has frame pointers by rule, but for what runs before a function has set up its own. */
	need = !w->go_switch || n - 2 > AGREE ? AGREE : n - 2;
	if (n < need + 1 || records_in_copy(s, limit, last) < need)
		return 0;
	for (k = 0; k < need; k++)
		if (!agrees(w, frames, n - 1 - k, &last[k]))
			return 0;
	for (i = last[0].index + 1; i < s->n_chain && n < max && keeps_record(w, &frames[n - 1]); i++) {
		ra = regs_strip_pc(s->chain[i]);
		frames[n] = (struct unwind_frame){ra - 1, ra ? maps_find(w->maps, ra - 1) : NULL};
		if (!frames[n].map)
			break;
		n++;
	}
	if (n > w->n)
		*end = end_at(w, &frames[n - 1]);
	return n - w->n;
}

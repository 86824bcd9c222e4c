/* SPDX-License-Identifier: Apache-2.0 */
/* rowcache.c - see rowcache.h. */
#include "collect/rowcache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LINE 64 /* of the processor's cache */

_Static_assert(sizeof(struct row) == 32, "two rows fill a cache line");
_Static_assert(ROWCACHE_ROWS == 1 << (64 - 48), "rowcache_place takes as many bits as there are rows");

int rowcache_new(struct rowcache **out)
{
	struct rowcache *rc;
	void *p = calloc(1, sizeof(*rc) + LINE); /* fresh pages need no clearing */

	if (!p)
		return -ENOMEM;
	rc = (struct rowcache *)((uint8_t *)p + (LINE - (uintptr_t)p % LINE));
	rc->allocation = p;
	*out = rc;
	return 0;
}

void rowcache_free(struct rowcache *rc)
{
	if (rc)
		free(rc->allocation);
}

struct row *rowcache_get(struct rowcache *rc, uint64_t key)
{
	uint32_t place = rowcache_place(key), i;
	struct row *row;

	for (i = 0; i < ROWCACHE_WAYS; i++) {
		row = &rc->rows[place ^ i];
		if (row->key == key) {
			row->used = 1;
			return row;
		}
	}
	return NULL;
}

/* A free place, else one not used since the last time all of them were. */
static struct row *victim(struct rowcache *rc, uint32_t place)
{
	struct row *row, *unused = NULL;
	uint32_t i;

	for (i = 0; i < ROWCACHE_WAYS; i++) {
		row = &rc->rows[place ^ i];
		if (!row->key)
			return row;
		if (!row->used && !unused)
			unused = row;
	}
	if (unused)
		return unused;
	for (i = 0; i < ROWCACHE_WAYS; i++)
		rc->rows[place ^ i].used = 0;
	return &rc->rows[place];
}

const struct row *rowcache_put(struct rowcache *rc, const struct row *row)
{
	struct row *to = victim(rc, rowcache_place(row->key));

	*to = *row;
	to->used = 1;
	return to;
}

struct registers {
	uint8_t reg[ROW_SLOTS];
	unsigned n;
};

static const struct registers *registers(void)
{
	static struct registers r;
	unsigned i;

	if (r.n)
		return &r;
	/* The return address first: it is looked at first. */
	if (regs_arch.lr < 0)
		r.reg[r.n++] = regs_arch.pc;
	for (i = 0; i < regs_arch.n && r.n < ROW_SLOTS; i++)
		if (regs_arch.callee_saved & (1ull << i))
			r.reg[r.n++] = (uint8_t)i;
	return &r;
}

const uint8_t *row_registers(unsigned *n)
{
	const struct registers *r = registers();

	*n = r->n;
	return r->reg;
}

static bool put_slot(struct row *row, unsigned i, int64_t off)
{
	int64_t unit = off / 8;

	if (off % 8 || unit < INT16_MIN || unit > INT16_MAX)
		return false;
	if (!row->saved)
		row->base = (int16_t)unit;
	if (unit - row->base < INT8_MIN || unit - row->base > INT8_MAX)
		return false;
	row->slot[i] = (int8_t)(unit - row->base);
	row->saved |= (uint16_t)(1u << i);
	return true;
}

static bool pack_rule(struct row *row, unsigned i, const struct cfi_rule *rule)
{
	switch (rule->kind) {
	case CFI_SAME:
	case CFI_UNSPECIFIED:
		return true;
	case CFI_UNDEFINED:
		row->undefined |= (1u << i) & 0xfff;
		return true;
	case CFI_OFFSET:
		return put_slot(row, i, rule->u.off);
	default:
		return false;
	}
}

/* Registers outside the list keep nothing across a call, and need no rule. */
static bool unlisted_is_plain(const struct cfi_row *full, uint64_t listed)
{
	unsigned i;

	for (i = 0; i < regs_arch.n; i++)
		if (!(listed & (1ull << i)) && full->regs[i].kind != CFI_UNSPECIFIED &&
		    full->regs[i].kind != CFI_SAME && full->regs[i].kind != CFI_UNDEFINED)
			return false;
	return true;
}

static bool pack(struct row *row, const struct cfi_row *full)
{
	const struct registers *r = registers();
	uint64_t listed = 0;
	unsigned i;

	if (full->cfa_is_expr || full->signal || full->cfa_reg >= regs_arch.n || full->cfa_off < INT32_MIN ||
	    full->cfa_off > INT32_MAX)
		return false;
	row->cfa_reg = (uint8_t)full->cfa_reg;
	row->cfa_off = (int32_t)full->cfa_off;
	for (i = 0; i < r->n; i++) {
		if (!pack_rule(row, i, &full->regs[r->reg[i]]))
			return false;
		listed |= 1ull << r->reg[i];
	}
	/* Where the address is always on the stack, a row that does not say so is for the full evaluation. */
	if (regs_arch.lr < 0 && !(row->saved & 1))
		return false;
	return unlisted_is_plain(full, listed);
}

/* What unwind_fast.c takes for granted, see there. */
static void judge_plain(struct row *row)
{
	row->plain = regs_arch.lr < 0 && row->kind == ROW_CFI &&
		     (row->cfa_reg == regs_arch.fp || row->cfa_reg == regs_arch.sp) && row->base == -1 &&
		     row->slot[0] == 0 && !(row->undefined & (1u << row_fp_slot()));
}

unsigned row_fp_slot(void)
{
	const struct registers *r = registers();
	unsigned i = 0;

	while (i < r->n - 1 && r->reg[i] != regs_arch.fp)
		i++;
	return i;
}

void row_pack(struct row *row, const struct cfi_row *full)
{
	const uint64_t key = row->key;
	uint64_t ra = regs_arch.lr < 0 ? regs_arch.pc : (uint64_t)regs_arch.lr;

	memset(row, 0, sizeof(*row));
	if (full->ra < regs_arch.n && full->regs[full->ra].kind == CFI_UNDEFINED) {
		row->kind = ROW_END_CFI;
	} else if (full->ra != ra || !pack(row, full)) {
		memset(row, 0, sizeof(*row));
		row->kind = ROW_FULL;
	}
	row->signal = full->signal;
	judge_plain(row);
	row->key = key;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* rowcache.c - see rowcache.h. */
#include "collect/rowcache.h"

#include "base/hash.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SETS 4096
#define WAYS 4

_Static_assert(sizeof(struct row) == 32, "two rows fill a cache line");

struct rowcache {
	struct row rows[SETS * WAYS];
};

int rowcache_new(struct rowcache **out)
{
	struct rowcache *rc = aligned_alloc(64, sizeof(*rc));

	if (!rc)
		return -ENOMEM;
	memset(rc, 0, sizeof(*rc));
	*out = rc;
	return 0;
}

void rowcache_free(struct rowcache *rc)
{
	free(rc);
}

static struct row *set_of(struct rowcache *rc, uint64_t key)
{
	return rc->rows + ((key * 0x9e3779b97f4a7c15u) >> 52) * WAYS;
}

_Static_assert(SETS == 1 << (64 - 52), "set_of takes as many bits as there are sets");

const struct row *rowcache_get(struct rowcache *rc, uint64_t key)
{
	struct row *set = set_of(rc, key), tmp;
	unsigned i;

	if (set[0].key == key)
		return set;
	for (i = 1; i < WAYS; i++) {
		if (set[i].key != key)
			continue;
		/* One place forward at each hit: what is rarely used ends up last, and goes. */
		tmp = set[i];
		set[i] = set[i - 1];
		set[i - 1] = tmp;
		return &set[i - 1];
	}
	return NULL;
}

const struct row *rowcache_put(struct rowcache *rc, const struct row *row)
{
	struct row *set = set_of(rc, row->key);
	unsigned i;

	for (i = 0; i < WAYS - 1 && set[i].key; i++)
		;
	set[i] = *row;
	return &set[i];
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
		row->undefined |= (uint16_t)(1u << i);
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

void row_pack(struct row *row, const struct cfi_row *full)
{
	const uint64_t key = row->key;
	const uint8_t call = row->call;
	uint64_t ra = regs_arch.lr < 0 ? regs_arch.pc : (uint64_t)regs_arch.lr;

	memset(row, 0, sizeof(*row));
	if (full->ra < regs_arch.n && full->regs[full->ra].kind == CFI_UNDEFINED) {
		row->kind = ROW_END_CFI;
	} else if (full->ra != ra || !pack(row, full)) {
		memset(row, 0, sizeof(*row));
		row->kind = ROW_FULL;
	}
	row->signal = full->signal;
	row->call = call;
	row->key = key;
}

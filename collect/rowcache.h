/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rowcache.h - what to do at an address, compact, in one bounded cache.
 *
 * A row is 32 bytes: two to a cache line. It holds what nearly all code needs:
 * CFA = register + offset, and registers saved near one another. What does not
 * fit says ROW_FULL, and the unwinder runs the CFI again each time.
 */
#ifndef COLLECT_ROWCACHE_H
#define COLLECT_ROWCACHE_H

#include "collect/cfi.h"

#include <stdbool.h>
#include <stdint.h>

enum row_kind {
	ROW_CFI,
	ROW_FULL,      /* expressions and the like: cfi_row_at() tells */
	ROW_END_CFI,   /* outermost frame: the return address is undefined */
	ROW_END_ENTRY, /* outermost frame: the entry point */
	ROW_END_RULE,  /* outermost frame: nothing but an exit system call follows, or Go's table says so */
	ROW_CODE,      /* as ROW_CFI, but from the code itself: the return address must follow a call */
	ROW_DOUBTFUL,  /* the same; if it does not, as ROW_NORETURN */
	ROW_SWITCH,    /* goes on on another stack */
	ROW_NORETURN,  /* no CFI, and code that never returns */
	ROW_NONE,      /* no CFI covers the address */
	ROW_BAD,       /* malformed or not supported */
};

/* Whether the return address behind a row's address follows a call: looked at when it is asked. */
enum row_call { ROW_CALL_UNKNOWN, ROW_CALL_NO, ROW_CALL_YES };

#define ROW_SLOTS 12 /* callee-saved registers, and the return address where it has no register */

struct row {
	uint64_t key;
	int32_t cfa_off;
	int16_t base; /* slots lie at CFA + 8 * (base + slot[i]) */
	uint8_t cfa_reg;
	uint8_t kind : 4, signal : 1;
	uint8_t plain : 1; /* a ROW_CFI that unwind_fast.c can do: CFA by sp or fp, return address below it */
	uint8_t used : 1;  /* since its neighbours were last looked over for a victim */
	uint16_t saved;    /* bit i: rowcache's register i is in slot[i] */
	uint16_t undefined : 12; /* bit i: its value is lost */
	uint16_t call : 2;       /* enum row_call */
	int8_t slot[ROW_SLOTS];
};

#define ROWCACHE_ROWS 65536

/*
 * Open, so that unwind_fast.c may look by itself. A row lies in one of
 * ROWCACHE_WAYS places, nearly always the first: that of rowcache_place().
 */
struct rowcache {
	struct row rows[ROWCACHE_ROWS];
	void *allocation; /* rows begin a cache line in it */
};

#define ROWCACHE_WAYS 8

static inline uint32_t rowcache_place(uint64_t key)
{
	return (uint32_t)((key * 0x9e3779b97f4a7c15u) >> 48);
}

int rowcache_new(struct rowcache **out); /* 0 or -ENOMEM */
void rowcache_free(struct rowcache *rc); /* NULL is fine */

/* DWARF numbers of the registers that rows speak of, *@n of them. */
const uint8_t *row_registers(unsigned *n);

/* Which slot is the frame pointer's. */
unsigned row_fp_slot(void);

/*
 * The key of file offset @off in module @id. False when it has none, because
 * the numbers are larger than any real file's: then nothing is cached.
 */
static inline bool row_key(uint32_t id, uint64_t off, uint64_t *key)
{
	*key = (uint64_t)(id + 1) << 44 | off; /* never 0: that is a free row */
	return id < (1u << 20) - 1 && off < 1ull << 44;
}

/* The row kept under @key, or NULL. Borrowed until the next put. */
struct row *rowcache_get(struct rowcache *rc, uint64_t key);

/* Keep @row (with its key), perhaps at the cost of another. Returns the place. */
const struct row *rowcache_put(struct rowcache *rc, const struct row *row);

/* Make @row from @full: ROW_CFI if it fits, ROW_END_CFI, or ROW_FULL. Leaves the key alone. */
void row_pack(struct row *row, const struct cfi_row *full);

#endif

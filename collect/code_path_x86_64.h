/* SPDX-License-Identifier: Apache-2.0 */
/*
 * code_path_x86_64.h - what is known along one way through a function.
 *
 * Values are known as "what register r held at the start, plus n", or as "what
 * was in memory there at the start". Only what moves stack pointers and
 * callee-saved registers is looked at: whatever else a function does to these
 * registers, it must undo before it returns, and the last load counts.
 */
#ifndef COLLECT_CODE_PATH_X86_64_H
#define COLLECT_CODE_PATH_X86_64_H

#include "collect/insn_x86_64.h"

#include <stdbool.h>
#include <stdint.h>

#define PATH_STORES      16 /* pushes, mostly */
#define PATH_NOT_ALIGNED PATH_REGS

/* The processor's numbers of registers. */
enum {
	PATH_RAX,
	PATH_RBX = 3,
	PATH_RSP,
	PATH_RBP,
	PATH_R12 = 12,
	PATH_R13,
	PATH_R14,
	PATH_R15,
	PATH_REGS,
};

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
	struct value reg[PATH_REGS];
	struct store stores[PATH_STORES];
	uint8_t n_stores;
	uint8_t align_base; /* register whose value at the start is known to be off + 16 n; PATH_NOT_ALIGNED
			     */
	int32_t align_off;
	uint16_t table_regs; /* bit per register that was added to or indexed: what jump tables do */
	bool eax_known;
	uint32_t eax;
};

/* Every register holds what it held at the start, which is at @pc. */
void path_start(struct path *p, uint64_t pc);

/* Do @o, which is no branch. */
void path_advance(struct path *p, const struct insn *o);

bool value_same(struct value a, struct value b);
struct value value_plus(struct value v, int64_t n);

/* What memory at @at holds now. */
struct value path_load(const struct path *p, struct value at);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cfi.h - call frame information: from an address to the rules of its row.
 *
 *   cfi.c          address -> FDE, by .eh_frame_hdr's table or an index built once
 *   cfi_program.c  FDE -> row: runs the CFA program up to the address
 *   cfi_expr.c     DWARF expressions that a rule may be given by
 *
 * Nothing is cached here but some CIEs and search tables' places: rowcache.h
 * keeps the outcome. All
 * input is hostile: every step is bounded by the bytes read, and those by
 * CFI_ENTRY_MAX. Sources: DWARF 5, 6.4 and 2.5; LSB, "Exception Frames".
 */
#ifndef COLLECT_CFI_H
#define COLLECT_CFI_H

#include "collect/module.h"
#include "collect/regs.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CFI_ENTRY_MAX 65536 /* bytes of a CIE or FDE; none in practice comes near */

enum cfi_kind {
	CFI_UNSPECIFIED, /* whatever the ABI says */
	CFI_UNDEFINED,
	CFI_SAME,
	CFI_OFFSET,     /* saved at CFA + off */
	CFI_VAL_OFFSET, /* is CFA + off */
	CFI_REGISTER,   /* is in another register */
	CFI_EXPR,       /* saved at the expression's address */
	CFI_VAL_EXPR,   /* is the expression's value */
};

struct cfi_rule {
	uint8_t kind;
	uint32_t len; /* of the expression */
	union {
		int64_t off;
		uint64_t reg;
		const uint8_t *expr; /* borrowed until the next cfi_row_at() */
	} u;
};

struct cfi_row {
	bool cfa_is_expr;
	bool signal; /* a signal frame: its caller was interrupted, not calling */
	uint64_t cfa_reg;
	int64_t cfa_off;
	const uint8_t *cfa_expr;
	uint32_t cfa_len;
	uint64_t ra;                    /* return address column */
	uint64_t start, end;            /* what the FDE covers, ELF virtual addresses */
	struct cfi_rule regs[REGS_MAX]; /* the first regs_arch.n of them are set */
};

struct cfi_cie {
	bool signal, sized; /* sized: FDEs have an augmentation length */
	uint8_t pointer_enc;
	uint64_t code_align, ra;
	int64_t data_align;
	const uint8_t *insns;
	size_t insns_len;
	const struct cfi_row *initial; /* what its program comes to, by cfi_run_cie(); NULL: not known */
};

struct cfi_fde {
	struct cfi_cie cie;
	uint64_t start, end;
	const uint8_t *insns;
	size_t insns_len;
	uint64_t insns_vaddr; /* for pc-relative pointers in the program */
};

struct cfi; /* buffers and bounds, shared by all modules */

int cfi_new(struct cfi **out, struct modules *ms); /* 0 or -ENOMEM */
void cfi_free(struct cfi *c);                      /* NULL is fine */

/*
 * The row for ELF virtual address @vaddr of @m. 0; -ENOENT: no FDE covers it;
 * -EBADMSG: what is there is malformed or not supported; else -errno of reading. @row is undefined then.
 */
int cfi_row_at(struct cfi *c, struct module *m, uint64_t vaddr, struct cfi_row *row);

/* Frees what cfi.c built for one module; NULL is fine. */
void cfi_index_free(struct cfi_index *index);

/* Run @cie's program: the rules that its FDEs begin with. 0 or -EBADMSG. */
int cfi_run_cie(const struct cfi_cie *cie, struct cfi_row *row);

/* Run @fde's program up to @vaddr. 0 or -EBADMSG. Expressions in @row point into it. */
int cfi_run(const struct cfi_fde *fde, uint64_t vaddr, struct cfi_row *row);

/* What an expression can see: registers, and the copy of the stack. */
struct cfi_machine {
	const uint64_t *regs;
	uint64_t valid; /* bit per register whose value is known */
	const uint8_t *stack;
	uint64_t stack_at, stack_size; /* address and size of the copy */
};

/* Load @size (1, 2, 4 or 8) bytes; false when they are not in the copy. */
bool cfi_load(const struct cfi_machine *mc, uint64_t addr, unsigned size, uint64_t *value);

/*
 * Evaluate, with *@cfa on the stack first if @cfa is given. 0; -EBADMSG:
 * malformed or not supported; -EFAULT: needs a register or memory that is not known.
 */
int cfi_eval(const uint8_t *expr, size_t len, const struct cfi_machine *mc, const uint64_t *cfa,
	     uint64_t *value);

#endif

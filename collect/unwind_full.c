/* SPDX-License-Identifier: Apache-2.0 */
/* unwind_full.c - see unwind_private.h: all that CFI can say, evaluated each time. */
#include "collect/unwind_private.h"

#include <errno.h>

/* A slot that was just popped lies this near below the stack pointer; a jmp_buf may lie anywhere. */
#define POPPED_MAX (1u << 20)

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
		if (*addr >= sp || sp - *addr > POPPED_MAX || reg == regs_arch.pc)
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

enum unwind_end unwind_step_full(struct walk *w, const struct mapping *map, uint64_t pc)
{
	const struct cfi_machine mc = {w->regs, w->valid, w->stack, w->at, w->size};
	struct cfi_row *full = &w->u->full;
	uint64_t out[REGS_MAX] = {0}, valid, cfa, ra, addr = 0;
	enum unwind_end end;
	bool own_sp;
	int err;

	if (unwind_full_row(w, map, pc))
		return UNWIND_END_BAD_CFI;
	err = full_cfa(&mc, full, &cfa);
	if (!err)
		err = full_registers(&mc, full, cfa, out, &valid);
	if (err)
		return err == -EBADMSG ? UNWIND_END_BAD_CFI : unreadable(w, w->regs[regs_arch.sp]);
	/* longjmp's CFA is the jmp_buf: where the stack pointer has a rule of its own, that tells. It may
	 * have been set already. */
	own_sp = full->regs[regs_arch.sp].kind > CFI_SAME;
	if (!full->signal && !own_sp && !ascends(w, cfa))
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
	} else if (out[regs_arch.sp] <= w->regs[regs_arch.sp] && !ascends(w, out[regs_arch.sp]) &&
		   !(own_sp && w->exact && out[regs_arch.sp] == w->regs[regs_arch.sp])) {
		return UNWIND_END_NO_PROGRESS;
	}
	memcpy(w->regs, out, sizeof(out));
	w->valid = valid;
	return arrive(w, ra, out[regs_arch.sp], full->signal);
}

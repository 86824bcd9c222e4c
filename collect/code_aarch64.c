/* SPDX-License-Identifier: Apache-2.0 */
/*
 * code_aarch64.c - see code.h.
 *
 * No analysis: compilers for this architecture keep frame records by default,
 * also in code without CFI, and the unwinder follows those. Only the call
 * instructions are known.
 */
#include "collect/code.h"

enum code_verdict code_row_at(struct modules *ms, struct module *m, uint64_t vaddr, bool exact,
			      struct cfi_row *row)
{
	(void)ms, (void)m, (void)vaddr, (void)exact, (void)row;
	return CODE_UNKNOWN;
}

bool code_signal_row(struct modules *ms, struct module *m, uint64_t vaddr, struct cfi_row *row)
{
	(void)ms, (void)m, (void)vaddr, (void)row;
	return false;
}

bool code_follows_call(struct modules *ms, struct module *m, uint64_t vaddr, uint64_t *target)
{
	uint32_t insn;
	uint64_t off;

	if (vaddr < 4 || !module_vaddr_to_off(m, vaddr - 4, &off) ||
	    module_read(ms, m, off, &insn, sizeof(insn)))
		return false;
	if (target)
		*target = insn >> 26 == 0x25 ? vaddr - 4 + (uint64_t)((int64_t)((uint64_t)insn << 38) >> 36)
					     : 0;
	/* bl; blr, and its forms with pointer authentication */
	return insn >> 26 == 0x25 || (insn & 0xfefff000) == 0xd63f0000;
}

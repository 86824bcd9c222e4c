/* SPDX-License-Identifier: Apache-2.0 */
/*
 * regs_aarch64.c - see regs.h. Numbers: DWARF for the Arm 64-bit
 * Architecture, "DWARF register names", and enum perf_event_arm_regs.
 */
#include "collect/regs.h"

#include <elf.h>
#include <linux/perf_event.h>
#include <sys/user.h>

#define N_REGS 33 /* x0-x30, sp, pc: perf's order is DWARF's */

const struct regs_arch regs_arch = {
	.perf_mask = (1ull << N_REGS) - 1,
	.perf_abi = PERF_SAMPLE_REGS_ABI_64,
	.e_machine = EM_AARCH64,
	.n = N_REGS,
	.sp = 31,
	.fp = 29,
	.pc = 32,
	.lr = 30,
	.callee_saved = 0xfffull << 19, /* x19-x30 */
};

bool regs_from_perf(const uint64_t *perf, unsigned n, uint64_t out[REGS_MAX])
{
	unsigned i;

	if (n != N_REGS)
		return false;
	for (i = 0; i < N_REGS; i++)
		out[i] = perf[i];
	out[32] = regs_strip_pc(out[32]);
	return true;
}

/*
 * User addresses have at most 52 bits; with bit 55 clear a signature fills
 * what is above the configured size, which is 48 bits everywhere but in
 * programs that ask for more.
 */
uint64_t regs_strip_pc(uint64_t pc)
{
	return pc & ((1ull << 48) - 1);
}

bool regs_from_ptrace(const void *set, size_t len, uint64_t perf[REGS_MAX])
{
	const struct user_regs_struct *u = set;
	unsigned i;

	if (len != sizeof(*u))
		return false;
	for (i = 0; i < 31; i++)
		perf[i] = u->regs[i];
	perf[31] = u->sp;
	perf[32] = u->pc;
	return true;
}

int regs_in_call(const void *set, size_t len)
{
	(void)set;
	(void)len;
	return -1;
}

/* The first argument is where the result is by now, and its copy is not in the register set. */
bool regs_repeat_call(void *set, size_t len)
{
	(void)set;
	(void)len;
	return false;
}

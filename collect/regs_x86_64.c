/* SPDX-License-Identifier: Apache-2.0 */
/*
 * regs_x86_64.c - see regs.h. Numbers: System V ABI, AMD64 supplement, figure
 * 3.36 (DWARF), and enum perf_event_x86_regs.
 */
#include "collect/regs.h"

#include <elf.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <sys/user.h>

/* DWARF number of each bit of the mask, lowest first; flags and segments are not asked for. */
static const uint8_t perf_to_dwarf[] = {
	0,                             /* AX */
	3,                             /* BX */
	2,                             /* CX */
	1,                             /* DX */
	4,                             /* SI */
	5,                             /* DI */
	6,                             /* BP */
	7,                             /* SP */
	16,                            /* IP */
	8,  9, 10, 11, 12, 13, 14, 15, /* R8-R15 */
};

#define N_REGS (sizeof(perf_to_dwarf))

const struct regs_arch regs_arch = {
	.perf_mask = 0x1ff | 0xffull << 16, /* AX..IP, R8..R15 */
	.perf_abi = PERF_SAMPLE_REGS_ABI_64,
	.e_machine = EM_X86_64,
	.n = N_REGS,
	.sp = 7,
	.fp = 6,
	.pc = 16,
	.lr = -1,
	.callee_saved = 1u << 3 | 1u << 6 | 0xfu << 12, /* rbx rbp r12-r15 */
};

bool regs_from_perf(const uint64_t *perf, unsigned n, uint64_t out[REGS_MAX])
{
	unsigned i;

	if (n != N_REGS)
		return false;
	for (i = 0; i < N_REGS; i++)
		out[perf_to_dwarf[i]] = perf[i];
	return true;
}

uint64_t regs_strip_pc(uint64_t pc)
{
	return pc;
}

bool regs_from_ptrace(const void *set, size_t len, uint64_t perf[REGS_MAX])
{
	const struct user_regs_struct *u = set;

	if (len != sizeof(*u))
		return false;
	const uint64_t in_order[N_REGS] = {u->rax, u->rbx, u->rcx, u->rdx, u->rsi, u->rdi,
					   u->rbp, u->rsp, u->rip, u->r8,  u->r9,  u->r10,
					   u->r11, u->r12, u->r13, u->r14, u->r15};

	for (unsigned i = 0; i < N_REGS; i++)
		perf[i] = in_order[i];
	return true;
}

/* What else enters the kernel leaves -1 there. */
int regs_in_call(const void *set, size_t len)
{
	const struct user_regs_struct *u = set;

	return len != sizeof(*u) ? -1 : (int64_t)u->orig_rax >= 0;
}

/* Both instructions for a system call, syscall and int 0x80, have two bytes; the kernel, too, goes back by so
 * many. */
bool regs_repeat_call(void *set, size_t len)
{
	static const uint16_t calls[] = {
		SYS_epoll_wait, SYS_epoll_pwait,  441 /* epoll_pwait2 */,
		SYS_semop,      SYS_semtimedop,   SYS_rt_sigtimedwait,
		SYS_accept,     SYS_accept4,      SYS_recvfrom,
		SYS_recvmsg,    SYS_io_getevents,
	};
	struct user_regs_struct *u = set;
	unsigned i;

	if (len != sizeof(*u) || u->cs != 0x33 /* 64-bit code */ || (int64_t)u->rax != -EINTR)
		return false;
	for (i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		if (u->orig_rax != calls[i])
			continue;
		u->rip -= 2;
		u->rax = u->orig_rax;
		return true;
	}
	return false;
}

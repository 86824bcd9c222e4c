/* SPDX-License-Identifier: Apache-2.0 */
/*
 * regs.h - what an architecture's registers are to perf and to DWARF.
 *
 * One regs_<arch>.c per architecture implements this; no other file names an
 * architecture. Sources: arch/<arch>/include/uapi/asm/perf_regs.h, the
 * psABI's DWARF register numbering.
 */
#ifndef COLLECT_REGS_H
#define COLLECT_REGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REGS_MAX 33 /* x86-64 uses 17, aarch64 33 */

struct regs_arch {
	uint64_t perf_mask;    /* perf_event_attr.sample_regs_user */
	uint64_t perf_abi;     /* PERF_SAMPLE_REGS_ABI_64 */
	uint16_t e_machine;    /* EM_X86_64, EM_AARCH64 */
	uint8_t n;             /* DWARF registers kept, including pc */
	uint8_t sp, fp, pc;    /* DWARF numbers (pc: the return address column's, or one past the last) */
	int8_t lr;             /* link register, or -1: the return address is on the stack at CFA - 8 */
	uint64_t callee_saved; /* bit per DWARF register that calls preserve by default */
};

extern const struct regs_arch regs_arch;

/*
 * Registers in perf's order (one per bit of perf_mask, lowest first; @n of
 * them) to DWARF order in @out[REGS_MAX]. False when @n is not what the mask asks for.
 */
bool regs_from_perf(const uint64_t *perf, unsigned n, uint64_t out[REGS_MAX]);

#define REGS_SET_MAX 512 /* bytes of the general registers, NT_PRSTATUS, as ptrace(2) hands them over */

/*
 * The register set @set (8-aligned, @len bytes, as PTRACE_GETREGSET filled it) in perf's
 * order. False: not a process of this architecture (a 32-bit one).
 */
bool regs_from_ptrace(const void *set, size_t len, uint64_t perf[REGS_MAX]);

/* Was the thread of @set in a system call, or about to leave one? 1, 0, or -1: the set does not tell. */
int regs_in_call(const void *set, size_t len);

/*
 * If @set is of a thread whose system call is returning EINTR, one that has
 * done nothing then and that the kernel does not restart by itself (signal(7),
 * "Interruption of system calls"): change it so that the call is made again.
 * False: it is not, or the architecture does not show the call's arguments; @set is as it was.
 */
bool regs_repeat_call(void *set, size_t len);

/* A code address as CFI and mappings know it: pointer authentication stripped. */
uint64_t regs_strip_pc(uint64_t pc);

#endif

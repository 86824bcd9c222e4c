/* SPDX-License-Identifier: Apache-2.0 */
/*
 * code.h - rows for code that nothing describes, from the code itself.
 *
 * musl, hand-written assembly and C built without unwind tables have neither
 * CFI nor frame pointers. But every function gives its stack back before it
 * returns: following the instructions from an address on to the `ret`, keeping
 * account of the stack pointer, tells where the return address is, and which
 * slots the callee-saved registers come back from. That depends on the address
 * only, so it is a row like any other.
 *
 * Paths are followed breadth first, each instruction once, at most CODE_STEPS
 * of them. A path that falls through a call that never returns ends up in
 * another function; it is told by the ABI's stack alignment (a multiple of 16
 * at every call, 8 more at every return) and dropped, unless there is no other:
 * compilers do not align for a callee that they know not to need it. Two paths
 * that contradict each other make no row. What the caller must still check: that the return
 * address found follows a call (code_follows_call()).
 *
 * One code_<arch>.c per architecture. Bytes come from the module's file, are
 * hostile, and are only decoded, never run. Source of the encodings: Intel SDM,
 * volume 2, appendix A; Arm ARM, C4.1; of the ABI: x86-64 psABI 3.2.2, AAPCS64.
 */
#ifndef COLLECT_CODE_H
#define COLLECT_CODE_H

#include "collect/cfi.h"

#define CODE_STEPS 1024

enum code_verdict {
	CODE_UNKNOWN,  /* nothing can be said */
	CODE_ROW,      /* a row was made */
	CODE_DOUBTFUL, /* a row was made; if its return address follows no call, as CODE_NORETURN */
	CODE_NORETURN, /* no way leads to a return: something that never returns */
	CODE_EXITS,    /* leads straight to an exit system call: the outermost frame of a thread */
};

/*
 * What the code at ELF virtual address @vaddr of @m does. @exact: interrupted
 * there; else @vaddr is a return address. @row is set for CODE_ROW and CODE_DOUBTFUL only: all
 * rules relative to the CFA, start and end 0.
 */
enum code_verdict code_row_at(struct modules *ms, struct module *m, uint64_t vaddr, bool exact,
			      struct cfi_row *row);

/*
 * True if @vaddr is where a signal handler returns to (musl's and Go's have no
 * CFI): @row then restores what the kernel saved.
 */
bool code_signal_row(struct modules *ms, struct module *m, uint64_t vaddr, struct cfi_row *row);

/*
 * Whether the instruction that ends at ELF virtual address @vaddr of @m is a
 * call. *@target, if it is given: where to, or 0 if only the running program knows.
 */
bool code_follows_call(struct modules *ms, struct module *m, uint64_t vaddr, uint64_t *target);

#endif

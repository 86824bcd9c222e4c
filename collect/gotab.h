/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gotab.h - rows of Go code, from the table that every Go program carries.
 *
 * The runtime's own tracebacks need it, so it is there in stripped programs
 * too, and never compressed, unlike .debug_frame. Read on demand like CFI.
 * Tables of Go 1.18 and later. Source of the format: runtime/symtab.go
 * (pcHeader, pcvalue), runtime/runtime2.go (_func), internal/abi/symtab.go.
 */
#ifndef COLLECT_GOTAB_H
#define COLLECT_GOTAB_H

#include "collect/cfi.h"

enum gotab_verdict {
	GOTAB_NONE,   /* no Go function there, or no table */
	GOTAB_ROW,    /* @row is set */
	GOTAB_TOP,    /* marked as the outermost frame of its stack */
	GOTAB_SWITCH, /* goes on on another stack: the table cannot say when. @row is how it was entered; its
			 cfa_off is 0 where that is not known */
};

/* What the table of @m says about ELF virtual address @vaddr. */
enum gotab_verdict gotab_row_at(struct modules *ms, struct module *m, uint64_t vaddr, struct cfi_row *row);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unwind_end.h - why a walk of a user stack ended. Indexes profile_quality.ends.
 */
#ifndef COLLECT_UNWIND_END_H
#define COLLECT_UNWIND_END_H

#include <stdbool.h>

enum unwind_end {
	UNWIND_COMPLETE_CFI,    /* CFI marks the return address undefined */
	UNWIND_COMPLETE_ENTRY,  /* in the entry point of the program or its loader */
	UNWIND_COMPLETE_RULE,   /* a listed rule of a runtime */
	UNWIND_END_STACK,       /* left the stack copy: it was too small */
	UNWIND_END_FRAMES,      /* more frames than the limit */
	UNWIND_END_NO_MAPPING,  /* pc in no known mapping */
	UNWIND_END_NO_MODULE,   /* mapping known, its file could not be read */
	UNWIND_END_NO_CFI,      /* no CFI for pc and no plausible frame pointer */
	UNWIND_END_BAD_CFI,     /* CFI there but malformed or not supported */
	UNWIND_END_NO_PROGRESS, /* the next frame would not be further up the stack */
	UNWIND_END_BAD_MEMORY,  /* CFI asks for memory that is not in the stack copy */
	UNWIND_END_NO_REGS,     /* the sample has no user registers (or a foreign ABI) */
	UNWIND_END_COUNT,
};

static inline bool unwind_end_complete(enum unwind_end end)
{
	return end <= UNWIND_COMPLETE_RULE;
}

/* The copy or the limit ended it, not the code: marked [truncated]. */
static inline bool unwind_end_truncated(enum unwind_end end)
{
	return end == UNWIND_END_STACK || end == UNWIND_END_FRAMES;
}

/* A short lower-case phrase for comments and logs. */
const char *unwind_end_name(enum unwind_end end);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* unwind_end.c - see unwind_end.h. */
#include "collect/unwind_end.h"

const char *unwind_end_name(enum unwind_end end)
{
	static const char *const names[UNWIND_END_COUNT] = {
		[UNWIND_COMPLETE_CFI] = "outermost frame by cfi",
		[UNWIND_COMPLETE_ENTRY] = "entry point",
		[UNWIND_COMPLETE_RULE] = "outermost frame by rule",
		[UNWIND_END_STACK] = "stack copy too small",
		[UNWIND_END_FRAMES] = "too many frames",
		[UNWIND_END_NO_MAPPING] = "address in no mapping",
		[UNWIND_END_NO_MODULE] = "file not readable",
		[UNWIND_END_NO_CFI] = "no cfi and no frame pointer",
		[UNWIND_END_BAD_CFI] = "cfi malformed or not supported",
		[UNWIND_END_NO_PROGRESS] = "no way up the stack",
		[UNWIND_END_BAD_MEMORY] = "cfi asks for unknown memory or registers",
		[UNWIND_END_NO_REGS] = "no user registers",
	};

	return (unsigned)end < UNWIND_END_COUNT ? names[end] : "unknown";
}

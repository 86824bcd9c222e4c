/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unreachable.h - programs that a preloaded library cannot be loaded into.
 */
#ifndef CLI_UNREACHABLE_H
#define CLI_UNREACHABLE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * True when @program, found as execvp() finds it, and through "#!" lines,
 * ignores LD_PRELOAD or takes all signals for itself; @why: "it is statically
 * linked". What cannot be read is taken for reachable.
 */
bool target_unreachable(const char *program, char *why, size_t len);

#endif

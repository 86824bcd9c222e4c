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

#define TARGET_PATH_MAX 4096 /* PATH_MAX */

/*
 * The file that would run as @program: found as execvp() finds it, and through "#!"
 * lines. A descriptor, to be closed, with its path in @path; or -errno: of a
 * program that would not run.
 */
int target_find(const char *program, char path[TARGET_PATH_MAX]);

#endif

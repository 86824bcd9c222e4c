/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mask.h - a command line that may be shown to others: values that look like secrets become "***".
 */
#ifndef EXPORT_MASK_H
#define EXPORT_MASK_H

#include <stddef.h>

/*
 * @args: @len bytes of NUL-terminated arguments, as /proc/PID/cmdline has
 * them (the last may lack its NUL). @out (@out_len bytes) gets them with spaces
 * between, cut at its end. Masked are: the value after '=' or ':' whose name,
 * or the argument before it, speaks of a key, token, password or the like; user
 * parts of URLs; and arguments that are themselves nothing but 24 or more
 * letters and digits, mixed, as keys are (commit ids too: better so).
 */
void mask_command(const char *args, size_t len, char *out, size_t out_len);

#endif

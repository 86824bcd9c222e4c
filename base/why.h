/* SPDX-License-Identifier: Apache-2.0 */
/* why.h - the reason of a failure, as a text that the caller's caller shows to people. */
#ifndef BASE_WHY_H
#define BASE_WHY_H

#include <stddef.h>

/* Format the reason into @why (@len bytes; 0: nobody wants it) and return @err, for `return why_fail(...)`.
 */
int why_fail(int err, char *why, size_t len, const char *fmt, ...) __attribute__((format(printf, 4, 5)));

#endif

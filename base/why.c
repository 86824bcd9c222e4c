/* SPDX-License-Identifier: Apache-2.0 */
/* why.c - see why.h. */
#include "base/why.h"

#include <stdarg.h>
#include <stdio.h>

int why_fail(int err, char *why, size_t len, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (len)
		vsnprintf(why, len, fmt, ap);
	va_end(ap);
	return err;
}

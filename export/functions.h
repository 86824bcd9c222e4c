/* SPDX-License-Identifier: Apache-2.0 */
/*
 * functions.h - the table of functions by own and total value.
 *
 * Own: the function is the innermost frame (inlined ones counted as
 * themselves). Total: it is anywhere on the stack, once per stack however
 * often it recurs.
 */
#ifndef EXPORT_FUNCTIONS_H
#define EXPORT_FUNCTIONS_H

#include "base/buf.h"
#include "export/pprof.h"

/* What a function is called, and by what functions are one: as people read it, without template arguments, or
 * as the linker knows it. */
enum functions_names { FUNCTIONS_FOLDED, FUNCTIONS_FULL, FUNCTIONS_RAW };

enum functions_sort { FUNCTIONS_BY_OWN, FUNCTIONS_BY_TOTAL, FUNCTIONS_BY_NAME };

struct functions_row {
	char *name;   /* function as asked for, or "[file+0xoffset]" without one; owned */
	char *module; /* base name of the mapping's file, "" for synthetic frames; owned */
	char *file;   /* source file, "" if unknown; owned */
	int64_t line; /* start line or 0 */
	int64_t own, total;
};

struct functions {
	struct functions_row *rows;
	uint32_t n;
	int64_t sum;   /* of all samples */
	uint32_t type; /* index of the sample type */
};

/* 0 or -ENOMEM; -EINVAL for a type that does not exist. */
int functions_new(struct functions **out, const struct pprof *p, uint32_t type, enum functions_sort sort,
		  enum functions_names names);
void functions_free(struct functions *f);

/*
 * Print the first @top rows (0: all) as a table fitted to @columns (0: no
 * limit), control characters in names made visible. 0 or -errno.
 */
int functions_print(const struct functions *f, const struct pprof *p, uint32_t top, unsigned columns,
		    struct buf *out);

/* "1.23 s", "45.6 ms", "12.3 MB", "1 234": a value in its pprof unit for people. */
void functions_format_value(int64_t v, const char *unit, char *out, size_t len);

#endif

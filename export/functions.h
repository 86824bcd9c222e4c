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

#include <stdbool.h>
#include <stdint.h>

/* What a function is called, and by what functions are one: as people read it, without template arguments, or
 * as the linker knows it. */
enum functions_names { FUNCTIONS_FOLDED, FUNCTIONS_FULL, FUNCTIONS_RAW };

enum functions_sort { FUNCTIONS_BY_OWN, FUNCTIONS_BY_TOTAL, FUNCTIONS_BY_NAME };

/* What a row is, and what is added up besides the sample type that the table is of. */
struct functions_spec {
	uint32_t type; /* index of the sample type */
	enum functions_sort sort;
	enum functions_names names;
	bool lines;           /* a row per line of a function that is on a stack, not per function */
	const uint32_t *also; /* further types of which rows get own values; borrowed for the call */
	uint32_t n_also;      /* at most FUNCTIONS_MAX_ALSO */
};

#define FUNCTIONS_MAX_ALSO 32

struct functions_own {
	int64_t value;
	uint32_t stacks; /* samples of the file that have a value: so many events at least */
};

struct functions_row {
	char *name;   /* function as asked for, or "[file+0xoffset]" without one; owned */
	char *module; /* base name of the mapping's file, "" for synthetic frames; owned */
	char *file;   /* source file, "" if unknown; owned */
	int64_t line; /* start line (spec.lines: the line itself) or 0 */
	int64_t own, total;
	const struct functions_own *also; /* [n_also], in struct functions */
};

struct functions {
	struct functions_row *rows; /* those with a value of the type, be it of its callees */
	uint32_t n;
	int64_t sum;   /* of all samples */
	uint32_t type; /* index of the sample type */
	bool lines;
	struct functions_own *also; /* the rows', owned */
	struct functions_own also_sum[FUNCTIONS_MAX_ALSO];
	uint32_t n_also;
};

/* 0 or -ENOMEM; -EINVAL for a type that does not exist, or too many. */
int functions_new(struct functions **out, const struct pprof *p, const struct functions_spec *spec);
void functions_free(struct functions *f);

/*
 * Print the first @top rows (0: all) as a table fitted to @columns (0: no
 * limit), control characters in names made visible. 0 or -errno.
 */
int functions_print(const struct functions *f, const struct pprof *p, uint32_t top, unsigned columns,
		    struct buf *out);

/*
 * A row's name and, after it, where it is: fitted to @room columns (0: no limit), the name
 * padded to @names of them. functions_name_width() finds @names for the first @n rows.
 */
int functions_put_name(struct buf *out, const struct functions_row *r, unsigned names, unsigned room);
int functions_name_width(const struct functions *f, uint32_t n, unsigned room, unsigned *names);

/* Seconds in one of pprof's time @unit ("nanoseconds", "ms", ...); 0: no time. */
double functions_unit_seconds(const char *unit);

/* "1.23 s", "45.6 ms", "12.3 MB", "1 234": a value in its pprof unit for people. */
void functions_format_value(int64_t v, const char *unit, char *out, size_t len);

#endif

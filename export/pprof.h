/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pprof.h - the pprof format (profile.proto of github.com/google/pprof).
 *
 * The writer turns our profile and names into bytes; the reader takes any
 * tool's pprof, gzipped or not, hostile or not, into a bounded plain model
 * that report and diff work on.
 */
#ifndef EXPORT_PPROF_H
#define EXPORT_PPROF_H

#include "base/buf.h"
#include "collect/profile.h"
#include "symbolize/names.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PPROF_MAX_RAW   (512u << 20) /* bytes of an uncompressed profile we read or write */
#define PPROF_MAX_ITEMS (16u << 20)  /* samples, locations, ... of each kind we read */

/*
 * Encode, uncompressed. Module paths, labels and comments come from @p and
 * @comments (each "ddprof.KEY: value" or any text; @n of them, borrowed for
 * the call). 0, -ENOMEM or -E2BIG.
 */
int pprof_write(const struct profile *p, const struct names *names, const char *const *comments, uint32_t n,
		struct buf *out);

/* gzip @in (zlib level @level 1-9; our default 6) onto @out. 0 or -errno. */
int pprof_gzip(const struct buf *in, int level, struct buf *out);

/* ---- reading ---- */

struct pprof_line {
	uint32_t function; /* index into functions, or UINT32_MAX */
	int64_t line, column;
};

struct pprof_function {
	uint64_t id;
	uint32_t name, system_name, filename; /* string ids */
	int64_t start_line;
};

struct pprof_mapping {
	uint64_t id, start, limit, off;
	uint32_t filename, build_id; /* string ids */
	bool has_functions, has_filenames, has_lines, has_inlines;
};

struct pprof_location {
	uint64_t id, address;
	uint32_t mapping;             /* index into mappings, or UINT32_MAX */
	uint32_t first_line, n_lines; /* innermost first */
	bool folded;
};

struct pprof_label {
	uint32_t key, str, unit; /* string ids; str 0 and num: numeric */
	int64_t num;
};

struct pprof_sample {
	uint32_t first_location, n_locations; /* into location_refs, leaf first */
	uint32_t first_label, n_labels;
	/* values: values[index * n_types ...] */
};

struct pprof_value_type {
	uint32_t type, unit; /* string ids */
};

struct pprof {
	/* The string table as it stood in the file; id 0 is "". Point into raw; not NUL-terminated. */
	struct pprof_str {
		const char *s;
		uint32_t len;
	} * strings;
	uint32_t n_strings;
	struct pprof_value_type *types;
	uint32_t n_types, default_type; /* default_type: index (last one if the file does not say) */
	struct pprof_value_type period_type;
	int64_t period, time_nanos, duration_nanos;
	struct pprof_sample *samples;
	int64_t *values;
	uint32_t n_samples;
	uint32_t *location_refs; /* indexes into locations */
	uint32_t n_location_refs;
	struct pprof_label *labels;
	uint32_t n_labels;
	struct pprof_location *locations;
	uint32_t n_locations;
	struct pprof_line *lines;
	uint32_t n_lines;
	struct pprof_function *functions;
	uint32_t n_functions;
	struct pprof_mapping *mappings;
	uint32_t n_mappings;
	uint32_t *comments; /* string ids */
	uint32_t n_comments;
	uint8_t *raw; /* uncompressed bytes, owned */
	size_t raw_len;
};

/*
 * Parse @data (gzip, zlib-wrapped or plain). 0 and *@out (free with
 * pprof_free), or -errno with a one-line reason in @why (@why_len bytes):
 * -EBADMSG not a pprof or cut off, -E2BIG over our limits, -ENOMEM.
 */
int pprof_read(const uint8_t *data, size_t len, struct pprof **out, char *why, size_t why_len);
int pprof_read_file(const char *path, struct pprof **out, char *why,
		    size_t why_len); /* "-": standard input */
/* The bytes alone, onto @data (at most data->max). 0, or -errno with @why. */
int pprof_file_bytes(const char *path, struct buf *data, char *why, size_t why_len);
void pprof_free(struct pprof *p);

struct pprof_str pprof_string(const struct pprof *p, uint32_t id); /* empty for an id that does not exist */

#endif

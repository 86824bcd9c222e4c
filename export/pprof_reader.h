/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pprof_reader.h - what the pprof reader's walks share: state, messages, fields.
 *
 * Private to pprof_read.c and pprof_reader.c. Every function that can fail
 * returns -errno with the reason already written to r->why.
 */
#ifndef EXPORT_PPROF_READER_H
#define EXPORT_PPROF_READER_H

#include "export/pprof.h"
#include "export/pprof_ids.h"
#include "export/proto.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Frames, labels or values over all samples; lines over all locations. */
#define READER_MAX_REFS (4 * PPROF_MAX_ITEMS)

struct reader {
	struct pprof *p;
	uint32_t n_types, n_samples, n_locations, n_functions, n_mappings, n_strings; /* by the count */
	uint32_t cap_lines, cap_refs, cap_labels, cap_comments;
	struct pprof_ids mappings, functions, locations;
	uint32_t default_type; /* string id */
	const char *what;      /* the part being read and its number, for messages */
	uint32_t index;
	char *why;
	size_t why_len;
};

/* Sets the reason, beginning with the part being read; returns @err. */
int reader_fail(struct reader *r, int err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
int reader_no_memory(struct reader *r);

/* Turn @ret of the proto_next() that ended a loop over @m into 0 or a failure. */
int reader_ended(struct reader *r, const struct proto_reader *m, int ret);

/* Make room for one more in the growing array *@array of @n objects of @size bytes. */
int reader_room(struct reader *r, void *array, uint32_t n, uint32_t *cap, size_t size);

/* The value of a field that has to be of a certain kind; a string has to exist. */
int reader_number(struct reader *r, const struct proto_field *f, uint64_t *v);
int reader_i64(struct reader *r, const struct proto_field *f, int64_t *v);
int reader_string(struct reader *r, const struct proto_field *f, uint32_t *id);
int reader_check_string(struct reader *r, uint64_t id, uint32_t *out);
int reader_message(struct reader *r, const struct proto_field *f, struct proto_reader *m);

/* Index of the object that an id field refers to; where @optional, id 0 is none: UINT32_MAX. */
int reader_ref(struct reader *r, const struct pprof_ids *ids, const char *kind, uint64_t id, bool optional,
	       uint32_t *out);

/* A field that is simply stored in the object a message becomes. */
struct reader_spec {
	uint32_t number; /* 0 ends the table */
	enum { READER_NUMBER, READER_FLAG, READER_STRING } kind;
	size_t offset; /* of a 64-bit integer, a bool or a uint32_t */
};

/* Store what @specs knows. 1: *@other is a field it does not know; 0: at the end; or -errno. */
int reader_fields(struct reader *r, struct proto_reader *m, const struct reader_spec *specs, void *object,
		  struct proto_field *other);

/* A message of which everything worth knowing is in @specs. */
int reader_plain(struct reader *r, struct proto_reader m, const struct reader_spec *specs, void *object);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* pprof_reader.c - see pprof_reader.h. */
#include "export/pprof_reader.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int reader_fail(struct reader *r, int err, const char *fmt, ...)
{
	size_t used = 0;
	va_list ap;
	int n;

	if (!r->why_len)
		return err;
	if (r->what) {
		n = snprintf(r->why, r->why_len, "%s %u: ", r->what, r->index);
		used = n < 0 ? 0 : (size_t)n < r->why_len ? (size_t)n : r->why_len - 1;
	}
	va_start(ap, fmt);
	vsnprintf(r->why + used, r->why_len - used, fmt, ap);
	va_end(ap);
	return err;
}

int reader_no_memory(struct reader *r)
{
	return reader_fail(r, -ENOMEM, "out of memory");
}

int reader_ended(struct reader *r, const struct proto_reader *m, int ret)
{
	if (!ret)
		return 0;
	return reader_fail(r, -EBADMSG, "cut off or damaged at byte %zu of %zu", (size_t)(m->pos - r->p->raw),
			   r->p->raw_len);
}

int reader_room(struct reader *r, void *array, uint32_t n, uint32_t *cap, size_t size)
{
	uint32_t want = *cap ? *cap * 2 : 64;
	void *old, *new;

	if (n < *cap)
		return 0;
	if (n >= READER_MAX_REFS)
		return reader_fail(r, -E2BIG, "more than %u entries", READER_MAX_REFS);
	memcpy(&old, array, sizeof(old));
	new = realloc(old, want * size);
	if (!new)
		return reader_no_memory(r);
	memcpy(array, &new, sizeof(new));
	*cap = want;
	return 0;
}

int reader_number(struct reader *r, const struct proto_field *f, uint64_t *v)
{
	*v = f->value;
	return f->wire == PROTO_VARINT ? 0 : reader_fail(r, -EBADMSG, "field %u is no number", f->number);
}

int reader_i64(struct reader *r, const struct proto_field *f, int64_t *v)
{
	uint64_t u;
	int err = reader_number(r, f, &u);

	*v = (int64_t)u;
	return err;
}

int reader_check_string(struct reader *r, uint64_t id, uint32_t *out)
{
	*out = (uint32_t)id;
	if (id < r->n_strings)
		return 0;
	return reader_fail(r, -EBADMSG, "string %llu does not exist, the table has %u",
			   (unsigned long long)id, r->n_strings);
}

int reader_string(struct reader *r, const struct proto_field *f, uint32_t *id)
{
	uint64_t v;
	int err = reader_number(r, f, &v);

	return err ? err : reader_check_string(r, v, id);
}

static int store(struct reader *r, const struct proto_field *f, const struct reader_spec *spec, char *object)
{
	uint32_t id;
	uint64_t v;
	bool flag;
	int err = reader_number(r, f, &v);

	if (err)
		return err;
	switch (spec->kind) {
	case READER_NUMBER:
		memcpy(object + spec->offset, &v, sizeof(v));
		break;
	case READER_FLAG:
		flag = v != 0;
		memcpy(object + spec->offset, &flag, sizeof(flag));
		break;
	case READER_STRING:
		err = reader_check_string(r, v, &id);
		memcpy(object + spec->offset, &id, sizeof(id));
		break;
	}
	return err;
}

int reader_fields(struct reader *r, struct proto_reader *m, const struct reader_spec *specs, void *object,
		  struct proto_field *other)
{
	const struct reader_spec *s;
	int ret, err;

	while ((ret = proto_next(m, other)) > 0) {
		for (s = specs; s->number && s->number != other->number; s++)
			;
		if (!s->number)
			return 1;
		err = store(r, other, s, object);
		if (err)
			return err;
	}
	return reader_ended(r, m, ret);
}

int reader_plain(struct reader *r, struct proto_reader m, const struct reader_spec *specs, void *object)
{
	struct proto_field unknown;
	int ret;

	while ((ret = reader_fields(r, &m, specs, object, &unknown)) > 0)
		;
	return ret;
}

int reader_message(struct reader *r, const struct proto_field *f, struct proto_reader *m)
{
	*m = f->bytes;
	return f->wire == PROTO_BYTES ? 0 : reader_fail(r, -EBADMSG, "field %u is no message", f->number);
}

int reader_ref(struct reader *r, const struct pprof_ids *ids, const char *kind, uint64_t id, bool optional,
	       uint32_t *out)
{
	*out = id || !optional ? pprof_ids_find(ids, id) : UINT32_MAX;
	if (*out == UINT32_MAX && (id || !optional))
		return reader_fail(r, -EBADMSG, "%s %llu does not exist", kind, (unsigned long long)id);
	return 0;
}

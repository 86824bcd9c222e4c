/* SPDX-License-Identifier: Apache-2.0 */
/* names.c - the table of names, and its bytes for a pipe that is not trusted. */
#include "symbolize/names.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_MAX_TEXT      (256u << 20) /* bytes of all strings */
#define NAMES_MAX_LOCATIONS (64u << 20)
#define WIRE_MAGIC          0x314e4444u /* "DDN1" */

const char *names_status_text(enum names_status s)
{
	static const char *const text[NAMES_STATUS_COUNT] = {
		[NAMES_PENDING] = "not looked at",
		[NAMES_DWARF] = "function and line",
		[NAMES_SYMBOL] = "function from a symbol table",
		[NAMES_JIT] = "function from a JIT's map",
		[NAMES_LINE_ONLY] = "line without a function",
		[NAMES_NO_FILE] = "file not readable",
		[NAMES_STRIPPED] = "stripped, no debug file found",
		[NAMES_NO_SYMBOL] = "no symbol covers the address",
		[NAMES_NOT_ALLOWED] = "kernel symbols not permitted",
		[NAMES_JIT_UNMAPPED] = "generated code without a map",
		[NAMES_JIT_FOREIGN] = "generated code, map of another user or process",
		[NAMES_JIT_NOT_LISTED] = "generated code that its map does not list",
		[NAMES_BAD_FILE] = "malformed file",
		[NAMES_TIMEOUT] = "symbolizing took too long",
		[NAMES_FAILED] = "symbolizer failed",
		[NAMES_DEBUG_UNREADABLE] = "stripped, its debug file is not readable",
		[NAMES_DEBUG_OTHER_CRC] = "stripped, its debug file has another checksum",
		[NAMES_DEBUG_OTHER_ID] = "stripped, its debug file has another build id",
	};

	return (unsigned int)s < NAMES_STATUS_COUNT ? text[s] : "unknown status";
}

void names_place(const char *path, uint64_t addr, char out[NAMES_PLACE_MAX])
{
	const char *base = strrchr(path, '/');
	size_t len;

	base = base && base[1] ? base + 1 : path;
	len = strlen(base);
	/* "[anon]" has its brackets already */
	if (len > 2 && base[0] == '[' && base[len - 1] == ']') {
		base++;
		len -= 2;
	}
	snprintf(out, NAMES_PLACE_MAX, len ? "[%.*s+0x%" PRIx64 "]" : "[%.*s0x%" PRIx64 "]",
		 len < 256 ? (int)len : 256, base, addr);
}

bool names_is_place(const char *name, size_t len)
{
	size_t i;

	if (len < 5 || name[0] != '[' || name[len - 1] != ']')
		return false;
	for (i = len - 1; isxdigit((unsigned char)name[i - 1]) && i > 3; i--)
		;
	return i < len - 1 && name[i - 1] == 'x' && name[i - 2] == '0' &&
	       (name[i - 3] == '+' || (name[i - 3] == '[' && i == 4));
}

bool names_status_named(enum names_status s)
{
	return s == NAMES_DWARF || s == NAMES_SYMBOL || s == NAMES_JIT;
}

bool names_status_stripped(enum names_status s)
{
	return s == NAMES_STRIPPED || s == NAMES_DEBUG_UNREADABLE || s == NAMES_DEBUG_OTHER_CRC ||
	       s == NAMES_DEBUG_OTHER_ID;
}

int names_init(struct names *n)
{
	*n = (struct names){0};
	return strtab_init(&n->strings, NAMES_MAX_TEXT);
}

void names_release(struct names *n)
{
	strtab_release(&n->strings);
	free(n->locations);
	free(n->frames);
	*n = (struct names){0};
}

int names_resize(struct names *n, uint32_t count)
{
	uint32_t cap = n->cap_locations ? n->cap_locations : 256;
	struct names_location *p;

	if (count <= n->n_locations)
		return 0;
	if (count > NAMES_MAX_LOCATIONS)
		return -E2BIG;
	while (cap < count)
		cap *= 2;
	if (cap != n->cap_locations) {
		p = realloc(n->locations, cap * sizeof(*p));
		if (!p)
			return -ENOMEM;
		n->locations = p;
		n->cap_locations = cap;
	}
	memset(n->locations + n->n_locations, 0, (count - n->n_locations) * sizeof(*n->locations));
	n->n_locations = count;
	return 0;
}

static int reserve_frames(struct names *n, uint32_t extra)
{
	uint32_t cap = n->cap_frames ? n->cap_frames : 1024;
	struct names_frame *p;

	if (extra > NAMES_MAX_FRAMES || n->n_frames > NAMES_MAX_FRAMES - extra)
		return -E2BIG;
	if (n->n_frames + extra <= n->cap_frames)
		return 0;
	while (cap < n->n_frames + extra)
		cap *= 2;
	p = realloc(n->frames, cap * sizeof(*p));
	if (!p)
		return -ENOMEM;
	n->frames = p;
	n->cap_frames = cap;
	return 0;
}

static bool may_pass(enum names_status status)
{
	return status == NAMES_NO_FILE || status == NAMES_JIT_UNMAPPED || status == NAMES_JIT_NOT_LISTED ||
	       status == NAMES_TIMEOUT || status == NAMES_FAILED;
}

/*
 * Frames are only ever appended, also when a location is set again: locations
 * at the same address may share theirs.
 */
int names_set(struct names *n, uint32_t loc, enum names_status status, const struct names_frame *frames,
	      uint32_t n_frames)
{
	struct names_location *l;
	int err;

	if (n_frames > NAMES_MAX_INLINE || (unsigned int)status >= NAMES_STATUS_COUNT || loc == UINT32_MAX)
		return -EINVAL;
	err = names_resize(n, loc + 1);
	if (err)
		return err;
	l = &n->locations[loc];
	if (l->status == NAMES_PENDING && n_frames && l->n == n_frames &&
	    !memcmp(n->frames + l->first, frames, n_frames * sizeof(*frames))) {
		l->status = (uint8_t)status;
		return 0;
	}
	err = reserve_frames(n, n_frames);
	if (err)
		return err;
	if (n_frames)
		memcpy(n->frames + n->n_frames, frames, n_frames * sizeof(*frames));
	l->first = n->n_frames;
	l->n = (uint16_t)n_frames;
	l->status = (uint8_t)status;
	if (may_pass(status) && l->tries < NAMES_MAX_TRIES)
		l->tries++;
	n->n_frames += n_frames;
	return 0;
}

void names_outdated(struct names *n, uint32_t loc)
{
	if (loc < n->n_locations)
		n->locations[loc].status = NAMES_PENDING;
}

void names_retry(struct names *n, uint32_t count)
{
	struct names_location *l;
	uint32_t i;

	for (i = 0; i < count && i < n->n_locations; i++) {
		l = &n->locations[i];
		if (!may_pass((enum names_status)l->status) || l->tries >= NAMES_MAX_TRIES)
			continue;
		l->status = NAMES_PENDING;
		l->n = 0;
	}
}

/* ---- other numbers ---- */

static int copy_frame(struct names *to, const struct names *from, const struct names_frame *f)
{
	const uint32_t was[] = {f->function, f->system_name, f->file};
	uint32_t id[3];
	unsigned i;
	int err;

	for (i = 0; i < 3; i++) {
		err = was[i] < from->strings.count
			      ? strtab_put_len(&to->strings, strtab_get(&from->strings, was[i]),
					       from->strings.length[was[i]], &id[i])
			      : -EINVAL;
		if (err)
			return err;
	}
	to->frames[to->n_frames++] = (struct names_frame){id[0], id[1], id[2], f->line, f->start_line};
	return 0;
}

/* Tries and a status that is to be asked anew come along. */
static int copy_location(struct names *to, uint32_t loc, const struct names *from,
			 const struct names_location *l)
{
	int err = names_resize(to, loc + 1);
	uint32_t i;

	if (!err)
		err = reserve_frames(to, l->n);
	if (err)
		return err;
	to->locations[loc] = *l;
	to->locations[loc].first = to->n_frames;
	for (i = 0; i < l->n && !err; i++)
		err = copy_frame(to, from, &from->frames[l->first + i]);
	return err;
}

void names_renumber(struct names *n, const uint32_t *now, uint32_t count)
{
	struct names fresh;
	int err = names_init(&fresh);
	uint32_t i;

	for (i = 0; i < count && i < n->n_locations && !err; i++)
		if (now[i] != UINT32_MAX)
			err = copy_location(&fresh, now[i], n, &n->locations[i]);
	if (err) {
		names_release(&fresh);
		n->n_locations = n->n_frames = 0;
		return;
	}
	names_release(n);
	*n = fresh;
}

/* ---- writing ---- */

struct wire_writer {
	const struct names *names;
	uint32_t *local; /* names' string id -> number on the wire; 0: not yet */
	uint32_t n_strings;
	struct buf strings, body;
};

static uint32_t wire_string(struct wire_writer *w, uint32_t id)
{
	const struct strtab *t = &w->names->strings;

	if (!id || id >= t->count)
		return 0;
	if (!w->local[id]) {
		w->local[id] = ++w->n_strings;
		buf_put_u32(&w->strings, t->length[id]);
		buf_put(&w->strings, t->bytes + t->start[id], t->length[id]);
	}
	return w->local[id];
}

static void wire_location(struct wire_writer *w, uint32_t loc)
{
	const struct names_location *l = &w->names->locations[loc];
	const struct names_frame *f;
	uint32_t i;

	buf_put_u32(&w->body, loc);
	buf_put_u32(&w->body, (uint32_t)l->status << 16 | l->n);
	for (i = 0; i < l->n; i++) {
		f = &w->names->frames[l->first + i];
		buf_put_u32(&w->body, wire_string(w, f->function));
		buf_put_u32(&w->body, wire_string(w, f->system_name));
		buf_put_u32(&w->body, wire_string(w, f->file));
		buf_put_u32(&w->body, f->line);
		buf_put_u32(&w->body, f->start_line);
	}
}

int names_encode(const struct names *n, const uint32_t *ids, uint32_t n_ids, struct buf *out)
{
	struct wire_writer w = {.names = n};
	uint32_t i, n_locations = 0;
	size_t before = out->len;
	int err;

	buf_init(&w.strings, out->max);
	buf_init(&w.body, out->max);
	w.local = calloc(n->strings.count ? n->strings.count : 1, sizeof(*w.local));
	if (!w.local)
		return -ENOMEM;
	for (i = 0; i < n_ids; i++) {
		if (ids[i] >= n->n_locations || n->locations[ids[i]].status == NAMES_PENDING)
			continue;
		wire_location(&w, ids[i]);
		n_locations++;
	}
	buf_put_u32(out, WIRE_MAGIC);
	buf_put_u32(out, w.n_strings);
	buf_put_u32(out, n_locations);
	buf_put(out, w.strings.data, w.strings.len);
	buf_put(out, w.body.data, w.body.len);
	err = w.strings.error ? w.strings.error : w.body.error ? w.body.error : out->error;
	if (err)
		out->len = before;
	buf_release(&w.strings);
	buf_release(&w.body);
	free(w.local);
	return err;
}

/* ---- reading ---- */

struct wire_reader {
	const uint8_t *p, *end;
	uint32_t *ids; /* number on the wire -> string id in the receiving table */
	uint32_t n_ids;
};

static int wire_u32(struct wire_reader *r, uint32_t *v)
{
	if (r->end - r->p < (ptrdiff_t)sizeof(*v))
		return -EBADMSG;
	memcpy(v, r->p, sizeof(*v));
	r->p += sizeof(*v);
	return 0;
}

/* Length of the well-formed UTF-8 character at @s (RFC 3629), 0 if there is none. */
static size_t utf8_char(const uint8_t *s, size_t len)
{
	uint8_t lo = 0x80, hi = 0xbf;
	size_t i, n;

	if (s[0] < 0x80)
		return 1;
	n = s[0] >= 0xc2 && s[0] <= 0xdf   ? 2
	    : (s[0] & 0xf0) == 0xe0        ? 3
	    : s[0] >= 0xf0 && s[0] <= 0xf4 ? 4
					   : 0;
	if (!n || n > len)
		return 0;
	if (s[0] == 0xe0)
		lo = 0xa0;
	else if (s[0] == 0xed)
		hi = 0x9f;
	else if (s[0] == 0xf0)
		lo = 0x90;
	else if (s[0] == 0xf4)
		hi = 0x8f;
	if (s[1] < lo || s[1] > hi)
		return 0;
	for (i = 2; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

/*
 * Symbol names come from files nobody vouches for, and one byte that is no
 * UTF-8 makes strict protobuf readers refuse a whole profile: such bytes
 * become '?'. A NUL inside a string is malformed.
 */
static int wire_text(struct wire_reader *r, struct strtab *into, uint32_t *id)
{
	char clean[STRTAB_STR_MAX];
	size_t i = 0, n;
	uint32_t len;

	if (wire_u32(r, &len) || len > STRTAB_STR_MAX || len > (size_t)(r->end - r->p) ||
	    memchr(r->p, 0, len))
		return -EBADMSG;
	while (i < len) {
		n = utf8_char(r->p + i, len - i);
		if (n)
			memcpy(clean + i, r->p + i, n);
		else
			clean[i] = '?';
		i += n ? n : 1;
	}
	r->p += len;
	return strtab_put_len(into, clean, len, id);
}

static int wire_id(struct wire_reader *r, uint32_t *id)
{
	uint32_t v;

	if (wire_u32(r, &v) || v >= r->n_ids)
		return -EBADMSG;
	*id = r->ids[v];
	return 0;
}

static int decode_location(struct wire_reader *r, struct names *into, uint32_t n_locations)
{
	struct names_frame frames[NAMES_MAX_INLINE];
	uint32_t loc, head, status, n, i;

	if (wire_u32(r, &loc) || wire_u32(r, &head))
		return -EBADMSG;
	status = head >> 16;
	n = head & 0xffff;
	if (loc >= n_locations || status == NAMES_PENDING || status >= NAMES_STATUS_COUNT ||
	    n > NAMES_MAX_INLINE)
		return -EBADMSG;
	for (i = 0; i < n; i++)
		if (wire_id(r, &frames[i].function) || wire_id(r, &frames[i].system_name) ||
		    wire_id(r, &frames[i].file) || wire_u32(r, &frames[i].line) ||
		    wire_u32(r, &frames[i].start_line))
			return -EBADMSG;
	if (loc < into->n_locations && into->locations[loc].status != NAMES_PENDING)
		return 0;
	return names_set(into, loc, (enum names_status)status, frames, n);
}

int names_decode(struct names *into, uint32_t n_locations, const uint8_t *data, size_t len)
{
	struct wire_reader r = {.p = data, .end = data + len};
	uint32_t magic, n_strings, count, i;
	int err = -EBADMSG;

	if (wire_u32(&r, &magic) || magic != WIRE_MAGIC || wire_u32(&r, &n_strings) || wire_u32(&r, &count))
		return -EBADMSG;
	/* Each string takes at least its length word: no allocation beyond the size of the message. */
	if (n_strings > (size_t)(r.end - r.p) / sizeof(uint32_t))
		return -EBADMSG;
	r.ids = calloc((size_t)n_strings + 1, sizeof(*r.ids));
	if (!r.ids)
		return -ENOMEM;
	r.n_ids = n_strings + 1;
	for (i = 1; i <= n_strings; i++) {
		err = wire_text(&r, &into->strings, &r.ids[i]);
		if (err)
			goto out;
	}
	err = 0;
	for (i = 0; i < count && !err; i++)
		err = decode_location(&r, into, n_locations);
	if (!err && r.p != r.end)
		err = -EBADMSG;
out:
	free(r.ids);
	return err;
}

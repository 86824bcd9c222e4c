/* SPDX-License-Identifier: Apache-2.0 */
/*
 * src_jitdump.c - names and lines of generated code from a jitdump.
 *
 * The file says what was where from when on, so an address is looked up
 * together with the time of its first sample: the latest code that began
 * before it; if there is none (a clock that cannot be compared), the first or
 * the last there is. Format: collect/jitdump.h.
 */
#include "base/hash.h"
#include "base/io.h"
#include "collect/jitdump.h"
#include "symbolize/jit_name.h"
#include "symbolize/source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_CODES (4u << 20)
#define MAX_PICKS (256u << 20)
#define MAX_NAME  16384
#define V8_SHIFT  0x40 /* V8 counts its line records' addresses from an ELF header it imagines */

struct code { /* one LOAD */
	uint64_t index, addr, size;
	uint64_t name_off, lines_off; /* in the file; lines_off 0: none */
	uint32_t name_max, lines_size;
	uint32_t latest; /* of the first LOAD with this index: the last one */
};

struct pick {
	uint32_t code; /* + 1; 0: none */
	uint64_t start, time;
};

struct jitdump {
	struct source_module *m;
	int fd;
	uint64_t size;
	bool untimed;
	struct code *codes;
	uint32_t n_codes, cap_codes;
	struct idmap by_index; /* code_index -> the first LOAD that has it */
	struct pick *picks;    /* [n_addrs] */
	uint64_t n_picks;
	struct { /* the debug info record that was seen last */
		uint64_t addr, off;
		uint32_t size;
	} debug;
};

static uint64_t code_hash(const void *owner, uint32_t id)
{
	return hash_u64(((const struct jitdump *)owner)->codes[id].index + 1);
}

static bool code_same(const void *owner, uint32_t id, const void *key)
{
	return ((const struct jitdump *)owner)->codes[id].index == *(const uint64_t *)key;
}

/* Is code that came at @time a better answer than @old for an address first seen at @seen? */
static bool better(const struct jitdump *d, const struct pick *old, uint64_t time, uint64_t seen)
{
	if (!old->code || d->untimed)
		return true;
	if (time <= seen)
		return old->time > seen || time >= old->time;
	return old->time > seen && time < old->time;
}

static void pick(struct jitdump *d, uint32_t code, uint64_t start, uint64_t size, uint64_t time)
{
	const struct source_module *m = d->m;
	uint32_t i;

	if (size > UINT64_MAX - start)
		return;
	for (i = source_lower_bound(m, start); i < m->n_addrs && m->addrs[i].vaddr < start + size; i++) {
		d->n_picks++;
		if (better(d, &d->picks[i], time, m->addrs[i].time))
			d->picks[i] = (struct pick){code + 1, start, time};
	}
}

static int grow_codes(struct jitdump *d)
{
	uint32_t cap = d->cap_codes ? d->cap_codes * 2 : 1024;
	struct code *c;

	if (d->n_codes < d->cap_codes)
		return 0;
	if (cap > MAX_CODES)
		return -EBADMSG;
	c = realloc(d->codes, cap * sizeof(*c));
	if (!c)
		return -ENOMEM;
	d->codes = c;
	d->cap_codes = cap;
	return 0;
}

static int take_load(struct jitdump *d, const struct jitdump_record *r, const struct jitdump_load *l,
		     uint64_t off)
{
	const uint32_t fixed = sizeof(*r) + sizeof(*l);
	struct code *c;
	uint32_t id;
	int err = grow_codes(d);

	if (err)
		return err;
	c = &d->codes[d->n_codes];
	*c = (struct code){.index = l->code_index, .addr = l->code_addr, .size = l->code_size};
	c->name_off = off + fixed;
	c->name_max = r->total_size - fixed < MAX_NAME ? r->total_size - fixed : MAX_NAME;
	if (d->debug.size && d->debug.addr == l->code_addr) {
		c->lines_off = d->debug.off;
		c->lines_size = d->debug.size;
	}
	d->debug.size = 0;
	id = idmap_find(&d->by_index, hash_u64(c->index + 1), code_same, d, &c->index);
	/* Numbers are meant to be unique; where they are not, a move is of the latest. */
	if (id != IDMAP_NONE)
		d->codes[id].latest = d->n_codes;
	else
		err = idmap_add(&d->by_index, hash_u64(c->index + 1), d->n_codes, code_hash, d);
	c->latest = d->n_codes++;
	pick(d, c->latest, l->code_addr, l->code_size, r->timestamp);
	return err;
}

static void take_move(struct jitdump *d, const struct jitdump_record *r, const struct jitdump_move *mv)
{
	uint32_t id = idmap_find(&d->by_index, hash_u64(mv->code_index + 1), code_same, d, &mv->code_index);

	if (id != IDMAP_NONE)
		pick(d, d->codes[id].latest, mv->new_code_addr, mv->code_size, r->timestamp);
}

/* The record at @off, of which all is in the file. */
static int take_record(struct jitdump *d, const struct jitdump_record *r, uint64_t off)
{
	union {
		struct jitdump_load load;
		struct jitdump_move move;
		struct jitdump_debug debug;
	} u = {0};
	size_t want = r->id == JITDUMP_LOAD         ? sizeof(u.load)
		      : r->id == JITDUMP_MOVE       ? sizeof(u.move)
		      : r->id == JITDUMP_DEBUG_INFO ? sizeof(u.debug)
						    : 0;

	if (!want || r->total_size < sizeof(*r) + want)
		return 0;
	if (io_pread_full(d->fd, &u, want, off + sizeof(*r)) != (ssize_t)want)
		return -EBADMSG;
	if (r->id == JITDUMP_LOAD)
		return take_load(d, r, &u.load, off);
	if (r->id == JITDUMP_MOVE) {
		take_move(d, r, &u.move);
		return 0;
	}
	d->debug.addr = u.debug.code_addr;
	d->debug.off = off + sizeof(*r) + want;
	d->debug.size = r->total_size - (uint32_t)(sizeof(*r) + want);
	return 0;
}

/* 0, -EBADMSG (no jitdump, or malformed from some point on), -ENOMEM. */
static int read_records(struct jitdump *d)
{
	struct jitdump_head head;
	struct jitdump_record r;
	uint64_t off;
	int err = 0;

	if (io_pread_full(d->fd, &head, sizeof(head), 0) != sizeof(head) || head.magic != JITDUMP_MAGIC ||
	    head.total_size < sizeof(head) || head.total_size > JITDUMP_HEAD_MAX)
		return -EBADMSG;
	d->untimed = head.flags & JITDUMP_ARCH_TIMESTAMP;
	for (off = head.total_size; !err && off < d->size && d->size - off >= sizeof(r);
	     off += r.total_size) {
		if (io_pread_full(d->fd, &r, sizeof(r), off) != sizeof(r))
			break;
		if (r.total_size < sizeof(r) || r.total_size > JITDUMP_RECORD_MAX)
			return -EBADMSG;
		if (d->size - off < r.total_size || r.id == JITDUMP_CLOSE || d->n_picks > MAX_PICKS)
			break; /* not all written yet, or the end */
		err = take_record(d, &r, off);
	}
	return err;
}

/* ---- lines ---- */

struct line {
	const char *file;
	size_t file_len;
	uint32_t line;
};

/*
 * The entry with the highest address up to @addr among those at @data; of equal
 * ones the last. Those before it are not always in order.
 */
static bool find_line(const uint8_t *data, size_t len, uint64_t addr, struct line *best)
{
	const char *file = "", *name;
	size_t at = 0, file_len = 0, n;
	struct jitdump_line e;
	uint64_t best_addr = 0;
	bool found = false;

	while (len - at > sizeof(e)) {
		memcpy(&e, data + at, sizeof(e));
		name = (const char *)data + at + sizeof(e);
		n = strnlen(name, len - at - sizeof(e));
		if (n == len - at - sizeof(e))
			break; /* no NUL: cut off */
		if (n != 1 || (uint8_t)name[0] != 0xff) {
			file = name;
			file_len = n;
		}
		if (e.addr <= addr && (!found || e.addr >= best_addr)) {
			*best = (struct line){file, file_len, e.line};
			best_addr = e.addr;
			found = true;
		}
		at += sizeof(e) + n + 1;
	}
	return found && best->line && best->file_len;
}

/* Is @l in the file that the function's name tells? Node 20 writes freed memory for the names of user
 * scripts. */
static bool own_file(const struct line *l, const char *own)
{
	size_t i;

	if (l->file_len == strlen(own) && !memcmp(l->file, own, l->file_len))
		return true;
	for (i = 0; i < l->file_len; i++)
		if ((uint8_t)l->file[i] < 0x20 || (uint8_t)l->file[i] > 0x7e)
			return true;
	return false;
}

static int put_line(struct names *names, struct line *l, struct names_frame *f)
{
	int err = 0;

	if (l->file_len > 7 && !memcmp(l->file, "file://", 7)) {
		l->file += 7;
		l->file_len -= 7;
	}
	if (!f->file)
		err = strtab_put_len(&names->strings, l->file,
				     l->file_len < STRTAB_STR_MAX ? l->file_len : STRTAB_STR_MAX, &f->file);
	else if (!own_file(l, strtab_get(&names->strings, f->file)))
		return 0; /* of a call inlined from elsewhere, of which only the line is told */
	f->line = l->line;
	return err;
}

static int set_line(struct jitdump *d, const struct code *c, uint64_t addr, bool v8, struct names *names,
		    struct names_frame *f)
{
	uint8_t *data;
	struct line l;
	int err = 0;

	if (!c->lines_off)
		return 0;
	data = malloc(c->lines_size ? c->lines_size : 1);
	if (!data)
		return -ENOMEM;
	if (io_pread_full(d->fd, data, c->lines_size, c->lines_off) == (ssize_t)c->lines_size &&
	    find_line(data, c->lines_size, addr + (v8 ? V8_SHIFT : 0), &l))
		err = put_line(names, &l, f);
	free(data);
	return err;
}

static int set_name(struct jitdump *d, struct names *names, struct source_addr *a, const struct pick *p)
{
	const struct code *c = &d->codes[p->code - 1];
	struct names_frame f = {0};
	char text[MAX_NAME];
	size_t len;
	int err;

	if (io_pread_full(d->fd, text, c->name_max, c->name_off) != (ssize_t)c->name_max)
		return 0;
	len = strnlen(text, c->name_max);
	if (!len)
		return 0;
	err = jit_name(names, text, len, &f);
	/* Lines are of where the code was made. */
	if (!err)
		err = set_line(d, c, c->addr + (a->vaddr - p->start), jit_name_is_v8(text, len), names, &f);
	if (!err)
		err = names_set(names, a->location, NAMES_JIT, &f, 1);
	a->done = !err;
	return err;
}

static int jitdump_resolve(struct source_module *m, struct names *names, bool inlines)
{
	struct jitdump d = {.m = m, .fd = m->aux_fd[SOURCE_FD_JITDUMP]};
	struct stat st;
	uint32_t i;
	int err;

	(void)inlines;
	if (!m->n_addrs || d.fd < 0 || fstat(d.fd, &st) || st.st_size <= 0)
		return 0;
	d.size = (uint64_t)st.st_size;
	idmap_init(&d.by_index);
	d.picks = calloc(m->n_addrs, sizeof(*d.picks));
	err = d.picks ? read_records(&d) : -ENOMEM;
	m->missing = d.n_codes ? NAMES_JIT_NOT_LISTED : m->missing;
	/* What came before the malformed part is still good. */
	if (err == -EBADMSG)
		err = 0;
	for (i = 0; i < m->n_addrs && !err; i++)
		if (d.picks[i].code && !m->addrs[i].done)
			err = set_name(&d, names, &m->addrs[i], &d.picks[i]);
	idmap_release(&d.by_index);
	free(d.codes);
	free(d.picks);
	return err;
}

static bool jitdump_applies(const struct profile_module *mod)
{
	return mod->kind == MODULE_ANON;
}

const struct source source_jitdump = {
	.name = "jitdump",
	.applies = jitdump_applies,
	.resolve = jitdump_resolve,
};

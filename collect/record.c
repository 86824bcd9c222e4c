/* SPDX-License-Identifier: Apache-2.0 */
/* record.c - a cursor over the record's 64-bit words, bounds-checked at each step. */
#include "collect/record.h"

#include <errno.h>
#include <string.h>

#ifndef PERF_RECORD_MISC_MMAP_BUILD_ID
#define PERF_RECORD_MISC_MMAP_BUILD_ID (1 << 14)
#endif

struct cursor {
	const uint8_t *p, *end;
};

static bool take_u64(struct cursor *c, uint64_t *v)
{
	if ((size_t)(c->end - c->p) < sizeof(*v))
		return false;
	memcpy(v, c->p, sizeof(*v));
	c->p += sizeof(*v);
	return true;
}

static bool take_u32_pair(struct cursor *c, uint32_t *a, uint32_t *b)
{
	if (c->end - c->p < 8)
		return false;
	memcpy(a, c->p, 4);
	memcpy(b, c->p + 4, 4);
	c->p += 8;
	return true;
}

static const void *take(struct cursor *c, uint64_t len)
{
	const void *at = c->p;

	if (len > (uint64_t)(c->end - c->p))
		return NULL;
	c->p += len;
	return at;
}

static bool skip_if(struct cursor *c, uint64_t type, uint64_t bit)
{
	uint64_t ignored;

	return !(type & bit) || take_u64(c, &ignored);
}

static bool sample_head(struct cursor *c, uint64_t type, struct record *r)
{
	uint32_t cpu, reserved;

	if ((type & PERF_SAMPLE_IDENTIFIER) && !take_u64(c, &r->id))
		return false;
	if ((type & PERF_SAMPLE_IP) && !take_u64(c, &r->u.sample.ip))
		return false;
	if ((type & PERF_SAMPLE_TID) && !take_u32_pair(c, &r->pid, &r->tid))
		return false;
	if ((type & PERF_SAMPLE_TIME) && !take_u64(c, &r->time))
		return false;
	if ((type & PERF_SAMPLE_ADDR) && !take_u64(c, &r->u.sample.addr))
		return false;
	if ((type & PERF_SAMPLE_ID) && !take_u64(c, &r->id))
		return false;
	if (!skip_if(c, type, PERF_SAMPLE_STREAM_ID))
		return false;
	if ((type & PERF_SAMPLE_CPU) && !take_u32_pair(c, &cpu, &reserved))
		return false;
	return !(type & PERF_SAMPLE_PERIOD) || take_u64(c, &r->u.sample.period);
}

static bool sample_stack(struct cursor *c, struct record *r)
{
	uint64_t size, dyn;

	if (!take_u64(c, &size))
		return false;
	if (!size)
		return true;
	r->u.sample.stack = take(c, size);
	if (!r->u.sample.stack || !take_u64(c, &dyn) || dyn > size)
		return false;
	r->u.sample.stack_size = dyn;
	r->u.sample.stack_room = size;
	return true;
}

static int decode_sample(struct cursor *c, const struct perf_event_header *hdr, const struct record_layout *l,
			 struct record *r)
{
	uint64_t type = l->sample_type;

	if (!sample_head(c, type, r))
		return -EBADMSG;
	if (type & PERF_SAMPLE_CALLCHAIN) {
		if (!take_u64(c, &r->u.sample.n_chain) || r->u.sample.n_chain > hdr->size / 8)
			return -EBADMSG;
		r->u.sample.chain = take(c, r->u.sample.n_chain * 8);
		if (!r->u.sample.chain)
			return -EBADMSG;
	}
	if (type & PERF_SAMPLE_REGS_USER) {
		if (!take_u64(c, &r->u.sample.abi))
			return -EBADMSG;
		if (r->u.sample.abi != PERF_SAMPLE_REGS_ABI_NONE) {
			r->u.sample.regs = take(c, (uint64_t)l->n_regs * 8);
			r->u.sample.n_regs = l->n_regs;
			if (!r->u.sample.regs)
				return -EBADMSG;
		}
	}
	if ((type & PERF_SAMPLE_STACK_USER) && !sample_stack(c, r))
		return -EBADMSG;
	r->u.sample.user = (hdr->misc & PERF_RECORD_MISC_CPUMODE_MASK) == PERF_RECORD_MISC_USER;
	return 0;
}

/* Bytes of the sample_id trailer that ends every record but samples. */
static size_t trailer_size(uint64_t type)
{
	size_t n = 0;

	n += type & PERF_SAMPLE_TID ? 8 : 0;
	n += type & PERF_SAMPLE_TIME ? 8 : 0;
	n += type & PERF_SAMPLE_ID ? 8 : 0;
	n += type & PERF_SAMPLE_STREAM_ID ? 8 : 0;
	n += type & PERF_SAMPLE_CPU ? 8 : 0;
	n += type & PERF_SAMPLE_IDENTIFIER ? 8 : 0;
	return n;
}

static bool decode_trailer(struct cursor *c, uint64_t type, struct record *r)
{
	size_t size = trailer_size(type);
	struct cursor t;

	if (size > (size_t)(c->end - c->p))
		return false;
	t = (struct cursor){c->end - size, c->end};
	c->end -= size;
	return (!(type & PERF_SAMPLE_TID) || take_u32_pair(&t, &r->pid, &r->tid)) &&
	       (!(type & PERF_SAMPLE_TIME) || take_u64(&t, &r->time)) &&
	       (!(type & PERF_SAMPLE_ID) || take_u64(&t, &r->id)) &&
	       skip_if(&t, type, PERF_SAMPLE_STREAM_ID) && skip_if(&t, type, PERF_SAMPLE_CPU) &&
	       (!(type & PERF_SAMPLE_IDENTIFIER) || take_u64(&t, &r->id));
}

static bool take_string(struct cursor *c, const char **s)
{
	*s = (const char *)c->p;
	return memchr(c->p, 0, (size_t)(c->end - c->p)) != NULL;
}

static int decode_mmap2(struct cursor *c, const struct perf_event_header *hdr, struct record *r)
{
	uint64_t ino_or_id[3];
	uint32_t flags;

	r->kind = RECORD_MMAP;
	if (!take_u32_pair(c, &r->pid, &r->tid) || !take_u64(c, &r->u.mmap.start) ||
	    !take_u64(c, &r->u.mmap.len) || !take_u64(c, &r->u.mmap.pgoff) || !take_u64(c, &ino_or_id[0]) ||
	    !take_u64(c, &ino_or_id[1]) || !take_u64(c, &ino_or_id[2]) ||
	    !take_u32_pair(c, &r->u.mmap.prot, &flags) || !take_string(c, &r->u.mmap.path))
		return -EBADMSG;
	if (!(hdr->misc & PERF_RECORD_MISC_MMAP_BUILD_ID)) {
		memcpy(&r->u.mmap.maj, &ino_or_id[0], 4);
		memcpy(&r->u.mmap.min, (char *)&ino_or_id[0] + 4, 4);
		r->u.mmap.ino = ino_or_id[1];
		r->u.mmap.ino_generation = ino_or_id[2];
	}
	if (!r->u.mmap.len || r->u.mmap.start + r->u.mmap.len < r->u.mmap.start)
		return -EBADMSG;
	return 0;
}

static int decode_task(struct cursor *c, enum record_kind kind, struct record *r)
{
	/* Order in the record: pid, ppid, tid, ptid. */
	r->kind = kind;
	if (!take_u32_pair(c, &r->pid, &r->u.task.ppid) || !take_u32_pair(c, &r->tid, &r->u.task.ptid))
		return -EBADMSG;
	return 0;
}

static int decode_side_band(struct cursor *c, const struct perf_event_header *hdr, struct record *r)
{
	uint64_t id;

	switch (hdr->type) {
	case PERF_RECORD_MMAP2:
		return decode_mmap2(c, hdr, r);
	case PERF_RECORD_COMM:
		r->kind = RECORD_COMM;
		r->u.comm.exec = hdr->misc & PERF_RECORD_MISC_COMM_EXEC;
		return take_u32_pair(c, &r->pid, &r->tid) && take_string(c, &r->u.comm.name) ? 0 : -EBADMSG;
	case PERF_RECORD_FORK:
		return decode_task(c, RECORD_FORK, r);
	case PERF_RECORD_EXIT:
		return decode_task(c, RECORD_EXIT, r);
	case PERF_RECORD_LOST:
		r->kind = RECORD_LOST;
		return take_u64(c, &id) && take_u64(c, &r->u.lost.lost) ? 0 : -EBADMSG;
	case PERF_RECORD_LOST_SAMPLES:
		r->kind = RECORD_LOST;
		r->u.lost.samples = true;
		return take_u64(c, &r->u.lost.lost) ? 0 : -EBADMSG;
	case PERF_RECORD_THROTTLE:
		r->kind = RECORD_THROTTLE;
		return 0;
	default:
		r->kind = RECORD_OTHER;
		return 0;
	}
}

int record_decode(const struct perf_event_header *hdr, const struct record_layout *layout, struct record *out)
{
	struct cursor c = {(const uint8_t *)(hdr + 1), (const uint8_t *)hdr + hdr->size};
	struct record r = {0};
	int err;

	if (layout->sample_type & ~(uint64_t)RECORD_SAMPLE_TYPES)
		return -ENOTSUP;
	if (hdr->size < sizeof(*hdr))
		return -EBADMSG;
	if (hdr->type == PERF_RECORD_SAMPLE)
		err = decode_sample(&c, hdr, layout, &r);
	else if (decode_trailer(&c, layout->sample_type, &r))
		err = decode_side_band(&c, hdr, &r);
	else
		err = -EBADMSG;
	if (!err)
		*out = r;
	return err;
}

size_t record_time_offset(uint32_t type, size_t size, const struct record_layout *layout)
{
	uint64_t st = layout->sample_type;
	size_t off = sizeof(struct perf_event_header);

	if (!(st & PERF_SAMPLE_TIME))
		return 0;
	if (type == PERF_RECORD_SAMPLE) {
		off += st & PERF_SAMPLE_IDENTIFIER ? 8 : 0;
		off += st & PERF_SAMPLE_IP ? 8 : 0;
		off += st & PERF_SAMPLE_TID ? 8 : 0;
	} else {
		size_t t = trailer_size(st);

		if (t > size - sizeof(struct perf_event_header))
			return 0;
		off = size - t + (st & PERF_SAMPLE_TID ? 8 : 0);
	}
	return off + 8 <= size ? off : 0;
}

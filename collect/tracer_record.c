/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tracer_record.c - records as the kernel writes them, from what was read of a
 * stopped thread. include/uapi/linux/perf_event.h, enum perf_event_type.
 */
#include "collect/tracer_private.h"

#include <string.h>

/* Words before the stack's bytes: header, id, ip, pid and tid, time, period, abi; registers; the size. */
#define FIXED 7u

static unsigned n_regs(void)
{
	return (unsigned)__builtin_popcountll(regs_arch.perf_mask);
}

void *tracer_sample_stack(struct tracer_sample *s)
{
	return s->words + FIXED + n_regs() + 1;
}

size_t tracer_sample_finish(struct tracer_sample *s, const struct tracer_facts *f, size_t copied)
{
	uint64_t dwarf[REGS_MAX], *w = s->words;
	size_t before = (FIXED + n_regs() + 1) * 8, size;

	copied &= ~(size_t)7;
	size = before + copied + (copied ? 8 : 0);
	(void)regs_from_perf(f->regs, n_regs(), dwarf);
	*(struct perf_event_header *)w =
		(struct perf_event_header){PERF_RECORD_SAMPLE, PERF_RECORD_MISC_USER, (uint16_t)size};
	w[1] = 0;
	w[2] = dwarf[regs_arch.pc];
	w[3] = (uint32_t)f->pid | (uint64_t)(uint32_t)f->tid << 32;
	w[4] = f->time;
	w[5] = f->period;
	w[6] = regs_arch.perf_abi;
	memcpy(w + FIXED, f->regs, n_regs() * 8);
	w[FIXED + n_regs()] = copied;
	if (copied)
		w[(before + copied) / 8] = copied;
	return size;
}

size_t tracer_exec_record(uint64_t words[16], pid_t pid, const char comm[16], uint64_t time)
{
	const uint64_t task = (uint32_t)pid | (uint64_t)(uint32_t)pid << 32;
	size_t n = 0;

	*(struct perf_event_header *)words =
		(struct perf_event_header){PERF_RECORD_COMM, PERF_RECORD_MISC_COMM_EXEC, 0};
	words[1] = task;
	memcpy(words + 2, comm, 16);
	((char *)(words + 2))[15] = '\0';
	n = 4;
	/* The sample_id that ends it, by TRACER_SAMPLE_TYPE. */
	words[n++] = task;
	words[n++] = time;
	words[n++] = 0;
	((struct perf_event_header *)words)->size = (uint16_t)(n * 8);
	return n * 8;
}

bool tracer_push(void *page, size_t head, size_t size, const void *record, size_t len, uint64_t *fill)
{
	struct perf_event_mmap_page *p = page;
	uint64_t at = p->data_head, used = at - __atomic_load_n(&p->data_tail, __ATOMIC_ACQUIRE);
	uint8_t *data = (uint8_t *)page + head;
	size_t off = at & (size - 1), first = size - off < len ? size - off : len;

	*fill = used;
	if (used > size || len > size - used)
		return false;
	memcpy(data + off, record, first);
	memcpy(data, (const uint8_t *)record + first, len - first);
	__atomic_store_n(&p->data_head, at + len, __ATOMIC_RELEASE);
	*fill = used + len;
	return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writer.c - records into the shared rings, from signal handlers.
 *
 * A ring is locked by trying: whoever finds it taken goes on to the next, for
 * the owner may be a thread that this very one interrupted the work of, or dead.
 * The stack is copied by process_vm_readv(2) from ourselves, which stops where
 * the stack does instead of faulting. Where that is refused, rt_sigprocmask(2)
 * with an impossible request says whether a page can be read.
 */
#include "collect/preload/preload.h"

#include <linux/time.h>
#include <linux/uio.h>

#define PAGE 4096 /* the smallest there is */

struct writer {
	struct perf_event_mmap_page *page;
	uint8_t *data;
	uint64_t size, head, room;
};

uint64_t preload_now(void)
{
	int64_t ts[2] = {0, 0};

	sys2(SYS_clock_gettime, 1 /* MONOTONIC */, ts);
	return (uint64_t)ts[0] * 1000000000u + (uint64_t)ts[1];
}

static void put(struct writer *w, const uint64_t *words, uint64_t n)
{
	/* Everything is whole words, and the ring's size is too. */
	for (; n; n -= 8, w->head += 8)
		*(volatile uint64_t *)(void *)(w->data + (w->head & (w->size - 1))) = *words++;
}

static struct writer open_ring(struct preload_shared *s, uint32_t ring)
{
	uint8_t *at = (uint8_t *)s + preload_ring_offset(s, ring);
	struct writer w = {.page = (void *)at, .data = at + PRELOAD_HEAD, .size = s->ring_bytes};
	uint64_t tail = __atomic_load_n(&w.page->data_tail, __ATOMIC_ACQUIRE);

	w.head = w.page->data_head & ~(uint64_t)7;
	w.room = w.head - tail <= w.size ? w.size - (w.head - tail) : 0;
	return w;
}

/* A ring that nobody writes to and that has @need bytes left; the one with most room of those that were free.
 */
static int lock(struct preload_shared *s, uint32_t tid, uint64_t need, struct writer *w)
{
	uint32_t i, nobody;

	for (i = 0; i < s->n_rings; i++) {
		uint32_t at = (tid + i) % s->n_rings;

		nobody = 0;
		if (!__atomic_compare_exchange_n(&s->locks[at].owner, &nobody, tid, false, __ATOMIC_ACQUIRE,
						 __ATOMIC_RELAXED))
			continue;
		*w = open_ring(s, at);
		if (w->room >= need)
			return (int)at;
		__atomic_store_n(&s->locks[at].owner, 0, __ATOMIC_RELEASE);
	}
	return -1;
}

/* -EFAULT before -EINVAL: the set is read before the request is looked at. */
static bool readable(uint64_t at)
{
	return sys4(SYS_rt_sigprocmask, -1, at, NULL, SYS_SIGSET_BYTES) != -14;
}

static uint64_t copy_words(const struct writer *w, uint64_t pos, uint64_t sp, uint64_t want)
{
	uint64_t n;

	for (n = 0; n < want; n += 8) {
		if ((!n || !((sp + n) & (PAGE - 1))) && !readable(sp + n))
			break;
		*(volatile uint64_t *)(void *)(w->data + ((pos + n) & (w->size - 1))) =
			*(volatile const uint64_t *)(uintptr_t)(sp + n);
	}
	return n;
}

/* Up to @want bytes of stack from @sp into the ring at @pos; bytes copied. */
static uint64_t copy_stack(struct preload_shared *s, const struct writer *w, uint64_t pos, uint64_t sp,
			   uint64_t want)
{
	static bool refused;
	uint64_t at = pos & (w->size - 1), first = w->size - at < want ? w->size - at : want;
	struct iovec local[2] = {{w->data + at, first}, {w->data, want - first}};
	struct iovec remote = {(void *)(uintptr_t)sp, want};
	long n;

	if (!refused) {
		n = sys6(SYS_process_vm_readv, sys0(SYS_getpid), (long)local, first < want ? 2 : 1,
			 (long)&remote, 1, 0);
		if (n >= 0 || n == -14 /* EFAULT */)
			return n > 0 ? (uint64_t)n & ~(uint64_t)7 : 0;
		refused = true;
		__atomic_fetch_add(&s->unreadable, 1, __ATOMIC_RELAXED);
	}
	return sp & 7 ? 0 : copy_words(w, pos, sp, want);
}

bool preload_write(struct preload_shared *s, uint64_t *record, uint64_t n, uint64_t sp, uint64_t want)
{
	struct perf_event_header *header = (void *)record;
	uint32_t tid = (uint32_t)sys0(SYS_gettid);
	uint64_t copied = 0, begin;
	struct writer w;
	int ring = lock(s, tid, n + (want ? want + 8 : 0), &w);

	if (ring < 0 && want) { /* less stack rather than no sample */
		want = want > 2048 ? 2048 : want;
		ring = lock(s, tid, n + want + 8, &w);
	}
	if (ring < 0)
		return false;
	begin = w.head;
	if (want) {
		copied = copy_stack(s, &w, begin + n, sp, want);
		record[n / 8 - 1] = copied;
	}
	header->size = (uint16_t)(n + copied + (copied ? 8 : 0));
	put(&w, record, n);
	w.head += copied;
	if (copied)
		put(&w, &copied, 8);
	__atomic_store_n(&w.page->data_head, w.head, __ATOMIC_RELEASE);
	__atomic_store_n(&s->locks[ring].owner, 0, __ATOMIC_RELEASE);
	return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unwind_live.c - see unwind_private.h: stack memory of a process that runs on.
 *
 * What was read later says something about the sample only if the thread has
 * not been there since. The proof: bytes of the copy that lie next to what is
 * read - its upper end, or the signal frame - are still the same, before and
 * after; every frame is vouched for by CFI; and the walk comes to an end.
 */
#include "collect/unwind_private.h"

#include <sys/uio.h>

#define LIVE_READS_MAX 64   /* pieces for one sample */
#define PROOF_BYTES    2048 /* of the copy's upper end */

/* Bytes read into @to; a piece may end where the memory does. */
static size_t read_process(pid_t pid, uint64_t addr, void *to, size_t len)
{
	struct iovec here = {to, len}, there = {(void *)addr, len}; /* NOLINT(performance-no-int-to-ptr) */
	ssize_t n = process_vm_readv(pid, &here, 1, &there, 1, 0);

	return n > 0 ? (size_t)n : 0;
}

static bool unchanged(const struct walk *w)
{
	uint64_t off = w->proof_at - w->sample->regs[regs_arch.sp];
	uint8_t now[PROOF_BYTES];

	return w->sample->stack && w->proof_len <= sizeof(now) && off <= w->sample->stack_size &&
	       w->proof_len <= w->sample->stack_size - off &&
	       read_process(w->sample->pid, w->proof_at, now, w->proof_len) == w->proof_len &&
	       !memcmp(now, w->sample->stack + off, w->proof_len);
}

/* The first time: is there anything to be had, and is it of the sample's time? */
static bool open_live(struct walk *w, uint64_t addr)
{
	uint64_t at = w->sample->regs[regs_arch.sp], top = at + w->size;

	if (!w->switched) {
		if (addr + 8 <= top || addr >= top + STACK_REACH)
			return false; /* nonsense: not asked for */
		w->proof_len = w->size < PROOF_BYTES ? (uint32_t)w->size : PROOF_BYTES;
		w->proof_at = top - w->proof_len;
	}
	w->live_from = w->n;
	w->live = w->vouched && !w->guessed && w->proof_len && unchanged(w) ? LIVE_OPEN : LIVE_REFUSED;
	return w->live == LIVE_OPEN;
}

bool live_load(struct walk *w, uint64_t addr, uint64_t *v)
{
	size_t len = LIVE_PIECE - (addr & (LIVE_PIECE - 1)); /* a piece ends with its page */

	if (w->live == LIVE_REFUSED || (w->live == LIVE_CLOSED && !open_live(w, addr)) || addr % 8 ||
	    addr < w->regs[regs_arch.sp] || w->live_reads == LIVE_READS_MAX)
		return false;
	w->live_reads++;
	w->size = read_process(w->sample->pid, addr, w->u->live, len);
	w->stack = w->u->live;
	w->at = addr;
	if (w->size < sizeof(*v))
		return false;
	memcpy(v, w->u->live, sizeof(*v));
	return true;
}

bool live_confirm(struct walk *w, enum unwind_end end)
{
	return w->live == LIVE_OPEN && unwind_end_complete(end) && !w->guessed && unchanged(w);
}

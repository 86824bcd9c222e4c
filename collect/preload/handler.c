/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler.c - one timer signal: registers and stack into a ring, as a
 * PERF_RECORD_SAMPLE (include/uapi/linux/perf_event.h, PERF_SAMPLE_*).
 *
 * The stack is copied by process_vm_readv(2) from ourselves, which stops where
 * the stack does instead of faulting.
 */
#include "collect/preload/preload.h"

#include <linux/time.h>
#include <linux/uio.h>
#include <ucontext.h>

#define ALIGN8(n) (((n) + 7) & ~(uint64_t)7)

bool preload_own_value(uint64_t value);

struct signal_info { /* siginfo_t of a timer */
	int signo, error, code, pad;
	int timer, overrun;
	uint64_t value;
};

#ifdef __x86_64__
/* In the order of enum perf_event_x86_regs, AX to IP and R8 to R15. */
#define N_REGS 17
static const uint8_t order[N_REGS] = {REG_RAX, REG_RBX, REG_RCX, REG_RDX, REG_RSI, REG_RDI,
				      REG_RBP, REG_RSP, REG_RIP, REG_R8,  REG_R9,  REG_R10,
				      REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

static void registers(const ucontext_t *uc, uint64_t *out)
{
	unsigned i;

	for (i = 0; i < N_REGS; i++)
		out[i] = (uint64_t)uc->uc_mcontext.gregs[order[i]];
}

#define SP(uc) ((uint64_t)(uc)->uc_mcontext.gregs[REG_RSP])
#define PC(uc) ((uint64_t)(uc)->uc_mcontext.gregs[REG_RIP])
#else
#define N_REGS 33
static void registers(const ucontext_t *uc, uint64_t *out)
{
	unsigned i;

	for (i = 0; i < 31; i++)
		out[i] = uc->uc_mcontext.regs[i];
	out[31] = uc->uc_mcontext.sp;
	out[32] = uc->uc_mcontext.pc;
}

#define SP(uc) ((uc)->uc_mcontext.sp)
#define PC(uc) ((uc)->uc_mcontext.pc)
#endif

struct fixed { /* the part of a record before the stack's bytes */
	struct perf_event_header header;
	uint64_t id, ip;
	uint32_t pid, tid;
	uint64_t time, period, abi;
	uint64_t regs[N_REGS];
	uint64_t stack_size;
};

struct writer {
	struct perf_event_mmap_page *page;
	uint8_t *data;
	uint64_t size, head, room;
};

static uint64_t now_ns(void)
{
	int64_t ts[2];

	sys2(SYS_clock_gettime, 1 /* MONOTONIC */, ts);
	return (uint64_t)ts[0] * 1000000000u + (uint64_t)ts[1];
}

static void put(struct writer *w, const void *from, uint64_t n)
{
	const uint64_t *words = from;
	uint64_t i;

	/* Everything is whole words, and the ring's size is too. */
	for (i = 0; i < n / 8; i++, w->head += 8)
		*(volatile uint64_t *)(void *)(w->data + (w->head & (w->size - 1))) = words[i];
}

/* A ring of which no other thread is writing; its number, or -1. */
static int lock(struct preload_shared *s, uint32_t tid, uint32_t *first)
{
	uint32_t i, free_owner;

	for (i = 0; i < s->n_rings; i++) {
		uint32_t at = (*first + i) % s->n_rings;

		free_owner = 0;
		if (__atomic_compare_exchange_n(&s->locks[at].owner, &free_owner, tid, false,
						__ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return (int)at;
	}
	return -1;
}

static struct writer open_ring(struct preload_shared *s, int ring)
{
	uint8_t *at = (uint8_t *)s + preload_ring_offset(s, (uint32_t)ring);
	struct writer w = {.page = (void *)at, .data = at + PRELOAD_HEAD, .size = s->ring_bytes};
	uint64_t tail = __atomic_load_n(&w.page->data_tail, __ATOMIC_ACQUIRE);

	w.head = w.page->data_head;
	w.room = w.head - tail <= w.size ? w.size - (w.head - tail) : 0;
	return w;
}

/* Up to @want bytes of stack from @sp into the ring at @pos; bytes copied. */
static uint64_t copy_stack(const struct writer *w, uint64_t pos, uint64_t sp, uint64_t want, uint32_t pid)
{
	uint64_t at = pos & (w->size - 1), first = w->size - at < want ? w->size - at : want;
	struct iovec local[2] = {{w->data + at, first}, {w->data, want - first}};
	struct iovec remote = {(void *)(uintptr_t)sp, want};
	long n = sys6(SYS_process_vm_readv, pid, (long)local, first < want ? 2 : 1, (long)&remote, 1, 0);

	return n > 0 ? (uint64_t)n & ~(uint64_t)7 : 0;
}

static bool write_sample(struct preload_shared *s, struct fixed *f, uint64_t sp)
{
	uint32_t first = f->tid;
	int ring = lock(s, f->tid, &first);
	uint64_t begin, stack, want = s->stack_size & ~7u, dyn;
	struct writer w;

	if (ring < 0)
		return false;
	w = open_ring(s, ring);
	begin = w.head;
	/* Less stack rather than no sample. */
	if (w.room < sizeof(*f) + 8 + want)
		want = w.room < sizeof(*f) + 8 + 1024 ? 0 : (w.room - sizeof(*f) - 8) & ~(uint64_t)7;
	if (want) {
		stack = copy_stack(&w, begin + sizeof(*f), sp, want, f->pid);
		f->stack_size = stack;
		f->header.size = (uint16_t)(sizeof(*f) + stack + (stack ? 8 : 0));
		put(&w, f, sizeof(*f));
		w.head += stack;
		dyn = stack;
		if (stack)
			put(&w, &dyn, 8);
		__atomic_store_n(&w.page->data_head, w.head, __ATOMIC_RELEASE);
	}
	__atomic_store_n(&s->locks[ring].owner, 0, __ATOMIC_RELEASE);
	return want;
}

void preload_handler(int sig, void *info, void *context)
{
	const struct signal_info *si = info;
	const ucontext_t *uc = context;
	struct preload_shared *s = preload_shared;
	struct fixed f;
	uint64_t *clear = (uint64_t *)(void *)&f;
	unsigned i;

	(void)sig;
	if (!s || si->code != -2 /* SI_TIMER */ || !preload_own_value(si->value) ||
	    __atomic_load_n(&s->stop, __ATOMIC_RELAXED))
		return;
	for (i = 0; i < sizeof(f) / 8; i++)
		((volatile uint64_t *)clear)[i] = 0;
	f.header.type = PERF_RECORD_SAMPLE;
	f.header.misc = PERF_RECORD_MISC_USER;
	f.ip = PC(uc);
	f.pid = (uint32_t)sys0(SYS_getpid);
	f.tid = (uint32_t)sys0(SYS_gettid);
	f.time = now_ns();
	f.period = s->period_ns * (1 + (uint64_t)(si->overrun > 0 ? si->overrun : 0));
	f.abi = PERF_SAMPLE_REGS_ABI_64;
	registers(uc, f.regs);
	if (!write_sample(s, &f, SP(uc)))
		__atomic_fetch_add(&s->lost, 1, __ATOMIC_RELAXED);
	preload_sweep(f.time);
}

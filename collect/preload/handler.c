/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler.c - one timer signal: registers and stack into a ring, as a
 * PERF_RECORD_SAMPLE (include/uapi/linux/perf_event.h, enum perf_event_type).
 */
#include "collect/preload/preload.h"

#include <ucontext.h>

#define SILENT_NS 30000000000ull /* a collector that has not looked for so long is gone */

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

struct sample { /* a record up to the stack's bytes: PRELOAD_SAMPLE_TYPE */
	struct perf_event_header header;
	uint64_t id, ip;
	uint32_t pid, tid;
	uint64_t time, period, abi;
	uint64_t regs[N_REGS];
	uint64_t stack_size;
};

static bool wanted(const struct preload_shared *s, uint64_t now)
{
	uint64_t alive = __atomic_load_n(&s->alive_ns, __ATOMIC_RELAXED);

	return __atomic_load_n(&s->run, __ATOMIC_RELAXED) && (now < alive || now - alive < SILENT_NS);
}

void preload_handler(int sig, void *info, void *context)
{
	const struct signal_info *si = info;
	const ucontext_t *uc = context;
	struct preload_shared *s = preload_shared;
	uint64_t periods;
	struct sample f;

	if (!s || si->code != -2 /* SI_TIMER */ || !preload_own_value(si->value)) {
		preload_foreign(sig, info, context);
		return;
	}
	f.time = preload_now();
	if (!wanted(s, f.time)) {
		preload_disarm_all();
		return;
	}
	periods = 1 + (uint64_t)(si->overrun > 0 ? si->overrun : 0);
	f.header = (struct perf_event_header){PERF_RECORD_SAMPLE, PERF_RECORD_MISC_USER, 0};
	f.id = 0;
	f.ip = PC(uc);
	f.pid = (uint32_t)sys0(SYS_getpid);
	f.tid = (uint32_t)sys0(SYS_gettid);
	f.period = s->period_ns * periods;
	f.abi = PERF_SAMPLE_REGS_ABI_64;
	registers(uc, f.regs);
	f.stack_size = 0;
	if (!preload_write(s, (uint64_t *)(void *)&f, sizeof(f), SP(uc), s->stack_size & ~7u))
		__atomic_fetch_add(&s->lost, periods, __ATOMIC_RELAXED);
	preload_sweep(f.time);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shared.h - the memory that the preloaded timers and the collector share.
 *
 * One mapping: this header's page, then rings, each laid out as the kernel's
 * own (a page of struct perf_event_mmap_page, of which data_head and data_tail
 * are used, and data), so that ring.c and record.c read them unchanged. Nobody
 * trusts anybody: the library only writes inside of its mapping, the collector
 * checks every record as it checks the kernel's.
 */
#ifndef COLLECT_PRELOAD_SHARED_H
#define COLLECT_PRELOAD_SHARED_H

#include <linux/perf_event.h>
#include <stdint.h>

#define PRELOAD_MAGIC     0x64647072656c6f31ull /* "ddprelo1": changes with the layout */
#define PRELOAD_RINGS_MAX 16
#define PRELOAD_HEAD      4096 /* bytes of the header, and of a ring's page, whatever the machine's page size */

/*
 * Where the library finds it, and what it must undo: "PATH:KEPT", a file to
 * open (a descriptor of the keeper's, below /proc), or the number of a System V
 * segment; and how many bytes at the begin of LD_PRELOAD are the user's own,
 * the ':' before ours included (0: LD_PRELOAD was not set).
 */
#define PRELOAD_VARIABLE "DDPROF_TIMER"
#define PRELOAD_PATH_MAX 256  /* of the memory and of the library, with the NUL */
#define PRELOAD_LIST_MAX 4096 /* bytes of LD_PRELOAD that can be handed on */

/* The sample_type of its records; sample_regs_user is regs.h's mask. */
#define PRELOAD_SAMPLE_TYPE                                                                                  \
	(PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_IP | PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_PERIOD | \
	 PERF_SAMPLE_REGS_USER | PERF_SAMPLE_STACK_USER)

struct preload_shared {
	uint64_t magic;
	uint32_t n_rings;
	uint32_t stack_size; /* most bytes of stack in a sample, below 60 KB */
	uint64_t ring_bytes; /* data of one ring, a power of two; the rings follow the header, each after its
				page */
	uint64_t period_ns;  /* of CPU time between samples of a thread */
	uint32_t run;        /* set by the collector: take samples; 0: no more */
	uint32_t keeper;     /* process whose descriptor names the memory */
	uint64_t alive_ns; /* CLOCK_MONOTONIC when the collector last looked; who sees it long ago gives up */
	uint64_t lost;     /* periods that no ring had room for */
	uint64_t unarmed;  /* timers that the kernel refused */
	uint32_t processes;  /* that armed timers after an exec */
	uint32_t unreadable; /* processes that may not read their own stack by process_vm_readv */
	char pid_space[32]; /* "pid:[...]", the collector's: numbers of other namespaces mean nothing to it */
	struct {
		uint32_t owner; /* thread that writes; 0: free. Freed by the collector when the thread is gone
				 */
		uint32_t pad[15];
	} locks[PRELOAD_RINGS_MAX];
};

static inline uint64_t preload_ring_offset(const struct preload_shared *s, uint32_t ring)
{
	return PRELOAD_HEAD + ring * (PRELOAD_HEAD + s->ring_bytes);
}

#endif

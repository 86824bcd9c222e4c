/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tracer_private.h - what the files of the tracing process share.
 *
 * tracer.c is the collector's side; tracer_process.c the process with its
 * looks; tracer_stop.c one thread's stop; tracer_record.c records;
 * tracer_threads.c what is remembered of threads.
 */
#ifndef COLLECT_TRACER_PRIVATE_H
#define COLLECT_TRACER_PRIVATE_H

#include "collect/regs.h"
#include "collect/tracer.h"

#include <linux/perf_event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define TRACER_HEAD        4096u /* bytes before the ring's page, and of that */
#define TRACER_RING_BYTES  (4u << 20)
#define TRACER_STACK_MAX   61440u /* what a record's 16-bit size leaves */
#define TRACER_STOPS_MAX   64     /* threads in the middle of being interrupted */
#define TRACER_PROCESS_MAX 1024
#define TRACER_THREADS_MAX 65536 /* known at one time; further ones are not sampled */

/* The sample_type of its records; sample_regs_user is regs.h's mask. */
#define TRACER_SAMPLE_TYPE                                                                                   \
	(PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_IP | PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_PERIOD | \
	 PERF_SAMPLE_REGS_USER | PERF_SAMPLE_STACK_USER)

/* At the begin of the memory that both processes have; written by the tracing one. */
struct tracer_shared {
	struct tracer_stats stats;
};

/* ---- tracer_record.c ---- */

/* A sample being built: room for the largest, from its header on. */
struct tracer_sample {
	uint64_t words[RING_RECORD_MAX / 8];
};

struct tracer_facts {
	pid_t pid, tid;
	uint64_t time, period;   /* ns */
	uint64_t regs[REGS_MAX]; /* in perf's order */
};

/* Where the stack's bytes belong: *@room of them, TRACER_STACK_MAX. Before tracer_sample_finish(). */
void *tracer_sample_stack(struct tracer_sample *s);

/* Everything around @copied (at most TRACER_STACK_MAX) bytes of stack. Returns the record's size. */
size_t tracer_sample_finish(struct tracer_sample *s, const struct tracer_facts *f, size_t copied);

/* PERF_RECORD_COMM of a process that is a new program. Returns the record's size. */
size_t tracer_exec_record(uint64_t words[16], pid_t pid, const char comm[16], uint64_t time);

/*
 * Into the ring at @page (its data @head bytes on, @size bytes, a power of
 * two). False: no room. *@fill: bytes in it that are not consumed.
 */
bool tracer_push(void *page, size_t head, size_t size, const void *record, size_t len, uint64_t *fill);

/* ---- tracer_time.c ---- */

/* CPU time of a thread, and how the kernel splits it; the sum of the two is coarser than run_ns. */
struct tracer_used {
	uint64_t run_ns, user_ns, system_ns;
};

/*
 * A thread that is told to stop does so where it next leaves the kernel: one
 * that makes many calls is met at them far more often than it spends time
 * there. So samples in a call stand for system time, and others for user time.
 */
struct tracer_time {
	struct tracer_used begin;          /* its time before that is not ours */
	uint64_t user_ns, system_ns;       /* that samples stand for */
	uint32_t since_user, since_system; /* samples of the other kind in a row */
};

/*
 * What a sample stands for, now that the thread has @used so much: its period.
 * @in_call: 1, 0, or -1 (not known: for all). Where only one kind of sample
 * turns up, it stands for the other time as well. tracer_time_took() when it was delivered.
 */
uint64_t tracer_time_period(const struct tracer_time *time, const struct tracer_used *used, int in_call);
void tracer_time_took(struct tracer_time *time, const struct tracer_used *used, int in_call);

/* ---- tracer_threads.c ---- */

struct traced_thread {
	pid_t tid, pid;          /* tid 0: an unused slot */
	struct tracer_time time; /* what its samples stand for */
	uint64_t seen;           /* number of the look that saw it last */
	bool stopping;           /* interrupted, and the stop has not been seen yet */
};

struct traced_threads {
	struct traced_thread *slots;
	uint32_t cap, n; /* a power of two, or 0; used slots */
};

/* The thread of @pid, made if it is not known (*@fresh). NULL: no memory, or too many. Valid until the next
 * call.
 */
struct traced_thread *traced_threads_get(struct traced_threads *all, pid_t pid, pid_t tid, bool *fresh);
struct traced_thread *traced_threads_find(const struct traced_threads *all, pid_t tid);

/* Forget those that were last seen before look @seen, unless they are stopping. */
void traced_threads_sweep(struct traced_threads *all, uint64_t seen);
void traced_threads_release(struct traced_threads *all);

/* ---- the process ---- */

struct traced_process {
	pid_t pid;
	uint64_t start_stack; /* changes at each exec (proc_pid_stat(5), field 28); 0: not looked at */
	bool running;         /* was there before us: its threads' CPU time so far is not ours */
	bool gone;
};

struct stop {
	pid_t tid, pid;
	int clock_fd;                /* its schedstat or stat */
	uint64_t from_ns;            /* monotonic: interrupted */
	uint64_t delay_ns;           /* that it had waited for a CPU by then */
	uint64_t user_ns, system_ns; /* that it had used */
};

struct tracing {
	struct tracer_options opt;
	struct tracer_shared *shared;
	void *ring;      /* its page */
	int ctl_fd;      /* closed by the collector: end */
	int wake_fd;     /* eventfd: the ring fills up */
	int signal_fd;   /* SIGCHLD */
	bool ticks;      /* no schedstat: CPU time by stat, in clock ticks */
	bool vm_refused; /* no process_vm_readv: by /proc/PID/mem */
	struct traced_process processes[TRACER_PROCESS_MAX];
	uint32_t n_processes;
	struct traced_threads threads;
	struct stop stops[TRACER_STOPS_MAX];
	uint32_t n_stops;
	struct tracer_sample sample;
	uint64_t begin_ticks; /* since boot: processes started from then on are followed */
	uint64_t random;
};

/* CPU time, and where known, time spent waiting for a CPU. */
struct tracer_clock {
	uint64_t run_ns, delay_ns;
};

/* What is of interest in /proc/PID/task/TID/stat. */
struct tracer_stat {
	char state;
	uint64_t user_ns, system_ns, start_ticks, start_stack;
};

/* tracer_process.c */
_Noreturn void tracer_process(struct tracing *t, pid_t parent);
int tracer_stat(pid_t pid, pid_t tid, struct tracer_stat *out);       /* 0 or -errno */
int tracer_clock_open(const struct tracing *t, pid_t pid, pid_t tid); /* a descriptor or -errno */
int tracer_clock_read(const struct tracing *t, int fd, struct tracer_clock *out);
void tracer_put(struct tracing *t, const void *record, size_t len, bool *full);

/* tracer_stop.c */
void tracer_interrupt(struct tracing *t, struct traced_thread *th); /* if it still runs */
void tracer_serve(struct tracing *t);        /* every thread that has stopped by now: sampled, and let go */
void tracer_forget_stale(struct tracing *t); /* stops of threads that have become others by exec */

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tracer_stop.c - one thread is interrupted, sampled, and let go; see ptrace(2).
 *
 * What else may stop it in between is passed on: a signal that was about to be
 * delivered goes with PTRACE_DETACH, a stop of the whole process (SIGSTOP) is
 * entered again by the kernel itself.
 */
#include "collect/tracer_private.h"

#include "base/io.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define STALE_NS 50000u /* a look at a thread's state is too old by then */

static struct stop *find_stop(struct tracing *t, pid_t tid)
{
	uint32_t i;

	for (i = 0; i < t->n_stops; i++)
		if (t->stops[i].tid == tid)
			return &t->stops[i];
	return NULL;
}

static void forget_stop(struct tracing *t, struct stop *s)
{
	struct traced_thread *th = traced_threads_find(&t->threads, s->tid);

	if (th)
		th->stopping = false;
	close(s->clock_fd);
	*s = t->stops[--t->n_stops];
}

/* Seizing does nothing to a thread; it has to be interrupted to be let go, so that follows at once. */
static int seize(pid_t tid)
{
	if (ptrace(PTRACE_SEIZE, tid, NULL, NULL))
		return -errno;
	/* Fails only when the thread has ended, which waitpid() will tell. */
	(void)ptrace(PTRACE_INTERRUPT, tid, NULL, NULL);
	return 0;
}

void tracer_interrupt(struct tracing *t, struct traced_thread *th)
{
	struct stop s = {.tid = th->tid, .pid = th->pid};
	struct tracer_clock clock = {0};
	struct tracer_stat st;
	uint64_t from;
	int err;

	s.clock_fd = tracer_clock_open(t, th->pid, th->tid);
	if (s.clock_fd < 0)
		return;
	err = tracer_clock_read(t, s.clock_fd, &clock);
	from = io_clock_ns(CLOCK_MONOTONIC);
	/* The last thing before: the closer, the fewer have gone to sleep. */
	if (err || tracer_stat(th->pid, th->tid, &st) || st.state != 'R') {
		close(s.clock_fd);
		return;
	}
	s.user_ns = st.user_ns;
	s.system_ns = st.system_ns;
	s.delay_ns = clock.delay_ns;
	s.from_ns = io_clock_ns(CLOCK_MONOTONIC);
	/* We lost the processor in between: another time. */
	err = s.from_ns - from > STALE_NS ? -EAGAIN : seize(th->tid);
	if (err) {
		t->shared->stats.refused += err != -ESRCH && err != -EAGAIN;
		close(s.clock_fd);
		return;
	}
	th->stopping = true;
	t->stops[t->n_stops++] = s;
}

/* ---- stopped ---- */

static bool signal_pending(const struct stop *s)
{
	static const char *const keys[] = {"\nSigPnd:", "\nShdPnd:", "\nSigBlk:"};
	uint64_t set[3] = {0};
	char path[64], text[4096], *at;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/status", (int)s->pid, (int)s->tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : io_read_full(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		close(fd);
	if (n < 0)
		return true;
	text[n] = '\0';
	for (unsigned i = 0; i < 3; i++) {
		at = strstr(text, keys[i]);
		if (!at)
			return true;
		set[i] = strtoull(at + strlen(keys[i]), NULL, 16);
	}
	return ((set[0] | set[1]) & ~set[2]) != 0;
}

/*
 * It fell asleep between our look and our interruption, in a call that returns
 * EINTR for that. With no signal on its way that was us: the call is made again.
 */
static void mend_call(struct tracing *t, const struct stop *s, void *set, struct iovec *iov)
{
	if (!regs_repeat_call(set, iov->iov_len) || signal_pending(s))
		return;
	if (!ptrace(PTRACE_SETREGSET, s->tid, (void *)(uintptr_t)NT_PRSTATUS, iov))
		t->shared->stats.repeated++;
}

/* By /proc/PID/mem where a filter refuses process_vm_readv(2). */
static size_t read_memory(pid_t pid, uint64_t at, void *to, size_t len)
{
	char path[32];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : pread(fd, to, len, (off_t)at);
	if (fd >= 0)
		close(fd);
	return n > 0 ? (size_t)n : 0;
}

static size_t read_stack(struct tracing *t, const struct stop *s, uint64_t sp)
{
	struct iovec to = {tracer_sample_stack(&t->sample), t->opt.stack_size};
	struct iovec from = {(void *)(uintptr_t)sp, t->opt.stack_size};
	ssize_t n;

	if (!t->vm_refused) {
		n = process_vm_readv(s->tid, &to, 1, &from, 1, 0);
		if (n >= 0 || errno == EFAULT || errno == ESRCH)
			return n > 0 ? (size_t)n : 0;
		t->vm_refused = true;
	}
	return read_memory(s->pid, sp, to.iov_base, to.iov_len);
}

struct taken {
	struct tracer_facts facts;
	size_t copied; /* bytes of stack */
	struct tracer_clock clock;
	int in_call;
};

/* Everything that needs the thread to be stopped. False: nothing to be had. */
static bool take(struct tracing *t, const struct stop *s, struct taken *got)
{
	uint64_t set[REGS_SET_MAX / 8], dwarf[REGS_MAX];
	struct iovec iov = {set, sizeof(set)};

	if (ptrace(PTRACE_GETREGSET, s->tid, (void *)(uintptr_t)NT_PRSTATUS, &iov) ||
	    !regs_from_ptrace(set, iov.iov_len, got->facts.regs))
		return false;
	if (tracer_clock_read(t, s->clock_fd, &got->clock))
		return false;
	(void)regs_from_perf(got->facts.regs, (unsigned)__builtin_popcountll(regs_arch.perf_mask), dwarf);
	got->copied = read_stack(t, s, dwarf[regs_arch.sp]);
	got->in_call = regs_in_call(set, iov.iov_len);
	got->facts.time = io_clock_ns(CLOCK_MONOTONIC);
	mend_call(t, s, set, &iov);
	return true;
}

static void publish(struct tracing *t, const struct stop *s, struct taken *got)
{
	const struct tracer_used used = {got->clock.run_ns, s->user_ns, s->system_ns};
	struct traced_thread *th = traced_threads_find(&t->threads, s->tid);
	uint64_t period;
	bool full;

	if (!th || th->pid != s->pid)
		return;
	period = tracer_time_period(&th->time, &used, got->in_call);
	got->facts.pid = s->pid;
	got->facts.tid = s->tid;
	got->facts.period = period ? period : 1; /* 0 would mean "the usual one" */
	tracer_put(t, &t->sample, tracer_sample_finish(&t->sample, &got->facts, got->copied), &full);
	/* With no room for it, the next sample stands for this time too. */
	if (!full)
		tracer_time_took(&th->time, &used, got->in_call);
}

/* No more than this; time that it waited for a CPU on its way to the stop is no pause. */
static void count_pause(struct tracing *t, const struct stop *s, const struct tracer_clock *clock)
{
	struct tracer_stats *st = &t->shared->stats;
	uint64_t pause = io_clock_ns(CLOCK_MONOTONIC) - s->from_ns,
		 delay = clock->delay_ns > s->delay_ns ? clock->delay_ns - s->delay_ns : 0;

	pause = pause > delay ? pause - delay : 0;
	st->stops++;
	st->pause_ns += pause;
	st->pause_max_ns = pause > st->pause_max_ns ? pause : st->pause_max_ns;
}

static void serve(struct tracing *t, pid_t tid, int status)
{
	struct stop *s = find_stop(t, tid);
	int event = status >> 16, sig = WIFSTOPPED(status) ? WSTOPSIG(status) : 0;
	/* Of the whole process, which was not running after all. */
	bool group = event == PTRACE_EVENT_STOP && sig != SIGTRAP, taken;
	struct taken got = {.in_call = -1};

	if (WIFSTOPPED(status)) {
		taken = s && !group && take(t, s, &got);
		(void)ptrace(PTRACE_DETACH, tid, NULL, (void *)(intptr_t)(event ? 0 : sig));
		if (taken) {
			count_pause(t, s, &got.clock);
			publish(t, s, &got);
		}
	}
	if (s)
		forget_stop(t, s);
}

void tracer_serve(struct tracing *t)
{
	int status;
	pid_t tid;

	while ((tid = waitpid(-1, &status, __WALL | WNOHANG)) > 0)
		serve(t, tid, status);
}

/* A thread that calls exec takes on its process's number; what was known by its own never stops. */
void tracer_forget_stale(struct tracing *t)
{
	int status;
	uint32_t i;
	pid_t got;

	for (i = t->n_stops; i-- > 0;) {
		pid_t tid = t->stops[i].tid;

		got = waitpid(tid, &status, __WALL | WNOHANG);
		if (got > 0)
			serve(t, tid, status);
		else if (got < 0 && errno == ECHILD)
			forget_stop(t, &t->stops[i]);
	}
}

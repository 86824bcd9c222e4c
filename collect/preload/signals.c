/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signals.c - our signal does not exist for the program.
 *
 * It may set a handler for it (crash reporters set one for every signal), wait
 * for it, block it, or take it from a descriptor: it gets what it would get
 * without us. A set with most of the real-time signals in it was meant as
 * "all", and ours is left out; a set of few means ours on purpose, and we
 * take another.
 */
#include "collect/preload/preload.h"

#include <ucontext.h>

extern int *__errno_location(void) __attribute__((weak));

#define REAL(name)  preload_next(&real_##name, #name)
#define RT_SIGNALS  0xfffffffc00000000ull /* 35 to 64 */
#define MANY        16
#define BIT(sig)    (1ull << ((sig)-1))
#define SA_SIGINFO_ 4
#define SET_BLOCK   0 /* SIG_BLOCK and so on */
#define SET_UNBLOCK 1
#define SET_MASK    2
#define SET_WORDS   16

/* struct sigaction as both C libraries have it on these machines. */
struct libc_sigaction {
	void *handler;
	uint64_t mask[SET_WORDS];
	int flags;
	void *restorer;
};

static struct libc_sigaction pretended;
static uint64_t former; /* signals that were ours, whose handler is still there */
static void *real_sigaction, *real_signal, *real_sigwait, *real_sigwaitinfo, *real_sigtimedwait,
	*real_signalfd, *real_sigprocmask, *real_pthread_sigmask;

static int fail(int error)
{
	if (__errno_location)
		*__errno_location() = error;
	return -1;
}

/* Word for word: a structure assignment may become a call of memcpy, which we have not. */
static void copy(void *to, const void *from, size_t n)
{
	volatile uint64_t *t = to;
	const uint64_t *f = from;

	for (n /= 8; n--;)
		*t++ = *f++;
}

static bool ours(int sig)
{
	return preload_shared && sig > 0 && sig <= 64 && (sig == preload_signal || (former & BIT(sig)));
}

bool preload_unblock(void)
{
	uint64_t set = BIT(preload_signal), old = 0;

	sys4(SYS_rt_sigprocmask, SET_UNBLOCK, &set, &old, SYS_SIGSET_BYTES);
	return old & set;
}

void preload_block(int sig)
{
	uint64_t set = BIT(sig);

	sys4(SYS_rt_sigprocmask, SET_BLOCK, &set, NULL, SYS_SIGSET_BYTES);
}

/* As the kernel would: there is no handler, and the default is to end the process. */
static void die(int sig)
{
	struct sys_sigaction def = {0};
	uint64_t set = BIT(sig);

	sys4(SYS_rt_sigaction, sig, &def, NULL, SYS_SIGSET_BYTES);
	sys3(SYS_tgkill, sys0(SYS_getpid), sys0(SYS_gettid), sig);
	sys4(SYS_rt_sigprocmask, SET_UNBLOCK, &set, NULL, SYS_SIGSET_BYTES);
}

/*
 * This thread believes that it blocks the signal: from now on it does, with the
 * signal pending for whoever waits for it, and our timers use another.
 */
static void defer(int sig, void *info, void *context)
{
	uint64_t *mask = (uint64_t *)(void *)&((ucontext_t *)context)->uc_sigmask;

	*mask |= BIT(sig); /* after the handler; in it everything is blocked */
	if (sig == preload_signal) {
		former |= BIT(sig);
		preload_move_signal();
	}
	sys3(SYS_rt_sigqueueinfo, sys0(SYS_getpid), sig, info);
}

void preload_foreign(int sig, void *info, void *context)
{
	void *handler = pretended.handler;
	uint64_t mask = pretended.mask[0] | BIT(sig);
	const int *si = info; /* signo, error, code */
	const bool *belief = preload_belief();

	if (si[2] == -2 && preload_own_value(((const uint64_t *)info)[3]))
		return; /* a timer of ours, deleted since */
	if (belief && *belief) {
		defer(sig, info, context);
		return;
	}
	if (handler == (void *)1ul) /* SIG_IGN */
		return;
	if (!handler) {
		die(sig);
		return;
	}
	mask |= *(const uint64_t *)(const void *)&((const ucontext_t *)context)->uc_sigmask;
	sys4(SYS_rt_sigprocmask, SET_MASK, &mask, NULL, SYS_SIGSET_BYTES);
	if (pretended.flags & SA_SIGINFO_)
		((void (*)(int, void *, void *))handler)(sig, info, context);
	else
		((void (*)(int))handler)(sig);
}

EXPORTED int sigaction(int sig, const struct libc_sigaction *act, struct libc_sigaction *old)
{
	int (*next)(int, const void *, void *) = REAL(sigaction);
	struct libc_sigaction was;

	if (!ours(sig))
		return next ? next(sig, act, old) : fail(ENOSYS_);
	copy(&was, &pretended, sizeof(was));
	if (act)
		copy(&pretended, act, sizeof(pretended));
	if (old)
		copy(old, &was, sizeof(was));
	return 0;
}

EXPORTED void *signal(int sig, void *handler)
{
	void *(*next)(int, void *) = REAL(signal);
	void *was = pretended.handler;

	if (!ours(sig))
		return next ? next(sig, handler) : (void *)(long)fail(ENOSYS_);
	pretended.flags = 0;
	pretended.handler = handler;
	return was;
}

static bool is_fill(uint64_t set)
{
	unsigned n = 0;

	/* Not the builtin, which is a call of libgcc's. */
	for (set &= RT_SIGNALS; set; set &= set - 1)
		n++;
	return n >= MANY;
}

/* @set as the kernel may know it; 8 of its bytes are the kernel's, the rest is copied as it is. */
static const void *without(const uint64_t *set, uint64_t copy_of[SET_WORDS])
{
	if (!set || !preload_shared || !(set[0] & BIT(preload_signal)))
		return set;
	if (!is_fill(set[0])) {
		former |= BIT(preload_signal);
		preload_move_signal();
		if (!preload_shared || !(set[0] & BIT(preload_signal)))
			return set;
	}
	copy_of[0] = set[0] & ~BIT(preload_signal);
	copy(copy_of + 1, set + 1, 120);
	return copy_of;
}

EXPORTED int sigwait(const uint64_t *set, int *sig)
{
	int (*next)(const void *, int *) = REAL(sigwait);
	uint64_t rest[SET_WORDS];

	return next ? next(without(set, rest), sig) : ENOSYS_;
}

EXPORTED int sigwaitinfo(const uint64_t *set, void *info)
{
	int (*next)(const void *, void *) = REAL(sigwaitinfo);
	uint64_t rest[SET_WORDS];

	return next ? next(without(set, rest), info) : fail(ENOSYS_);
}

EXPORTED int sigtimedwait(const uint64_t *set, void *info, const void *timeout)
{
	int (*next)(const void *, void *, const void *) = REAL(sigtimedwait);
	uint64_t rest[SET_WORDS];

	return next ? next(without(set, rest), info, timeout) : fail(ENOSYS_);
}

EXPORTED int signalfd(int fd, const uint64_t *set, int flags)
{
	int (*next)(int, const void *, int) = REAL(signalfd);
	uint64_t rest[SET_WORDS];

	return next ? next(fd, without(set, rest), flags) : fail(ENOSYS_);
}

/* @next's work with our signal left out, and what was asked and believed noted instead. */
static int change_mask(int (*next)(int, const void *, void *), int how, const uint64_t *set, uint64_t *old)
{
	bool *belief = preload_shared ? preload_belief() : NULL, was = belief && *belief;
	uint64_t rest[SET_WORDS], bit;
	int err;

	if (!belief)
		return next(how, set, old);
	bit = set ? set[0] & BIT(preload_signal) : 0;
	err = next(how, how == SET_UNBLOCK ? set : without(set, rest), old);
	if (err)
		return err;
	/* After a move the belief is about a signal that is the program's own now. */
	bit &= BIT(preload_signal);
	belief = preload_shared ? preload_belief() : NULL;
	if (belief && set && how == SET_MASK)
		*belief = bit;
	else if (belief && bit)
		*belief = how == SET_BLOCK;
	if (old && was)
		old[0] |= BIT(preload_signal);
	return 0;
}

EXPORTED int sigprocmask(int how, const uint64_t *set, uint64_t *old)
{
	int (*next)(int, const void *, void *) = REAL(sigprocmask);

	return next ? change_mask(next, how, set, old) : fail(ENOSYS_);
}

EXPORTED int pthread_sigmask(int how, const uint64_t *set, uint64_t *old)
{
	int (*next)(int, const void *, void *) = REAL(pthread_sigmask);

	return next ? change_mask(next, how, set, old) : ENOSYS_;
}

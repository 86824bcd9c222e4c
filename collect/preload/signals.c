/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signals.c - our signal does not exist for the program.
 *
 * It may set a handler for it (crash reporters set one for every signal), wait
 * for it or take it from a descriptor: it gets what it would get without us,
 * which is nothing, and our handler stays.
 */
#include "collect/preload/preload.h"

#define NEXT ((void *)-1l)

extern void *dlsym(void *, const char *) __attribute__((weak));
extern int *__errno_location(void) __attribute__((weak));

/* struct sigaction and sigset_t as both C libraries have them on these machines: handler, 128 bytes of mask,
 * ... */
struct libc_sigaction {
	void *handler;
	uint64_t mask[16];
	int flags;
	void *restorer;
};

static struct libc_sigaction pretended;
static void *real_sigaction, *real_signal, *real_sigwait, *real_sigwaitinfo, *real_sigtimedwait,
	*real_signalfd;

static void *real(void **cache, const char *name)
{
	void *f = __atomic_load_n(cache, __ATOMIC_RELAXED);

	if (!f && dlsym) {
		f = dlsym(NEXT, name);
		__atomic_store_n(cache, f, __ATOMIC_RELAXED);
	}
	return f;
}

#define REAL(name) real(&real_##name, #name)

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
	return preload_shared && sig == preload_signal;
}

EXPORTED int sigaction(int sig, const struct libc_sigaction *act, struct libc_sigaction *old)
{
	int (*next)(int, const void *, void *) = REAL(sigaction);
	struct libc_sigaction was;

	if (!ours(sig))
		return next ? next(sig, act, old) : fail(38 /* ENOSYS */);
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
		return next ? next(sig, handler) : (void *)(long)fail(38);
	pretended.handler = handler;
	return was;
}

/* @set without our signal; 8 of its bytes are the kernel's. */
static const void *without(const uint64_t *set, uint64_t copy_of[16])
{
	if (!set || !preload_shared)
		return set;
	copy(copy_of, set, 128);
	copy_of[0] &= ~(1ull << (preload_signal - 1));
	return copy_of;
}

EXPORTED int sigwait(const uint64_t *set, int *sig)
{
	int (*next)(const void *, int *) = REAL(sigwait);
	uint64_t rest[16];

	return next ? next(without(set, rest), sig) : 38;
}

EXPORTED int sigwaitinfo(const uint64_t *set, void *info)
{
	int (*next)(const void *, void *) = REAL(sigwaitinfo);
	uint64_t rest[16];

	return next ? next(without(set, rest), info) : fail(38);
}

EXPORTED int sigtimedwait(const uint64_t *set, void *info, const void *timeout)
{
	int (*next)(const void *, void *, const void *) = REAL(sigtimedwait);
	uint64_t rest[16];

	return next ? next(without(set, rest), info, timeout) : fail(38);
}

EXPORTED int signalfd(int fd, const uint64_t *set, int flags)
{
	int (*next)(int, const void *, int) = REAL(signalfd);
	uint64_t rest[16];

	return next ? next(fd, without(set, rest), flags) : fail(38);
}

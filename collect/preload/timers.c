/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timers.c - a timer of its own CPU time for each thread (timer_create(2),
 * SIGEV_THREAD_ID), and the life of the library.
 *
 * Such a timer runs only while its thread does, so no sleeping call is ever
 * interrupted. Threads are armed when pthread_create starts them; others are
 * found, and timers of ended threads deleted, by a sweep from a handler, since
 * timers count against the user's limit of pending signals.
 */
#include "collect/preload/preload.h"

#include <linux/fcntl.h>
#include <linux/time.h>
#include <stdatomic.h>

#define SLOTS        4096 /* threads with a timer at one time; a power of two */
#define SWEEP_NS     500000000ull
#define SWEEP_SLOTS  128 /* looked at in one sweep */
#define SCAN_THREADS 512 /* with more threads, those that pthread_create did not start are not looked for */
#define DEAD         1   /* tid of a slot that can be used again; 0: never used */

#define SIGEV_THREAD_ID_ 4
#define CLOCK_OF_THREAD(tid)                                                                                 \
	((int)(~(unsigned)(tid) << 3 | 6)) /* per thread, scheduler's clock: posix-timers.h */
#define SA_FLAGS     (0x00000004u /* SIGINFO */ | 0x08000000u /* ONSTACK */ | 0x10000000u /* RESTART */)
#define SA_RESTORER_ 0x04000000u
#define RT_FIRST     35 /* 32 to 34 are the C libraries' own */
#define RT_LAST      64

struct preload_shared *preload_shared;
int preload_signal;

static struct slot {
	_Atomic int tid;
	int timer;
} slots[SLOTS];
static _Atomic uint64_t next_sweep;
static _Atomic unsigned cursor;

struct event { /* struct sigevent as the kernel has it */
	uint64_t value;
	int signo, notify;
	int tid;
	int pad[11];
};

struct setting { /* struct __kernel_itimerspec */
	int64_t interval_s, interval_ns, value_s, value_ns;
};

static struct slot *claim(int tid)
{
	unsigned i, at = (unsigned)tid * 2654435761u >> 20;
	struct slot *free_slot = NULL;
	int was;

	for (i = 0; i < 64; i++) {
		struct slot *s = &slots[(at + i) % SLOTS];

		was = atomic_load(&s->tid);
		if (was == tid)
			return NULL;
		if (!free_slot && was <= DEAD)
			free_slot = s;
		if (!was)
			break;
	}
	if (!free_slot)
		return NULL;
	was = atomic_load(&free_slot->tid);
	return was <= DEAD && atomic_compare_exchange_strong(&free_slot->tid, &was, tid) ? free_slot : NULL;
}

void preload_arm(int tid)
{
	struct event ev = {.signo = preload_signal, .notify = SIGEV_THREAD_ID_, .tid = tid};
	uint64_t ns = preload_shared->period_ns;
	struct setting set = {(int64_t)(ns / 1000000000u), (int64_t)(ns % 1000000000u), 0, 0};
	struct slot *s = claim(tid);

	if (!s)
		return;
	set.value_s = set.interval_s;
	set.value_ns = set.interval_ns;
	ev.value = (uint64_t)(uintptr_t)slots; /* the handler knows its own signals by it */
	if (sys3(SYS_timer_create, CLOCK_OF_THREAD(tid), &ev, &s->timer)) {
		__atomic_fetch_add(&preload_shared->unarmed, 1, __ATOMIC_RELAXED);
		atomic_store(&s->tid, DEAD);
		return;
	}
	sys4(SYS_timer_settime, s->timer, 0, &set, NULL);
}

void preload_arm_self(void)
{
	preload_arm((int)sys0(SYS_gettid));
}

bool preload_own_value(uint64_t value)
{
	return value == (uint64_t)(uintptr_t)slots;
}

void preload_disarm_all(void)
{
	unsigned i;

	for (i = 0; i < SLOTS; i++)
		if (atomic_load(&slots[i].tid) > DEAD) {
			sys1(SYS_timer_delete, slots[i].timer);
			atomic_store(&slots[i].tid, DEAD);
		}
}

void preload_forget_all(void)
{
	unsigned i;

	for (i = 0; i < SLOTS; i++)
		atomic_store(&slots[i].tid, 0);
}

/* Delete the timers of threads that ended, some slots at a time. */
static void reap(int pid)
{
	unsigned i, at = atomic_fetch_add(&cursor, SWEEP_SLOTS);

	for (i = 0; i < SWEEP_SLOTS; i++) {
		struct slot *s = &slots[(at + i) % SLOTS];
		int tid = atomic_load(&s->tid);

		if (tid > DEAD && sys3(SYS_tgkill, pid, tid, 0) == -3 /* ESRCH */) {
			sys1(SYS_timer_delete, s->timer);
			atomic_compare_exchange_strong(&s->tid, &tid, DEAD);
		}
	}
}

struct dirent64 {
	uint64_t ino, off;
	uint16_t reclen;
	uint8_t type;
	char name[];
};

static int number(const char *s)
{
	int v = 0;

	while (*s >= '0' && *s <= '9' && v < 100000000)
		v = v * 10 + (*s++ - '0');
	return *s ? 0 : v;
}

/* Threads that were not started by pthread_create, or before we came. */
static void scan(void)
{
	char buf[1024] __attribute__((aligned(8)));
	int fd = (int)sys4(SYS_openat, AT_FDCWD, "/proc/self/task",
			   0x10000 | 0x80000 /* DIRECTORY, CLOEXEC */, 0);
	unsigned seen = 0;
	long n, at;

	if (fd < 0)
		return;
	while (seen < SCAN_THREADS && (n = sys3(SYS_getdents64, fd, buf, sizeof(buf))) > 0)
		for (at = 0; at < n; at += ((struct dirent64 *)(void *)(buf + at))->reclen) {
			int tid = number(((struct dirent64 *)(void *)(buf + at))->name);

			seen++;
			if (tid > DEAD)
				preload_arm(tid);
		}
	sys1(SYS_close, fd);
}

void preload_sweep(uint64_t now)
{
	uint64_t due = atomic_load(&next_sweep);

	if (now < due || !atomic_compare_exchange_strong(&next_sweep, &due, now + SWEEP_NS))
		return;
	reap((int)sys0(SYS_getpid));
	scan();
}

#ifdef __x86_64__
__asm__(".text\n"
	".type preload_restore,@function\n"
	"preload_restore:\n"
	"mov $15,%eax\n" /* SYS_rt_sigreturn */
	"syscall\n");
void preload_restore(void) __attribute__((visibility("hidden")));
#endif

/* The highest real-time signal that nobody handles. */
static int choose_signal(void)
{
	struct sys_sigaction old;
	int sig;

	for (sig = RT_LAST; sig >= RT_FIRST; sig--)
		if (!sys4(SYS_rt_sigaction, sig, NULL, &old, SYS_SIGSET_BYTES) && !old.handler)
			return sig;
	return 0;
}

static bool install_handler(int sig)
{
	struct sys_sigaction act = {.handler = preload_handler, .flags = SA_FLAGS, .mask = ~0ull};

#ifdef __x86_64__
	act.flags |= SA_RESTORER_;
	act.restorer = preload_restore;
#endif
	return !sys4(SYS_rt_sigaction, sig, &act, NULL, SYS_SIGSET_BYTES);
}

static struct preload_shared *map(const char *path)
{
	struct preload_shared *s;
	uint64_t size;
	int fd = (int)sys4(SYS_openat, AT_FDCWD, path, 2 | 0x80000 /* RDWR, CLOEXEC */, 0);

	if (fd < 0)
		return NULL;
	s = (void *)sys6(SYS_mmap, 0, PRELOAD_HEAD, 3, 1, fd, 0);
	if ((uintptr_t)s > -4096ul)
		s = NULL;
	if (s && (s->magic != PRELOAD_MAGIC || !s->n_rings || s->n_rings > PRELOAD_RINGS_MAX ||
		  s->ring_bytes > (64u << 20) || s->stack_size > 61440))
		s = NULL;
	if (s) {
		size = preload_ring_offset(s, s->n_rings);
		s = (void *)sys6(SYS_mmap, 0, (long)size, 3, 1, fd, 0);
		if ((uintptr_t)s > -4096ul)
			s = NULL;
	}
	sys1(SYS_close, fd);
	return s;
}

extern char **__environ __attribute__((weak));

/* glibc passes the arguments; musl has set __environ by now, and passes nothing. */
__attribute__((constructor)) static void begin(int argc, char **argv, char **env)
{
	char path[PRELOAD_PATH_MAX];
	struct preload_shared *s;

	(void)argc;
	(void)argv;
	if (&__environ && __environ)
		env = __environ;
	else if (!&__environ)
		return;
	if (!preload_take_environment(env, path))
		return;
	s = map(path);
	preload_signal = s ? choose_signal() : 0;
	if (!preload_signal || !install_handler(preload_signal))
		return;
	preload_shared = s;
	__atomic_fetch_add(&s->processes, 1, __ATOMIC_RELAXED);
	preload_arm_self();
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timers.c - a timer of its own CPU time for each thread (timer_create(2),
 * SIGEV_THREAD_ID), and the signal they send.
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

#define SLOTS         4096 /* threads with a timer at one time; a power of two */
#define PROBES        64
#define SWEEP_NS      500000000ull
#define SWEEP_SLOTS   512 /* looked at in one sweep */
#define SWEEPS_A_SCAN 4   /* listing threads takes a descriptor for a moment: seldom */
#define SCAN_THREADS  512 /* with more threads, those that pthread_create did not start are not looked for */
#define ARMS_A_LOOK   16  /* at the queue of signals */
#define DEAD          1   /* tid of a slot that can be used again; 0: never used */

#define SIGEV_THREAD_ID_ 4
#define CLOCK_OF_THREAD(tid)                                                                                 \
	((int)(~(unsigned)(tid) << 3 | 6)) /* per thread, scheduler's clock: posix-timers.h */
#define SA_FLAGS     (0x00000004u /* SIGINFO */ | 0x08000000u /* ONSTACK */ | 0x10000000u /* RESTART */)
#define SA_RESTORER_ 0x04000000u
#define RT_FIRST     35 /* 32 to 34 are the C libraries' own */
#define RT_LAST      64

static struct slot {
	_Atomic int tid;
	int timer;
	bool belief;
} slots[SLOTS];
static _Atomic uint64_t next_sweep;
static _Atomic unsigned cursor, sweeps;

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

	for (i = 0; i < PROBES; i++) {
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

/*
 * Anywhere in the first period: so each sample stands for a period, and threads
 * that live for less than one are sampled as often as they should be.
 */
static void first_expiry(struct setting *set, uint64_t period, int tid)
{
	uint64_t x = preload_now() ^ (uint64_t)tid << 40;

	/* Steele, Lea, Flood 2014: the mixing function of SplittableRandom. */
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	x = 1 + (x ^ x >> 31) % period;
	set->value_s = (int64_t)(x / 1000000000u);
	set->value_ns = (int64_t)(x % 1000000000u);
}

/* "SigQ:\tUSED/LIMIT" of proc_pid_status(5): false when half of the user's queue is taken. */
static bool parse_queue(const char *text)
{
	uint64_t v[2] = {0, 0};
	unsigned i;

	for (i = 0; i < 2; i++) {
		while (*text && (*text < '0' || *text > '9') && *text != '\n')
			text++;
		for (; *text >= '0' && *text <= '9' && v[i] < 1ull << 40; text++)
			v[i] = v[i] * 10 + (uint64_t)(*text - '0');
	}
	return v[0] * 2 <= v[1];
}

/*
 * Each timer takes one of the signals that may be queued for the user, all his
 * programs together (RLIMIT_SIGPENDING): they come first. Asked now and then.
 */
static bool queue_has_room(void)
{
	static _Atomic unsigned asked;
	static _Atomic bool full;
	char text[2048];
	long n, i;
	int fd;

	if (atomic_fetch_add(&asked, 1) % ARMS_A_LOOK)
		return !atomic_load(&full);
	fd = (int)sys4(SYS_openat, AT_FDCWD, "/proc/self/status", 0x80000 /* CLOEXEC */, 0);
	n = fd < 0 ? 0 : sys3(SYS_read, fd, text, sizeof(text) - 1);
	if (fd >= 0)
		sys1(SYS_close, fd);
	text[n < 0 ? 0 : n] = '\0';
	for (i = 0; i < n; i++)
		if (text[i] == '\n' && preload_begins(text + i + 1, "SigQ:"))
			atomic_store(&full, !parse_queue(text + i + 6));
	return !atomic_load(&full);
}

bool preload_arm(int tid)
{
	struct event ev = {.signo = preload_signal, .notify = SIGEV_THREAD_ID_, .tid = tid};
	struct preload_shared *shared = preload_shared; /* another thread may put us to sleep */
	uint64_t ns = shared ? shared->period_ns : 0;
	struct setting set = {(int64_t)(ns / 1000000000u), (int64_t)(ns % 1000000000u), 0, 0};
	struct slot *s = shared ? claim(tid) : NULL;

	if (!s)
		return false;
	s->belief = false;
	first_expiry(&set, ns, tid);
	ev.value = (uint64_t)(uintptr_t)slots; /* the handler knows its own signals by it */
	if (!queue_has_room() || sys3(SYS_timer_create, CLOCK_OF_THREAD(tid), &ev, &s->timer)) {
		__atomic_fetch_add(&shared->unarmed, 1, __ATOMIC_RELAXED);
		atomic_store(&s->tid, DEAD);
		return false;
	}
	sys4(SYS_timer_settime, s->timer, 0, &set, NULL);
	return true;
}

static struct slot *find(int tid)
{
	unsigned i, at = (unsigned)tid * 2654435761u >> 20;

	for (i = 0; i < PROBES; i++)
		if (atomic_load(&slots[(at + i) % SLOTS].tid) == tid)
			return &slots[(at + i) % SLOTS];
	return NULL;
}

bool *preload_belief(void)
{
	struct slot *s = find((int)sys0(SYS_gettid));

	return s ? &s->belief : NULL;
}

void preload_arm_self(bool belief)
{
	int tid = (int)sys0(SYS_gettid);
	struct slot *s;

	(void)preload_arm(tid);
	s = find(tid);
	if (s)
		s->belief = belief;
}

bool preload_own_value(uint64_t value)
{
	return value == (uint64_t)(uintptr_t)slots;
}

/* In a child of vfork the slots are the parent's, and none is for this thread. */
bool preload_disarm_self(void)
{
	struct slot *s = find((int)sys0(SYS_gettid));
	uint64_t set = 1ull << (preload_signal - 1);
	int64_t now[2] = {0, 0};

	if (!s)
		return false;
	sys1(SYS_timer_delete, s->timer);
	if (s->belief)
		preload_block(preload_signal); /* for the program to come */
	atomic_store(&s->tid, DEAD);
	/* What is pending would kill the program to come, which has no handler. */
	while (sys4(SYS_rt_sigtimedwait, &set, NULL, now, SYS_SIGSET_BYTES) > 0)
		;
	return true;
}

void preload_disarm_all(void)
{
	unsigned i;

	for (i = 0; i < SLOTS; i++) {
		int tid = atomic_load(&slots[i].tid);

		if (tid > DEAD && atomic_compare_exchange_strong(&slots[i].tid, &tid, DEAD))
			sys1(SYS_timer_delete, slots[i].timer);
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
				(void)preload_arm(tid);
		}
	sys1(SYS_close, fd);
}

void preload_sweep(uint64_t now)
{
	uint64_t due = atomic_load(&next_sweep);

	if (now < due || !atomic_compare_exchange_strong(&next_sweep, &due, now + SWEEP_NS))
		return;
	reap((int)sys0(SYS_getpid));
	if (atomic_fetch_add(&sweeps, 1) % SWEEPS_A_SCAN == 0)
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

static bool is_default(int sig)
{
	struct sys_sigaction old;

	return !sys4(SYS_rt_sigaction, sig, NULL, &old, SYS_SIGSET_BYTES) && !old.handler;
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

bool preload_take_signal(int except)
{
	int sig;

	for (sig = RT_LAST; sig >= RT_FIRST; sig--)
		if (sig != except && is_default(sig) && install_handler(sig)) {
			preload_signal = sig;
			return true;
		}
	return false;
}

void preload_move_signal(void)
{
	int old = preload_signal;

	if (!preload_take_signal(old)) {
		/* None is left: no more samples of this process. */
		preload_disarm_all();
		preload_shared = NULL;
		return;
	}
	/* What is on its way still finds the old handler, which stays: signals.c knows what the program
	 * wants. */
	preload_disarm_all();
	scan();
}

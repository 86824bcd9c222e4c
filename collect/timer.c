/* SPDX-License-Identifier: Apache-2.0 */
/* timer.c - see timer.h. */
#include "collect/timer.h"

#include "base/io.h"
#include "base/log.h"
#include "collect/preload/shared.h"
#include "collect/regs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define RING_BYTES (2u << 20) /* memory is taken as it is used */
#define STACK_MAX  61440u     /* what a record's 16-bit size leaves */
#define LOOK_NS    100000000
#define LOCK_NS    1000000000u /* a lock held for so long: is its thread still there? */

struct timer {
	struct preload_shared *shared;
	size_t size;
	int fd;      /* -1: a System V segment */
	int segment; /* its number */
	char library[PATH_MAX];
	int wake_fd;
	struct record_layout layout;
	struct order_source sources[PRELOAD_RINGS_MAX];
	uint32_t n_rings, n_sources;
	struct {
		uint32_t owner;
		uint64_t since_ns;
	} held[PRELOAD_RINGS_MAX];
};

/* ---- the library ---- */

static int find_library(char *path, size_t len)
{
	static const char *const places[] = {"/../lib/ddprof/", "/"};
	char exe[PATH_MAX], *slash;
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	char real[PATH_MAX];
	unsigned i;

	if (n < 0)
		return -errno;
	exe[n] = '\0';
	slash = strrchr(exe, '/');
	if (!slash)
		return -ENOENT;
	*slash = '\0';
	for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		int used = snprintf(path, len, "%s%s%s", exe, places[i], TIMER_LIBRARY);

		if (used < 0 || (size_t)used >= len || !realpath(path, real))
			continue;
		if (strlen(real) >= len || strpbrk(real, ": \t\n"))
			return -EINVAL;
		strcpy(path, real);
		return 0;
	}
	return -ENOENT;
}

/* ---- the memory ---- */

static int open_memory(void)
{
	static const char *const directories[] = {"/dev/shm", "/tmp", "/var/tmp"};
	int fd = memfd_create("ddprof", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct stat own, named;
	char path[48];
	unsigned i;

	for (i = 0; fd < 0 && i < sizeof(directories) / sizeof(directories[0]); i++)
		fd = open(directories[i], O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	/* Programs open it by this name: another process's where /proc is of another pid namespace. */
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)getpid(), fd);
	if (!access(path, R_OK | W_OK) && !fstat(fd, &own) && !stat(path, &named) &&
	    own.st_dev == named.st_dev && own.st_ino == named.st_ino)
		return fd;
	close(fd);
	return -ENOENT;
}

static int map_file(struct timer *t)
{
	struct rlimit limit;
	void *map;
	int err;

	/* Beyond the limit it would be a signal, and the program would get it. */
	if (!getrlimit(RLIMIT_FSIZE, &limit) && limit.rlim_cur < t->size)
		return -EFBIG;
	t->fd = open_memory();
	if (t->fd < 0)
		return t->fd;
	err = ftruncate(t->fd, (off_t)t->size) ? -errno : 0;
	/* A program that cuts it off would take us along; of other files only a memfd can be kept from that.
	 */
	(void)fcntl(t->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	map = err ? MAP_FAILED : mmap(NULL, t->size, PROT_READ | PROT_WRITE, MAP_SHARED, t->fd, 0);
	if (map == MAP_FAILED) {
		err = err ? err : -errno;
		close(t->fd);
		t->fd = -1;
		return err;
	}
	t->shared = map;
	return 0;
}

/* Removed at once, it can still be attached by its number as long as somebody has it (Linux, shmctl(2)). */
static int map_segment(struct timer *t)
{
	void *map;

	t->segment = shmget(IPC_PRIVATE, t->size, IPC_CREAT | 0600);
	if (t->segment < 0)
		return -errno;
	map = shmat(t->segment, NULL, 0);
	shmctl(t->segment, IPC_RMID, NULL);
	if (map == (void *)-1)
		return -errno;
	t->shared = map;
	return 0;
}

static uint32_t rings_wanted(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	/* One more than can write at the same time: a thread that loses its CPU while writing keeps its ring.
	 */
	return cpus < 1 ? 2 : cpus + 1 > PRELOAD_RINGS_MAX ? PRELOAD_RINGS_MAX : (uint32_t)cpus + 1;
}

int timer_new(struct timer **out)
{
	struct timer *t = calloc(1, sizeof(*t));
	struct preload_shared head = {
		.magic = PRELOAD_MAGIC, .n_rings = rings_wanted(), .ring_bytes = RING_BYTES};
	int err;

	if (!t)
		return -ENOMEM;
	t->fd = t->wake_fd = t->segment = -1;
	t->n_rings = head.n_rings;
	t->size = preload_ring_offset(&head, head.n_rings);
	err = find_library(t->library, sizeof(t->library));
	if (!err && map_file(t))
		err = map_segment(t);
	if (err)
		goto fail;
	if (readlink("/proc/self/ns/pid", head.pid_space, sizeof(head.pid_space) - 1) < 0)
		head.pid_space[0] = '\0';
	*t->shared = head;
	*out = t;
	return 0;
fail:
	timer_free(t);
	return err;
}

void timer_free(struct timer *t)
{
	uint32_t i;

	if (!t)
		return;
	for (i = 0; i < t->n_sources; i++)
		ring_free(t->sources[i].ring);
	if (t->shared && t->fd >= 0)
		munmap(t->shared, t->size);
	else if (t->shared)
		shmdt(t->shared);
	if (t->fd >= 0)
		close(t->fd);
	if (t->wake_fd >= 0)
		close(t->wake_fd);
	free(t);
}

const char *timer_library(const struct timer *t)
{
	return t->library;
}

int timer_fd(const struct timer *t)
{
	return t->fd;
}

void timer_keep(struct timer *t, pid_t pid)
{
	__atomic_store_n(&t->shared->keeper, (uint32_t)pid, __ATOMIC_RELEASE);
}

int timer_hand_over(const struct timer *t)
{
	const char *theirs = getenv("LD_PRELOAD");
	char name[PRELOAD_PATH_MAX + 24], *list;
	size_t kept = theirs ? strlen(theirs) + 1 : 0;
	int err;

	if (!__atomic_load_n(&t->shared->run, __ATOMIC_ACQUIRE))
		return 0;
	if (kept > PRELOAD_LIST_MAX || strlen(t->library) >= PRELOAD_PATH_MAX)
		return -E2BIG;
	if (t->fd >= 0)
		snprintf(name, sizeof(name), "/proc/%u/fd/%d:%zu", t->shared->keeper, t->fd, kept);
	else
		snprintf(name, sizeof(name), "%d:%zu", t->segment, kept);
	if (asprintf(&list, "%s%s%s", theirs ? theirs : "", theirs ? ":" : "", t->library) < 0)
		return -ENOMEM;
	err = setenv("LD_PRELOAD", list, 1) || setenv(PRELOAD_VARIABLE, name, 1) ? -errno : 0;
	free(list);
	return err;
}

/* ---- collector ---- */

static int open_sources(struct timer *t)
{
	/* Of our own, not from the shared header: a program may have written there by now. */
	const struct preload_shared own = {.ring_bytes = RING_BYTES};
	uint32_t i;

	t->layout.sample_type = PRELOAD_SAMPLE_TYPE;
	t->layout.n_regs = (unsigned)__builtin_popcountll(regs_arch.perf_mask);
	for (i = t->n_sources; i < t->n_rings; i++, t->n_sources++) {
		void *page = (char *)t->shared + preload_ring_offset(&own, i);
		int err = ring_new_shared(&t->sources[i].ring, page, PRELOAD_HEAD, RING_BYTES);

		if (err)
			return err;
		t->sources[i].layout = &t->layout;
	}
	return 0;
}

int timer_begin(struct timer *t, uint64_t period_ns, uint32_t stack_size)
{
	const struct itimerspec each = {{0, LOOK_NS}, {0, LOOK_NS}};
	int err = open_sources(t);

	if (err)
		return err;
	t->wake_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (t->wake_fd < 0 || timerfd_settime(t->wake_fd, 0, &each, NULL))
		return -errno;
	t->shared->period_ns = period_ns;
	t->shared->stack_size = stack_size && stack_size < STACK_MAX ? stack_size : STACK_MAX;
	timer_look(t);
	__atomic_store_n(&t->shared->run, 1, __ATOMIC_RELEASE);
	return 0;
}

void timer_end(struct timer *t)
{
	__atomic_store_n(&t->shared->run, 0, __ATOMIC_RELEASE);
}

bool timer_begun(const struct timer *t)
{
	return __atomic_load_n(&t->shared->run, __ATOMIC_ACQUIRE);
}

struct order_source *timer_sources(struct timer *t, uint32_t *n)
{
	*n = t->n_sources;
	return t->sources;
}

int timer_wake_fd(const struct timer *t)
{
	return t->wake_fd;
}

static bool exists(uint32_t tid)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%u", tid);
	return !access(path, F_OK);
}

/* Killed while it wrote, which takes microseconds. What it wrote was not published. */
static void free_locks(struct timer *t, uint64_t now)
{
	uint32_t i, owner;

	for (i = 0; i < t->n_sources; i++) {
		owner = __atomic_load_n(&t->shared->locks[i].owner, __ATOMIC_RELAXED);
		if (owner != t->held[i].owner) {
			t->held[i].owner = owner;
			t->held[i].since_ns = now;
		} else if (owner && now - t->held[i].since_ns > LOCK_NS && !exists(owner)) {
			__atomic_compare_exchange_n(&t->shared->locks[i].owner, &owner, 0, false,
						    __ATOMIC_RELEASE, __ATOMIC_RELAXED);
		}
	}
}

/* Whoever kept the memory's descriptor open is gone; ours has the same number, by fork. */
static void keep_instead(struct timer *t)
{
	if (t->fd < 0 || exists(__atomic_load_n(&t->shared->keeper, __ATOMIC_RELAXED)))
		return;
	timer_keep(t, getpid());
	log_debug("programs find the timers' memory with this process from now on");
}

void timer_look(struct timer *t)
{
	uint64_t now = io_clock_ns(CLOCK_MONOTONIC), expired;

	(void)!read(t->wake_fd, &expired, sizeof(expired));
	__atomic_store_n(&t->shared->alive_ns, now, __ATOMIC_RELAXED);
	free_locks(t, now);
	keep_instead(t);
}

uint64_t timer_lost(const struct timer *t)
{
	return __atomic_load_n(&t->shared->lost, __ATOMIC_RELAXED);
}

uint32_t timer_loaded(const struct timer *t)
{
	return __atomic_load_n(&t->shared->processes, __ATOMIC_RELAXED);
}

uint64_t timer_unarmed(const struct timer *t)
{
	return __atomic_load_n(&t->shared->unarmed, __ATOMIC_RELAXED);
}

uint32_t timer_stack_size(const struct timer *t)
{
	return t->shared->stack_size;
}

/* CPU-time timers are looked at by the tick, whose length the coarse clock shows. */
uint32_t timer_rate(uint32_t wanted)
{
	struct timespec ts;
	uint32_t hz;

	if (clock_getres(CLOCK_MONOTONIC_COARSE, &ts) || ts.tv_sec || !ts.tv_nsec)
		return wanted;
	hz = (uint32_t)((1000000000 + ts.tv_nsec / 2) / ts.tv_nsec);
	return wanted < hz ? wanted : hz;
}

uint32_t timer_fds(const struct timer *t, int fds[2])
{
	uint32_t n = 0;

	if (t->fd >= 0)
		fds[n++] = t->fd;
	if (t->wake_fd >= 0)
		fds[n++] = t->wake_fd;
	return n;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* sandbox.c - see sandbox.h. The filter: linux/seccomp.h, linux/filter.h; capabilities: linux/capability.h.
 */
#include "symbolize/sandbox.h"

#include "base/io.h"
#include "base/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef __NR_close_range
#define __NR_close_range 436
#endif

/* Address sanitizer reserves terabytes of address space for its shadow, and reports through syscalls of its
 * own. */
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/* ---- descriptors ---- */

static int compare_int(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return x < y ? -1 : x > y;
}

/* First to last, both included; without close_range(2) (before Linux 5.9) one by one. */
static void close_span(unsigned int first, unsigned int last)
{
	struct rlimit rl;

	if (first > last || !syscall(__NR_close_range, first, last, 0))
		return;
	if (getrlimit(RLIMIT_NOFILE, &rl) || rl.rlim_max > (1u << 20))
		rl.rlim_max = 1u << 20;
	for (; first <= last && first < rl.rlim_max; first++)
		close((int)first);
}

static int move_above_stdio(int *const *keep, uint32_t n)
{
	uint32_t i;
	int fd;

	for (i = 0; i < n; i++) {
		if (*keep[i] < 0 || *keep[i] > STDERR_FILENO)
			continue;
		fd = fcntl(*keep[i], F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
		if (fd < 0)
			return -errno;
		*keep[i] = fd;
	}
	return 0;
}

static int close_others(int *const *keep, uint32_t n)
{
	unsigned int next = STDERR_FILENO + 1;
	int *fds = calloc(n + 1, sizeof(*fds));
	uint32_t i, used = 0;

	if (!fds)
		return -ENOMEM;
	for (i = 0; i < n; i++)
		if (*keep[i] >= 0)
			fds[used++] = *keep[i];
	qsort(fds, used, sizeof(*fds), compare_int);
	for (i = 0; i < used; i++) {
		if ((unsigned int)fds[i] > next)
			close_span(next, (unsigned int)fds[i] - 1);
		next = (unsigned int)fds[i] + 1;
	}
	close_span(next, UINT32_MAX);
	free(fds);
	return 0;
}

static int null_stdio(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC), i;

	for (i = 0; i <= STDERR_FILENO; i++) {
		/* Without /dev/null (a bare chroot) closed is as good: nothing is opened any more. */
		if (fd < 0)
			close(i);
		else if (i != fd && dup2(fd, i) < 0)
			return -errno;
	}
	if (fd > STDERR_FILENO)
		close(fd);
	return 0;
}

/* ---- manners ---- */

/* What a terminal or supervisor sends to the whole group is for the program: a profile is finished. */
static const int for_others[] = {SIGINT, SIGQUIT, SIGHUP, SIGTERM, SIGTSTP, SIGTTIN, SIGTTOU, SIGPIPE};

static void settle_signals(void)
{
	/* A parent that went away is noticed by write(2) failing, and by its death's own signal. */
	signals_reset(for_others, sizeof(for_others) / sizeof(for_others[0]));
	signals_unblock();
}

/*
 * How far to stand back behind the program is the exporter's choice, whose nice
 * value we have: a batch job of that weight. Not SCHED_IDLE: beside a program that
 * uses every CPU its share would be too little to finish before any deadline.
 */
static void lower_priority(void)
{
	struct sched_param param = {0};
	int fd;
	ssize_t ignored = 0;

	sched_setscheduler(0, SCHED_BATCH, &param);
	fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd >= 0) {
		ignored = write(fd, "1000", 4);
		close(fd);
	}
	(void)ignored;
}

int sandbox_prepare(int *const *keep, uint32_t n)
{
	int err;

	settle_signals();
	err = move_above_stdio(keep, n);
	if (!err)
		err = null_stdio();
	if (!err)
		lower_priority();
	return err ? err : close_others(keep, n);
}

/* ---- limits ---- */

static uint64_t address_space_now(void)
{
	uint64_t pages;
	struct buf b;
	int err;

	buf_init(&b, 256);
	err = io_read_file(AT_FDCWD, "/proc/self/statm", &b);
	if (!err)
		err = buf_put_u8(&b, 0);
	pages = err ? 0 : strtoull((const char *)b.data, NULL, 10);
	buf_release(&b);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static int limit(int resource, uint64_t soft, uint64_t hard)
{
	struct rlimit old, new;

	if (getrlimit((__rlimit_resource_t)resource, &old))
		return -errno;
	new.rlim_cur = soft < old.rlim_max ? soft : old.rlim_max;
	new.rlim_max = hard < old.rlim_max ? hard : old.rlim_max;
	return setrlimit((__rlimit_resource_t)resource, &new) ? -errno : 0;
}

static int set_limits(const struct sandbox_limits *l)
{
	uint64_t as = address_space_now();
	int err = limit(RLIMIT_CORE, 0, 0);

	if (!err)
		err = limit(RLIMIT_FSIZE, 0, 0);
	if (!err && l->cpu_seconds)
		err = limit(RLIMIT_CPU, l->cpu_seconds, (uint64_t)l->cpu_seconds + 1);
	if (!err && l->memory_bytes && as && l->memory_bytes < UINT64_MAX - as && !SANITIZED)
		err = limit(RLIMIT_AS, as + l->memory_bytes, as + l->memory_bytes);
	if (!err)
		err = limit(RLIMIT_NOFILE, 0, 0);
	return err;
}

static int drop_capabilities(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3];

	memset(none, 0, sizeof(none));
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); /* since Linux 4.3 */
	return syscall(SYS_capset, &head, none) ? -errno : 0;
}

/* ---- system calls ---- */

#if defined(__x86_64__)
#define THIS_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define THIS_ARCH AUDIT_ARCH_AARCH64
#endif

#ifdef THIS_ARCH

#define LOAD(field)       BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define RETURN(what)      BPF_STMT(BPF_RET | BPF_K, (what))
#define SKIP_UNLESS(v, n) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (v), 0, (n))
#define SKIP_IF(v, n)     BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (v), (n), 0)
#define SKIP_IF_BIT(v, n) BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, (v), (n), 0)
/* Low half of an argument; both architectures are little-endian. */
#define LOAD_ARG(i) LOAD(args[i])

#define ALLOW(nr) SKIP_UNLESS((nr), 1), RETURN(SECCOMP_RET_ALLOW)
#define DENY      RETURN(SECCOMP_RET_ERRNO | EPERM)
/* Allowed if @bit is clear in argument @arg. */
#define ALLOW_WITHOUT_BIT(nr, arg, bit)                                                                      \
	SKIP_UNLESS((nr), 4), LOAD_ARG(arg), SKIP_IF_BIT((bit), 1), RETURN(SECCOMP_RET_ALLOW), DENY
/* Allowed if argument @arg is @v. */
#define ALLOW_IF(nr, arg, v)                                                                                 \
	SKIP_UNLESS((nr), 4), LOAD_ARG(arg), SKIP_UNLESS((v), 1), RETURN(SECCOMP_RET_ALLOW), DENY

static int filter_system_calls(void)
{
	struct sock_filter code[] = {
		LOAD(arch),
		SKIP_IF(THIS_ARCH, 1),
		RETURN(SECCOMP_RET_KILL_PROCESS),
		LOAD(nr),
		ALLOW(__NR_read),
		ALLOW(__NR_pread64),
		ALLOW(__NR_write),
		ALLOW(__NR_lseek),
		ALLOW(__NR_close),
		ALLOW(__NR_fstat),
		/* glibc's fstat(), which passes an empty path. A filter cannot see the path: what else is
		 * asked so tells sizes and times of files, not contents. */
		ALLOW_IF(__NR_newfstatat, 3, AT_EMPTY_PATH),
		/* libelf asks whether a descriptor is open */
		ALLOW_IF(__NR_fcntl, 1, F_GETFD),
		ALLOW_WITHOUT_BIT(__NR_mmap, 2, PROT_EXEC),
		ALLOW_WITHOUT_BIT(__NR_mprotect, 2, PROT_EXEC),
		ALLOW(__NR_munmap),
		ALLOW(__NR_mremap),
		ALLOW(__NR_madvise),
		ALLOW(__NR_brk),
		ALLOW(__NR_getrandom),
		ALLOW(__NR_futex),
		ALLOW(__NR_clock_gettime),
		ALLOW(__NR_sysinfo), /* qsort() asks how much memory there is */
		ALLOW(__NR_getpid),
		ALLOW(__NR_gettid),
		ALLOW(__NR_rt_sigprocmask), /* abort() */
		ALLOW(__NR_rt_sigreturn),
		ALLOW_IF(__NR_tgkill, 0, (uint32_t)getpid()),
		ALLOW(__NR_exit),
		ALLOW(__NR_exit_group),
#if SANITIZED
		ALLOW(__NR_sigaltstack),
		ALLOW(__NR_sched_yield),
#endif
		DENY,
	};
	struct sock_fprog prog = {.len = sizeof(code) / sizeof(code[0]), .filter = code};

	if (!prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0))
		return 0;
	/* EINVAL: kernel built without seccomp filters. */
	return errno == EINVAL || errno == ENOSYS ? 0 : -errno;
}

#else

static int filter_system_calls(void)
{
	return 0;
}

#endif

int sandbox_enter(const struct sandbox_limits *limits)
{
	int err;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0))
		return -errno;
	/* It may have died before the line above. */
	if (getppid() != limits->parent)
		return -ESRCH;
	err = set_limits(limits);
	if (err)
		return err;
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	err = drop_capabilities();
	return err ? err : filter_system_calls();
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hooks.c - calls of the C library that the timers must know of.
 *
 * Each does what the library's own does. While the preloaded library sleeps
 * (it found no shared memory), they only pass on.
 */
#include "collect/preload/preload.h"

#include <stdarg.h>

extern int __register_atfork(void (*)(void), void (*)(void), void (*)(void), void *) __attribute__((weak));
extern int pthread_atfork(void (*)(void), void (*)(void), void (*)(void)) __attribute__((weak));
extern char **__environ __attribute__((weak));
extern int *__errno_location(void) __attribute__((weak));

#define REAL(name) preload_next(&real_##name, #name)

/* ---- threads ---- */

#define STARTS 64

static struct start {
	uint32_t used;
	bool belief; /* of the thread that starts it */
	void *(*fn)(void *);
	void *arg;
} starts[STARTS];

static bool belief(void)
{
	const bool *b = preload_belief();

	return b && *b;
}

static void begin_thread(struct start *s)
{
	bool blocked = s->belief;

	__atomic_store_n(&s->used, 0, __ATOMIC_RELEASE);
	blocked |= preload_unblock();
	preload_arm_self(blocked);
}

/* Ends in a jump to the thread's own function: no frame of ours stays in its stacks. */
static void *run(void *arg)
{
	struct start *s = arg;
	void *(*fn)(void *) = s->fn;
	void *fn_arg = s->arg;

	begin_thread(s);
	return fn(fn_arg);
}

static struct start *take_start(void *(*fn)(void *), void *arg)
{
	uint32_t no;
	unsigned i;

	for (i = 0; preload_shared && i < STARTS; i++) {
		no = 0;
		if (__atomic_compare_exchange_n(&starts[i].used, &no, 1, false, __ATOMIC_ACQUIRE,
						__ATOMIC_RELAXED)) {
			starts[i].fn = fn;
			starts[i].arg = arg;
			starts[i].belief = belief();
			return &starts[i];
		}
	}
	return NULL;
}

static void *real_pthread_create, *real_thrd_create;

EXPORTED int pthread_create(void *thread, const void *attr, void *(*fn)(void *), void *arg)
{
	int (*create)(void *, const void *, void *(*)(void *), void *) = REAL(pthread_create);
	struct start *s = take_start(fn, arg);
	int err;

	if (!create)
		return 11; /* EAGAIN */
	if (!s)
		return create(thread, attr, fn, arg);
	err = create(thread, attr, run, s);
	if (err)
		__atomic_store_n(&s->used, 0, __ATOMIC_RELEASE);
	return err;
}

/* C11's threads do not start by way of the other's symbol. */
static int run_c11(void *arg)
{
	struct start *s = arg;
	int (*fn)(void *) = (int (*)(void *))(void *)s->fn;
	void *fn_arg = s->arg;

	begin_thread(s);
	return fn(fn_arg);
}

EXPORTED int thrd_create(void *thread, int (*fn)(void *), void *arg)
{
	int (*create)(void *, int (*)(void *), void *) = REAL(thrd_create);
	struct start *s = take_start((void *(*)(void *))(void *)fn, arg);
	int err;

	if (!create)
		return 2; /* thrd_error */
	if (!s)
		return create(thread, fn, arg);
	err = create(thread, run_c11, s);
	if (err)
		__atomic_store_n(&s->used, 0, __ATOMIC_RELEASE);
	return err;
}

static bool forking_belief;
static int forking; /* the process; getppid() may be init's number by the time the child asks */

static void before_fork(void)
{
	forking = (int)sys0(SYS_getpid);
	forking_belief = preload_shared && belief();
}

static void in_forked_child(void)
{
	if (!preload_shared)
		return;
	preload_forget_all();
	if (!preload_same_pid_space(preload_shared))
		return;
	preload_note_fork(forking);
	preload_arm_self(forking_belief);
}

void preload_watch_forks(void)
{
	if (__register_atfork)
		(void)__register_atfork(before_fork, NULL, in_forked_child, NULL);
	else if (pthread_atfork)
		(void)pthread_atfork(before_fork, NULL, in_forked_child);
}

/* ---- programs ---- */

struct exec_args {
	void *fn;
	const char *path;
	char *const *argv;
	int fd;
};

static void *real_execve, *real_execvpe, *real_fexecve;

static int missing(void)
{
	if (__errno_location)
		*__errno_location() = ENOSYS_;
	return -1;
}

static int call_exec(char *const *env, void *arg)
{
	const struct exec_args *a = arg;

	return ((int (*)(const char *, char *const *, char *const *))a->fn)(a->path, a->argv, env);
}

static int call_fexecve(char *const *env, void *arg)
{
	const struct exec_args *a = arg;

	return ((int (*)(int, char *const *, char *const *))a->fn)(a->fd, a->argv, env);
}

/* No timer may fire between here and the new program; if there is none, all goes on. */
static int replace(char *const *env, int (*call)(char *const *env, void *arg), struct exec_args *a)
{
	bool armed, blocked;
	int err;

	if (!a->fn)
		return missing();
	blocked = preload_shared && belief();
	armed = preload_shared && preload_disarm_self();
	err = preload_with_environment(env, call, a);
	if (armed) {
		preload_unblock();
		preload_arm_self(blocked);
	}
	return err;
}

static int do_exec(void *fn, const char *path, char *const *argv, char *const *env)
{
	struct exec_args a = {fn, path, argv, -1};

	return replace(env, call_exec, &a);
}

EXPORTED int execve(const char *path, char *const *argv, char *const *env)
{
	return do_exec(REAL(execve), path, argv, env);
}

EXPORTED int execv(const char *path, char *const *argv)
{
	return do_exec(REAL(execve), path, argv, __environ);
}

EXPORTED int execvpe(const char *file, char *const *argv, char *const *env)
{
	return do_exec(REAL(execvpe), file, argv, env);
}

EXPORTED int execvp(const char *file, char *const *argv)
{
	return do_exec(REAL(execvpe), file, argv, __environ);
}

EXPORTED int fexecve(int fd, char *const *argv, char *const *env)
{
	struct exec_args a = {REAL(fexecve), NULL, argv, fd};

	return replace(env, call_fexecve, &a);
}

/* The argument list becomes an array on the stack; exec's lists are short, and longer ones fail with E2BIG
 * anyway. */
#define LIST_MAX 1024
#define COLLECT(argv, first, ap)                                                                             \
	do {                                                                                                 \
		unsigned n_ = 0;                                                                             \
		(argv)[n_++] = (char *)(uintptr_t)(first);                                                   \
		while ((argv)[n_ - 1] && n_ < LIST_MAX)                                                      \
			(argv)[n_++] = va_arg(ap, char *);                                                   \
		(argv)[n_ - 1] = NULL;                                                                       \
	} while (0)

EXPORTED int execl(const char *path, const char *arg, ...)
{
	char *argv[LIST_MAX];
	va_list ap;

	va_start(ap, arg);
	COLLECT(argv, arg, ap);
	va_end(ap);
	return execv(path, argv);
}

EXPORTED int execlp(const char *file, const char *arg, ...)
{
	char *argv[LIST_MAX];
	va_list ap;

	va_start(ap, arg);
	COLLECT(argv, arg, ap);
	va_end(ap);
	return execvp(file, argv);
}

EXPORTED int execle(const char *path, const char *arg, ...)
{
	char *argv[LIST_MAX];
	char *const *env;
	va_list ap;

	va_start(ap, arg);
	COLLECT(argv, arg, ap);
	env = va_arg(ap, char *const *);
	va_end(ap);
	return execve(path, argv, env);
}

struct spawn_args {
	int (*fn)(int *, const char *, const void *, const void *, char *const *, char *const *);
	int *pid;
	const char *path;
	const void *actions, *attr;
	char *const *argv;
};

static int call_spawn(char *const *env, void *arg)
{
	const struct spawn_args *a = arg;

	return a->fn(a->pid, a->path, a->actions, a->attr, a->argv, env);
}

static void *real_posix_spawn, *real_posix_spawnp;
EXPORTED int posix_spawn(int *pid, const char *path, const void *actions, const void *attr, char *const *argv,
			 char *const *env)
{
	struct spawn_args a = {REAL(posix_spawn), pid, path, actions, attr, argv};

	return a.fn ? preload_with_environment(env, call_spawn, &a) : ENOSYS_;
}

EXPORTED int posix_spawnp(int *pid, const char *file, const void *actions, const void *attr,
			  char *const *argv, char *const *env)
{
	struct spawn_args a = {REAL(posix_spawnp), pid, file, actions, attr, argv};

	return a.fn ? preload_with_environment(env, call_spawn, &a) : ENOSYS_;
}

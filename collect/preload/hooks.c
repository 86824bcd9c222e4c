/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hooks.c - calls of the C library that the timers must know of.
 *
 * Each does what the library's own does. While the preloaded library sleeps
 * (it found no shared memory), they only pass on.
 */
#include "collect/preload/preload.h"

#include <stdarg.h>

#define NEXT ((void *)-1l) /* RTLD_NEXT, the same in glibc and musl */

extern void *dlsym(void *, const char *) __attribute__((weak));
extern int __register_atfork(void (*)(void), void (*)(void), void (*)(void), void *) __attribute__((weak));
extern int pthread_atfork(void (*)(void), void (*)(void), void (*)(void)) __attribute__((weak));
extern char **__environ __attribute__((weak));

#define REAL(name) real(&real_##name, #name)
static void *real(void **cache, const char *name)
{
	void *f = __atomic_load_n(cache, __ATOMIC_RELAXED);

	if (!f && dlsym) {
		f = dlsym(NEXT, name);
		__atomic_store_n(cache, f, __ATOMIC_RELAXED);
	}
	return f;
}

/* ---- threads ---- */

#define STARTS 64

static struct start {
	uint32_t used;
	void *(*fn)(void *);
	void *arg;
} starts[STARTS];

/* Ends in a jump to the thread's own function: no frame of ours stays in its stacks. */
static void *run(void *arg)
{
	struct start *s = arg;
	void *(*fn)(void *) = s->fn;
	void *fn_arg = s->arg;

	__atomic_store_n(&s->used, 0, __ATOMIC_RELEASE);
	preload_arm_self();
	return fn(fn_arg);
}

static void *real_pthread_create;
EXPORTED int pthread_create(void *thread, const void *attr, void *(*fn)(void *), void *arg)
{
	int (*create)(void *, const void *, void *(*)(void *), void *) = REAL(pthread_create);
	unsigned i;
	uint32_t no = 0;
	int err;

	if (!create)
		return 11; /* EAGAIN */
	for (i = 0; preload_shared && i < STARTS; i++, no = 0)
		if (__atomic_compare_exchange_n(&starts[i].used, &no, 1, false, __ATOMIC_ACQUIRE,
						__ATOMIC_RELAXED)) {
			starts[i].fn = fn;
			starts[i].arg = arg;
			err = create(thread, attr, run, &starts[i]);
			if (err)
				__atomic_store_n(&starts[i].used, 0, __ATOMIC_RELEASE);
			return err;
		}
	return create(thread, attr, fn, arg);
}

static void in_forked_child(void)
{
	if (!preload_shared)
		return;
	preload_forget_all();
	preload_arm_self();
}

__attribute__((constructor(65535))) static void watch_forks(void)
{
	if (!preload_shared)
		return;
	if (__register_atfork)
		__register_atfork(NULL, NULL, in_forked_child, NULL);
	else if (pthread_atfork)
		pthread_atfork(NULL, NULL, in_forked_child);
}

/* ---- programs ---- */

struct exec_args {
	void *fn;
	const char *path;
	char *const *argv;
	int fd;
};

static void *real_execve, *real_execvpe, *real_fexecve;

static int call_exec(char *const *env, void *arg)
{
	const struct exec_args *a = arg;

	return ((int (*)(const char *, char *const *, char *const *))a->fn)(a->path, a->argv, env);
}

static int do_exec(void *fn, const char *path, char *const *argv, char *const *env)
{
	struct exec_args a = {fn, path, argv, -1};

	if (fn)
		return preload_with_environment(env, call_exec, &a);
	return -1;
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

static int call_fexecve(char *const *env, void *arg)
{
	const struct exec_args *a = arg;

	return ((int (*)(int, char *const *, char *const *))a->fn)(a->fd, a->argv, env);
}

EXPORTED int fexecve(int fd, char *const *argv, char *const *env)
{
	struct exec_args a = {REAL(fexecve), NULL, argv, fd};

	return a.fn ? preload_with_environment(env, call_fexecve, &a) : -1;
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

	return a.fn ? preload_with_environment(env, call_spawn, &a) : 38; /* ENOSYS */
}

EXPORTED int posix_spawnp(int *pid, const char *file, const void *actions, const void *attr,
			  char *const *argv, char *const *env)
{
	struct spawn_args a = {REAL(posix_spawnp), pid, file, actions, attr, argv};

	return a.fn ? preload_with_environment(env, call_spawn, &a) : 38;
}

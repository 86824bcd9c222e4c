/* SPDX-License-Identifier: Apache-2.0 */
/*
 * environment.c - our two variables: taken out of the program's environment,
 * put into that of the programs it executes.
 *
 * LD_PRELOAD is "OURS" or "THEIRS:OURS", and new variables come last. So no
 * string of the program's own has to move, which somebody may hold a pointer
 * to by now (musl does to LD_LIBRARY_PATH): what is left of ours is zeros, in
 * /proc/PID/environ too.
 */
#include "collect/preload/preload.h"

#include <linux/fcntl.h>

#define LIST     "LD_PRELOAD="
#define NAME     PRELOAD_VARIABLE "="
#define LIST_LEN (sizeof(LIST) - 1)
#define NAME_LEN (sizeof(NAME) - 1)
#define R_OK     4

static char where[PRELOAD_PATH_MAX];   /* of the memory */
static char library[PRELOAD_PATH_MAX]; /* our part of LD_PRELOAD */

size_t preload_length(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}

bool preload_begins(const char *s, const char *with)
{
	while (*with)
		if (*s++ != *with++)
			return false;
	return true;
}

/* A loop the compiler must not turn into a call of memcpy. */
static char *copy(char *to, const char *from, size_t n)
{
	while (n--) {
		*to++ = *from++;
		__asm__ volatile("" ::: "memory");
	}
	return to;
}

static void wipe(char *s)
{
	for (; *s; s++) {
		*s = '\0';
		__asm__ volatile("" ::: "memory");
	}
}

static char **find(char *const *env, const char *name)
{
	for (; *env; env++)
		if (preload_begins(*env, name))
			return (char **)(uintptr_t)env;
	return NULL;
}

static void drop(char **at)
{
	wipe(*at);
	for (; *at; at++)
		at[0] = at[1];
}

/* False: LD_PRELOAD is not what we were told it is. */
static bool restore_list(char **env, size_t kept)
{
	char **at = find(env, LIST), *value, *ours;
	size_t len;

	if (!at)
		return false;
	value = *at + LIST_LEN;
	if (kept > preload_length(value) || (kept && value[kept - 1] != ':'))
		return false;
	ours = value + kept;
	len = preload_length(ours);
	if (!len || len >= sizeof(library))
		return false;
	copy(library, ours, len + 1);
	if (kept)
		wipe(ours - 1);
	else
		drop(at);
	return true;
}

bool preload_take_environment(char **env, char path[PRELOAD_PATH_MAX])
{
	char **at = env ? find(env, NAME) : NULL, *value;
	size_t i, colon = 0, kept = 0;

	if (!at)
		return false;
	value = *at + NAME_LEN;
	for (i = 0; value[i]; i++)
		if (value[i] == ':')
			colon = i;
	if (!colon || colon >= PRELOAD_PATH_MAX)
		return false;
	for (i = colon + 1; value[i] >= '0' && value[i] <= '9' && kept <= PRELOAD_LIST_MAX; i++)
		kept = kept * 10 + (size_t)(value[i] - '0');
	copy(where, value, colon);
	where[colon] = '\0';
	copy(path, where, colon + 1);
	drop(at);
	return restore_list(env, kept);
}

static char *put_number(char *to, size_t v)
{
	char digits[20];
	size_t n = 0;

	do
		digits[n++] = (char)('0' + v % 10);
	while (v /= 10);
	while (n)
		*to++ = digits[--n];
	*to = '\0';
	return to;
}

/* After a chroot the library may not be there, and the dynamic linker would complain. */
static bool worthwhile(char *const *env)
{
	return preload_shared && __atomic_load_n(&preload_shared->run, __ATOMIC_RELAXED) && library[0] &&
	       env && !find(env, NAME) && !sys3(SYS_faccessat, AT_FDCWD, library, R_OK);
}

int preload_with_environment(char *const *env, int (*exec)(char *const *env, void *arg), void *arg)
{
	size_t n = 0, i, ours = preload_length(library), name = preload_length(where), theirs = 0;
	char **at, **out, *list, *own, *end;

	while (env && env[n] && n <= PRELOAD_ENV_MAX)
		n++;
	if (n > PRELOAD_ENV_MAX || !worthwhile(env))
		return exec(env, arg);
	at = find(env, LIST);
	if (at)
		theirs = preload_length(*at + LIST_LEN) + 1;
	if (theirs > PRELOAD_LIST_MAX)
		return exec(env, arg);
	/* On the stack: this may be a child of vfork, where anything else would be the parent's. */
	out = __builtin_alloca((n + 3) * sizeof(*out));
	list = __builtin_alloca(LIST_LEN + theirs + ours + 1);
	own = __builtin_alloca(NAME_LEN + name + 24);
	end = copy(list, LIST, LIST_LEN);
	if (at) {
		end = copy(end, *at + LIST_LEN, theirs - 1);
		*end++ = ':';
	}
	copy(end, library, ours + 1);
	end = copy(copy(own, NAME, NAME_LEN), where, name);
	*end++ = ':';
	put_number(end, theirs);
	for (i = 0; i < n; i++)
		out[i] = &env[i] == at ? list : env[i];
	if (!at)
		out[i++] = list;
	out[i++] = own;
	out[i] = NULL;
	return exec(out, arg);
}

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
#define E2BIG_   7

extern int *__errno_location(void) __attribute__((weak));
extern char **__environ __attribute__((weak));

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

/* LD_PRELOAD's value for a program started with @theirs (NULL: unset): @out holds strlen(theirs) + 1 +
 * PRELOAD_PATH_MAX. */
static size_t join_list(char *out, const char *theirs)
{
	char *end = out;

	if (theirs) {
		end = copy(end, theirs, preload_length(theirs));
		*end++ = ':';
	}
	copy(end, library, preload_length(library) + 1);
	return theirs ? preload_length(theirs) + 1 : 0;
}

/* The memory's name now: another process may have taken over from the keeper of the begin. */
static char *put_place(char *to)
{
	const char *rest = where + 6;
	uint32_t keeper = __atomic_load_n(&preload_shared->keeper, __ATOMIC_RELAXED);

	if (!preload_begins(where, "/proc/") || !keeper)
		return copy(to, where, preload_length(where));
	while (*rest >= '0' && *rest <= '9')
		rest++;
	to = put_number(copy(to, where, 6), keeper);
	return copy(to, rest, preload_length(rest));
}

int preload_with_environment(char *const *env, int (*exec)(char *const *env, void *arg), void *arg)
{
	size_t n = 0, i, ours = preload_length(library), name = preload_length(where), theirs = 0;
	int got;
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
	own = __builtin_alloca(NAME_LEN + name + 48);
	copy(list, LIST, LIST_LEN);
	join_list(list + LIST_LEN, at ? *at + LIST_LEN : NULL);
	end = put_place(copy(own, NAME, NAME_LEN));
	*end++ = ':';
	put_number(end, theirs);
	for (i = 0; i < n; i++)
		out[i] = &env[i] == at ? list : env[i];
	if (!at)
		out[i++] = list;
	out[i++] = own;
	out[i] = NULL;
	got = exec(out, arg);
	/* Arguments and environment of the program's own may fit in, to the byte. */
	if (got == E2BIG_ || (got == -1 && __errno_location && *__errno_location() == E2BIG_))
		got = exec(env, arg);
	return got;
}

/* ---- a shell's command ---- */

#define COMMAND_MAX 32768 /* bytes of it; a longer one runs as it is */

/* In single quotes, which end and begin again around those of @s. At most 4 bytes for one. */
static char *quote(char *to, const char *s)
{
	*to++ = '\'';
	for (; *s; s++) {
		if (*s == '\'')
			to = copy(to, "'\\''", 4);
		else
			*to++ = *s;
		__asm__ volatile("" ::: "memory");
	}
	*to++ = '\'';
	*to = '\0';
	return to;
}

static char *put(char *to, const char *s)
{
	return copy(to, s, preload_length(s));
}

size_t preload_shell_command(const char *command, char **out)
{
	char **at = __environ ? find(__environ, LIST) : NULL, *list, *to, name[PRELOAD_PATH_MAX + 48];
	const char *theirs = at ? *at + LIST_LEN : NULL;
	size_t len = command ? preload_length(command) : 0, kept = theirs ? preload_length(theirs) : 0, size;
	char *end;

	if (!len || len > COMMAND_MAX || kept > PRELOAD_LIST_MAX || !worthwhile(__environ))
		return 0;
	size = 4 * (len + kept + 2 * PRELOAD_PATH_MAX) + 4 * kept + 512;
	to = (char *)sys6(SYS_mmap, 0, (long)size, 3 /* READ, WRITE */, 0x22 /* PRIVATE, ANONYMOUS */, -1, 0);
	if ((uintptr_t)to > -4096ul)
		return 0;
	*out = to;
	list = to + size - kept - 1 - PRELOAD_PATH_MAX;
	kept = join_list(list, theirs);
	end = put_place(name);
	*end++ = ':';
	put_number(end, kept);
	to = quote(put(to, "export " LIST), list);
	to = quote(put(to, " " NAME), name);
	to = quote(put(to, "; exec /bin/sh -c "), command);
	copy(to, " sh", 4);
	return size;
}

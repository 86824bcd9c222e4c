/* SPDX-License-Identifier: Apache-2.0 */
/*
 * environment.c - our two variables: taken out of the program's environment,
 * put into that of the programs it executes.
 *
 * LD_PRELOAD is "OURS" or "OURS:THEIRS". The strings that the kernel put above
 * the stack are moved together, so that /proc/PID/environ shows zeros at its end
 * and nothing of us.
 */
#include "collect/preload/preload.h"

#define LIST "LD_PRELOAD="

static char variable[PRELOAD_PATH_MAX + sizeof(PRELOAD_VARIABLE) + 16]; /* "NAME=PATH:", KEPT is added */
static char library[PRELOAD_PATH_MAX];                                  /* our part of LD_PRELOAD */

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

static void copy(char *to, const char *from, size_t n)
{
	/* A loop the compiler must not turn into a call of memcpy. */
	while (n--) {
		*to++ = *from++;
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

/* Strings that follow @gone in memory move @n bytes down onto it; the pointers to them follow. */
static void close_gap(char **env, char *gone, size_t n)
{
	char *end = gone + n, **e;

	/* As the kernel lays them out, one after the other in the order of the array. */
	for (bool more = true; more;) {
		more = false;
		for (e = env; *e; e++)
			if (*e == end) {
				size_t len = preload_length(end) + 1;

				copy(gone, end, len);
				*e = gone;
				gone += len;
				end += len;
				more = true;
				break;
			}
	}
	while (gone < end)
		*gone++ = 0;
}

static void drop(char **env, char **at)
{
	char *text = *at;
	size_t n = preload_length(text) + 1;

	for (; *at; at++)
		at[0] = at[1];
	close_gap(env, text, n);
}

/* Take our part off the front of LD_PRELOAD, leaving the last @kept bytes; 0: the variable was not there. */
static void restore_list(char **env, size_t kept)
{
	char **at = find(env, LIST), *value;
	size_t len, ours;

	if (!at)
		return;
	value = *at + sizeof(LIST) - 1;
	len = preload_length(value);
	ours = kept && kept < len ? len - kept - 1 : len; /* without the ':' */
	if (ours < sizeof(library)) {
		copy(library, value, ours);
		library[ours] = '\0';
	}
	if (!kept || kept >= len) {
		drop(env, at);
		return;
	}
	copy(value, value + ours + 1, kept + 1);
	close_gap(env, value + kept + 1, ours + 1);
}

bool preload_take_environment(char **env, char path[PRELOAD_PATH_MAX])
{
	char **at = env ? find(env, PRELOAD_VARIABLE "=") : NULL, *value;
	size_t i, colon = 0, kept = 0;

	if (!at)
		return false;
	value = *at + sizeof(PRELOAD_VARIABLE);
	for (i = 0; value[i]; i++)
		if (value[i] == ':')
			colon = i;
	if (!colon || colon >= PRELOAD_PATH_MAX)
		return false;
	for (i = colon + 1; value[i] >= '0' && value[i] <= '9' && kept < PRELOAD_LIST_MAX; i++)
		kept = kept * 10 + (size_t)(value[i] - '0');
	copy(path, value, colon);
	path[colon] = '\0';
	copy(variable, *at, sizeof(PRELOAD_VARIABLE) + colon + 1);
	drop(env, at);
	restore_list(env, kept);
	return true;
}

static size_t put_number(char *to, size_t v)
{
	char digits[20];
	size_t n = 0, i;

	do
		digits[n++] = (char)('0' + v % 10);
	while (v /= 10);
	for (i = 0; i < n; i++)
		to[i] = digits[n - 1 - i];
	to[n] = '\0';
	return n;
}

int preload_with_environment(char *const *env, int (*exec)(char *const *env, void *arg), void *arg)
{
	size_t n, i = 0, ours = preload_length(library), theirs = 0, name = preload_length(variable);
	char **theirs_at, **out, *list, *own;

	for (n = 0; env && env[n] && n <= PRELOAD_ENV_MAX; n++)
		;
	if (!preload_shared || !ours || !env || n > PRELOAD_ENV_MAX || find(env, PRELOAD_VARIABLE "="))
		return exec(env, arg);
	theirs_at = find(env, LIST);
	if (theirs_at)
		theirs = preload_length(*theirs_at + sizeof(LIST) - 1);
	if (theirs > PRELOAD_LIST_MAX)
		return exec(env, arg);
	/* On the stack: this may be a child of vfork, where anything else would be the parent's. */
	out = __builtin_alloca((n + 3) * sizeof(*out));
	list = __builtin_alloca(sizeof(LIST) + ours + theirs + 2);
	own = __builtin_alloca(name + 24);
	copy(list, LIST, sizeof(LIST) - 1);
	copy(list + sizeof(LIST) - 1, library, ours + 1);
	if (theirs) {
		list[sizeof(LIST) - 1 + ours] = ':';
		copy(list + sizeof(LIST) + ours, *theirs_at + sizeof(LIST) - 1, theirs + 1);
	}
	copy(own, variable, name);
	put_number(own + name, theirs);
	for (n = 0; env[n]; n++)
		if (&env[n] != theirs_at)
			out[i++] = env[n];
	out[i++] = list;
	out[i++] = own;
	out[i] = NULL;
	return exec(out, arg);
}

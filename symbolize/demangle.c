/* SPDX-License-Identifier: Apache-2.0 */
/*
 * demangle.c - libiberty, on a leash.
 *
 * C++ and Rust are printed through callbacks into a fixed buffer: mangled
 * names can refer back to parts of themselves, so a kilobyte of input may ask
 * for gigabytes of output. Callbacks cannot say stop, hence the longjmp; the
 * C++ printer keeps all its state on the stack, and what little the Rust one
 * may leave behind goes with the symbolizer process.
 */
#include "symbolize/demangle.h"

#include <ctype.h>
#include <libiberty/demangle.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#define OPTIONS   (DMGL_PARAMS | DMGL_ANSI | DMGL_RET_DROP)
#define DLANG_MAX 1024 /* bytes: D's demangler returns its own buffer, so only the input can be bounded */

struct sink {
	char *out;
	size_t len, cap;
	jmp_buf full;
};

static void sink_put(const char *s, size_t n, void *arg)
{
	struct sink *k = arg;

	if (n >= k->cap - k->len)
		longjmp(k->full, 1);
	memcpy(k->out + k->len, s, n);
	k->len += n;
}

typedef int (*demangler)(const char *, int, demangle_callbackref, void *);

static bool run(demangler fn, const char *symbol, char *out, size_t cap)
{
	struct sink k = {.out = out, .cap = cap};

	if (setjmp(k.full) || !fn(symbol, OPTIONS, sink_put, &k) || !k.len)
		return false;
	k.out[k.len] = '\0';
	return true;
}

static bool run_dlang(const char *symbol, char *out, size_t cap)
{
	char *s;
	size_t len;
	bool ok;

	if (strlen(symbol) > DLANG_MAX)
		return false;
	s = dlang_demangle(symbol, OPTIONS);
	if (!s)
		return false;
	len = strlen(s);
	ok = len && len < cap;
	if (ok)
		memcpy(out, s, len + 1);
	free(s);
	return ok;
}

/* Is s[0..len) a suffix word that stands for a copy or part, and does a number have to follow? */
static bool suffix_word(const char *s, size_t len, bool *number, bool *optional)
{
	static const struct {
		const char *word;
		bool number, optional;
	} known[] = {
		{"part", true, false}, {"isra", true, false},   {"constprop", true, false},
		{"llvm", true, false}, {"clone", true, false},  {"lto_priv", true, false},
		{"cold", false, true}, {"__uniq", true, false}, {"localalias", false, true},
	};
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strlen(known[i].word) == len && !memcmp(known[i].word, s, len)) {
			*number = known[i].number;
			*optional = known[i].optional;
			return true;
		}
	}
	return false;
}

static size_t number_length(const char *s)
{
	size_t n = 0;

	while (isxdigit((unsigned char)s[n]))
		n++;
	return s[n] == '\0' || s[n] == '.' ? n : 0;
}

/* Does all of @s, which begins at a dot, consist of known suffixes? */
static bool all_suffixes(const char *s)
{
	bool number, optional;
	size_t len;

	while (*s == '.') {
		len = strcspn(++s, ".");
		if (!suffix_word(s, len, &number, &optional))
			return false;
		s += len;
		if (*s != '.') {
			if (number)
				return false;
			continue;
		}
		len = number || optional ? number_length(s + 1) : 0;
		if (len)
			s += 1 + len;
		else if (number)
			return false;
	}
	return *s == '\0';
}

size_t demangle_base_length(const char *symbol)
{
	const char *dot = symbol;

	if (!*symbol)
		return 0;
	while ((dot = strchr(dot + 1, '.')))
		if (all_suffixes(dot))
			return (size_t)(dot - symbol);
	return strlen(symbol);
}

bool demangle(const char *symbol, char *out, size_t cap)
{
	char base[DEMANGLE_MAX_IN + 1];
	size_t len = demangle_base_length(symbol);

	if (len <= DEMANGLE_MAX_IN && len > 2) {
		memcpy(base, symbol, len);
		base[len] = '\0';
		/* Rust's legacy names are valid C++ names, so Rust, which is recognized by its hash, comes
		 * first. */
		if ((!memcmp(base, "_Z", 2) || !memcmp(base, "_R", 2)) &&
		    run(rust_demangle_callback, base, out, cap))
			return true;
		if (!memcmp(base, "_Z", 2) && run(cplus_demangle_v3_callback, base, out, cap))
			return true;
		if (!memcmp(base, "_D", 2) && run_dlang(base, out, cap))
			return true;
	}
	if (len >= cap)
		len = cap - 1;
	memcpy(out, symbol, len);
	out[len] = '\0';
	return false;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* fold.c - see fold.h: one pass, looking for '<' that opens arguments. */
#include "export/fold.h"

#include <ctype.h>
#include <string.h>

#define NESTING_MAX 128 /* deeper names stay as they are */
#define ELLIPSIS    "\xe2\x80\xa6"

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '$' || (unsigned char)c >= 0x80;
}

static bool starts(const char *s, const char *end, const char *with)
{
	size_t n = strlen(with);

	return (size_t)(end - s) >= n && !memcmp(s, with, n);
}

/* Is @p, in a name that begins at @s, behind the word "operator"? */
static bool behind_operator(const char *s, const char *p)
{
	return p - s >= 8 && !memcmp(p - 8, "operator", 8) && (p - s == 8 || !is_word(p[-9]));
}

/* Length of the operator at @p that has angle brackets in it: < <= << <<= <=> > >= >> >>= -> ->* */
static size_t operator_length(const char *p, const char *end)
{
	static const char *const operators[] = {
		"<=>", "<<=", ">>=", "->*", "<<", "<=", ">>", ">=", "->", "<", ">"};
	size_t i;

	for (i = 0; i < sizeof(operators) / sizeof(operators[0]); i++)
		if (starts(p, end, operators[i]))
			return strlen(operators[i]);
	return 0;
}

/* Does the '<' at @p open template arguments? */
static bool opens(const char *s, const char *p, const char *end)
{
	static const char *const names[] = {"<lambda", "<unnamed", "<init>", "<clinit>"};
	size_t i;

	if (p == s)
		return false;
	if (is_word(p[-1]) || p[-1] == ']' || p[-1] == '}')
		return true;
	if (p - s >= 10 && !memcmp(p - 2, "()", 2) && behind_operator(s, p - 2))
		return true;
	if (p - s < 2 || p[-1] != ':' || p[-2] != ':')
		return false;
	/* Rust's function::<T>, but not these */
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (starts(p, end, names[i]))
			return false;
	return true;
}

/* The '>' that closes the '<' at @p; NULL: none. */
static const char *closing(const char *s, const char *p, const char *end)
{
	unsigned angles = 1, round = 0, round_at[NESTING_MAX] = {0};

	for (p++; p < end; p++) {
		if ((*p == '<' || *p == '>' || *p == '-') && behind_operator(s, p) &&
		    operator_length(p, end)) {
			p += operator_length(p, end) - 1;
			continue;
		}
		switch (*p) {
		case '<':
			/* In an expression in parentheses it compares, unless it follows a name. */
			if (round > round_at[angles - 1] && !is_word(p[-1]) && p[-1] != ':')
				break;
			if (angles == NESTING_MAX)
				return NULL;
			round_at[angles++] = round;
			break;
		case '>':
			if (p[-1] == '-' || round > round_at[angles - 1])
				break;
			if (!--angles)
				return p;
			break;
		case '(':
		case '{':
			round++;
			break;
		case ')':
		case '}':
			if (round == round_at[angles - 1])
				return NULL;
			round--;
			break;
		default:
			break;
		}
	}
	return NULL;
}

bool fold_templates(const char *name, size_t len, struct buf *out)
{
	const char *p = name, *end = name + len, *close;
	size_t before = out->len, n;
	bool any = false, behind = false;

	while (p < end) {
		n = behind_operator(name, p) ? operator_length(p, end) : 0;
		if (n) {
			buf_put(out, p, n);
			p += n;
			/* "operator< <int>": the blank is there for the sake of the brackets */
			behind = true;
			if (p + 1 < end && p[0] == ' ' && p[1] == '<')
				buf_put_u8(out, (uint8_t)*p++);
			continue;
		}
		if (*p == '<' && (behind || opens(name, p, end))) {
			close = closing(name, p, end);
			if (!close)
				goto unchanged;
			if (close == p + 1) {
				buf_put_str(out, "<>");
			} else {
				buf_put_str(out, "<" ELLIPSIS ">");
				any = true;
			}
			p = close + 1;
		} else {
			buf_put_u8(out, (uint8_t)*p++);
		}
		behind = false;
	}
	if (any)
		return true;
unchanged:
	out->len = before;
	return false;
}

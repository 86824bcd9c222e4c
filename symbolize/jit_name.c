/* SPDX-License-Identifier: Apache-2.0 */
/* jit_name.c - see jit_name.h. */
#include "symbolize/jit_name.h"

#include "symbolize/source.h"

#include <string.h>

#define MAX_LINE 100000000u

struct text {
	const char *s;
	size_t len;
};

static bool cut_prefix(struct text *t, const char *prefix)
{
	size_t n = strlen(prefix);

	if (t->len < n || memcmp(t->s, prefix, n))
		return false;
	t->s += n;
	t->len -= n;
	return true;
}

/* Kinds of code that come from a script; true leaves what follows in @t, without the mark of its tier. */
static bool cut_script_kind(struct text *t)
{
	static const char *const kinds[] = {"JS:",
					    "LazyCompile:",
					    "Function:",
					    "Script:",
					    "Eval:",
					    "Callback:",
					    "RegExp:",
					    "JSFunction:",
					    "NativeLazyCompile:",
					    "NativeFunction:",
					    "NativeScript:"};
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (!cut_prefix(t, kinds[i]))
			continue;
		if (t->len && strchr("~^+*", t->s[0])) {
			t->s++;
			t->len--;
		}
		return true;
	}
	return false;
}

bool jit_name_is_v8(const char *name, size_t len)
{
	static const char *const others[] = {"Builtin:", "BytecodeHandler:", "Stub:", "Handler:"};
	struct text t = {name, len};
	size_t i;

	for (i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (cut_prefix(&t, others[i]))
			return true;
	return cut_script_kind(&t);
}

/* Cut ":123" off the end of @t. */
static bool cut_number(struct text *t, uint32_t *number)
{
	size_t n = t->len;
	uint32_t v = 0, factor = 1;

	while (n && t->s[n - 1] >= '0' && t->s[n - 1] <= '9' && factor < MAX_LINE) {
		v += (uint32_t)(t->s[--n] - '0') * factor;
		factor *= 10;
	}
	if (n == t->len || n < 2 || t->s[n - 1] != ':')
		return false;
	t->len = n - 1;
	*number = v;
	return true;
}

/* "fib /srv/my app.js:3:13": the name of a script's function has no blank, except "get x" and the like. */
static void split_script(struct text t, struct text *function, struct text *file, uint32_t *line)
{
	static const char *const accessors[] = {"get ", "set ", "async ", "static "};
	struct text rest = t;
	uint32_t column = 0;
	const char *blank;
	size_t i;

	*function = t;
	for (i = 0; i < sizeof(accessors) / sizeof(accessors[0]); i++)
		cut_prefix(&rest, accessors[i]);
	blank = rest.len ? memchr(rest.s, ' ', rest.len) : NULL;
	if (!blank)
		return;
	file->s = blank + 1;
	file->len = (size_t)(t.s + t.len - file->s);
	function->len = (size_t)(blank - t.s);
	if (cut_number(file, line) && cut_number(file, &column))
		*line = column; /* there were two: what came off first was the column */
	cut_prefix(file, "file://");
}

static bool split(struct text name, struct text *function, struct text *file, uint32_t *line)
{
	struct text t = name;
	const char *colon;

	if (cut_prefix(&t, "py::")) {
		colon = t.len ? memrchr(t.s, ':', t.len) : NULL;
		/* A path may hold colons: it begins at the first slash or '<' ("<frozen importlib>") after
		 * one. */
		for (; colon && colon > t.s && colon[1] != '/' && colon[1] != '<';)
			colon = memrchr(t.s, ':', (size_t)(colon - t.s));
		if (!colon || colon == t.s)
			return false;
		*function = (struct text){t.s, (size_t)(colon - t.s)};
		*file = (struct text){colon + 1, (size_t)(t.s + t.len - colon - 1)};
		return true;
	}
	if (!cut_script_kind(&t))
		return false;
	split_script(t, function, file, line);
	if (!function->len)
		*function = (struct text){"(anonymous)", 11};
	return true;
}

int jit_name(struct names *names, const char *name, size_t len, struct names_frame *f)
{
	struct text function = {0}, file = {0};
	uint32_t line = 0;
	int err;

	if (len > STRTAB_STR_MAX)
		len = STRTAB_STR_MAX;
	if (!split((struct text){name, len}, &function, &file, &line))
		return source_symbol_name(names, name, len, f);
	err = strtab_put_len(&names->strings, name, len, &f->system_name);
	if (!err)
		err = strtab_put_len(&names->strings, function.s, function.len, &f->function);
	if (!err && file.len)
		err = strtab_put_len(&names->strings, file.s, file.len, &f->file);
	f->start_line = line;
	return err;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * src_kernel.c - kernel function names from /proc/kallsyms.
 *
 * The kernel decides at open(2), by the opener's rights, whether the addresses
 * in it are real or all zero; so the exporter opens it and the symbolizer
 * reads it. Symbols have no size: one ends where the next begins, and
 * /proc/modules says where a module does. The kernel makes up the text line by
 * line, tens of milliseconds for all of it; its own symbols come first, sorted,
 * so that reading ends behind the last wanted address if all of them are
 * the kernel's own.
 */
#include "base/buf.h"
#include "base/io.h"
#include "symbolize/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_KALLSYMS (512u << 20)
#define MAX_MODULES  (4u << 20)
#define CHUNK        (64u << 10)
#define MAX_FUNCTION (1u << 20) /* bytes; further from its symbol an address is in no function */

struct ksym {
	uint64_t addr;
	uint32_t name; /* offset of its line's name in the text; length below */
	uint16_t name_len;
	uint16_t module_len; /* "[name]" follows after a tab; 0: the kernel itself */
	bool text, set;
};

struct kmod {
	uint64_t start, end;
};

struct kernel {
	struct source_module *m;
	struct buf text, modules_text;
	struct ksym *before; /* [n_addrs] nearest symbol between the previous address and this one */
	struct kmod *modules;
	uint32_t n_modules;
	uint64_t core; /* address of the kernel's first own code; 0: not seen yet */
	bool any_address;
	bool enough; /* no later line can matter */
};

static int read_proc(int fd, struct buf *b)
{
	ssize_t n;
	int err;

	/* pread: an earlier attempt may have moved the shared file position. */
	do {
		err = buf_reserve(b, 1 << 16);
		if (err)
			return err;
		n = io_pread_full(fd, b->data + b->len, b->cap - b->len, b->len);
		if (n < 0)
			return (int)n;
		b->len += (size_t)n;
	} while (n);
	return buf_put_u8(b, 0);
}

/* Next blank-separated word of the line at *@p, or NULL. Words end at blank, tab, newline or NUL. */
static const char *word(const char **p, size_t *len)
{
	const char *s = *p + strspn(*p, " \t");

	*len = strcspn(s, " \t\n");
	*p = s + *len;
	return *len && *len <= UINT16_MAX ? s : NULL;
}

static bool better_symbol(const struct kernel *k, const struct ksym *a, const struct ksym *b)
{
	const char *text = (const char *)k->text.data;
	size_t ua, ub;

	if (!b->set || a->addr != b->addr)
		return !b->set || a->addr > b->addr;
	if (a->text != b->text)
		return a->text;
	ua = strspn(text + a->name, "_");
	ub = strspn(text + b->name, "_");
	return ua != ub ? ua < ub : a->name_len < b->name_len;
}

/* Is @rest (of a line, behind the address) the beginning of the kernel's code? */
static bool is_core_start(const char *rest)
{
	return !strncmp(rest, " T _text\n", 9) || !strncmp(rest, " T _stext\n", 10);
}

static bool in_module(const char *rest)
{
	size_t len = strcspn(rest, "\n");

	return len && rest[len - 1] == ']';
}

/* One line: address, type letter, name, and "[module]" for those of modules. */
static void take_line(struct kernel *k, const char *line)
{
	const char *text = (const char *)k->text.data, *type, *name, *module;
	size_t type_len, name_len, module_len;
	struct ksym s = {.set = true};
	char *rest;
	uint32_t i;

	s.addr = strtoull(line, &rest, 16);
	if (s.addr)
		k->any_address = true;
	i = source_lower_bound(k->m, s.addr);
	if (i == k->m->n_addrs) {
		k->enough = k->core && k->m->addrs[0].vaddr >= k->core && !in_module(rest);
		return;
	}
	if (!k->core && s.addr && is_core_start(rest))
		k->core = s.addr;
	/* Most lines are far from any wanted address: they are not worth more reading. */
	if (k->before[i].set && k->before[i].addr > s.addr)
		return;
	line = rest;
	type = word(&line, &type_len);
	name = word(&line, &name_len);
	if (!type || !name)
		return;
	module = word(&line, &module_len);
	s.text = strchr("tTwW", *type) != NULL;
	s.name = (uint32_t)(name - text);
	s.name_len = (uint16_t)name_len;
	/* The name and its module are kept as one stretch of text. */
	s.module_len = module && module == name + name_len + 1 ? (uint16_t)module_len : 0;
	/* Marks that are no code do not hide a function that begins where they stand. */
	if (k->m->addrs[i].vaddr == s.addr && !s.text)
		return;
	if (better_symbol(k, &s, &k->before[i]))
		k->before[i] = s;
}

static void each_line(struct kernel *k, const char *p, void (*take)(struct kernel *, const char *))
{
	while (*p) {
		take(k, p);
		p += strcspn(p, "\n");
		p += *p == '\n';
	}
}

/* Whole lines from offset @at on. Returns where the next line begins. */
static size_t take_lines(struct kernel *k, size_t at)
{
	const char *nl;

	while (!k->enough && (nl = memchr(k->text.data + at, '\n', k->text.len - at))) {
		take_line(k, (const char *)k->text.data + at);
		at = (size_t)(nl - (const char *)k->text.data) + 1;
	}
	return at;
}

static int read_symbols(struct kernel *k, int fd)
{
	size_t at = 0;
	ssize_t n;
	int err;

	do {
		err = buf_reserve(&k->text, CHUNK + 1);
		if (err)
			return err;
		n = io_pread_full(fd, k->text.data + k->text.len, CHUNK, k->text.len);
		if (n < 0)
			return (int)n;
		k->text.len += (size_t)n;
		k->text.data[k->text.len] = '\0';
		at = take_lines(k, at);
	} while (n && !k->enough);
	/* A last line without its end. */
	if (!k->enough && at < k->text.len)
		take_line(k, (const char *)k->text.data + at);
	return 0;
}

/* "name size references users state 0xaddress" */
static void take_module(struct kernel *k, const char *line)
{
	const char *name, *size, *skip, *addr;
	size_t len;
	struct kmod *mods, mod;
	int i;

	name = word(&line, &len);
	size = word(&line, &len);
	for (i = 0; i < 3; i++)
		skip = word(&line, &len);
	addr = word(&line, &len);
	if (!name || !size || !skip || !addr)
		return;
	mod.start = strtoull(addr, NULL, 16);
	mod.end = mod.start + strtoull(size, NULL, 10);
	if (!mod.start || mod.end <= mod.start)
		return;
	mods = realloc(k->modules, (k->n_modules + 1) * sizeof(*mods));
	if (!mods)
		return;
	k->modules = mods;
	k->modules[k->n_modules++] = mod;
}

static const struct kmod *module_of(const struct kernel *k, uint64_t addr)
{
	uint32_t i;

	for (i = 0; i < k->n_modules; i++)
		if (addr >= k->modules[i].start && addr < k->modules[i].end)
			return &k->modules[i];
	return NULL;
}

/* A symbol names an address only if both are in the same module, or both in none. */
static bool covers(const struct kernel *k, const struct ksym *s, uint64_t addr)
{
	if (!s->set || !s->text || addr < s->addr || addr - s->addr > MAX_FUNCTION)
		return false;
	return module_of(k, addr) == module_of(k, s->addr);
}

static int set_name(struct kernel *k, struct names *names, struct source_addr *a, const struct ksym *s)
{
	const char *name = (const char *)k->text.data + s->name;
	struct names_frame f = {0};
	struct buf full;
	int err;

	err = source_symbol_name(names, name, s->name_len, &f);
	if (!err && s->module_len) {
		buf_init(&full, STRTAB_STR_MAX + UINT16_MAX);
		err = buf_printf(&full, "%s %.*s", strtab_get(&names->strings, f.function),
				 (int)s->module_len, name + s->name_len + 1);
		if (!err)
			err = strtab_put_len(&names->strings, (char *)full.data, full.len, &f.function);
		buf_release(&full);
	}
	if (!err)
		err = names_set(names, a->location, NAMES_SYMBOL, &f, 1);
	a->done = !err;
	return err;
}

static int set_names(struct kernel *k, struct names *names)
{
	struct ksym near = {0};
	uint32_t i;
	int err;

	for (i = 0; i < k->m->n_addrs; i++) {
		if (k->before[i].set)
			near = k->before[i];
		if (k->m->addrs[i].done || !covers(k, &near, k->m->addrs[i].vaddr))
			continue;
		err = set_name(k, names, &k->m->addrs[i], &near);
		if (err)
			return err;
	}
	return 0;
}

static int kernel_resolve(struct source_module *m, struct names *names, bool inlines)
{
	struct kernel k = {.m = m};
	int err = 0;

	(void)inlines;
	m->missing = NAMES_NOT_ALLOWED;
	if (!m->n_addrs || m->aux_fd[SOURCE_AUX_KALLSYMS] < 0)
		return 0;
	buf_init(&k.text, MAX_KALLSYMS);
	buf_init(&k.modules_text, MAX_MODULES);
	k.before = calloc(m->n_addrs, sizeof(*k.before));
	if (!k.before) {
		err = -ENOMEM;
		goto out;
	}
	if (read_symbols(&k, m->aux_fd[SOURCE_AUX_KALLSYMS]))
		goto out;
	if (m->aux_fd[SOURCE_AUX_MODULES] >= 0 && !read_proc(m->aux_fd[SOURCE_AUX_MODULES], &k.modules_text))
		each_line(&k, (const char *)k.modules_text.data, take_module);
	if (k.any_address) {
		m->missing = NAMES_NO_SYMBOL;
		err = set_names(&k, names);
	}
out:
	buf_release(&k.text);
	buf_release(&k.modules_text);
	free(k.modules);
	free(k.before);
	return err;
}

static void kernel_prepare(struct source_module *m)
{
	m->aux_fd[SOURCE_AUX_KALLSYMS] = open("/proc/kallsyms", O_RDONLY | O_CLOEXEC);
	m->aux_fd[SOURCE_AUX_MODULES] = open("/proc/modules", O_RDONLY | O_CLOEXEC);
}

static bool kernel_applies(const struct profile_module *mod)
{
	return mod->kind == MODULE_KERNEL;
}

const struct source source_kernel = {
	.name = "kernel",
	.applies = kernel_applies,
	.prepare = kernel_prepare,
	.resolve = kernel_resolve,
};

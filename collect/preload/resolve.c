/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resolve.c - the definitions that ours stand in front of.
 *
 * By the list of loaded objects that the dynamic linker keeps for debuggers
 * (link.h, struct r_debug; System V gABI, DT_DEBUG) and their GNU hash tables:
 * the same in glibc and musl, without a lock, and without dlsym().
 */
#include "collect/preload/preload.h"

#include <elf.h>

#define OBJECTS_MAX 4096
#define CHAIN_MAX   65536

struct link { /* struct link_map, the part that debuggers may rely on */
	uintptr_t base;
	const char *name;
	const Elf64_Dyn *dynamic;
	struct link *next;
};

struct debug {
	int version;
	struct link *links;
};

struct object {
	const Elf64_Sym *symbols;
	const char *strings;
	const uint32_t *gnu_hash, *hash;
	const uint16_t *versions;
};

extern struct debug _r_debug __attribute__((weak));        /* glibc */
extern struct debug *_dl_debug_addr __attribute__((weak)); /* musl */
extern const Elf64_Dyn _DYNAMIC[] __attribute__((visibility("hidden")));

static bool same(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

static uint32_t hash_name(const char *s)
{
	uint32_t h = 5381;

	while (*s)
		h = h * 33 + (uint8_t)*s++;
	return h;
}

/* glibc has relocated the addresses in most objects' tables, musl in none. */
static const void *address(const struct link *l, uint64_t value)
{
	return (const void *)(uintptr_t)(value < l->base ? l->base + value : value);
}

static void read_object(const struct link *l, struct object *o)
{
	const Elf64_Dyn *d;

	*o = (struct object){0};
	for (d = l->dynamic; d && d->d_tag != DT_NULL; d++)
		switch (d->d_tag) {
		case DT_SYMTAB:
			o->symbols = address(l, d->d_un.d_ptr);
			break;
		case DT_STRTAB:
			o->strings = address(l, d->d_un.d_ptr);
			break;
		case DT_GNU_HASH:
			o->gnu_hash = address(l, d->d_un.d_ptr);
			break;
		case DT_HASH:
			o->hash = address(l, d->d_un.d_ptr);
			break;
		case DT_VERSYM:
			o->versions = address(l, d->d_un.d_ptr);
			break;
		default:
			break;
		}
}

static void *match(const struct link *l, const struct object *o, uint32_t i, const char *name)
{
	const Elf64_Sym *s = &o->symbols[i];

	/* 0x8000: a version for old programs only, not the one that a name without version means. */
	if (s->st_shndx == SHN_UNDEF || ELF64_ST_TYPE(s->st_info) != STT_FUNC ||
	    (o->versions && o->versions[i] & 0x8000) || !same(o->strings + s->st_name, name))
		return NULL;
	return (void *)(l->base + s->st_value);
}

static void *find_gnu(const struct link *l, const struct object *o, const char *name)
{
	uint32_t buckets = o->gnu_hash[0], first = o->gnu_hash[1], bloom = o->gnu_hash[2];
	const uint32_t *bucket = o->gnu_hash + 4 + 2 * bloom, *chain = bucket + buckets;
	uint32_t h = hash_name(name), i = buckets ? bucket[h % buckets] : 0, n;
	void *f;

	for (n = 0; i >= first && i && n < CHAIN_MAX; n++, i++) {
		f = (chain[i - first] | 1) == (h | 1) ? match(l, o, i, name) : NULL;
		if (f || chain[i - first] & 1)
			return f;
	}
	return NULL;
}

/* Objects that have only the old table are few and small. */
static void *find_any(const struct link *l, const struct object *o, const char *name)
{
	void *f = NULL;
	uint32_t i;

	for (i = 1; i < o->hash[1] && !f; i++)
		f = match(l, o, i, name);
	return f;
}

static void *find_next(const char *name)
{
	const struct debug *debug = &_r_debug ? &_r_debug : &_dl_debug_addr ? _dl_debug_addr : NULL;
	const struct link *l = debug ? debug->links : NULL;
	bool past_us = false;
	struct object o;
	void *f = NULL;
	unsigned n;

	for (n = 0; l && !f && n < OBJECTS_MAX; l = l->next, n++) {
		if (past_us && l->dynamic) {
			read_object(l, &o);
			if (o.symbols && o.strings && o.gnu_hash)
				f = find_gnu(l, &o, name);
			else if (o.symbols && o.strings && o.hash)
				f = find_any(l, &o, name);
		}
		past_us |= l->dynamic == _DYNAMIC;
	}
	return f;
}

void *preload_next(void **cache, const char *name)
{
	void *f = __atomic_load_n(cache, __ATOMIC_RELAXED);

	if (!f) {
		f = find_next(name);
		__atomic_store_n(cache, f, __ATOMIC_RELAXED);
	}
	return f;
}

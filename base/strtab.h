/* SPDX-License-Identifier: Apache-2.0 */
/*
 * strtab.h - strings interned to dense ids; id 0 is always the empty string.
 *
 * The layout is the one pprof's string table wants: ids count up from 0 in
 * order of first use. Bounded in bytes; strings longer than STRTAB_STR_MAX
 * are cut there (never inside a UTF-8 sequence).
 */
#ifndef BASE_STRTAB_H
#define BASE_STRTAB_H

#include "base/hash.h"

#include <stddef.h>
#include <stdint.h>

#define STRTAB_STR_MAX 16384

struct strtab {
	char *bytes; /* all strings, each with its NUL */
	size_t bytes_len, bytes_cap, bytes_max;
	uint32_t *start;  /* [count] offset into bytes */
	uint32_t *length; /* [count] without the NUL */
	uint32_t count, cap;
	struct idmap map;
};

/* 0 or -ENOMEM. @bytes_max bounds the text kept, at most UINT32_MAX. */
int strtab_init(struct strtab *t, size_t bytes_max);
void strtab_release(struct strtab *t);

/*
 * Intern. Sets *@id and returns 0; on -ENOMEM or -E2BIG (table full) sets
 * *@id to 0, the empty string, so that a caller may carry on regardless.
 */
int strtab_put(struct strtab *t, const char *s, uint32_t *id);
int strtab_put_len(struct strtab *t, const char *s, size_t len, uint32_t *id);

/* Borrowed until the next put; "" for an id that does not exist. */
const char *strtab_get(const struct strtab *t, uint32_t id);

#endif

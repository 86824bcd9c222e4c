/* SPDX-License-Identifier: Apache-2.0 */
/* unwind_memo.c - see unwind_memo.h. */
#include "collect/unwind_memo.h"

#include "base/hash.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A stack's memo follows its place; threads' stacks are at least this far apart, mostly. */
#define STACK_SHIFT 18

int memos_new(struct memos **out)
{
	*out = calloc(1, sizeof(**out));
	return *out ? 0 : -ENOMEM;
}

void memos_free(struct memos *ms)
{
	free(ms);
}

struct memo *memo_for(struct memos *ms, uint64_t version, uint64_t sp)
{
	struct memo *m = &ms->m[hash_mix(version, sp >> STACK_SHIFT) % MEMOS];

	if (m->version != version) {
		m->version = version;
		m->n = 0;
		m->f[0].sp = UINT64_MAX;
	}
	return m;
}

static inline bool holds(const struct unwind_sample *s, uint64_t off, uint64_t want)
{
	uint64_t v;

	if (off > s->stack_size - sizeof(v))
		return false;
	memcpy(&v, s->stack + off, sizeof(v));
	return v == want;
}

uint32_t memo_follow(const struct memo *memo, uint32_t from, const struct unwind_sample *s, uint64_t at,
		     struct unwind_frame *out)
{
	const struct memo_frame *f = &memo->f[from], *outer;

	for (; f > &memo->f[1]; f = outer) {
		outer = f - 1;
		if (!holds(s, outer->sp - 8 - at, outer->pc + 1))
			break;
		if (f->slot == MEMO_SLOT_BELOW ||
		    (f->slot == MEMO_SLOT_NONE ? outer->fp != f->fp : !holds(s, f->slot - at, outer->fp)))
			break;
		*out++ = (struct unwind_frame){outer->pc, outer->map};
	}
	return (uint32_t)(f - memo->f);
}

void memo_keep(struct memo *memo, const struct memo_frame *trail, uint32_t n, uint32_t kept,
	       enum unwind_end end)
{
	uint32_t i;

	if (n > MEMO_FRAMES - kept) {
		memo->n = 0;
		return;
	}
	for (i = 0; i < n; i++)
		memo->f[kept + n - i] = trail[i];
	memo->n = kept + n;
	memo->end = end;
}

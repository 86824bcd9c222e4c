/* SPDX-License-Identifier: Apache-2.0 */
/* unwind_load.c - see unwind_load.h. */
#include "unwind_load.h"

#include "collect/unwind_fast.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define MAX_SPACES 65536
#define HUGE_PAGE  ((size_t)2 << 20)

struct collecting {
	struct load *l;
	struct maps ***spaces;
	uint64_t generation;
	uint32_t n;
	uint64_t at; /* samples so far */
	bool samples;
};

/* One more state of the mappings, kept as a reference: maps are copied on write. */
static void new_space(struct collecting *c, struct replay *r)
{
	struct maps **p;

	if (c->n == MAX_SPACES)
		stacks_die("too many changes of mappings", E2BIG);
	if ((c->n & (c->n + 1)) == 0 || !c->n) {
		p = realloc(*c->spaces, ((size_t)c->n * 2 + 2) * sizeof(*p));
		if (!p)
			stacks_die("mappings", ENOMEM);
		*c->spaces = p;
	}
	(*c->spaces)[c->n++] = maps_ref(r->maps);
	c->generation = r->generation;
}

static void collect_sample(struct replay *r, const struct unwind_sample *u, void *arg)
{
	struct collecting *c = arg;

	if (!c->n || c->generation != r->generation)
		new_space(c, r);
	if (c->samples)
		c->l->s[c->at] = (struct load_sample){.u = *u, .load = c->l->index, .space = c->n - 1};
	c->at++;
}

static uint32_t collect(struct replay *r, struct load *l, struct maps ***spaces, bool samples)
{
	struct collecting c = {.l = l, .spaces = spaces, .samples = samples};

	*spaces = NULL;
	replay_all(r, &l->st, collect_sample, &c);
	return c.n;
}

void world_init(struct world *w, struct load *const *loads, uint32_t n)
{
	uint32_t i, at;

	memset(w, 0, sizeof(*w));
	replay_init(&w->r);
	for (i = 0; i < n; i++) {
		at = loads[i]->index;
		w->n_spaces[at] = collect(&w->r, loads[i], &w->spaces[at], false);
	}
}

void world_release(struct world *w)
{
	uint32_t i, j;

	for (i = 0; i < LOAD_MAX; i++) {
		for (j = 0; j < w->n_spaces[i]; j++)
			maps_unref(w->spaces[i][j]);
		free(w->spaces[i]);
	}
	replay_release(&w->r);
}

/* Leave out the samples of states that were soon over. */
static void drop_short_spaces(struct load *l)
{
	uint64_t *count = calloc(l->n_spaces + 1, sizeof(*count)), i, n = 0;

	if (!count)
		stacks_die("samples", ENOMEM);
	for (i = 0; i < l->n; i++)
		count[l->s[i].space]++;
	for (i = 0; i < l->n; i++)
		if (count[l->s[i].space] * 100 >= l->n)
			l->s[n++] = l->s[i];
	l->n = n;
	free(count);
}

/*
 * The stack copies, one behind the other in huge pages: a ring is small enough
 * for its pages to stay known to the processor, this much memory is not.
 */
static void move_copies(struct load *l)
{
	uint64_t i, at = 0;
	uint8_t *p;

	for (i = 0; i < l->n; i++)
		l->copies_size += (l->s[i].u.stack_size + 63) & ~63ull;
	l->copies_size += HUGE_PAGE;
	p = mmap(NULL, l->copies_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		stacks_die("stack copies", errno);
	l->copies = p;
	l->regs = calloc(l->n + 1, sizeof(*l->regs));
	if (!l->regs)
		stacks_die("registers", ENOMEM);
	p += -(uintptr_t)p % HUGE_PAGE;
	(void)madvise(p, l->copies_size - HUGE_PAGE, MADV_HUGEPAGE);
	for (i = 0; i < l->n; i++) {
		memcpy(p + at, l->s[i].u.stack, l->s[i].u.stack_size);
		l->s[i].u.stack = p + at;
		at += (l->s[i].u.stack_size + 63) & ~63ull;
		/* Registers are in the cache whenever a walk begins: they have just been decoded. */
		memcpy(l->regs[i], l->s[i].u.regs, sizeof(l->regs[i]));
		l->s[i].u.regs = l->regs[i];
	}
}

static void measure(struct load *l)
{
	static struct unwind_frame frames[MAX_FRAMES], again[MAX_FRAMES];
	struct unwind_result got, thorough;
	struct world w;
	uint64_t i;

	world_init(&w, &l, 1);
	for (i = 0; i < l->n; i++) {
		struct load_sample *s = &l->s[i];

		unwind_walk(w.r.unwinder, world_maps(&w, s), &s->u, frames, MAX_FRAMES, &got);
		unwind_thorough(w.r.unwinder, world_maps(&w, s), &s->u, again, MAX_FRAMES, &thorough);
		if (got.n != thorough.n || got.end != thorough.end || got.stack_used != thorough.stack_used ||
		    memcmp(frames, again, got.n * sizeof(frames[0])))
			stacks_die("the fast walk and the thorough one disagree", EINVAL);
		s->frames = got.n;
		s->used = got.stack_used < s->u.stack_size ? got.stack_used : s->u.stack_size;
		l->frames += s->frames;
		l->used += s->used;
	}
	world_release(&w);
}

void load_record(struct load *l, uint32_t index, const char *name, const char *command, uint64_t max,
		 uint64_t hz, uint32_t copy)
{
	char *argv[] = {"sh", "-c", (char *)(uintptr_t)command, NULL};
	struct maps **spaces = NULL;
	struct replay r;
	uint32_t i;

	memset(l, 0, sizeof(*l));
	l->name = name;
	l->index = index;
	stacks_init(&l->st);
	l->st.copy = copy;
	stacks_record(&l->st, argv, max, hz);
	l->n = l->st.n;
	l->s = calloc(l->n + 1, sizeof(*l->s));
	if (!l->s)
		stacks_die("samples", ENOMEM);
	replay_init(&r);
	l->n_spaces = collect(&r, l, &spaces, true);
	for (i = 0; i < l->n_spaces; i++)
		maps_unref(spaces[i]);
	free(spaces);
	replay_release(&r);
	drop_short_spaces(l);
	move_copies(l);
	measure(l);
}

void load_release(struct load *l)
{
	munmap(l->copies, l->copies_size);
	free(l->regs);
	free(l->s);
	stacks_release(&l->st);
}

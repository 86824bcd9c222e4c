/* SPDX-License-Identifier: Apache-2.0 */
/* module_keep.c - see module.h: how long modules and their descriptors are kept. */
#include "collect/cfi.h"
#include "collect/module_private.h"
#include "collect/profile_renumber.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define IDLE_LOOKS    3 /* a name that is not found is asked for in as many windows, see names_retry() */
#define NEW_LOCATIONS (1u << 19) /* since the last time: a reason to number anew */
#define NEW_STRINGS   ((size_t)16 << 20)

/* ---- descriptors ---- */

static void park(struct modules *ms, struct entry *e)
{
	module_close(module_info(ms, &e->m));
	e->parked = true;
}

/* Deleted, and perhaps in use: it could not be opened again. */
static bool only_here(const struct entry *e, int fd)
{
	struct stat st;

	return (e->mapped || e->idle < IDLE_LOOKS) && !fstat(fd, &st) && !st.st_nlink;
}

static int by_use(const void *a, const void *b)
{
	const struct entry *x = *(struct entry *const *)a, *y = *(struct entry *const *)b;

	return (x->used > y->used) - (x->used < y->used);
}

static uint32_t count_open(struct modules *ms)
{
	uint32_t i, n = 0;

	for (i = 0; i < ms->n; i++)
		n += module_info(ms, &ms->entries[i]->m)->fd >= 0;
	return n;
}

/* Give back @n descriptors, of those used longest ago. False: none. */
static bool park_some(struct modules *ms, uint32_t n)
{
	struct entry **open = calloc((size_t)ms->n + 1, sizeof(struct entry *));
	uint32_t i, n_open = 0;
	int fd;

	for (i = 0; open && i < ms->n; i++) {
		fd = module_info(ms, &ms->entries[i]->m)->fd;
		if (fd >= 0 && !only_here(ms->entries[i], fd))
			open[n_open++] = ms->entries[i];
	}
	if (n > n_open)
		n = n_open;
	if (n)
		qsort(open, n_open, sizeof(struct entry *), by_use);
	for (i = 0; i < n; i++)
		park(ms, open[i]);
	free(open);
	return n;
}

int module_open_room(struct modules *ms, pid_t pid, const char *path, const struct module_ident *ident,
		     uint64_t start, uint64_t end, enum module_reason *reason)
{
	int fd = module_open_file(pid, path, ident, start, end, reason);

	if (fd < 0 && *reason == MODULE_LIMIT && park_some(ms, count_open(ms) / 8 + 1))
		fd = module_open_file(pid, path, ident, start, end, reason);
	return fd;
}

bool module_unpark(struct modules *ms, struct entry *e, pid_t pid, uint64_t start, uint64_t end)
{
	struct profile_module *info = module_info(ms, &e->m);
	const char *path = strtab_get(&ms->profile->strings, e->path);
	enum module_reason reason = MODULE_OK;
	int fd = module_open_room(ms, pid, path, &e->ident, start, end, &reason);

	if (fd < 0) {
		info->reason = reason;
		e->lost = true;
		return false;
	}
	if (module_differs(e, fd, info)) {
		close(fd);
		info->reason = MODULE_REPLACED;
		e->stale = true;
		e->parked = false;
		return false;
	}
	info->fd = fd;
	info->pid = pid;
	info->reason = MODULE_OK;
	e->parked = e->lost = false;
	e->used = ++ms->clock;
	e->idle = 0;
	return true;
}

int module_fd(struct modules *ms, struct module *m)
{
	struct profile_module *info = module_info(ms, m);
	struct entry *e = entry_of(m);

	if (info->fd < 0 && (!e->parked || e->lost || !module_unpark(ms, e, info->pid, 0, 0)))
		return -1;
	e->used = ++ms->clock;
	e->idle = 0;
	return info->fd;
}

/* ---- the end of a window ---- */

void modules_look_begin(struct modules *ms)
{
	uint32_t i;

	for (i = 0; i < ms->n; i++)
		ms->entries[i]->mapped = false;
}

void modules_mapped(struct module *m)
{
	entry_of(m)->mapped = true;
}

static struct entry *entry_of_location(struct modules *ms, uint32_t location)
{
	const struct profile *p = ms->profile;
	uint32_t mapping = p->locations[location].mapping;
	struct module *m = mapping < p->n_mappings ? module_by_id(ms, p->mappings[mapping].module) : NULL;

	return m ? entry_of(m) : NULL;
}

static uint32_t descriptors(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) || rl.rlim_cur / 2 >= UINT32_MAX)
		return UINT32_MAX - 1;
	return (uint32_t)(rl.rlim_cur / 2);
}

void modules_look_end(struct modules *ms)
{
	struct entry *e;
	uint32_t i, n_open;

	for (i = 0; i < ms->n; i++) {
		e = ms->entries[i];
		e->lost = false;
		if (e->idle < UINT8_MAX)
			e->idle++;
	}
	for (i = ms->n_named; i < ms->profile->n_locations; i++) {
		e = entry_of_location(ms, i);
		if (e) {
			e->idle = 0;
			e->used = ++ms->clock;
		}
	}
	for (i = 0; i < ms->n; i++) {
		e = ms->entries[i];
		if (!e->mapped && e->idle >= IDLE_LOOKS && module_info(ms, &e->m)->fd >= 0)
			park(ms, e);
	}
	n_open = count_open(ms);
	if (n_open > descriptors())
		park_some(ms, n_open - descriptors());
	/* Whoever finds the names reads the files through these descriptors. */
	for (i = ms->n_named; i < ms->profile->n_locations; i++) {
		e = entry_of_location(ms, i);
		if (e && e->parked && !e->lost)
			(void)module_unpark(ms, e, module_info(ms, &e->m)->pid, 0, 0);
	}
	ms->n_named = ms->profile->n_locations;
}

/* ---- numbering anew ---- */

static void set_base(struct modules *ms)
{
	ms->base.files = ms->n - ms->n_anon;
	ms->base.anon = ms->n_anon;
	ms->base.locations = ms->profile->n_locations;
	ms->base.strings = ms->profile->strings.bytes_len;
}

/* As much again as is left on the way to the limit, so that it is asked more often the nearer it is. */
static uint32_t step(uint32_t max, uint32_t base)
{
	uint32_t left = base < max ? (max - base) / 2 : 0, quarter = max / 4;

	left = left < quarter ? left : quarter;
	return left ? left : 1;
}

bool modules_crowded(const struct modules *ms)
{
	const struct profile *p = ms->profile;
	uint32_t files = ms->n - ms->n_anon;

	return files >= ms->base.files + step(ms->max, ms->base.files) ||
	       ms->n_anon >= ms->base.anon + step(MODULE_ANON_EVER, ms->base.anon) ||
	       p->n_locations >= ms->base.locations + NEW_LOCATIONS ||
	       p->strings.bytes_len >= ms->base.strings + NEW_STRINGS;
}

/* An eighth of a table has to go: the caches are lost, too. */
static bool worth(uint32_t dropped, uint32_t n)
{
	return dropped > n / 8;
}

int modules_plan(struct modules *ms, const uint32_t *strings, uint32_t n, struct profile_renumber *out)
{
	bool *keep = calloc((size_t)ms->profile->n_modules + 1, sizeof(*keep));
	const struct entry *e;
	uint32_t i;
	int err;

	if (!keep)
		return -ENOMEM;
	for (i = 0; i < ms->n; i++) {
		e = ms->entries[i];
		/* What was made without a key is held by somebody. */
		keep[e->m.id] = e->mapped || (!e->keyed && !e->stale);
	}
	err = profile_plan(ms->profile, keep, strings, n, out);
	free(keep);
	if (!err && !worth(out->dropped_modules, out->n_modules) &&
	    !worth(out->dropped_locations, out->n_locations) &&
	    !worth(out->dropped_strings, out->n_strings)) {
		profile_renumber_release(out);
		err = -EAGAIN;
	}
	if (err)
		set_base(ms);
	return err;
}

/* False: it was dropped and freed. Call frame tables are indexed again, with the budget of a new unwinder. */
static bool keep_entry(struct modules *ms, struct entry *e, const struct profile_renumber *r)
{
	uint32_t id = renumbered(r->modules, r->n_modules, e->m.id);

	cfi_index_free(e->m.index);
	e->m.index = NULL;
	e->m.index_tried = false;
	if (id != PROFILE_NONE) {
		e->m.id = id;
		e->path = r->strings[e->path];
		return true;
	}
	module_close(module_info(ms, &e->m));
	free(e);
	return false;
}

void modules_renumber(struct modules *ms, const struct profile_renumber *r)
{
	struct entry *e;
	uint32_t i, n = 0;
	bool anon;

	ms->n_anon = ms->n_anon_now = 0;
	for (i = 0; i < ms->n; i++) {
		e = ms->entries[i];
		anon = e->keyed && module_info(ms, &e->m)->kind == MODULE_ANON;
		if (!keep_entry(ms, e, r))
			continue;
		ms->entries[n++] = e;
		ms->n_anon += anon;
		ms->n_anon_now += anon && !e->stale;
	}
	ms->n = n;
	memset(ms->by_id, 0xff, ms->n_by_id * sizeof(*ms->by_id));
	for (i = 0; i < n; i++)
		ms->by_id[ms->entries[i]->m.id] = i;
	modules_reindex(ms);
	blockcache_clear(ms->blocks);
}

bool modules_renumbered(struct modules *ms)
{
	bool refused = ms->refused;

	ms->n_named = ms->profile->n_locations;
	ms->refused = false;
	set_base(ms);
	return refused;
}

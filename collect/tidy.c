/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tidy.c - at a window's end: give back what files that are gone still hold.
 *
 * Descriptors go first, one by one, within a few windows (module_keep.c). The
 * tables themselves are rarely full of what is gone; then all of them are
 * numbered anew at once, and the unwinder, whose caches go by module number,
 * begins anew as well. That costs some milliseconds, and cold rows.
 */
#include "collect/collector_private.h"
#include "collect/profile_renumber.h"

#include "base/log.h"

#include <errno.h>

static void translate(uint32_t *id, const uint32_t *table, uint32_t n)
{
	*id = renumbered(table, n, *id);
}

/* Everything that can fail is done: @fresh and @r are here. */
static void renumber(struct collector *c, struct profile_renumber *r, struct unwinder *fresh)
{
	log_debug("tables numbered anew: %u of %u modules and %u of %u locations dropped", r->dropped_modules,
		  r->n_modules, r->dropped_locations, r->n_locations);
	procs_renumber(c->procs, r);
	modules_renumber(c->modules, r);
	profile_renumber(&c->profile, r);
	translate(&c->loc_truncated, r->locations, r->n_locations);
	translate(&c->loc_incomplete, r->locations, r->n_locations);
	translate(&c->loc_unknown_mapping, r->locations, r->n_locations);
	translate(&c->loc_unwind_failure, r->locations, r->n_locations);
	translate(&c->kernel_mapping, r->mappings, r->n_mappings);
	unwinder_free(c->unwinder);
	c->unwinder = fresh;
	/* Who mapped a file that there was no room for has it in the table as one of too many. */
	c->rescan_wanted |= modules_renumbered(c->modules);
}

int collector_tidy(struct collector *c, uint32_t **locations, uint32_t *n)
{
	struct profile_renumber r;
	struct unwinder *fresh;
	uint32_t strings[8];
	int err;

	*locations = NULL;
	*n = 0;
	modules_look_begin(c->modules);
	procs_mark_modules(c->procs);
	modules_look_end(c->modules);
	if (!modules_crowded(c->modules))
		return 0;
	err = modules_plan(c->modules, strings, procs_strings(c->procs, strings), &r);
	if (err)
		return err == -EAGAIN ? 0 : err;
	err = unwinder_new(&fresh, c->modules);
	if (!err) {
		renumber(c, &r, fresh);
		*locations = r.locations;
		*n = r.n_locations;
		r.locations = NULL;
	}
	profile_renumber_release(&r);
	return err;
}

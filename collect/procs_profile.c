/* SPDX-License-Identifier: Apache-2.0 */
/* procs_profile.c - what the process table holds of the profile: label sets, and numbers of its tables. */
#include "collect/procs_private.h"
#include "collect/profile_renumber.h"

#include <stdio.h>

#define LABELS_RESERVED 8192 /* of the label sets: for processes, when threads have taken the rest */

/* ---- labels ---- */

uint32_t procs_labels(struct procs *ps, struct thread *t, uint64_t generation)
{
	struct profile *p = ps->profile;
	struct profile_label labels[4] = {
		{.key = ps->key_tid},
		{.key = ps->key_tname},
		{.key = ps->key_pid},
		{.key = ps->key_pname},
	};
	char number[16];
	bool room = p->n_labelsets < PROFILE_MAX_LABELS - LABELS_RESERVED;

	if (t->labels_gen == generation)
		return t->labels;
	snprintf(number, sizeof(number), "%d", (int)t->proc->pid);
	strtab_put(&p->label_strings, number, &labels[2].str);
	strtab_put(&p->label_strings, t->proc->comm, &labels[3].str);
	if (room) {
		snprintf(number, sizeof(number), "%d", (int)t->tid);
		strtab_put(&p->label_strings, number, &labels[0].str);
		strtab_put(&p->label_strings, t->comm, &labels[1].str);
	}
	t->labels = room ? profile_labelset(p, labels, 4) : profile_labelset(p, &labels[2], 2);
	t->labels_gen = generation;
	return t->labels;
}

/* ---- all mappings ---- */

/* Of every address space once, however many processes share what is known of it. */
static void each_mapping(struct procs *ps, void (*fn)(struct mapping *m, const void *arg), const void *arg)
{
	struct proc *p;
	uint32_t i, k;

	ps->visit++;
	for (i = 0; i < PROCS_BUCKETS; i++)
		for (p = ps->procs[i]; p; p = p->next) {
			if (p->maps->visit == ps->visit)
				continue;
			p->maps->visit = ps->visit;
			for (k = 0; k < p->maps->n; k++)
				fn(&p->maps->m[k], arg);
		}
}

static void mark_module(struct mapping *m, const void *arg)
{
	(void)arg;
	modules_mapped(m->module);
}

void procs_mark_modules(struct procs *ps)
{
	each_mapping(ps, mark_module, NULL);
}

uint32_t procs_strings(const struct procs *ps, uint32_t ids[8])
{
	ids[0] = ps->key_tid;
	ids[1] = ps->key_tname;
	ids[2] = ps->key_pid;
	ids[3] = ps->key_pname;
	return 4;
}

static void renumber_mapping(struct mapping *m, const void *arg)
{
	const struct profile_renumber *r = arg;

	m->mapping_id = renumbered(r->mappings, r->n_mappings, m->mapping_id);
}

void procs_renumber(struct procs *ps, const struct profile_renumber *r)
{
	each_mapping(ps, renumber_mapping, r);
	ps->key_tid = r->strings[ps->key_tid];
	ps->key_tname = r->strings[ps->key_tname];
	ps->key_pid = r->strings[ps->key_pid];
	ps->key_pname = r->strings[ps->key_pname];
	jits_renumber(ps->jits, r);
}

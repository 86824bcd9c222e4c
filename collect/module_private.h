/* SPDX-License-Identifier: Apache-2.0 */
/*
 * module_private.h - what module.c and module_keep.c share: the table of modules.
 */
#ifndef COLLECT_MODULE_PRIVATE_H
#define COLLECT_MODULE_PRIVATE_H

#include "collect/blockcache.h"
#include "collect/module.h"

#include <sys/stat.h>

struct entry {
	struct module m;           /* first: module_keep.c goes from one to the other */
	struct module_ident ident; /* generation 0: not known */
	uint64_t hash;
	struct stat was; /* the file when it was opened, or when it was last found unchanged */
	uint32_t path;   /* string id */
	pid_t pid;       /* anonymous memory: whose; else 0 */
	bool keyed;      /* it is in the map */
	bool stale;      /* the file was changed since: never found again */
	bool parked;     /* contents are known, the descriptor was given back */
	bool lost;       /* parked, and could not be opened again: not tried before the window is over */
	bool mapped;     /* some process has it, as of the last look */
	uint8_t idle;    /* looks since it was last read, named anew, or mapped; stops at UINT8_MAX */
	uint64_t used;   /* by modules' clock: when it was last opened or read */
};

struct modules {
	struct profile *profile; /* borrowed */
	struct entry **entries;  /* by order of creation */
	uint32_t n, cap, max;
	uint32_t n_anon;     /* of n: do not count against max */
	uint32_t n_anon_now; /* of n_anon: not retired */
	uint32_t *by_id;     /* module id (index into the profile) -> index into entries */
	uint32_t n_by_id;
	struct idmap map;
	struct blockcache *blocks;
	struct module *kernel, *vdso, *vsyscall, *overflow;
	uint64_t clock;
	uint32_t n_named; /* locations that were there at the last look */
	bool refused;     /* a file was, for want of room, since the tables were last numbered anew */
	struct {          /* how much there was then */
		uint32_t files, anon, locations;
		size_t strings;
	} base;
};

#define MODULE_ANON_EVER 16384 /* processes with anonymous code until the next renumbering */

static inline struct entry *entry_of(struct module *m)
{
	return (struct entry *)m;
}

static inline struct profile_module *module_info(struct modules *ms, struct module *m)
{
	m->info = &ms->profile->modules[m->id];
	return m->info;
}

void module_close(struct profile_module *info);

/* Find all entries by what their keys hash to now; takes no memory. */
void modules_reindex(struct modules *ms);

/* Is the file of @e, open as @fd, another one or other contents than when it was read? Not if only touched.
 */
bool module_differs(struct entry *e, int fd, const struct profile_module *info);

/* ---- module_keep.c ---- */

/* module_open_file(), once more after making room if descriptors are short. */
int module_open_room(struct modules *ms, pid_t pid, const char *path, const struct module_ident *ident,
		     uint64_t start, uint64_t end, enum module_reason *reason);

/*
 * Open a parked module again, as process @pid has it mapped. False: it cannot
 * be, ->reason tells, and with MODULE_REPLACED it is stale.
 */
bool module_unpark(struct modules *ms, struct entry *e, pid_t pid, uint64_t start, uint64_t end);

/* The descriptor to read @m from, or -1. */
int module_fd(struct modules *ms, struct module *m);

#endif

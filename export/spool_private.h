/* SPDX-License-Identifier: Apache-2.0 */
/* spool_private.h - shared by spool.c (the directory) and spool_entry.c (one file in it). */
#ifndef EXPORT_SPOOL_PRIVATE_H
#define EXPORT_SPOOL_PRIVATE_H

#include "export/spool.h"

#define SPOOL_SUFFIX   ".ddspool"
#define SPOOL_NAME_MAX 80

enum spool_state {
	SPOOL_WAITING,
	SPOOL_SENDING, /* without a lock on the file: the sender died, and it may have arrived */
};

/* An open and locked entry. */
struct spool_file {
	int fd;
	char name[SPOOL_NAME_MAX];
	uint8_t state;
	uint8_t refusals;
	uint64_t event_off;
	struct spool_entry entry;
};

/*
 * Write an entry named @name into @dirfd. 0, -EEXIST, or -errno with nothing left behind.
 */
int spool_entry_write(int dirfd, const char *name, const struct upload_request *req, const char *target,
		      const struct identity *identity, uint64_t time_ns, bool duplicate);

/*
 * Open, lock, check and load. 0; -EBUSY: another process has it; -ENOENT: it
 * is gone; -EBADMSG: no entry of ours, or damaged; other -errno.
 */
int spool_entry_open(int dirfd, const char *name, struct spool_file *f);

/* Store state, refusals and the event (its duplicate flag), to be found after a crash. 0 or -errno. */
int spool_entry_note(struct spool_file *f, enum spool_state state);

/* Unlock and free; with @remove unlink it first. */
void spool_entry_close(int dirfd, struct spool_file *f, bool remove);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state_dir.h - where things are kept that nobody named a place for: profiles without a writable
 * directory, profiles not delivered yet.
 */
#ifndef EXPORT_STATE_DIR_H
#define EXPORT_STATE_DIR_H

#include <limits.h>

/*
 * "$XDG_STATE_HOME/ddprof", or "~/.local/state/ddprof" if that is not set to an
 * absolute path, with @leaf ("/spool", or "") behind it. Creates nothing. 0;
 * -ENOENT: neither XDG_STATE_HOME nor HOME says where; -ENAMETOOLONG.
 */
int state_dir(char out[PATH_MAX], const char *leaf);

/* mkdir -p @dir, absolute or not; what it creates is ours alone (0700), what is there stays as it is. 0 or
 * -errno. */
int state_dir_make(const char *dir);

#endif

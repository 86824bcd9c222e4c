/* SPDX-License-Identifier: Apache-2.0 */
/*
 * debugfile.h - find a module's separate debug file, and open it.
 *
 * Runs in the exporter, before the sandbox: it reads only headers and notes.
 * Looked for below the root directory of the process that had the module
 * mapped (a container brings its own debug files), then in ours: by build id
 * (.build-id/xx/yyyy.debug), then by .gnu_debuglink beside the module, in its
 * .debug/, and below /usr/lib/debug. What is found must have the module's build
 * id; only where one of the two has none, the link's CRC decides.
 */
#ifndef SYMBOLIZE_DEBUGFILE_H
#define SYMBOLIZE_DEBUGFILE_H

#include "collect/profile.h"

/*
 * For @mod, known to its process as @path. Sets *@debug_fd, which the caller
 * closes, or -1: the module has its own DWARF, or there is no debug file.
 * *@alt_fd likewise: the dwz supplementary file (.gnu_debugaltlink) of
 * whichever file holds the DWARF.
 */
void debugfile_find(const struct profile_module *mod, const char *path, int *debug_fd, int *alt_fd);

/* CRC-32 over a whole file, as .gnu_debuglink means it. 0 or -errno; -E2BIG for absurd sizes. */
int debugfile_crc(int fd, uint32_t *crc);

#endif

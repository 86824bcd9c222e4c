/* SPDX-License-Identifier: Apache-2.0 */
/*
 * io.h - reading and writing that survives EINTR, short counts and odd files.
 */
#ifndef BASE_IO_H
#define BASE_IO_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

/* All of it, or -errno. -EPIPE without a signal only if the caller ignores SIGPIPE. */
int io_write_all(int fd, const void *data, size_t len);

/* Up to @len bytes, stopping early only at end of file. Bytes read, or -errno. */
ssize_t io_read_full(int fd, void *data, size_t len);
ssize_t io_pread_full(int fd, void *data, size_t len, uint64_t off);

/*
 * Open for reading without ever blocking: O_NONBLOCK | O_CLOEXEC | O_NOCTTY,
 * and refused with -EINVAL unless it is a regular file. Found with O_PATH and
 * judged before it is opened, because already opening a FIFO or a device can
 * have effects (/dev/watchdog). Needs /proc. Descriptor or -errno.
 */
int io_open_regular(int dirfd, const char *path);

/* The second half: open what the O_PATH descriptor @path_fd is, which stays the caller's to close. */
int io_reopen_regular(int path_fd);

/*
 * Append a whole file to @out, up to out->max (-E2BIG beyond). Good for /proc,
 * whose files have no size. 0 or -errno.
 */
int io_read_file(int dirfd, const char *path, struct buf *out);

/* Nanoseconds of @clock; 0 if it does not exist. */
uint64_t io_clock_ns(clockid_t clock);

#endif

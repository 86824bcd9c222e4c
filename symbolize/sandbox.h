/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sandbox.h - a process that may compute and use the descriptors it was given, nothing else.
 *
 * For the symbolizer, whose libraries parse files that nobody vouches for.
 * Several walls, each enough alone against most of it: no descriptor but
 * those given and no room for new ones, no capability and no way to gain one,
 * limits on memory and CPU time, and a seccomp allow-list (hand-written, to
 * need no library). A forbidden system call fails with EPERM rather than
 * killing, so that a library that merely looks for a file carries on.
 */
#ifndef SYMBOLIZE_SANDBOX_H
#define SYMBOLIZE_SANDBOX_H

#include <stdint.h>
#include <sys/types.h>

struct sandbox_limits {
	uint64_t memory_bytes; /* of address space, beyond what the process has now; 0: no limit */
	uint32_t cpu_seconds;  /* 0: no limit */
	pid_t parent;          /* who forked us: its death is ours too */
};

/*
 * Before sandbox_enter(): close all descriptors but *@keep[0..n), put
 * /dev/null on 0 to 2, back to default signal handling, lowest priority, first
 * choice of the out-of-memory killer. Entries of @keep may be -1; those below
 * 3 are moved and updated. 0 or -errno.
 */
int sandbox_prepare(int *const *keep, uint32_t n);

/*
 * Close the door; there is no way back. The process must have one thread. 0 or
 * -errno when something essential failed: then exit without touching any data.
 * A kernel without seccomp is no failure: the other walls hold.
 */
int sandbox_enter(const struct sandbox_limits *limits);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup.h - how much memory our control group leaves, so that the symbolizer does not use it up.
 *
 * Version 2, and version 1's memory controller (kernel: Documentation/admin-guide/cgroup-v2.rst
 * and cgroup-v1/memory.rst); on hosts with both, the tighter one counts.
 */
#ifndef SYMBOLIZE_CGROUP_H
#define SYMBOLIZE_CGROUP_H

#include <stdint.h>

#define CGROUP_SELF "/proc/self/cgroup"
#define CGROUP_ROOT "/sys/fs/cgroup"

/*
 * Bytes that may still be used below the limits of the group named in file
 * @self and of those above it, whose directories are below @root (version 1:
 * below @root/memory); page cache
 * that is easily reclaimed counts as free. UINT64_MAX: no limit is known.
 */
uint64_t cgroup_memory_left(const char *self, const char *root);

#endif

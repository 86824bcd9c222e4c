/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dwp.h - where the parts of a unit are in a package of split DWARF.
 *
 * Reads .debug_cu_index, a hash table from unit id to a row of offsets and
 * sizes, one column per section. Format: DWARF 5, section 7.3.5.3; version 2
 * (DWARF 4) as in GCC's wiki, "DebugFissionDWP".
 */
#ifndef SYMBOLIZE_DWP_H
#define SYMBOLIZE_DWP_H

#include <stddef.h>
#include <stdint.h>

enum dwp_part { DWP_INFO, DWP_ABBREV, DWP_STR_OFFSETS, DWP_RNGLISTS, DWP_PARTS };

struct dwp_span {
	uint64_t off, size; /* in the section; size 0: the unit has no such part */
};

/* Find unit @id in @index (@len bytes). 0; -ENOENT; -EBADMSG. */
int dwp_find(const uint8_t *index, size_t len, uint64_t id, struct dwp_span parts[DWP_PARTS]);

#endif

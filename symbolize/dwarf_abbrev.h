/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dwarf_abbrev.h - abbreviation tables, decoded as far as they are asked for. For dwarf_unit.c.
 *
 * A unit's root DIE needs the first entry only, and most units of a file have
 * no wanted address. Tables are shared by the units that name the same one (dwz
 * makes one for many). Format: DWARF 5, 7.5.3.
 */
#ifndef SYMBOLIZE_DWARF_ABBREV_H
#define SYMBOLIZE_DWARF_ABBREV_H

#include "symbolize/dwarf_unit.h"

/* The table of @f at @off, for units of this kind; owned by @f. NULL: no memory, and f->error says so. */
struct dwarf_abbrevs *dwarf_abbrevs_at(struct dwarf_reader *f, uint64_t off, uint8_t off_size,
				       uint8_t version);

/* NULL: there is no such code. Valid until the next call on @t. */
const struct dwarf_abbrev *dwarf_abbrev_find(struct dwarf_reader *f, struct dwarf_abbrevs *t, uint64_t code);

size_t dwarf_abbrevs_bytes(const struct dwarf_abbrevs *t);
void dwarf_abbrevs_free(struct dwarf_abbrevs *t);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dwarf_resolve.h - name a module's addresses by its DWARF, read by our own decoder.
 *
 * One pass over the units' headers and roots; only those whose code holds
 * wanted addresses are looked into, and the pass ends once every address has its
 * answer. Memory follows the largest unit that is hit, not the file.
 */
#ifndef SYMBOLIZE_DWARF_RESOLVE_H
#define SYMBOLIZE_DWARF_RESOLVE_H

#include "symbolize/dwarf_unit.h"
#include "symbolize/source.h"

/*
 * Set ->done, or only ->file and ->line, for the addresses of @m that the
 * DWARF in @fd covers; @alt_fd is its dwz supplementary file, or -1. 0, also
 * for malformed DWARF, or -ENOMEM, -E2BIG from @names. -ENOENT: the file has
 * no DWARF. -ENOTSUP: it has some that this decoder does not read (split
 * units, unknown compression); what could be read is set all the same.
 */
int dwarf_resolve_file(struct source_module *m, int fd, int alt_fd, struct names *names, bool inlines);

/* The same with a file that is open already. */
int dwarf_reader_resolve(struct source_module *m, struct dwarf_reader *f, struct names *names, bool inlines);

#endif

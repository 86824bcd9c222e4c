/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dwarf_line.h - which source line some addresses come from: line-number programs of DWARF 2 to 5.
 *
 * The program is run once and its rows are compared with the sorted addresses
 * as they appear; no row is kept. Sequences of code that the linker dropped are passed
 * over. Several instructions to an operation (VLIW) are not known: no machine
 * that this runs on has them. Format: DWARF 5, section 6.2 (and 4, 3, 2).
 */
#ifndef SYMBOLIZE_DWARF_LINE_H
#define SYMBOLIZE_DWARF_LINE_H

#include "symbolize/dwarf_unit.h"

struct dwarf_lines {
	struct dwarf_unit *unit;
	const uint8_t *data; /* .debug_line */
	uint64_t program, end;
	uint8_t version, off_size, min_inst, line_range, opcode_base;
	int8_t line_base;
	uint8_t operands[256];    /* of standard opcodes */
	struct dwarf_line_entry { /* borrowed from the sections */
		const char *name;
		uint64_t dir;
	} * dirs, *files;
	uint32_t n_dirs, n_files, cap_dirs, cap_files;
};

struct dwarf_line_query {
	uint64_t vaddr;
	uint32_t line; /* 0: code of no line */
	uint32_t file; /* number, for dwarf_lines_path() */
	bool found;
};

/*
 * Read the header of @unit's table. 0, -ENOENT (it has none), -EBADMSG,
 * -ENOMEM; on failure there is nothing to release. @unit must stay loaded.
 */
int dwarf_lines_open(struct dwarf_lines *l, struct dwarf_unit *unit);
void dwarf_lines_release(struct dwarf_lines *l);

/*
 * Answer @q, sorted by address. The last of several rows at one address counts;
 * of several sequences, the first. @in_code says whether an address can be code
 * of the loaded file. A malformed program answers what it did up to there.
 */
void dwarf_lines_find(struct dwarf_lines *l, struct dwarf_line_query *q, uint32_t n,
		      bool (*in_code)(const void *ctx, uint64_t vaddr), const void *ctx);

/*
 * Path of file number @file: absolute if the table or the unit's compilation
 * directory say enough, else relative to where the compilation directory is. False: there is no such file, or
 * its path does not fit.
 */
bool dwarf_lines_path(const struct dwarf_lines *l, uint64_t file, char *out, size_t cap);

#endif

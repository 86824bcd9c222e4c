/* SPDX-License-Identifier: Apache-2.0 */
/*
 * line_oracle.h - do our line decoder and libdw's say the same about a unit's addresses?
 */
#ifndef TESTS_LINE_ORACLE_H
#define TESTS_LINE_ORACLE_H

#include "symbolize/dwarf_line.h"

#include <elfutils/libdw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline bool oracle_anywhere(const void *ctx, uint64_t vaddr)
{
	(void)ctx;
	return vaddr != 0;
}

/* libdw leaves a path relative when it knows no absolute directory, and "dir/./file" as it is, as we do. */
static inline bool oracle_same_path(const char *ours, const char *theirs, const char *comp_dir)
{
	size_t n = comp_dir ? strlen(comp_dir) : 0;

	if (!strcmp(ours, theirs))
		return true;
	return n && !strncmp(ours, comp_dir, n) && ours[n] == '/' && !strcmp(ours + n + 1, theirs);
}

/*
 * libdw sorts the end of a sequence before a row of no length at the same
 * address, and then takes that row for all that follows.
 */
static inline bool oracle_behind_the_end(Dwarf_Die *cu, Dwarf_Line *line)
{
	Dwarf_Addr addr, end;
	Dwarf_Lines *lines;
	size_t n, i;
	bool is_end;

	if (!line || dwarf_lineaddr(line, &addr) || dwarf_getsrclines(cu, &lines, &n))
		return false;
	for (i = 0; i < n; i++)
		if (!dwarf_lineendsequence(dwarf_onesrcline(lines, i), &is_end) && is_end &&
		    !dwarf_lineaddr(dwarf_onesrcline(lines, i), &end) && end == addr)
			return true;
	return false;
}

/*
 * Compare every address of @q (sorted, answers not yet filled in): the number
 * of those on which we differ; those that libdw has a line for are added to
 * *@compared. The first difference is printed.
 */
static inline uint32_t oracle_compare(struct dwarf_lines *l, Dwarf_Die *cu, struct dwarf_line_query *q,
				      uint32_t n, uint32_t *compared)
{
	char path[PATH_MAX];
	const char *file;
	uint32_t i, wrong = 0;
	Dwarf_Line *line;
	int number;
	bool same;

	dwarf_lines_find(l, q, n, oracle_anywhere, NULL);
	for (i = 0; i < n; i++) {
		line = dwarf_getsrc_die(cu, q[i].vaddr);
		if (!line || dwarf_lineno(line, &number)) {
			same = !q[i].found;
			file = "(none)";
			number = -1;
		} else {
			(*compared)++;
			file = dwarf_linesrc(line, NULL, NULL);
			same = q[i].found && q[i].line == (uint32_t)number && file &&
			       dwarf_lines_path(l, q[i].file, path, sizeof(path)) &&
			       oracle_same_path(path, file, l->unit->comp_dir);
		}
		if (same || (!q[i].found && oracle_behind_the_end(cu, line)))
			continue;
		if (!wrong++)
			fprintf(stderr, "0x%llx: ours %d %s:%u, libdw %s:%d\n",
				(unsigned long long)q[i].vaddr, q[i].found,
				q[i].found && dwarf_lines_path(l, q[i].file, path, sizeof(path)) ? path : "?",
				q[i].line, file ? file : "?", number);
	}
	return wrong;
}

#endif

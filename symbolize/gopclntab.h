/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gopclntab.h - Go's own table of functions, files and lines, which is in every binary, stripped or not.
 *
 * The runtime prints its tracebacks from it. Four layouts are told apart by a
 * magic number: of Go 1.2, 1.16, 1.18 and 1.20, the last still written by 1.26.
 * All reads are checked against the table; loops are bounded by its bytes.
 * Sources: Go's src/debug/gosym/pclntab.go, src/runtime/symtab.go, symtabinl.go.
 */
#ifndef SYMBOLIZE_GOPCLNTAB_H
#define SYMBOLIZE_GOPCLNTAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum gopcln_version { GOPCLN_1_2, GOPCLN_1_16, GOPCLN_1_18, GOPCLN_1_20 };

struct gopclntab {
	const uint8_t *data; /* borrowed; the section's bytes, with a NUL after them */
	size_t len;
	enum gopcln_version version;
	uint8_t quantum, ptr;
	uint64_t text; /* what addresses count from in 1.18 and later; the caller sets it if the table does
			  not (1.26) */
	uint32_t n_functions;
	uint64_t names, units, files, pcs, functions; /* offsets of the parts */
};

struct gopcln_function {
	uint64_t entry, end; /* ELF virtual addresses */
	uint64_t off;        /* of its record */
	const char *name;    /* borrowed from the table, as all strings here */
	uint32_t start_line; /* 0: not told (before 1.20) */
	uint32_t unit;
	uint32_t pc_file, pc_line, pc_inline; /* offsets of value tables; 0: none */
	bool has_tree;
	uint64_t inline_tree; /* where: offset into the data behind go:func.*; before 1.18 an ELF address */
};

struct gopcln_call { /* one node of the inline tree */
	const char *name;
	uint32_t parent_pc; /* offset in the function of the call */
	uint32_t start_line;
};

#define GOPCLN_CALL_MAX 20 /* bytes of one node, 16 since 1.20 */

/* Read the header. 0; -ENOEXEC: no such table, or of an unknown version; -EBADMSG. */
int gopclntab_open(struct gopclntab *t, const uint8_t *data, size_t len);

/* The function that holds @vaddr. False: none does. */
bool gopclntab_find(const struct gopclntab *t, uint64_t vaddr, struct gopcln_function *f);

/* File and line of @vaddr in @f; NULL and 0 where the table does not tell. */
void gopclntab_line(const struct gopclntab *t, const struct gopcln_function *f, uint64_t vaddr,
		    const char **file, uint32_t *line);

/* Number of the node of the inline tree that @vaddr is in; -1: of none, it is in the function itself. */
int32_t gopclntab_inline(const struct gopclntab *t, const struct gopcln_function *f, uint64_t vaddr);

/* Bytes of a node. */
unsigned gopclntab_call_size(const struct gopclntab *t);

/* A node from its bytes. False: it cannot be one of @f's. */
bool gopclntab_call(const struct gopclntab *t, const struct gopcln_function *f, const uint8_t *bytes,
		    struct gopcln_call *call);

#endif

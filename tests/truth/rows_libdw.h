/* SPDX-License-Identifier: Apache-2.0 */
/* rows_libdw.h - what libdw says about a row, against what we say. */
#ifndef TESTS_TRUTH_ROWS_LIBDW_H
#define TESTS_TRUTH_ROWS_LIBDW_H

#include "collect/cfi.h"

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stddef.h>

/* True if @row says the same as @frame; else @what tells the first difference. */
bool rows_equal(Dwarf_Frame *frame, const struct cfi_row *row, char *what, size_t size);

/* True if a rule of @row, or its CFA, is given by an expression. */
bool rows_has_expression(const struct cfi_row *row);

#endif

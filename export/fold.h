/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fold.h - names of functions short enough for a table.
 */
#ifndef EXPORT_FOLD_H
#define EXPORT_FOLD_H

#include "base/buf.h"

#include <stdbool.h>

/*
 * Append @name (@len bytes, C++ or Rust as demangled) to @out with the
 * arguments of its templates folded: "std::vector<…>::push_back(…)" keeps its
 * parameters, which are folded in the same way. Operators (operator<<), what a
 * Rust method belongs to (<Vec<…> as Iterator>::next), lambdas and names that
 * merely look like it (<module>, <init>) keep theirs. Returns true if anything
 * was folded; false, with @out as it was, if nothing was, or when brackets do
 * not match. Look at out->error.
 */
bool fold_templates(const char *name, size_t len, struct buf *out);

#endif

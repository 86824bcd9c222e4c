/* SPDX-License-Identifier: Apache-2.0 */
/*
 * demangle.h - from what the linker calls a function to what people call it.
 *
 * C++ (Itanium ABI), Rust (legacy and v0) and D by libiberty, whose input here
 * comes from untrusted files: length and output are bounded, and a name that
 * would expand without end stays as it is.
 */
#ifndef SYMBOLIZE_DEMANGLE_H
#define SYMBOLIZE_DEMANGLE_H

#include <stdbool.h>
#include <stddef.h>

#define DEMANGLE_MAX    8192 /* bytes of a demangled name with its NUL; longer ones stay mangled */
#define DEMANGLE_MAX_IN 8192 /* longer symbols are not even tried */

/*
 * Write a readable form of @symbol to @out (@cap bytes, cut there): demangled
 * if it can be, else as it is; compilers' suffixes (.part.0, .cold, ...) cut
 * in either case. Parameters are shown, a return type is not. True when it was
 * demangled. Not for several threads at once.
 */
bool demangle(const char *symbol, char *out, size_t cap);

/*
 * Length of @symbol without suffixes that compilers add to parts and copies of
 * a function: .part.N .cold[.N] .isra.N .constprop.N .llvm.N .lto_priv.N
 * .clone.N .localalias[.N] .__uniq.N, in any number and order.
 */
size_t demangle_base_length(const char *symbol);

#endif

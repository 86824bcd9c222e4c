/* SPDX-License-Identifier: Apache-2.0 */
/* nearest.h - which word was probably meant. */
#ifndef BASE_NEAREST_H
#define BASE_NEAREST_H

#include <stddef.h>

#define NEAREST_WORD_MAX 48 /* longer words are never misspellings of ours */

/*
 * Edits (insert, delete, replace, swap of neighbours) from @a, of @a_len
 * bytes, to @b; SIZE_MAX when either is too long to compare.
 */
size_t nearest_distance(const char *a, size_t a_len, const char *b);

/* True when @distance is small enough for a word of @len bytes to be called a misspelling. */
int nearest_plausible(size_t distance, size_t len);

#endif

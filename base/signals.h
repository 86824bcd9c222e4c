/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signals.h - a forked process forgets what its parent did about signals.
 */
#ifndef BASE_SIGNALS_H
#define BASE_SIGNALS_H

#include <stddef.h>

/*
 * Default action for every signal, but the @n of @ignored ignored. What is
 * blocked stays blocked, so that the caller can install handlers of its own
 * first: none is lost in between. Signals of libc's own are not touched.
 */
void signals_reset(const int *ignored, size_t n);

/* Block none. */
void signals_unblock(void);

#endif

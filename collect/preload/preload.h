/* SPDX-License-Identifier: Apache-2.0 */
/*
 * preload.h - what the files of the preloaded library share.
 *
 * The library gives each thread a timer of its own CPU time, whose signal
 * writes registers and a copy of the stack into shared memory. It must be
 * invisible to the program: no libc state is touched, no call is interrupted,
 * no thread but the running one gets a signal, nothing stays in the environment.
 */
#ifndef COLLECT_PRELOAD_PRELOAD_H
#define COLLECT_PRELOAD_PRELOAD_H

#include "collect/preload/shared.h"
#include "collect/preload/sys.h"

#include <stdbool.h>

#define EXPORTED __attribute__((visibility("default")))

/* The shared memory; NULL: the library sleeps, and hooks pass everything through. */
extern struct preload_shared *preload_shared;

/* Number of the signal in use. */
extern int preload_signal;

/* ---- timers.c ---- */

void preload_arm(int tid); /* the thread, if it has no timer yet */
void preload_arm_self(void);
void preload_disarm_all(void);    /* before an exec */
void preload_forget_all(void);    /* in a forked child, which has no timers */
void preload_sweep(uint64_t now); /* now and then: timers of ended threads go, threads without one get it */

/* ---- handler.c ---- */

void preload_handler(int sig, void *info, void *context);

/* ---- environment.c ---- */

#define PRELOAD_PATH_MAX 256
#define PRELOAD_LIST_MAX 4096 /* bytes of LD_PRELOAD that can be handed on */
#define PRELOAD_ENV_MAX  2048 /* variables */

/*
 * Find PRELOAD_VARIABLE in @env, copy its path to @path and take it and our
 * part of LD_PRELOAD out of @env and out of the memory that /proc shows. False: it is not there.
 */
bool preload_take_environment(char **env, char path[PRELOAD_PATH_MAX]);

/* Call @exec with @env and, if it fits, our variables in it; return what it returns. */
int preload_with_environment(char *const *env, int (*exec)(char *const *env, void *arg), void *arg);

/* ---- strings, as nobody else has them here ---- */

size_t preload_length(const char *s);
bool preload_begins(const char *s, const char *with);

#endif

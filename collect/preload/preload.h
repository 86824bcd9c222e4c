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
#define ENOSYS_  38 /* errno.h of no C library is included here */

/* The shared memory; NULL: the library sleeps, and hooks pass everything through. */
extern struct preload_shared *preload_shared;

/* Number of the signal in use. */
extern int preload_signal;

/* ---- begin.c ---- */

bool preload_same_pid_space(const struct preload_shared *s);

/* ---- timers.c ---- */

/*
 * Does this thread believe that it blocks our signal? It does not really. NULL:
 * it has no timer, and blocks what it blocks.
 */
bool *preload_belief(void);

bool preload_arm(int tid); /* the thread, if it has no timer yet; false: it has none */
void preload_arm_self(bool belief);
bool preload_disarm_self(void);   /* before an exec, with what is pending; true: there was one */
void preload_disarm_all(void);    /* the collector is gone or has had enough */
void preload_forget_all(void);    /* in a forked child, which has no timers */
void preload_sweep(uint64_t now); /* now and then: timers of ended threads go, threads without one get it */
bool preload_own_value(uint64_t value); /* of a timer's signal: is the timer ours? */

/* Install the handler on the highest real-time signal that nobody handles, other than @except. False: there
 * is none. */
bool preload_take_signal(int except);

/* The program uses our signal on purpose: take another; if there is none, go to sleep. */
void preload_move_signal(void);

/* ---- handler.c ---- */

void preload_handler(int sig, void *info, void *context);
/* ---- notes.c ---- */

void preload_note_exec(void);           /* records: this process is a new program, with these mappings */
void preload_note_fork(int parent_pid); /* a record: it is a child */

/* ---- writer.c ---- */

uint64_t preload_now(void);

/*
 * Write a record of @n bytes (whole words; its header's size is set here),
 * and with @stack up to @want bytes from address @sp behind it, their number
 * being the record's last word, as PERF_SAMPLE_STACK_USER has it. False: no room.
 */
bool preload_write(struct preload_shared *s, uint64_t *record, uint64_t n, uint64_t sp, uint64_t want);

/* ---- signals.c ---- */

/* A signal of our number that no timer of ours sent: what the program wants done with it. */
void preload_foreign(int sig, void *info, void *context);

/* Let our signal through to this thread. True: it was blocked. */
bool preload_unblock(void);
void preload_block(int sig);

/* ---- hooks.c ---- */

void preload_watch_forks(void);

/* ---- resolve.c ---- */

/*
 * The next definition of @name after ours, as dlsym(RTLD_NEXT) finds it; that
 * one is not in the C library itself before glibc 2.34. NULL: none. @cache keeps it.
 */
void *preload_next(void **cache, const char *name);

/* ---- environment.c ---- */

#define PRELOAD_ENV_MAX 2048 /* variables */

/*
 * Find PRELOAD_VARIABLE in @env, copy what it names to @path and take it and our
 * part of LD_PRELOAD out of @env and out of the memory that /proc shows. False: nothing to go by.
 */
bool preload_take_environment(char **env, char path[PRELOAD_PATH_MAX]);

/*
 * Call @exec with @env and, if it fits, our variables in it; return what it
 * returns, which is -1 with errno set, or an error's number. If that is E2BIG, call it again without them.
 */
int preload_with_environment(char *const *env, int (*exec)(char *const *env, void *arg), void *arg);

/*
 * The C library starts its shells itself, past any symbol, with the program's
 * own environment: so the command becomes one that puts our variables there
 * and then executes a shell for @command. Bytes of the mapping *@out that the
 * caller unmaps when it is done; 0: it has to run as it is.
 */
size_t preload_shell_command(const char *command, char **out);

/* ---- strings, as nobody else has them here ---- */

size_t preload_length(const char *s);
bool preload_begins(const char *s, const char *with);

#endif

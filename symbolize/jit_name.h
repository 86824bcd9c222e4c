/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jit_name.h - what the names in perf maps and jitdumps are made of.
 *
 * A runtime has one line for all it knows: kind of code, function, file, line.
 * Taken apart, the tiers of one function are one row, and its file is a file.
 *
 *	node     JS:*fib /srv/app.js:3:13   LazyCompile:~fib /srv/app.js:3   Builtin:ArrayMap
 *	CPython  py::fib:/srv/app.py
 *
 * Sources: V8, src/logging/log.cc and code-events; CPython, Python/perf_trampoline.c.
 */
#ifndef SYMBOLIZE_JIT_NAME_H
#define SYMBOLIZE_JIT_NAME_H

#include "symbolize/names.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * Intern @name (@len bytes) into @f: as it is in system_name; function, file
 * and start_line as read from it. Other names are demangled, or stay as they
 * are. f->line is left alone. 0, -ENOMEM or -E2BIG.
 */
int jit_name(struct names *names, const char *name, size_t len, struct names_frame *f);

/* Is it V8 that writes such names? Its line records count from an ELF header before the code. */
bool jit_name_is_v8(const char *name, size_t len);

#endif

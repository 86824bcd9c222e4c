/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime.h - what language a program is written in and what runs it, by looking into its file.
 *
 * Reads an untrusted ELF file by bounded reads (elfsec.h). Evidence, in turn: an
 * interpreter's name or library; Go's build information; rustc's mark in
 * .comment, or its source paths among the constants; the C++ library.
 */
#ifndef EXPORT_RUNTIME_H
#define EXPORT_RUNTIME_H

#include "export/facts.h"

#define RUNTIME_BUILD_ID_MAX 64

struct runtime {
	const char *language; /* static: "c", "cpp", "rust", "go", "python", "java", "javascript"; NULL:
				 unknown */
	const char *runtime;  /* static: "native", "Rust", "Go", "CPython", "JVM", "Node.js" */
	char version[64];     /* "" when not known */
	char libc[32];        /* "glibc 2.36", "glibc", "musl", "static"; "": unknown */
	char build_id[2 * RUNTIME_BUILD_ID_MAX + 1]; /* hex */
};

/* Always something: "native" when the file cannot be read. */
void runtime_recognize(struct runtime *r, const struct facts *f);

#endif

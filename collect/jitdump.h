/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jitdump.h - records of a jitdump file, as they lie in it.
 *
 * A program that makes code at run time appends them, and announces the file
 * by mapping a page of it executable, which makes an MMAP record of a file
 * named jit-PID.dump. Everything after the head is host order and packed.
 * Source: Linux, tools/perf/Documentation/jitdump-specification.txt.
 */
#ifndef COLLECT_JITDUMP_H
#define COLLECT_JITDUMP_H

#include <stdint.h>

#define JITDUMP_MAGIC          0x4a695444u /* "JiTD" */
#define JITDUMP_VERSION        1
#define JITDUMP_ARCH_TIMESTAMP 1u /* flag: times are of the CPU's own counter, not CLOCK_MONOTONIC */
#define JITDUMP_HEAD_MAX       4096
#define JITDUMP_RECORD_MAX     (256u << 20) /* bytes; larger ones are malformed */

struct jitdump_head {
	uint32_t magic, version;
	uint32_t total_size; /* of this head: where the records begin */
	uint32_t elf_mach, pad, pid;
	uint64_t timestamp, flags;
};

enum jitdump_id {
	JITDUMP_LOAD,
	JITDUMP_MOVE,
	JITDUMP_DEBUG_INFO, /* before the LOAD it is about */
	JITDUMP_CLOSE,
	JITDUMP_UNWINDING_INFO,
};

struct jitdump_record {
	uint32_t id, total_size; /* with this */
	uint64_t timestamp;
};

struct jitdump_load { /* then the name with its NUL, then code_size bytes of code */
	uint32_t pid, tid;
	uint64_t vma, code_addr, code_size, code_index;
};

struct jitdump_move {
	uint32_t pid, tid;
	uint64_t vma, old_code_addr, new_code_addr, code_size, code_index;
};

struct jitdump_debug { /* then n_entries of jitdump_line, each with a file name and its NUL */
	uint64_t code_addr, n_entries;
};

struct jitdump_line { /* a file name "\xff" means that of the entry before */
	uint64_t addr;
	uint32_t line, discriminator;
};

#endif

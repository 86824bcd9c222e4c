/* SPDX-License-Identifier: Apache-2.0 */
/*
 * record.h - bytes of one perf record into a checked structure.
 *
 * Nothing in the result points outside the record, and every count in it has
 * been checked against the record's size. Needs no kernel: tests and fuzzers
 * drive it with stored bytes. Layouts: include/uapi/linux/perf_event.h,
 * enum perf_event_type.
 */
#ifndef COLLECT_RECORD_H
#define COLLECT_RECORD_H

#include <linux/perf_event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The PERF_SAMPLE_* bits that record.c understands; others are refused. */
#define RECORD_SAMPLE_TYPES                                                                                  \
	(PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_IP | PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_ADDR |   \
	 PERF_SAMPLE_ID | PERF_SAMPLE_STREAM_ID | PERF_SAMPLE_CPU | PERF_SAMPLE_PERIOD |                     \
	 PERF_SAMPLE_CALLCHAIN | PERF_SAMPLE_REGS_USER | PERF_SAMPLE_STACK_USER)

struct record_layout {
	uint64_t sample_type; /* of every event that writes to the ring; sample_id_all is set */
	unsigned n_regs;      /* bits in sample_regs_user */
};

enum record_kind {
	RECORD_SAMPLE,
	RECORD_MMAP,
	RECORD_COMM,
	RECORD_FORK,
	RECORD_EXIT,
	RECORD_LOST,
	RECORD_THROTTLE,
	RECORD_OTHER, /* well-formed, of no interest */
};

struct record {
	enum record_kind kind;
	uint32_t pid, tid;
	uint64_t time; /* of the event's clock, ns */
	uint64_t id;   /* event id; 0 if not recorded */
	union {
		struct {
			uint64_t ip, addr, period;
			bool user;             /* interrupted in user mode */
			const uint64_t *chain; /* callchain with its PERF_CONTEXT_* markers */
			uint64_t n_chain;
			const uint64_t *regs; /* n_regs values in perf's order; NULL: none */
			unsigned n_regs;
			uint64_t abi;         /* PERF_SAMPLE_REGS_ABI_* */
			const uint8_t *stack; /* NULL: none */
			uint64_t stack_size;  /* bytes that were really copied: up to a page not in memory */
			uint64_t stack_room;  /* bytes that there was room for */
		} sample;
		struct {
			uint64_t start, len, pgoff;
			uint32_t maj, min, prot;
			uint64_t ino, ino_generation; /* 0 when the record has a build id instead */
			const char *path;             /* NUL-terminated inside the record */
		} mmap;
		struct {
			const char *name;
			bool exec; /* a new program: the old address space is gone */
		} comm;
		struct {
			uint32_t ppid, ptid;
		} task;
		struct {
			uint64_t lost;
			bool samples; /* counted by PERF_RECORD_LOST_SAMPLES */
		} lost;
	} u;
};

/* 0; -EBADMSG: malformed; -ENOTSUP: @layout asks for what record.c does not understand. */
int record_decode(const struct perf_event_header *hdr, const struct record_layout *layout,
		  struct record *out);

/* Where the time of a record of @type and @size is: offset from its start, or 0 if it has none. */
size_t record_time_offset(uint32_t type, size_t size, const struct record_layout *layout);

#endif

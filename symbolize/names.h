/* SPDX-License-Identifier: Apache-2.0 */
/*
 * names.h - what symbolizing found: a bounded table from location to frames.
 *
 * Plain data, indexed by the profile's location ids. It crosses two pipes
 * (symbolizer -> exporter -> collector's cache), so it can be written to and
 * read back from bytes; reading checks everything.
 */
#ifndef SYMBOLIZE_NAMES_H
#define SYMBOLIZE_NAMES_H

#include "base/buf.h"
#include "base/strtab.h"

#include <stdbool.h>
#include <stdint.h>

#define NAMES_MAX_INLINE 64 /* frames of one location; deeper inlining is cut */
#define NAMES_MAX_FRAMES (8u << 20)
#define NAMES_PLACE_MAX  320 /* bytes of what names_place() writes */
#define NAMES_MAX_TRIES  3   /* to name a location, in as many windows */

struct names_frame {          /* string ids into names.strings */
	uint32_t function;    /* demangled, what people read */
	uint32_t system_name; /* as the linker knows it */
	uint32_t file;        /* 0: unknown */
	uint32_t line;        /* 0: unknown */
	uint32_t start_line;  /* where the function is declared; 0: unknown */
};

/* Where a location's name comes from, or why there is none. Per location, and counted per module. */
enum names_status {
	NAMES_PENDING, /* not looked at */
	NAMES_DWARF,   /* function and lines */
	NAMES_SYMBOL,  /* function from a symbol table */
	NAMES_JIT,     /* from what a program says about the code it made */
	NAMES_LINE_ONLY,
	NAMES_NO_FILE,        /* the module has no contents, see its reason */
	NAMES_STRIPPED,       /* no symbol covers the address, and no debug file was found */
	NAMES_NO_SYMBOL,      /* tables are there, none covers the address */
	NAMES_NOT_ALLOWED,    /* kernel symbols hidden */
	NAMES_JIT_UNMAPPED,   /* anonymous code, no map */
	NAMES_JIT_FOREIGN,    /* there is a map, of another user or another process */
	NAMES_JIT_NOT_LISTED, /* there is one, and it does not tell of the address */
	NAMES_BAD_FILE,       /* malformed ELF or DWARF */
	NAMES_TIMEOUT,        /* the deadline came first */
	NAMES_FAILED,         /* the symbolizer crashed on it, or could not be started */
	/* as NAMES_STRIPPED, but there was a debug file which could not be used */
	NAMES_DEBUG_UNREADABLE, /* not permitted, or no ELF file */
	NAMES_DEBUG_OTHER_CRC,  /* checksum differs from the one in .gnu_debuglink */
	NAMES_DEBUG_OTHER_ID,   /* of another build */
	NAMES_STATUS_COUNT,
};

const char *names_status_text(enum names_status s);

/* What stands for the name of code at ELF address @addr of the file @path: "[libfoo.so+0x1234]". */
void names_place(const char *path, uint64_t addr, char out[NAMES_PLACE_MAX]);

/* Is @name (@len bytes) of that form? */
bool names_is_place(const char *name, size_t len);

/* True for NAMES_STRIPPED and the statuses that say more about it. */
bool names_status_stripped(enum names_status s);

struct names {
	struct strtab strings;
	struct names_location {
		uint32_t first; /* into frames */
		uint16_t n;     /* innermost first; 0: no name */
		uint8_t status; /* enum names_status */
		uint8_t tries;  /* that ended in a failure which may pass, see names_retry() */
	} * locations;
	uint32_t n_locations, cap_locations;
	struct names_frame *frames;
	uint32_t n_frames, cap_frames;
};

int names_init(struct names *n);
void names_release(struct names *n);

/* Make room up to location @count - 1, new ones pending. 0 or -errno. */
int names_resize(struct names *n, uint32_t count);

/* Set what location @loc is; replaces (frames of the former answer stay allocated). @frames' ids are ids in
 * n->strings. 0 or -errno. */
int names_set(struct names *n, uint32_t loc, enum names_status status, const struct names_frame *frames,
	      uint32_t n_frames);

/*
 * Make those of the first @count locations pending again whose failure another
 * window may not see (too late, crashed, no file or map yet), each until it was
 * set to such a status NAMES_MAX_TRIES times.
 */
void names_retry(struct names *n, uint32_t count);

/* Make @loc pending again. What it was stays to be shown until it is set, at no cost if to the same. */
void names_outdated(struct names *n, uint32_t loc);

/*
 * Locations have other numbers now: former location i is @now[i], for i below
 * @count, or UINT32_MAX if it is no more. Frames and strings of those are given back. Out of
 * memory: all are forgotten, to be asked for once more.
 */
void names_renumber(struct names *n, const uint32_t *now, uint32_t count);

/* Does this status mean that the function is known? */
bool names_status_named(enum names_status s);

/*
 * Bytes for a pipe: only locations from @ids (@n of them) that are not
 * pending. names_decode() merges such bytes into @into; -EBADMSG when they are
 * malformed or name a location >= @n_locations, with @into still valid.
 * A location that has an answer already keeps it, so that a symbolizer gone
 * bad cannot rename what it was not asked for; bytes that are no UTF-8 become
 * '?', because one of them makes strict readers refuse the whole pprof.
 */
int names_encode(const struct names *n, const uint32_t *ids, uint32_t n_ids, struct buf *out);
int names_decode(struct names *into, uint32_t n_locations, const uint8_t *data, size_t len);

#endif

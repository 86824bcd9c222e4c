/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dwarf_image.h - the debug sections of one untrusted ELF file, each made readable when first asked for.
 *
 * Plain sections are looked at where the file is mapped, and given back page by
 * page once they are done with. Compressed ones (SHF_COMPRESSED with zlib, and
 * the older .zdebug_*) are inflated only as far as somebody wants to read:
 * most of what a debug file holds is never looked at. A file that is cut short
 * while it is mapped ends the process by SIGBUS; symbolize.c copes with that.
 * Formats: System V gABI, "Compression header"; binutils' .zdebug: "ZLIB", the
 * size as 8 bytes big-endian, a zlib stream.
 */
#ifndef SYMBOLIZE_DWARF_IMAGE_H
#define SYMBOLIZE_DWARF_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum dwarf_section {
	DWARF_INFO,
	DWARF_ABBREV,
	DWARF_LINE,
	DWARF_STR,
	DWARF_LINE_STR,
	DWARF_RANGES,
	DWARF_RNGLISTS,
	DWARF_ADDR,
	DWARF_STR_OFFSETS,
	DWARF_SECTIONS,
};

struct dwarf_span {
	const uint8_t *data;
	size_t len;
};

struct dwarf_image {
	uint8_t *map;
	size_t map_len;
	struct dwarf_part {
		const uint8_t *data;           /* the contents, or what is inflated of them */
		size_t len, ready;             /* of all contents; of those at data */
		struct dwarf_inflate *inflate; /* NULL: not compressed */
		size_t given_back;             /* plain parts: bytes whose pages were dropped */
	} parts[DWARF_SECTIONS];
};

/*
 * 0, -ENOENT (not an ELF file, or without .debug_info), -ENOMEM, -EBADMSG
 * (sections outside of the file), -ENOTSUP (compressed in another way). @fd is only used during the call. On
 * failure there is nothing to close.
 */
int dwarf_image_open(struct dwarf_image *img, int fd);

/* The same over bytes in memory, one span per section, borrowed; for tests. */
void dwarf_image_over(struct dwarf_image *img, const struct dwarf_span spans[DWARF_SECTIONS]);

void dwarf_image_close(struct dwarf_image *img);

/*
 * The beginning of section @id, at least up to offset @upto if it is that long
 * and can be inflated. Valid until dwarf_image_close(); later calls only make
 * it longer, in place.
 */
struct dwarf_span dwarf_image_need(struct dwarf_image *img, enum dwarf_section id, uint64_t upto);

/* Total length of the section, readable or not. */
static inline uint64_t dwarf_image_length(const struct dwarf_image *img, enum dwarf_section id)
{
	return img->parts[id].len;
}

/* A NUL-terminated string at @off of @id, or NULL. Borrowed like the section. */
const char *dwarf_image_string(struct dwarf_image *img, enum dwarf_section id, uint64_t off);

/* Bytes of @id before @upto will hardly be read again: their memory may go (their contents stay). */
void dwarf_image_give_back(struct dwarf_image *img, enum dwarf_section id, uint64_t upto);

#endif

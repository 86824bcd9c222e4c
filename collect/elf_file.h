/* SPDX-License-Identifier: Apache-2.0 */
/*
 * elf_file.h - what the collector needs of an ELF file: segments, build id, CFI.
 *
 * Reads headers only, each length and offset checked, so it may be pointed at
 * anything. Symbols and DWARF are symbolize/'s business, in its sandbox. Only
 * files of this machine's word size and byte order. Format: System V gABI,
 * "Object Files".
 */
#ifndef COLLECT_ELF_FILE_H
#define COLLECT_ELF_FILE_H

#include "collect/module.h"

/* Where the bytes come from: a descriptor, or memory if @image is set. Borrowed. */
struct elf_source {
	int fd;
	const uint8_t *image;
	uint64_t size; /* bytes there are; reads beyond it fail */
};

struct elf_file {
	uint16_t type, machine;
	bool has_interp;
	uint64_t entry;
	uint8_t n_segments, build_id_len;
	struct module_segment segments[PROFILE_MAX_SEGMENTS];
	uint8_t build_id[PROFILE_BUILD_ID_MAX];
	struct cfi_section eh_frame_hdr, eh_frame, debug_frame, gopclntab, text;
	bool debug_frame_packed; /* SHF_COMPRESSED: as in the file, behind an Elf64_Chdr */
};

/* All @len bytes at @off: 0, -ENODATA if there are fewer, -errno. */
int elf_source_read(const struct elf_source *src, uint64_t off, void *buf, size_t len);

/*
 * 0, -ENOEXEC (no ELF file of our kind), or the error of reading it. Section
 * headers are optional: what is wrong or missing there only leaves out what
 * they would have told.
 */
int elf_file_parse(const struct elf_source *src, struct elf_file *out);

#endif

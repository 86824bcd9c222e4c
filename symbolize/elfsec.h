/* SPDX-License-Identifier: Apache-2.0 */
/*
 * elfsec.h - sections of an untrusted ELF file, by bounded reads.
 *
 * For finding debug files (in the exporter) and symbol tables (in the
 * symbolizer). Works where only headers and a few sections are needed and
 * libelf's mapping of the whole file would be a liability: a file cut short
 * under us is an error here, not a SIGBUS. Not for compressed sections.
 */
#ifndef SYMBOLIZE_ELFSEC_H
#define SYMBOLIZE_ELFSEC_H

#include "collect/elf_file.h"

#include <elf.h>
#include <stddef.h>
#include <stdint.h>

struct elfsec {
	struct elf_source src; /* descriptor or image are borrowed */
	Elf64_Ehdr eh;
	Elf64_Shdr *sh;
	uint32_t n_sh; /* 0: the file has no section headers */
	char *names;   /* NUL-terminated */
	size_t names_len;
};

/*
 * Read the section headers from @fd, or from @image when it is not NULL. 0;
 * -ENOEXEC (no ELF file of this machine's kind), -EBADMSG (headers point
 * outside the file), -ENOMEM or -errno. On failure nothing is to be closed.
 */
int elfsec_open(struct elfsec *e, int fd, const uint8_t *image, size_t image_size);
void elfsec_close(struct elfsec *e);

/* NULL when there is none. Borrowed until elfsec_close(). */
const Elf64_Shdr *elfsec_by_name(const struct elfsec *e, const char *name);
const Elf64_Shdr *elfsec_by_type(const struct elfsec *e, uint32_t type);

/*
 * Contents of @sh, at most @max bytes, with a NUL after them; free() the
 * result. 0, -ENODATA (no contents, or not all in the file), -E2BIG, -ENOMEM.
 */
int elfsec_load(const struct elfsec *e, const Elf64_Shdr *sh, size_t max, uint8_t **data, size_t *len);

#endif

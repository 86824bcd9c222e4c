/* SPDX-License-Identifier: Apache-2.0 */
/* elfsec.c - see elfsec.h. Format: System V gABI, "Sections". */
#include "symbolize/elfsec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_SECTIONS (256u << 10) /* 16 MB of headers */
#define MAX_NAMES    (16u << 20)

static int read_header(struct elfsec *e)
{
	int err = elf_source_read(&e->src, 0, &e->eh, sizeof(e->eh));

	if (err)
		return err == -ENODATA ? -ENOEXEC : err;
	if (memcmp(e->eh.e_ident, ELFMAG, SELFMAG) || e->eh.e_ident[EI_CLASS] != ELFCLASS64 ||
	    e->eh.e_ident[EI_DATA] != (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB))
		return -ENOEXEC;
	return 0;
}

static int read_sections(struct elfsec *e, uint32_t *str_index)
{
	Elf64_Shdr first;
	uint64_t n = e->eh.e_shnum;
	int err;

	*str_index = e->eh.e_shstrndx;
	if (!e->eh.e_shoff)
		return 0;
	if (e->eh.e_shentsize != sizeof(first) ||
	    elf_source_read(&e->src, e->eh.e_shoff, &first, sizeof(first)))
		return -EBADMSG;
	if (!n)
		n = first.sh_size;
	if (*str_index == SHN_XINDEX)
		*str_index = first.sh_link;
	if (n > MAX_SECTIONS)
		return -EBADMSG;
	if (!n)
		return 0;
	e->sh = calloc(n, sizeof(*e->sh));
	if (!e->sh)
		return -ENOMEM;
	err = elf_source_read(&e->src, e->eh.e_shoff, e->sh, n * sizeof(*e->sh));
	if (err)
		return err == -ENODATA ? -EBADMSG : err;
	e->n_sh = (uint32_t)n;
	return 0;
}

int elfsec_open(struct elfsec *e, int fd, const uint8_t *image, size_t image_size)
{
	struct stat st;
	uint32_t str_index;
	uint8_t *names;
	int err;

	*e = (struct elfsec){.src = {.fd = fd, .image = image, .size = image_size}};
	if (!image) {
		if (fstat(fd, &st))
			return -errno;
		e->src.size = st.st_size > 0 ? (uint64_t)st.st_size : 0;
	}
	err = read_header(e);
	if (!err)
		err = read_sections(e, &str_index);
	if (!err && e->n_sh) {
		err = str_index < e->n_sh
			      ? elfsec_load(e, &e->sh[str_index], MAX_NAMES, &names, &e->names_len)
			      : -EBADMSG;
		if (!err)
			e->names = (char *)names;
		else if (err != -ENOMEM)
			err = -EBADMSG;
	}
	if (err)
		elfsec_close(e);
	return err;
}

void elfsec_close(struct elfsec *e)
{
	free(e->sh);
	free(e->names);
	*e = (struct elfsec){.src = {.fd = -1}};
}

const Elf64_Shdr *elfsec_by_name(const struct elfsec *e, const char *name)
{
	uint32_t i;

	for (i = 1; i < e->n_sh; i++)
		if (e->sh[i].sh_name < e->names_len && !strcmp(e->names + e->sh[i].sh_name, name))
			return &e->sh[i];
	return NULL;
}

const Elf64_Shdr *elfsec_by_type(const struct elfsec *e, uint32_t type)
{
	uint32_t i;

	for (i = 1; i < e->n_sh; i++)
		if (e->sh[i].sh_type == type)
			return &e->sh[i];
	return NULL;
}

int elfsec_load(const struct elfsec *e, const Elf64_Shdr *sh, size_t max, uint8_t **data, size_t *len)
{
	uint8_t *p;
	int err;

	if (sh->sh_type == SHT_NOBITS || (sh->sh_flags & SHF_COMPRESSED))
		return -ENODATA;
	if (sh->sh_offset > e->src.size || sh->sh_size > e->src.size - sh->sh_offset)
		return -ENODATA;
	if (sh->sh_size > max)
		return -E2BIG;
	p = malloc(sh->sh_size + 1);
	if (!p)
		return -ENOMEM;
	err = elf_source_read(&e->src, sh->sh_offset, p, sh->sh_size);
	if (err) {
		free(p);
		return err;
	}
	p[sh->sh_size] = '\0';
	*data = p;
	*len = sh->sh_size;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* elf_file.c - see elf_file.h. */
#include "collect/elf_file.h"

#include "base/io.h"
#include "collect/dwarf_read.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

#define MAX_PHDRS    1024
#define MAX_SHDRS    65536
#define MAX_NOTES    (64u << 10) /* bytes of one note segment that are looked at */
#define HEADER_BATCH 32          /* headers read at a time */

int elf_source_read(const struct elf_source *src, uint64_t off, void *buf, size_t len)
{
	ssize_t n;

	if (off > src->size || len > src->size - off)
		return -ENODATA;
	if (src->image) {
		memcpy(buf, src->image + off, len);
		return 0;
	}
	n = io_pread_full(src->fd, buf, len, off);
	if (n < 0)
		return (int)n;
	return (size_t)n == len ? 0 : -ENODATA;
}

static void add_segment(struct elf_file *f, const Elf64_Phdr *ph)
{
	struct module_segment *s = NULL;
	unsigned i;

	if (f->n_segments < PROFILE_MAX_SEGMENTS) {
		s = &f->segments[f->n_segments++];
	} else if (ph->p_flags & PF_X) {
		/* Full: only code matters. */
		for (i = 0; i < f->n_segments && !s; i++)
			if (!(f->segments[i].flags & PF_X))
				s = &f->segments[i];
	}
	if (s)
		*s = (struct module_segment){.vaddr = ph->p_vaddr,
					     .off = ph->p_offset,
					     .filesz = ph->p_filesz,
					     .memsz = ph->p_memsz,
					     .flags = ph->p_flags};
}

/* The GNU build id among the notes at @off, if there is one. */
static void read_notes(const struct elf_source *src, struct elf_file *f, uint64_t off, uint64_t size,
		       uint64_t align)
{
	uint64_t end, name_len, desc_len;
	Elf64_Nhdr n;
	char name[4];

	size = size < MAX_NOTES ? size : MAX_NOTES;
	if (f->build_id_len || off > UINT64_MAX - size)
		return;
	align = align == 8 ? 8 : 4;
	for (end = off + size; end - off >= sizeof(n);) {
		if (elf_source_read(src, off, &n, sizeof(n)))
			return;
		name_len = ((uint64_t)n.n_namesz + align - 1) & ~(align - 1);
		desc_len = ((uint64_t)n.n_descsz + align - 1) & ~(align - 1);
		off += sizeof(n);
		if (name_len > end - off || n.n_descsz > end - off - name_len)
			return;
		if (n.n_type == NT_GNU_BUILD_ID && n.n_namesz == 4 && n.n_descsz &&
		    n.n_descsz <= PROFILE_BUILD_ID_MAX && !elf_source_read(src, off, name, 4) &&
		    !memcmp(name, "GNU", 4) &&
		    !elf_source_read(src, off + name_len, f->build_id, n.n_descsz)) {
			f->build_id_len = (uint8_t)n.n_descsz;
			return;
		}
		if (desc_len > end - off - name_len)
			return;
		off += name_len + desc_len;
	}
}

static void take_phdr(const struct elf_source *src, struct elf_file *f, const Elf64_Phdr *ph)
{
	switch (ph->p_type) {
	case PT_LOAD:
		add_segment(f, ph);
		break;
	case PT_INTERP:
		f->has_interp = true;
		break;
	case PT_NOTE:
		read_notes(src, f, ph->p_offset, ph->p_filesz, ph->p_align);
		break;
	case PT_GNU_EH_FRAME:
		f->eh_frame_hdr = (struct cfi_section){ph->p_vaddr, ph->p_offset, ph->p_filesz};
		break;
	}
}

static int read_phdrs(const struct elf_source *src, const Elf64_Ehdr *eh, struct elf_file *f)
{
	Elf64_Phdr ph[HEADER_BATCH];
	uint32_t n = eh->e_phnum, i, j, batch;
	int err;

	if (!n)
		return 0;
	if (eh->e_phentsize != sizeof(ph[0]) || n > MAX_PHDRS || eh->e_phoff > src->size)
		return -ENOEXEC;
	for (i = 0; i < n; i += batch) {
		batch = n - i < HEADER_BATCH ? n - i : HEADER_BATCH;
		err = elf_source_read(src, eh->e_phoff + i * sizeof(ph[0]), ph, batch * sizeof(ph[0]));
		if (err)
			return err;
		for (j = 0; j < batch; j++)
			take_phdr(src, f, &ph[j]);
	}
	return 0;
}

static void take_shdr(const struct elf_source *src, struct elf_file *f, const Elf64_Shdr *sh,
		      const Elf64_Shdr *strings)
{
	struct cfi_section s = {sh->sh_addr, sh->sh_offset, sh->sh_size};
	char name[32] = "";
	uint64_t left;

	if (sh->sh_type == SHT_NOTE) {
		read_notes(src, f, sh->sh_offset, sh->sh_size, sh->sh_addralign);
		return;
	}
	/* .eh_frame is SHT_PROGBITS or SHT_X86_64_UNWIND. */
	if (sh->sh_type == SHT_NOBITS || sh->sh_name >= strings->sh_size)
		return;
	if (s.off > src->size || s.size > src->size - s.off)
		return;
	left = strings->sh_size - sh->sh_name;
	if (elf_source_read(src, strings->sh_offset + sh->sh_name, name,
			    left < sizeof(name) - 1 ? left : sizeof(name) - 1))
		return;
	if (!strcmp(name, ".debug_frame")) {
		f->debug_frame = s;
		f->debug_frame_packed = sh->sh_flags & SHF_COMPRESSED;
		return;
	}
	if (sh->sh_flags & SHF_COMPRESSED)
		return; /* other DWARF: for the symbolizer */
	if (!strcmp(name, ".eh_frame") && (sh->sh_flags & SHF_ALLOC))
		f->eh_frame = s;
	else if (!strcmp(name, ".eh_frame_hdr") && !f->eh_frame_hdr.size)
		f->eh_frame_hdr = s;
	else if ((!strcmp(name, ".gopclntab") || !strcmp(name, ".data.rel.ro.gopclntab")) &&
		 (sh->sh_flags & SHF_ALLOC))
		f->gopclntab = s;
	else if (!strcmp(name, ".text"))
		f->text = s;
}

static void read_shdrs(const struct elf_source *src, const Elf64_Ehdr *eh, struct elf_file *f)
{
	Elf64_Shdr sh[HEADER_BATCH], strings;
	uint64_t n = eh->e_shnum, str = eh->e_shstrndx, i, j, batch;

	if (!eh->e_shoff || eh->e_shentsize != sizeof(sh[0]) || eh->e_shoff > src->size ||
	    elf_source_read(src, eh->e_shoff, sh, sizeof(sh[0])))
		return;
	if (!n)
		n = sh[0].sh_size;
	if (str == SHN_XINDEX)
		str = sh[0].sh_link;
	if (n > MAX_SHDRS || str >= n ||
	    elf_source_read(src, eh->e_shoff + str * sizeof(sh[0]), &strings, sizeof(strings)) ||
	    strings.sh_offset > src->size || strings.sh_size > src->size - strings.sh_offset)
		return;
	for (i = 0; i < n; i += batch) {
		batch = n - i < HEADER_BATCH ? n - i : HEADER_BATCH;
		if (elf_source_read(src, eh->e_shoff + i * sizeof(sh[0]), sh, batch * sizeof(sh[0])))
			return;
		for (j = 0; j < batch; j++)
			take_shdr(src, f, &sh[j], &strings);
	}
}

/*
 * Without section headers: .eh_frame begins where its search table says and
 * ends, at the latest, with its segment.
 */
static void find_eh_frame(const struct elf_source *src, struct elf_file *f)
{
	uint8_t head[16];
	struct dwarf_cursor c;
	uint64_t vaddr;
	unsigned i;

	if (f->eh_frame.size || f->eh_frame_hdr.size < sizeof(head) ||
	    elf_source_read(src, f->eh_frame_hdr.off, head, sizeof(head)) || head[0] != 1)
		return;
	c = dwarf_cursor(head, sizeof(head), f->eh_frame_hdr.vaddr);
	c.p += 4;
	vaddr = dwarf_pointer(&c, head[1], f->eh_frame_hdr.vaddr);
	for (i = 0; i < f->n_segments && !c.bad; i++) {
		const struct module_segment *s = &f->segments[i];

		if (vaddr < s->vaddr || vaddr - s->vaddr >= s->filesz || s->off > src->size)
			continue;
		f->eh_frame.vaddr = vaddr;
		f->eh_frame.off = s->off + (vaddr - s->vaddr);
		f->eh_frame.size = s->filesz - (vaddr - s->vaddr);
		return;
	}
}

static void drop_if_outside(const struct elf_source *src, struct cfi_section *s)
{
	if (s->off > src->size || s->size > src->size - s->off || s->vaddr > UINT64_MAX - s->size)
		*s = (struct cfi_section){0, 0, 0};
}

int elf_file_parse(const struct elf_source *src, struct elf_file *out)
{
	struct elf_file f = {0};
	Elf64_Ehdr eh;
	int err;

	err = elf_source_read(src, 0, &eh, sizeof(eh));
	if (err)
		return err == -ENODATA ? -ENOEXEC : err;
	if (memcmp(eh.e_ident, ELFMAG, SELFMAG) || eh.e_ident[EI_CLASS] != ELFCLASS64 ||
	    eh.e_ident[EI_DATA] != (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB) ||
	    eh.e_version != EV_CURRENT)
		return -ENOEXEC;
	f.type = eh.e_type;
	f.machine = eh.e_machine;
	f.entry = eh.e_entry;
	err = read_phdrs(src, &eh, &f);
	if (err)
		return err == -ENODATA ? -ENOEXEC : err;
	read_shdrs(src, &eh, &f);
	drop_if_outside(src, &f.eh_frame_hdr);
	find_eh_frame(src, &f);
	drop_if_outside(src, &f.eh_frame);
	drop_if_outside(src, &f.debug_frame);
	drop_if_outside(src, &f.gopclntab);
	drop_if_outside(src, &f.text);
	*out = f;
	return 0;
}

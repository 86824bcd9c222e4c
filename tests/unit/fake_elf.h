/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_elf.h - small ELF images with the CFI that a test wants.
 *
 * One CIE ("zR", pc-relative, as GCC writes for x86-64: CFA = sp + 8 with the
 * return address below it), any number of FDEs, found by a search table, by
 * section headers, or as .debug_frame.
 */
#ifndef TESTS_UNIT_FAKE_ELF_H
#define TESTS_UNIT_FAKE_ELF_H

#include <elf.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define FAKE_SIZE    0x4000
#define FAKE_HDR     0x1000 /* .eh_frame_hdr */
#define FAKE_FRAME   0x1400 /* .eh_frame or .debug_frame */
#define FAKE_STRINGS 0x0800
#define FAKE_SHDRS   0x0900
#define FAKE_CODE    0x2000 /* functions are from here on */
#define FAKE_MAX_FDE 32

enum fake_kind { FAKE_TABLE, FAKE_SECTION, FAKE_DEBUG };

struct fake_elf {
	uint8_t image[FAKE_SIZE];
	enum fake_kind kind;
	uint32_t at; /* end of the frame section so far */
	uint32_t cie;
	uint32_t n;
	struct {
		int32_t start, fde;
	} table[FAKE_MAX_FDE];
};

static inline void fake_put(struct fake_elf *f, const void *data, size_t len)
{
	if (len)
		memcpy(f->image + f->at, data, len);
	f->at += (uint32_t)len;
}

static inline void fake_u32(struct fake_elf *f, uint32_t v)
{
	fake_put(f, &v, sizeof(v));
}

/* A CIE with more letters behind "zR" if wanted; what follows uses it. */
static inline void fake_cie(struct fake_elf *f, const char *letters)
{
	static const uint8_t insns[] = {0x0c, 7, 8, 0x90, 1, 0, 0};
	uint32_t begin = f->at;
	uint8_t fields[] = {1, 0x78, 16}; /* alignment 1 and -8, return address column */
	uint8_t enc[] = {1, 0x1b};        /* augmentation: one byte, pc-relative 4 bytes */
	uint32_t len;

	f->cie = begin;
	fake_u32(f, 0);
	fake_u32(f, f->kind == FAKE_DEBUG ? UINT32_MAX : 0);
	fake_put(f, "\1", 1);
	if (f->kind != FAKE_DEBUG) {
		fake_put(f, "zR", 2);
		fake_put(f, letters, strlen(letters));
	}
	fake_put(f, "", 1);
	fake_put(f, fields, sizeof(fields));
	if (f->kind != FAKE_DEBUG)
		fake_put(f, enc, sizeof(enc));
	fake_put(f, insns, sizeof(insns));
	while (f->at % 8 != 4)
		fake_put(f, "", 1);
	len = f->at - begin - 4;
	memcpy(f->image + begin, &len, 4);
}

static inline void fake_init(struct fake_elf *f, enum fake_kind kind)
{
	memset(f, 0, sizeof(*f));
	f->kind = kind;
	f->at = FAKE_FRAME;
	fake_cie(f, "");
}

/* A function of @size bytes at @start, with the CFA program @insns. */
static inline void fake_fde(struct fake_elf *f, uint32_t start, uint32_t size, const void *insns, size_t n)
{
	uint32_t begin = f->at, len;
	uint64_t wide[2] = {start, size};

	f->table[f->n].start = (int32_t)(start - FAKE_HDR);
	f->table[f->n++].fde = (int32_t)(begin - FAKE_HDR);
	fake_u32(f, 0);
	if (f->kind == FAKE_DEBUG) {
		fake_u32(f, f->cie - FAKE_FRAME);
		fake_put(f, wide, sizeof(wide));
	} else {
		fake_u32(f, f->at - f->cie);
		fake_u32(f, start - f->at);
		fake_u32(f, size);
		fake_put(f, "", 1);
	}
	fake_put(f, insns, n);
	while (f->at % 8 != 4)
		fake_put(f, "", 1);
	len = f->at - begin - 4;
	memcpy(f->image + begin, &len, 4);
}

static inline void fake_table(struct fake_elf *f)
{
	uint8_t head[] = {1, 0x1b, 0x03, 0x3b};
	uint32_t frame = FAKE_FRAME - FAKE_HDR - 4;

	memcpy(f->image + FAKE_HDR, head, 4);
	memcpy(f->image + FAKE_HDR + 4, &frame, 4);
	memcpy(f->image + FAKE_HDR + 8, &f->n, 4);
	memcpy(f->image + FAKE_HDR + 12, f->table, f->n * sizeof(f->table[0]));
}

static inline void fake_sections(struct fake_elf *f, Elf64_Ehdr *eh)
{
	static const char names[] = "\0.eh_frame\0.debug_frame\0.shstrtab";
	Elf64_Shdr sh[3] = {
		{0},
		{.sh_name = f->kind == FAKE_DEBUG ? 11 : 1,
		 .sh_type = SHT_PROGBITS,
		 .sh_flags = f->kind == FAKE_DEBUG ? 0 : SHF_ALLOC,
		 .sh_addr = f->kind == FAKE_DEBUG ? 0 : FAKE_FRAME,
		 .sh_offset = FAKE_FRAME,
		 .sh_size = f->at - FAKE_FRAME},
		{.sh_name = 24, .sh_type = SHT_STRTAB, .sh_offset = FAKE_STRINGS, .sh_size = sizeof(names)}};

	memcpy(f->image + FAKE_STRINGS, names, sizeof(names));
	memcpy(f->image + FAKE_SHDRS, sh, sizeof(sh));
	eh->e_shoff = FAKE_SHDRS;
	eh->e_shentsize = sizeof(sh[0]);
	eh->e_shnum = 3;
	eh->e_shstrndx = 2;
}

/* Write the headers: the image is then ready. @entry: e_entry of an executable. */
static inline void fake_finish(struct fake_elf *f, uint64_t entry)
{
	Elf64_Ehdr eh = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
			 .e_type = ET_EXEC,
			 .e_machine = EM_X86_64,
			 .e_version = EV_CURRENT,
			 .e_entry = entry,
			 .e_phoff = sizeof(eh),
			 .e_phentsize = sizeof(Elf64_Phdr),
			 .e_phnum = f->kind == FAKE_TABLE ? 2 : 1};
	Elf64_Phdr ph[2] = {
		{.p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_filesz = FAKE_SIZE, .p_memsz = FAKE_SIZE},
		{.p_type = PT_GNU_EH_FRAME,
		 .p_offset = FAKE_HDR,
		 .p_vaddr = FAKE_HDR,
		 .p_filesz = 12 + f->n * 8}};

	if (f->kind == FAKE_TABLE)
		fake_table(f);
	else
		fake_sections(f, &eh);
	memcpy(f->image, &eh, sizeof(eh));
	memcpy(f->image + sizeof(eh), ph, sizeof(ph));
}

#endif

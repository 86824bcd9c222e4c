/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_cfi.c - hostile ELF headers, CFI and stacks.
 *
 * The input is a stack copy of up to 256 bytes behind 3 bytes that choose
 * registers, then the image: as given, or (odd first byte) as the contents of
 * .eh_frame in a well-formed file, so that the CFA programs are reached at once.
 */
#include "collect/regs.h"
#include "tests/fuzz/unwind_fuzz.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#define BASE      0x400000u
#define STACK     0x70000000u
#define STACK_LEN 256
#define FRAME_OFF 0x400u
#define IMAGE_MAX 65536
#define CODE_LEN  0x100000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A file whose .eh_frame, without a search table, is @data. */
static size_t wrap(uint8_t *image, const uint8_t *data, size_t size)
{
	static const char names[] = "\0.eh_frame";
	Elf64_Ehdr eh = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
			 .e_type = ET_EXEC,
			 .e_machine = EM_X86_64,
			 .e_version = EV_CURRENT,
			 .e_phoff = sizeof(eh),
			 .e_phentsize = sizeof(Elf64_Phdr),
			 .e_phnum = 1,
			 .e_shoff = 0x100,
			 .e_shentsize = sizeof(Elf64_Shdr),
			 .e_shnum = 3,
			 .e_shstrndx = 2};
	Elf64_Phdr ph = {.p_type = PT_LOAD, .p_flags = PF_R | PF_X};
	Elf64_Shdr sh[3] = {{0},
			    {.sh_name = 1,
			     .sh_type = SHT_PROGBITS,
			     .sh_flags = SHF_ALLOC,
			     .sh_addr = FRAME_OFF,
			     .sh_offset = FRAME_OFF,
			     .sh_size = size},
			    {.sh_type = SHT_STRTAB, .sh_offset = 0x300, .sh_size = sizeof(names)}};

	ph.p_filesz = ph.p_memsz = CODE_LEN; /* more than there is: only addresses in it matter */
	memset(image, 0, FRAME_OFF);
	memcpy(image, &eh, sizeof(eh));
	memcpy(image + sizeof(eh), &ph, sizeof(ph));
	memcpy(image + 0x100, sh, sizeof(sh));
	memcpy(image + 0x300, names, sizeof(names));
	if (size)
		memcpy(image + FRAME_OFF, data, size);
	return FRAME_OFF + size;
}

static void walk(struct unwinder *u, struct module *m, const uint8_t *head, const uint8_t *stack,
		 size_t stack_len)
{
	struct mapping map = {BASE, BASE + CODE_LEN, 0, m, 0};
	struct unwind_frame frames[64];
	uint64_t regs[REGS_MAX];
	struct unwind_sample s = {.regs = regs, .stack = stack, .stack_size = stack_len};
	struct maps *maps = maps_new();
	struct unwind_result got;
	unsigned i;

	if (!maps)
		return;
	for (i = 0; i < REGS_MAX; i++)
		regs[i] = STACK + 8 * ((head[1] + i) % 40u);
	regs[regs_arch.sp] = STACK;
	regs[regs_arch.pc] = BASE + head[1] * 64u + head[2];
	if (!maps_insert(&maps, &map)) {
		for (i = 0; i < 2; i++) {
			unwind_walk(u, maps, &s, frames, 64, &got);
			if (got.n > 64 || got.end >= UNWIND_END_COUNT || got.stack_used > stack_len)
				abort();
		}
	}
	maps_unref(maps);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t stack_len = size < 3 ? 0 : size - 3 < STACK_LEN ? size - 3 : STACK_LEN, image_len;
	struct module *m;
	uint8_t *image;

	if (size < 3 || size > IMAGE_MAX || shared_init())
		return 0;
	image_len = size - 3 - stack_len;
	/* Its exact size, so that a sanitizer sees one byte too far. */
	image = malloc((data[0] & 1 ? FRAME_OFF : 0) + image_len + !image_len);
	if (!image)
		return 0;
	if (data[0] & 1)
		image_len = wrap(image, data + 3 + stack_len, image_len);
	else if (image_len)
		memcpy(image, data + 3 + stack_len, image_len);
	m = modules_add_image(shared.ms, "[fuzz]", image, image_len);
	if (m)
		walk(shared.u, m, data, data + 3, stack_len);
	free(image);
	return 0;
}

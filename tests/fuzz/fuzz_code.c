/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_code.c - hostile machine code, and hostile function tables of Go.
 *
 * After a byte that says where to look the input is both: the code of a program,
 * and its .gopclntab.
 */
#include "collect/code.h"
#include "collect/gotab.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#define DATA_OFF 0x400u
#define DATA_MAX 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void wrap(uint8_t *image, const uint8_t *data, size_t size)
{
	static const char names[] = "\0.gopclntab\0.text";
	Elf64_Ehdr eh = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
			 .e_type = ET_EXEC,
			 .e_machine = EM_X86_64,
			 .e_version = EV_CURRENT,
			 .e_entry = DATA_OFF,
			 .e_phoff = sizeof(eh),
			 .e_phentsize = sizeof(Elf64_Phdr),
			 .e_phnum = 1,
			 .e_shoff = 0x100,
			 .e_shentsize = sizeof(Elf64_Shdr),
			 .e_shnum = 4,
			 .e_shstrndx = 3};
	Elf64_Phdr ph = {.p_type = PT_LOAD, .p_flags = PF_R | PF_X};
	Elf64_Shdr sh[4] = {
		{0}, {0}, {0}, {.sh_type = SHT_STRTAB, .sh_offset = 0x300, .sh_size = sizeof(names)}};

	sh[1] = (Elf64_Shdr){.sh_name = 1,
			     .sh_type = SHT_PROGBITS,
			     .sh_flags = SHF_ALLOC,
			     .sh_addr = DATA_OFF,
			     .sh_offset = DATA_OFF,
			     .sh_size = size};
	sh[2] = sh[1];
	sh[2].sh_name = 12;
	ph.p_filesz = ph.p_memsz = DATA_OFF + size;
	memset(image, 0, DATA_OFF);
	memcpy(image, &eh, sizeof(eh));
	memcpy(image + sizeof(eh), &ph, sizeof(ph));
	memcpy(image + 0x100, sh, sizeof(sh));
	memcpy(image + 0x300, names, sizeof(names));
	memcpy(image + DATA_OFF, data, size);
}

static void look(struct modules *ms, struct module *m, uint64_t at)
{
	struct cfi_row row;
	uint64_t target;

	if (code_row_at(ms, m, at, true, &row) == CODE_ROW && row.cfa_reg >= regs_arch.n)
		abort();
	(void)code_row_at(ms, m, at, false, &row);
	(void)code_follows_call(ms, m, at, &target);
	(void)code_signal_row(ms, m, at, &row);
	if (gotab_row_at(ms, m, at, &row) == GOTAB_ROW && row.cfa_off < 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct modules *ms = NULL;
	struct profile p;
	struct module *m;
	uint8_t *image;
	unsigned i;

	if (size < 2 || size > DATA_MAX || profile_init(&p))
		return 0;
	image = malloc(DATA_OFF + size - 1);
	if (image && !modules_new(&ms, &p, 16)) {
		wrap(image, data + 1, size - 1);
		m = modules_add_image(ms, "[fuzz]", image, DATA_OFF + size - 1);
		for (i = 0; m && m->info->reason == MODULE_OK && i < 3; i++)
			look(ms, m, DATA_OFF + (uint64_t)data[0] * i);
	}
	modules_free(ms);
	profile_release(&p);
	free(image);
	return 0;
}

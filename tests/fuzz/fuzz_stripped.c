/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_stripped.c - ELF files with malformed unwind tables, PLTs and Go tables.
 * A first byte of 1: instead, the rest is what an xz-packed .gnu_debugdata holds.
 */
#include "symbolize/minidebug.h"
#include "tests/fuzz/source_fuzz.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void unpack(const uint8_t *data, size_t size)
{
	static char names[] = "\0.gnu_debugdata";
	Elf64_Shdr sh[2] = {{0}, {.sh_name = 1, .sh_type = SHT_PROGBITS, .sh_size = size}};
	struct elfsec e = {.src = {.fd = -1, .image = data, .size = size},
			   .sh = sh,
			   .n_sh = 2,
			   .names = names,
			   .names_len = sizeof(names)};
	uint8_t *image;
	size_t len;

	if (!minidebug_load(&e, &image, &len))
		free(image);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct source *const sources[] = {&source_go, &source_plt, &source_fde};
	struct profile_module mod = {.kind = MODULE_FILE, .fd = -1, .file_size = size};
	struct source_module m = {
		.mod = &mod, .path = "/nowhere/fuzz", .debug_fd = -1, .alt_fd = -1, .aux_fd = {-1, -1}};
	struct elf_source src = {.fd = -1, .image = data, .size = size};
	struct elf_file f;
	size_t i;

	if (size && data[0] == 1) {
		unpack(data + 1, size - 1);
		return 0;
	}
	if (elf_file_parse(&src, &f))
		return 0;
	mod.n_segments = f.n_segments;
	memcpy(mod.segments, f.segments, sizeof(mod.segments));
	mod.fd = fuzz_file(data, size);
	if (mod.fd < 0)
		return 0;
	for (i = 0; i < sizeof(sources) / sizeof(sources[0]); i++)
		fuzz_source(sources[i], &m, 0x1000);
	close(mod.fd);
	return 0;
}

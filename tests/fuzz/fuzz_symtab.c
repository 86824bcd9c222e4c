/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_symtab.c - ELF files with impossible sections, symbols and links to debug files. */
#include "symbolize/debugfile.h"
#include "tests/fuzz/source_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct profile_module mod = {.kind = MODULE_FILE, .fd = fuzz_file(data, size)};
	struct source_module m = {
		.mod = &mod, .path = "/nowhere/fuzz", .debug_fd = -1, .alt_fd = -1, .aux_fd = {-1, -1}};

	struct debugfile found;

	if (mod.fd < 0)
		return 0;
	debugfile_find(&mod, m.path, NULL, &found);
	m.debug_fd = found.debug_fd;
	m.alt_fd = found.alt_fd;
	fuzz_source(&source_elf, &m, 0x1000);
	if (m.debug_fd >= 0)
		close(m.debug_fd);
	if (m.alt_fd >= 0)
		close(m.alt_fd);
	if (found.dwp_fd >= 0)
		close(found.dwp_fd);
	close(mod.fd);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_kallsyms.c - /proc/kallsyms and /proc/modules that no kernel writes; a 0x01 byte ends the first. */
#include "tests/fuzz/source_fuzz.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct profile_module mod = {.kind = MODULE_KERNEL, .fd = -1};
	struct source_module m = {.mod = &mod, .path = "[kernel.kallsyms]", .debug_fd = -1, .alt_fd = -1};
	const uint8_t *end = size ? memchr(data, 1, size) : NULL;
	size_t first = end ? (size_t)(end - data) : size;

	m.aux_fd[0] = fuzz_file(data, first);
	m.aux_fd[1] = end ? fuzz_file(end + 1, size - first - 1) : -1;
	fuzz_source(&source_kernel, &m, 0xffffffff81000000);
	if (m.aux_fd[0] >= 0)
		close(m.aux_fd[0]);
	if (m.aux_fd[1] >= 0)
		close(m.aux_fd[1]);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_perfmap.c - perf maps that no runtime writes: numbers, ranges, names, half lines. */
#include "tests/fuzz/source_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct profile_module mod = {.kind = MODULE_ANON, .fd = -1};
	struct source_module m = {.mod = &mod, .path = "[anon]", .debug_fd = -1, .alt_fd = -1};

	m.aux_fd[SOURCE_FD_PERFMAP] = fuzz_file(data, size);
	m.aux_fd[SOURCE_FD_JITDUMP] = -1;
	if (m.aux_fd[SOURCE_FD_PERFMAP] < 0)
		return 0;
	fuzz_source(&source_perfmap, &m, 0x1000);
	close(m.aux_fd[SOURCE_FD_PERFMAP]);
	return 0;
}

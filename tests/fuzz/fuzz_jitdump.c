/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_jitdump.c - jitdumps with impossible records: both their readers, the collector's and the
 * symbolizer's. */
#include "collect/jit.h"
#include "tests/fuzz/source_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct profile_module mod = {.kind = MODULE_ANON, .fd = -1};
	struct source_module m = {.mod = &mod, .path = "[anon]", .debug_fd = -1, .alt_fd = -1};
	struct jit_code code = {0};
	int fd = fuzz_file(data, size);
	uint32_t i;

	if (fd < 0)
		return 0;
	m.aux_fd[SOURCE_FD_PERFMAP] = -1;
	m.aux_fd[SOURCE_FD_JITDUMP] = fd;
	fuzz_source(&source_jitdump, &m, 0x1000);
	while (!jit_code_read(&code, fd))
		;
	for (i = 0; i + 1 < code.n; i++)
		if (code.ranges[i].start >= code.ranges[i].end ||
		    code.ranges[i].end > code.ranges[i + 1].start)
			abort();
	jit_code_generation(&code, 0x1000, 1000);
	jit_code_release(&code);
	close(fd);
	return 0;
}

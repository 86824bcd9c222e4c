/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_die.c - units, abbreviations, ranges, strings and line tables with impossible contents.
 *
 * The input: for each section two bytes of length, then the sections one after
 * the other in the order of enum dwarf_section; the last one takes what is left.
 */
#include "symbolize/dwarf_resolve.h"
#include "tests/fuzz/source_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int resolve(struct source_module *m, struct names *names, bool inlines)
{
	return dwarf_reader_resolve(m, (struct dwarf_reader *)m->path, names, inlines);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct source source = {.resolve = resolve};
	struct dwarf_span spans[DWARF_SECTIONS];
	struct profile_module mod = {.kind = MODULE_FILE, .fd = -1};
	struct source_module m = {.mod = &mod, .debug_fd = -1, .alt_fd = -1, .aux_fd = {-1, -1}};
	struct dwarf_reader f;
	uint8_t *copies[DWARF_SECTIONS];
	size_t at = 2 * DWARF_SECTIONS, len;
	int i;

	if (size < at)
		return 0;
	for (i = 0; i < DWARF_SECTIONS; i++) {
		len = (size_t)(data[2 * i] | data[2 * i + 1] << 8);
		if (len > size - at || i == DWARF_SECTIONS - 1)
			len = size - at;
		/* Each in an allocation of its own, so that a read past its end is seen. */
		copies[i] = malloc(len ? len : 1);
		if (!copies[i])
			abort();
		memcpy(copies[i], data + at, len);
		spans[i] = (struct dwarf_span){copies[i], len};
		at += len;
	}
	dwarf_reader_over(&f, spans);
	f.alt = &f;
	m.path = (const char *)&f;
	fuzz_source(&source, &m, 0x1000);
	dwarf_reader_close(&f);
	for (i = 0; i < DWARF_SECTIONS; i++)
		free(copies[i]);
	return 0;
}

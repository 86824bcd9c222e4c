/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_split.c - split units: the index of packages, and the ELF image made of a .dwo file's sections.
 *
 * The first byte chooses: an index; or a .dwo file for the skeleton of a real
 * program (a seed's other half), whose bytes may be anything. What libdw reads
 * is only ever the image that is made here.
 */
#include "symbolize/dwp.h"
#include "symbolize/split.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_index(const uint8_t *data, size_t size)
{
	struct dwp_span at[DWP_PARTS];
	uint64_t id = 0;

	if (size > sizeof(id)) {
		memcpy(&id, data, sizeof(id));
		dwp_find(data + sizeof(id), size - sizeof(id), id, at);
	}
}

/* @skeleton_size bytes are the program, the rest is the .dwo file or package. */
static void fuzz_view(const uint8_t *data, size_t size, bool package)
{
	uint32_t skeleton_size;
	struct split_view view;
	char *copy;
	Elf *main_elf, *dwo;
	Dwarf_CU *cu = NULL;
	Dwarf_Die die, child;
	Dwarf *dbg;
	uint8_t type;

	if (size < sizeof(skeleton_size))
		return;
	memcpy(&skeleton_size, data, sizeof(skeleton_size));
	data += sizeof(skeleton_size);
	size -= sizeof(skeleton_size);
	copy = skeleton_size < size ? malloc(size) : NULL;
	if (!copy)
		return;
	memcpy(copy, data, size);
	main_elf = elf_memory(copy, skeleton_size);
	dwo = elf_memory(copy + skeleton_size, size - skeleton_size);
	dbg = main_elf ? dwarf_begin_elf(main_elf, DWARF_C_READ, NULL) : NULL;
	while (dbg && !dwarf_get_units(dbg, cu, &cu, NULL, &type, &die, NULL)) {
		if (type != DW_UT_skeleton || split_view_open(&view, &die, dwo, package))
			continue;
		(void)dwarf_child(&view.cu, &child);
		split_view_close(&view);
	}
	if (dbg)
		dwarf_end(dbg);
	elf_end(main_elf);
	elf_end(dwo);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	elf_version(EV_CURRENT);
	if (!size)
		return 0;
	if (data[0] % 3 == 0)
		fuzz_index(data + 1, size - 1);
	else
		fuzz_view(data + 1, size - 1, data[0] % 3 == 2);
	return 0;
}

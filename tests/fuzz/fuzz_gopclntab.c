/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_gopclntab.c - tables of Go functions that no linker writes. */
#include "symbolize/gopclntab.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_up(struct gopclntab *t, uint64_t vaddr)
{
	uint8_t bytes[GOPCLN_CALL_MAX] = {0};
	struct gopcln_function f;
	struct gopcln_call call;
	const char *file;
	uint32_t line;
	size_t n;

	if (!gopclntab_find(t, vaddr, &f))
		return;
	if (vaddr < f.entry || vaddr >= f.end)
		abort();
	gopclntab_line(t, &f, vaddr, &file, &line);
	gopclntab_inline(t, &f, vaddr);
	n = gopclntab_call_size(t);
	memcpy(bytes, t->data, n < t->len ? n : t->len);
	if (gopclntab_call(t, &f, bytes, &call) && !strlen(call.name))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gopclntab t;
	uint8_t *copy = malloc(size + 1);
	uint64_t a;

	if (!copy)
		return 0;
	memcpy(copy, data, size);
	copy[size] = '\0';
	if (!gopclntab_open(&t, copy, size))
		for (a = 0; a < 32; a++)
			look_up(&t, t.text + (a * a * a << 4));
	free(copy);
	return 0;
}

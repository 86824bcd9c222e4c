/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_pprof.c - any bytes as a profile: read, and if it can be, added up and printed. */
#include "export/functions.h"
#include "export/pprof.h"

#include <stdlib.h>

#define MAX_TYPES 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void show(const struct pprof *p, uint32_t type)
{
	struct functions *f = NULL;
	struct buf out;

	if (functions_new(&f, p, type, (enum functions_sort)(type % 3), FUNCTIONS_FOLDED))
		abort(); /* what was read can be used */
	buf_init(&out, 64u << 20);
	functions_print(f, p, 20, type % 2 ? 100 : 0, &out);
	buf_release(&out);
	functions_free(f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pprof *p = NULL;
	char why[128] = "";
	uint32_t type;

	if (pprof_read(data, size, &p, why, sizeof(why))) {
		if (p || !*why)
			abort(); /* a refusal says why, and leaves nothing */
		return 0;
	}
	for (type = 0; type < p->n_types && type < MAX_TYPES; type++)
		show(p, type);
	pprof_free(p);
	return 0;
}

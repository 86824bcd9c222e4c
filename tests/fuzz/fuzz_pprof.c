/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_pprof.c - any bytes as a profile: read, and if it can be, added up and printed.
 *
 * Of the stored inputs, counters.pb.gz is the profile that make check-pmu leaves as hw.pb.gz.
 */
#include "export/functions.h"
#include "export/pprof.h"
#include "export/ratios.h"
#include "export/totals.h"

#include <stdlib.h>

#define MAX_TYPES 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void show(const struct pprof *p, uint32_t type)
{
	struct functions_spec spec = {.type = type, .sort = type % 3, .lines = type % 2};
	unsigned columns = type % 2 ? 100 : 0;
	struct functions *f = NULL;
	struct totals totals;
	struct ratios ratios;
	struct buf out;

	if (totals_read(&totals, p))
		abort();
	ratios_find(&ratios, p, &totals);
	spec.also = ratios.types;
	spec.n_also = ratios.n_sides;
	if (functions_new(&f, p, &spec))
		abort(); /* what was read can be used */
	buf_init(&out, 64u << 20);
	functions_print(f, p, 20, columns, &out);
	ratios_print(&ratios, f, 20, columns, &out);
	totals_print(&totals, columns, &out);
	buf_release(&out);
	functions_free(f);
	totals_release(&totals);
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

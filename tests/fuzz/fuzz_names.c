/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_names.c - the reader of the symbolizer's pipe, with bytes no symbolizer sends. */
#include "symbolize/names.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define LOCATIONS 256

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever came in, the table has to be sound: what it holds can be encoded, and decoded again. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t ids[LOCATIONS], i;
	struct names n, again;
	struct buf out;

	if (names_init(&n))
		return 0;
	if (names_init(&again)) {
		names_release(&n);
		return 0;
	}
	names_decode(&n, LOCATIONS, data, size);
	for (i = 0; i < LOCATIONS; i++)
		ids[i] = i;
	buf_init(&out, 64u << 20);
	if (!names_encode(&n, ids, LOCATIONS, &out) && names_decode(&again, LOCATIONS, out.data, out.len))
		abort();
	for (i = 0; i < n.n_locations; i++)
		if (n.locations[i].status != again.locations[i].status ||
		    n.locations[i].n != again.locations[i].n)
			abort();
	buf_release(&out);
	names_release(&again);
	names_release(&n);
	return 0;
}

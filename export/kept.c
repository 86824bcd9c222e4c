/* SPDX-License-Identifier: Apache-2.0 */
/* kept.c - see kept.h. */
#include "export/kept.h"

#include <stdlib.h>
#include <string.h>

void kept_remove(struct kept *k, uint32_t n)
{
	uint32_t i;

	if (n > k->n)
		n = k->n;
	for (i = 0; i < n; i++) {
		k->bytes -= k->windows[i].len;
		free(k->windows[i].data);
	}
	k->n -= n;
	memmove(k->windows, k->windows + n, k->n * sizeof(*k->windows));
}

void kept_add(struct kept *k, uint64_t seq, const uint8_t *data, size_t len)
{
	uint8_t *copy = len && len <= KEPT_MAX_BYTES ? malloc(len) : NULL;

	if (!copy) {
		k->dropped++;
		return;
	}
	memcpy(copy, data, len);
	while (k->n && (k->n == KEPT_MAX || k->bytes + len > KEPT_MAX_BYTES)) {
		kept_remove(k, 1);
		k->dropped++;
	}
	k->windows[k->n++] = (struct kept_window){.seq = seq, .data = copy, .len = len};
	k->bytes += len;
}

uint32_t kept_write(const struct kept *k, struct sink *s)
{
	char why[256];
	uint32_t i;

	for (i = 0; i < k->n; i++)
		if (sink_write(s, k->windows[i].seq, k->windows[i].data, k->windows[i].len, why, sizeof(why)))
			break;
	return i;
}

void kept_release(struct kept *k)
{
	kept_remove(k, k->n);
}

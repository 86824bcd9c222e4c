/* SPDX-License-Identifier: Apache-2.0 */
/* nearest.c - optimal string alignment distance, three rows of it at a time. */
#include "base/nearest.h"

#include <stdint.h>
#include <string.h>

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t m = a < b ? a : b;

	return m < c ? m : c;
}

size_t nearest_distance(const char *a, size_t a_len, const char *b)
{
	size_t row[3][NEAREST_WORD_MAX + 1], b_len = strlen(b);
	size_t *before = row[0], *last = row[1], *now = row[2], *swap;

	if (a_len > NEAREST_WORD_MAX || b_len > NEAREST_WORD_MAX)
		return SIZE_MAX;
	for (size_t j = 0; j <= b_len; j++)
		last[j] = before[j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		now[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			size_t differs = a[i - 1] != b[j - 1];

			now[j] = min3(last[j] + 1, now[j - 1] + 1, last[j - 1] + differs);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				now[j] = min3(now[j], before[j - 2] + 1, SIZE_MAX);
		}
		swap = before;
		before = last;
		last = now;
		now = swap;
	}
	return last[b_len];
}

int nearest_plausible(size_t distance, size_t len)
{
	return distance <= (len < 4 ? 1 : len / 3);
}

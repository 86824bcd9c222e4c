/* SPDX-License-Identifier: Apache-2.0 */
/* dwp.c - see dwp.h. */
#include "symbolize/dwp.h"

#include <errno.h>
#include <string.h>

#define HEADER      16
#define MAX_COLUMNS 16

/* Section numbers of columns (DW_SECT_*). */
enum { SECT_INFO = 1, SECT_ABBREV = 3, SECT_STR_OFFSETS = 6, SECT_RNGLISTS_V5 = 8 };

struct table {
	const uint8_t *hashes, *rows, *columns, *offsets, *sizes;
	uint32_t version, n_columns, n_units, n_slots;
};

static uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint64_t get64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* Version 5 has a 2-byte number and 2 bytes of padding, version 2 a 4-byte number. */
static int open_table(struct table *t, const uint8_t *p, size_t len)
{
	uint64_t slots, cells;

	if (len < HEADER)
		return -EBADMSG;
	t->version = get32(p) & 0xffff;
	t->n_columns = get32(p + 4);
	t->n_units = get32(p + 8);
	t->n_slots = get32(p + 12);
	if ((t->version != 2 && t->version != 5) || t->n_columns > MAX_COLUMNS || !t->n_slots ||
	    (t->n_slots & (t->n_slots - 1)))
		return -EBADMSG;
	/* no overflow: 32-bit numbers, at most 16 columns */
	slots = (uint64_t)t->n_slots * (sizeof(uint64_t) + sizeof(uint32_t));
	cells = (uint64_t)t->n_units * t->n_columns * sizeof(uint32_t);
	if (HEADER + slots + t->n_columns * sizeof(uint32_t) + 2 * cells > len)
		return -EBADMSG;
	t->hashes = p + HEADER;
	t->rows = t->hashes + (size_t)t->n_slots * sizeof(uint64_t);
	t->columns = t->rows + (size_t)t->n_slots * sizeof(uint32_t);
	t->offsets = t->columns + (size_t)t->n_columns * sizeof(uint32_t);
	t->sizes = t->offsets + (size_t)cells;
	return 0;
}

/* Row from 1, or 0. The step is odd and the table a power of two, so every slot comes once. */
static uint32_t find_row(const struct table *t, uint64_t id)
{
	uint32_t mask = t->n_slots - 1, at = (uint32_t)id & mask, step = ((uint32_t)(id >> 32) & mask) | 1;
	uint32_t i, row;

	for (i = 0; i < t->n_slots; i++) {
		row = get32(t->rows + (size_t)at * sizeof(uint32_t));
		if (!row)
			return 0;
		if (get64(t->hashes + (size_t)at * sizeof(uint64_t)) == id)
			return row <= t->n_units ? row : 0;
		at = (at + step) & mask;
	}
	return 0;
}

static int part_of(const struct table *t, uint32_t column)
{
	switch (get32(t->columns + (size_t)column * sizeof(uint32_t))) {
	case SECT_INFO:
		return DWP_INFO;
	case SECT_ABBREV:
		return DWP_ABBREV;
	case SECT_STR_OFFSETS:
		return DWP_STR_OFFSETS;
	case SECT_RNGLISTS_V5: /* in version 2: macros */
		return t->version == 5 ? DWP_RNGLISTS : -1;
	default:
		return -1;
	}
}

int dwp_find(const uint8_t *index, size_t len, uint64_t id, struct dwp_span parts[DWP_PARTS])
{
	struct table t;
	uint32_t row, i;
	size_t cell;
	int err, part;

	err = open_table(&t, index, len);
	if (err)
		return err;
	row = find_row(&t, id);
	if (!row)
		return -ENOENT;
	memset(parts, 0, DWP_PARTS * sizeof(*parts));
	for (i = 0; i < t.n_columns; i++) {
		part = part_of(&t, i);
		cell = ((size_t)(row - 1) * t.n_columns + i) * sizeof(uint32_t);
		if (part >= 0)
			parts[part] = (struct dwp_span){get32(t.offsets + cell), get32(t.sizes + cell)};
	}
	return parts[DWP_INFO].size && parts[DWP_ABBREV].size ? 0 : -EBADMSG;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* order.c - a binary heap of the rings' front records. */
#include "collect/order.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct order {
	struct order_source *sources;
	uint32_t n;
	struct order_source **heap; /* [heap_n], smallest time first */
	uint32_t heap_n;
	uint64_t until;
	size_t expect;                /* bytes to ask for ahead */
	struct order_source *pending; /* handed out, to be consumed at the next call */
	uint8_t scratch[RING_RECORD_MAX] __attribute__((aligned(8)));
};

int order_new(struct order **out, struct order_source *sources, uint32_t n)
{
	struct order *o = calloc(1, sizeof(*o));

	if (!o)
		return -ENOMEM;
	o->heap = calloc(n ? n : 1, sizeof(struct order_source *));
	if (!o->heap) {
		free(o);
		return -ENOMEM;
	}
	o->sources = sources;
	o->n = n;
	*out = o;
	return 0;
}

void order_free(struct order *o)
{
	if (!o)
		return;
	free(o->heap);
	free(o);
}

static void sift_down(struct order *o, uint32_t i)
{
	for (;;) {
		uint32_t l = 2 * i + 1, least = i;
		struct order_source *t;

		if (l < o->heap_n && o->heap[l]->next_time < o->heap[least]->next_time)
			least = l;
		if (l + 1 < o->heap_n && o->heap[l + 1]->next_time < o->heap[least]->next_time)
			least = l + 1;
		if (least == i)
			return;
		t = o->heap[i];
		o->heap[i] = o->heap[least];
		o->heap[least] = t;
		i = least;
	}
}

/* Find the time of @s's front record. False: none is left, or not old enough. */
static bool look(struct order *o, struct order_source *s)
{
	struct perf_event_header hdr;
	uint64_t time = 0;
	size_t off;
	int got;

	while ((got = ring_peek(s->ring, &hdr))) {
		if (got < 0) {
			s->malformed++;
			continue;
		}
		off = record_time_offset(hdr.type, hdr.size, s->layout);
		if (off && ring_copy(s->ring, off, &time, sizeof(time)))
			break;
		s->malformed++;
		ring_consume(s->ring);
	}
	s->next_time = time;
	return got > 0 && time < o->until;
}

void order_begin(struct order *o, uint64_t until)
{
	uint32_t i;

	o->until = until;
	o->heap_n = 0;
	o->pending = NULL;
	for (i = 0; i < o->n; i++)
		if (!o->sources[i].side_band)
			ring_mark(o->sources[i].ring);
	for (i = 0; i < o->n; i++)
		if (o->sources[i].side_band)
			ring_mark(o->sources[i].ring);
	for (i = 0; i < o->n; i++)
		if (look(o, &o->sources[i]))
			o->heap[o->heap_n++] = &o->sources[i];
	for (i = o->heap_n / 2; i-- > 0;)
		sift_down(o, i);
}

/* Consume what was handed out last and put its ring where its next record belongs. */
static void advance(struct order *o)
{
	struct order_source *s = o->heap[0];

	ring_consume(s->ring);
	if (!look(o, s))
		o->heap[0] = o->heap[--o->heap_n];
	sift_down(o, 0);
}

void order_expect(struct order *o, size_t size)
{
	o->expect = size;
}

int order_next(struct order *o, struct record *rec, struct order_source **from)
{
	if (o->pending)
		advance(o);
	o->pending = NULL;
	while (o->heap_n) {
		struct order_source *s = o->heap[0];

		if (!record_decode(ring_record(s->ring, o->scratch), s->layout, rec)) {
			o->pending = s;
			ring_prefetch_next(s->ring, o->expect);
			*from = s;
			return 1;
		}
		s->malformed++;
		advance(o);
	}
	return 0;
}

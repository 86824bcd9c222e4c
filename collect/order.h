/* SPDX-License-Identifier: Apache-2.0 */
/*
 * order.h - the records of all rings, by time.
 *
 * Side-band records (mmap, comm, fork, exit) have rings of their own, so a
 * sample may only be looked at once every side-band record older than it is
 * known. A round therefore marks the sample rings first and the side-band
 * rings after them, and hands out, merged, what is older than a short grace
 * period: a record is stamped a little before it is published.
 */
#ifndef COLLECT_ORDER_H
#define COLLECT_ORDER_H

#include "collect/record.h"
#include "collect/ring.h"

#include <stdbool.h>
#include <stdint.h>

#define ORDER_GRACE_NS 1000000u

struct order_source {
	struct ring *ring;                  /* borrowed */
	const struct record_layout *layout; /* borrowed */
	bool side_band;
	uint64_t malformed; /* records that could not be decoded, or positions lost */
	uint64_t next_time; /* private: of the record at the front */
};

struct order;

/* @sources[@n] are borrowed and may be changed only between rounds. 0 or -ENOMEM. */
int order_new(struct order **out, struct order_source *sources, uint32_t n);
void order_free(struct order *o);

/* Begin a round: everything older than @until (on the events' clock) will be handed out; UINT64_MAX: all. */
void order_begin(struct order *o, uint64_t until);

/* From now on, have @size bytes of the record behind each one handed out on their way: ring_prefetch_next().
 */
void order_expect(struct order *o, size_t size);

/*
 * The next record by time. 1: *@rec, valid until the next call, and *@from its
 * source. 0: the round is over.
 */
int order_next(struct order *o, struct record *rec, struct order_source **from);

#endif

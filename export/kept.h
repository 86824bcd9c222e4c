/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kept.h - windows whose own file could not be written, in memory until it can.
 *
 * Numbered files only: the one file of a whole run is written anew with all
 * that was in it. The exporter of a later window writes these first. Bounded;
 * the oldest goes when there is no more room, and is counted.
 */
#ifndef EXPORT_KEPT_H
#define EXPORT_KEPT_H

#include "export/sink.h"

#include <stddef.h>
#include <stdint.h>

#define KEPT_MAX       16
#define KEPT_MAX_BYTES (32u << 20)

struct kept {
	struct kept_window {
		uint64_t seq;
		uint8_t *data; /* the file's bytes, owned */
		size_t len;
	} windows[KEPT_MAX]; /* oldest first */
	uint32_t n;
	size_t bytes;
	uint64_t dropped, written; /* since the start */
};

/* Copies @data. Drops the oldest for want of room; @data itself when it is larger than all of it. */
void kept_add(struct kept *k, uint64_t seq, const uint8_t *data, size_t len);

/* The @n oldest need not be kept any more. */
void kept_remove(struct kept *k, uint32_t n);

/* Write them, oldest first, until one fails. Returns how many were written. */
uint32_t kept_write(const struct kept *k, struct sink *s);

void kept_release(struct kept *k);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * msgpack.h - the strings of a flat MessagePack map (specification: github.com/msgpack/msgpack).
 *
 * As much as a tracer's description of itself takes; other values are passed
 * over, whatever they hold.
 */
#ifndef EXPORT_MSGPACK_H
#define EXPORT_MSGPACK_H

#include <stddef.h>
#include <stdint.h>

/*
 * Call @fn for each pair of the outermost map whose key and value are both
 * strings (not NUL-terminated). 0; -EBADMSG when it is no map, cut off, or nested deeper than 16.
 */
int msgpack_strings(const uint8_t *data, size_t len,
		    void (*fn)(const char *key, size_t key_len, const char *value, size_t value_len,
			       void *arg),
		    void *arg);

#endif

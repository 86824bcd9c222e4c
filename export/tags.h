/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tags.h - key:value tags of a profile.
 */
#ifndef EXPORT_TAGS_H
#define EXPORT_TAGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TAGS_MAX    128
#define TAG_LEN_MAX 200

struct tags {
	struct tag {
		char *key, *value; /* owned */
	} * tags;
	uint32_t n;
};

void tags_init(struct tags *t);
void tags_release(struct tags *t);

/* Set or replace. 0; -EINVAL when "key:value" is no acceptable tag (UPLOAD rules); -E2BIG; -ENOMEM. */
int tags_set(struct tags *t, const char *key, const char *value);
const char *tags_get(const struct tags *t, const char *key); /* NULL: not set */

/* True when "key:value" is 1-200 characters, begins with a letter, and holds only letters, digits and _:./\-
 */
bool tags_valid(const char *key, const char *value);

/*
 * Parse a DD_TAGS-style list: if there is a comma split on commas, else on
 * spaces; trim; the key ends at the first ':'; the user part of a URL is taken out. Each bad one is reported
 * through @bad (may be NULL) and skipped. Returns how many were set, or -ENOMEM.
 */
int tags_parse(struct tags *t, const char *list, void (*bad)(const char *tag, void *arg), void *arg);

#endif

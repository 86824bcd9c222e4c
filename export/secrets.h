/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secrets.h - the API key and the user part of a URL: where they live, and how texts are kept free of them.
 *
 * They have pages of their own, never in a core dump, which the exporter makes
 * vanish in its children: the symbolizer, which reads untrusted files, has no key.
 */
#ifndef EXPORT_SECRETS_H
#define EXPORT_SECRETS_H

#include <stdbool.h>
#include <stddef.h>

#define SECRETS_KEY_MAX  256
#define SECRETS_USER_MAX 512

struct secrets {
	char api_key[SECRETS_KEY_MAX + 1]; /* "": none */
	char url_user[SECRETS_USER_MAX +
		      1]; /* of the Agent's URL, "USER:PASSWORD" as written in it; "": none */
};

/* NULL when there is no memory. */
struct secrets *secrets_new(void);
void secrets_free(struct secrets *s); /* wiped; NULL is fine */

/*
 * From here on, children forked by this process find only zeros in @s (NULL is
 * fine) and in this process's own copy of the environment's DD_API_KEY. Linux 4.14.
 */
void secrets_keep_from_children(struct secrets *s);

/*
 * An API key: 1 to SECRETS_KEY_MAX printable ASCII characters without a space.
 * 0, or -EINVAL: a header line must not be made of anything else.
 */
int secrets_set_key(struct secrets *s, const char *key);

/* Replace, in place, every secret and the user part of anything like a URL by "***" or what fits. */
void secrets_mask(const struct secrets *s, char *text);

/*
 * Take the user part out of @url, in place: "http://u:p@h/x" -> "http://h/x".
 * It goes to @s when that is not NULL. 0; -E2BIG when it is too long to be one
 * (it is taken out all the same).
 */
int secrets_take_user(struct secrets *s, char *url);

/* Write over @text, which others could read (/proc/PID/cmdline). */
void secrets_blot(char *text);

#endif

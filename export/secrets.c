/* SPDX-License-Identifier: Apache-2.0 */
/* secrets.c - see secrets.h. */
#include "export/secrets.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MASK "***"

struct secrets *secrets_new(void)
{
	void *p = mmap(NULL, sizeof(struct secrets), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		       0);

	if (p == MAP_FAILED)
		return NULL;
	(void)madvise(p, sizeof(struct secrets), MADV_DONTDUMP);
	return p;
}

void secrets_free(struct secrets *s)
{
	if (!s)
		return;
	explicit_bzero(s, sizeof(*s));
	munmap(s, sizeof(*s));
}

void secrets_keep_from_children(struct secrets *s)
{
	char **e;

	if (s)
		(void)madvise(s, sizeof(*s), MADV_WIPEONFORK);
	for (e = environ; e && *e; e++)
		if (!strncmp(*e, "DD_API_KEY=", 11))
			secrets_blot(*e + 11);
}

int secrets_set_key(struct secrets *s, const char *key)
{
	size_t i;

	for (i = 0; key[i]; i++)
		if (i == SECRETS_KEY_MAX || key[i] <= ' ' || key[i] >= 0x7f)
			return -EINVAL;
	if (!i)
		return -EINVAL;
	memcpy(s->api_key, key, i + 1);
	return 0;
}

/* The mask over @len bytes at @at, the rest of the text moved up. */
static void mask_at(char *at, size_t len)
{
	size_t n = len < strlen(MASK) ? len : strlen(MASK);

	memcpy(at, MASK, n);
	memmove(at + n, at + len, strlen(at + len) + 1);
}

static void mask_all(char *text, const char *secret, size_t len)
{
	char *at = text;

	while (len && (at = memmem(at, strlen(at), secret, len))) {
		mask_at(at, len);
		at += len < strlen(MASK) ? len : strlen(MASK);
	}
}

/* The user part of the URL whose "://" is at @text: its length, and *@at where it begins. 0: none. */
static size_t user_part(char *text, char **at)
{
	size_t i, user = 0;

	*at = text + strlen("://");
	for (i = 0; (*at)[i] && !strchr("/?# \t\n'\"", (*at)[i]); i++)
		if ((*at)[i] == '@')
			user = i;
	return user;
}

void secrets_mask(const struct secrets *s, char *text)
{
	const char *colon;
	char *at, *user;
	size_t len;

	if (s) {
		mask_all(text, s->api_key, strlen(s->api_key));
		mask_all(text, s->url_user, strlen(s->url_user));
		colon = strchr(s->url_user, ':');
		/* a password of a few characters would mask half of the words */
		if (colon && strlen(colon + 1) >= 4)
			mask_all(text, colon + 1, strlen(colon + 1));
	}
	for (at = strstr(text, "://"); at; at = strstr(at + 1, "://")) {
		len = user_part(at, &user);
		if (len)
			mask_at(user, len);
	}
}

int secrets_take_user(struct secrets *s, char *url)
{
	char *at = strstr(url, "://"), *user;
	size_t len = 0;
	int err = 0;

	if (s)
		s->url_user[0] = '\0';
	if (at) {
		len = user_part(at, &user);
	} else { /* "user:password@host:port" */
		user = url;
		while (user[len] && !strchr("/?#", user[len]))
			len++;
		while (len && user[len] != '@')
			len--;
	}
	if (!len && *user != '@')
		return 0;
	if (len > SECRETS_USER_MAX)
		err = -E2BIG;
	else if (s) {
		memcpy(s->url_user, user, len);
		s->url_user[len] = '\0';
	}
	memmove(user, user + len + 1, strlen(user + len + 1) + 1);
	return err;
}

void secrets_blot(char *text)
{
	memset(text, 'x', strlen(text));
}

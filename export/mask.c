/* SPDX-License-Identifier: Apache-2.0 */
/* mask.c - see mask.h. */
#include "export/mask.h"

#include "export/secrets.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define ARG_MAX_SHOWN 1024
#define TOKEN_MIN     24

static bool speaks_of_secret(const char *name, size_t len)
{
	static const char *const words[] = {
		"key",     "token",     "secret", "password", "passwd",  "passphrase", "pwd", "auth",  "cred",
		"private", "signature", "pass",   "cookie",   "session", "salt",       "dsn", "bearer"};
	/* long words that hold one of them by chance */
	static const char *const not [] = {"keyboard", "author", "keyspace", "monkey", "passive",
					   "compass",  "bypass", "keep",     "passes"};
	char text[128];
	size_t i;

	if (len >= sizeof(text))
		len = sizeof(text) - 1;
	memcpy(text, name, len);
	text[len] = '\0';
	for (i = 0; i < sizeof(not ) / sizeof(*not ); i++)
		if (strcasestr(text, not [i]) && strncasecmp(text, "authoriz", 8))
			return false;
	for (i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strcasestr(text, words[i]))
			return true;
	return false;
}

/* Letters and digits, mixed, and nothing else but what keys have between: base64, hex, JWT. */
static bool looks_like_token(const char *s)
{
	size_t n = 0, digits = 0, letters = 0, other = 0;

	for (; *s; s++, n++) {
		if (*s >= '0' && *s <= '9')
			digits++;
		else if ((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z'))
			letters++;
		else if (strchr("+=_-./", *s))
			other++;
		else
			return false;
	}
	/* names of files have more marks and fewer digits */
	return n >= TOKEN_MIN && digits >= 3 && letters >= 4 && other <= n / 12;
}

/*
 * Where the value in "--name=value", "NAME=value" or "Name: value" begins, and
 * *@name_len; 0 when the argument has no such form. A URL's "://" is none.
 */
static size_t value_at(const char *arg, size_t *name_len)
{
	size_t i = strcspn(arg, "=: ");

	if (!i || !arg[i] || arg[i] == ' ' || !strncmp(arg + i, "://", 3))
		return 0;
	*name_len = i++;
	while (arg[i] == ' ')
		i++;
	return i;
}

/* Mask @arg in place; *@next: the argument after it is a value to be masked. */
static void mask_arg(char *arg, bool *next)
{
	size_t name_len = 0, at = value_at(arg, &name_len);
	bool whole = *next && *arg != '-';

	*next = false;
	if (whole || (*arg != '-' && looks_like_token(arg))) {
		snprintf(arg, 4, "***");
	} else if (at && (speaks_of_secret(arg, name_len) || looks_like_token(arg + at))) {
		snprintf(arg + at, 4, "***");
	} else if (!at && *arg == '-' && speaks_of_secret(arg, strlen(arg))) {
		*next = true;
	}
	secrets_mask(NULL, arg);
}

void mask_command(const char *args, size_t len, char *out, size_t out_len)
{
	char arg[ARG_MAX_SHOWN + 4];
	size_t used = 0, n, i;
	bool next = false;

	*out = '\0';
	for (i = 0; i < len && used + 1 < out_len; i += n + 1) {
		n = strnlen(args + i, len - i);
		/* cut before it is judged: what is not looked at is not shown */
		snprintf(arg, sizeof(arg) - 3, "%.*s", (int)(n < ARG_MAX_SHOWN ? n : ARG_MAX_SHOWN),
			 args + i);
		mask_arg(arg, &next);
		n = strnlen(args + i, len - i);
		used += (size_t)snprintf(out + used, out_len - used, "%s%s", used ? " " : "", arg);
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
/* tags.c - see tags.h. */
#include "export/tags.h"

#include "export/secrets.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void tags_init(struct tags *t)
{
	*t = (struct tags){0};
}

void tags_release(struct tags *t)
{
	uint32_t i;

	for (i = 0; i < t->n; i++) {
		free(t->tags[i].key);
		free(t->tags[i].value);
	}
	free(t->tags);
	tags_init(t);
}

/* Not ctype.h: what is a letter must not depend on the locale. */
static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool all_allowed(const char *s)
{
	for (; *s; s++)
		if (!is_letter(*s) && !(*s >= '0' && *s <= '9') && !strchr("_:./\\-", *s))
			return false;
	return true;
}

bool tags_valid(const char *key, const char *value)
{
	size_t klen = strnlen(key, TAG_LEN_MAX + 1), vlen = strnlen(value, TAG_LEN_MAX + 1);

	if (!vlen || klen + 1 + vlen > TAG_LEN_MAX || !is_letter(*key))
		return false;
	/* the receiver splits at the first colon: one in the key would move the border */
	return !strchr(key, ':') && all_allowed(key) && all_allowed(value);
}

static struct tag *find(const struct tags *t, const char *key)
{
	uint32_t i;

	for (i = 0; i < t->n; i++)
		if (!strcmp(t->tags[i].key, key))
			return &t->tags[i];
	return NULL;
}

int tags_set(struct tags *t, const char *key, const char *value)
{
	struct tag *tag = find(t, key), *grown, new;

	if (!tags_valid(key, value))
		return -EINVAL;
	if (!tag && t->n == TAGS_MAX)
		return -E2BIG;
	new = (struct tag){.key = tag ? NULL : strdup(key), .value = strdup(value)};
	if (!new.value || (!tag && !new.key))
		goto no_memory;
	if (tag) {
		free(tag->value);
		tag->value = new.value;
		return 0;
	}
	grown = realloc(t->tags, (t->n + 1) * sizeof(*grown));
	if (!grown)
		goto no_memory;
	t->tags = grown;
	t->tags[t->n++] = new;
	return 0;
no_memory:
	free(new.key);
	free(new.value);
	return -ENOMEM;
}

const char *tags_get(const struct tags *t, const char *key)
{
	const struct tag *tag = find(t, key);

	return tag ? tag->value : NULL;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* One piece of a list, trimmed; it is ours to change. 1: set, 0: not, or -ENOMEM. */
static int parse_one(struct tags *t, char *tag, void (*bad)(const char *tag, void *arg), void *arg)
{
	char *colon = strchr(tag, ':');
	int err = -EINVAL;

	/* '@' is in no tag; what is before it would be in the message */
	if (strstr(tag, "://"))
		(void)secrets_take_user(NULL, tag);
	if (colon) {
		*colon = '\0';
		err = tags_set(t, tag, colon + 1);
		*colon = ':';
	}
	if (err == -ENOMEM)
		return err;
	if (err && bad)
		bad(tag, arg);
	return !err;
}

int tags_parse(struct tags *t, const char *list, void (*bad)(const char *tag, void *arg), void *arg)
{
	char *copy = strdup(list), *tag, *end, *save = NULL;
	const char *separator = strchr(list, ',') ? "," : " ";
	int set = 0, ret = 0;

	if (!copy)
		return -ENOMEM;
	for (tag = strtok_r(copy, separator, &save); tag && ret >= 0;
	     tag = strtok_r(NULL, separator, &save)) {
		while (is_blank(*tag))
			tag++;
		for (end = tag + strlen(tag); end > tag && is_blank(end[-1]); end--)
			;
		*end = '\0';
		if (!*tag)
			continue;
		ret = parse_one(t, tag, bad, arg);
		set += ret > 0;
	}
	free(copy);
	return ret < 0 ? ret : set;
}

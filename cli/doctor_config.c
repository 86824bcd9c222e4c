/* SPDX-License-Identifier: Apache-2.0 */
/* doctor_config.c - the options as they ended up, for support: by the option table, secrets masked. */
#include "cli/doctor.h"

#include "export/mask.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define VALUE_MAX 1024

static const void *field(const struct options *o, const struct option_def *d)
{
	return (const char *)o + d->offset;
}

static const char *choice_name(const struct option_def *d, int value)
{
	const struct option_choice *c;

	for (c = d->choices; c && c->name; c++)
		if (c->value == value)
			return c->name;
	return "?";
}

/* False: the option has no value of its own to show. */
static bool value_text(const struct options *o, const struct option_def *d, char *out, size_t len)
{
	const char *s;

	switch (d->type) {
	case OPTION_FLAG:
	case OPTION_FLAG_OFF:
	case OPTION_BOOL:
		snprintf(out, len, "%s", *(const bool *)field(o, d) ? "true" : "false");
		return true;
	case OPTION_U32:
		snprintf(out, len, "%" PRIu32, *(const uint32_t *)field(o, d));
		return true;
	case OPTION_SECONDS:
		snprintf(out, len, "%g s", (double)*(const uint64_t *)field(o, d) / 1e9);
		return true;
	case OPTION_CHOICE:
		snprintf(out, len, "%s", choice_name(d, *(const int *)field(o, d)));
		return true;
	case OPTION_STRING:
	case OPTION_OUTPUT:
	case OPTION_TAG:
	case OPTION_DIRECTORY:
	case OPTION_HOST:
	case OPTION_UUID:
		s = *(const char *const *)field(o, d);
		snprintf(out, len, "%s", s ? s : "(not set)");
		return true;
	case OPTION_URL:
		snprintf(out, len, "%s", o->agent_url ? o->agent_url : "(not set)");
		return true;
	case OPTION_KEY:
		snprintf(out, len, "%s", o->secrets && *o->secrets->api_key ? "***" : "(not set)");
		return true;
	default:
		return false;
	}
}

/* Of "NAME=VALUE" by what the name says, and of the value by what it looks like. */
static void put_masked(struct buf *out, const struct secrets *s, const char *text)
{
	char line[VALUE_MAX + 64];

	mask_command(text, strlen(text) + 1, line, sizeof(line));
	secrets_mask(s, line);
	(void)buf_printf(out, "%s\n", line);
}

static void put_variables(const struct options *o, struct buf *out)
{
	static const char *const prefixes[] = {
		"DD_",        "http_proxy=", "https_proxy=", "HTTPS_PROXY=", "no_proxy=",  "NO_PROXY=",
		"all_proxy=", "ALL_PROXY=",  "LD_",          "DEBUGINFOD_",  "XDG_STATE_", "NOTIFY_SOCKET="};
	char **e, text[VALUE_MAX];
	size_t i;

	for (e = environ; e && *e; e++)
		for (i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++)
			if (!strncmp(*e, prefixes[i], strlen(prefixes[i]))) {
				snprintf(text, sizeof(text), "%s", *e);
				if (strstr(text, "roxy=") || strstr(text, "ROXY="))
					(void)secrets_take_user(NULL, strchr(text, '=') + 1);
				put_masked(out, o->secrets, text);
			}
}

void doctor_config(const struct options *o, struct buf *out)
{
	char value[VALUE_MAX], text[VALUE_MAX + 64];
	unsigned i;
	uint32_t k;

	(void)buf_put_str(out, "# options, after variables and command line\n");
	for (i = 0; i < option_count; i++) {
		const struct option_def *d = &option_table[i];

		if (!d->name || d->status != OPTION_BUILT || !(d->commands & COMMAND_BIT(COMMAND_DOCTOR)) ||
		    !value_text(o, d, value, sizeof(value)))
			continue;
		snprintf(text, sizeof(text), "%s=%s", d->name, value);
		put_masked(out, o->secrets, text);
	}
	for (k = 0; k < o->tags.n; k++) {
		snprintf(text, sizeof(text), "%.64s:%.512s", o->tags.tags[k].key, o->tags.tags[k].value);
		(void)buf_put_str(out, "tag ");
		put_masked(out, o->secrets, text);
	}
	(void)buf_put_str(out, "# variables\n");
	put_variables(o, out);
}

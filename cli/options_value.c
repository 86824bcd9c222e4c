/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options_value.c - one option's text into its field, checked.
 *
 * Nothing is stored unless all of the text is good. Numbers are decimal
 * digits only: no sign, no space, no exponent, so that what is accepted is
 * what was meant.
 */
#include "cli/options.h"

#include "export/upload_target.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NS_PER_MS 1000000u
#define NS_PER_S  1000000000u
#define SHOWN_MAX 80 /* bytes of a value shown in a message */

/* Hostile text must not reach the terminal's control sequences. */
static const char *shown(const char *text, char *out)
{
	size_t i;

	for (i = 0; text[i] && i < SHOWN_MAX; i++)
		out[i] = (unsigned char)text[i] < ' ' || text[i] == 0x7f ? '?' : text[i];
	strcpy(out + i, text[i] ? "..." : "");
	return out;
}

static int refuse(char *why, size_t why_len, const char *text, const char *right)
{
	char safe[SHOWN_MAX + 4];

	snprintf(why, why_len, "'%s' is not %s", shown(text, safe), right);
	return -EINVAL;
}

/* Digits of @s up to the first other byte, at most @max_digits. Returns how many, 0: none or too many. */
static size_t digits(const char *s, size_t max_digits, uint64_t *value)
{
	size_t n = 0;

	for (*value = 0; isdigit((unsigned char)s[n]); n++) {
		if (n == max_digits)
			return 0;
		*value = *value * 10 + (uint64_t)(s[n] - '0');
	}
	return n;
}

static int store_u32(void *field, const struct option_def *d, const char *text, char *why, size_t why_len)
{
	uint64_t v;
	size_t n = digits(text, 10, &v);
	uint32_t v32;
	char right[96];
	int len;

	if (n > 0 && text[n] == '\0' && v >= (uint64_t)d->min && v <= (uint64_t)d->max &&
	    (d->step == 0 || v % (uint64_t)d->step == 0)) {
		v32 = (uint32_t)v;
		memcpy(field, &v32, sizeof(v32));
		return 0;
	}
	len = snprintf(right, sizeof(right), "a number of %lld to %lld %s", (long long)d->min,
		       (long long)d->max, d->unit);
	if (d->step > 0)
		snprintf(right + len, sizeof(right) - (size_t)len, ", a multiple of %lld",
			 (long long)d->step);
	return refuse(why, why_len, text, right);
}

/* "12", "0.5", ".5": whole seconds and up to nine digits of a fraction. */
static bool parse_seconds(const char *text, uint64_t *ns)
{
	uint64_t whole, part = 0;
	size_t n = digits(text, 10, &whole), m = 0;

	if (text[n] == '.') {
		m = digits(text + n + 1, 9, &part);
		if (m == 0 || text[n + 1 + m] != '\0')
			return false;
		for (size_t i = m; i < 9; i++)
			part *= 10;
	} else if (n == 0 || text[n] != '\0') {
		return false;
	}
	*ns = whole * NS_PER_S + part; /* below 10^19 + 10^9: fits */
	return true;
}

static int store_seconds(void *field, const struct option_def *d, const char *text, char *why, size_t why_len)
{
	char right[96];
	uint64_t ns;

	if (parse_seconds(text, &ns) && ns >= (uint64_t)d->min * NS_PER_MS &&
	    ns <= (uint64_t)d->max * NS_PER_MS) {
		memcpy(field, &ns, sizeof(ns));
		return 0;
	}
	snprintf(right, sizeof(right), "a number of %g to %lld %s", (double)d->min / 1000,
		 (long long)d->max / 1000, d->unit);
	return refuse(why, why_len, text, right);
}

static int store_percent(void *field, const struct option_def *d, const char *text, char *why, size_t why_len)
{
	char right[96];
	uint64_t billionths; /* of one per cent */
	uint32_t ppm;

	if (parse_seconds(text, &billionths) && billionths / 100000 >= (uint64_t)d->min &&
	    billionths / 100000 <= (uint64_t)d->max) {
		ppm = (uint32_t)(billionths / 100000);
		memcpy(field, &ppm, sizeof(ppm));
		return 0;
	}
	snprintf(right, sizeof(right), "a number of %g to %g per cent", (double)d->min / 1e4,
		 (double)d->max / 1e4);
	return refuse(why, why_len, text, right);
}

static int parse_bool(const char *text, bool *value)
{
	static const char *const yes[] = {"true", "1", "yes", "on"}, *const no[] = {"false", "0", "no",
										    "off"};

	for (unsigned i = 0; i < 4; i++) {
		if (strcasecmp(text, yes[i]) == 0 || strcasecmp(text, no[i]) == 0) {
			*value = strcasecmp(text, yes[i]) == 0;
			return 0;
		}
	}
	return -EINVAL;
}

static const struct option_choice *choice_find(const struct option_choice *c, const char *text)
{
	for (; c && c->name; c++) {
		if (strcasecmp(c->name, text) == 0)
			return c;
	}
	return NULL;
}

static int store_bool(void *field, const struct option_def *d, const char *text, char *why, size_t why_len)
{
	const struct option_choice *c = choice_find(d->choices, text);
	bool value = c && c->value;

	if (!c && parse_bool(text, &value) < 0)
		return refuse(why, why_len, text, "true or false");
	*(bool *)field = value;
	return 0;
}

static int store_debug(void *field, const char *text, char *why, size_t why_len)
{
	enum log_level debug = LOG_LEVEL_DEBUG;
	bool value;

	if (parse_bool(text, &value) < 0)
		return refuse(why, why_len, text, "true or false");
	if (value)
		memcpy(field, &debug, sizeof(debug));
	return 0;
}

static int store_choice(void *field, const struct option_def *d, const char *text, char *why, size_t why_len)
{
	const struct option_choice *c = choice_find(d->choices, text);
	char right[128] = "one of";
	size_t len = strlen(right);

	if (c) {
		memcpy(field, &c->value, sizeof(c->value));
		return 0;
	}
	for (c = d->choices; c->name; c++) {
		if (!c->hidden && len < sizeof(right))
			len += (size_t)snprintf(right + len, sizeof(right) - len, " %s", c->name);
	}
	return refuse(why, why_len, text, right);
}

static int store_output(struct options *o, const char *text, char *why, size_t why_len)
{
	static const char *const modes[] = {"stdout", "stderr", "syslog", "disabled"};

	if (text[0] == '\0')
		return refuse(why, why_len, text, "a file name");
	for (unsigned i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (strcmp(text, modes[i]) != 0)
			continue;
		snprintf(why, why_len,
			 "'%s' was a log mode of the former ddprof; here -o names the profile\n"
			 "use --log-mode %s, or -o ./%s for a file of that name",
			 text, text, text);
		return -EINVAL;
	}
	o->output = text;
	return 0;
}

/* Made when the first secret comes. */
static struct secrets *secrets_of(struct options *o)
{
	if (!o->secrets)
		o->secrets = secrets_new();
	return o->secrets;
}

static int store_url(struct options *o, const char *text, char *why, size_t why_len)
{
	struct secrets *s = secrets_of(o), was;
	char *url = strdup(text), reason[OPTIONS_ERROR_MAX / 2] = "";
	struct upload_target t;
	int err;

	if (!url || !s) {
		free(url);
		return -ENOMEM;
	}
	was = *s;
	err = secrets_take_user(s, url);
	if (err)
		snprintf(reason, sizeof(reason), "its user part is too long");
	else
		err = upload_target_url(&t, url, reason, sizeof(reason));
	if (!err) {
		free(o->agent_url);
		o->agent_url = url;
	} else {
		*s = was;
		/* an '@' that is left stands behind a part of a password */
		refuse(why, why_len, strchr(url, '@') ? "***" : url, "the address of an Agent: ");
		snprintf(why + strlen(why), why_len - strlen(why), "%s", reason);
		free(url);
		err = -EINVAL;
	}
	explicit_bzero(&was, sizeof(was));
	return err;
}

static int store_host(struct options *o, const char *text, char *why, size_t why_len)
{
	struct upload_target t;

	if (upload_target_host(&t, text, 0, why, why_len))
		return refuse(why, why_len, text, "the name or address of a host");
	o->agent_host = text;
	return 0;
}

/* The text is never shown: even a wrong one may be most of a right one. */
static int store_key(struct options *o, const char *text, char *why, size_t why_len)
{
	struct secrets *s = secrets_of(o);
	int err = s ? secrets_set_key(s, text) : -ENOMEM;

	if (err == -EINVAL)
		snprintf(why, why_len, "an API key is letters and digits, up to %d of them", SECRETS_KEY_MAX);
	return err;
}

static int store_uuid(void *field, const char *text, char *why, size_t why_len)
{
	size_t i;

	for (i = 0; text[i] && i < 37; i++)
		if (i == 8 || i == 13 || i == 18 || i == 23 ? text[i] != '-'
							    : !strchr("0123456789abcdef", text[i]))
			break;
	if (i != 36 || text[i])
		return refuse(why, why_len, text,
			      "a UUID in lowercase, such as "
			      "01234567-89ab-4cde-8f01-23456789abcd");
	*(const char **)field = text;
	return 0;
}

/*
 * Scripts pass -S "$NAME" with the variable empty: that means not set. A name
 * that no receiver accepts is left out, never sent half and never fatal.
 */
static void store_tag(struct options *o, const struct option_def *d, const char *text, const char *source)
{
	const char **field = (const char **)((char *)o + d->offset);
	char safe[SHOWN_MAX + 4];

	if (text[0] == '\0' || tags_valid(d->tag, text)) {
		*field = text[0] ? text : NULL;
		return;
	}
	options_warn(o,
		     "%s: '%s' is not usable as a tag (letters, digits and _:./\\- only, at most %d with "
		     "'%s:'); left out",
		     source, shown(text, safe), TAG_LEN_MAX, d->tag);
}

struct bad_tag {
	struct options *o;
	const char *source;
};

static void warn_bad_tag(const char *tag, void *arg)
{
	struct bad_tag *b = arg;
	char safe[SHOWN_MAX + 4];

	options_warn(b->o, "%s: '%s' is not a tag like key:value of letters, digits and _:./\\-; left out",
		     b->source, shown(tag, safe));
}

static int add_pid(struct options *o, pid_t pid)
{
	pid_t *grown;

	for (uint32_t i = 0; i < o->n_pids; i++) {
		if (o->pids[i] == pid)
			return 0;
	}
	grown = realloc(o->pids, (o->n_pids + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	o->pids = grown;
	o->pids[o->n_pids++] = pid;
	return 0;
}

static int store_pids(struct options *o, const struct option_def *d, const char *text, char *why,
		      size_t why_len)
{
	const char *s = text;
	uint64_t v;
	size_t n;
	int err;

	for (;;) {
		n = digits(s, 10, &v);
		if (n == 0 || v < (uint64_t)d->min || v > (uint64_t)d->max || (s[n] != ',' && s[n] != '\0'))
			return refuse(why, why_len, text, "a process id, or several with commas between");
		if (o->n_pids == OPTIONS_MAX_PIDS) {
			snprintf(why, why_len, "more than %d processes", OPTIONS_MAX_PIDS);
			return -EINVAL;
		}
		err = add_pid(o, (pid_t)v);
		if (err < 0 || s[n] == '\0')
			return err;
		s += n + 1;
	}
}

static int add_dir(struct options *o, const char *text, char *why, size_t why_len)
{
	const char **grown;

	if (text[0] == '\0')
		return refuse(why, why_len, text, "a directory");
	if (o->n_debug_dirs == OPTIONS_MAX_DIRS) {
		snprintf(why, why_len, "more than %d directories", OPTIONS_MAX_DIRS);
		return -EINVAL;
	}
	grown = realloc(o->debug_dirs, (o->n_debug_dirs + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	o->debug_dirs = grown;
	o->debug_dirs[o->n_debug_dirs++] = text;
	return 0;
}

static const char *source_name(const struct option_def *d, char *out, size_t len)
{
	snprintf(out, len, "%s%s", d->name ? "--" : "", d->name ? d->name : d->env[0]);
	return out;
}

int option_store(struct options *o, const struct option_def *d, const char *text, char *why, size_t why_len)
{
	void *field = (char *)o + d->offset;
	char source[64];
	struct bad_tag bad = {.o = o, .source = source};

	source_name(d, source, sizeof(source));
	switch (d->type) {
	case OPTION_FLAG:
	case OPTION_FLAG_OFF:
		*(bool *)field = d->type == OPTION_FLAG;
		return 0;
	case OPTION_BOOL:
		return store_bool(field, d, text, why, why_len);
	case OPTION_DEBUG:
		return store_debug(field, text, why, why_len);
	case OPTION_U32:
		return store_u32(field, d, text, why, why_len);
	case OPTION_SECONDS:
		return store_seconds(field, d, text, why, why_len);
	case OPTION_PERCENT:
		return store_percent(field, d, text, why, why_len);
	case OPTION_CHOICE:
		return store_choice(field, d, text, why, why_len);
	case OPTION_STRING:
		*(const char **)field = text;
		return 0;
	case OPTION_DIRECTORY:
		if (!text[0])
			return refuse(why, why_len, text, "a directory");
		*(const char **)field = text;
		return 0;
	case OPTION_OUTPUT:
		return store_output(o, text, why, why_len);
	case OPTION_TAG:
		store_tag(o, d, text, source);
		return 0;
	case OPTION_TAGS:
		return tags_parse(&o->tags, text, warn_bad_tag, &bad) == -ENOMEM ? -ENOMEM : 0;
	case OPTION_URL:
		return store_url(o, text, why, why_len);
	case OPTION_HOST:
		return store_host(o, text, why, why_len);
	case OPTION_KEY:
		return store_key(o, text, why, why_len);
	case OPTION_UUID:
		return store_uuid(field, text, why, why_len);
	case OPTION_PIDS:
		return store_pids(o, d, text, why, why_len);
	case OPTION_DIRS:
		return add_dir(o, text, why, why_len);
	case OPTION_EVENTS:
	case OPTION_COUNTERS:
		return options_store_events(o, d, text, why, why_len);
	case OPTION_NOTHING:
		return 0;
	}
	return -EINVAL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* json.c - see json.h. */
#include "export/json.h"

#include "export/text.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

void json_init(struct json *j, struct buf *out)
{
	*j = (struct json){.out = out};
}

/* Before any value: the comma, unless it is the first or follows its key. */
static void separate(struct json *j)
{
	uint32_t bit = 1u << j->depth;

	if (!j->after_key && (j->more & bit))
		buf_put_u8(j->out, ',');
	j->more |= bit;
	j->after_key = false;
}

static void open_one(struct json *j, char open, char close)
{
	separate(j);
	if (j->depth + 1 >= JSON_MAX_DEPTH) {
		if (!j->out->error)
			j->out->error = -EINVAL;
		return;
	}
	j->close[++j->depth] = close;
	j->more &= ~(1u << j->depth);
	buf_put_u8(j->out, (uint8_t)open);
}

void json_object(struct json *j)
{
	open_one(j, '{', '}');
}

void json_array(struct json *j)
{
	open_one(j, '[', ']');
}

void json_close(struct json *j)
{
	if (!j->depth) {
		j->out->error = j->out->error ? j->out->error : -EINVAL;
		return;
	}
	buf_put_u8(j->out, (uint8_t)j->close[j->depth--]);
}

static void put_char(struct buf *out, const uint8_t *s, size_t n)
{
	static const char plain[] = "\"\\\b\f\n\r\t", letter[] = "\"\\bfnrt";
	const char *at = n == 1 && *s ? strchr(plain, *s) : NULL;

	if (at) {
		buf_put_u8(out, '\\');
		buf_put_u8(out, (uint8_t)letter[at - plain]);
	} else if (n == 1 && (*s < 0x20 || *s == 0x7f)) {
		buf_printf(out, "\\u%04x", *s);
	} else {
		buf_put(out, s, n);
	}
}

void json_str_len(struct json *j, const char *s, size_t len)
{
	const uint8_t *p = (const uint8_t *)s;
	size_t i, n;

	separate(j);
	buf_put_u8(j->out, '"');
	for (i = 0; i < len && !j->out->error; i += n ? n : 1) {
		n = text_utf8(p + i, len - i, NULL);
		if (n)
			put_char(j->out, p + i, n);
		else
			buf_put_str(j->out, "\xef\xbf\xbd");
	}
	buf_put_u8(j->out, '"');
}

void json_str(struct json *j, const char *s)
{
	json_str_len(j, s, strlen(s));
}

void json_key(struct json *j, const char *key)
{
	json_str(j, key);
	buf_put_u8(j->out, ':');
	j->after_key = true;
}

void json_u64(struct json *j, uint64_t v)
{
	separate(j);
	buf_printf(j->out, "%" PRIu64, v);
}

void json_bool(struct json *j, bool v)
{
	separate(j);
	buf_put_str(j->out, v ? "true" : "false");
}

void json_null(struct json *j)
{
	separate(j);
	buf_put_str(j->out, "null");
}

void json_field(struct json *j, const char *key, const char *value)
{
	if (!value || !*value)
		return;
	json_key(j, key);
	json_str(j, value);
}

void json_field_u64(struct json *j, const char *key, uint64_t v)
{
	json_key(j, key);
	json_u64(j, v);
}

int json_end(const struct json *j)
{
	if (j->out->error)
		return j->out->error;
	return j->depth || j->after_key ? -EINVAL : 0;
}

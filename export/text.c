/* SPDX-License-Identifier: Apache-2.0 */
/* text.c - see text.h. */
#include "export/text.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

size_t text_utf8(const uint8_t *s, size_t len, uint32_t *code)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t n = s[0] < 0x80   ? 1
		   : s[0] < 0xc2 ? 0
		   : s[0] < 0xe0 ? 2
		   : s[0] < 0xf0 ? 3
		   : s[0] < 0xf5 ? 4
				 : 0;
	uint32_t c = n > 1 ? s[0] & (0x7fu >> n) : s[0];
	size_t i;

	if (!n || n > len)
		return 0;
	for (i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	if (code)
		*code = c;
	return n;
}

int text_put_valid(struct buf *out, const char *s, size_t len)
{
	const uint8_t *p = (const uint8_t *)s;
	size_t i, n;

	for (i = 0; i < len; i += n ? n : 1) {
		n = text_utf8(p + i, len - i, NULL);
		if (n)
			buf_put(out, p + i, n);
		else
			buf_put_str(out, "\xef\xbf\xbd");
	}
	return out->error;
}

/* Controls, separators that break lines, marks that turn the direction round. */
static bool unsafe(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x061c || (c >= 0x200e && c <= 0x200f) ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

/* What is shown for the character at @s, in @out of 8 bytes: its length, *@taken bytes and *@width columns.
 */
static size_t show(const uint8_t *s, size_t len, char out[8], size_t *taken, unsigned *width)
{
	uint32_t code = s[0];
	int n;

	*taken = text_utf8(s, len, &code);
	if (*taken && !unsafe(code)) {
		memcpy(out, s, *taken);
		*width = 1;
		return *taken;
	}
	n = snprintf(out, 8, code < 0x100 ? "\\x%02x" : "\\u%04x", (unsigned)code & 0xffff);
	*taken = *taken ? *taken : 1;
	*width = (unsigned)n;
	return (size_t)n;
}

int text_put_visible(struct buf *out, const char *s, size_t len, unsigned columns, unsigned *used)
{
	const uint8_t *p = (const uint8_t *)s;
	unsigned width, total = 0, fits = 0;
	size_t i, n, taken, cut = out->len; /* where the last column begins, for the ellipsis */
	char shown[8];

	for (i = 0; i < len; i += taken) {
		n = show(p + i, len - i, shown, &taken, &width);
		if (columns && total + width > columns) {
			out->len = cut;
			buf_put_str(out, "\xe2\x80\xa6");
			total = fits + 1;
			break;
		}
		buf_put(out, shown, n);
		total += width;
		if (total + 1 <= columns) {
			cut = out->len;
			fits = total;
		}
	}
	if (used)
		*used = total;
	return out->error;
}

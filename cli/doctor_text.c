/* SPDX-License-Identifier: Apache-2.0 */
/* doctor_text.c - the rows for people: what hurts most first, in lines of 80 columns of ASCII. */
#include "cli/doctor.h"

#include <stdio.h>
#include <string.h>

#define COLUMNS     80
#define TEXT_COLUMN 10 /* behind the state */
#define FIX_COLUMN  21 /* behind "fix" and "meanwhile" */

enum colour { PLAIN, RED, YELLOW, GREEN, BOLD };

struct text {
	struct buf *out;
	bool colour;
};

static void put_coloured(struct text *t, enum colour c, const char *s)
{
	static const char *const codes[] = {"", "\033[31m", "\033[33m", "\033[32m", "\033[1m"};

	if (t->colour && c != PLAIN)
		(void)buf_printf(t->out, "%s%s\033[0m", codes[c], s);
	else
		(void)buf_put_str(t->out, s);
}

/* Names may be anybody's, and in any encoding. */
static void put_plain(struct text *t, const char *s, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		(void)buf_put_u8(t->out, s[i] >= ' ' && s[i] < 0x7f ? (uint8_t)s[i] : '?');
}

/* @s at @column, wrapped there, on a line that has @column columns already. A word that is too long is
 * broken. */
static void put_wrapped(struct text *t, const char *s, size_t column)
{
	size_t at = column, len;

	while (*s) {
		s += strspn(s, " ");
		len = strcspn(s, " ");
		if (at > column && at + 1 + len > COLUMNS) {
			(void)buf_printf(t->out, "\n%*s", (int)column, "");
			at = column;
		}
		if (at > column)
			(void)buf_put_str(t->out, " ");
		at += at > column;
		if (len > COLUMNS - at)
			len = COLUMNS - at;
		put_plain(t, s, len);
		at += len;
		s += len;
		if (*s && *s != ' ') { /* in the middle of a word */
			(void)buf_printf(t->out, "\n%*s", (int)column, "");
			at = column;
		}
	}
	(void)buf_put_str(t->out, "\n");
}

static void put_row(struct text *t, const struct doctor_check *c)
{
	static const struct {
		const char *word;
		enum colour colour;
	} states[] = {{"missing", RED}, {"degraded", YELLOW}, {"note", PLAIN}, {"ok", GREEN}};
	unsigned rank = doctor_rank(c);
	char line[512];

	put_coloured(t, states[rank].colour, states[rank].word);
	(void)buf_printf(t->out, "%*s", (int)(TEXT_COLUMN - strlen(states[rank].word)), "");
	snprintf(line, sizeof(line), "%s: %s", c->what, c->reason);
	put_wrapped(t, line, TEXT_COLUMN);
	if (*c->fix) {
		(void)buf_printf(t->out, "%*sfix        ", TEXT_COLUMN, "");
		put_wrapped(t, c->fix, FIX_COLUMN);
	}
	if (*c->meanwhile) {
		(void)buf_printf(t->out, "%*smeanwhile  ", TEXT_COLUMN, "");
		put_wrapped(t, c->meanwhile, FIX_COLUMN);
	}
}

static void put_verdict(struct text *t, const struct doctor *d)
{
	int verdict = doctor_verdict(d);
	char line[1024];
	size_t len;
	uint32_t i;

	if (verdict == EXIT_OK) {
		put_coloured(t, BOLD, "full profiling works");
		(void)buf_put_str(t->out, "\n");
		return;
	}
	len = (size_t)snprintf(line, sizeof(line),
			       "%s:", verdict == DOCTOR_EXIT_DEGRADED ? "degraded" : "nothing works");
	for (i = 0; i < d->n && len < sizeof(line); i++)
		if (doctor_rank(&d->checks[i]) < 2)
			len += (size_t)snprintf(line + len, sizeof(line) - len, "%s %s",
						line[len - 1] == ':' ? "" : ",", d->checks[i].what);
	if (t->colour)
		(void)buf_put_str(t->out, "\033[1m");
	put_wrapped(t, line, 0);
	if (t->colour)
		(void)buf_put_str(t->out, "\033[0m");
}

static void put_ladder(struct text *t, const struct ladder *l)
{
	uint32_t i;

	(void)buf_put_str(t->out, "\nasked of the kernel, its answer, and what is used instead\n");
	for (i = 0; i < l->n; i++) {
		const struct ladder_rung *r = &ladder_table[l->steps[i].rung];
		int err = l->steps[i].err;
		const char *name = err ? strerrorname_np(-err) : "granted";

		(void)buf_printf(t->out, err ? "  %-35s%-9s" : "  %-35s%s\n", r->wanted,
				 name ? name : "refused");
		if (err)
			put_wrapped(t, r->instead, 46);
	}
}

static void put_section(struct text *t, const struct doctor *d, enum doctor_section section)
{
	static const char *const names[] = {"this machine", "the target", "delivery"};
	unsigned rank;
	uint32_t i;
	bool any = false;

	for (i = 0; i < d->n; i++)
		any |= d->checks[i].section == section;
	if (!any)
		return;
	(void)buf_put_str(t->out, "\n");
	put_coloured(t, BOLD, names[section]);
	(void)buf_put_str(t->out, "\n");
	for (rank = 0; rank < 4; rank++)
		for (i = 0; i < d->n; i++)
			if (d->checks[i].section == section && doctor_rank(&d->checks[i]) == rank)
				put_row(t, &d->checks[i]);
}

void doctor_text(const struct doctor *d, bool colour, struct buf *out)
{
	struct text t = {out, colour};

	put_verdict(&t, d);
	put_section(&t, d, DOCTOR_HOST);
	put_section(&t, d, DOCTOR_TARGET);
	put_section(&t, d, DOCTOR_DELIVERY);
	put_ladder(&t, &d->ladder);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* doctor.c - the rows of ddprof doctor, and what they come to. */
#include "cli/doctor.h"

#include "base/io.h"
#include "base/log.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *const state_names[] = {"ok", "degraded", "missing"};

static struct doctor_check *add(struct doctor *d, const char *key, const char *what)
{
	struct doctor_check *c;

	if (d->n == DOCTOR_MAX_CHECKS)
		return NULL;
	c = &d->checks[d->n++];
	*c = (struct doctor_check){.section = d->section, .key = key, .what = what};
	return c;
}

/* Reasons of the layers below have the fix on a second line: "\n  fix: COMMAND". */
static void split_fix(struct doctor_check *c)
{
	char *line = strchr(c->reason, '\n'), *fix = line ? strstr(line, "fix: ") : NULL;

	if (fix)
		snprintf(c->fix, sizeof(c->fix), "%.*s", (int)strcspn(fix + 5, "\n"), fix + 5);
	if (line)
		*line = '\0';
}

/* The reason may hold names and addresses of anybody's. */
static void settle(const struct doctor *d, struct doctor_check *c)
{
	secrets_mask(d->opt->secrets, c->reason);
	secrets_mask(d->opt->secrets, c->fix);
	secrets_mask(d->opt->secrets, c->meanwhile);
	log_debug("check %s: %s%s: %s", c->key, state_names[c->state], c->optional ? " (optional)" : "",
		  c->reason);
}

void doctor_ok(struct doctor *d, const char *key, const char *what, const char *fmt, ...)
{
	struct doctor_check *c = add(d, key, what);
	va_list ap;

	if (!c)
		return;
	va_start(ap, fmt);
	vsnprintf(c->reason, sizeof(c->reason), fmt, ap);
	va_end(ap);
	settle(d, c);
}

void doctor_ill(struct doctor *d, const struct doctor_ill *ill, const char *fmt, ...)
{
	struct doctor_check *c = add(d, ill->key, ill->what);
	va_list ap;

	if (!c)
		return;
	c->state = ill->state;
	c->optional = ill->optional;
	va_start(ap, fmt);
	vsnprintf(c->reason, sizeof(c->reason), fmt, ap);
	va_end(ap);
	snprintf(c->fix, sizeof(c->fix), "%s", ill->fix ? ill->fix : "");
	snprintf(c->meanwhile, sizeof(c->meanwhile), "%s", ill->meanwhile ? ill->meanwhile : "");
	split_fix(c);
	settle(d, c);
}

unsigned doctor_rank(const struct doctor_check *c)
{
	if (c->state == DOCTOR_OK)
		return 3;
	if (c->optional)
		return 2;
	return c->state == DOCTOR_MISSING ? 0 : 1;
}

int doctor_verdict(const struct doctor *d)
{
	bool timers = d->timers && !d->no_timers;
	uint32_t i;

	if (d->unreachable || (!d->perf && !timers))
		return DOCTOR_EXIT_NOTHING;
	for (i = 0; i < d->n; i++)
		if (doctor_rank(&d->checks[i]) < 2)
			return DOCTOR_EXIT_DEGRADED;
	return EXIT_OK;
}

bool doctor_read(const char *path, char *out, size_t len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = fd < 0 ? -1 : io_read_full(fd, out, len - 1);

	if (fd >= 0)
		close(fd);
	out[n > 0 ? n : 0] = '\0';
	while (n > 0 && out[n - 1] == '\n')
		out[--n] = '\0';
	return n >= 0;
}

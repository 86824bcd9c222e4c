/* SPDX-License-Identifier: Apache-2.0 */
/* summary.c - see summary.h. */
#include "cli/summary.h"

#include "base/buf.h"
#include "base/io.h"
#include "cli/events_told.h"
#include "cli/session.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define TEXT_MAX 16384

static double seconds(uint64_t ns)
{
	return (double)ns / 1e9;
}

static double percent(uint64_t part, uint64_t whole)
{
	return whole ? 100.0 * (double)part / (double)whole : 0.0;
}

static unsigned columns(void)
{
	struct winsize w;

	return !ioctl(STDERR_FILENO, TIOCGWINSZ, &w) && w.ws_col ? w.ws_col : 80;
}

/* "3.19 s of 3.21 s CPU time (0.01 s not sampled, ...)" */
static void put_cpu(struct buf *b, const struct profile_quality *q)
{
	const char *sep = " (";
	struct {
		uint64_t ns;
		const char *what;
	} rest[] = {
		{q->kernel_denied_ns, "in the kernel, not permitted"},
		{q->unsampled_ns, "not sampled"},
		{q->lost_cpu_ns, "lost"},
	};
	unsigned i;

	/* The parts add up to the larger of the events' count and the kernel's accounting (account.c). */
	buf_printf(b, "%.2f s profiled of %.2f s CPU time", seconds(q->sampled_cpu_ns),
		   seconds(q->sampled_cpu_ns + q->kernel_denied_ns + q->unsampled_ns + q->lost_cpu_ns));
	for (i = 0; i < sizeof(rest) / sizeof(rest[0]); i++) {
		if (rest[i].ns < 5000000)
			continue;
		buf_printf(b, "%s%.2f s %s", sep, seconds(rest[i].ns), rest[i].what);
		sep = ", ";
	}
	if (sep[0] == ',')
		buf_put_str(b, ")");
}

static void put_head(struct buf *b, const struct session *s)
{
	const struct profile_quality *q = &s->quality;
	bool one_of_several = (s->sink.numbered && s->files > 1) ||
			      (s->sink.kind == SINK_NONE && s->dest.delivered + s->dest.undelivered > 1);

	buf_printf(b, "ddprof: '%s' (pid %d%s)%s %.1f s, %llu samples, %llu lost, ", s->program, (int)s->pid,
		   q->processes > 1 ? " and others" : "", one_of_several ? ", last window:" : "",
		   seconds(s->duration_ns), (unsigned long long)q->samples, (unsigned long long)q->lost);
	if (!q->user_samples)
		buf_put_str(b, "no stacks");
	else
		buf_printf(b, "%.1f %% complete", percent(q->complete, q->user_samples));
	if (q->spliced)
		buf_printf(b, " (%.1f %% spliced)", percent(q->spliced, q->user_samples));
}

/* A name may hold anything: control characters must not reach the terminal. */
static void put_name(struct buf *b, const char *name, unsigned width)
{
	unsigned n = 0;

	for (; *name && (n < width || ((unsigned char)*name & 0xc0) == 0x80); name++) {
		unsigned char c = (unsigned char)*name;

		buf_put_u8(b, c < 0x20 || c == 0x7f ? '?' : c);
		n += (c & 0xc0) != 0x80;
	}
}

static void put_file(struct buf *b, const struct session *s)
{
	char upload[UPLOAD_URL_MAX + PATH_MAX + 192];

	if (s->result.status || !s->have_result) {
		buf_put_str(b, "not written: ");
		put_name(b, s->have_result ? s->result.why : "no window was exported", UINT_MAX);
		return;
	}
	if (s->sink.kind == SINK_STDOUT)
		buf_put_str(b, "standard output");
	else if (s->sink.kind == SINK_FILE)
		buf_printf(b, "%s", s->result.path);
	if (s->sink.kind != SINK_NONE)
		buf_printf(b, " (%llu KB)", (unsigned long long)(s->result.bytes + 1023) / 1024);
	if (s->dest.upload) {
		destination_summary(&s->dest, upload, sizeof(upload));
		buf_printf(b, "%s%s", s->sink.kind != SINK_NONE ? ", " : "", upload);
	}
	if (s->files > 1 && s->sink.numbered)
		buf_printf(b, ", the last of %u windows written", s->files);
}

static void put_top(struct buf *b, const struct session *s)
{
	unsigned width = columns() > 40 ? columns() - 22 : 20;
	uint32_t i;

	if (!s->have_result || s->result.status || !s->result.n_top || s->result.total <= 0)
		return;
	buf_put_str(b, "      own    total  function\n");
	for (i = 0; i < s->result.n_top; i++) {
		const struct export_top *t = &s->result.top[i];

		buf_printf(b, "  %5.1f %%  %5.1f %%  ", percent((uint64_t)t->own, (uint64_t)s->result.total),
			   percent((uint64_t)t->total_value, (uint64_t)s->result.total));
		put_name(b, t->name, width);
		buf_put_str(b, "\n");
	}
	if (s->result.unnamed_value > 0)
		buf_printf(b, "  %.1f %% in functions without a name\n",
			   percent((uint64_t)s->result.unnamed_value, (uint64_t)s->result.total));
}

/* Was CPU time to be sampled? It is the first event then. */
static bool samples_time(const struct session *s)
{
	return !s->n_counters || !strcmp(s->counters[0].unit, "nanoseconds");
}

void summary_print(const struct session *s)
{
	bool tty = isatty(STDERR_FILENO);
	struct buf b;

	if (s->opt->quiet)
		return;
	buf_init(&b, TEXT_MAX);
	put_head(&b, s);
	if (samples_time(s)) {
		buf_put_str(&b, tty ? "\n  " : ", ");
		put_cpu(&b, &s->quality);
	}
	if (tty) {
		buf_put_str(&b, "\n");
		put_top(&b, s);
		buf_put_str(&b, "  profile: ");
	} else {
		buf_put_str(&b, ", ");
	}
	put_file(&b, s);
	buf_put_str(&b, "\n");
	events_put(&b, s->counters, s->n_counters);
	io_write_all(STDERR_FILENO, b.data, b.len);
	buf_release(&b);
}

void summary_progress(struct session *s)
{
	uint64_t now = io_clock_ns(CLOCK_MONOTONIC);
	char line[160];
	int n = snprintf(line, sizeof(line), "\r\033[Kddprof: '%s' (pid %d): %.0f s", s->program, (int)s->pid,
			 seconds(now - s->started_ns));

	if (s->end_ns != UINT64_MAX && n > 0 && (size_t)n < sizeof(line))
		n += snprintf(line + n, sizeof(line) - (size_t)n, " of %.0f s",
			      seconds(s->end_ns - s->started_ns));
	if (n > 0 && (size_t)n < sizeof(line))
		n += snprintf(line + n, sizeof(line) - (size_t)n, ", Ctrl-C finishes early");
	if (n > 0)
		io_write_all(STDERR_FILENO, line, (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1);
	s->progress_shown = true;
}

void summary_progress_clear(struct session *s)
{
	if (s->progress_shown)
		io_write_all(STDERR_FILENO, "\r\033[K", 4);
	s->progress_shown = false;
}

void summary_fetching(void *unused, const char *file, uint32_t i, uint32_t n, uint64_t got, uint64_t total)
{
	struct buf line;

	(void)unused;
	buf_init(&line, 512);
	buf_put_str(&line, "\r\033[K");
	if (file) {
		buf_printf(&line, "ddprof: fetching debug files, %u of %u: '", i, n);
		put_name(&line, file, 40);
		buf_printf(&line, "' %.1f MB", (double)got / 1e6);
		if (total)
			buf_printf(&line, " of %.1f MB", (double)total / 1e6);
	}
	io_write_all(STDERR_FILENO, line.data, line.len);
	buf_release(&line);
}

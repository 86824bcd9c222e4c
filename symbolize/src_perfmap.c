/* SPDX-License-Identifier: Apache-2.0 */
/*
 * src_perfmap.c - names of generated code from /tmp/perf-PID.map.
 *
 * One line for each piece of code, "START SIZE NAME" in hexadecimal, appended
 * as code is made: the last line about an address is the one that holds. The
 * file is streamed, and only where a name stands is kept. Its last line may
 * be half written. Format: Linux, tools/perf/Documentation/jit-interface.txt.
 */
#include "base/io.h"
#include "symbolize/jit_name.h"
#include "symbolize/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_BYTES (1u << 30)
#define MAX_LINE  16384        /* longer ones are skipped */
#define MAX_PICKS (256u << 20) /* lines times addresses they cover: a map that goes beyond is no map */

struct pick {
	uint64_t off; /* of the name in the file */
	uint32_t len; /* 0: none */
};

struct perfmap {
	struct source_module *m;
	struct pick *picks; /* [n_addrs] */
	uint64_t n_picks;
	uint32_t n_lines;
};

static bool hex(const char **p, const char *end, uint64_t *out)
{
	const char *s = *p;
	uint64_t v = 0;

	if (end - s > 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X'))
		s += 2;
	for (*p = s; s < end; s++) {
		int d = *s >= '0' && *s <= '9'   ? *s - '0'
			: *s >= 'a' && *s <= 'f' ? *s - 'a' + 10
			: *s >= 'A' && *s <= 'F' ? *s - 'A' + 10
						 : -1;

		if (d < 0)
			break;
		if (v >> 60)
			return false;
		v = v << 4 | (uint64_t)d;
	}
	if (s == *p)
		return false;
	*p = s;
	*out = v;
	return true;
}

static bool blank(const char **p, const char *end)
{
	const char *s = *p;

	while (*p < end && (**p == ' ' || **p == '\t'))
		(*p)++;
	return *p != s;
}

/* The line [@s, @end), which begins at file offset @off. */
static void take_line(struct perfmap *pm, const char *s, const char *end, uint64_t off)
{
	const struct source_module *m = pm->m;
	const char *p = s;
	uint64_t start, size;
	uint32_t i;

	if (end > s && end[-1] == '\r')
		end--;
	if (!hex(&p, end, &start) || !blank(&p, end) || !hex(&p, end, &size) || !blank(&p, end) || p == end ||
	    size > UINT64_MAX - start)
		return;
	pm->n_lines++;
	for (i = source_lower_bound(m, start); i < m->n_addrs && m->addrs[i].vaddr < start + size; i++) {
		pm->picks[i] = (struct pick){off + (uint64_t)(p - s), (uint32_t)(end - p)};
		pm->n_picks++;
	}
}

/* Complete lines of @data; returns how many bytes they take. */
static size_t take_lines(struct perfmap *pm, const char *data, size_t len, uint64_t off, bool *skip)
{
	size_t at = 0;
	const char *nl;

	while (at < len && (nl = memchr(data + at, '\n', len - at))) {
		if (!*skip)
			take_line(pm, data + at, nl, off + at);
		*skip = false;
		at = (size_t)(nl - data) + 1;
	}
	return at;
}

static int read_map(struct perfmap *pm, int fd)
{
	size_t cap = 65536, have = 0, used;
	uint64_t off = 0; /* of data[0] */
	bool skip = false;
	char *data = malloc(cap);
	ssize_t n = 0;

	if (!data)
		return -ENOMEM;
	while (off < MAX_BYTES && pm->n_picks < MAX_PICKS) {
		n = io_pread_full(fd, data + have, cap - have, off + have);
		if (n <= 0)
			break;
		have += (size_t)n;
		used = take_lines(pm, data, have, off, &skip);
		if (!used && have >= MAX_LINE) {
			used = have; /* no name is that long: on to the next line */
			skip = true;
		}
		memmove(data, data + used, have - used);
		have -= used;
		off += used;
	}
	free(data);
	return n < 0 ? -EIO : 0;
}

static int set_names(struct perfmap *pm, struct names *names, int fd)
{
	char text[MAX_LINE];
	uint32_t i, same = UINT32_MAX;
	struct names_frame f = {0};
	int err = 0;

	for (i = 0; i < pm->m->n_addrs && !err; i++) {
		struct source_addr *a = &pm->m->addrs[i];
		const struct pick *p = &pm->picks[i];

		if (a->done || !p->len || p->len > sizeof(text))
			continue;
		if (same == UINT32_MAX || pm->picks[same].off != p->off) {
			f = (struct names_frame){0};
			/* It may have been cut short since. */
			if (io_pread_full(fd, text, p->len, p->off) != (ssize_t)p->len)
				continue;
			err = jit_name(names, text, strnlen(text, p->len), &f);
			same = i;
		}
		if (!err)
			err = names_set(names, a->location, NAMES_JIT, &f, 1);
		a->done = !err;
	}
	return err;
}

static int perfmap_resolve(struct source_module *m, struct names *names, bool inlines)
{
	struct perfmap pm = {.m = m};
	int err, fd = m->aux_fd[SOURCE_FD_PERFMAP];

	(void)inlines;
	if (!m->n_addrs || fd < 0)
		return 0;
	pm.picks = calloc(m->n_addrs, sizeof(*pm.picks));
	if (!pm.picks)
		return -ENOMEM;
	err = read_map(&pm, fd);
	if (err != -ENOMEM)
		err = set_names(&pm, names, fd);
	m->missing = pm.n_lines ? NAMES_JIT_NOT_LISTED : m->missing;
	free(pm.picks);
	return err;
}

static int copy_fd(int fd)
{
	return fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

static void perfmap_prepare(struct source_module *m)
{
	const struct profile_jit *jit;

	m->missing = NAMES_JIT_UNMAPPED;
	if (!m->mod->jit || m->mod->jit > m->profile->n_jits)
		return;
	jit = &m->profile->jits[m->mod->jit - 1];
	if (jit->reason == JIT_FOREIGN || jit->reason == JIT_OUTDATED)
		m->missing = NAMES_JIT_FOREIGN;
	m->aux_fd[SOURCE_FD_PERFMAP] = copy_fd(jit->map_fd);
	m->aux_fd[SOURCE_FD_JITDUMP] = copy_fd(jit->dump_fd);
}

static bool perfmap_applies(const struct profile_module *mod)
{
	return mod->kind == MODULE_ANON;
}

const struct source source_perfmap = {
	.name = "perf map",
	.applies = perfmap_applies,
	.prepare = perfmap_prepare,
	.resolve = perfmap_resolve,
};

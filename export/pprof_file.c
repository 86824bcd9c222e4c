/* SPDX-License-Identifier: Apache-2.0 */
/* pprof_file.c - a pprof from a file or a pipe, and what a read pprof owns. */
#include "export/pprof.h"
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHUNK 65536

/* Unlike io_read_file() this may wait: report reads pipes too. */
static int read_to_end(int fd, struct buf *out)
{
	ssize_t n;
	int err;

	for (;;) {
		err = buf_reserve(out, out->max - out->len < CHUNK ? 1 : CHUNK);
		if (err)
			return err;
		n = io_read_full(fd, out->data + out->len, out->cap - out->len);
		if (n <= 0)
			return (int)n;
		out->len += (size_t)n;
	}
}

static const char *name_of(const char *path)
{
	return strcmp(path, "-") ? path : "standard input";
}

int pprof_file_bytes(const char *path, struct buf *data, char *why, size_t why_len)
{
	bool standard_input = !strcmp(path, "-");
	int err, fd = standard_input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0) {
		err = -errno;
		snprintf(why, why_len, "cannot open '%s': %s", path, strerror(-err));
		return err;
	}
	err = read_to_end(fd, data);
	if (err == -E2BIG)
		snprintf(why, why_len, "'%s' is larger than %zu MB", name_of(path), data->max >> 20);
	else if (err)
		snprintf(why, why_len, "cannot read '%s': %s", name_of(path), strerror(-err));
	if (!standard_input)
		close(fd);
	return err;
}

int pprof_read_file(const char *path, struct pprof **out, char *why, size_t why_len)
{
	char reason[192] = "";
	struct buf data;
	int err;

	buf_init(&data, PPROF_MAX_RAW);
	err = pprof_file_bytes(path, &data, why, why_len);
	if (!err) {
		err = pprof_read(data.data, data.len, out, reason, sizeof(reason));
		if (err)
			snprintf(why, why_len, "cannot use '%s' as a profile: %s", name_of(path), reason);
	}
	buf_release(&data);
	return err;
}

void pprof_free(struct pprof *p)
{
	if (!p)
		return;
	free(p->strings);
	free(p->types);
	free(p->samples);
	free(p->values);
	free(p->location_refs);
	free(p->labels);
	free(p->locations);
	free(p->lines);
	free(p->functions);
	free(p->mappings);
	free(p->comments);
	free(p->raw);
	free(p);
}

struct pprof_str pprof_string(const struct pprof *p, uint32_t id)
{
	return id < p->n_strings ? p->strings[id] : (struct pprof_str){.s = "", .len = 0};
}

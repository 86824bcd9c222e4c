/* SPDX-License-Identifier: Apache-2.0 */
/* perf.c - life of the events of a capture, and what is the same for all of them. */
#include "collect/perf_private.h"

#include "base/io.h"
#include "collect/regs.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* "0-3,5" from sysfs; one CPU, number 0, if it cannot be read. */
static int read_cpus(struct perf *p)
{
	struct buf b;
	char *s, *end;
	long lo, hi;

	p->cpus = malloc(sizeof(int));
	if (!p->cpus)
		return -ENOMEM;
	buf_init(&b, 65536);
	if (io_read_file(AT_FDCWD, "/sys/devices/system/cpu/online", &b) || buf_put_u8(&b, 0))
		buf_clear(&b);
	for (s = (char *)b.data; b.len && *s >= '0' && *s <= '9'; s = *end == ',' ? end + 1 : end) {
		lo = hi = strtol(s, &end, 10);
		if (*end == '-')
			hi = strtol(end + 1, &end, 10);
		for (; lo <= hi && p->n_cpus < 8192; lo++) {
			int *cpus = realloc(p->cpus, (p->n_cpus + 1) * sizeof(*cpus));

			if (!cpus)
				goto nomem;
			p->cpus = cpus;
			p->cpus[p->n_cpus++] = (int)lo;
		}
	}
	buf_release(&b);
	if (!p->n_cpus)
		p->cpus[p->n_cpus++] = 0;
	return 0;
nomem:
	buf_release(&b);
	return -ENOMEM;
}

int perf_new(struct perf **out, const struct perf_options *opt)
{
	struct perf *p = calloc(1, sizeof(*p));
	bool kernel = false;
	uint32_t i;
	int err = -ENOMEM;

	if (!p)
		return -ENOMEM;
	p->opt = *opt;
	err = read_cpus(p);
	if (err)
		goto fail;
	err = -ENOMEM;
	p->sources = calloc(2 * (size_t)p->n_cpus, sizeof(*p->sources));
	p->out_fds = malloc(2 * p->n_cpus * sizeof(int));
	p->ran = calloc(p->n_cpus, sizeof(*p->ran));
	if (!p->sources || !p->out_fds || !p->ran)
		goto fail;
	for (i = 0; i < opt->plan->n; i++)
		kernel |= !opt->plan->events[i].err && opt->plan->events[i].kernel_frames;
	for (i = 0; i < 2 * p->n_cpus; i++)
		p->out_fds[i] = -1;
	p->side_layout.sample_type = PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_TID | PERF_SAMPLE_TIME;
	p->sample_layout.sample_type = PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_IP | PERF_SAMPLE_TID |
				       PERF_SAMPLE_TIME | PERF_SAMPLE_PERIOD | PERF_SAMPLE_REGS_USER |
				       PERF_SAMPLE_STACK_USER |
				       (kernel || opt->user_chain ? PERF_SAMPLE_CALLCHAIN : 0);
	p->sample_layout.n_regs = (unsigned)__builtin_popcountll(regs_arch.perf_mask);
	*out = p;
	return 0;
fail:
	perf_free(p);
	return err;
}

void perf_free(struct perf *p)
{
	uint32_t i;

	if (!p)
		return;
	if (p->sources)
		perf_unmap_rings(p);
	for (i = 0; i < p->n; i++)
		if (p->events[i].fd >= 0)
			close(p->events[i].fd);
	for (i = 0; p->out_fds && i < 2 * p->n_cpus; i++)
		if (p->out_fds[i] >= 0)
			close(p->out_fds[i]);
	free(p->events);
	free(p->sources);
	free(p->out_fds);
	free(p->cpus);
	free(p->fds);
	free(p->ran);
	idmap_release(&p->by_id);
	idmap_release(&p->by_tid);
	free(p->tasks);
	free(p);
}

void perf_disable(struct perf *p)
{
	uint32_t i;

	p->stopped = true;
	for (i = 0; i < p->n; i++)
		if (p->events[i].fd >= 0)
			ioctl(p->events[i].fd, PERF_EVENT_IOC_DISABLE, 0);
}

struct order_source *perf_sources(struct perf *p, uint32_t *n)
{
	*n = p->n_sources;
	return p->sources;
}

uint32_t perf_stack_size(const struct perf *p)
{
	return p->sizes[0];
}

size_t perf_ring_bytes(const struct perf *p)
{
	uint32_t i;

	for (i = 0; i < p->n_sources; i++)
		if (!p->sources[i].side_band)
			return ring_size(p->sources[i].ring);
	return 0;
}

bool perf_whole_cpus(const struct perf *p)
{
	return p->whole_cpus;
}

void perf_spare(struct perf *p)
{
	p->spare = true;
}

uint32_t perf_cpus(const struct perf *p)
{
	return p->n_cpus;
}

const int *perf_fds(struct perf *p, uint32_t *n)
{
	uint32_t i, count = 0, want = p->n + 2 * p->n_cpus;

	*n = 0;
	if (want > p->fds_cap) {
		int *fds = realloc(p->fds, want * sizeof(*fds));

		if (!fds)
			return NULL;
		p->fds = fds;
		p->fds_cap = want;
	}
	for (i = 0; i < p->n; i++)
		if (p->events[i].fd >= 0)
			p->fds[count++] = p->events[i].fd;
	for (i = 0; i < 2 * p->n_cpus; i++)
		if (p->out_fds[i] >= 0)
			p->fds[count++] = p->out_fds[i];
	*n = count;
	return p->fds;
}

const int *perf_wake_fds(struct perf *p, uint32_t *n)
{
	*n = 2 * p->n_cpus; /* -1 for a CPU that went offline */
	return p->out_fds;
}

bool perf_all_ended(struct perf *p)
{
	struct pollfd pfd = {.events = POLLIN};
	uint32_t i;

	for (i = 0; i < p->n; i++) {
		if (!perf_sized(&p->events[i]) || p->events[i].fd < 0)
			continue;
		pfd.fd = p->events[i].fd;
		if (poll(&pfd, 1, 0) < 0 || !(pfd.revents & POLLHUP))
			return false;
	}
	return true;
}

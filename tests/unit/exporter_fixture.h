/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exporter_fixture.h - a profile of this very program, a sink, and an exporter between them.
 */
#ifndef TESTS_EXPORTER_FIXTURE_H
#define TESTS_EXPORTER_FIXTURE_H

#include "export/exporter.h"
#include "export/pprof.h"
#include "tests/unit/sample_profile.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
	struct sample_profile s;
	char dir[64], output[80], why[256];
	struct sink sink;
	struct tags tags;
	struct export_job job;
	struct exporter *e;
	struct export_result result;
	uint32_t own_location;
};

/* ---- a module that can really be symbolized: this program ---- */

__attribute__((noinline, used)) static void profiled_function(void)
{
	__asm__ volatile("");
}

static inline int read_segments(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct profile_module *m = arg;
	int i;

	(void)size;
	for (i = 0; i < info->dlpi_phnum && m->n_segments < PROFILE_MAX_SEGMENTS; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];

		if (ph->p_type == PT_LOAD)
			m->segments[m->n_segments++] = (struct module_segment){.vaddr = ph->p_vaddr,
									       .off = ph->p_offset,
									       .filesz = ph->p_filesz,
									       .memsz = ph->p_memsz,
									       .flags = ph->p_flags};
	}
	m->file_size = info->dlpi_addr; /* lent for the load address */
	return 1;                       /* the program itself comes first */
}

static inline void add_own_location(struct fixture *x)
{
	struct profile_module m = {
		.kind = MODULE_FILE, .pid = getpid(), .e_type = ET_DYN, .e_machine = EM_X86_64};
	struct profile *p = &x->s.p;
	uint64_t base, vaddr;
	uint32_t i, mapping;

	dl_iterate_phdr(read_segments, &m);
	base = m.file_size;
	m.file_size = 0;
	m.fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	assert_true(m.fd >= 0);
	m.path = sample_string(p, "/opt/test/test_exporter");
	vaddr = (uintptr_t)profiled_function - base;
	for (i = 0; i < m.n_segments; i++) {
		const struct module_segment *s = &m.segments[i];

		if (vaddr < s->vaddr || vaddr - s->vaddr >= s->filesz)
			continue;
		mapping = profile_mapping(p, profile_add_module(p, &m), base + s->vaddr,
					  base + s->vaddr + s->memsz, s->off);
		x->own_location = profile_location(p, mapping, s->off + (vaddr - s->vaddr));
	}
	i = profile_stack(p, &x->own_location, 1);
	assert_int_equal(profile_add(p, i, 0, 1, 5000000000), 0);
	assert_int_equal(profile_add(p, i, 0, 0, 500), 0);
}

static inline int setup(void **state)
{
	static const char *const extra[] = {"ddprof.mode: test"};
	struct fixture *x = calloc(1, sizeof(*x));

	sample_profile_init(&x->s);
	add_own_location(x);
	strcpy(x->dir, "/tmp/test_exporter.XXXXXX");
	assert_non_null(mkdtemp(x->dir));
	snprintf(x->output, sizeof(x->output), "%s/x.pb.gz", x->dir);
	assert_int_equal(sink_open(&x->sink, x->output, NULL, false, 0, NULL, x->why, sizeof(x->why)), 0);
	tags_init(&x->tags);
	assert_int_equal(tags_set(&x->tags, "env", "prod"), 0);
	x->s.p.quality.samples = 590;
	x->job = (struct export_job){.profile = &x->s.p,
				     .names = &x->s.names,
				     .sink = &x->sink,
				     .tags = &x->tags,
				     .comments = extra,
				     .n_comments = 1,
				     .symbolize = {.inlines = true}};
	*state = x;
	return 0;
}

static inline int teardown(void **state)
{
	struct fixture *x = *state;
	uint32_t i;

	exporter_free(x->e);
	sink_close(&x->sink);
	tags_release(&x->tags);
	for (i = 0; i < x->s.p.n_modules; i++)
		if (x->s.p.modules[i].fd >= 0)
			close(x->s.p.modules[i].fd);
	sample_profile_release(&x->s);
	unlink(x->output);
	assert_int_equal(rmdir(x->dir), 0); /* nothing else was left there */
	free(x);
	return 0;
}

static inline void start(struct fixture *x)
{
	exporter_free(x->e);
	x->e = NULL;
	assert_int_equal(exporter_start(&x->e, &x->job), 0);
}

/* Wait as the collector does. */
static inline void finish(struct fixture *x)
{
	struct pollfd pfd = {.fd = exporter_fd(x->e), .events = POLLIN};

	while (!exporter_read(x->e, &x->result))
		if (poll(&pfd, 1, 60000) <= 0)
			fail_msg("no reply");
}

static inline struct pprof *read_back(struct fixture *x)
{
	struct pprof *p = NULL;

	if (pprof_read_file(x->output, &p, x->why, sizeof(x->why)))
		fail_msg("%s", x->why);
	return p;
}

static inline bool has_comment(const struct pprof *p, const char *want)
{
	struct pprof_str s;
	uint32_t i;

	for (i = 0; i < p->n_comments; i++) {
		s = pprof_string(p, p->comments[i]);
		if (s.len == strlen(want) && !memcmp(s.s, want, s.len))
			return true;
	}
	return false;
}

#endif

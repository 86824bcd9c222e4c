/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sample_profile.h - a small profile with one of everything, for the tests of
 * export/: files with and without names, inlined calls, kernel, vdso and
 * generated code, synthetic frames, labels of both kinds.
 */
#ifndef TESTS_UNIT_SAMPLE_PROFILE_H
#define TESTS_UNIT_SAMPLE_PROFILE_H

#include "collect/profile.h"
#include "symbolize/names.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

struct sample_profile {
	struct profile p;
	struct names names;
	uint32_t program, libc, kernel, anon;                         /* mappings */
	uint32_t work, caller, malloc_, unnamed, sys_read, jit, lost; /* locations */
};

static inline uint32_t sample_string(struct profile *p, const char *s)
{
	uint32_t id;

	assert(!strtab_put(&p->strings, s, &id));
	return id;
}

static inline uint32_t sample_label(struct profile *p, const char *s)
{
	uint32_t id;

	assert(!strtab_put(&p->label_strings, s, &id));
	return id;
}

static inline uint32_t sample_module(struct profile *p, enum module_kind kind, const char *path,
				     uint8_t build_id)
{
	struct profile_module m = {.kind = kind, .fd = -1, .path = sample_string(p, path)};

	m.reason = kind == MODULE_FILE ? MODULE_OK : MODULE_NO_CONTENTS;
	if (build_id) {
		m.build_id_len = 20;
		memset(m.build_id, build_id, m.build_id_len);
	}
	return profile_add_module(p, &m);
}

struct sample_name {
	const char *function, *system_name, *file;
	uint32_t line, start_line;
};

static inline void sample_names(struct names *n, uint32_t loc, enum names_status status,
				const struct sample_name *from, uint32_t count)
{
	struct names_frame frames[8] = {0};
	uint32_t i;

	for (i = 0; i < count; i++) {
		assert(!strtab_put(&n->strings, from[i].function, &frames[i].function));
		assert(!strtab_put(&n->strings, from[i].system_name, &frames[i].system_name));
		assert(!strtab_put(&n->strings, from[i].file, &frames[i].file));
		frames[i].line = from[i].line;
		frames[i].start_line = from[i].start_line;
	}
	assert(!names_set(n, loc, status, frames, count));
}

static inline void sample_locations(struct sample_profile *s)
{
	struct profile *p = &s->p;

	s->libc = profile_mapping(p, sample_module(p, MODULE_FILE, "/usr/lib/libc.so.6", 0xcd),
				  0x7f0000028000, 0x7f0000180000, 0x28000);
	s->program = profile_mapping(p, sample_module(p, MODULE_FILE, "/opt/demo/bin/demo", 0xab),
				     0x555500001000, 0x555500009000, 0x1000);
	s->kernel = profile_mapping(p, sample_module(p, MODULE_KERNEL, "[kernel.kallsyms]", 0),
				    0xffffffff81000000, 0xffffffff82000000, 0xffffffff81000000);
	s->anon = profile_mapping(p, sample_module(p, MODULE_ANON, "[anon]", 0), 0x7e0000000000,
				  0x7e0000010000, 0x7e0000000000);
	s->malloc_ = profile_location(p, s->libc, 0x98765);
	s->work = profile_location(p, s->program, 0x1234);
	s->caller = profile_location(p, s->program, 0x2345);
	s->unnamed = profile_location(p, s->libc, 0x99999);
	s->sys_read = profile_location(p, s->kernel, 0xffffffff81345678);
	s->jit = profile_location(p, s->anon, 0x7e0000000123);
	s->lost = profile_synthetic(p, "[lost]");
}

static inline void sample_samples(struct sample_profile *s)
{
	struct profile *p = &s->p;
	struct profile_label labels[] = {
		{.key = sample_string(p, "thread id"), .str = sample_label(p, "4242")},
		{.key = sample_string(p, "thread name"), .str = sample_label(p, "worker \xc3\xa9")},
		{.key = sample_string(p, "span id"), .num = INT64_MIN + 5, .is_num = true},
	};
	const uint32_t in_work[] = {s->work, s->caller}, in_malloc[] = {s->malloc_, s->work, s->caller};
	const uint32_t in_unnamed[] = {s->unnamed, s->caller},
		       in_kernel[] = {s->sys_read, s->unnamed, s->caller};
	const uint32_t in_jit[] = {s->jit, s->caller};
	const struct {
		const uint32_t *frames;
		uint32_t n, labels;
		int64_t samples;
	} samples[] = {
		{in_work, 2, 3, 50},  {in_malloc, 3, 2, 20}, {in_unnamed, 2, 2, 10},
		{in_kernel, 3, 1, 5}, {in_jit, 2, 0, 4},     {&s->lost, 1, 0, 1},
	};
	uint32_t i, stack, set;

	for (i = 0; i < sizeof(samples) / sizeof(*samples); i++) {
		stack = profile_stack(p, samples[i].frames, samples[i].n);
		set = profile_labelset(p, labels, samples[i].labels);
		assert(!profile_add(p, stack, set, 0, samples[i].samples));
		assert(!profile_add(p, stack, set, 1, samples[i].samples * 10000000));
	}
}

static inline void sample_profile_init(struct sample_profile *s)
{
	struct profile *p = &s->p;

	memset(s, 0, sizeof(*s));
	assert(!profile_init(p) && !names_init(&s->names));
	profile_add_type(p, "cpu-samples", "count");
	p->default_type = profile_add_type(p, "cpu-time", "nanoseconds");
	p->period_type = p->types[1];
	p->period = 10000000;
	p->start_ns = 1700000000123456789u;
	p->duration_ns = 2000000000u;
	sample_locations(s);
	sample_samples(s);
	assert(!names_resize(&s->names, p->n_locations));
	sample_names(&s->names, s->work, NAMES_DWARF,
		     (struct sample_name[]){{"inner(int)", "_Z5inneri", "/src/demo/inner.h", 7, 5},
					    {"middle(int)", "_Z6middlei", "/src/demo/demo.cc", 20, 18},
					    {"work()", "_Z4workv", "/src/demo/demo.cc", 33, 30}},
		     3);
	sample_names(&s->names, s->caller, NAMES_DWARF,
		     (struct sample_name[]){{"main", "main", "/src/demo/demo.cc", 55, 50}}, 1);
	sample_names(&s->names, s->malloc_, NAMES_SYMBOL,
		     (struct sample_name[]){{"malloc", "malloc", "", 0, 0}}, 1);
	sample_names(&s->names, s->unnamed, NAMES_STRIPPED, NULL, 0);
	sample_names(&s->names, s->sys_read, NAMES_SYMBOL,
		     (struct sample_name[]){{"ksys_read", "ksys_read", "", 0, 0}}, 1);
	sample_names(&s->names, s->jit, NAMES_JIT_UNMAPPED, NULL, 0);
}

static inline void sample_profile_release(struct sample_profile *s)
{
	profile_release(&s->p);
	names_release(&s->names);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* pprof_fixture.h - the sample profile, written and read back. */
#ifndef TESTS_UNIT_PPROF_FIXTURE_H
#define TESTS_UNIT_PPROF_FIXTURE_H

#include "export/pprof.h"
#include "sample_profile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const comments[] = {"ddprof.format: 1", "ddprof.tag.env: prod"};

struct fixture {
	struct sample_profile s;
	struct buf raw;
	struct pprof *p;
	char why[200];
};

static inline void encode(struct fixture *f)
{
	buf_init(&f->raw, PPROF_MAX_RAW);
	assert_int_equal(pprof_write(&f->s.p, &f->s.names, comments, 2, &f->raw), 0);
	assert_int_equal(pprof_read(f->raw.data, f->raw.len, &f->p, f->why, sizeof(f->why)), 0);
}

static inline int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	sample_profile_init(&f->s);
	encode(f);
	*state = f;
	return 0;
}

static inline int teardown(void **state)
{
	struct fixture *f = *state;

	pprof_free(f->p);
	buf_release(&f->raw);
	sample_profile_release(&f->s);
	free(f);
	return 0;
}

static inline void assert_str(const struct pprof *p, uint32_t id, const char *want)
{
	struct pprof_str s = pprof_string(p, id);

	assert_int_equal(s.len, strlen(want));
	assert_memory_equal(s.s, want, s.len);
}

#endif

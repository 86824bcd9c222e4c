/* SPDX-License-Identifier: Apache-2.0 */
/* test_quality.c - one percentage out of a window's figures, and the same out of any file's comments. */
#include "collect/unwind_end.h"
#include "export/comments.h"
#include "export/quality.h"
#include "sample_profile.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SECOND UINT64_C(1000000000)

static void assert_quality(const struct profile_quality *w, double stacks, double cpu)
{
	struct quality q;

	quality_of_window(&q, w);
	if (q.stacks != stacks || q.cpu != cpu || q.percent != (stacks < cpu ? stacks : cpu))
		fail_msg("%g and %g make %g, not %g and %g", q.stacks, q.cpu, q.percent, stacks, cpu);
}

static void quality_is_the_smaller_share(void **state)
{
	struct profile_quality w = {
		.samples = 100, .user_samples = 80, .complete = 60, .sampled_cpu_ns = SECOND};

	(void)state;
	assert_quality(&w, 75, 100);
	w.complete = 80;
	assert_quality(&w, 100, 100);
	w.unsampled_ns = SECOND / 2;
	w.kernel_denied_ns = 2 * SECOND;
	w.lost_cpu_ns = SECOND / 2;
	assert_quality(&w, 100, 25);
	w.sampled_cpu_ns = 0;
	assert_quality(&w, 100, 0);
}

static void without_cpu_time_samples_lost_count(void **state)
{
	struct profile_quality w = {.samples = 90, .lost = 10};

	(void)state;
	assert_quality(&w, 100, 90);
	w.samples = 0;
	assert_quality(&w, 100, 0);
}

static void nothing_missed_is_full_quality(void **state)
{
	struct profile_quality w = {0};

	(void)state;
	assert_quality(&w, 100, 100);
	w.unsampled_ns = QUALITY_SLACK_NS - 1; /* an idle process that woke up once */
	assert_quality(&w, 100, 100);
	w.unsampled_ns++;
	assert_quality(&w, 100, 0);
	w = (struct profile_quality){.sampled_cpu_ns = UINT64_MAX, .unsampled_ns = UINT64_MAX};
	assert_quality(&w, 100, 100); /* sums that do not fit stay at their limit */
}

struct file {
	struct sample_profile s;
	struct buf raw;
	struct pprof *p;
};

static void write_file(struct file *f, const char *const *extra, uint32_t n)
{
	struct comments c;
	char why[200];

	assert_int_equal(comments_build(&c, &f->s.p, &f->s.names, NULL, NULL, extra, n), 0);
	buf_init(&f->raw, PPROF_MAX_RAW);
	assert_int_equal(pprof_write(&f->s.p, &f->s.names, (const char *const *)c.lines, c.n, &f->raw), 0);
	assert_int_equal(pprof_read(f->raw.data, f->raw.len, &f->p, why, sizeof(why)), 0);
	comments_release(&c);
}

static void close_file(struct file *f)
{
	pprof_free(f->p);
	buf_release(&f->raw);
	sample_profile_release(&f->s);
}

static void a_file_tells_what_its_window_told(void **state)
{
	struct file f;
	struct profile_quality *w = &f.s.p.quality;
	struct quality window, file;
	char why[200];

	(void)state;
	sample_profile_init(&f.s);
	*w = (struct profile_quality){.samples = 1000,
				      .user_samples = 900,
				      .complete = 300,
				      .lost = 7,
				      .sampled_cpu_ns = 3 * SECOND,
				      .kernel_denied_ns = SECOND};
	w->ends[UNWIND_COMPLETE_CFI] = 200;
	w->ends[UNWIND_COMPLETE_ENTRY] = 100;
	w->ends[UNWIND_END_STACK] = 150;
	w->ends[UNWIND_END_NO_CFI] = 400;
	w->ends[UNWIND_END_NO_REGS] = 50;
	write_file(&f, NULL, 0);
	quality_of_window(&window, w);
	assert_int_equal(quality_of_file(&file, f.p, why, sizeof(why)), 0);
	assert_memory_equal(&window, &file, sizeof(file));
	assert_string_equal(file.ends[0].why, "no cfi and no frame pointer");
	assert_int_equal(file.ends[0].stacks, 400);
	assert_string_equal(file.ends[2].why, "no user registers");
	assert_string_equal(file.ends[3].why, "");
	close_file(&f);
}

static void what_falls_short_is_explained_and_nothing_else(void **state)
{
	struct profile_quality w = {
		.samples = 100, .user_samples = 100, .complete = 80, .sampled_cpu_ns = SECOND};
	struct quality q;
	struct buf out;

	(void)state;
	w.ends[UNWIND_END_STACK] = 20;
	quality_of_window(&q, &w);
	buf_init(&out, 4096);
	assert_int_equal(quality_explain(&q, 81, &out), 0);
	assert_int_equal(buf_put_u8(&out, 0), 0);
	assert_string_equal((char *)out.data,
			    "  stacks: 80.0 % of 100 complete; others ended: stack copy too small 20\n");
	buf_clear(&out);
	assert_int_equal(quality_explain(&q, 80, &out), 0);
	assert_int_equal(out.len, 0);
	w.complete = 100;
	w.kernel_denied_ns = 3 * SECOND;
	quality_of_window(&q, &w);
	assert_int_equal(quality_explain(&q, 50, &out), 0);
	assert_int_equal(buf_put_u8(&out, 0), 0);
	assert_string_equal((char *)out.data,
			    "  CPU time: 25.0 % of 4.00 s sampled; 3.00 s in the kernel, not permitted\n");
	buf_release(&out);
}

static void other_tools_and_merged_files_have_no_quality(void **state)
{
	static const char *const other[] = {"ddprof.quality.samples: 1"};
	struct file f;
	struct quality q;
	char why[200] = "";
	uint32_t n;

	(void)state;
	sample_profile_init(&f.s);
	write_file(&f, other, 1); /* it has "ddprof.quality.samples: 0" already */
	assert_int_equal(quality_of_file(&q, f.p, why, sizeof(why)), -EBADMSG);
	assert_non_null(strstr(why, "merged"));
	n = f.p->n_comments;
	f.p->n_comments = 0;
	assert_int_equal(quality_of_file(&q, f.p, why, sizeof(why)), -ENOENT);
	assert_non_null(strstr(why, "profiles of ddprof"));
	f.p->n_comments = n;
	close_file(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quality_is_the_smaller_share),
		cmocka_unit_test(without_cpu_time_samples_lost_count),
		cmocka_unit_test(nothing_missed_is_full_quality),
		cmocka_unit_test(a_file_tells_what_its_window_told),
		cmocka_unit_test(what_falls_short_is_explained_and_nothing_else),
		cmocka_unit_test(other_tools_and_merged_files_have_no_quality),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

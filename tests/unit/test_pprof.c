/* SPDX-License-Identifier: Apache-2.0 */
/* test_pprof.c - what is written is read back the same, by us and by Go. */
#include "pprof_fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- round trip ---- */

static void head_and_comments_survive(void **state)
{
	const struct pprof *p = ((struct fixture *)*state)->p;

	assert_int_equal(p->n_types, 2);
	assert_str(p, p->types[0].type, "cpu-samples");
	assert_str(p, p->types[0].unit, "count");
	assert_str(p, p->types[1].type, "cpu-time");
	assert_str(p, p->types[1].unit, "nanoseconds");
	assert_int_equal(p->default_type, 1);
	assert_str(p, p->period_type.type, "cpu-time");
	assert_int_equal(p->period, 10000000);
	assert_true(p->time_nanos == 1700000000123456789);
	assert_true(p->duration_nanos == 2000000000);
	assert_int_equal(p->n_comments, 2);
	assert_str(p, p->comments[0], comments[0]);
	assert_str(p, p->comments[1], comments[1]);
}

static void compare_lines(const struct pprof *p, const struct pprof_location *l, const struct fixture *f,
			  uint32_t loc)
{
	const struct names *n = &f->s.names;
	const struct names_location *nl = &n->locations[loc];
	uint32_t i;

	if (!nl->n) {
		struct pprof_str name = pprof_string(p, p->functions[p->lines[l->first_line].function].name);

		assert_int_equal(l->n_lines, 1);
		assert_true(names_is_place(name.s, name.len));
	} else {
		assert_int_equal(l->n_lines, nl->n);
	}
	for (i = 0; i < nl->n; i++) {
		const struct names_frame *want = &n->frames[nl->first + i];
		const struct pprof_line *line = &p->lines[l->first_line + i];
		const struct pprof_function *fn = &p->functions[line->function];

		assert_int_equal(line->line, want->line);
		assert_int_equal(fn->start_line, want->start_line);
		assert_str(p, fn->name, strtab_get(&n->strings, want->function));
		assert_str(p, fn->system_name, strtab_get(&n->strings, want->system_name));
		assert_str(p, fn->filename, strtab_get(&n->strings, want->file));
	}
}

static void compare_location(const struct pprof *p, const struct pprof_location *l, const struct fixture *f,
			     uint32_t loc)
{
	const struct profile *q = &f->s.p;
	const struct profile_location *want = &q->locations[loc];
	const struct profile_mapping *m;

	if (want->mapping == PROFILE_NONE) {
		assert_int_equal(l->mapping, UINT32_MAX);
		assert_int_equal(l->address, 0);
		assert_int_equal(l->n_lines, 1);
		assert_str(p, p->functions[p->lines[l->first_line].function].name,
			   strtab_get(&q->strings, (uint32_t)want->off));
		return;
	}
	m = &q->mappings[want->mapping];
	assert_true(l->address == profile_location_address(m, want));
	assert_true(p->mappings[l->mapping].start == m->start && p->mappings[l->mapping].limit == m->limit);
	assert_true(p->mappings[l->mapping].off == m->off);
	assert_true(l->address >= m->start && l->address < m->limit);
	assert_str(p, p->mappings[l->mapping].filename, strtab_get(&q->strings, q->modules[m->module].path));
	compare_lines(p, l, f, loc);
}

static void every_sample_survives(void **state)
{
	struct fixture *f = *state;
	const struct profile *q = &f->s.p;
	const struct pprof *p = f->p;
	uint32_t i, k;

	assert_int_equal(p->n_samples, q->n_samples);
	for (i = 0; i < p->n_samples; i++) {
		const struct profile_range *stack = &q->stacks[q->samples[i].stack];
		const struct profile_range *set = &q->labelsets[q->samples[i].labels];
		const struct pprof_sample *s = &p->samples[i];

		assert_memory_equal(p->values + i * 2, q->values + i * 2, 2 * sizeof(int64_t));
		assert_int_equal(s->n_locations, stack->n);
		for (k = 0; k < stack->n; k++)
			compare_location(p, &p->locations[p->location_refs[s->first_location + k]], f,
					 q->frames[stack->first + k]);
		assert_int_equal(s->n_labels, set->n);
		for (k = 0; k < set->n; k++) {
			const struct profile_label *want = &q->labels[set->first + k];
			const struct pprof_label *got = &p->labels[s->first_label + k];

			assert_str(p, got->key, strtab_get(&q->strings, want->key));
			assert_str(p, got->str, want->is_num ? "" : strtab_get(&q->label_strings, want->str));
			assert_true(got->num == (want->is_num ? want->num : 0));
		}
	}
}

static void the_program_is_the_first_mapping_and_build_ids_are_lowercase_hex(void **state)
{
	const struct pprof *p = ((struct fixture *)*state)->p;

	assert_int_equal(p->n_mappings, 4);
	assert_str(p, p->mappings[0].filename, "/opt/demo/bin/demo");
	assert_int_equal(p->mappings[0].id, 1);
	assert_str(p, p->mappings[0].build_id, "abababababababababababababababababababab");
}

static const struct pprof_mapping *mapping_named(const struct pprof *p, const char *name)
{
	uint32_t i;

	for (i = 0; i < p->n_mappings; i++)
		if (pprof_string(p, p->mappings[i].filename).len == strlen(name) &&
		    !memcmp(pprof_string(p, p->mappings[i].filename).s, name, strlen(name)))
			return &p->mappings[i];
	fail_msg("no mapping '%s'", name);
	return NULL;
}

static void a_mapping_claims_no_more_than_was_found(void **state)
{
	const struct pprof *p = ((struct fixture *)*state)->p;
	const struct pprof_mapping *demo = mapping_named(p, "/opt/demo/bin/demo");
	const struct pprof_mapping *libc = mapping_named(p, "/usr/lib/libc.so.6");
	const struct pprof_mapping *kernel = mapping_named(p, "[kernel.kallsyms]");

	assert_true(demo->has_functions && demo->has_filenames && demo->has_lines && demo->has_inlines);
	/* one of its addresses could still be named by somebody with a debug file */
	assert_false(libc->has_functions || libc->has_filenames || libc->has_lines || libc->has_inlines);
	assert_true(kernel->has_functions);
	assert_false(kernel->has_lines);
}

static void only_what_samples_use_is_written(void **state)
{
	struct fixture *f = *state;
	struct profile *q = &f->s.p;
	uint32_t other = profile_mapping(q, 0, 0x1000, 0x2000, 0x999000),
		 loc = profile_location(q, other, 0x999010);
	uint32_t empty = profile_stack(q, &loc, 1);

	assert_int_equal(profile_add(q, empty, 0, 0, 0), 0);
	pprof_free(f->p);
	buf_release(&f->raw);
	encode(f);
	assert_int_equal(f->p->n_mappings, 4);
	assert_int_equal(f->p->n_locations, 7);
	assert_int_equal(f->p->n_samples, 6);
}

static void an_empty_profile_is_a_profile(void **state)
{
	struct fixture *f = *state;

	profile_reset(&f->s.p);
	pprof_free(f->p);
	buf_release(&f->raw);
	encode(f);
	assert_int_equal(f->p->n_samples, 0);
	assert_int_equal(f->p->n_types, 2);
}

/* Two events of the first sample by themselves, its rest merged; the other samples as they were. */
static void a_timeline_is_one_sample_an_event_and_the_rest(void **state)
{
	struct fixture *f = *state;
	struct profile *q = &f->s.p;
	struct pprof *p = NULL;
	char why[128];
	struct buf out;
	uint32_t i;

	q->max_events = 16;
	for (i = 0; i < 2; i++)
		profile_event(q, q->samples[0].stack, q->samples[0].labels, q->start_ns + i, 0, 1, 1, 1000);
	assert_int_equal(q->n_events, 2);
	buf_init(&out, PPROF_MAX_RAW);
	assert_int_equal(pprof_write(q, &f->s.names, NULL, 0, &out), 0);
	assert_int_equal(pprof_read(out.data, out.len, &p, why, sizeof(why)), 0);
	assert_int_equal(p->n_samples, q->n_samples + 2);
	for (i = 0; i < 2; i++) {
		const struct pprof_label *l =
			&p->labels[p->samples[i].first_label + p->samples[i].n_labels - 1];

		assert_str(p, l->key, "end_timestamp_ns");
		assert_true(l->num == (int64_t)(q->start_ns + i));
		assert_int_equal(p->values[2 * i], 1);
		assert_int_equal(p->values[2 * i + 1], 1000);
	}
	assert_true(p->values[4] == q->values[0] - 2);
	assert_true(p->values[5] == q->values[1] - 2000);
	assert_memory_equal(p->values + 6, q->values + 2, (q->n_samples - 1) * 2 * sizeof(int64_t));
	pprof_free(p);
	buf_release(&out);
}

static void strings_are_made_utf8(void **state)
{
	struct fixture *f = *state;
	const char *odd[] = {"ok \xc3\xa9", "\xff\xfe bytes", "cut \xe2\x82"};
	struct buf raw;
	struct pprof *p;

	buf_init(&raw, PPROF_MAX_RAW);
	assert_int_equal(pprof_write(&f->s.p, &f->s.names, odd, 3, &raw), 0);
	assert_int_equal(pprof_read(raw.data, raw.len, &p, f->why, sizeof(f->why)), 0);
	assert_str(p, p->comments[0], "ok \xc3\xa9");
	assert_str(p, p->comments[1], "\xef\xbf\xbd\xef\xbf\xbd bytes");
	assert_str(p, p->comments[2], "cut \xef\xbf\xbd\xef\xbf\xbd");
	pprof_free(p);
	buf_release(&raw);
}

/* ---- Go's reader ---- */

/* All that @command prints, and its exit status. */
static int run(const char *command, struct buf *out)
{
	FILE *f = popen(command, "r");
	size_t n;

	assert_non_null(f);
	buf_clear(out);
	do {
		assert_int_equal(buf_reserve(out, 65536), 0);
		n = fread(out->data + out->len, 1, 65535, f);
		out->len += n;
	} while (n);
	out->data[out->len] = '\0';
	return pclose(f);
}

static void assert_says(const struct buf *out, const char *what)
{
	if (!strstr((const char *)out->data, what))
		fail_msg("no '%s' in:\n%s", what, (const char *)out->data);
}

/* Its own home, so that it leaves nothing in the user's. */
static int pprof_tool(const char *dir, const char *options, struct buf *out)
{
	char command[512];

	snprintf(command, sizeof(command),
		 "cd %s && HOME=%s PPROF_TMPDIR=%s GOFLAGS= GOTOOLCHAIN=local go tool pprof %s x.pb.gz 2>&1",
		 dir, dir, dir, options);
	return run(command, out);
}

static void go_checks(const char *dir, struct buf *out)
{
	assert_int_equal(pprof_tool(dir, "-symbolize=none -raw", out), 0);
	assert_says(out, "cpu-samples/count cpu-time/nanoseconds[dflt]");
	assert_says(out, "PeriodType: cpu-time nanoseconds");
	assert_says(out, "thread id:[4242]");
	assert_says(out, "1: 0x555500001000/0x555500009000/0x1000 /opt/demo/bin/demo abababab");
	assert_says(out, "inner(int) /src/demo/inner.h:7");
	assert_says(out, "span id:[-9223372036854775803]");
	assert_int_equal(pprof_tool(dir, "-symbolize=none -top -nodecount=50", out), 0);
	assert_says(out, "File: demo");
	assert_says(out, "Type: cpu-time");
	assert_says(out, "500ms 55.56% 55.56%      700ms 77.78%  inner(int) (inline)");
	assert_says(out, "200ms 22.22% 77.78%      200ms 22.22%  malloc");
	assert_says(out, "[lost]");
	assert_int_equal(pprof_tool(dir, "-symbolize=none -sample_index=cpu-samples -top", out), 0);
	assert_says(out, "inner");
	assert_int_equal(pprof_tool(dir, "-symbolize=none -traces", out), 0);
	assert_says(out, "worker \xc3\xa9");
	assert_says(out, "middle(int) (inline)");
	assert_int_equal(pprof_tool(dir, "-comments", out), 0);
	assert_says(out, "ddprof.tag.env: prod");
}

static void go_tool_pprof_reads_it(void **state)
{
	struct fixture *f = *state;
	char dir[] = "/tmp/test_pprof.XXXXXX", path[64], command[64];
	struct buf packed, out;
	int fd;

	buf_init(&out, 16u << 20);
	/* go builds its pprof at first use, which takes half a minute: only where it can keep it */
	if (run("command -v go && d=$(go env GOCACHE) && mkdir -p \"$d\" && test -w \"$d\"", &out)) {
		print_message("go is not installed, or has no cache here: its reader is not tried\n");
		buf_release(&out);
		skip();
	}
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/x.pb.gz", dir);
	buf_init(&packed, PPROF_MAX_RAW);
	assert_int_equal(pprof_gzip(&f->raw, 6, &packed), 0);
	assert_int_equal(run("go env GOCACHE", &out), 0);
	((char *)out.data)[strcspn((char *)out.data, "\n")] = '\0';
	setenv("GOCACHE", (char *)out.data, 1);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, packed.data, packed.len), packed.len);
	close(fd);
	buf_release(&packed);
	go_checks(dir, &out);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	assert_int_equal(run(command, &out), 0);
	buf_release(&out);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(head_and_comments_survive),
		T(every_sample_survives),
		T(the_program_is_the_first_mapping_and_build_ids_are_lowercase_hex),
		T(a_mapping_claims_no_more_than_was_found),
		T(only_what_samples_use_is_written),
		T(an_empty_profile_is_a_profile),
		T(a_timeline_is_one_sample_an_event_and_the_rest),
		T(strings_are_made_utf8),
		T(go_tool_pprof_reads_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

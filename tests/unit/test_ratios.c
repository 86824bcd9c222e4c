/* SPDX-License-Identifier: Apache-2.0 */
/* test_ratios.c - events per event by function and line, and the events' totals out of any file's comments.
 */
#include "export/counters.h"
#include "export/ratios.h"
#include "export/totals.h"
#include "sample_profile.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LINES 24

struct fixture {
	struct sample_profile s;
	const char *comments[LINES];
	uint32_t n_comments;
	struct buf raw, text;
	struct pprof *p;
	struct totals totals;
	struct ratios ratios;
	struct functions *f;
};

static int setup(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));

	sample_profile_init(&x->s);
	buf_init(&x->raw, PPROF_MAX_RAW);
	buf_init(&x->text, 1 << 20);
	*state = x;
	return 0;
}

static void forget(struct fixture *x)
{
	functions_free(x->f);
	totals_release(&x->totals);
	pprof_free(x->p);
	buf_clear(&x->raw);
	buf_clear(&x->text);
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	forget(x);
	buf_release(&x->raw);
	buf_release(&x->text);
	sample_profile_release(&x->s);
	free(x);
	return 0;
}

static void comment(struct fixture *x, const char *line)
{
	assert_true(x->n_comments < LINES);
	x->comments[x->n_comments++] = line;
}

/* @value of the event in the function at @location. */
static void event(struct fixture *x, const char *name, uint32_t location, int64_t value)
{
	struct profile *p = &x->s.p;
	uint32_t i, stack = profile_stack(p, &location, 1);

	for (i = 0; i < p->n_types && strcmp(p->types[i].name, name); i++)
		;
	assert_int_equal(profile_add(p, stack, profile_labelset(p, NULL, 0), i, value), 0);
}

static void read_back(struct fixture *x, uint32_t type, bool lines)
{
	struct functions_spec spec = {.type = type, .lines = lines};
	char why[200];

	forget(x);
	assert_int_equal(pprof_write(&x->s.p, &x->s.names, x->comments, x->n_comments, &x->raw), 0);
	assert_int_equal(pprof_read(x->raw.data, x->raw.len, &x->p, why, sizeof(why)), 0);
	assert_int_equal(totals_read(&x->totals, x->p), 0);
	ratios_find(&x->ratios, x->p, &x->totals);
	spec.also = x->ratios.types;
	spec.n_also = x->ratios.n_sides;
	assert_int_equal(functions_new(&x->f, x->p, &spec), 0);
}

/* The profile's types have to be there before its first value: a profile anew with more of them. */
static void with_types(struct fixture *x, const char *const *names, const char *unit)
{
	struct profile *p = &x->s.p;

	/* the values' stride changes */
	free(p->samples);
	free(p->values);
	p->samples = NULL;
	p->values = NULL;
	p->n_samples = p->cap_samples = 0;
	idmap_clear(&p->sample_map);
	for (; *names; names++)
		assert_int_not_equal(profile_add_type(p, *names, unit), PROFILE_NONE);
	sample_samples(&x->s);
}

static const char *printed(struct fixture *x, unsigned columns)
{
	buf_clear(&x->text);
	assert_int_equal(ratios_print(&x->ratios, x->f, 0, columns, &x->text), 0);
	assert_int_equal(totals_print(&x->totals, columns, &x->text), 0);
	assert_int_equal(buf_put_u8(&x->text, 0), 0);
	return (const char *)x->text.data;
}

static const struct functions_row *row(const struct fixture *x, const char *name, int64_t line)
{
	uint32_t i;

	for (i = 0; i < x->f->n; i++)
		if (!strcmp(x->f->rows[i].name, name) && (!line || x->f->rows[i].line == line))
			return &x->f->rows[i];
	fail_msg("no row '%s' %d", name, (int)line);
	return NULL;
}

/* NAN-free: -1 stands for "too few samples". */
static double ratio(const struct fixture *x, const char *heading, const char *name)
{
	uint32_t i;
	double v;

	for (i = 0; i < x->ratios.n; i++)
		if (!strcmp(x->ratios.list[i].heading, heading))
			return ratios_value(&x->ratios, i, name ? row(x, name, 0)->also : x->f->also_sum, &v)
				       ? v
				       : -1;
	fail_msg("no ratio '%s'", heading);
	return 0;
}

static void assert_ratio(const struct fixture *x, const char *heading, const char *name, double want)
{
	double got = ratio(x, heading, name);

	if (got < want - 1e-6 || got > want + 1e-6)
		fail_msg("%s of %s: %g, not %g", heading, name ? name : "all", got, want);
}

static const char *const hardware[] = {"cycles",        "instructions", "LLC-load-misses",
				       "branch-misses", "page-faults",  NULL};

/* work() (inner(int), really) has 50 samples of CPU time = 0.5 s, malloc 20 = 0.2 s. */
static void hardware_events(struct fixture *x)
{
	with_types(x, hardware, "count");
	event(x, "cycles", x->s.work, 2000000000);
	event(x, "instructions", x->s.work, 4000000000);
	event(x, "LLC-load-misses", x->s.work, 8000000);
	event(x, "branch-misses", x->s.work, 240000);
	event(x, "page-faults", x->s.work, 100);
	event(x, "cycles", x->s.malloc_, 240000000);
	event(x, "instructions", x->s.malloc_, 480000000);
	comment(x, "ddprof.event.cycles.period: 10000000");
	comment(x, "ddprof.event.cycles.type: cycles");
	comment(x, "ddprof.event.instructions.samples: 448");
	comment(x, "ddprof.event.LLC-load-misses.period: 10000");
	comment(x, "ddprof.event.branch-misses.period: 10000");
	comment(x, "ddprof.event.page-faults.period: 1");
}

static void a_function_has_the_ratios_of_its_own_values(void **state)
{
	struct fixture *x = *state;

	hardware_events(x);
	read_back(x, 1, false);
	assert_int_equal(x->ratios.n, 5);
	assert_ratio(x, "IPC", "inner(int)", 2);
	assert_ratio(x, "LLC/ki", "inner(int)", 2);
	assert_ratio(x, "ns/instr", "inner(int)", 0.125);
	assert_ratio(x, "faults/s", "inner(int)", 200);
	assert_ratio(x, "IPC", NULL, 2);
}

static void too_few_samples_on_either_side_give_no_ratio(void **state)
{
	struct fixture *x = *state;

	hardware_events(x);
	read_back(x, 1, false);
	assert_ratio(x, "branch/ki", "inner(int)", -1); /* 24 of them */
	assert_ratio(x, "IPC", "malloc", -1);           /* 24 of cycles, 48 of instructions */
	assert_ratio(x, "LLC/ki", "malloc", -1);        /* none is not a ratio of zero */
	event(x, "branch-misses", x->s.work, 10000);
	event(x, "cycles", x->s.malloc_, 10000000);
	read_back(x, 1, false);
	assert_ratio(x, "branch/ki", "inner(int)", 0.0625);
	assert_ratio(x, "IPC", "malloc", 480.0 / 250);
}

static void without_word_of_samples_each_stack_is_one(void **state)
{
	static const char *const types[] = {"cpu-cycles", "instructions:u", "instructions", NULL};
	struct fixture *x = *state;
	uint32_t frames[2] = {x->s.work, 0}, i, stack;

	with_types(x, types, "count");
	for (i = 0; i < RATIOS_MIN_SAMPLES; i++) {
		read_back(x, 1, false);
		assert_ratio(x, "IPC", "inner(int)", -1);
		assert_int_equal(x->ratios.n, 2); /* user only against all is none; IPC, ns/instr */
		frames[1] = profile_location(&x->s.p, x->s.libc, 0x30000 + i);
		assert_int_equal(names_resize(&x->s.names, x->s.p.n_locations), 0);
		stack = profile_stack(&x->s.p, frames, 2);
		assert_int_equal(profile_add(&x->s.p, stack, 0, 2, 1000000), 0);
		assert_int_equal(profile_add(&x->s.p, stack, 0, 4, 1500000), 0);
	}
	read_back(x, 1, false);
	assert_ratio(x, "IPC", "inner(int)", 1.5);
}

static void lines_have_ratios_of_their_own(void **state)
{
	struct fixture *x = *state;
	uint32_t other = profile_location(&x->s.p, x->s.program, 0x1300);

	hardware_events(x);
	assert_int_equal(names_resize(&x->s.names, x->s.p.n_locations), 0);
	sample_names(&x->s.names, other, NAMES_DWARF,
		     (struct sample_name[]){{"inner(int)", "_Z5inneri", "/src/demo/inner.h", 9, 5}}, 1);
	event(x, "cycles", other, 1000000000);
	event(x, "instructions", other, 500000000);
	event(x, "cpu-time", other, 300000000);
	read_back(x, 1, true);
	assert_int_equal(row(x, "inner(int)", 7)->own, 500000000);
	assert_int_equal(row(x, "inner(int)", 9)->own, 300000000);
	assert_int_equal(row(x, "inner(int)", 7)->also[0].value, 4000000000); /* instructions, over */
	assert_int_equal(row(x, "inner(int)", 9)->also[0].value, 500000000);
	assert_int_equal(row(x, "work()", 33)->total, 700000000);
	read_back(x, 1, false);
	assert_int_equal(row(x, "inner(int)", 5)->own, 800000000);
	assert_ratio(x, "IPC", "inner(int)", 1.5);
}

static void functions_without_a_value_of_the_type_shown_are_no_rows(void **state)
{
	struct fixture *x = *state;
	uint32_t i, n, other = profile_location(&x->s.p, x->s.libc, 0x50000);

	with_types(x, hardware, "count");
	read_back(x, 1, false);
	n = x->f->n;
	assert_int_equal(names_resize(&x->s.names, x->s.p.n_locations), 0);
	event(x, "cycles", other, 1000);
	read_back(x, 1, false);
	assert_int_equal(x->f->n, n);
	assert_int_equal(x->f->also_sum[1].value, 1000);
	for (i = 0; i < n; i++)
		assert_int_equal(x->f->rows[i].also[1].value, 0);
}

static void the_tables_read_as_expected(void **state)
{
	static const char want[] =
		"\n"
		"own values (/ki: per 1000 instructions; -: fewer than 25 samples of either)\n"
		"       IPC    LLC/ki branch/ki  ns/instr  faults/s  function\n"
		"      2.00      1.79         -     0.201       111  (all)\n"
		"      2.00      2.00         -     0.125       200  inner(int)             demo inner.h:5\n"
		"                                                    8 of 9 with too few samples\n"
		"\n"
		"totals                                count         in user mode per s of CPU\n"
		"cycles                        8 000 000 000        6 000 000 000     4.00 G/s\n"
		"instructions                 12 000 000 000        9 600 000 000     6.00 G/s\n"
		"task-clock                           2.00 s               1.50 s    1.00 CPUs\n"
		"dTLB-load-misses                 12 000 000                    -     6.00 M/s\n"
		"  dTLB-load-misses: multiplexed, counted 25.0 % of the time and scaled up\n"
		"  node-loads: not counted: no such event here\\x1b[31m\n"
		"      1.50 instructions per cycle, 1.60 in user mode\n"
		"      1.00 dTLB misses per 1000 instructions\n"
		"     0.167 ns per instruction, 0.156 in user mode\n";
	struct fixture *x = *state;

	hardware_events(x);
	comment(x, "ddprof.event.task-clock.total: 2000000000");
	comment(x, "ddprof.event.task-clock.user: 1500000000");
	comment(x, "ddprof.event.cycles.total: 8000000000");
	comment(x, "ddprof.event.cycles.user: 6000000000");
	comment(x, "ddprof.event.instructions.total: 12000000000");
	comment(x, "ddprof.event.instructions.user: 9600000000");
	comment(x, "ddprof.event.dTLB-load-misses.total: 12000000");
	comment(x, "ddprof.event.dTLB-load-misses.enabled_ns: 4000");
	comment(x, "ddprof.event.dTLB-load-misses.running_ns: 1000");
	comment(x, "ddprof.event.node-loads.refused: no such event here\x1b[31m");
	read_back(x, 1, false);
	assert_string_equal(printed(x, 0), want);
}

static void everything_fits_eighty_columns(void **state)
{
	struct fixture *x = *state;
	const char *text;
	size_t n;

	hardware_events(x);
	comment(x, "ddprof.event.cycles.total: 18446744073709551615");
	comment(x, "ddprof.event.cycles.user: 18446744073709551615");
	comment(x, "ddprof.event.an-event-with-a-name-that-is-much-too-long-for-any-column.total: 1");
	read_back(x, 1, false);
	text = printed(x, 80);
	assert_non_null(strstr(text, "faults/s"));
	for (; *text; text += n + (text[n] == '\n')) {
		n = strcspn(text, "\n");
		assert_in_range(n, 0, 80 + 2); /* "…" has three bytes */
	}
	text = printed(x, 20); /* narrower than it can be */
	assert_non_null(strstr(text, "IPC"));
	assert_null(strstr(text, "LLC/ki"));
}

static void a_profile_without_counters_shows_nothing_of_them(void **state)
{
	struct fixture *x = *state;

	comment(x, "ddprof.event: task-clock");
	comment(x, "ddprof.eventual.cycles.total: 5");
	comment(x, "ddprof.event.cycles.tot: 5");
	comment(x, "ddprof.event.cycles.samples: 5");
	read_back(x, 1, false);
	assert_int_equal(x->ratios.n, 0);
	assert_string_equal(printed(x, 0), "");
}

static void events_of_different_modes_are_not_divided(void **state)
{
	struct fixture *x = *state;

	hardware_events(x);
	comment(x, "ddprof.event.instructions.total: 100");
	comment(x, "ddprof.event.cycles.total: 50");
	comment(x, "ddprof.event.cycles.mode: user");
	read_back(x, 1, false);
	assert_string_not_equal(x->ratios.list[0].heading, "IPC");
	assert_null(strstr(printed(x, 0), "per cycle"));
	assert_non_null(strstr(printed(x, 0), "  in user mode only: cycles\n"));
	comment(x, "ddprof.event.instructions.mode: user");
	read_back(x, 1, false);
	assert_string_equal(x->ratios.list[0].heading, "IPC");
	assert_non_null(strstr(printed(x, 0), "      2.00 instructions per cycle\n"));
	assert_non_null(strstr(printed(x, 0), "  all in user mode only\n"));
}

static void cpu_time_without_the_kernel_goes_with_events_of_user_mode(void **state)
{
	struct fixture *x = *state;

	hardware_events(x);
	comment(x, "ddprof.event.page-faults.mode: user");
	comment(x, "ddprof.event.instructions.mode: user");
	comment(x, "ddprof.event.cycles.mode: user");
	comment(x, "ddprof.mode: user+kernel");
	read_back(x, 1, false);
	assert_null(strstr(printed(x, 0), "faults/s"));
	comment(x, "ddprof.mode: user");
	read_back(x, 1, false);
	assert_ratio(x, "faults/s", "inner(int)", 200);
	/* but not for all, of which the kernel's time is a part */
	assert_non_null(strstr(printed(x, 0), "  2.00         -         -  (all)\n"));
}

static void totals_that_contradict_each_other_are_none(void **state)
{
	struct fixture *x = *state;

	comment(x, "ddprof.event.cycles.total: 100");
	comment(x, "ddprof.event.instructions.total: 100");
	comment(x, "ddprof.event.instructions.total: 100");
	comment(x, "ddprof.event.cycles.total: 101");
	comment(x, "ddprof.event.cycles.total: 100");
	read_back(x, 1, false);
	assert_false(x->totals.events[0].has[TOTALS_TOTAL]);
	assert_true(x->totals.events[0].differs[TOTALS_TOTAL]);
	assert_int_equal(x->totals.events[1].value[TOTALS_TOTAL], 100);
	assert_non_null(strstr(printed(x, 0), "  cycles: several totals in one file"));
	assert_null(strstr(printed(x, 0), "per cycle"));
}

static void a_value_that_is_no_number_is_no_total(void **state)
{
	struct fixture *x = *state;
	uint64_t v = 7;

	comment(x, "ddprof.event.a.total: 18446744073709551616");
	comment(x, "ddprof.event.b.total: -1");
	comment(x, "ddprof.event.c.total: ");
	comment(x, "ddprof.event.d.total: 1e9");
	comment(x, "ddprof.event..total: 1");
	comment(x, "ddprof.event.total: 1");
	comment(x, "ddprof.event.e.total 1");
	comment(x, "ddprof.event.mem:0x1/8:rw.total: 3");
	comment(x, "ddprof.event.probe:/usr/bin/a.out:f%return.total: 4");
	comment(x, "ddprof.quality.samples: 5");
	comment(x, "ddprof.quality.lost: five");
	comment(x, "ddprof.quality.complete: 5");
	comment(x, "ddprof.quality.complete: 6");
	read_back(x, 1, false);
	for (uint32_t i = 0; i < 4; i++)
		assert_false(x->totals.events[i].has[TOTALS_TOTAL]);
	assert_int_equal(x->totals.n, 6);
	assert_string_equal(x->totals.events[4].name, "mem:0x1/8:rw");
	assert_string_equal(x->totals.events[5].name, "probe:/usr/bin/a.out:f%return");
	assert_int_equal(x->totals.events[5].value[TOTALS_TOTAL], 4);
	assert_int_equal(totals_comment(x->p, "ddprof.quality.sample:", &v), -ENOENT);
	assert_int_equal(totals_comment(x->p, "ddprof.quality.lost:", &v), -EBADMSG);
	assert_int_equal(totals_comment(x->p, "ddprof.quality.complete:", &v), -EBADMSG);
	assert_int_equal(totals_comment(x->p, "ddprof.quality.samples:", &v), 0);
	assert_int_equal(v, 5);
}

static void assert_counter(const char *name, enum counter_kind kind, const char *scope)
{
	struct counter c = counter_by_name(name, strlen(name));

	if (c.kind != kind)
		fail_msg("'%s' is taken for %d", name, (int)c.kind);
	assert_string_equal(c.scope, scope);
}

static void counters_are_known_by_everybodys_names(void **state)
{
	(void)state;
	assert_counter("cycles", COUNTER_CYCLES, "");
	assert_counter("CPU-CYCLES:uk", COUNTER_CYCLES, ":uk");
	assert_counter("cycles:ppp", COUNTER_CYCLES, "");
	assert_counter("cycles:ku", COUNTER_CYCLES, ":uk");
	assert_counter("cycles_event", COUNTER_CYCLES, "");
	assert_counter("cycles_sample", COUNTER_OTHER, "");
	assert_counter("cpu/instructions/u", COUNTER_INSTRUCTIONS, ":u");
	assert_counter("cpu_atom/instructions/", COUNTER_INSTRUCTIONS, "cpu_atom");
	assert_counter("armv8_pmuv3_0/inst_retired/", COUNTER_INSTRUCTIONS, "");
	assert_counter("skl::INST_RETIRED:ANY_P:u", COUNTER_INSTRUCTIONS, "skl:u");
	assert_counter("perf::CYCLES", COUNTER_CYCLES, "");
	assert_counter("L1-dcache-load-misses", COUNTER_MISSES, "");
	assert_counter("hBMISS", COUNTER_MISSES, "");
	assert_counter("cycles:x", COUNTER_OTHER, "");
	assert_counter("bicycles", COUNTER_OTHER, "");
	assert_counter("/", COUNTER_OTHER, "");
	assert_counter("//", COUNTER_OTHER, "");
	assert_counter("::", COUNTER_OTHER, "");
	assert_counter(":u", COUNTER_OTHER, ":u");
	assert_int_equal(counter_by_name("cycles", 0).kind, COUNTER_OTHER);
	assert_int_equal(counter_by_name("cycles\0", 7).kind, COUNTER_OTHER);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_function_has_the_ratios_of_its_own_values),
		T(too_few_samples_on_either_side_give_no_ratio),
		T(without_word_of_samples_each_stack_is_one),
		T(lines_have_ratios_of_their_own),
		T(functions_without_a_value_of_the_type_shown_are_no_rows),
		T(the_tables_read_as_expected),
		T(everything_fits_eighty_columns),
		T(a_profile_without_counters_shows_nothing_of_them),
		T(events_of_different_modes_are_not_divided),
		T(cpu_time_without_the_kernel_goes_with_events_of_user_mode),
		T(totals_that_contradict_each_other_are_none),
		T(a_value_that_is_no_number_is_no_total),
		cmocka_unit_test(counters_are_known_by_everybodys_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

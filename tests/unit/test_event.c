/* SPDX-License-Identifier: Apache-2.0 */
/* test_event.c - events by name, against perf_event.h, libpfm4 and this machine's sysfs. */
#include "collect/event.h"

#include <errno.h>
#include <linux/hw_breakpoint.h>
#include <perfmon/pfmlib_perf_event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct event_list list;
static char why[1024];

static int setup(void **state)
{
	(void)state;
	event_list_init(&list);
	why[0] = '\0';
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	event_list_release(&list);
	return 0;
}

static void takes(const char *text)
{
	int err = event_list_parse(&list, text, why, sizeof(why));

	if (err)
		fail_msg("'%s': %d %s", text, err, why);
}

static void refuses(const char *text, int err, const char *part)
{
	uint32_t n = list.n;

	why[0] = '\0';
	assert_int_equal(event_list_parse(&list, text, why, sizeof(why)), err);
	if (!strstr(why, part))
		fail_msg("'%s' refused with '%s', not '%s'", text, why, part);
	assert_int_equal(list.n, n);
}

static void words_of_both_kinds_name_the_same_event(void **state)
{
	(void)state;
	takes("task-clock sCPU instructions,hINST;page-faults sPF");
	assert_int_equal(list.n, 6);
	assert_true(list.events[0].cpu_time && list.events[1].cpu_time);
	assert_string_equal(list.events[1].value_type, "cpu-time");
	assert_int_equal(list.events[2].attr.type, PERF_TYPE_HARDWARE);
	assert_int_equal(list.events[2].attr.config, PERF_COUNT_HW_INSTRUCTIONS);
	assert_memory_equal(&list.events[2].attr, &list.events[3].attr, sizeof(struct perf_event_attr));
	assert_int_equal(list.events[5].attr.config, PERF_COUNT_SW_PAGE_FAULTS);
	assert_null(list.events[5].value_type);
	assert_false(list.events[5].cpu_time);
}

static void keys_belong_to_the_event_before_them(void **state)
{
	(void)state;
	takes("cycles,freq=997,page-faults,period=3 label=faults;event=hCPU f=10,precise=2");
	assert_int_equal(list.n, 3);
	assert_int_equal(list.events[0].freq, 997);
	assert_int_equal(list.events[0].period, 0);
	assert_int_equal(list.events[1].period, 3);
	assert_string_equal(list.events[1].name, "faults");
	assert_int_equal(list.events[2].freq, 10);
	assert_int_equal(list.events[2].attr.precise_ip, 2);
}

static void modifiers_choose_user_and_kernel(void **state)
{
	(void)state;
	takes("cycles:u cycles:kpp instructions");
	assert_true(list.events[0].attr.exclude_kernel && !list.events[0].attr.exclude_user);
	assert_true(list.events[1].attr.exclude_user && !list.events[1].attr.exclude_kernel);
	assert_int_equal(list.events[1].attr.precise_ip, 2);
	assert_true(list.events[0].modified && !list.events[2].modified);
}

static void braces_make_groups(void **state)
{
	(void)state;
	takes("{cycles,instructions}:u,freq=99 task-clock {page-faults context-switches}");
	assert_int_equal(list.n, 5);
	assert_int_equal(list.events[0].group, 1);
	assert_int_equal(list.events[1].group, 1);
	assert_int_equal(list.events[1].freq, 99);
	assert_true(list.events[1].attr.exclude_kernel);
	assert_int_equal(list.events[2].group, 0);
	assert_int_equal(list.events[4].group, 2);
}

static void raw_codes_and_breakpoints_are_encoded(void **state)
{
	(void)state;
	takes("r1A2:u mem:0x601050/8:w mem:4096:x mem:0x10");
	assert_int_equal(list.events[0].attr.config, 0x1a2);
	assert_true(list.events[0].attr.exclude_kernel);
	assert_int_equal(list.events[1].attr.type, PERF_TYPE_BREAKPOINT);
	assert_int_equal(list.events[1].attr.bp_type, HW_BREAKPOINT_W);
	assert_int_equal(list.events[1].attr.bp_len, 8);
	assert_int_equal(list.events[1].attr.bp_addr, 0x601050);
	assert_int_equal(list.events[2].attr.bp_len, sizeof(long));
	assert_int_equal(list.events[3].attr.bp_type, HW_BREAKPOINT_RW);
}

static void libpfm4_encodes_what_the_words_do_not_know(void **state)
{
	struct perf_event_attr attr = {.size = sizeof(attr)};
	pfm_perf_encode_arg_t arg = {.attr = &attr, .size = sizeof(arg), .cpu = -1};

	(void)state;
	takes("LLC-load-misses:u perf::L1-DCACHE-LOADS");
	assert_int_equal(pfm_initialize(), PFM_SUCCESS);
	assert_int_equal(
		pfm_get_os_event_encoding("LLC-load-misses:u", PFM_PLM3, PFM_OS_PERF_EVENT_EXT, &arg),
		PFM_SUCCESS);
	assert_int_equal(list.events[0].attr.type, attr.type);
	assert_int_equal(list.events[0].attr.config, attr.config);
	assert_true(list.events[0].attr.exclude_kernel);
	assert_int_equal(list.events[1].attr.type, PERF_TYPE_HW_CACHE);
	assert_false(list.events[1].modified);
	assert_false(list.events[1].attr.exclude_kernel);
}

static void events_of_other_processors_are_told_from_misspelt_ones(void **state)
{
	pfm_pmu_info_t pmu;
	pfm_event_info_t info = {.size = sizeof(info)};
	char text[256];
	int i;

	(void)state;
	assert_int_equal(pfm_initialize(), PFM_SUCCESS);
	pfm_for_all_pmus(i)
	{
		memset(&pmu, 0, sizeof(pmu));
		pmu.size = sizeof(pmu);
		if (pfm_get_pmu_info((pfm_pmu_t)i, &pmu) == PFM_SUCCESS && !pmu.is_present &&
		    pfm_get_event_info(pmu.first_event, PFM_OS_PERF_EVENT_EXT, &info) == PFM_SUCCESS)
			break;
	}
	assert_int_not_equal(i, PFM_PMU_MAX);
	snprintf(text, sizeof(text), "%s::%s", pmu.name, info.name);
	refuses(text, -ENODEV, "another processor");
	refuses("instructoins", -EINVAL, "instructions");
	refuses("pagefaults", -EINVAL, "page-faults");
	refuses("zzzzzzzzzz", -EINVAL, "ddprof events");
}

static void a_pmu_of_sysfs_is_read_by_its_formats(void **state)
{
	(void)state;
	if (access("/sys/bus/event_source/devices/msr/format/event", R_OK))
		skip();
	if (!access("/sys/bus/event_source/devices/msr/cpus", F_OK))
		skip();
	takes("msr/event=0x0/ msr/tsc/");
	assert_memory_equal(&list.events[0].attr, &list.events[1].attr, sizeof(struct perf_event_attr));
	assert_true(list.events[0].attr.type > PERF_TYPE_BREAKPOINT);
	refuses("msr/event=0xfffffffffffffffff/", -EINVAL, "no number");
	refuses("msr/nosuch=1/", -EINVAL, "nosuch");
	refuses("nosuchpmu/event=1/", -ENODEV, "nosuchpmu");
	refuses("../cpu/event=1/", -EINVAL, "no event");
}

static void package_wide_pmus_are_refused(void **state)
{
	(void)state;
	if (access("/sys/bus/event_source/devices/power/events/energy-pkg", R_OK))
		skip();
	refuses("power/energy-pkg/", -ENOTSUP, "not for a program");
}

void probed_function(void);
__attribute__((noinline, used)) void probed_function(void)
{
	__asm__ volatile("");
}

static void a_uprobe_is_an_offset_in_its_file(void **state)
{
	char self[160], text[1024];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	(void)state;
	assert_true(n > 0);
	self[n] = '\0';
	if (access("/sys/bus/event_source/devices/uprobe/type", R_OK) || n > 80)
		skip();
	snprintf(text, sizeof(text), "probe:%s:probed_function probe:%s:probed_function+4%%return", self,
		 self);
	takes(text);
	assert_string_equal(list.events[0].path, self);
	assert_int_equal(list.events[0].attr.config1, (uintptr_t)list.events[0].path);
	assert_int_equal(list.events[1].attr.config2, list.events[0].attr.config2 + 4);
	assert_int_equal(list.events[1].attr.config, 1);
	snprintf(text, sizeof(text), "probe:%s:no_such_function", self);
	refuses(text, -EINVAL, "no function 'no_such_function'");
	refuses("probe:/etc/passwd:main", -EINVAL, "no ELF file");
	refuses("probe:/nonexistent:main", -EINVAL, "cannot open '/nonexistent'");
	refuses("probe:main", -EINVAL, "wanted is probe:FILE:SYMBOL");
}

static void tracepoints_have_the_number_of_tracefs(void **state)
{
	FILE *f = fopen("/sys/kernel/tracing/events/sched/sched_switch/id", "re");
	int id;

	(void)state;
	if (!f) {
		int err = event_list_parse(&list, "sched:sched_switch", why, sizeof(why));

		assert_true(err == -EACCES || err == -ENODEV);
		assert_non_null(strstr(why, "fix: "));
		return;
	}
	assert_int_equal(fscanf(f, "%d", &id), 1);
	fclose(f);
	takes("sched:sched_switch,event=sched_switch g=sched,group=sched event=sched_switch");
	assert_int_equal(list.events[0].attr.type, PERF_TYPE_TRACEPOINT);
	assert_int_equal(list.events[0].attr.config, id);
}

static void what_cannot_be_meant_is_refused_with_its_reason(void **state)
{
	(void)state;
	refuses("", -EINVAL, "no event");
	refuses(" , ;", -EINVAL, "no event");
	refuses("{}", -EINVAL, "empty group");
	refuses("{cycles", -EINVAL, "without '}'");
	refuses("cycles}", -EINVAL, "without '{'");
	refuses("{cycles,{instructions}}", -EINVAL, "inside");
	refuses("freq=99", -EINVAL, "before any event");
	refuses("cycles freq=0", -EINVAL, "freq=0");
	refuses("cycles freq=-5", -EINVAL, "freq=-5");
	refuses("cycles freq=99 period=5", -EINVAL, "already");
	refuses("cycles period=99999999999999999999", -EINVAL, "period=");
	refuses("cycles sALLOC", -ENOTSUP, "allocations");
	refuses("cycles mode=m", -ENOTSUP, "mode=m");
	refuses("cycles,label=a\nb", -EINVAL, "control character");
	refuses("page-faults freq=99", -EINVAL, "keeps no rate of 'page-faults'");
	refuses("{cycles,page-faults} freq=99", -EINVAL, "period=N");
	refuses("cycles =1", -EINVAL, "no such key");
	refuses("cycles colour=red", -EINVAL, "colour");
	refuses("mem:here", -EINVAL, "mem:ADDRESS");
	refuses("mem:0x10/3:r", -EINVAL, "length of 3");
	refuses("mem:0x10:q", -EINVAL, "'q'");
}

static void lists_have_a_bound(void **state)
{
	char text[40 * EVENT_MAX] = "";
	int i;

	(void)state;
	for (i = 0; i <= EVENT_MAX; i++)
		strcat(text, "cycles,");
	refuses(text, -E2BIG, "more than");
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	refuses(text, -EINVAL, "too long");
}

static int count(const struct event_info *info, void *arg)
{
	assert_non_null(strcasestr(info->name, "page"));
	(*(unsigned *)arg)++;
	return 0;
}

static int stop(const struct event_info *info, void *arg)
{
	(void)info;
	(void)arg;
	return 7;
}

static void searching_calls_back_for_each_match(void **state)
{
	unsigned n = 0;

	(void)state;
	assert_int_equal(event_search("page-fault", false, count, &n), 0);
	assert_true(n >= 1);
	assert_int_equal(event_search("", true, stop, NULL), 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(words_of_both_kinds_name_the_same_event, setup, teardown),
		cmocka_unit_test_setup_teardown(keys_belong_to_the_event_before_them, setup, teardown),
		cmocka_unit_test_setup_teardown(modifiers_choose_user_and_kernel, setup, teardown),
		cmocka_unit_test_setup_teardown(braces_make_groups, setup, teardown),
		cmocka_unit_test_setup_teardown(raw_codes_and_breakpoints_are_encoded, setup, teardown),
		cmocka_unit_test_setup_teardown(libpfm4_encodes_what_the_words_do_not_know, setup, teardown),
		cmocka_unit_test_setup_teardown(events_of_other_processors_are_told_from_misspelt_ones, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_pmu_of_sysfs_is_read_by_its_formats, setup, teardown),
		cmocka_unit_test_setup_teardown(package_wide_pmus_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(a_uprobe_is_an_offset_in_its_file, setup, teardown),
		cmocka_unit_test_setup_teardown(tracepoints_have_the_number_of_tracefs, setup, teardown),
		cmocka_unit_test_setup_teardown(what_cannot_be_meant_is_refused_with_its_reason, setup,
						teardown),
		cmocka_unit_test_setup_teardown(lists_have_a_bound, setup, teardown),
		cmocka_unit_test_setup_teardown(searching_calls_back_for_each_match, setup, teardown),
	};

	return cmocka_run_group_tests_name("event", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* test_symbolize.c - every location gets a name or a reason, whatever happens to the symbolizer or the file.
 */
#include "tests/unit/elf_fixture.h"

#include <dlfcn.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/auxv.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <cmocka.h>

static const char program[] = "static inline __attribute__((always_inline)) int twice(int x)\n"
			      "{\n"
			      "	return x * 2 + (x >> 2);\n"
			      "}\n"
			      "__attribute__((noinline)) int work(int x)\n"
			      "{\n"
			      "	return twice(x) ^ 5;\n"
			      "}\n"
			      "int by_hand(int);\n"
			      "int main(int argc, char **argv)\n"
			      "{\n"
			      "	(void)argv;\n"
			      "	return work(argc) + by_hand(argc);\n"
			      "}\n";

static const char assembly[] = "	.text\n"
			       "	.globl by_hand\n"
			       "	.type by_hand, @function\n"
			       "by_hand:\n"
			       "	nop\n"
			       "	nop\n"
			       "	ret\n"
			       "	.size by_hand, . - by_hand\n"
			       "	.globl no_size\n"
			       "no_size:\n"
			       "	nop\n"
			       "	ret\n"
			       "	.section .note.GNU-stack,\"\",@progbits\n";

static char dir[64], full[96], stripped[96];
static uint64_t work_addr, by_hand_addr, no_size_addr;

/* A profile with one module and what became of it. */
struct run {
	struct profile p;
	struct names n;
	struct symbolize_report report;
	uint32_t module;
};

static void run_init(struct run *r, const char *path)
{
	memset(r, 0, sizeof(*r));
	assert_int_equal(profile_init(&r->p), 0);
	assert_int_equal(names_init(&r->n), 0);
	r->module = path ? fixture_module(&r->p, path) : PROFILE_NONE;
}

static void run_release(struct run *r)
{
	names_release(&r->n);
	fixture_close(&r->p);
}

static void run(struct run *r, const struct symbolize_options *opt)
{
	static const struct symbolize_options inlines = {.inlines = true};

	assert_int_equal(symbolize(&r->p, &r->n, opt ? opt : &inlines, &r->report), 0);
}

static int status_of(const struct run *r, uint32_t loc)
{
	return fixture_names(&r->n, loc)->status;
}

static uint64_t symbol_address(const char *path, const char *name)
{
	char cmd[256];
	unsigned long long a = 0;
	FILE *f;

	snprintf(cmd, sizeof(cmd), "nm %s | grep ' %s$'", path, name);
	f = popen(cmd, "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%llx", &a), 1);
	pclose(f);
	return a;
}

static void an_inlined_call_is_two_frames_with_lines(void **state)
{
	struct run r;
	uint32_t loc;

	(void)state;
	run_init(&r, full);
	loc = fixture_location(&r.p, r.module, work_addr);
	run(&r, NULL);
	assert_int_equal(r.report.mode, SYMBOLIZE_FULL);
	assert_string_equal(r.report.why, "");
	assert_int_equal(status_of(&r, loc), NAMES_DWARF);
	assert_int_equal(fixture_names(&r.n, loc)->n, 2);
	assert_string_equal(frame_function(&r.n, loc, 0), "twice");
	assert_int_equal(frame_line(&r.n, loc, 0), 3);
	assert_int_equal(r.n.frames[r.n.locations[loc].first].start_line, 1);
	assert_string_equal(frame_function(&r.n, loc, 1), "work");
	assert_int_equal(frame_line(&r.n, loc, 1), 7);
	assert_string_equal(frame_file(&r.n, loc, 1), "prog.c");
	assert_true(r.report.cpu_ns > 0 && r.report.wall_ns > 0 && r.report.peak_rss_kb > 0);
	run_release(&r);
}

static void without_inlines_the_function_has_the_line_of_the_call(void **state)
{
	const struct symbolize_options opt = {.inlines = false};
	struct run r;
	uint32_t loc;

	(void)state;
	run_init(&r, full);
	loc = fixture_location(&r.p, r.module, work_addr);
	run(&r, &opt);
	assert_int_equal(fixture_names(&r.n, loc)->n, 1);
	assert_string_equal(frame_function(&r.n, loc, 0), "work");
	assert_int_equal(frame_line(&r.n, loc, 0), 7);
	run_release(&r);
}

static void assembly_has_its_function_from_the_symbol_table_and_its_line_from_dwarf(void **state)
{
	struct run r;
	uint32_t loc, label;

	(void)state;
	run_init(&r, full);
	loc = fixture_location(&r.p, r.module, by_hand_addr + 1);
	label = fixture_location(&r.p, r.module, no_size_addr + 1);
	run(&r, NULL);
	assert_int_equal(status_of(&r, loc), NAMES_DWARF);
	assert_string_equal(frame_function(&r.n, loc, 0), "by_hand");
	assert_string_equal(frame_file(&r.n, loc, 0), "hand.s");
	assert_int_equal(frame_line(&r.n, loc, 0), 6);
	assert_string_equal(frame_function(&r.n, label, 0), "no_size");
	run_release(&r);
}

static void a_stripped_function_is_called_by_its_begin(void **state)
{
	struct run r;
	uint32_t loc, next, none;
	char want[64];

	(void)state;
	run_init(&r, stripped);
	loc = fixture_location(&r.p, r.module, work_addr);
	next = fixture_location(&r.p, r.module, work_addr + 1);
	none = fixture_location(&r.p, r.module, by_hand_addr);
	run(&r, NULL);
	assert_int_equal(r.report.mode, SYMBOLIZE_FULL);
	assert_int_equal(status_of(&r, loc), NAMES_STRIPPED);
	snprintf(want, sizeof(want), "[stripped+0x%llx]", (unsigned long long)work_addr);
	assert_string_equal(frame_function(&r.n, loc, 0), want);
	assert_string_equal(frame_function(&r.n, next, 0), want);
	/* Assembly has no unwind information: nothing says where its function begins. */
	assert_int_equal(status_of(&r, none), NAMES_STRIPPED);
	assert_int_equal(fixture_names(&r.n, none)->n, 0);
	run_release(&r);
}

static void the_same_address_in_two_mappings_has_the_same_name(void **state)
{
	struct run r;
	uint32_t a, b, mapping;

	(void)state;
	run_init(&r, full);
	a = fixture_location(&r.p, r.module, work_addr);
	/* Another process has the segment mapped in a larger piece. */
	mapping = profile_mapping(&r.p, r.module, 0x10000000, 0x20000000, 0);
	b = profile_location(&r.p, mapping, r.p.locations[a].off);
	assert_int_not_equal(a, b);
	run(&r, NULL);
	assert_string_equal(frame_function(&r.n, a, 0), "twice");
	assert_string_equal(frame_function(&r.n, b, 0), "twice");
	assert_int_equal(fixture_names(&r.n, b)->n, 2);
	run_release(&r);
}

static void names_found_before_are_kept_and_not_looked_up_again(void **state)
{
	struct names_frame f = {0};
	struct run r;
	uint32_t loc;

	(void)state;
	run_init(&r, full);
	loc = fixture_location(&r.p, r.module, work_addr);
	assert_int_equal(strtab_put(&r.n.strings, "cached", &f.function), 0);
	assert_int_equal(names_set(&r.n, loc, NAMES_SYMBOL, &f, 1), 0);
	run(&r, NULL);
	assert_string_equal(frame_function(&r.n, loc, 0), "cached");
	assert_int_equal(r.report.cpu_ns, 0);
	run_release(&r);
}

static void modules_without_contents_have_their_reasons(void **state)
{
	struct profile_module gone = {.kind = MODULE_FILE, .reason = MODULE_GONE, .fd = -1};
	struct profile_module anon = {.kind = MODULE_ANON, .reason = MODULE_NO_CONTENTS, .fd = -1};
	uint32_t in_gone, in_anon, synthetic;
	struct run r;

	(void)state;
	run_init(&r, NULL);
	strtab_put(&r.p.strings, "/gone", &gone.path);
	in_gone = profile_location(
		&r.p, profile_mapping(&r.p, profile_add_module(&r.p, &gone), 0x1000, 0x2000, 0), 0x10);
	in_anon = profile_location(
		&r.p, profile_mapping(&r.p, profile_add_module(&r.p, &anon), 0x5000, 0x6000, 0x5000), 0x5010);
	synthetic = profile_synthetic(&r.p, "[lost]");
	run(&r, NULL);
	assert_int_equal(status_of(&r, in_gone), NAMES_NO_FILE);
	assert_int_equal(status_of(&r, in_anon), NAMES_JIT_UNMAPPED);
	assert_int_equal(status_of(&r, synthetic), NAMES_PENDING);
	assert_int_equal(r.report.mode, SYMBOLIZE_FULL);
	run_release(&r);
}

/* ---- when the symbolizer fails ---- */

/* What happens at a stage in the first so many attempts. */
struct fault {
	void (*act)(void);
	enum symbolize_stage stage;
	uint32_t attempts;
};

static void at_stage(void *arg, uint32_t attempt, enum symbolize_stage stage)
{
	const struct fault *f = arg;

	if (stage == f->stage && attempt < f->attempts)
		f->act();
}

static void crash(void)
{
	abort();
}

static void be_killed(void)
{
	raise(SIGKILL);
}

static void stop(void)
{
	raise(SIGSTOP);
}

static void leave(void)
{
	_exit(0);
}

static void hang(void)
{
	for (;;)
		__asm__ volatile("");
}

static void run_with_fault(struct fault f, enum symbolize_mode mode, const char *why, int status)
{
	const struct symbolize_options opt = {
		.inlines = true, .hook = at_stage, .hook_arg = &f, .deadline_ms = 1500};
	struct run r;
	uint32_t loc;

	run_init(&r, full);
	loc = fixture_location(&r.p, r.module, work_addr);
	run(&r, &opt);
	assert_int_equal(r.report.mode, mode);
	assert_non_null(strstr(r.report.why, why));
	assert_int_equal(status_of(&r, loc), status);
	if (mode == SYMBOLIZE_SYMBOLS_ONLY) {
		assert_string_equal(frame_function(&r.n, loc, 0), "work");
		assert_int_equal(frame_line(&r.n, loc, 0), 0);
	}
	run_release(&r);
}

static void a_crash_costs_lines_and_no_names(void **state)
{
	(void)state;
	run_with_fault((struct fault){crash, SYMBOLIZE_FORKED, 1}, SYMBOLIZE_SYMBOLS_ONLY,
		       "crashed (signal 6)", NAMES_SYMBOL);
	run_with_fault((struct fault){crash, SYMBOLIZE_SANDBOXED, 1}, SYMBOLIZE_SYMBOLS_ONLY,
		       "crashed (signal 6)", NAMES_SYMBOL);
	run_with_fault((struct fault){crash, SYMBOLIZE_MODULE, 1}, SYMBOLIZE_SYMBOLS_ONLY,
		       "crashed (signal 6) at 'full'", NAMES_SYMBOL);
}

static void two_crashes_leave_addresses(void **state)
{
	(void)state;
	run_with_fault((struct fault){crash, SYMBOLIZE_FORKED, 2}, SYMBOLIZE_ADDRESSES_ONLY,
		       "crashed (signal 6)", NAMES_FAILED);
	run_with_fault((struct fault){crash, SYMBOLIZE_MODULE, 2}, SYMBOLIZE_ADDRESSES_ONLY,
		       "crashed (signal 6) at 'full'", NAMES_FAILED);
}

static void being_killed_or_leaving_early_is_like_a_crash(void **state)
{
	static const enum symbolize_stage stages[] = {SYMBOLIZE_FORKED, SYMBOLIZE_SANDBOXED,
						      SYMBOLIZE_MODULE};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(stages) / sizeof(stages[0]); i++) {
		run_with_fault((struct fault){be_killed, stages[i], 1}, SYMBOLIZE_SYMBOLS_ONLY, "ended early",
			       NAMES_SYMBOL);
		run_with_fault((struct fault){leave, stages[i], 2}, SYMBOLIZE_ADDRESSES_ONLY, "ended early",
			       NAMES_FAILED);
	}
}

static void names_that_were_sent_before_an_end_are_kept(void **state)
{
	(void)state;
	run_with_fault((struct fault){crash, SYMBOLIZE_NAMED, 4}, SYMBOLIZE_FULL,
		       "crashed (signal 6) at 'full'", NAMES_DWARF);
	run_with_fault((struct fault){stop, SYMBOLIZE_NAMED, 4}, SYMBOLIZE_FULL, "took longer than 1.5 s",
		       NAMES_DWARF);
}

static void a_hang_costs_lines_and_no_names(void **state)
{
	(void)state;
	run_with_fault((struct fault){hang, SYMBOLIZE_SANDBOXED, 1}, SYMBOLIZE_SYMBOLS_ONLY,
		       "took longer than 1.5 s", NAMES_SYMBOL);
}

static void two_hangs_leave_addresses(void **state)
{
	(void)state;
	run_with_fault((struct fault){hang, SYMBOLIZE_MODULE, 2}, SYMBOLIZE_ADDRESSES_ONLY,
		       "took longer than 1.5 s at 'full'", NAMES_TIMEOUT);
}

/* Nothing runs in a stopped process, not even its limit of CPU time. */
static void a_stopped_symbolizer_is_a_hang(void **state)
{
	(void)state;
	run_with_fault((struct fault){stop, SYMBOLIZE_FORKED, 1}, SYMBOLIZE_SYMBOLS_ONLY,
		       "took longer than 1.5 s", NAMES_SYMBOL);
	run_with_fault((struct fault){stop, SYMBOLIZE_MODULE, 2}, SYMBOLIZE_ADDRESSES_ONLY,
		       "took longer than 1.5 s at 'full'", NAMES_TIMEOUT);
}

/* As a library would that was taken over; if anything is granted, the attempt fails, which the test sees. */
static void reach_out(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "/tmp/x"};
	struct iovec iov = {&a, sizeof(a)};

	if (open("/etc/passwd", O_RDONLY) >= 0 || open("/proc/self/mem", O_RDWR) >= 0 ||
	    socket(AF_INET, SOCK_STREAM, 0) >= 0 || socket(AF_UNIX, SOCK_DGRAM, 0) >= 0 || fork() >= 0 ||
	    !kill(getppid(), 0) || process_vm_readv(getppid(), &iov, 1, &iov, 1, 0) >= 0 ||
	    execl("/bin/true", "true", NULL) >= 0)
		abort();
}

static void from_inside_no_file_socket_or_process_can_be_had(void **state)
{
	struct fault f = {reach_out, SYMBOLIZE_MODULE, 4};
	const struct symbolize_options opt = {.inlines = true, .hook = at_stage, .hook_arg = &f};
	struct run r;
	uint32_t loc;

	(void)state;
	run_init(&r, full);
	loc = fixture_location(&r.p, r.module, work_addr);
	run(&r, &opt);
	assert_string_equal(r.report.why, "");
	assert_int_equal(r.report.mode, SYMBOLIZE_FULL);
	assert_int_equal(status_of(&r, loc), NAMES_DWARF);
	run_release(&r);
	/* the test can tell: before the sandbox all of it is granted */
	f.stage = SYMBOLIZE_FORKED;
	run_init(&r, full);
	fixture_location(&r.p, r.module, work_addr);
	run(&r, &opt);
	assert_non_null(strstr(r.report.why, "crashed (signal 6)"));
	run_release(&r);
}

static void too_little_memory_costs_names_not_the_profile(void **state)
{
	const struct symbolize_options opt = {.inlines = true, .memory_bytes = 1};
	struct run r;
	uint32_t loc;

	(void)state;
	run_init(&r, full);
	loc = fixture_location(&r.p, r.module, work_addr);
	run(&r, &opt);
	assert_int_not_equal(status_of(&r, loc), NAMES_PENDING);
	run_release(&r);
}

static void no_process_is_left_behind(void **state)
{
	(void)state;
	two_hangs_leave_addresses(state);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

/* ---- hostile files ---- */

/* The module as it was when it was mapped; then its contents change under us. */
static void symbolize_damaged(const char *path, long cut, long flip_at)
{
	struct run r;
	uint32_t loc;
	char byte;
	int fd;

	assert_int_equal(sh("cp %s %s/damaged", path, dir), 0);
	char damaged[96];

	snprintf(damaged, sizeof(damaged), "%s/damaged", dir);
	run_init(&r, damaged);
	loc = fixture_location(&r.p, r.module, work_addr);
	fd = open(damaged, O_RDWR);
	assert_true(fd >= 0);
	if (cut >= 0)
		assert_int_equal(ftruncate(fd, cut), 0);
	if (flip_at >= 0) {
		assert_int_equal(pread(fd, &byte, 1, flip_at), 1);
		byte = (char)~byte;
		assert_int_equal(pwrite(fd, &byte, 1, flip_at), 1);
	}
	close(fd);
	run(&r, NULL);
	assert_int_not_equal(status_of(&r, loc), NAMES_PENDING);
	run_release(&r);
}

static void a_file_cut_anywhere_is_an_answer(void **state)
{
	struct stat st;
	long i;

	(void)state;
	assert_int_equal(stat(full, &st), 0);
	for (i = 0; i < 24; i++)
		symbolize_damaged(full, st.st_size * i / 24, -1);
}

static void a_file_with_a_wrong_byte_is_an_answer(void **state)
{
	struct stat st;
	long i;

	(void)state;
	assert_int_equal(stat(full, &st), 0);
	for (i = 0; i < 40; i++)
		symbolize_damaged(full, -1, i < 8 ? 40 + i * 3 : (st.st_size - 1) * i / 40);
}

static void a_file_cut_to_nothing_is_malformed(void **state)
{
	struct run r;
	uint32_t loc;
	char path[96];

	(void)state;
	snprintf(path, sizeof(path), "%s/empty", dir);
	assert_int_equal(sh("cp %s %s", full, path), 0);
	run_init(&r, path);
	loc = fixture_location(&r.p, r.module, work_addr);
	assert_int_equal(truncate(path, 0), 0);
	run(&r, NULL);
	assert_int_equal(status_of(&r, loc), NAMES_BAD_FILE);
	run_release(&r);
}

/* ---- what has no file ---- */

static void the_vdso_is_named_from_memory(void **state)
{
	const uint8_t *image = (const uint8_t *)getauxval(AT_SYSINFO_EHDR);
	struct profile_module m = {.kind = MODULE_VDSO, .fd = -1, .image = image, .image_size = 8192};
	struct elf_source src = {.fd = -1, .image = image, .size = 8192};
	struct elf_file f;
	struct run r;
	uint32_t loc;
	void *fn;

	(void)state;
	fn = dlsym(dlopen("linux-vdso.so.1", RTLD_LAZY | RTLD_NOLOAD), "__vdso_clock_gettime");
	if (!image || !fn)
		skip();
	assert_int_equal(elf_file_parse(&src, &f), 0);
	m.n_segments = f.n_segments;
	memcpy(m.segments, f.segments, sizeof(m.segments));
	run_init(&r, NULL);
	strtab_put(&r.p.strings, "[vdso]", &m.path);
	r.module = profile_add_module(&r.p, &m);
	loc = fixture_location(&r.p, r.module, (uint64_t)((const uint8_t *)fn - image));
	run(&r, NULL);
	assert_int_equal(status_of(&r, loc), NAMES_SYMBOL);
	assert_non_null(strstr(frame_function(&r.n, loc, 0), "clock_gettime"));
	run_release(&r);
}

/* A function of the kernel and its address, both from kallsyms; address 0 when they are hidden. */
static unsigned long long kernel_symbol(const char *want)
{
	unsigned long long addr;
	char line[512], name[256];
	FILE *f = fopen("/proc/kallsyms", "r");

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%llx %*c %255s", &addr, name) == 2 && !strcmp(name, want)) {
			fclose(f);
			return addr;
		}
	}
	if (f)
		fclose(f);
	return 0;
}

static void the_kernel_is_named_or_says_that_it_is_not_permitted(void **state)
{
	struct profile_module m = {.kind = MODULE_KERNEL, .reason = MODULE_NO_CONTENTS, .fd = -1};
	uint64_t addr = kernel_symbol("vfs_read"), known = addr ? addr : 0xffffffff81000100;
	uint32_t loc, mapping, low;
	struct run r;

	(void)state;
	run_init(&r, NULL);
	strtab_put(&r.p.strings, "[kernel.kallsyms]", &m.path);
	r.module = profile_add_module(&r.p, &m);
	mapping = profile_mapping(&r.p, r.module, 0xffff000000000000, UINT64_MAX, 0xffff000000000000);
	loc = profile_location(&r.p, mapping, known + 5);
	low = profile_location(&r.p, mapping, 0xffff000000001234);
	run(&r, NULL);
	if (addr) {
		assert_int_equal(status_of(&r, loc), NAMES_SYMBOL);
		assert_string_equal(frame_function(&r.n, loc, 0), "vfs_read");
		assert_int_equal(status_of(&r, low), NAMES_NO_SYMBOL);
	} else {
		assert_int_equal(status_of(&r, loc), NAMES_NOT_ALLOWED);
		assert_int_equal(status_of(&r, low), NAMES_NOT_ALLOWED);
	}
	run_release(&r);
}

static int set_up(void **state)
{
	char path[96];

	(void)state;
	strcpy(dir, "/tmp/ddprof-sym-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/prog.c", dir);
	if (write_text(path, program))
		return -1;
	snprintf(path, sizeof(path), "%s/hand.s", dir);
	if (write_text(path, assembly))
		return -1;
	snprintf(full, sizeof(full), "%s/full", dir);
	snprintf(stripped, sizeof(stripped), "%s/stripped", dir);
	if (sh("cd %s && cc -O2 -g -fcf-protection=none -o full prog.c hand.s && strip -o stripped full",
	       dir))
		return -1;
	work_addr = symbol_address(full, "work");
	by_hand_addr = symbol_address(full, "by_hand");
	no_size_addr = symbol_address(full, "no_size");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	return sh("rm -rf %s", dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_inlined_call_is_two_frames_with_lines),
		cmocka_unit_test(without_inlines_the_function_has_the_line_of_the_call),
		cmocka_unit_test(assembly_has_its_function_from_the_symbol_table_and_its_line_from_dwarf),
		cmocka_unit_test(a_stripped_function_is_called_by_its_begin),
		cmocka_unit_test(the_same_address_in_two_mappings_has_the_same_name),
		cmocka_unit_test(names_found_before_are_kept_and_not_looked_up_again),
		cmocka_unit_test(modules_without_contents_have_their_reasons),
		cmocka_unit_test(a_crash_costs_lines_and_no_names),
		cmocka_unit_test(two_crashes_leave_addresses),
		cmocka_unit_test(being_killed_or_leaving_early_is_like_a_crash),
		cmocka_unit_test(names_that_were_sent_before_an_end_are_kept),
		cmocka_unit_test(a_hang_costs_lines_and_no_names),
		cmocka_unit_test(two_hangs_leave_addresses),
		cmocka_unit_test(a_stopped_symbolizer_is_a_hang),
		cmocka_unit_test(from_inside_no_file_socket_or_process_can_be_had),
		cmocka_unit_test(too_little_memory_costs_names_not_the_profile),
		cmocka_unit_test(no_process_is_left_behind),
		cmocka_unit_test(a_file_cut_anywhere_is_an_answer),
		cmocka_unit_test(a_file_with_a_wrong_byte_is_an_answer),
		cmocka_unit_test(a_file_cut_to_nothing_is_malformed),
		cmocka_unit_test(the_vdso_is_named_from_memory),
		cmocka_unit_test(the_kernel_is_named_or_says_that_it_is_not_permitted),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

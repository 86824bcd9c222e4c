/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_symbolize_memory.c - a debug file larger than what the control group leaves still gives names, or
 * reasons.
 *
 * A real control group with a real limit, so only where one may be made (root).
 * DDPROF_TEST_HUGE_MB (make check-huge: 600) is the size of the debug file in
 * megabytes; half of it is the limit.
 */
#include "symbolize/cgroup.h"
#include "tests/unit/elf_fixture.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/wait.h>

#include <cmocka.h>

#define DEFAULT_MB 130

static char dir[64], group[256];
static unsigned int size_mb, limit_mb;

static int put(const char *name, const char *text)
{
	char path[320];
	int fd, err;

	snprintf(path, sizeof(path), "%s/%s", group, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = io_write_all(fd, text, strlen(text));
	close(fd);
	return err;
}

/* Version 1 below our own group's or the topmost directory, version 2 below the topmost. */
static bool make_group(void)
{
	static const struct {
		const char *parent, *limit;
	} versions[] = {{"/sys/fs/cgroup/memory", "memory.limit_in_bytes"}, {"/sys/fs/cgroup", "memory.max"}};
	char bytes[32];
	size_t i;

	snprintf(bytes, sizeof(bytes), "%llu", (unsigned long long)limit_mb << 20);
	for (i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
		snprintf(group, sizeof(group), "%s/ddprof-test-%d", versions[i].parent, (int)getpid());
		if (mkdir(group, 0755))
			continue;
		if (!put(versions[i].limit, bytes))
			return true;
		rmdir(group);
	}
	return false;
}

/*
 * Copies of one object of static functions, so that they can all be linked, and
 * behind them the program. What grows is .debug_info, .debug_line and the like.
 */
static bool build_huge(void)
{
	return !sh(
		"cd %s && for i in $(seq 1000); do "
		"echo \"struct s$i { int member_a; struct s$i *member_next; };"
		"static __attribute__((noinline,used)) int copy_$i(struct s$i *p, int value)"
		"{ int local = value * $i; if (p) local += p->member_a; return local; }\"; done > copy.c && "
		"printf 'static inline __attribute__((always_inline)) int half(int x)\\n{\\n\\treturn x / "
		"3;\\n}\\n"
		"__attribute__((noinline)) int work(int x)\\n{\\n\\treturn half(x) ^ 7;\\n}\\n"
		"int main(int c, char **v)\\n{\\n\\treturn work(c) + !v;\\n}\\n' > main.c && "
		"cc -O1 -g -fno-asynchronous-unwind-tables -c copy.c && cc -O2 -g -c main.c && "
		"cc -shared -nostdlib -o one copy.o && strip --only-keep-debug one && "
		"n=$((%u * 1024 * 1024 / $(stat -c %%s one) + 1)) && "
		"for i in $(seq $n); do cp -l copy.o copy$i.o; done && "
		"cc -o full copy[0-9]*.o main.o && rm copy*.o && "
		"objcopy --only-keep-debug full bin.debug && strip -g -s -o bin full && "
		"objcopy --add-gnu-debuglink=bin.debug bin && nm full | grep ' work$' > address && rm full",
		dir, size_mb);
}

/* In the group: every address has an answer, and work() its inlined call and lines. Exit status 0. */
static int symbolize_in_group(const char *path, uint64_t work)
{
	const struct symbolize_options opt = {.inlines = true, .deadline_ms = 60000};
	struct symbolize_report report;
	uint32_t module, loc, other;
	struct profile p;
	struct names n;
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	if (put("cgroup.procs", pid) || profile_init(&p) || names_init(&n))
		return 10;
	if (cgroup_memory_left(CGROUP_SELF, CGROUP_ROOT) > (uint64_t)limit_mb << 20)
		return 11;
	module = fixture_module(&p, path);
	if (module == PROFILE_NONE)
		return 12;
	other = fixture_location(&p, module, work - 0x10000);
	loc = fixture_location(&p, module, work);
	if (symbolize(&p, &n, &opt, &report))
		return 13;
	if (fixture_names(&n, other)->status == NAMES_PENDING ||
	    fixture_names(&n, loc)->status == NAMES_PENDING)
		return 14;
	fprintf(stderr, "# %u MB of debug file, %u MB for the group: mode %d (%s), peak %llu MB\n", size_mb,
		limit_mb, (int)report.mode, report.why, (unsigned long long)report.peak_rss_kb >> 10);
	if (report.mode != SYMBOLIZE_FULL)
		return strcmp(report.why, "") ? 15 : 16;
	return strcmp(frame_function(&n, loc, 0), "half") || frame_line(&n, loc, 0) != 3 ||
			       strcmp(frame_function(&n, loc, 1), "work") || frame_line(&n, loc, 1) != 7
		       ? 17
		       : 0;
}

static void a_debug_file_twice_the_groups_memory_gives_all_names(void **state)
{
	unsigned long long work = 0;
	char path[96];
	struct stat st;
	int status;
	pid_t pid;
	FILE *f;

	(void)state;
#if defined(__SANITIZE_ADDRESS__)
	skip(); /* the sanitizer takes several times the memory */
#endif
	if (!make_group())
		skip();
	assert_true(build_huge());
	snprintf(path, sizeof(path), "%s/bin.debug", dir);
	assert_int_equal(stat(path, &st), 0);
	assert_true((unsigned long long)st.st_size > (unsigned long long)limit_mb << 20);
	snprintf(path, sizeof(path), "%s/address", dir);
	f = fopen(path, "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%llx", &work), 1);
	fclose(f);
	snprintf(path, sizeof(path), "%s/bin", dir);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		_exit(symbolize_in_group(path, work));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static int set_up(void **state)
{
	const char *mb = getenv("DDPROF_TEST_HUGE_MB");

	(void)state;
	size_mb = mb ? (unsigned int)atoi(mb) : DEFAULT_MB;
	limit_mb = size_mb / 2;
	strcpy(dir, "/tmp/ddprof-mem-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	if (group[0])
		rmdir(group);
	return sh("rm -rf %s", dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_debug_file_twice_the_groups_memory_gives_all_names),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

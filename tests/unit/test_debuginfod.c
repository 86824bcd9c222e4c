/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_debuginfod.c - debug files from a real debuginfod server on loopback, only when asked for, never
 * waited for.
 */
#include "tests/unit/elf_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cmocka.h>

static const char program[] = "__attribute__((noinline)) int work(int x)\n"
			      "{\n"
			      "	return x * 3;\n"
			      "}\n"
			      "int main(int argc, char **argv)\n"
			      "{\n"
			      "	return work(argc) + !argv;\n"
			      "}\n";

static char dir[64];
static pid_t server = -1, liar = -1;
static int port;

/* "bin" in @dir/NAME, stripped of what "full" has. */
static void make_program(const char *name, const char *flags)
{
	assert_int_equal(sh("mkdir -p %s/%s %s/served && cd %s/%s && cc -O2 -g %s -o full ../prog.c && "
			    "strip -g -s -o bin full",
			    dir, name, dir, dir, name, flags),
			 0);
}

struct answer {
	uint32_t line;
	struct symbolize_report report;
	uint32_t told, told_end;
	char file[64];
};

static void told(void *arg, const char *file, uint32_t i, uint32_t n, uint64_t got, uint64_t total)
{
	struct answer *a = arg;

	(void)got;
	(void)total;
	a->told++;
	if (!file)
		a->told_end++;
	else
		snprintf(a->file, sizeof(a->file), "%s", file);
	assert_true(!file || (i >= 1 && i <= n));
}

static void ask(const char *name, uint32_t deadline_ms, struct answer *a)
{
	const struct symbolize_options opt = {
		.inlines = true,
		.debuginfod = {.deadline_ms = deadline_ms, .progress = told, .progress_arg = a}};
	uint32_t module, loc;
	char path[128];
	struct profile p;
	struct names n;

	memset(a, 0, sizeof(*a));
	assert_int_equal(profile_init(&p), 0);
	assert_int_equal(names_init(&n), 0);
	snprintf(path, sizeof(path), "%s/%s/bin", dir, name);
	module = fixture_module(&p, path);
	assert_int_not_equal(module, PROFILE_NONE);
	snprintf(path, sizeof(path), "%s/%s/full", dir, name);
	loc = fixture_location(&p, module, symbol_address(path, "work"));
	assert_int_equal(symbolize(&p, &n, &opt, &a->report), 0);
	a->line = frame_line(&n, loc, 0);
	if (a->line)
		assert_string_equal(frame_function(&n, loc, 0), "work");
	names_release(&n);
	fixture_close(&p);
	/* none of its processes is left: only those that are ours */
	if (liar < 0)
		assert_int_equal(waitpid(-1, NULL, WNOHANG), server > 0 ? 0 : -1);
}

/* A listening socket on loopback: its number; *@fd is it. */
static int listen_somewhere(int *fd)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);

	*fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(*fd >= 0);
	assert_int_equal(bind(*fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(getsockname(*fd, (struct sockaddr *)&a, &len), 0);
	assert_int_equal(listen(*fd, 8), 0);
	return ntohs(a.sin_port);
}

static void use_server(int number)
{
	char url[64];

	snprintf(url, sizeof(url), "http://127.0.0.1:%d/", number);
	setenv("DEBUGINFOD_URLS", url, 1);
}

/* The real server over @dir/served; returns once it serves build id @id. */
static void start_server(void)
{
	char number[16], served[96], path[96];
	int fd, null, i;

	port = listen_somewhere(&fd);
	close(fd);
	snprintf(number, sizeof(number), "%d", port);
	snprintf(served, sizeof(served), "%s/served", dir);
	snprintf(path, sizeof(path), "%s/log", dir);
	server = fork();
	assert_true(server >= 0);
	if (!server) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		unsetenv("DEBUGINFOD_URLS");
		null = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
		for (i = 0; i < 3; i++)
			dup2(null, i);
		execlp("debuginfod", "debuginfod", "-F", "-d", ":memory:", "-p", number, "-t", "1", "-c", "1",
		       served, NULL);
		_exit(127);
	}
	/* wait for the thing itself: that it serves the file, or has died */
	assert_int_equal(sh("id=$(readelf -n %s/served/1.debug | sed -n 's/.*Build ID: //p') && "
			    "until curl -sf -o /dev/null http://127.0.0.1:%d/buildid/$id/debuginfo; do "
			    "kill -0 %d || exit 1; done",
			    dir, port, (int)server),
			 0);
}

static bool have_all(void)
{
	return !sh("command -v debuginfod >/dev/null && command -v curl >/dev/null && "
		   "ldconfig -p 2>/dev/null | grep -q libdebuginfod.so.1");
}

static void a_missing_debug_file_is_fetched(void **state)
{
	struct answer a;

	(void)state;
	if (server < 0)
		skip();
	use_server(port);
	ask("hot", 10000, &a);
	assert_string_equal(a.report.fetched, "1 of 1 debug files fetched");
	assert_in_range(a.line, 1, 3);
	assert_int_equal(a.told_end, 1);
}

static void nothing_is_fetched_unless_asked_for_even_if_servers_are_named(void **state)
{
	struct answer a;

	(void)state;
	if (server < 0)
		skip();
	use_server(port);
	ask("hot", 0, &a);
	assert_string_equal(a.report.fetched, "");
	assert_int_equal(a.line, 0);
	assert_int_equal(a.told, 0);
}

static void a_supplementary_file_is_fetched_with_it(void **state)
{
	struct answer a;

	(void)state;
	if (server < 0 || sh("command -v dwz >/dev/null"))
		skip();
	use_server(port);
	ask("dwz", 10000, &a);
	assert_string_equal(a.report.fetched, "1 of 1 debug files fetched");
	assert_in_range(a.line, 1, 3);
}

static void what_no_server_has_is_said(void **state)
{
	struct answer a;

	(void)state;
	if (server < 0)
		skip();
	use_server(port);
	make_program("unknown", "-DUNKNOWN -Wl,--build-id=0x0123456789abcdef");
	ask("unknown", 10000, &a);
	assert_string_equal(a.report.fetched, "0 of 1 debug files fetched, 1 not on the servers");
	assert_int_equal(a.line, 0);
	assert_int_equal(a.report.mode, SYMBOLIZE_FULL);
}

static void without_a_server_to_ask_that_is_said(void **state)
{
	struct answer a;

	(void)state;
	unsetenv("DEBUGINFOD_URLS");
	ask("hot", 10000, &a);
	assert_string_equal(a.report.fetched, "nothing fetched: DEBUGINFOD_URLS names no server");
	assert_int_equal(a.report.mode, SYMBOLIZE_FULL);
}

/* It takes the connection and never says a word. */
static void a_server_that_hangs_costs_the_deadline_and_nothing_else(void **state)
{
	struct answer a;
	int fd, number;

	(void)state;
	if (!have_all())
		skip();
	number = listen_somewhere(&fd);
	use_server(number);
	make_program("hang", "-DHANG -Wl,--build-id=0x0123456789abcdee");
	ask("hang", 500, &a);
	assert_string_equal(a.report.fetched, "0 of 1 debug files fetched, given up after 0.5 s");
	assert_int_equal(a.report.mode, SYMBOLIZE_FULL);
	close(fd);
}

/* Whatever a server sends must be what was asked for. */
static void a_file_of_another_build_is_refused(void **state)
{
	char path[96];
	struct answer a;
	struct buf body;
	int fd, number, c, status;

	(void)state;
	if (!have_all())
		skip();
	number = listen_somewhere(&fd);
	use_server(number);
	make_program("lie", "-DLIE -Wl,--build-id=0x0123456789abcded");
	snprintf(path, sizeof(path), "%s/served/1.debug", dir);
	buf_init(&body, 1 << 24);
	assert_int_equal(io_read_file(AT_FDCWD, path, &body), 0);
	liar = fork();
	assert_true(liar >= 0);
	if (!liar) {
		c = accept(fd, NULL, NULL);
		if (c < 0 || dprintf(c, "HTTP/1.0 200 OK\r\nContent-Length: %zu\r\n\r\n", body.len) < 0)
			_exit(1);
		_exit(io_write_all(c, body.data, body.len) ? 1 : 0);
	}
	close(fd);
	buf_release(&body);
	ask("lie", 10000, &a);
	assert_int_equal(waitpid(liar, &status, 0), liar);
	liar = -1;
	assert_int_equal(status, 0);
	assert_string_equal(a.report.fetched, "0 of 1 debug files fetched, 1 failed");
	assert_int_equal(a.line, 0);
}

static int set_up(void **state)
{
	char path[96];

	(void)state;
	strcpy(dir, "/tmp/ddprof-dbgd-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/prog.c", dir);
	if (write_text(path, program))
		return -1;
	/* the client's own cache must not be the user's */
	snprintf(path, sizeof(path), "%s/cache", dir);
	setenv("DEBUGINFOD_CACHE_PATH", path, 1);
	make_program("hot", "");
	if (sh("cd %s && mkdir -p dwz && objcopy --only-keep-debug hot/full served/1.debug", dir))
		return -1;
	if (!sh("command -v dwz >/dev/null")) {
		make_program("dwz", "-DDWZ -fno-lto");
		if (sh("cd %s/dwz && cp full twin && dwz -m ../served/common full twin && "
		       "objcopy --only-keep-debug full ../served/2.debug && strip -g -s -o bin full && "
		       "cp ../prog.c . && cc -O2 -g -DDWZ -o full prog.c",
		       dir))
			return -1;
	}
	if (have_all())
		start_server();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	if (server > 0) {
		kill(server, SIGKILL);
		waitpid(server, NULL, 0);
	}
	return sh("rm -rf %s", dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_missing_debug_file_is_fetched),
		cmocka_unit_test(nothing_is_fetched_unless_asked_for_even_if_servers_are_named),
		cmocka_unit_test(a_supplementary_file_is_fetched_with_it),
		cmocka_unit_test(what_no_server_has_is_said),
		cmocka_unit_test(without_a_server_to_ask_that_is_said),
		cmocka_unit_test(a_server_that_hangs_costs_the_deadline_and_nothing_else),
		cmocka_unit_test(a_file_of_another_build_is_refused),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

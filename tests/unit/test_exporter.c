/* SPDX-License-Identifier: Apache-2.0 */
/* test_exporter.c - a window's profile becomes a file, whatever happens to the process that does it. */
#include "export/exporter.h"
#include "export/pprof.h"
#include "deny.h"
#include "sample_profile.h"

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
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
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

__attribute__((noinline)) void profiled_function(void);
void profiled_function(void)
{
	__asm__ volatile("");
}

static int read_segments(struct dl_phdr_info *info, size_t size, void *arg)
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

static void add_own_location(struct fixture *x)
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

static int setup(void **state)
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

static int teardown(void **state)
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

static void start(struct fixture *x)
{
	exporter_free(x->e);
	x->e = NULL;
	assert_int_equal(exporter_start(&x->e, &x->job), 0);
}

/* Wait as the collector does. */
static void finish(struct fixture *x)
{
	struct pollfd pfd = {.fd = exporter_fd(x->e), .events = POLLIN};

	while (!exporter_read(x->e, &x->result))
		if (poll(&pfd, 1, 60000) <= 0)
			fail_msg("no reply");
}

static struct pprof *read_back(struct fixture *x)
{
	struct pprof *p = NULL;

	if (pprof_read_file(x->output, &p, x->why, sizeof(x->why)))
		fail_msg("%s", x->why);
	return p;
}

static bool has_comment(const struct pprof *p, const char *want)
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

/* ---- the way it should go ---- */

static void a_profile_becomes_a_file_and_a_summary(void **state)
{
	struct fixture *x = *state;
	struct pprof *p;

	start(x);
	assert_true(exporter_pid(x->e) > 0);
	finish(x);
	assert_string_equal(x->result.why, "");
	assert_int_equal(x->result.status, 0);
	assert_string_equal(x->result.path, x->output);
	assert_true(x->result.bytes > 100);
	assert_true(x->result.total == 5900000000);
	assert_string_equal(x->result.top[0].name, "profiled_function");
	assert_true(x->result.top[0].own == 5000000000);
	assert_string_equal(x->result.top[1].name, "inner(int)");
	assert_true(x->result.unnamed_value ==
		    140000000); /* libc's stripped function and the generated code */
	assert_true(x->result.wall_ns > 0 && x->result.cpu_ns > 0 && x->result.peak_rss_kb > 0);
	assert_true(x->sink.created);
	p = read_back(x);
	assert_int_equal(p->n_samples, 7);
	assert_true(has_comment(p, "ddprof.format: 1"));
	assert_true(has_comment(p, "ddprof.tag.env: prod"));
	assert_true(has_comment(p, "ddprof.quality.samples: 590"));
	assert_true(has_comment(p, "ddprof.symbols: full"));
	assert_true(has_comment(p, "ddprof.mode: test"));
	pprof_free(p);
}

static void names_come_back_for_the_next_window(void **state)
{
	struct fixture *x = *state;
	const struct names *n = &x->s.names;

	if (x->own_location < n->n_locations)
		assert_int_equal(n->locations[x->own_location].status, NAMES_PENDING);
	start(x);
	finish(x);
	assert_true(n->n_locations > x->own_location);
	assert_int_not_equal(n->locations[x->own_location].status, NAMES_PENDING);
	assert_string_equal(strtab_get(&n->strings, n->frames[n->locations[x->own_location].first].function),
			    "profiled_function");
	profile_reset(&x->s.p);
	x->s.p.seq = 1;
	start(x);
	finish(x);
	assert_int_equal(x->result.status, 0);
	assert_int_equal(x->result.total, 0);
	assert_int_equal(x->result.n_top, 0);
}

static void a_name_that_failed_is_looked_up_again(void **state)
{
	struct fixture *x = *state;
	struct names *n = &x->s.names;

	assert_int_equal(names_set(n, x->own_location, NAMES_TIMEOUT, NULL, 0), 0);
	start(x);
	finish(x);
	assert_string_equal(strtab_get(&n->strings, n->frames[n->locations[x->own_location].first].function),
			    "profiled_function");
}

static void a_failure_that_stays_is_not_looked_up_for_ever(void **state)
{
	struct fixture *x = *state;
	struct names *n = &x->s.names;
	int i;

	for (i = 0; i < NAMES_MAX_TRIES; i++)
		assert_int_equal(names_set(n, x->own_location, NAMES_FAILED, NULL, 0), 0);
	start(x);
	finish(x);
	assert_int_equal(n->locations[x->own_location].status, NAMES_FAILED);
}

static void a_reserve_gives_names_when_descriptors_are_used_up(void **state)
{
	struct fixture *x = *state;
	int taken[256], n = 0, spent;
	struct rlimit was, few;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	exporter_reserve();
	few = (struct rlimit){64, was.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	while (n < 256 && (taken[n] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
		n++;
	spent = errno;
	x->job.close_fds = taken;
	x->job.n_close_fds = (uint32_t)n;
	for (int window = 0; window < 2; window++) {
		start(x);
		assert_true(exporter_pid(x->e) > 0);
		finish(x);
		assert_int_equal(x->result.symbolize.mode, SYMBOLIZE_FULL);
	}
	while (n)
		close(taken[--n]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	assert_int_equal(spent, EMFILE);
}

static void a_sink_that_fails_is_reported_with_its_reason(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(rmdir(x->dir), 0);
	start(x);
	finish(x);
	assert_int_equal(mkdir(x->dir, 0700), 0);
	assert_int_equal(x->result.status, -ENOENT);
	assert_non_null(strstr(x->result.why, x->output));
	assert_string_equal(x->result.path, "");
	assert_false(x->sink.created);
	assert_string_equal(x->result.top[0].name,
			    "profiled_function"); /* the summary is there all the same */
}

/* ---- what an exporter is while it runs ---- */

/* Standard output is a pipe that is full, so the exporter stays where it writes. */
struct held {
	int saved, pipe[2];
	size_t filled;
};

static void hold(struct fixture *x, struct held *h)
{
	static const char fill[4096];
	ssize_t n;

	*h = (struct held){0};
	fflush(stdout);
	h->saved = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 100);
	assert_int_equal(pipe2(h->pipe, O_CLOEXEC), 0);
	assert_int_equal(fcntl(h->pipe[1], F_SETFL, O_NONBLOCK), 0);
	while ((n = write(h->pipe[1], fill, sizeof(fill))) > 0)
		h->filled += (size_t)n;
	assert_int_equal(fcntl(h->pipe[1], F_SETFL, 0), 0);
	sink_close(&x->sink);
	dup2(h->pipe[1], STDOUT_FILENO);
	assert_int_equal(sink_open(&x->sink, "-", NULL, false, 0, NULL, x->why, sizeof(x->why)), 0);
	x->job.keep_stdout = true;
	start(x);
	dup2(h->saved, STDOUT_FILENO);
	close(h->saved);
	close(h->pipe[1]);
}

/* Wait until process @pid sleeps in write(2) to a pipe. */
static void wait_until_held(pid_t pid)
{
	char path[64], text[64];
	ssize_t n;
	int fd, i;

	snprintf(path, sizeof(path), "/proc/%d/syscall", (int)pid);
	for (i = 0; i < 60000; i++) {
		fd = open(path, O_RDONLY | O_CLOEXEC);
		n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
		if (fd >= 0)
			close(fd);
		text[n > 0 ? n : 0] = '\0';
		if (!strncmp(text, "1 0x1 ", 6))
			return;
		usleep(1000);
	}
	fail_msg("the exporter never wrote");
}

/* Let it write: everything that comes until the end. Returns bytes besides the filling. */
static size_t release(struct held *h)
{
	static char sinkhole[65536];
	size_t all = 0;
	ssize_t n;

	while ((n = read(h->pipe[0], sinkhole, sizeof(sinkhole))) > 0)
		all += (size_t)n;
	close(h->pipe[0]);
	return all - h->filled;
}

static void read_proc(pid_t pid, const char *file, char *out, size_t len)
{
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? 0 : read(fd, out, len - 1);
	out[n > 0 ? n : 0] = '\0';
	if (fd >= 0)
		close(fd);
}

static void read_link(pid_t pid, int fd, char *out, size_t len)
{
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, fd);
	n = readlink(path, out, len - 1);
	out[n > 0 ? n : 0] = '\0';
}

static void the_exporter_holds_nothing_it_should_not(void **state)
{
	struct fixture *x = *state;
	char text[256];
	struct held h;
	int perf[2];
	pid_t pid;

	assert_int_equal(pipe2(perf, O_CLOEXEC), 0);
	x->job.close_fds = perf;
	x->job.n_close_fds = 2;
	hold(x, &h);
	pid = exporter_pid(x->e);
	wait_until_held(pid);
	read_link(pid, perf[0], text, sizeof(text));
	assert_string_equal(text, "");
	read_link(pid, perf[1], text, sizeof(text));
	assert_string_equal(text, "");
	read_link(pid, 0, text, sizeof(text));
	assert_string_equal(text, "/dev/null");
	read_proc(pid, "oom_score_adj", text, sizeof(text));
	assert_string_equal(text, "1000\n");
	assert_true(getpriority(PRIO_PROCESS, (id_t)pid) >= 10);
	close(perf[0]);
	close(perf[1]);
	assert_true(release(&h) > 100);
	finish(x);
	assert_int_equal(x->result.status, 0);
}

static void reading_never_waits_and_signals_of_the_group_do_not_end_it(void **state)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGPIPE};
	struct fixture *x = *state;
	struct held h;
	size_t i, bytes;

	hold(x, &h);
	wait_until_held(exporter_pid(x->e));
	for (i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
		assert_int_equal(kill(exporter_pid(x->e), signals[i]), 0);
		assert_int_equal(exporter_read(x->e, &x->result), 0);
	}
	bytes = release(&h);
	finish(x);
	assert_int_equal(x->result.status, 0);
	assert_int_equal(x->result.bytes, bytes);
}

static void an_exporter_that_is_killed_is_reported(void **state)
{
	struct fixture *x = *state;
	struct held h;

	hold(x, &h);
	wait_until_held(exporter_pid(x->e));
	assert_int_equal(kill(exporter_pid(x->e), SIGKILL), 0);
	finish(x);
	close(h.pipe[0]);
	assert_int_equal(x->result.status, -EPIPE);
	assert_non_null(strstr(x->result.why, "killed by signal 9"));
	/* and reported again, if somebody asks again */
	assert_int_equal(exporter_read(x->e, &x->result), 1);
	assert_int_equal(x->result.status, -EPIPE);
}

/* As the parent of a program does, which reaps whatever ends. */
static void how_it_died_is_known_when_somebody_else_reaped_it(void **state)
{
	struct fixture *x = *state;
	struct held h;
	int status;

	hold(x, &h);
	wait_until_held(exporter_pid(x->e));
	assert_int_equal(kill(exporter_pid(x->e), SIGKILL), 0);
	assert_int_equal(waitpid(exporter_pid(x->e), &status, 0), exporter_pid(x->e));
	exporter_reaped(x->e, status);
	finish(x);
	close(h.pipe[0]);
	assert_int_equal(x->result.status, -EPIPE);
	assert_non_null(strstr(x->result.why, "killed by signal 9"));
}

static void a_window_that_cannot_be_written_is_kept_and_written_by_the_next_exporter(void **state)
{
	struct fixture *x = *state;
	struct kept kept = {0};
	char path[PATH_MAX];

	x->job.kept = &kept;
	x->sink.numbered = true;
	x->s.p.seq = 7;
	snprintf(path, sizeof(path), "%s/x-000007.pb.gz", x->dir);
	assert_int_equal(mkdir(path, 0700), 0); /* nothing replaces a directory */
	start(x);
	finish(x);
	assert_true(x->result.status < 0);
	assert_int_equal(kept.n, 1);
	assert_int_equal(kept.windows[0].seq, 7);
	assert_int_equal(kept.bytes, kept.windows[0].len);
	assert_int_equal(rmdir(path), 0);
	x->s.p.seq = 8;
	start(x);
	finish(x);
	assert_int_equal(x->result.status, 0);
	assert_int_equal(kept.n, 0);
	assert_int_equal(kept.bytes, 0);
	assert_int_equal(kept.written, 1);
	assert_int_equal(unlink(path), 0);
	snprintf(path, sizeof(path), "%s/x-000008.pb.gz", x->dir);
	assert_int_equal(unlink(path), 0);
}

static void what_is_kept_is_bounded_and_the_oldest_goes_first(void **state)
{
	static uint8_t data[KEPT_MAX_BYTES / 4 + 1];
	struct kept kept = {0};
	uint32_t i;

	(void)state;
	for (i = 0; i < KEPT_MAX + 3; i++)
		kept_add(&kept, i, (const uint8_t *)"x", 1);
	assert_int_equal(kept.n, KEPT_MAX);
	assert_int_equal(kept.dropped, 3);
	assert_int_equal(kept.windows[0].seq, 3);
	kept_release(&kept);
	kept = (struct kept){0};
	for (i = 0; i < 5; i++)
		kept_add(&kept, i, data, sizeof(data));
	assert_int_equal(kept.n, 3);
	assert_int_equal(kept.windows[0].seq, 2);
	assert_int_equal(kept.dropped, 2);
	kept_release(&kept);
	assert_int_equal(kept.bytes, 0);
}

static void an_exporter_somebody_else_reaped_is_reported_too(void **state)
{
	struct fixture *x = *state;
	struct held h;
	pid_t pid;

	hold(x, &h);
	pid = exporter_pid(x->e);
	wait_until_held(pid);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	finish(x);
	close(h.pipe[0]);
	assert_int_equal(x->result.status, -EPIPE);
	assert_non_null(strstr(x->result.why, "without a result"));
}

static void freeing_ends_one_that_still_runs(void **state)
{
	struct fixture *x = *state;
	struct held h;
	pid_t pid;

	hold(x, &h);
	pid = exporter_pid(x->e);
	wait_until_held(pid);
	exporter_free(x->e);
	x->e = NULL;
	close(h.pipe[0]);
	assert_int_equal(kill(pid, 0), -1);
	assert_int_equal(errno, ESRCH);
}

static void a_reader_that_went_away_is_an_error_not_a_death(void **state)
{
	struct fixture *x = *state;
	struct held h;

	x->job.close_fds = h.pipe; /* the child must not be the reader itself */
	x->job.n_close_fds = 1;
	hold(x, &h);
	wait_until_held(exporter_pid(x->e));
	close(h.pipe[0]);
	finish(x);
	assert_int_equal(x->result.status, -EPIPE);
	assert_non_null(strstr(x->result.why, "standard output"));
}

/* ---- no process to be had ---- */

#define CHECK(c)                                                                                             \
	do {                                                                                                 \
		if (!(c)) {                                                                                  \
			print_error("%d: not so: %s (%s)\n", __LINE__, #c, x->result.why);                   \
			_exit(1);                                                                            \
		}                                                                                            \
	} while (0)

static void without_fork(struct fixture *x)
{
	static const uint32_t calls[] = {SYS_clone, SYS_clone3, SYS_fork, SYS_vfork};
	struct pollfd pfd = {.events = POLLIN};
	size_t i;

	for (i = 0; i < sizeof(calls) / sizeof(*calls); i++)
		if (deny_call(calls[i], 0, 0, EAGAIN))
			_exit(77);
	CHECK(!exporter_start(&x->e, &x->job));
	CHECK(exporter_pid(x->e) == -1);
	pfd.fd = exporter_fd(x->e);
	CHECK(poll(&pfd, 1, 0) == 1);
	CHECK(exporter_read(x->e, &x->result) == 1);
	CHECK(x->result.status == 0);
	CHECK(x->result.symbolize.mode == SYMBOLIZE_ADDRESSES_ONLY);
	CHECK(strstr(x->result.symbolize.why, "Resource temporarily unavailable"));
	CHECK(x->result.total == 5900000000);
	CHECK(x->result.unnamed_value == 5140000000);
	CHECK(!strcmp(x->result.top[1].name, "inner(int)")); /* was known before */
	CHECK(x->sink.created);
	exporter_free(x->e);
}

static void without_a_process_it_is_done_here_with_what_is_known(void **state)
{
	struct fixture *x = *state;
	struct pprof *p;
	int status;
	pid_t pid = fork();

	if (!pid) {
		without_fork(x);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(status, 0);
	p = read_back(x);
	assert_int_equal(p->n_samples, 7);
	assert_true(has_comment(p, "ddprof.symbols: addresses only (no process for the export: "
				   "Resource temporarily unavailable)"));
	pprof_free(p);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_profile_becomes_a_file_and_a_summary),
		T(names_come_back_for_the_next_window),
		T(a_name_that_failed_is_looked_up_again),
		T(a_failure_that_stays_is_not_looked_up_for_ever),
		T(a_reserve_gives_names_when_descriptors_are_used_up),
		T(a_sink_that_fails_is_reported_with_its_reason),
		T(the_exporter_holds_nothing_it_should_not),
		T(reading_never_waits_and_signals_of_the_group_do_not_end_it),
		T(an_exporter_that_is_killed_is_reported),
		T(how_it_died_is_known_when_somebody_else_reaped_it),
		T(a_window_that_cannot_be_written_is_kept_and_written_by_the_next_exporter),
		T(what_is_kept_is_bounded_and_the_oldest_goes_first),
		T(an_exporter_somebody_else_reaped_is_reported_too),
		T(freeing_ends_one_that_still_runs),
		T(a_reader_that_went_away_is_an_error_not_a_death),
		T(without_a_process_it_is_done_here_with_what_is_known),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

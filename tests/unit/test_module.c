/* SPDX-License-Identifier: Apache-2.0 */
/* test_module.c - which file is opened for a mapping, which never, and what is read from it. */
#include "collect/module.h"

#include "tests/unit/fake_elf.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define NO_PID 0x7ffffff0 /* beyond any pid_max */

struct bench {
	char dir[64];
	struct profile profile;
	struct modules *ms;
	struct fake_elf elf;
};

static int set_up(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	strcpy(b->dir, "/tmp/ddprof-test-module.XXXXXX");
	assert_non_null(mkdtemp(b->dir));
	assert_int_equal(profile_init(&b->profile), 0);
	assert_int_equal(modules_new(&b->ms, &b->profile, 8), 0);
	fake_init(&b->elf, FAKE_TABLE);
	fake_fde(&b->elf, FAKE_CODE, 0x40, NULL, 0);
	fake_finish(&b->elf, FAKE_CODE);
	*state = b;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *b = *state;
	char command[128];

	modules_free(b->ms);
	profile_release(&b->profile);
	snprintf(command, sizeof(command), "rm -rf '%s'", b->dir);
	assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c) */
	free(b);
	return 0;
}

static const char *in_dir(struct bench *b, const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", b->dir, name);
	return path;
}

static const char *write_file(struct bench *b, const char *name, const void *data, size_t len)
{
	const char *path = in_dir(b, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	close(fd);
	return path;
}

static struct module_ident ident_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return (struct module_ident){major(st.st_dev), minor(st.st_dev), st.st_ino, 0};
}

static struct module *get(struct bench *b, const char *path, const struct module_ident *id)
{
	struct module *m = modules_get(b->ms, getpid(), path, id, 0x1000, 0x2000);

	assert_non_null(m);
	return m;
}

static void an_elf_file_is_opened_and_described(void **state)
{
	struct bench *b = *state;
	const char *path = write_file(b, "lib.so", b->elf.image, FAKE_SIZE);
	struct module_ident id = ident_of(path);
	struct module *m = get(b, path, &id);
	uint64_t off, vaddr;

	assert_int_equal(m->info->reason, MODULE_OK);
	assert_int_equal(m->info->kind, MODULE_FILE);
	assert_string_equal(strtab_get(&b->profile.strings, m->info->path), path);
	assert_int_equal(m->info->file_size, FAKE_SIZE);
	assert_int_equal(m->info->n_segments, 1);
	assert_int_equal(m->entry, FAKE_CODE);
	assert_int_equal(m->eh_frame_hdr.vaddr, FAKE_HDR);
	assert_int_equal(m->eh_frame.vaddr, FAKE_FRAME);
	assert_true(module_vaddr_to_off(m, 0x123, &off));
	assert_int_equal(off, 0x123);
	assert_false(module_vaddr_to_off(m, FAKE_SIZE, &off));
	assert_true(profile_module_vaddr(m->info, 0x123, &vaddr));
	assert_ptr_equal(get(b, path, &id), m);
	assert_ptr_equal(module_by_id(b->ms, m->id), m);
	assert_null(module_by_id(b->ms, 7));
}

static void this_program_has_its_build_id_and_cfi(void **state)
{
	struct bench *b = *state;
	char path[256] = "";
	struct module_ident id;
	struct module *m;

	assert_true(readlink("/proc/self/exe", path, sizeof(path) - 1) > 0);
	id = ident_of(path);
	m = get(b, path, &id);
	assert_int_equal(m->info->reason, MODULE_OK);
	assert_true(m->has_interp);
	assert_int_equal(m->info->build_id_len, 20);
	assert_true(m->eh_frame.size > 0);
	assert_true(m->eh_frame_hdr.size > 0);
}

static void another_file_at_the_path_is_not_taken(void **state)
{
	struct bench *b = *state;
	const char *path = write_file(b, "lib.so", b->elf.image, FAKE_SIZE);
	struct module_ident id = ident_of(path);
	struct module *m;

	id.ino++;
	m = get(b, path, &id);
	assert_int_equal(m->info->reason, MODULE_REPLACED);
	assert_int_equal(m->info->fd, -1);
	id.ino--;
	id.maj++;
	assert_int_equal(get(b, path, &id)->info->reason, MODULE_REPLACED);
}

static void a_file_that_is_gone_says_so_and_is_tried_again(void **state)
{
	struct bench *b = *state;
	const char *path = write_file(b, "lib.so", b->elf.image, FAKE_SIZE);
	char moved[160];
	struct module_ident id = ident_of(path);
	struct module *m;

	snprintf(moved, sizeof(moved), "%s.moved", path);
	assert_int_equal(rename(path, moved), 0);
	m = modules_get(b->ms, NO_PID, path, &id, 0x1000, 0x2000);
	assert_non_null(m);
	assert_int_equal(m->info->reason, MODULE_GONE);
	assert_int_equal(m->info->pid, NO_PID);
	assert_int_equal(rename(moved, path), 0);
	assert_ptr_equal(get(b, path, &id), m);
	assert_int_equal(m->info->pid, getpid());
	assert_int_equal(m->info->reason, MODULE_OK);
}

static void what_is_no_regular_file_is_never_opened(void **state)
{
	struct bench *b = *state;
	const char *path = in_dir(b, "fifo");

	assert_int_equal(mkfifo(path, 0600), 0);
	/* Opening a FIFO for reading would wait for a writer. */
	assert_int_equal(get(b, path, NULL)->info->reason, MODULE_IRREGULAR);
	assert_int_equal(get(b, b->dir, NULL)->info->reason, MODULE_IRREGULAR);
}

static void a_file_that_is_no_elf_says_so(void **state)
{
	struct bench *b = *state;
	const char *path = write_file(b, "text", "#!/bin/sh\n", 10);

	assert_int_equal(get(b, path, NULL)->info->reason, MODULE_NOT_ELF);
	path = write_file(b, "short", b->elf.image, 63);
	assert_int_equal(get(b, path, NULL)->info->reason, MODULE_NOT_ELF);
	b->elf.image[EI_CLASS] = ELFCLASS32;
	path = write_file(b, "elf32", b->elf.image, FAKE_SIZE);
	assert_int_equal(get(b, path, NULL)->info->reason, MODULE_NOT_ELF);
}

static void a_file_written_to_since_is_a_new_module(void **state)
{
	struct bench *b = *state;
	const char *path = write_file(b, "lib.so", b->elf.image, FAKE_SIZE);
	struct module_ident id = ident_of(path);
	struct module *old = get(b, path, &id), *new;
	struct timespec later[2] = {{.tv_sec = 1}, {.tv_sec = 1}};

	path = write_file(b, "lib.so", b->elf.image, FAKE_SIZE - 8); /* the same inode */
	assert_int_equal(utimensat(AT_FDCWD, path, later, 0), 0);
	new = get(b, path, &id);
	assert_ptr_not_equal(new, old);
	assert_int_equal(module_by_id(b->ms, old->id)->info->reason, MODULE_REPLACED);
	assert_int_equal(old->info->fd, -1);
	assert_int_equal(module_by_id(b->ms, new->id)->info->reason, MODULE_OK);
	assert_ptr_equal(get(b, path, &id), new);
}

static void a_file_cut_off_under_us_is_an_error_not_a_signal(void **state)
{
	struct bench *b = *state;
	const char *path = write_file(b, "lib.so", b->elf.image, FAKE_SIZE);
	struct module *m = get(b, path, NULL);
	uint8_t buf[64];

	assert_int_equal(module_read(b->ms, m, 0, buf, 64), 0);
	assert_memory_equal(buf, b->elf.image, 64);
	assert_int_equal(truncate(path, 0x2000), 0);
	assert_int_equal(module_read(b->ms, m, 0x3000, buf, 64), -ENODATA);
	assert_int_equal(module_read(b->ms, m, UINT64_MAX - 10, buf, 64), -ENODATA);
}

static void reads_cross_blocks_and_stop_at_the_end(void **state)
{
	struct bench *b = *state;
	static uint8_t big[100000], buf[100000];
	struct module *m;
	size_t i;

	for (i = sizeof(b->elf.image); i < sizeof(big); i++)
		big[i] = (uint8_t)(i * 7 + i / 256);
	memcpy(big, b->elf.image, FAKE_SIZE);
	m = get(b, write_file(b, "big", big, sizeof(big)), NULL);
	assert_int_equal(m->info->reason, MODULE_OK);
	assert_int_equal(module_read(b->ms, m, 0, buf, sizeof(buf)), 0);
	assert_memory_equal(buf, big, sizeof(big));
	assert_int_equal(module_read(b->ms, m, 4095, buf, 2), 0);
	assert_memory_equal(buf, big + 4095, 2);
	assert_int_equal(module_read(b->ms, m, sizeof(big) - 3, buf, 3), 0);
	assert_memory_equal(buf, big + sizeof(big) - 3, 3);
	assert_int_equal(module_read(b->ms, m, sizeof(big) - 3, buf, 4), -ENODATA);
	assert_int_equal(module_read(b->ms, m, sizeof(big), buf, 1), -ENODATA);
}

static void memory_without_a_file_is_one_module_per_process(void **state)
{
	struct bench *b = *state;
	struct module *m = get(b, "//anon", NULL);

	assert_int_equal(m->info->kind, MODULE_ANON);
	assert_int_equal(m->info->pid, getpid());
	assert_int_equal(m->info->reason, MODULE_NO_CONTENTS);
	assert_ptr_equal(get(b, "[heap]", NULL), m);
	assert_ptr_equal(get(b, "/dev/zero (deleted)", NULL), m);
	assert_ptr_equal(get(b, "/SYSV00000000 (deleted)", NULL), m);
	assert_ptr_equal(get(b, "", NULL), m);
	assert_ptr_not_equal(modules_get(b->ms, 1, "//anon", NULL, 0, 1), m);
}

static void a_memfd_with_generated_code_counts_as_memory(void **state)
{
	struct bench *b = *state;
	struct module_ident id = {0, 1, 12345, 0};

	assert_int_equal(get(b, "/memfd:jit (deleted)", &id)->info->kind, MODULE_ANON);
}

static void the_vdso_is_read_from_memory(void **state)
{
	struct bench *b = *state;
	struct module *m = get(b, "[vdso]", NULL);
	uint8_t magic[4];

	assert_int_equal(m->info->kind, MODULE_VDSO);
	if (m->info->reason == MODULE_NO_CONTENTS)
		skip(); /* booted without one */
	assert_int_equal(m->info->reason, MODULE_OK);
	assert_true(m->eh_frame.size > 0);
	assert_int_equal(module_read(b->ms, m, 0, magic, 4), 0);
	assert_memory_equal(magic, "\177ELF", 4);
	assert_int_equal(module_read(b->ms, m, m->info->image_size - 1, magic, 4), -ENODATA);
	assert_ptr_equal(modules_get(b->ms, 1, "[vdso]", NULL, 0, 1), m);
}

static void the_kernel_is_one_module(void **state)
{
	struct bench *b = *state;

	struct module *m = modules_kernel(b->ms);

	assert_non_null(m);
	assert_int_equal(m->info->kind, MODULE_KERNEL);
	get(b, "//anon", NULL);
	assert_ptr_equal(modules_kernel(b->ms), m);
}

static void too_many_modules_share_one_that_says_so(void **state)
{
	struct bench *b = *state;
	struct module *m = NULL;
	char path[64];
	int i;

	for (i = 0; i < 20; i++) {
		snprintf(path, sizeof(path), "/nonexistent/%d", i);
		m = get(b, path, NULL);
	}
	assert_int_equal(m->info->reason, MODULE_LIMIT);
	assert_true(b->profile.n_modules <= 8);
	assert_ptr_equal(get(b, "/nonexistent/other", NULL), m);
	assert_ptr_not_equal(get(b, "/nonexistent/0", NULL), m);
}

static void the_vsyscall_page_is_one_module(void **state)
{
	struct bench *b = *state;
	struct module *m = get(b, "[vsyscall]", NULL);

	assert_int_equal(m->info->kind, MODULE_ANON);
	assert_int_equal(m->info->pid, 0);
	assert_ptr_equal(modules_get(b->ms, 1, "[vsyscall]", NULL, 0, 1), m);
}

static void processes_that_ended_leave_room_for_anonymous_memory_of_others(void **state)
{
	struct bench *b = *state;
	struct module *m = NULL;
	pid_t pid;

	for (pid = 1; pid < 3000; pid++) {
		m = modules_get(b->ms, pid, "//anon", NULL, 0, 1);
		assert_non_null(m);
		assert_int_equal(m->info->pid, pid);
		assert_ptr_equal(modules_retire_anon(b->ms, pid), m);
	}
}

static void anonymous_memory_of_many_processes_leaves_room_for_files(void **state)
{
	struct bench *b = *state;
	const char *path = write_file(b, "lib.so", b->elf.image, FAKE_SIZE);
	struct module *m = NULL, *own = modules_get(b->ms, 1, "//anon", NULL, 0, 1);
	pid_t pid;

	for (pid = 2; pid < 3000; pid++)
		m = modules_get(b->ms, pid, "//anon", NULL, 0, 1);
	assert_non_null(m);
	assert_int_equal(m->info->kind, MODULE_ANON);
	assert_int_equal(m->info->pid, 0);
	assert_int_equal(b->profile.n_modules, 1025);
	assert_ptr_equal(modules_get(b->ms, 1, "//anon", NULL, 0, 1), own);
	assert_int_equal(get(b, path, NULL)->info->reason, MODULE_OK);
}

static void the_last_descriptors_are_left_to_others(void **state)
{
	struct bench *b = *state;
	const char *path = write_file(b, "lib.so", b->elf.image, FAKE_SIZE);
	enum module_reason reason = MODULE_OK;
	struct rlimit old, few;
	int fds[64], n = 0, fd;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	few = (struct rlimit){64, old.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	while (n < 64 && (fd = module_open_file(getpid(), path, NULL, 0, 0, &reason)) >= 0)
		fds[n++] = fd;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_in_range(n, 1, 32);
	assert_true(fds[n - 1] < 32);
	assert_int_equal(reason, MODULE_LIMIT);
	while (n)
		close(fds[--n]);
}

/* In a child: a FUSE file system at @dir that never answers. Exit status: a module_reason, or 77. */
static int open_below_fuse(const char *dir)
{
	enum module_reason reason = MODULE_OK;
	struct module_ident id = {.ino = 42};
	char options[80], path[160];
	struct statx stx;
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", fd);
	snprintf(path, sizeof(path), "%s/lib.so", dir);
	if (fd < 0 || unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("test", dir, "fuse", 0, options) ||
	    statx(AT_FDCWD, dir, AT_STATX_DONT_SYNC, STATX_TYPE, &stx))
		return 77;
	id.maj = stx.stx_dev_major;
	id.min = stx.stx_dev_minor;
	return module_open_file(getpid(), path, &id, 0, 0, &reason) == -1 ? (int)reason : 78;
}

static void a_fuse_file_system_is_not_asked(void **state)
{
	struct bench *b = *state;
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (!pid) {
		alarm(20); /* would wait for ever otherwise */
		_exit(open_below_fuse(b->dir));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip(); /* no FUSE here, or not permitted */
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), MODULE_REMOTE);
}

/* Runs in a child whose root is @dir; tells through @ready and waits to be killed. */
static void live_in(const char *dir, int ready)
{
	if (geteuid() != 0 && unshare(CLONE_NEWUSER))
		_exit(77);
	if (chroot(dir) || chdir("/") || write(ready, "x", 1) != 1)
		_exit(77);
	for (;;)
		pause();
}

static void links_are_followed_inside_the_root_of_the_process(void **state)
{
	struct bench *b = *state;
	const char *real = write_file(b, "real.so", b->elf.image, FAKE_SIZE);
	struct module_ident id = ident_of(real);
	struct module *m;
	int ready[2];
	pid_t pid;
	char c;

	/* Outside, /real.so does not exist. */
	assert_int_equal(symlink("/real.so", in_dir(b, "link.so")), 0);
	assert_int_equal(chmod(b->dir, 0755), 0);
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		close(ready[0]);
		live_in(b->dir, ready[1]);
	}
	close(ready[1]);
	if (read(ready[0], &c, 1) != 1) {
		waitpid(pid, NULL, 0);
		close(ready[0]);
		skip(); /* neither root nor user namespaces */
	}
	close(ready[0]);
	m = modules_get(b->ms, pid, "/link.so", &id, 0, 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_non_null(m);
	assert_int_equal(m->info->reason, MODULE_OK);
}

static void after_the_process_is_gone_only_the_very_same_file_is_taken(void **state)
{
	struct bench *b = *state;
	const char *path = write_file(b, "lib.so", b->elf.image, FAKE_SIZE);
	enum module_reason reason = MODULE_OK;
	struct module_ident id = ident_of(path), none = {0};
	pid_t gone = fork();
	int fd;

	if (!gone)
		_exit(0);
	waitpid(gone, NULL, 0);
	assert_int_equal(module_open_file(gone, path, &none, 0, 0, &reason), -1);
	assert_int_equal(reason, MODULE_GONE);
	fd = module_open_file(gone, path, &id, 0, 0, &reason);
	assert_true(fd >= 0);
	close(fd);
	id.ino++;
	assert_int_equal(module_open_file(gone, path, &id, 0, 0, &reason), -1);
	assert_int_equal(reason, MODULE_REPLACED);
}

static void headers_with_wrong_bytes_are_errors_not_crashes(void **state)
{
	struct bench *b = *state;
	static uint8_t image[FAKE_SIZE];
	struct profile p;
	struct modules *ms;
	struct module *m;
	uint8_t byte;
	unsigned i;

	assert_int_equal(profile_init(&p), 0);
	assert_int_equal(modules_new(&ms, &p, 4096), 0);
	for (i = 0; i < 64 + 2 * 56; i++) {
		memcpy(image, b->elf.image, sizeof(image));
		byte = image[i];
		image[i] = (uint8_t)(byte ^ (0x81 + i % 0x7e));
		m = modules_add_image(ms, "[fake]", image, sizeof(image));
		assert_non_null(m);
		assert_true(m->info->reason == MODULE_OK || m->info->reason == MODULE_NOT_ELF);
		assert_true(m->eh_frame.off <= FAKE_SIZE && m->eh_frame.size <= FAKE_SIZE - m->eh_frame.off);
	}
	modules_free(ms);
	profile_release(&p);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_elf_file_is_opened_and_described),
		TEST(this_program_has_its_build_id_and_cfi),
		TEST(another_file_at_the_path_is_not_taken),
		TEST(a_file_that_is_gone_says_so_and_is_tried_again),
		TEST(what_is_no_regular_file_is_never_opened),
		TEST(a_file_that_is_no_elf_says_so),
		TEST(a_file_written_to_since_is_a_new_module),
		TEST(a_file_cut_off_under_us_is_an_error_not_a_signal),
		TEST(reads_cross_blocks_and_stop_at_the_end),
		TEST(memory_without_a_file_is_one_module_per_process),
		TEST(a_memfd_with_generated_code_counts_as_memory),
		TEST(the_vdso_is_read_from_memory),
		TEST(the_kernel_is_one_module),
		TEST(too_many_modules_share_one_that_says_so),
		TEST(the_vsyscall_page_is_one_module),
		TEST(anonymous_memory_of_many_processes_leaves_room_for_files),
		TEST(processes_that_ended_leave_room_for_anonymous_memory_of_others),
		TEST(the_last_descriptors_are_left_to_others),
		TEST(a_fuse_file_system_is_not_asked),
		TEST(links_are_followed_inside_the_root_of_the_process),
		TEST(after_the_process_is_gone_only_the_very_same_file_is_taken),
		TEST(headers_with_wrong_bytes_are_errors_not_crashes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

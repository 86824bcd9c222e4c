/* SPDX-License-Identifier: Apache-2.0 */
/* test_debugfile.c - separate debug files are found where they belong, and only the right ones. */
#include "symbolize/debugfile.h"
#include "tests/unit/elf_fixture.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/wait.h>

#include <cmocka.h>

static const char program[] = "#include <stdio.h>\n"
			      "__attribute__((noinline)) int work(int x)\n"
			      "{\n"
			      "	return x * 3;\n"
			      "}\n"
			      "int main(int argc, char **argv)\n"
			      "{\n"
			      "	return work(argc) + !argv;\n"
			      "}\n";

static char dir[64];

/* In a directory of its own, as each test needs: "bin" stripped of what "bin.debug" has, linked if @link. */
static void make_pair(const char *name, const char *cflags, bool link)
{
	assert_int_equal(sh("rm -rf %s/%s && mkdir -p %s/%s && cd %s/%s && cp ../prog.c . && "
			    "cc -O2 -g %s -o full prog.c && objcopy --only-keep-debug full bin.debug && "
			    "strip -g -s -o bin full",
			    dir, name, dir, name, dir, name, cflags),
			 0);
	if (link)
		assert_int_equal(sh("cd %s/%s && objcopy --add-gnu-debuglink=bin.debug bin", dir, name), 0);
}

/* The user's directories for the searches to come, and what became of work()'s address in the last. */
static struct debugfile_dirs dirs;
static enum names_status status;

/* Line of work() in the module, 0 if it is not known. */
static uint32_t line_of_work_in(const char *name, pid_t pid)
{
	const struct symbolize_options opt = {.inlines = true, .debug_dirs = dirs};
	struct symbolize_report report;
	uint64_t addr;
	char path[128];
	struct profile p;
	struct names n;
	uint32_t module, loc, line;

	snprintf(path, sizeof(path), "%s/%s/full", dir, name);
	addr = symbol_address(path, "work");
	assert_int_equal(profile_init(&p), 0);
	assert_int_equal(names_init(&n), 0);
	snprintf(path, sizeof(path), "%s/%s/bin", dir, name);
	module = fixture_module(&p, path);
	assert_int_not_equal(module, PROFILE_NONE);
	p.modules[module].pid = pid;
	loc = fixture_location(&p, module, addr);
	assert_int_equal(symbolize(&p, &n, &opt, &report), 0);
	line = frame_line(&n, loc, 0);
	status = (enum names_status)fixture_names(&n, loc)->status;
	if (line)
		assert_string_equal(frame_function(&n, loc, 0), "work");
	names_release(&n);
	fixture_close(&p);
	return line;
}

static uint32_t line_of_work(const char *name)
{
	return line_of_work_in(name, 0);
}

static void a_debuglink_beside_the_file_is_followed(void **state)
{
	(void)state;
	make_pair("beside", "", true);
	assert_in_range(line_of_work("beside"), 3, 5);
}

static void a_debuglink_into_dot_debug_is_followed(void **state)
{
	(void)state;
	make_pair("dot", "", true);
	assert_int_equal(sh("cd %s/dot && mkdir .debug && mv bin.debug .debug/", dir), 0);
	assert_in_range(line_of_work("dot"), 3, 5);
}

static void without_a_link_nothing_is_taken(void **state)
{
	(void)state;
	make_pair("nolink", "", false);
	assert_int_equal(line_of_work("nolink"), 0);
	assert_int_equal(status, NAMES_STRIPPED);
}

static void another_build_id_is_refused(void **state)
{
	(void)state;
	make_pair("other", "", true);
	assert_int_equal(sh("cd %s/other && cc -O2 -g -DX -Wl,--build-id=0x1234567890 -o o prog.c && "
			    "objcopy --only-keep-debug o bin.debug",
			    dir),
			 0);
	assert_int_equal(line_of_work("other"), 0);
	assert_int_equal(status, NAMES_DEBUG_OTHER_ID);
}

static void without_build_ids_the_crc_decides(void **state)
{
	(void)state;
	make_pair("crc", "-Wl,--build-id=none", true);
	assert_in_range(line_of_work("crc"), 3, 5);
	assert_int_equal(sh("printf x >> %s/crc/bin.debug", dir), 0);
	assert_int_equal(line_of_work("crc"), 0);
	assert_int_equal(status, NAMES_DEBUG_OTHER_CRC);
}

static void a_debug_file_that_is_no_elf_file_is_not_readable(void **state)
{
	(void)state;
	make_pair("noelf", "", true);
	assert_int_equal(sh("echo text > %s/noelf/bin.debug", dir), 0);
	assert_int_equal(line_of_work("noelf"), 0);
	assert_int_equal(status, NAMES_DEBUG_UNREADABLE);
}

/* ---- the user's own directories ---- */

static void the_users_directories_are_searched_by_build_id_and_by_name(void **state)
{
	char first[96], second[96];
	const char *paths[] = {first, second};

	(void)state;
	make_pair("mine", "", false);
	snprintf(first, sizeof(first), "%s/mine/nothing-here", dir);
	snprintf(second, sizeof(second), "%s/mine/store", dir);
	dirs = (struct debugfile_dirs){paths, 2};
	assert_int_equal(line_of_work("mine"), 0);
	assert_int_equal(sh("cd %s/mine && mkdir store && mv bin.debug store/", dir), 0);
	assert_in_range(line_of_work("mine"), 3, 5);
	assert_int_equal(
		sh("cd %s/mine && id=$(readelf -n bin | sed -n 's/.*Build ID: //p') && "
		   "d=store/.build-id/${id%%${id#??}} && mkdir -p $d && mv store/bin.debug $d/${id#??}.debug",
		   dir),
		0);
	assert_in_range(line_of_work("mine"), 3, 5);
	dirs.n = 1;
	assert_int_equal(line_of_work("mine"), 0);
	assert_int_equal(status, NAMES_STRIPPED);
	dirs.n = 0;
}

static void another_build_in_the_users_directory_does_not_hide_the_right_file(void **state)
{
	char mine[96];
	const char *paths[] = {mine};

	(void)state;
	make_pair("both", "", true);
	snprintf(mine, sizeof(mine), "%s/both/mine", dir);
	dirs = (struct debugfile_dirs){paths, 1};
	assert_int_equal(
		sh("cd %s/both && mkdir mine && cc -O2 -g -DX -Wl,--build-id=0x1234567890 -o o prog.c && "
		   "objcopy --only-keep-debug o mine/bin.debug",
		   dir),
		0);
	assert_in_range(line_of_work("both"), 3, 5);
	assert_int_equal(sh("rm %s/both/bin.debug", dir), 0);
	assert_int_equal(line_of_work("both"), 0);
	assert_int_equal(status, NAMES_DEBUG_OTHER_ID);
	dirs.n = 0;
}

/* ---- what is no program ---- */

/* A library as the kernel maps its own: an image in memory, stripped, with a build id. */
static void the_vdso_has_lines_from_a_debug_file_of_its_build_id(void **state)
{
	const struct symbolize_options opt = {.inlines = true};
	struct profile_module m = {.kind = MODULE_VDSO, .fd = -1};
	struct elf_source src = {.fd = -1};
	struct symbolize_options with = opt;
	struct symbolize_report report;
	char path[96];
	const char *paths[] = {path};
	struct elf_file f;
	struct profile p;
	struct names n;
	struct buf image;
	uint32_t loc;

	(void)state;
	make_pair("image", "-shared -fPIC", false);
	assert_int_equal(
		sh("cd %s/image && id=$(readelf -n bin | sed -n 's/.*Build ID: //p') && "
		   "d=store/.build-id/${id%%${id#??}} && mkdir -p $d && mv bin.debug $d/${id#??}.debug",
		   dir),
		0);
	buf_init(&image, 1 << 20);
	snprintf(path, sizeof(path), "%s/image/bin", dir);
	assert_int_equal(io_read_file(AT_FDCWD, path, &image), 0);
	src.image = m.image = image.data;
	src.size = m.image_size = image.len;
	assert_int_equal(elf_file_parse(&src, &f), 0);
	m.n_segments = f.n_segments;
	memcpy(m.segments, f.segments, sizeof(m.segments));
	m.build_id_len = f.build_id_len;
	memcpy(m.build_id, f.build_id, sizeof(m.build_id));
	snprintf(path, sizeof(path), "%s/image/full", dir);
	assert_int_equal(profile_init(&p), 0);
	assert_int_equal(names_init(&n), 0);
	assert_int_equal(strtab_put(&p.strings, "[vdso]", &m.path), 0);
	loc = fixture_location(&p, profile_add_module(&p, &m), symbol_address(path, "work"));
	snprintf(path, sizeof(path), "%s/image/store", dir);
	with.debug_dirs = (struct debugfile_dirs){paths, 1};
	assert_int_equal(symbolize(&p, &n, &with, &report), 0);
	assert_string_equal(frame_function(&n, loc, 0), "work");
	assert_in_range(frame_line(&n, loc, 0), 3, 5);
	names_release(&n);
	buf_release(&image);
	fixture_close(&p);
}

static void a_build_id_is_found_among_other_notes_and_broken_ones_are_none(void **state)
{
	static const uint32_t notes[] = {4, 4,          1,          0x00554e47, 0, 4, 2,
					 3, 0x00554e47, 0x0000cdab, UINT32_MAX, 4, 3, 0};
	uint8_t id[PROFILE_BUILD_ID_MAX];

	(void)state;
	assert_int_equal(debugfile_note_id((const uint8_t *)notes, sizeof(notes), id), 2);
	assert_int_equal(id[0], 0xab);
	assert_int_equal(id[1], 0xcd);
	assert_int_equal(debugfile_note_id((const uint8_t *)(notes + 10), 16, id), 0);
	assert_int_equal(debugfile_note_id((const uint8_t *)(notes + 5), 18, id), 0);
	assert_int_equal(debugfile_note_id(NULL, 0, id), 0);
}

static void a_fifo_or_directory_at_the_links_place_does_not_block(void **state)
{
	(void)state;
	make_pair("fifo", "", true);
	assert_int_equal(
		sh("cd %s/fifo && rm bin.debug && mkfifo bin.debug && mkdir -p .debug/bin.debug", dir), 0);
	assert_int_equal(line_of_work("fifo"), 0);
}

/* Overwrite the name in .gnu_debuglink, which is at the start of the section, padded with NULs. */
static void a_link_that_names_a_path_is_ignored(void **state)
{
	(void)state;
	make_pair("evil", "", true);
	assert_int_equal(sh("cd %s/evil && mkdir -p sub && cp bin.debug sub/b && "
			    "objcopy --dump-section .gnu_debuglink=link bin && "
			    "printf 'sub/b\\000\\000\\000\\000' | dd of=link conv=notrunc 2>/dev/null && "
			    "objcopy --update-section .gnu_debuglink=link bin && rm bin.debug",
			    dir),
			 0);
	assert_int_equal(line_of_work("evil"), 0);
}

static void a_file_with_its_own_dwarf_needs_no_other(void **state)
{
	struct profile_module m = {.kind = MODULE_FILE};
	struct debugfile found;
	char path[96];

	(void)state;
	make_pair("own", "", true);
	snprintf(path, sizeof(path), "%s/own/full", dir);
	m.fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(m.fd >= 0);
	debugfile_find(&m, path, NULL, &found);
	assert_int_equal(found.why, DEBUGFILE_OWN);
	assert_int_equal(found.debug_fd, -1);
	assert_int_equal(found.alt_fd, -1);
	assert_int_equal(found.dwp_fd, -1);
	assert_false(found.split);
	close(m.fd);
}

static void the_crc_is_that_of_the_link_format(void **state)
{
	char path[96];
	uint32_t crc;
	int fd;

	(void)state;
	snprintf(path, sizeof(path), "%s/check", dir);
	assert_int_equal(write_text(path, "123456789"), 0);
	fd = open(path, O_RDONLY);
	assert_int_equal(debugfile_crc(fd, &crc), 0);
	assert_int_equal(crc, 0xcbf43926); /* the check value that catalogues of CRCs give */
	close(fd);
}

/* libc6-dbg, found by build id below /usr/lib/debug. */
static void the_c_library_has_lines_from_its_debug_package(void **state)
{
	const struct symbolize_options opt = {.inlines = true};
	struct symbolize_report report;
	struct names_location *l;
	struct profile p;
	struct names n;
	uint32_t module, i, lines = 0, functions = 0, locs[200];
	const struct module_segment *s;

	(void)state;
	assert_int_equal(profile_init(&p), 0);
	assert_int_equal(names_init(&n), 0);
	module = fixture_module(&p, "/lib/x86_64-linux-gnu/libc.so.6");
	if (module == PROFILE_NONE)
		module = fixture_module(&p, "/lib/aarch64-linux-gnu/libc.so.6");
	if (module == PROFILE_NONE || sh("test -d /usr/lib/debug/.build-id")) {
		names_release(&n);
		fixture_close(&p);
		skip();
	}
	for (i = 0, s = NULL; i < p.modules[module].n_segments; i++)
		if (p.modules[module].segments[i].flags & 1)
			s = &p.modules[module].segments[i];
	assert_non_null(s);
	for (i = 0; i < 200; i++)
		locs[i] = fixture_location(&p, module, s->vaddr + s->filesz / 200 * i + 11);
	assert_int_equal(symbolize(&p, &n, &opt, &report), 0);
	assert_int_equal(report.mode, SYMBOLIZE_FULL);
	for (i = 0; i < 200; i++) {
		l = &n.locations[locs[i]];
		functions += l->status == NAMES_DWARF || l->status == NAMES_SYMBOL;
		lines += l->status == NAMES_DWARF;
	}
	assert_true(functions > 180);
	assert_true(lines > 160);
	names_release(&n);
	fixture_close(&p);
}

static void a_dwz_supplementary_file_gives_the_same_names(void **state)
{
	(void)state;
	if (sh("command -v dwz >/dev/null"))
		skip();
	make_pair("dwz", "", false);
	/* Both have the whole program, so dwz moves nearly everything to the common file. */
	assert_int_equal(sh("cd %s/dwz && cp full bin && cp full twin && dwz -m common bin twin && "
			    "readelf -S bin | grep -q gnu_debugaltlink",
			    dir),
			 0);
	assert_in_range(line_of_work("dwz"), 3, 5);
	assert_int_equal(sh("cd %s/dwz && rm common", dir), 0);
	line_of_work("dwz");
}

/* A process whose root directory is @root; its pid once it is in there, or -1 if that is not permitted. */
static pid_t process_in_root(const char *root)
{
	int ready[2];
	pid_t pid;
	char ok = 0;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		ok = !chroot(root) && !chdir("/");
		if (write(ready[1], &ok, 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	assert_int_equal(read(ready[0], &ok, 1), 1);
	close(ready[0]);
	close(ready[1]);
	if (ok)
		return pid;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return -1;
}

static void a_containers_debug_file_is_found_and_its_links_stay_inside(void **state)
{
	char root[96];
	pid_t pid;

	(void)state;
	make_pair("box", "", false);
	/* The link is absolute: it has its target in the container only. */
	assert_int_equal(
		sh("cd %s/box && id=$(readelf -n bin | sed -n 's/.*Build ID: //p') && "
		   "mkdir -p root/store root/usr/lib/debug/.build-id/${id%%${id#??}} && mv bin.debug "
		   "root/store/ && "
		   "ln -s /store/bin.debug root/usr/lib/debug/.build-id/${id%%${id#??}}/${id#??}.debug",
		   dir),
		0);
	snprintf(root, sizeof(root), "%s/box/root", dir);
	pid = process_in_root(root);
	if (pid < 0)
		skip();
	assert_in_range(line_of_work_in("box", pid), 3, 5);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_int_equal(line_of_work("box"), 0);
}

static int set_up(void **state)
{
	(void)state;
	return program_directory(dir, "/tmp/ddprof-dbg-XXXXXX", program);
}

static int tear_down(void **state)
{
	(void)state;
	return sh("rm -rf %s", dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_debuglink_beside_the_file_is_followed),
		cmocka_unit_test(a_debuglink_into_dot_debug_is_followed),
		cmocka_unit_test(without_a_link_nothing_is_taken),
		cmocka_unit_test(another_build_id_is_refused),
		cmocka_unit_test(without_build_ids_the_crc_decides),
		cmocka_unit_test(a_debug_file_that_is_no_elf_file_is_not_readable),
		cmocka_unit_test(the_users_directories_are_searched_by_build_id_and_by_name),
		cmocka_unit_test(another_build_in_the_users_directory_does_not_hide_the_right_file),
		cmocka_unit_test(the_vdso_has_lines_from_a_debug_file_of_its_build_id),
		cmocka_unit_test(a_build_id_is_found_among_other_notes_and_broken_ones_are_none),
		cmocka_unit_test(a_fifo_or_directory_at_the_links_place_does_not_block),
		cmocka_unit_test(a_link_that_names_a_path_is_ignored),
		cmocka_unit_test(a_file_with_its_own_dwarf_needs_no_other),
		cmocka_unit_test(the_crc_is_that_of_the_link_format),
		cmocka_unit_test(the_c_library_has_lines_from_its_debug_package),
		cmocka_unit_test(a_dwz_supplementary_file_gives_the_same_names),
		cmocka_unit_test(a_containers_debug_file_is_found_and_its_links_stay_inside),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

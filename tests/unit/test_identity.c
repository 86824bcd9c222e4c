/* SPDX-License-Identifier: Apache-2.0 */
/* test_identity.c - what a process is, by /proc, its control group, its file, its repository, its tracer. */
#include "export/delta.h"
#include "export/facts.h"
#include "export/git.h"
#include "export/identity.h"
#include "export/msgpack.h"
#include "export/reduce.h"
#include "export/runtime.h"
#include "sample_profile.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define UUID  "01234567-89ab-cdef-0123-456789abcdef"
#define TASK  "0123456789abcdef0123456789abcdef-1234567890"

static char *dir_of_test(void)
{
	char *dir = strdup("/tmp/test_identity.XXXXXX");

	assert_non_null(mkdtemp(dir));
	return dir;
}

static void put_file(const char *dir, const char *name, const char *text)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	fclose(f);
}

static void put_dir(const char *dir, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(mkdir(path, 0700), 0);
}

static void remove_dir(char *dir)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	assert_int_equal(system(command), 0);
	free(dir);
}

/* ---- containers ---- */

static void container_ids_are_found_in_all_their_forms(void **state)
{
	static const struct {
		const char *path, *id; /* NULL: none */
	} all[] = {
		{"/docker/" HEX64, HEX64},
		{"/system.slice/docker-" HEX64 ".scope", HEX64},
		{"/kubepods/besteffort/pod1/" HEX64, HEX64},
		{"/kubepods.slice/x.slice/cri-containerd-" HEX64 ".scope/init", HEX64},
		{"/ecs/task/" TASK, TASK},
		{"/garden/" UUID, UUID},
		{"/x/01234567_89ab_cdef_0123_456789abcdef", "01234567_89ab_cdef_0123_456789abcdef"},
		{"/x/01234567-89ab_cdef-0123-456789abcdef", NULL},
		{"/docker/" HEX64 "/a/b", NULL},
		{"/docker/" HEX64 "0", NULL},
		{"/docker/0" HEX64, NULL},
		{"/docker/" HEX64 ".slice", NULL},
		{"/docker/0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF", NULL},
		{"/user.slice/user-1000.slice/session-2.scope", NULL},
		{"/", NULL},
		{"", NULL},
	};
	char id[80];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(all) / sizeof(*all); i++) {
		assert_int_equal(identity_container_id(all[i].path, id), all[i].id != NULL);
		if (all[i].id)
			assert_string_equal(id, all[i].id);
	}
}

static void identify(struct identity *id, const char *dir, int host)
{
	char cgroup[128], mountinfo[128];

	snprintf(cgroup, sizeof(cgroup), "%s/cgroup", dir);
	snprintf(mountinfo, sizeof(mountinfo), "%s/mountinfo", dir);
	identity_from(id, cgroup, mountinfo, dir, host, "it-false,cn-web");
}

static void the_entity_is_the_container_or_the_groups_inode(void **state)
{
	char *dir = dir_of_test(), path[256], want[64];
	struct identity id;
	struct stat st;

	(void)state;
	put_file(dir, "cgroup", "nonsense\n12:memory:/x\n0::/docker/" HEX64 "\n");
	put_file(dir, "mountinfo", "");
	identify(&id, dir, 1);
	assert_string_equal(id.container_id, HEX64);
	assert_string_equal(id.entity_id, "ci-" HEX64);
	assert_string_equal(id.external_env, "it-false,cn-web");
	put_file(dir, "cgroup", "1:name=systemd:/\n0::/group\n");
	put_dir(dir, "group");
	identify(&id, dir, 0);
	snprintf(path, sizeof(path), "%s/group", dir);
	assert_int_equal(stat(path, &st), 0);
	snprintf(want, sizeof(want), "in-%llu", (unsigned long long)st.st_ino);
	assert_string_equal(id.container_id, "");
	assert_string_equal(id.entity_id, want);
	identify(&id, dir, 1); /* in the host's namespace a group is no container */
	assert_string_equal(id.entity_id, "");
	put_file(dir, "cgroup", "3:cpu,memory:/group\n");
	put_dir(dir, "memory");
	put_dir(dir, "memory/group");
	identify(&id, dir, 0);
	snprintf(path, sizeof(path), "%s/memory/group", dir);
	assert_int_equal(stat(path, &st), 0);
	snprintf(want, sizeof(want), "in-%llu", (unsigned long long)st.st_ino);
	assert_string_equal(id.entity_id, want);
	put_file(dir, "cgroup", "0::/../group\n");
	identify(&id, dir, 0);
	assert_string_equal(id.entity_id, "");
	remove_dir(dir);
}

static void with_a_cgroup_namespace_the_mount_of_hostname_tells(void **state)
{
	char *dir = dir_of_test();
	struct identity id;

	(void)state;
	put_file(dir, "cgroup", "0::/\n");
	put_file(dir, "mountinfo",
		 "1 2 0:3 / / rw - overlay overlay rw\n"
		 "5 2 8:1 /var/lib/containerd/sandboxes/" HEX64
		 "/hostname /etc/hostname rw - ext4 /dev/x rw\n"
		 "6 2 8:1 /var/lib/docker/containers/" HEX64 "/hostname /etc/hostname rw - ext4 /dev/x rw\n");
	identify(&id, dir, 0);
	assert_string_equal(id.container_id, HEX64);
	assert_string_equal(id.entity_id, "ci-" HEX64);
	put_file(dir, "mountinfo",
		 "5 2 8:1 /var/lib/containerd/sandboxes/" HEX64
		 "/hostname /etc/hostname rw - ext4 /dev/x rw\n");
	identify(&id, dir, 0);
	assert_string_equal(id.container_id, "");
	remove_dir(dir);
}

/* ---- git ---- */

static void commit_and_origin_come_from_the_files_of_git(void **state)
{
	static const char commit[] = "0123456789abcdef0123456789abcdef01234567";
	char *dir = dir_of_test(), path[128], line[128];
	struct git_info g;

	(void)state;
	put_dir(dir, ".git");
	put_dir(dir, ".git/refs");
	put_dir(dir, ".git/refs/heads");
	put_dir(dir, "sub");
	put_file(dir, ".git/HEAD", "ref: refs/heads/main\n");
	put_file(dir, ".git/config",
		 "[core]\n\turl = no\n[remote \"up\"]\n\turl = no\n"
		 "[remote \"origin\"]\n\turl = git@example.com:a/b.git\r\n");
	snprintf(line, sizeof(line), "# pack-refs\n%s refs/heads/other\n%s refs/heads/main\n",
		 "ffffffffffffffffffffffffffffffffffffffff", commit);
	put_file(dir, ".git/packed-refs", line);
	snprintf(path, sizeof(path), "%s/sub", dir);
	assert_int_equal(git_find(&g, path, geteuid()), 0);
	assert_string_equal(g.commit, commit);
	assert_string_equal(g.repository, "example.com:a/b.git");
	put_file(dir, ".git/refs/heads/main", "89abcdef0123456789abcdef0123456789abcdef\n");
	assert_int_equal(git_find(&g, path, geteuid()), 0);
	assert_string_equal(g.commit, "89abcdef0123456789abcdef0123456789abcdef");
	put_file(dir, ".git/HEAD", "ref: refs/../../../etc/passwd\n");
	assert_int_equal(git_find(&g, path, geteuid()), 0);
	assert_string_equal(g.commit, "");
	put_file(dir, ".git/HEAD", "ref: refs/heads/loop\n");
	put_file(dir, ".git/refs/heads/loop", "ref: refs/heads/loop\n");
	assert_int_equal(git_find(&g, path, geteuid()), 0);
	assert_string_equal(g.commit, "");
	assert_int_equal(git_find(&g, "/nonexistent", geteuid()), -ENOENT);
	remove_dir(dir);
}

static void urls_of_repositories_lose_what_could_be_a_password(void **state)
{
	char out[201];

	(void)state;
	git_clean_url("https://u:p@example.com/r.git", out, sizeof(out));
	assert_string_equal(out, "https://example.com/r.git");
	git_clean_url("git@example.com:r.git", out, sizeof(out));
	assert_string_equal(out, "example.com:r.git");
	git_clean_url("/srv/r.git", out, sizeof(out));
	assert_string_equal(out, "/srv/r.git");
}

/* ---- languages ---- */

static bool recognize(struct runtime *r, const char *path)
{
	static struct facts f;

	facts_init(&f);
	if (!realpath(path, f.exe))
		return false;
	f.same_root = true;
	f.exe_fd = open(f.exe, O_PATH | O_CLOEXEC);
	if (f.exe_fd < 0)
		return false;
	runtime_recognize(r, &f);
	facts_release(&f);
	return true;
}

/* The first of these programs that there is; skipped when there is none. */
static void find_runtime(struct runtime *r, const char *const *paths)
{
	for (; *paths; paths++)
		if (!access(*paths, R_OK) && recognize(r, *paths))
			return;
	skip();
}

static void a_program_in_c(void **state)
{
	struct runtime r;

	(void)state;
	find_runtime(&r, (const char *const[]){"/bin/dash", "/bin/sh", NULL});
	assert_string_equal(r.language, "c");
	assert_string_equal(r.runtime, "native");
	assert_memory_equal(r.libc, "glibc ", 6);
	assert_true(strlen(r.build_id) >= 16);
}

static void a_program_in_cpp(void **state)
{
	struct runtime r;

	(void)state;
	find_runtime(&r, (const char *const[]){"/usr/bin/apt", "/usr/bin/groff", NULL});
	assert_string_equal(r.runtime, "native");
}

static void a_python(void **state)
{
	struct runtime r;

	(void)state;
	find_runtime(&r, (const char *const[]){"/usr/bin/python3", NULL});
	assert_string_equal(r.language, "python");
	assert_string_equal(r.runtime, "CPython");
	assert_memory_equal(r.version, "3.", 2);
}

static void a_go_program(void **state)
{
	struct runtime r;

	(void)state;
	find_runtime(
		&r, (const char *const[]){"/usr/local/go/bin/go", "/usr/lib/go/bin/go", "/usr/bin/go", NULL});
	assert_string_equal(r.runtime, "Go");
	assert_memory_equal(r.version, "1.", 2);
}

static void a_rust_program(void **state)
{
	struct runtime r;

	(void)state;
	find_runtime(&r, (const char *const[]){"/usr/local/cargo/bin/cargo", "/root/.cargo/bin/cargo",
					       "/usr/bin/cargo", NULL});
	assert_string_equal(r.runtime, "Rust");
}

static void a_node(void **state)
{
	struct runtime r;

	(void)state;
	find_runtime(&r, (const char *const[]){"/usr/bin/node", "/usr/local/bin/node", NULL});
	assert_string_equal(r.language, "javascript");
	assert_string_equal(r.runtime, "Node.js");
}

static void a_java(void **state)
{
	struct runtime r;

	(void)state;
	find_runtime(&r, (const char *const[]){"/usr/bin/java", NULL});
	assert_string_equal(r.runtime, "JVM");
	assert_true(r.version[0] >= '1' && r.version[0] <= '9');
}

static void what_is_no_program_is_native(void **state)
{
	struct runtime r;

	(void)state;
	assert_true(recognize(&r, "/etc/passwd"));
	assert_string_equal(r.runtime, "native");
	assert_null(r.language);
	assert_true(recognize(&r, "/dev/null"));
	assert_string_equal(r.runtime, "native");
}

/* ---- facts ---- */

static void facts_of_this_process(void **state)
{
	static struct facts f;

	(void)state;
	facts_init(&f);
	facts_read(&f, getpid(), NULL);
	assert_non_null(strstr(f.exe, "test_identity"));
	assert_non_null(strstr(f.command, "test_identity"));
	assert_true(f.same_root);
	assert_true(f.started_ns > 1500000000000000000u);
	assert_false(facts_stale(&f));
	strcpy(f.exe, "/something/else");
	assert_true(facts_stale(&f));
	facts_release(&f);
	facts_read(&f, 0x7ffffff0, NULL); /* there is no such process */
	assert_string_equal(f.exe, "");
	assert_false(facts_stale(&f));
	facts_release(&f);
}

static void variables_are_found_whole(void **state)
{
	static const char e[] = "XDD_ENV=no\0DD_ENV=prod\0DD_SERVICE=\0DD_VERSION=cut";

	(void)state;
	assert_string_equal(facts_variable(e, sizeof(e) - 1, "DD_ENV"), "prod");
	assert_string_equal(facts_variable(e, sizeof(e) - 1, "DD_SERVICE"), "");
	assert_null(facts_variable(e, sizeof(e) - 1, "DD_VERSION"));
	assert_null(facts_variable(e, sizeof(e) - 1, "DD_EN"));
}

struct heard {
	char text[256];
};

static void hear(const char *key, size_t key_len, const char *value, size_t value_len, void *arg)
{
	struct heard *h = arg;
	size_t n = strlen(h->text);

	snprintf(h->text + n, sizeof(h->text) - n, "%.*s=%.*s;", (int)key_len, key, (int)value_len, value);
}

static void msgpack_strings_are_found_among_anything(void **state)
{
	static const uint8_t good[] = "\x86\xa1"
				      "a\xa1"
				      "b"
				      "\xa1"
				      "n\xcd\x01\x02"
				      "\xa1"
				      "l\x93\x01\xc0\x81\xa1x\xa1y"
				      "\xd9\x01"
				      "c\xda\x00\x02"
				      "dd"
				      "\xa1"
				      "f\xcb"
				      "12345678"
				      "\x05\xa1"
				      "z";
	struct heard h = {""};
	size_t i;

	(void)state;
	assert_int_equal(msgpack_strings(good, sizeof(good) - 1, hear, &h), 0);
	assert_string_equal(h.text, "a=b;c=dd;");
	for (i = 0; i < sizeof(good) - 1; i++) {
		uint8_t *cut = malloc(i ? i : 1); /* so that a sanitizer sees reading beyond */

		memcpy(cut, good, i);
		assert_int_equal(msgpack_strings(cut, i, hear, &h), -EBADMSG);
		free(cut);
	}
	assert_int_equal(msgpack_strings((const uint8_t *)"\xa1"
							  "a",
					 2, hear, &h),
			 -EBADMSG);
	assert_int_equal(msgpack_strings((const uint8_t *)"\xdf\xff\xff\xff\xff", 5, hear, &h), -EBADMSG);
	/* nested too deep */
	assert_int_equal(msgpack_strings((const uint8_t *)"\x81\xa1"
							  "a\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91"
							  "\x91\x91\x91\x91\x91\x91\x91\x91\x91\x01",
					 24, hear, &h),
			 -EBADMSG);
}

/* ---- windows out of a run, and smaller ones ---- */

static int64_t sum_of(const struct profile *p, uint32_t type)
{
	int64_t sum = 0;
	uint32_t i;

	for (i = 0; i < p->n_samples; i++)
		sum += p->values[(size_t)i * p->n_types + type];
	return sum;
}

static void what_was_there_before_is_taken_away(void **state)
{
	struct delta_base base;
	struct sample_profile s;
	uint32_t stack;

	(void)state;
	sample_profile_init(&s);
	delta_init(&base);
	s.p.quality.samples = 90;
	s.p.end_ns = s.p.start_ns + 1000;
	s.p.duration_ns = 1000;
	delta_apply(&base, &s.p); /* nothing yet */
	assert_true(sum_of(&s.p, 0) == 90);
	assert_int_equal(delta_take(&base, &s.p), 0);
	stack = profile_stack(&s.p, &s.work, 1);
	assert_int_equal(profile_add(&s.p, stack, 0, 0, 5), 0);
	assert_int_equal(profile_add(&s.p, s.p.samples[0].stack, s.p.samples[0].labels, 0, 3), 0);
	s.p.quality.samples = 98;
	s.p.end_ns += 500;
	s.p.duration_ns += 500;
	delta_apply(&base, &s.p);
	assert_true(sum_of(&s.p, 0) == 8);
	assert_true(sum_of(&s.p, 1) == 0);
	assert_int_equal(s.p.quality.samples, 8);
	assert_int_equal(s.p.duration_ns, 500);
	assert_int_equal(s.p.end_ns - s.p.start_ns, 500);
	delta_release(&base);
	sample_profile_release(&s);
}

static void reducing_keeps_the_largest_and_every_sum(void **state)
{
	struct sample_profile s;
	int64_t count, time;

	(void)state;
	sample_profile_init(&s);
	count = sum_of(&s.p, 0);
	time = sum_of(&s.p, 1);
	assert_int_equal(reduce_count(&s.p), 6);
	assert_int_equal(reduce_to(&s.p, 6), 0);
	assert_int_equal(reduce_to(&s.p, 2), 4);
	assert_int_equal(reduce_count(&s.p), 3);
	assert_true(s.p.values[1] == 500000000 && s.p.values[3] == 200000000);
	assert_true(sum_of(&s.p, 0) == count && sum_of(&s.p, 1) == time);
	assert_int_equal(reduce_to(&s.p, 1), 1); /* again: into the same one */
	assert_int_equal(reduce_count(&s.p), 2);
	assert_true(sum_of(&s.p, 0) == count && sum_of(&s.p, 1) == time);
	sample_profile_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(container_ids_are_found_in_all_their_forms),
		cmocka_unit_test(the_entity_is_the_container_or_the_groups_inode),
		cmocka_unit_test(with_a_cgroup_namespace_the_mount_of_hostname_tells),
		cmocka_unit_test(commit_and_origin_come_from_the_files_of_git),
		cmocka_unit_test(urls_of_repositories_lose_what_could_be_a_password),
		cmocka_unit_test(a_program_in_c),
		cmocka_unit_test(a_program_in_cpp),
		cmocka_unit_test(a_python),
		cmocka_unit_test(a_go_program),
		cmocka_unit_test(a_rust_program),
		cmocka_unit_test(a_node),
		cmocka_unit_test(a_java),
		cmocka_unit_test(what_is_no_program_is_native),
		cmocka_unit_test(facts_of_this_process),
		cmocka_unit_test(variables_are_found_whole),
		cmocka_unit_test(msgpack_strings_are_found_among_anything),
		cmocka_unit_test(what_was_there_before_is_taken_away),
		cmocka_unit_test(reducing_keeps_the_largest_and_every_sum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

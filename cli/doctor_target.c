/* SPDX-License-Identifier: Apache-2.0 */
/* doctor_target.c - a running process, or a program that would be started: can it be reached, and what is it?
 */
#include "cli/doctor.h"
#include "cli/doctor_code.h"
#include "cli/unreachable.h"
#include "collect/module.h"
#include "collect/perf.h"
#include "collect/procfs.h"
#include "export/facts.h"
#include "export/runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define FILES_MAX 512 /* mapped files that are looked into */

struct target {
	struct doctor *d;
	pid_t pid; /* 0: a program that does not run */
	struct facts facts;
	struct runtime runtime;
	struct doctor_code code;
	struct {
		uint64_t ino;
		uint32_t maj, min;
	} seen[FILES_MAX];
	uint32_t n_seen;
	bool made_code, jitdump, perf_map;
};

static void out_of_reach(struct doctor *d, const struct doctor_ill *ill, const char *why)
{
	d->unreachable = true;
	doctor_ill(d, ill, "%s", why);
}

/* ---- generated code ---- */

static bool mentions(const char *text, const char *word)
{
	return text && strstr(text, word);
}

/* Of a program that does not run yet: do its arguments or variables ask for a perf map? */
static bool asks_for_map(const struct doctor *d)
{
	int i;

	for (i = 1; i < d->opt->argc; i++)
		if (mentions(d->opt->argv[i], "--perf-") || mentions(d->opt->argv[i], "DumpPerfMap") ||
		    mentions(d->opt->argv[i], "perf-map-agent") || mentions(d->opt->argv[i], "libperf"))
			return true;
	return mentions(getenv("NODE_OPTIONS"), "--perf-") ||
	       mentions(getenv("JAVA_TOOL_OPTIONS"), "PerfMap");
}

static void tell_jit(struct target *t)
{
	const char *runtime = t->runtime.runtime;
	bool node = !strcmp(runtime, "Node.js"), jvm = !strcmp(runtime, "JVM"),
	     python = !strcmp(runtime, "CPython");
	struct doctor_ill ill = {
		.state = DOCTOR_DEGRADED,
		.optional = !node && !jvm,
		.key = "jit",
		.what = "names of generated code",
		.fix = node     ? "NODE_OPTIONS=--perf-basic-prof"
		       : jvm    ? "JAVA_TOOL_OPTIONS='-XX:+UnlockDiagnosticVMOptions -XX:+DumpPerfMapAtExit'"
		       : python ? "PYTHONPERFSUPPORT=1 (CPython 3.12 and later)"
				: "",
		.meanwhile = python ? "functions of the interpreter and of libraries" : "addresses"};

	if (t->perf_map || t->jitdump)
		doctor_ok(t->d, ill.key, ill.what, "by its %s", t->perf_map ? "perf map" : "jitdump");
	else if (!t->pid && asks_for_map(t->d))
		doctor_ok(t->d, ill.key, ill.what, "asked for by its arguments or variables");
	else if (node || jvm || python || t->made_code)
		doctor_ill(t->d, &ill, "%s writes no perf map and no jitdump",
			   t->made_code && !node && !jvm && !python ? "it makes code, and" : runtime);
}

/* As the process sees it: in its container, under the number it has there. */
static void find_perf_map(struct target *t)
{
	pid_t inner = procfs_inner_pid(t->pid);
	char path[96];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/root/tmp/perf-%d.map", (int)t->pid,
		 (int)(inner > 0 ? inner : t->pid));
	t->perf_map = !lstat(path, &st) && S_ISREG(st.st_mode);
}

/* ---- what it is ---- */

/* IMPLEMENTOR="Debian" in the file "release" of a Java installation, at most four directories up. */
static void java_vendor(const struct target *t, char *out, size_t len)
{
	char path[PATH_MAX + 16], text[4096], *slash, *at;
	unsigned up;

	out[0] = '\0';
	snprintf(path, sizeof(path), "%s", *t->facts.mapped_runtime ? t->facts.mapped_runtime : t->facts.exe);
	for (up = 0; up < 4 && t->facts.same_root && (slash = strrchr(path, '/')); up++) {
		strcpy(slash, "/release");
		at = doctor_read(path, text, sizeof(text)) ? strstr(text, "IMPLEMENTOR=\"") : NULL;
		*slash = '\0';
		if (!at)
			continue;
		at += strlen("IMPLEMENTOR=\"");
		snprintf(out, len, " by %.*s", (int)strcspn(at, "\"\n"), at);
		return;
	}
}

static void tell_runtime(struct target *t)
{
	const struct runtime *r = &t->runtime;
	char vendor[96] = "";

	if (!strcmp(r->runtime, "JVM"))
		java_vendor(t, vendor, sizeof(vendor));
	doctor_ok(t->d, "runtime", "runtime", "%s%s%s%s%s%s%s%s", r->runtime, *r->version ? " " : "",
		  r->version, vendor, r->language ? ", language " : "", r->language ? r->language : "",
		  *r->libc ? ", " : "", r->libc);
}

static void tell_code(struct target *t)
{
	tell_runtime(t);
	doctor_code_rows(t->d, &t->code);
	tell_jit(t);
}

/* ---- a process ---- */

static bool first_time(struct target *t, const struct procfs_map *m)
{
	uint32_t i;

	for (i = 0; i < t->n_seen; i++)
		if (t->seen[i].ino == m->ino && t->seen[i].maj == m->maj && t->seen[i].min == m->min)
			return false;
	if (t->n_seen == FILES_MAX)
		return false;
	t->seen[t->n_seen].ino = m->ino;
	t->seen[t->n_seen].maj = m->maj;
	t->seen[t->n_seen++].min = m->min;
	return true;
}

static int look_at_map(const struct procfs_map *m, void *arg)
{
	const struct module_ident ident = {m->maj, m->min, m->ino, 0};
	enum module_reason reason = MODULE_OK;
	struct target *t = arg;
	const char *name;
	int fd;

	if (!m->exec)
		return 0;
	t->made_code |= m->path[0] == '/' && m->path[1] == '/';
	if (m->path[0] != '/' || m->path[1] == '/' || !first_time(t, m))
		return 0;
	name = strrchr(m->path, '/') + 1;
	if (!strncmp(name, "jit-", 4) && strstr(name, ".dump")) {
		t->jitdump = true;
		return 0;
	}
	fd = module_open_file(t->pid, m->path, &ident, m->start, m->end, &reason);
	if (fd < 0)
		doctor_code_unreadable(&t->code, m->path);
	else if (!strcmp(m->path, t->facts.exe))
		doctor_code_exe(&t->code, fd, m->path, t->pid);
	else
		doctor_code_library(&t->code, fd, m->path, t->pid);
	if (fd >= 0)
		close(fd);
	return 0;
}

/* False: there is nothing to look at, and the row says why. */
static bool find_process(struct doctor *d, pid_t pid)
{
	struct doctor_ill ill = {.state = DOCTOR_MISSING, .key = "target", .what = "process"};
	pid_t tgid = procfs_tgid(pid);
	char why[160], fix[64];

	if (tgid == pid)
		return true;
	if (kill(pid, 0) && errno == ESRCH) {
		snprintf(why, sizeof(why), "there is no process %d", (int)pid);
	} else if (tgid) {
		snprintf(why, sizeof(why), "%d is a thread of process %d", (int)pid, (int)tgid);
		snprintf(fix, sizeof(fix), "ddprof doctor --pid %d", (int)tgid);
		ill.fix = fix;
	} else {
		snprintf(why, sizeof(why),
			 "process %d is there, but hidden from this user (hidepid of /proc)", (int)pid);
		snprintf(fix, sizeof(fix), "sudo ddprof attach --pid %d", (int)pid);
		ill.fix = fix;
	}
	out_of_reach(d, &ill, why);
	return false;
}

/* As attach would: an event of the process, which never counts. */
static bool reach_process(struct doctor *d, pid_t pid, uid_t uid)
{
	struct perf_event_attr attr = event_default()->attr;
	struct doctor_ill ill = {.state = DOCTOR_MISSING, .key = "target", .what = "attaching"};
	char why[200], fix[64];
	int fd, err;

	d->no_timers = true; /* they are for what we start */
	attr.disabled = 1;
	attr.exclude_kernel = 1;
	attr.exclude_hv = 1;
	fd = perf_open(&attr, pid, -1, -1);
	if (fd >= 0) {
		close(fd);
		return true;
	}
	err = -fd;
	snprintf(fix, sizeof(fix), "sudo ddprof attach --pid %d", (int)pid);
	if (!d->perf) {
		snprintf(why, sizeof(why), "there are no perf events, and attach has nothing else");
	} else {
		ill.fix = fix;
		snprintf(why, sizeof(why),
			 "%s (%s): process %d belongs to user %u, or has more rights than you", strerror(err),
			 strerrorname_np(err), (int)pid, (unsigned)uid);
	}
	out_of_reach(d, &ill, why);
	return false;
}

static int count_thread(pid_t tid, void *arg)
{
	(void)tid;
	++*(uint32_t *)arg;
	return 0;
}

static void tell_process(struct target *t)
{
	const struct identity *id = &t->facts.identity;
	struct doctor *d = t->d;
	uint32_t threads = 0;
	struct rlimit rl;

	(void)procfs_tasks(t->pid, count_thread, &threads);
	doctor_ok(d, "target", "process", "pid %d of user %u, %u thread%s%s%.20s: can be attached to",
		  (int)t->pid, (unsigned)t->facts.uid, threads, threads == 1 ? "" : "s",
		  *id->container_id ? ", container " : "", id->container_id);
	if (!getrlimit(RLIMIT_NOFILE, &rl) && d->rings.fds && threads > rl.rlim_max / d->rings.fds)
		doctor_ill(d,
			   &(const struct doctor_ill){DOCTOR_DEGRADED, false, "threads", "threads",
						      "ulimit -n 1048576",
						      ladder_table[LADDER_FILES].instead},
			   "%u, and open files for %llu only", threads,
			   (unsigned long long)rl.rlim_max / d->rings.fds);
}

static void examine_process(struct target *t)
{
	struct doctor *d = t->d;
	int err;

	if (!find_process(d, t->pid))
		return;
	facts_read(&t->facts, t->pid, NULL);
	if (!reach_process(d, t->pid, t->facts.uid))
		return;
	tell_process(t);
	err = procfs_maps(t->pid, look_at_map, t);
	if (err || !t->n_seen) {
		doctor_ill(d,
			   &(const struct doctor_ill){DOCTOR_DEGRADED, false, "mappings", "its mappings", "",
						      ""},
			   "%s",
			   err ? strerror(-err) : "there are none: a kernel thread, or it has just ended");
		return;
	}
	if (!*t->code.exe.path)
		t->code.exe = (struct doctor_file){.err = -ENOENT, .path = "its file"};
	find_perf_map(t);
	runtime_recognize(&t->runtime, &t->facts);
	tell_code(t);
}

/* ---- a program ---- */

static void look_at_library(const char *path, const char *name, void *arg)
{
	struct target *t = arg;
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;

	if (fd < 0) {
		doctor_code_unreadable(&t->code, path ? path : name);
		return;
	}
	doctor_code_library(&t->code, fd, path, 0);
	close(fd);
}

/* Perf events of an ordinary user end where a program gets rights that he has not. */
static bool check_rights(struct doctor *d, int fd, const char *path)
{
	const struct doctor_ill ill = {
		.state = DOCTOR_MISSING, .key = "target", .what = "program", .fix = "run ddprof-run as root"};
	char why[PATH_MAX + 64];
	struct stat st;
	bool caps;

	if (!geteuid() || fstat(fd, &st))
		return true;
	caps = fgetxattr(fd, "security.capability", NULL, 0) > 0;
	if (!caps && !(st.st_mode & (S_ISUID | S_ISGID)))
		return true;
	snprintf(why, sizeof(why), "'%s' has rights of its own (%s)", path,
		 caps ? "capabilities" : "set-user-ID");
	out_of_reach(d, &ill, why);
	return false;
}

static void tell_timers(struct doctor *d)
{
	struct doctor_ill ill = {.state = DOCTOR_MISSING,
				 .optional = d->perf,
				 .key = "target-timers",
				 .what = "timers in the program",
				 .meanwhile = d->perf ? "perf events, which work" : "it runs unprofiled"};
	char why[96];

	d->no_timers = target_unreachable(d->opt->argv[0], why, sizeof(why));
	if (d->no_timers)
		doctor_ill(d, &ill, "%s", why);
	else
		doctor_ok(d, ill.key, ill.what, "can be loaded, if perf events were refused");
}

static void examine_program(struct target *t)
{
	struct doctor_ill ill = {.state = DOCTOR_MISSING, .key = "target", .what = "program"};
	const char *name = t->d->opt->argv[0];
	char found[PATH_MAX], path[PATH_MAX], why[PATH_MAX + 64];
	int fd = target_find(name, found);

	if (fd < 0) {
		snprintf(why, sizeof(why), "'%s' cannot be run: %s", name, strerror(-fd));
		out_of_reach(t->d, &ill, why);
		return;
	}
	/* what its libraries and its runtime's files are found beside of */
	if (!realpath(found, path))
		strcpy(path, found);
	if (check_rights(t->d, fd, path)) {
		doctor_ok(t->d, "target", "program", "'%.120s' runs '%.160s'", name, path);
		tell_timers(t->d);
		snprintf(t->facts.exe, sizeof(t->facts.exe), "%s", path);
		t->facts.exe_fd = open(path, O_PATH | O_CLOEXEC);
		t->facts.same_root = true;
		runtime_recognize(&t->runtime, &t->facts);
		doctor_code_exe(&t->code, fd, path, 0);
		if (!t->code.exe.err)
			doctor_libraries(path, fd, look_at_library, t);
		tell_code(t);
	}
	close(fd);
}

void doctor_target(struct doctor *d)
{
	struct target *t;

	if (!d->opt->n_pids && !d->opt->argc)
		return;
	d->section = DOCTOR_TARGET;
	t = calloc(1, sizeof(*t));
	if (!t) {
		doctor_ill(d, &(const struct doctor_ill){DOCTOR_MISSING, false, "target", "target", "", ""},
			   "%s", strerror(ENOMEM));
		return;
	}
	t->d = d;
	t->code.dirs = (struct debugfile_dirs){d->opt->debug_dirs, d->opt->n_debug_dirs};
	facts_init(&t->facts);
	if (d->opt->n_pids) {
		t->pid = d->opt->pids[0];
		examine_process(t);
	} else {
		examine_program(t);
	}
	facts_release(&t->facts);
	free(t);
}

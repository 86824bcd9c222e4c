/* SPDX-License-Identifier: Apache-2.0 */
/* doctor_system.c - what of the system is in the way or missing beside the kernel's events. */
#include "cli/doctor.h"

#include "export/identity.h"
#include "export/state_dir.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define ENOUGH_DISK  (64u << 20)
#define FIRST_PID_NS 0xEFFFFFFCu /* inode of the initial pid namespace, include/linux/proc_ns.h */
#define STATUS_MAX   8192

/* Whether a filter is in the way is known from the calls themselves; here is who else could be. */
static void check_seccomp(struct doctor *d)
{
	char status[STATUS_MAX], *at;
	int mode = 0;

	if (doctor_read("/proc/self/status", status, sizeof(status))) {
		at = strstr(status, "\nSeccomp:\t");
		mode = at ? atoi(at + 10) : 0;
	}
	if (d->ladder.filtered)
		doctor_ill(
			d,
			&(const struct doctor_ill){DOCTOR_DEGRADED, true, "seccomp", "seccomp",
						   "docker run --security-opt seccomp=PROFILE.json (one that "
						   "allows perf_event_open)",
						   ""},
			"a filter refuses perf_event_open (Seccomp: %d)", mode);
	else
		doctor_ok(d, "seccomp", "seccomp",
			  mode ? "a filter is in force, and lets perf_event_open through" : "no filter");
}

static void check_lockdown(struct doctor *d)
{
	char text[128], *from, *to;

	if (!doctor_read("/sys/kernel/security/lockdown", text, sizeof(text))) {
		doctor_ok(d, "lockdown", "kernel lockdown", "not known to this kernel, or not to be read");
		return;
	}
	from = strchr(text, '[');
	to = from ? strchr(from, ']') : NULL;
	if (to)
		*to = '\0';
	if (to && !strcmp(from + 1, "confidentiality"))
		doctor_ill(d,
			   &(const struct doctor_ill){DOCTOR_DEGRADED, true, "lockdown", "kernel lockdown",
						      "boot with lockdown=integrity", "user stacks only"},
			   "confidentiality: nothing of the kernel may be sampled");
	else
		doctor_ok(d, "lockdown", "kernel lockdown", "%s", to ? from + 1 : "none");
}

static void check_ptrace(struct doctor *d)
{
	char text[16];
	bool yama = doctor_read("/proc/sys/kernel/yama/ptrace_scope", text, sizeof(text));
	int scope = yama ? atoi(text) : 0;

	if (scope > 0 && geteuid())
		doctor_ill(d,
			   &(const struct doctor_ill){DOCTOR_DEGRADED, true, "ptrace",
						      "ptrace of own processes",
						      "sudo sysctl kernel.yama.ptrace_scope=0",
						      "attach by perf events, which needs no ptrace"},
			   "kernel.yama.ptrace_scope is %d", scope);
	else
		doctor_ok(d, "ptrace", "ptrace of own processes", "%s",
			  !yama   ? "not restricted by Yama, which this kernel has not"
			  : scope ? "restricted by Yama, but not for this user"
				  : "not restricted by Yama");
}

/* The option of the mount at /proc: its value in @out, "" when it is not set. */
static void hidepid_option(char *out, size_t len)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char line[4096], *at;

	out[0] = '\0';
	while (f && fgets(line, sizeof(line), f)) {
		if (!strstr(line, " /proc ") || !strstr(line, " - proc "))
			continue;
		at = strstr(line, "hidepid=");
		snprintf(out, len, "%.*s", at ? (int)strcspn(at + 8, ", \n") : 0, at ? at + 8 : "");
	}
	if (f)
		fclose(f);
}

static void check_proc(struct doctor *d)
{
	struct doctor_ill ill = {.key = "proc", .what = "/proc"};
	char self[32] = "", hidepid[32];
	ssize_t n = readlink("/proc/self", self, sizeof(self) - 1);

	self[n > 0 ? n : 0] = '\0';
	hidepid_option(hidepid, sizeof(hidepid));
	if (n <= 0 && access("/proc/1", F_OK)) {
		ill.state = DOCTOR_MISSING;
		ill.fix = "mount -t proc proc /proc";
		ill.meanwhile = "mappings and names are missing where only /proc has them";
		doctor_ill(d, &ill, "it is not mounted");
	} else if (atoi(self) != (int)getpid()) {
		ill.state = DOCTOR_DEGRADED;
		ill.fix = "mount -t proc proc /proc (with unshare: --mount-proc)";
		ill.meanwhile = "processes that already run are not found, files not opened";
		doctor_ill(d, &ill, "it is of another pid namespace than this process");
	} else if (*hidepid && strcmp(hidepid, "0") && strcmp(hidepid, "off") && geteuid()) {
		ill.state = DOCTOR_DEGRADED;
		ill.optional = true;
		ill.fix = "sudo mount -o remount,hidepid=0 /proc";
		ill.meanwhile = "own processes only";
		doctor_ill(d, &ill, "mounted with hidepid=%s: processes of other users are hidden", hidepid);
	} else {
		doctor_ok(d, ill.key, ill.what, "mounted, of this pid namespace");
	}
}

static void check_container(struct doctor *d)
{
	char first_proc[64] = "";
	struct identity id = {0};
	struct stat st, mine, init;
	bool pids, mounts;

	pids = !stat("/proc/self/ns/pid", &st) && st.st_ino != FIRST_PID_NS;
	mounts = !stat("/proc/self/ns/mnt", &mine) && !stat("/proc/1/ns/mnt", &init) &&
		 mine.st_ino != init.st_ino;
	identity_of(&id, getpid(), NULL);
	if (*id.container_id)
		snprintf(first_proc, sizeof(first_proc), "container %.16s", id.container_id);
	if (pids || mounts || *first_proc)
		doctor_ok(d, "container", "container", "%s%s%s",
			  *first_proc ? first_proc : "in one, or a sandbox",
			  pids ? "; pid namespace of its own: processes outside cannot be attached to" : "",
			  mounts ? "; mount namespace other than that of pid 1" : "");
	else
		doctor_ok(d, "container", "container", "none seen");
}

static void check_libpfm(struct doctor *d)
{
	void *lib = dlopen("libpfm.so.4", RTLD_LAZY | RTLD_LOCAL);

	if (lib) {
		dlclose(lib);
		doctor_ok(d, "libpfm", "libpfm4 (names of events)", "loadable");
	} else {
		doctor_ill(d,
			   &(const struct doctor_ill){
				   DOCTOR_MISSING, true, "libpfm", "libpfm4 (names of events)",
				   "sudo apt-get install libpfm4", "the kernel's own names, and raw codes"},
			   "libpfm.so.4 cannot be loaded");
	}
}

static void check_debuginfod(struct doctor *d)
{
	const char *urls = getenv("DEBUGINFOD_URLS");
	void *lib = dlopen("libdebuginfod.so.1", RTLD_LAZY | RTLD_LOCAL);

	if (lib && d->opt->debuginfod && !(urls && *urls))
		doctor_ill(
			d,
			&(const struct doctor_ill){DOCTOR_DEGRADED, false, "debuginfod", "debuginfod",
						   "export DEBUGINFOD_URLS=https://debuginfod.elfutils.org",
						   "files on this machine"},
			"--debuginfod has no server to ask: DEBUGINFOD_URLS is not set");
	else if (lib)
		doctor_ok(d, "debuginfod", "debuginfod", "%s",
			  urls && *urls ? "DEBUGINFOD_URLS is set; asked only with --debuginfod"
					: "loadable; asked only with --debuginfod and DEBUGINFOD_URLS");
	else
		doctor_ill(d,
			   &(const struct doctor_ill){DOCTOR_MISSING, !d->opt->debuginfod, "debuginfod",
						      "debuginfod", "sudo apt-get install libdebuginfod1",
						      "debug files on this machine"},
			   "libdebuginfod.so.1 cannot be loaded");
	if (lib)
		dlclose(lib);
}

/* Where a file would be written: -o's directory, else the current one, else the state directory. */
static void file_directory(const struct options *o, char out[PATH_MAX])
{
	const char *slash = o->output ? strrchr(o->output, '/') : NULL;

	if (slash)
		snprintf(out, PATH_MAX, "%.*s", (int)(slash == o->output ? 1 : slash - o->output), o->output);
	else
		strcpy(out, ".");
}

/* The nearest directory at or above @path that exists. */
static void existing(char path[PATH_MAX])
{
	char *slash;

	while (access(path, F_OK) && (slash = strrchr(path, '/')) && slash != path)
		*slash = '\0';
}

static void check_disk(struct doctor *d)
{
	char dir[PATH_MAX], state[PATH_MAX] = "";
	struct statvfs fs = {0};
	unsigned long long room;
	struct doctor_ill ill = {.state = DOCTOR_DEGRADED,
				 .key = "disk",
				 .what = "where files go",
				 .fix = "ddprof-run -o DIR/ ...",
				 .meanwhile = "uploads only"};

	if (d->opt->output && !strcmp(d->opt->output, "-"))
		return;
	file_directory(d->opt, dir);
	if (access(dir, W_OK) && !d->opt->output && !state_dir(state, "")) {
		existing(state);
		ill.optional = !access(state, W_OK);
		ill.meanwhile = ill.optional ? state : ill.meanwhile;
	}
	if (access(dir, W_OK)) {
		doctor_ill(d, &ill, "'%s' cannot be written: %s", dir, strerror(errno));
		return;
	}
	room = statvfs(dir, &fs) ? 0 : (unsigned long long)fs.f_bavail * fs.f_frsize;
	ill.fix = "free some space, or: ddprof-run -o DIR/ ...";
	if (fs.f_frsize && room < ENOUGH_DISK)
		doctor_ill(d, &ill, "%llu MB left for '%s'", room >> 20, dir);
	else
		doctor_ok(d, ill.key, ill.what, "'%s' can be written, %llu MB left", dir, room >> 20);
}

void doctor_system(struct doctor *d)
{
	d->section = DOCTOR_HOST;
	check_proc(d);
	check_disk(d);
	check_seccomp(d);
	check_lockdown(d);
	check_container(d);
	check_ptrace(d);
	check_libpfm(d);
	check_debuginfod(d);
}

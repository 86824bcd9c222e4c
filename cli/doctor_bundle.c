/* SPDX-License-Identifier: Apache-2.0 */
/* doctor_bundle.c - everything that support wants to see, in one archive, and no secret in it. */
#include "cli/doctor.h"

#include "base/io.h"
#include "base/why.h"
#include "export/mask.h"
#include "export/pprof.h"
#include "export/tar.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#define FILE_MAX    (4u << 20)
#define ARCHIVE_MAX (32u << 20)
#define TOP         "ddprof-doctor/"

struct bundle {
	struct buf tar;
	const struct secrets *secrets;
	uint64_t now_s;
	int err; /* the first */
};

/* @text becomes a string, masked as a whole: a secret may have come into it from anywhere. */
static void add(struct bundle *b, const char *name, struct buf *text)
{
	char path[TAR_NAME_MAX + 1];

	snprintf(path, sizeof(path), TOP "%s", name);
	if (!b->err)
		b->err = text->error ? text->error : buf_put_u8(text, 0);
	if (!b->err) {
		secrets_mask(b->secrets, (char *)text->data);
		b->err = tar_add(&b->tar, path, text->data, strlen((char *)text->data), b->now_s);
	}
	buf_clear(text);
}

/* "==== PATH", its text, and where it cannot be read, why: that is a fact, too. */
static void put_file(struct buf *out, const char *path)
{
	size_t before;
	int err;

	(void)buf_printf(out, "==== %s\n", path);
	before = out->len;
	err = io_read_file(AT_FDCWD, path, out);
	if (err == -E2BIG)
		(void)buf_put_str(out, "\n(cut)");
	else if (err)
		(void)buf_printf(out, "(%s)", strerror(-err));
	/* a string, whatever it was */
	for (; before < out->len; before++)
		if (!out->data[before])
			out->data[before] = ' ';
	(void)buf_put_str(out, "\n");
}

static void add_system(struct bundle *b, struct buf *text)
{
	static const char *const files[] = {
		"/etc/os-release",
		"/proc/version",
		"/proc/self/status",
		"/proc/self/limits",
		"/proc/self/cgroup",
		"/proc/self/mountinfo",
		"/proc/cpuinfo",
		"/proc/meminfo",
		"/proc/sys/kernel/perf_event_paranoid",
		"/proc/sys/kernel/perf_event_mlock_kb",
		"/proc/sys/kernel/perf_event_max_sample_rate",
		"/proc/sys/kernel/perf_event_max_stack",
		"/proc/sys/kernel/perf_cpu_time_max_percent",
		"/proc/sys/kernel/kptr_restrict",
		"/proc/sys/kernel/yama/ptrace_scope",
		"/proc/sys/kernel/unprivileged_bpf_disabled",
		"/proc/sys/kernel/pid_max",
		"/proc/sys/fs/file-max",
		"/proc/sys/fs/nr_open",
		"/proc/sys/vm/overcommit_memory",
		"/sys/kernel/security/lockdown",
		"/sys/kernel/security/lsm",
		"/sys/devices/system/cpu/online",
		"/sys/bus/event_source/devices/cpu/caps/pmu_name",
		"/sys/bus/event_source/devices/cpu/rdpmc",
		"/sys/devices/software/type",
		"/sys/devices/tracepoint/type",
		"/sys/devices/uprobe/type",
	};
	struct utsname u;
	size_t i;

	if (!uname(&u))
		(void)buf_printf(text, "==== uname\n%s %s %s %s\n", u.sysname, u.release, u.version,
				 u.machine);
	(void)buf_printf(text, "==== user\nuid %u euid %u gid %u\n", (unsigned)getuid(), (unsigned)geteuid(),
			 (unsigned)getgid());
	for (i = 0; i < sizeof(files) / sizeof(*files); i++)
		put_file(text, files[i]);
	add(b, "system.txt", text);
}

/* What the process says of itself in /proc; its command line with what looks like a secret masked. */
static void add_target(struct bundle *b, pid_t pid, struct buf *text)
{
	static const char *const files[] = {"status", "limits", "cgroup", "maps"};
	char path[64], shown[2048];
	struct buf args;
	size_t i;

	buf_init(&args, 65536);
	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	if (!io_read_file(AT_FDCWD, path, &args) && args.len) {
		mask_command((const char *)args.data, args.len, shown, sizeof(shown));
		(void)buf_printf(text, "==== command\n%s\n", shown);
	}
	buf_release(&args);
	for (i = 0; i < sizeof(files) / sizeof(*files); i++) {
		snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, files[i]);
		put_file(text, path);
	}
	add(b, "target.txt", text);
}

/* Never over anything that is there, nor through a link. */
static int create(const char *path, const struct buf *data, char *why, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600), err;

	if (fd < 0 && errno == EEXIST)
		return why_fail(-EEXIST, why, len, "'%s' exists already\n  fix: name another file", path);
	if (fd < 0) {
		err = -errno;
		return why_fail(err, why, len, "cannot create '%s': %s", path, strerror(-err));
	}
	err = io_write_all(fd, data->data, data->len);
	if (!err && fsync(fd) && errno != EINVAL)
		err = -errno;
	if (close(fd) && !err)
		err = -errno;
	if (err) {
		unlink(path);
		why_fail(err, why, len, "cannot write '%s': %s", path, strerror(-err));
	}
	return err;
}

static void add_all(struct bundle *b, const struct doctor *d, const struct buf *log)
{
	struct buf text;

	buf_init(&text, FILE_MAX);
	doctor_text(d, false, &text);
	add(b, "doctor.txt", &text);
	(void)doctor_json(d, &text);
	add(b, "doctor.json", &text);
	(void)buf_put(&text, log->data, log->len);
	add(b, "debug.log", &text);
	doctor_config(d->opt, &text);
	add(b, "config.txt", &text);
	add_system(b, &text);
	if (d->opt->n_pids)
		add_target(b, d->opt->pids[0], &text);
	(void)buf_printf(&text, "ddprof %s\n", DDPROF_VERSION);
	add(b, "version.txt", &text);
	buf_release(&text);
}

int doctor_bundle(const struct doctor *d, const char *path, const struct buf *log, char *why, size_t len)
{
	struct bundle b = {.secrets = d->opt->secrets, .now_s = (uint64_t)time(NULL)};
	struct buf packed;

	buf_init(&b.tar, ARCHIVE_MAX);
	buf_init(&packed, ARCHIVE_MAX);
	add_all(&b, d, log);
	if (!b.err)
		b.err = tar_end(&b.tar);
	if (!b.err)
		b.err = pprof_gzip(&b.tar, 6, &packed);
	if (b.err)
		why_fail(b.err, why, len, "cannot make '%s': %s", path, strerror(-b.err));
	else
		b.err = create(path, &packed, why, len);
	buf_release(&packed);
	buf_release(&b.tar);
	return b.err;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notes.c - the records that the kernel would have written: a new program
 * (PERF_RECORD_COMM, PERF_RECORD_MMAP2), a new process (PERF_RECORD_FORK).
 * include/uapi/linux/perf_event.h, enum perf_event_type.
 *
 * The mappings are told here because a short-lived process is gone before
 * anybody looks at its /proc/PID/maps.
 */
#include "collect/preload/preload.h"

#include <linux/fcntl.h>

#define LINE_MAX_  512 /* of /proc/self/maps; a longer line is left out, and found later */
#define NAME_MAX_  384
#define MAPS_MAX_  1024 /* mappings told at most */
#define PROT_EXEC_ 4
#define TRIES      1000

struct sample_id { /* the end of any other record, sample_id_all being set */
	uint32_t pid, tid;
	uint64_t time, id;
};

struct comm {
	struct perf_event_header header;
	uint32_t pid, tid;
	char comm[16];
	struct sample_id sample_id;
};

struct task {
	struct perf_event_header header;
	uint32_t pid, ppid, tid, ptid;
	uint64_t time;
	struct sample_id sample_id;
};

struct mmap2 {
	struct perf_event_header header;
	uint32_t pid, tid;
	uint64_t start, len, pgoff;
	uint32_t maj, min;
	uint64_t ino, ino_generation;
	uint32_t prot, flags;
	char rest[NAME_MAX_ +
		  sizeof(struct sample_id)]; /* the name, filled up to a word, then the sample_id */
};

static void identify(struct sample_id *id)
{
	id->pid = (uint32_t)sys0(SYS_getpid);
	id->tid = (uint32_t)sys0(SYS_gettid);
	id->time = preload_now();
	id->id = 0;
}

/* All rings may be held by threads that lost their CPU; here, unlike in a handler, they can be waited for. */
static void write_note(void *record, uint64_t n)
{
	unsigned tries;

	for (tries = 0; tries < TRIES && !preload_write(preload_shared, record, n, 0, 0); tries++)
		sys0(SYS_sched_yield);
}

/* ---- mappings ---- */

static const char *hex(const char *s, uint64_t *v)
{
	for (*v = 0;; s++) {
		if (*s >= '0' && *s <= '9')
			*v = *v << 4 | (uint64_t)(*s - '0');
		else if (*s >= 'a' && *s <= 'f')
			*v = *v << 4 | (uint64_t)(*s - 'a' + 10);
		else
			return *s ? s + 1 : s;
	}
}

/* "start-end perms offset maj:min inode    path": proc_pid_maps(5). */
static bool parse(const char *line, struct mmap2 *m, const char **path)
{
	uint64_t v[6] = {0};
	const char *s = hex(hex(line, &v[0]), &v[1]);

	if (preload_length(s) < 5 || s[2] != 'x' || v[1] <= v[0])
		return false;
	s = hex(hex(hex(s + 5, &v[2]), &v[3]), &v[4]);
	for (; *s >= '0' && *s <= '9'; s++)
		v[5] = v[5] * 10 + (uint64_t)(*s - '0');
	while (*s == ' ')
		s++;
	*path = *s ? s : "//anon";
	m->start = v[0];
	m->len = v[1] - v[0];
	m->pgoff = v[2];
	m->maj = (uint32_t)v[3];
	m->min = (uint32_t)v[4];
	m->ino = v[5];
	return true;
}

static bool note_mapping(const char *line)
{
	struct mmap2 m;
	struct sample_id id;
	const char *path;
	size_t n = 0, i;

	if (!parse(line, &m, &path))
		return false;
	identify(&id);
	m.header = (struct perf_event_header){PERF_RECORD_MMAP2, PERF_RECORD_MISC_USER, 0};
	m.pid = id.pid;
	m.tid = id.tid;
	m.ino_generation = 0;
	m.prot = PROT_EXEC_;
	m.flags = 0;
	for (; path[n] && n < NAME_MAX_ - 8; n++)
		m.rest[n] = path[n];
	if (path[n])
		return false;
	do
		m.rest[n++] = '\0';
	while (n % 8);
	for (i = 0; i < sizeof(id); i++)
		((volatile char *)m.rest)[n + i] = ((const char *)&id)[i];
	write_note(&m, __builtin_offsetof(struct mmap2, rest) + n + sizeof(id));
	return true;
}

/* Line by line through a small buffer: this may be a small stack. */
static void note_mappings(void)
{
	char buf[LINE_MAX_];
	int fd = (int)sys4(SYS_openat, AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC, 0);
	unsigned have = 0, told = 0;
	bool skip = false; /* the rest of a line that is too long */
	long got;

	while (fd >= 0 && told < MAPS_MAX_ &&
	       (got = sys3(SYS_read, fd, buf + have, sizeof(buf) - 1 - have)) > 0) {
		unsigned end = have + (unsigned)got, begin = 0, i;

		for (i = 0; i < end; i++) {
			if (buf[i] != '\n')
				continue;
			buf[i] = '\0';
			if (!skip && note_mapping(buf + begin))
				told++;
			skip = false;
			begin = i + 1;
		}
		if (!begin && end == sizeof(buf) - 1) {
			skip = true;
			begin = end;
		}
		for (i = begin; i < end; i++)
			((volatile char *)buf)[i - begin] = buf[i];
		have = end - begin;
	}
	if (fd >= 0)
		sys1(SYS_close, fd);
}

/* ---- processes ---- */

void preload_note_exec(void)
{
	struct comm c;

	identify(&c.sample_id);
	c.header = (struct perf_event_header){PERF_RECORD_COMM, PERF_RECORD_MISC_COMM_EXEC, 0};
	c.pid = c.sample_id.pid;
	c.tid = c.sample_id.tid;
	((uint64_t *)(void *)c.comm)[0] = ((uint64_t *)(void *)c.comm)[1] = 0;
	sys2(SYS_prctl, 16 /* PR_GET_NAME */, c.comm);
	write_note(&c, sizeof(c));
	note_mappings();
}

void preload_note_fork(int parent_pid)
{
	struct task t;

	identify(&t.sample_id);
	t.header = (struct perf_event_header){PERF_RECORD_FORK, 0, 0};
	t.pid = t.sample_id.pid;
	t.tid = t.sample_id.tid;
	t.ppid = t.ptid = (uint32_t)parent_pid;
	t.time = t.sample_id.time;
	write_note(&t, sizeof(t));
}

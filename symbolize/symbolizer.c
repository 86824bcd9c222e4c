/* SPDX-License-Identifier: Apache-2.0 */
/* symbolizer.c - see symbolizer.h. First the child's side, then the parent's. */
#include "symbolize/symbolizer.h"

#include "base/io.h"
#include "symbolize/cgroup.h"
#include "symbolize/sandbox.h"
#include "symbolize/split.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEFAULT_MEMORY (1ull << 30)  /* of its own, beside the files it maps */
#define MIN_MEMORY     (64ull << 20) /* less names nothing, whatever our control group leaves */
#define MAX_MESSAGE    (64u << 20)
#define BATCH          8192                 /* locations in a message */
#define FDS_PER_MODULE (4 + SOURCE_AUX_FDS) /* without those of .dwo files */

enum message { MSG_BEGIN = 1, MSG_NAMES, MSG_END, MSG_WANT };

struct message_head {
	uint32_t kind, len;
};

/* In this order: the first to answer for an address wins. */
static const struct source *const sources[] = {&source_dwarf,  &source_go,      &source_elf,
					       &source_plt,    &source_fde,     &source_vmlinux,
					       &source_kernel, &source_jitdump, &source_perfmap};

const struct source *symbolizer_source(const struct profile_module *mod, unsigned int i)
{
	unsigned int k;

	for (k = 0; k < sizeof(sources) / sizeof(sources[0]); k++)
		if (sources[k]->applies(mod) && !i--)
			return sources[k];
	return NULL;
}

/* ---- the child ---- */

static int send_message(int fd, uint32_t kind, const void *data, size_t len)
{
	struct message_head head = {kind, (uint32_t)len};
	int err = io_write_all(fd, &head, sizeof(head));

	return err ? err : io_write_all(fd, data, len);
}

static void at_stage(const struct symbolizer_job *job, enum symbolize_stage stage)
{
	if (job->hook)
		job->hook(job->hook_arg, job->attempt, stage);
}

/* What nobody named gets the reason; a line without a function is worth keeping. */
static int finish_addresses(struct source_module *m, struct names *names)
{
	struct names_frame line = {0};
	struct source_addr *a;
	uint32_t i;
	int err = 0;

	for (i = 0; i < m->n_addrs && !err; i++) {
		a = &m->addrs[i];
		if (a->done)
			continue;
		line.file = a->file;
		line.line = a->line;
		if (a->line)
			err = names_set(names, a->location, NAMES_LINE_ONLY, &line, 1);
		else
			err = names_set(names, a->location, m->missing, NULL, 0);
	}
	return err;
}

static int send_names(int fd, const struct source_module *m, const struct names *names)
{
	uint32_t ids[BATCH], i, n;
	struct buf out;
	int err = 0;

	buf_init(&out, MAX_MESSAGE);
	for (i = 0; i < m->n_addrs && !err; i += n) {
		for (n = 0; n < BATCH && i + n < m->n_addrs; n++)
			ids[n] = m->addrs[i + n].location;
		buf_clear(&out);
		err = names_encode(names, ids, n, &out);
		if (!err)
			err = send_message(fd, MSG_NAMES, out.data, out.len);
	}
	buf_release(&out);
	return err;
}

static int answer_module(const struct symbolizer_job *job, uint32_t index, struct names *names, int fd)
{
	struct source_module *m = &job->modules[index];
	const struct source *src;
	unsigned int i;
	int err = send_message(fd, MSG_BEGIN, &index, sizeof(index));

	at_stage(job, SYMBOLIZE_MODULE);
	for (i = 0; !err && (src = symbolizer_source(m->mod, i)); i++)
		if (!src->inlines_and_lines || !job->symbols_only[index])
			err = src->resolve(m, names, job->inlines);
	if (!err)
		err = finish_addresses(m, names);
	if (!err)
		err = send_names(fd, m, names);
	at_stage(job, SYMBOLIZE_NAMED);
	return err;
}

/* A file wanted for a module; then DIR, NUL, NAME, NUL. */
struct want_head {
	uint32_t module, dir_len; /* with its NUL */
	uint64_t id;
};

struct scout {
	int fd;
	uint32_t module;
};

static int send_want(void *arg, const struct split_file *f)
{
	const struct scout *s = arg;
	struct want_head head = {s->module, (uint32_t)strlen(f->dir) + 1, f->id};
	struct buf b;
	int err;

	if (head.dir_len > SPLIT_MAX_PATH || strlen(f->name) >= SPLIT_MAX_PATH)
		return 0; /* no file has such a name */
	buf_init(&b, sizeof(head) + 2 * SPLIT_MAX_PATH);
	buf_put(&b, &head, sizeof(head));
	buf_put(&b, f->dir, head.dir_len);
	buf_put(&b, f->name, strlen(f->name) + 1);
	err = b.error ? b.error : send_message(s->fd, MSG_WANT, b.data, b.len);
	buf_release(&b);
	return err;
}

static int scout_module(const struct symbolizer_job *job, uint32_t index, int fd)
{
	struct source_module *m = &job->modules[index];
	struct scout s = {fd, index};
	const struct source *src;
	unsigned int i;
	int err = send_message(fd, MSG_BEGIN, &index, sizeof(index));

	at_stage(job, SYMBOLIZE_MODULE);
	for (i = 0; !err && (src = symbolizer_source(m->mod, i)); i++)
		if (src->scout)
			err = src->scout(m, send_want, &s);
	return err;
}

static uint64_t file_bytes(int fd)
{
	struct stat st;

	return fd >= 0 && !fstat(fd, &st) && st.st_size > 0 ? (uint64_t)st.st_size : 0;
}

/* One at a time is open. */
static uint64_t split_bytes(const struct split_files *s)
{
	uint64_t largest = s ? file_bytes(s->dwp_fd) : 0, size;
	uint32_t i;

	for (i = 0; s && i < s->n; i++) {
		size = file_bytes(s->files[i].fd);
		if (size > largest)
			largest = size;
	}
	return largest;
}

/*
 * Mapped files count against the address space too, so the limit is on top of the largest:
 * their pages are the page cache's, which gives way. Of memory of its own the default takes no
 * more than 3/4 of what our control group leaves: out of memory there would hit the program as well.
 */
static uint64_t memory_limit(const struct symbolizer_job *job)
{
	uint64_t largest = 0, left, size;
	uint32_t i;

	for (i = 0; i < job->n_modules; i++) {
		size = file_bytes(job->modules[i].mod->fd) + file_bytes(job->modules[i].debug_fd) +
		       file_bytes(job->modules[i].alt_fd) + split_bytes(job->modules[i].split);
		if (size > largest)
			largest = size;
	}
	if (job->memory_bytes)
		return largest + job->memory_bytes;
	left = cgroup_memory_left(CGROUP_SELF, CGROUP_ROOT) / 4 * 3;
	if (left < MIN_MEMORY)
		left = MIN_MEMORY;
	return largest + (left < DEFAULT_MEMORY ? left : DEFAULT_MEMORY);
}

/* Descriptors the child keeps. The profile's own are copied: they are read-only here. 0 or -errno. */
static int close_in(const struct symbolizer_job *job, struct profile_module *mods, int *out_fd)
{
	size_t room = (size_t)job->n_modules * FDS_PER_MODULE + 1;
	struct source_module *m;
	uint32_t i, n = 0, j;
	int **keep, err;

	for (i = 0; i < job->n_modules; i++)
		room += job->modules[i].split ? job->modules[i].split->n : 0;
	keep = calloc(room, sizeof(*keep));
	if (!keep)
		return -ENOMEM;
	keep[n++] = out_fd;
	for (i = 0; i < job->n_modules; i++) {
		m = &job->modules[i];
		mods[i] = *m->mod;
		m->mod = &mods[i];
		keep[n++] = &mods[i].fd;
		keep[n++] = &m->debug_fd;
		keep[n++] = &m->alt_fd;
		for (j = 0; j < SOURCE_AUX_FDS; j++)
			keep[n++] = &m->aux_fd[j];
		if (m->split)
			keep[n++] = &m->split->dwp_fd;
		for (j = 0; m->split && j < m->split->n; j++)
			keep[n++] = &m->split->files[j].fd;
	}
	err = sandbox_prepare(keep, n);
	free(keep);
	return err;
}

static int child_work(const struct symbolizer_job *job, struct names *names, int fd, pid_t parent)
{
	struct profile_module *mods = calloc(job->n_modules ? job->n_modules : 1, sizeof(*mods));
	struct sandbox_limits limits = {.parent = parent};
	uint32_t i;
	int err;

	if (!mods)
		return -ENOMEM;
	at_stage(job, SYMBOLIZE_FORKED);
	err = close_in(job, mods, &fd);
	if (err)
		return err;
	limits.memory_bytes = memory_limit(job);
	limits.cpu_seconds = job->deadline_ms / 1000 + 1;
	err = sandbox_enter(&limits);
	if (err)
		return err;
	at_stage(job, SYMBOLIZE_SANDBOXED);
	for (i = 0; i < job->n_modules && !err; i++)
		if (!job->skip[i])
			err = job->scout ? scout_module(job, i, fd) : answer_module(job, i, names, fd);
	return err ? err : send_message(fd, MSG_END, NULL, 0);
}

/* ---- the parent ---- */

struct reader {
	int fd;
	uint64_t deadline_ns; /* CLOCK_MONOTONIC */
	struct names *names;
	struct source_module *modules; /* those that were asked about */
	const bool *skip;
	bool scout;
	uint32_t n_locations, n_modules;
	struct buf data; /* received, not yet taken */
	struct symbolizer_result *result;
};

/* Wait for bytes: 1, or 0 at the deadline. */
static int wait_readable(const struct reader *r)
{
	struct pollfd p = {.fd = r->fd, .events = POLLIN};
	uint64_t now;
	int n;

	do {
		now = io_clock_ns(CLOCK_MONOTONIC);
		if (now >= r->deadline_ns)
			return 0;
		n = poll(&p, 1, (int)((r->deadline_ns - now + 999999) / 1000000));
	} while (n < 0 && errno == EINTR);
	return n > 0;
}

/* Strings from untrusted DWARF: both must be there, and end where they say. */
static int take_want(const struct reader *r, const uint8_t *p, uint32_t len)
{
	struct want_head head;
	const char *dir, *name;
	size_t name_len;
	int err;

	if (len < sizeof(head))
		return -EBADMSG;
	memcpy(&head, p, sizeof(head));
	dir = (const char *)p + sizeof(head);
	len -= (uint32_t)sizeof(head);
	if (head.module >= r->n_modules || r->skip[head.module] || !r->modules[head.module].split ||
	    !head.dir_len || head.dir_len >= len || memchr(dir, 0, len) != dir + head.dir_len - 1)
		return -EBADMSG;
	name = dir + head.dir_len;
	name_len = len - head.dir_len;
	if (memchr(name, 0, name_len) != name + name_len - 1)
		return -EBADMSG;
	err = split_add(r->modules[head.module].split, head.id, dir, name);
	/* more than can be opened: the others have to do without */
	return err == -ENOSPC ? 0 : err == -EINVAL ? -EBADMSG : err;
}

/* One complete message. 1: more may follow, 0: the child is done, -errno: it lied, or out of memory. */
static int take_message(struct reader *r, const struct message_head *head, const uint8_t *payload)
{
	uint32_t module;

	switch (head->kind) {
	case MSG_BEGIN:
		if (head->len != sizeof(module))
			return -EBADMSG;
		memcpy(&module, payload, sizeof(module));
		if (module >= r->n_modules)
			return -EBADMSG;
		r->result->module = module;
		return 1;
	case MSG_NAMES:
		return names_decode(r->names, r->n_locations, payload, head->len) ?: 1;
	case MSG_WANT:
		return r->scout ? take_want(r, payload, head->len) ?: 1 : -EBADMSG;
	case MSG_END:
		return head->len ? -EBADMSG : 0;
	default:
		return -EBADMSG;
	}
}

static int take_messages(struct reader *r)
{
	struct message_head head;
	size_t at = 0;
	int more = 1;

	while (more > 0 && r->data.len - at >= sizeof(head)) {
		memcpy(&head, r->data.data + at, sizeof(head));
		if (head.len > MAX_MESSAGE)
			return -EBADMSG;
		if (r->data.len - at - sizeof(head) < head.len)
			break;
		more = take_message(r, &head, r->data.data + at + sizeof(head));
		at += sizeof(head) + head.len;
	}
	r->data.len -= at;
	memmove(r->data.data, r->data.data + at, r->data.len);
	return more;
}

static enum symbolizer_end read_answers(struct reader *r, int *err)
{
	ssize_t n;
	int more = 1;

	while (more > 0) {
		if (!wait_readable(r))
			return SYMBOLIZER_TIMEOUT;
		*err = buf_reserve(&r->data, 1 << 16);
		if (*err)
			return *err == -E2BIG ? SYMBOLIZER_LIED : SYMBOLIZER_CRASHED;
		n = read(r->fd, r->data.data + r->data.len, r->data.cap - r->data.len);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0)
			return SYMBOLIZER_CRASHED;
		r->data.len += (size_t)n;
		more = take_messages(r);
	}
	*err = more;
	return more ? SYMBOLIZER_LIED : SYMBOLIZER_DONE;
}

static uint64_t timeval_ns(const struct timeval *tv)
{
	return (uint64_t)tv->tv_sec * 1000000000u + (uint64_t)tv->tv_usec * 1000u;
}

/*
 * Killed in any case: a child that is done has nothing left to do, and one that
 * closed its pipe but lives on has no business to. A signal it died of before stays its
 * own.
 */
static void reap(pid_t pid, struct symbolizer_result *result)
{
	struct rusage ru;
	int status;

	kill(pid, SIGKILL);
	while (wait4(pid, &status, 0, &ru) < 0)
		if (errno != EINTR)
			return;
	result->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	result->exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
	result->cpu_ns = timeval_ns(&ru.ru_utime) + timeval_ns(&ru.ru_stime);
	result->peak_rss_kb = (uint64_t)ru.ru_maxrss;
}

static int refused(struct symbolizer_result *result)
{
	result->end = SYMBOLIZER_REFUSED;
	result->error = -errno;
	return 0;
}

int symbolizer_run(const struct symbolizer_job *job, struct names *names, uint32_t n_locations,
		   struct symbolizer_result *result)
{
	struct reader r = {.names = names,
			   .modules = job->modules,
			   .skip = job->skip,
			   .scout = job->scout,
			   .n_locations = n_locations,
			   .n_modules = job->n_modules,
			   .result = result,
			   .deadline_ns =
				   io_clock_ns(CLOCK_MONOTONIC) + (uint64_t)job->deadline_ms * 1000000u};
	pid_t parent = getpid(), pid;
	int fds[2], err = 0;

	*result = (struct symbolizer_result){.module = SYMBOLIZER_NO_MODULE};
	if (pipe2(fds, O_CLOEXEC))
		return refused(result);
	pid = fork();
	if (pid == 0)
		_exit(child_work(job, names, fds[1], parent) ? 1 : 0);
	close(fds[1]);
	if (pid < 0) {
		refused(result);
		close(fds[0]);
		return 0;
	}
	r.fd = fds[0];
	buf_init(&r.data, MAX_MESSAGE + (1 << 17));
	result->end = read_answers(&r, &err);
	buf_release(&r.data);
	close(fds[0]);
	reap(pid, result);
	return err == -ENOMEM ? err : 0;
}

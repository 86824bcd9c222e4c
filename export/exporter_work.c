/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exporter_work.c - a profile symbolized, encoded, written, summed up, and uploaded.
 *
 * The summary's functions come from reading back the very bytes that were
 * written: what is printed is what any reader of the file will see.
 */
#include "export/exporter_private.h"
#include "base/io.h"
#include "base/log.h"
#include "base/signals.h"
#include "export/comments.h"
#include "export/functions.h"
#include "export/pprof.h"
#include "export/upload_work.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define EXPORT_COMMENTS_MAX 64
#define GZIP_LEVEL          6
#define NICE                10 /* behind what is being profiled, but done soon on a busy machine too */

static bool own_process; /* not the collector's, for want of another */

/* ---- encoding and writing ---- */

static uint64_t cpu_ns(const struct rusage *ru)
{
	return ((uint64_t)ru->ru_utime.tv_sec + (uint64_t)ru->ru_stime.tv_sec) * 1000000000u +
	       ((uint64_t)ru->ru_utime.tv_usec + (uint64_t)ru->ru_stime.tv_usec) * 1000u;
}

static void set_why(struct export_result *result, int err, const char *what)
{
	result->status = err;
	snprintf(result->why, sizeof(result->why), "%s: %s", what, strerror(-err));
}

/* Windows that had to be kept come first: files are removed by their age. */
static int write_window(const struct export_job *job, struct export_result *result, const struct buf *packed,
			struct exporter_leftover *left)
{
	int err;

	if (job->kept)
		left->kept_written = kept_write(job->kept, job->sink);
	err = sink_write(job->sink, job->profile->seq, packed->data, packed->len, result->why,
			 sizeof(result->why));
	if (err && job->kept && job->sink->numbered)
		(void)buf_put(&left->unwritten, packed->data, packed->len);
	return err;
}

int exporter_encode(const struct export_job *job, const struct symbolize_report *symbols, const char *more,
		    struct buf *raw, struct buf *packed)
{
	const char *extra[EXPORT_COMMENTS_MAX + 3];
	char cpu[80], memory[80];
	struct rusage ru;
	uint32_t n = job->n_comments < EXPORT_COMMENTS_MAX ? job->n_comments : EXPORT_COMMENTS_MAX;
	struct comments comments;
	int err;

	if (n)
		memcpy(extra, job->comments, n * sizeof(*extra));
	if (more)
		extra[n++] = more;
	if (own_process && !getrusage(RUSAGE_SELF, &ru)) {
		snprintf(cpu, sizeof(cpu), "ddprof.quality.exporter_cpu_ns: %" PRIu64, cpu_ns(&ru));
		snprintf(memory, sizeof(memory), "ddprof.quality.exporter_peak_kb: %ld", ru.ru_maxrss);
		extra[n++] = cpu;
		extra[n++] = memory;
	}
	err = comments_build(&comments, job->profile, job->names, job->tags, symbols, extra, n);
	if (!err)
		err = pprof_write(job->profile, job->names, (const char *const *)comments.lines, comments.n,
				  raw);
	if (!err)
		err = pprof_gzip(raw, GZIP_LEVEL, packed);
	comments_release(&comments);
	return err;
}

static void encode_and_write(const struct export_job *job, struct export_result *result, struct buf *raw,
			     struct buf *packed, struct exporter_leftover *left)
{
	struct profile plain = *job->profile;
	struct export_job file = *job;
	int err;

	if (job->upload && !job->upload->times_in_file && job->sink->kind != SINK_NONE) {
		plain.n_events = plain.max_events = 0;
		file.profile = &plain;
	}
	err = exporter_encode(&file, &result->symbolize, NULL, raw, packed);

	if (err) {
		set_why(result, err, "cannot encode the profile");
		return;
	}
	err = write_window(job, result, packed, left);
	result->status = err;
	if (err)
		return;
	result->bytes = packed->len;
	snprintf(result->path, sizeof(result->path), "%s", job->sink->path);
}

/* ---- summary ---- */

/* Copy a name, never ending inside a character. */
static void copy_name(const char *name, char *out, size_t len)
{
	size_t n = strnlen(name, len - 1);

	while (n && name[n] && ((unsigned char)name[n] & 0xc0) == 0x80)
		n--;
	memcpy(out, name, n);
	out[n] = '\0';
}

static bool leaf_is_named(const struct pprof *p, const struct pprof_sample *s)
{
	const struct pprof_location *l;
	const struct pprof_line *line;
	struct pprof_str name;

	if (!s->n_locations)
		return false;
	l = &p->locations[p->location_refs[s->first_location]];
	line = &p->lines[l->first_line];

	if (!l->n_lines || line->function == UINT32_MAX)
		return false;
	name = pprof_string(p, p->functions[line->function].name);
	return name.len && !names_is_place(name.s, name.len);
}

/* The first of the files whose functions have no name, as the profile's comments tell. */
static void note_unnamed(struct export_result *result, const struct pprof *p)
{
	static const char key[] = "ddprof.unnamed: ";
	const size_t skip = sizeof(key) - 1;
	char line[EXPORT_UNNAMED_LEN];
	uint32_t i;

	for (i = 0; i < p->n_comments && result->n_unnamed < EXPORT_UNNAMED_MAX; i++) {
		struct pprof_str s = pprof_string(p, p->comments[i]);

		if (s.len <= skip || memcmp(s.s, key, skip))
			continue;
		snprintf(line, sizeof(line), "%.*s", (int)(s.len - skip), s.s + skip);
		copy_name(line, result->unnamed[result->n_unnamed++], EXPORT_UNNAMED_LEN);
	}
}

static void sum_up(struct export_result *result, const struct buf *raw, enum functions_names names)
{
	struct functions_spec spec = {.sort = FUNCTIONS_BY_OWN, .names = names};
	struct functions *f = NULL;
	struct pprof *p = NULL;
	char why[128] = "";
	uint32_t i;
	int err = pprof_read(raw->data, raw->len, &p, why, sizeof(why));

	if (!err) {
		spec.type = p->default_type;
		err = functions_new(&f, p, &spec);
	}
	if (err) {
		log_debug("no summary of the profile: %s", *why ? why : "out of memory");
		goto done;
	}
	result->total = f->sum;
	for (i = 0; i < f->n && i < EXPORT_TOP_MAX; i++) {
		struct export_top *top = &result->top[i];

		copy_name(f->rows[i].name, top->name, sizeof(top->name));
		top->own = f->rows[i].own;
		top->total_value = f->rows[i].total;
	}
	result->n_top = i;
	note_unnamed(result, p);
	for (i = 0; i < p->n_samples; i++) {
		int64_t v = p->values[(size_t)i * p->n_types + p->default_type];

		if (v > 0 && !leaf_is_named(p, &p->samples[i]))
			result->unnamed_value += (uint64_t)v;
	}
done:
	functions_free(f);
	pprof_free(p);
}

/* ---- the job ---- */

static void cannot_upload(const char *why, struct upload_result *result)
{
	*result = (struct upload_result){.end = UPLOAD_GAVE_UP};
	snprintf(result->why, sizeof(result->why), "%s", why);
}

void exporter_work(const struct export_job *job, const char *why_addresses, struct export_result *result,
		   struct exporter_leftover *left)
{
	uint64_t begin = io_clock_ns(CLOCK_MONOTONIC);
	struct rusage before = {0}, after = {0};
	struct buf raw, packed;
	int err = 0;

	memset(result, 0, sizeof(*result));
	getrusage(RUSAGE_SELF, &before);
	if (why_addresses) {
		result->symbolize.mode = SYMBOLIZE_ADDRESSES_ONLY;
		snprintf(result->symbolize.why, sizeof(result->symbolize.why), "%s", why_addresses);
	} else {
		err = symbolize(job->profile, job->names, &job->symbolize, &result->symbolize);
	}
	if (err) {
		result->symbolize.mode = SYMBOLIZE_ADDRESSES_ONLY;
		snprintf(result->symbolize.why, sizeof(result->symbolize.why), "%s", strerror(-err));
	}
	buf_init(&raw, PPROF_MAX_RAW);
	buf_init(&packed, PPROF_MAX_RAW);
	left->kept_written = 0;
	buf_init(&left->unwritten, KEPT_MAX_BYTES);
	encode_and_write(job, result, &raw, &packed, left);
	if (raw.len)
		sum_up(result, &raw, job->show_names);
	buf_release(&raw);
	if (job->upload && !why_addresses)
		upload_window(job, &result->symbolize, &packed, begin, &result->upload);
	else if (job->upload)
		cannot_upload(why_addresses, &result->upload.result);
	buf_release(&packed);
	getrusage(RUSAGE_SELF, &after);
	result->cpu_ns = cpu_ns(&after) - cpu_ns(&before);
	result->peak_rss_kb = (uint64_t)after.ru_maxrss;
	result->wall_ns = io_clock_ns(CLOCK_MONOTONIC) - begin;
}

/* ---- the child ---- */

/*
 * A profile is finished whatever else ends: what a terminal or a service
 * manager sends to the whole group is not for us, the collector ends us with
 * SIGKILL. A closed pipe or a file size limit shall be an error of write(2).
 */
static void on_hurry(int sig)
{
	(void)sig;
	upload_hurry();
}

static void settle_signals(bool uploads)
{
	static const int ignored[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGTERM, SIGPIPE, SIGXFSZ,
				      SIGTSTP, SIGTTIN, SIGTTOU, SIGALRM, SIGUSR1, SIGUSR2};
	struct sigaction sa = {.sa_handler = on_hurry}; /* without SA_RESTART: pauses end */

	signals_reset(ignored, sizeof(ignored) / sizeof(*ignored));
	if (uploads)
		sigaction(SIGUSR1, &sa, NULL);
	signals_unblock();
}

static void settle_descriptors(const struct export_job *job, int pipe_fd)
{
	uint32_t i;
	int null;

	/* first of all: while we hold them, events go on counting after the collector closed them */
	for (i = 0; i < job->n_close_fds; i++)
		if (job->close_fds[i] > STDERR_FILENO && job->close_fds[i] != pipe_fd)
			close(job->close_fds[i]);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0)
		return;
	dup2(null, STDIN_FILENO);
	if (!job->keep_stdout)
		dup2(null, STDOUT_FILENO);
	if (null > STDERR_FILENO)
		close(null);
}

/* Let others go first, and let the kernel take us first when memory runs out. */
static void settle_priority(bool awaited)
{
	const struct rlimit no_core = {0};
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd >= 0) {
		(void)!write(fd, "1000", 4);
		close(fd);
	}
	if (!awaited)
		setpriority(PRIO_PROCESS, 0, NICE);
	setrlimit(RLIMIT_CORE, &no_core);
	prctl(PR_SET_NAME, "ddprof-export");
}

/* Locations that have no answer yet. NULL: none, or no memory, and then no names go back. */
static uint32_t *pending_locations(const struct export_job *job, uint32_t *n)
{
	const struct names *names = job->names;
	uint32_t i, *ids = malloc((job->profile->n_locations ? job->profile->n_locations : 1) * sizeof(*ids));

	*n = 0;
	for (i = 0; ids && i < job->profile->n_locations; i++)
		if (i >= names->n_locations || names->locations[i].status == NAMES_PENDING)
			ids[(*n)++] = i;
	return ids;
}

_Noreturn void exporter_child(const struct export_job *job, int fd)
{
	static struct exporter_reply reply;
	struct exporter_leftover left;
	uint32_t n_ids, *ids;
	struct buf names;

	own_process = true;
	settle_descriptors(job, fd);
	settle_signals(job->upload != NULL);
	settle_priority(job->awaited);
	if (job->upload)
		secrets_keep_from_children(job->upload->secrets);
	buf_init(&names, EXPORTER_MAX_REPLY - sizeof(reply));
	names_retry(job->names, job->profile->n_locations);
	ids = pending_locations(job, &n_ids);
	exporter_work(job, NULL, &reply.result, &left);
	if (n_ids && names_encode(job->names, ids, n_ids, &names))
		buf_clear(&names);
	reply.magic = EXPORTER_MAGIC;
	reply.size = sizeof(reply);
	reply.names_len = names.len;
	reply.unwritten_len = left.unwritten.len;
	reply.kept_written = left.kept_written;
	reply.created = job->sink->created;
	memcpy(reply.path, job->sink->path, sizeof(reply.path));
	memcpy(reply.base, job->sink->base, sizeof(reply.base));
	if (!io_write_all(fd, &reply, sizeof(reply)) && !io_write_all(fd, names.data, names.len))
		(void)io_write_all(fd, left.unwritten.data, left.unwritten.len);
	_exit(0);
}

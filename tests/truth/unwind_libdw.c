/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unwind_libdw.c - our unwinder against libdwfl, frame by frame, on real stacks.
 *
 *   unwind_libdw [-n SAMPLES] [-F HZ] [-o STORE] [--min-equal P] [--min-complete P] -- COMMAND...
 *   unwind_libdw -i STORE
 *
 * Runs COMMAND with a CPU-clock event on its first thread, keeps registers,
 * stack copies and mappings, then unwinds every sample with both and compares.
 * A frame that we do not have counts as unequal. Where libdwfl itself reports
 * an error and we go on, what we found beyond is counted apart: no verdict.
 */
#include "base/buf.h"
#include "base/io.h"
#include "collect/record.h"
#include "collect/regs.h"
#include "collect/ring.h"
#include "collect/unwind.h"

#include <elfutils/libdwfl.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_FRAMES   4096
#define MAX_GROUPS   64
#define SHOWN_GROUPS 12

enum event_kind { EVENT_MAP, EVENT_EXEC, EVENT_SAMPLE };

/* What is kept of a record; stored back to back, each padded to 8 bytes. */
struct event {
	uint32_t kind, len; /* len: of what follows this header */
};

struct event_map {
	uint64_t start, end, pgoff, ino, ino_generation;
	uint32_t maj, min;
	char path[]; /* with its NUL */
};

struct event_sample {
	uint64_t regs[REGS_MAX];
	uint8_t stack[];
};

static struct {
	uint64_t samples, hz;
	const char *out, *in;
	double min_equal, min_complete;
} opt = {2000, 999, NULL, NULL, 99.5, 98};

static struct buf store;
static uint64_t n_stored, n_lost;

static void die(const char *what, int err)
{
	fprintf(stderr, "unwind_libdw: %s: %s\n", what, strerror(err));
	exit(2);
}

/* ---- recording ---- */

static void keep(enum event_kind kind, const void *a, size_t a_len, const void *b, size_t b_len)
{
	static const uint8_t zeros[8];
	struct event e = {kind, (uint32_t)((a_len + b_len + 7) & ~(size_t)7)};

	buf_put(&store, &e, sizeof(e));
	buf_put(&store, a, a_len);
	buf_put(&store, b, b_len);
	buf_put(&store, zeros, e.len - a_len - b_len);
	if (store.error)
		die("keeping samples", -store.error);
}

static void keep_record(const struct record *r)
{
	uint64_t regs[REGS_MAX] = {0};

	if (r->kind == RECORD_MMAP) {
		struct event_map m = {r->u.mmap.start, r->u.mmap.start + r->u.mmap.len, r->u.mmap.pgoff,
				      r->u.mmap.ino,   r->u.mmap.ino_generation,        r->u.mmap.maj,
				      r->u.mmap.min};

		keep(EVENT_MAP, &m, sizeof(m), r->u.mmap.path, strlen(r->u.mmap.path) + 1);
	} else if (r->kind == RECORD_COMM && r->u.comm.exec) {
		keep(EVENT_EXEC, NULL, 0, NULL, 0);
	} else if (r->kind == RECORD_LOST) {
		n_lost += r->u.lost.lost;
	} else if (r->kind == RECORD_SAMPLE && r->u.sample.regs && r->u.sample.abi == regs_arch.perf_abi &&
		   n_stored < opt.samples && regs_from_perf(r->u.sample.regs, r->u.sample.n_regs, regs)) {
		keep(EVENT_SAMPLE, regs, sizeof(regs), r->u.sample.stack, r->u.sample.stack_size);
		n_stored++;
	}
}

static void drain(struct ring *ring, const struct record_layout *layout)
{
	static uint64_t scratch[RING_RECORD_MAX / 8];
	struct perf_event_header hdr;
	struct record rec;

	ring_mark(ring);
	while (ring_peek(ring, &hdr) > 0) {
		if (!record_decode(ring_record(ring, scratch), layout, &rec))
			keep_record(&rec);
		ring_consume(ring);
	}
}

static pid_t start_held(char **argv, int *go)
{
	int p[2];
	pid_t pid;
	char c;

	if (pipe(p))
		die("pipe", errno);
	pid = fork();
	if (pid < 0)
		die("fork", errno);
	if (!pid) {
		setpgid(0, 0);
		close(p[1]);
		if (read(p[0], &c, 1) == 1) {
			close(p[0]);
			execvp(argv[0], argv);
			fprintf(stderr, "unwind_libdw: '%s': %s\n", argv[0], strerror(errno));
		}
		_exit(127);
	}
	setpgid(pid, pid);
	close(p[0]);
	*go = p[1];
	return pid;
}

static int open_event(pid_t pid, struct ring **ring)
{
	struct perf_event_attr a = {.size = sizeof(a), .type = PERF_TYPE_SOFTWARE};
	size_t pages;
	int fd;

	a.config = PERF_COUNT_SW_TASK_CLOCK;
	a.freq = 1;
	a.sample_freq = opt.hz;
	a.sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_REGS_USER | PERF_SAMPLE_STACK_USER;
	a.sample_regs_user = regs_arch.perf_mask;
	a.sample_stack_user = 65528 - 512; /* room for the rest of the record */
	a.disabled = a.enable_on_exec = a.exclude_kernel = a.exclude_hv = 1;
	a.mmap = a.mmap2 = a.comm = a.comm_exec = a.sample_id_all = 1;
	a.wakeup_events = 1;
	fd = (int)syscall(SYS_perf_event_open, &a, pid, -1, -1, PERF_FLAG_FD_CLOEXEC);
	if (fd < 0)
		die("perf_event_open", errno);
	for (pages = 1024; pages >= 32; pages /= 2)
		if (!ring_new(ring, fd, pages))
			return fd;
	die("mmap of the ring", errno);
	return -1;
}

static void record(char **argv)
{
	struct record_layout layout = {PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_REGS_USER |
					       PERF_SAMPLE_STACK_USER,
				       (unsigned)__builtin_popcountll(regs_arch.perf_mask)};
	struct ring *ring = NULL;
	int go, fd, status = 0;
	pid_t pid = start_held(argv, &go);
	struct pollfd p;
	bool running = true;

	fd = open_event(pid, &ring);
	if (write(go, "x", 1) != 1)
		die("starting the command", errno);
	close(go);
	p = (struct pollfd){.fd = fd, .events = POLLIN};
	while (running && n_stored < opt.samples) {
		poll(&p, 1, 100);
		running = waitpid(pid, &status, WNOHANG) == 0;
		drain(ring, &layout);
	}
	kill(-pid, SIGKILL); /* the command's group, and what it left behind */
	if (running)
		waitpid(pid, &status, 0);
	else if (WIFEXITED(status) && WEXITSTATUS(status))
		fprintf(stderr, "unwind_libdw: the command returned %d\n", WEXITSTATUS(status));
	ring_free(ring);
	close(fd);
}

static void save(void)
{
	FILE *f = fopen(opt.out, "wbe");

	if (!f || fwrite(store.data, 1, store.len, f) != store.len || fclose(f))
		die(opt.out, errno);
}

/* A store is made by this program, but may have been cut off. */
static void load(void)
{
	size_t at = 0;
	struct event e;
	int err = io_read_file(AT_FDCWD, opt.in, &store);

	if (err)
		die(opt.in, -err);
	while (store.len - at >= sizeof(e)) {
		memcpy(&e, store.data + at, sizeof(e));
		if (e.len > store.len - at - sizeof(e) || e.len % 8)
			break;
		at += sizeof(e) + e.len;
		n_stored += e.kind == EVENT_SAMPLE;
	}
	store.len = at;
}

/* ---- replaying ---- */

struct replay {
	struct profile profile;
	struct modules *modules;
	struct unwinder *unwinder;
	struct maps *maps;
	uint64_t generation; /* of maps: one up at each change */
};

static void replay_init(struct replay *r)
{
	int err;

	memset(r, 0, sizeof(*r));
	err = profile_init(&r->profile);
	if (!err)
		err = modules_new(&r->modules, &r->profile, 1024);
	if (!err)
		err = unwinder_new(&r->unwinder, r->modules);
	r->maps = maps_new();
	if (err || !r->maps)
		die("setting up", -err);
}

static void replay_release(struct replay *r)
{
	maps_unref(r->maps);
	unwinder_free(r->unwinder);
	modules_free(r->modules);
	profile_release(&r->profile);
}

static void replay_map(struct replay *r, const struct event_map *m)
{
	struct module_ident id = {m->maj, m->min, m->ino, m->ino_generation};
	struct mapping map = {m->start, m->end, m->pgoff, NULL, 0};

	map.module = modules_get(r->modules, getpid(), m->path, &id, m->start, m->end);
	if (!map.module)
		die("modules", ENOMEM);
	if (map.module->info->kind == MODULE_ANON)
		map.pgoff = m->start;
	else if (map.module->info->kind == MODULE_VDSO)
		map.pgoff = 0;
	(void)maps_insert(&r->maps, &map); /* the kernel's records are not empty */
	r->generation++;
}

/* Calls @sample for each sample of the store, with the mappings of its time. */
static void replay_all(struct replay *r,
		       void (*sample)(struct replay *, const struct unwind_sample *, void *), void *arg)
{
	struct event e;
	size_t at;

	maps_unref(r->maps);
	r->maps = maps_new();
	if (!r->maps)
		die("maps", ENOMEM);
	r->generation++;
	for (at = 0; at < store.len; at += sizeof(e) + e.len) {
		const void *data = store.data + at + sizeof(e);

		memcpy(&e, store.data + at, sizeof(e));
		if (e.kind == EVENT_MAP) {
			replay_map(r, data);
		} else if (e.kind == EVENT_EXEC) {
			maps_unref(r->maps);
			r->maps = maps_new();
			r->generation++;
		} else if (e.kind == EVENT_SAMPLE) {
			const struct event_sample *s = data;
			struct unwind_sample u = {s->regs, s->stack, e.len - sizeof(*s)};

			sample(r, &u, arg);
		}
	}
}

/* ---- our side, for its speed ---- */

struct ours {
	uint64_t frames, complete, ends[UNWIND_END_COUNT];
	uint64_t ns;      /* all walks, their stacks fetched from memory */
	uint64_t warm_ns; /* all walks, done again at once: nothing but our own work */
};

static void walk_ours(struct replay *r, const struct unwind_sample *s, void *arg)
{
	static struct unwind_frame frames[MAX_FRAMES];
	struct ours *o = arg;
	enum unwind_end end;
	uint64_t a, b, c;

	a = io_clock_ns(CLOCK_MONOTONIC);
	o->frames += unwind_walk(r->unwinder, r->maps, s, frames, MAX_FRAMES, &end);
	b = io_clock_ns(CLOCK_MONOTONIC);
	unwind_walk(r->unwinder, r->maps, s, frames, MAX_FRAMES, &end);
	c = io_clock_ns(CLOCK_MONOTONIC);
	o->ns += b - a;
	o->warm_ns += c - b;
	o->complete += unwind_end_complete(end);
	o->ends[end]++;
}

static struct ours time_ours(struct replay *r)
{
	struct ours o = {0};

	replay_all(r, walk_ours, &o);
	return o;
}

/* ---- libdwfl's side ---- */

struct oracle {
	Dwfl *dwfl;
	uint64_t generation; /* of the maps that dwfl knows */
	const struct unwind_sample *sample;
	uint64_t pcs[MAX_FRAMES];
	uint32_t n;
	const char *error; /* NULL: it came to an end */
	uint64_t ns, frames;
};

static int no_debuginfo(Dwfl_Module *m, void **user, const char *name, Dwarf_Addr base, const char *file,
			const char *link, GElf_Word crc, char **out)
{
	(void)m, (void)user, (void)name, (void)base, (void)file, (void)link, (void)crc, (void)out;
	return -1;
}

static pid_t next_thread(Dwfl *dwfl, void *arg, void **thread_arg)
{
	(void)dwfl;
	if (*thread_arg)
		return 0;
	*thread_arg = arg;
	return 1;
}

static bool read_memory(Dwfl *dwfl, Dwarf_Addr addr, Dwarf_Word *result, void *arg)
{
	const struct unwind_sample *s = ((struct oracle *)arg)->sample;
	uint64_t off = addr - s->regs[regs_arch.sp];

	(void)dwfl;
	if (off >= s->stack_size || s->stack_size - off < 8)
		return false;
	memcpy(result, s->stack + off, 8);
	return true;
}

static bool initial_registers(Dwfl_Thread *thread, void *arg)
{
	const struct unwind_sample *s = ((struct oracle *)arg)->sample;

	dwfl_thread_state_register_pc(thread, s->regs[regs_arch.pc]);
	return dwfl_thread_state_registers(thread, 0, regs_arch.n, s->regs);
}

static int take_frame(Dwfl_Frame *frame, void *arg)
{
	struct oracle *o = arg;
	Dwarf_Addr pc;
	bool exact;

	if (o->n == MAX_FRAMES || !dwfl_frame_pc(frame, &pc, &exact))
		return DWARF_CB_ABORT;
	o->pcs[o->n++] = pc - !exact;
	return DWARF_CB_OK;
}

static void report_module(struct oracle *o, struct replay *r, const struct mapping *map)
{
	const struct profile_module *info = &r->profile.modules[map->module->id];
	const char *path = strtab_get(&r->profile.strings, info->path);
	uint64_t vaddr;
	int fd;

	if (info->reason != MODULE_OK || !profile_module_vaddr(info, map->pgoff, &vaddr))
		return;
	if (info->image) {
		fd = memfd_create("vdso", MFD_CLOEXEC);
		if (fd < 0 || io_write_all(fd, info->image, info->image_size))
			die("copying the vdso", errno);
	} else {
		fd = dup(info->fd);
	}
	/* Owns the descriptor if it succeeds; a module with two mappings is refused the second time. */
	if (!dwfl_report_elf(o->dwfl, path, path, fd, map->start - vaddr, true))
		close(fd);
}

static void oracle_session(struct oracle *o, struct replay *r)
{
	static const Dwfl_Callbacks callbacks = {.find_elf = dwfl_build_id_find_elf,
						 .find_debuginfo = no_debuginfo};
	static const Dwfl_Thread_Callbacks threads = {.next_thread = next_thread,
						      .memory_read = read_memory,
						      .set_initial_registers = initial_registers};
	uint32_t i;

	if (o->dwfl && o->generation == r->generation)
		return;
	dwfl_end(o->dwfl);
	o->dwfl = dwfl_begin(&callbacks);
	dwfl_report_begin(o->dwfl);
	for (i = 0; i < r->maps->n; i++)
		report_module(o, r, &r->maps->m[i]);
	dwfl_report_end(o->dwfl, NULL, NULL);
	if (!dwfl_attach_state(o->dwfl, NULL, 1, &threads, o))
		fprintf(stderr, "unwind_libdw: dwfl_attach_state: %s\n", dwfl_errmsg(-1));
	o->generation = r->generation;
}

static void walk_oracle(struct oracle *o, struct replay *r, const struct unwind_sample *s)
{
	uint64_t t;

	oracle_session(o, r);
	o->sample = s;
	o->n = 0;
	t = io_clock_ns(CLOCK_MONOTONIC);
	o->error = dwfl_getthread_frames(o->dwfl, 1, take_frame, o) ? dwfl_errmsg(-1) : NULL;
	o->ns += io_clock_ns(CLOCK_MONOTONIC) - t;
	o->frames += o->n;
}

/* ---- comparing ---- */

struct group {
	char what[160];
	uint64_t samples, frames;
};

struct groups {
	struct group g[MAX_GROUPS];
	uint32_t n;
};

struct comparison {
	struct oracle oracle;
	uint64_t compared, equal, beyond, beyond_samples;
	struct groups unequal, incomplete;
};

static void count(struct groups *to, const char *what, uint64_t frames)
{
	struct group *g = to->g;

	while (g < to->g + to->n && strcmp(g->what, what))
		g++;
	if (g == to->g + MAX_GROUPS)
		g--;
	if (g == to->g + to->n) {
		to->n++;
		snprintf(g->what, sizeof(g->what), "%s", what);
	}
	g->samples++;
	g->frames += frames;
}

/* The frame whose step came out differently, as module+offset. */
static void place(struct replay *r, const struct unwind_frame *f, char *out, size_t size)
{
	const struct profile_module *info;
	const char *path, *base;
	uint64_t vaddr = 0;

	if (!f->map) {
		snprintf(out, size, "no mapping");
		return;
	}
	info = &r->profile.modules[f->map->module->id];
	path = strtab_get(&r->profile.strings, info->path);
	base = strrchr(path, '/');
	profile_module_vaddr(info, f->pc - f->map->start + f->map->pgoff, &vaddr);
	snprintf(out, size, "%s+0x%" PRIx64, base ? base + 1 : path, vaddr);
}

static void explain(struct comparison *c, struct replay *r, const struct unwind_frame *f, uint32_t n,
		    enum unwind_end end, uint32_t first, uint64_t wrong)
{
	char where[80] = "the first frame", what[160];

	if (first)
		place(r, &f[first - 1], where, sizeof(where));
	if (first >= n)
		snprintf(what, sizeof(what), "we end (%s) at %s", unwind_end_name(end), where);
	else if (first >= c->oracle.n)
		snprintf(what, sizeof(what), "libdw ends (%s) at %s",
			 c->oracle.error ? c->oracle.error : "done", where);
	else
		snprintf(what, sizeof(what), "another caller than libdw's of %s", where);
	count(&c->unequal, what, wrong);
}

static void explain_end(struct comparison *c, struct replay *r, const struct unwind_frame *last,
			enum unwind_end end)
{
	char where[80], what[160];

	place(r, last, where, sizeof(where));
	snprintf(what, sizeof(what), "%s at %s", unwind_end_name(end), where);
	count(&c->incomplete, what, 0);
}

static void compare(struct replay *r, const struct unwind_sample *s, void *arg)
{
	static struct unwind_frame f[MAX_FRAMES];
	struct comparison *c = arg;
	struct oracle *o = &c->oracle;
	uint32_t n, total, first = UINT32_MAX, i;
	uint64_t equal = 0;
	enum unwind_end end;

	n = unwind_walk(r->unwinder, r->maps, s, f, MAX_FRAMES, &end);
	if (!unwind_end_complete(end))
		explain_end(c, r, &f[n - 1], end);
	walk_oracle(o, r, s);
	total = n > o->n ? n : o->n;
	if (n > o->n && o->error && unwind_end_complete(end)) {
		c->beyond += n - o->n;
		c->beyond_samples++;
		total = o->n;
	}
	for (i = 0; i < total; i++) {
		if (i < n && i < o->n && f[i].pc == o->pcs[i])
			equal++;
		else if (first == UINT32_MAX)
			first = i;
	}
	c->compared += total;
	c->equal += equal;
	if (first != UINT32_MAX)
		explain(c, r, f, n, end, first, total - equal);
	else if (total < n)
		explain(c, r, f, n, end, total, 0);
}

static int by_frames(const void *a, const void *b)
{
	const struct group *x = a, *y = b;

	return x->frames != y->frames ? (x->frames < y->frames ? 1 : -1) : x->samples < y->samples ? 1 : -1;
}

static double percent(uint64_t part, uint64_t whole)
{
	return whole ? 100.0 * (double)part / (double)whole : 0;
}

static void print_groups(struct groups *g, bool frames)
{
	uint32_t i;

	qsort(g->g, g->n, sizeof(g->g[0]), by_frames);
	for (i = 0; i < g->n && i < SHOWN_GROUPS; i++)
		if (frames)
			printf("  %8" PRIu64 " frames unequal in %6" PRIu64 " samples: %s\n", g->g[i].frames,
			       g->g[i].samples, g->g[i].what);
		else
			printf("  %8" PRIu64 " samples incomplete: %s\n", g->g[i].samples, g->g[i].what);
}

static int report(struct comparison *c, const struct ours *cold, const struct ours *warm)
{
	double complete = percent(warm->complete, n_stored), equal = percent(c->equal, c->compared);
	uint32_t i;

	printf("samples %" PRIu64 ", lost %" PRIu64 ", frames %" PRIu64 " (%.1f per stack)\n", n_stored,
	       n_lost, warm->frames, n_stored ? (double)warm->frames / (double)n_stored : 0);
	printf("complete %.3f %%\n", complete);
	for (i = 0; i < UNWIND_END_COUNT; i++)
		if (warm->ends[i])
			printf("  %8" PRIu64 " %s\n", warm->ends[i], unwind_end_name(i));
	print_groups(&c->incomplete, false);
	printf("frames equal %.3f %% of %" PRIu64 "\n", equal, c->compared);
	if (c->beyond)
		printf("frames found where libdw gives up: %" PRIu64 " in %" PRIu64 " samples\n", c->beyond,
		       c->beyond_samples);
	print_groups(&c->unequal, true);
	if (warm->frames && c->oracle.frames)
		printf("ns/frame: ours %.1f (first pass %.1f, stack in cache %.1f); libdw %.1f\n",
		       (double)warm->ns / (double)warm->frames, (double)cold->ns / (double)cold->frames,
		       (double)warm->warm_ns / (double)warm->frames,
		       (double)c->oracle.ns / (double)c->oracle.frames);
	return n_stored && complete >= opt.min_complete && equal >= opt.min_equal ? 0 : 1;
}

/* ---- */

static void parse_options(int argc, char **argv)
{
	static const struct option longs[] = {{"min-equal", required_argument, NULL, 'e'},
					      {"min-complete", required_argument, NULL, 'c'},
					      {NULL, 0, NULL, 0}};
	int o;

	while ((o = getopt_long(argc, argv, "+n:F:o:i:", longs, NULL)) != -1) {
		switch (o) {
		case 'n':
			opt.samples = strtoull(optarg, NULL, 10);
			break;
		case 'F':
			opt.hz = strtoull(optarg, NULL, 10);
			break;
		case 'o':
			opt.out = optarg;
			break;
		case 'i':
			opt.in = optarg;
			break;
		case 'e':
			opt.min_equal = strtod(optarg, NULL);
			break;
		case 'c':
			opt.min_complete = strtod(optarg, NULL);
			break;
		default:
			exit(2);
		}
	}
	if (!opt.in == (optind == argc)) {
		fprintf(stderr, "usage: unwind_libdw [-n SAMPLES] [-F HZ] [-o STORE] [--min-equal P] "
				"[--min-complete P] -- COMMAND... | -i STORE\n");
		exit(2);
	}
}

int main(int argc, char **argv)
{
	static struct comparison c;
	struct ours cold, warm;
	struct replay r;
	int rc;

	parse_options(argc, argv);
	buf_init(&store, (size_t)4 << 30);
	if (opt.in)
		load();
	else
		record(argv + optind);
	if (opt.out)
		save();
	replay_init(&r);
	cold = time_ours(&r);
	warm = time_ours(&r);
	replay_all(&r, compare, &c);
	rc = report(&c, &cold, &warm);
	dwfl_end(c.oracle.dwfl);
	replay_release(&r);
	buf_release(&store);
	return rc;
}

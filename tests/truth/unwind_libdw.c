/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unwind_libdw.c - our unwinder against libdwfl, frame by frame, on real stacks.
 *
 *   unwind_libdw [-n SAMPLES] [-F HZ] [-o STORE] [--min-equal P] [--min-complete P] -- COMMAND...
 *   unwind_libdw -i STORE
 *
 * Runs COMMAND with CPU-clock events on all its threads, keeps registers,
 * stack copies and mappings, then unwinds every sample with both and compares.
 * A frame that only one has counts as unequal. Where libdw has no CFI its answer
 * is a guess by the frame pointer, and counted apart (code_cfi.c tells about ours);
 * so is what we found where libdw ended early, with an error or without one.
 */
#include "stacks.h"

#include "base/io.h"
#include "collect/regs.h"

#include <elfutils/libdwfl.h>
#include <elf.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAX_FRAMES   4096
#define MAX_GROUPS   64
#define SHOWN_GROUPS 12

static struct {
	uint64_t samples, hz;
	const char *out, *in;
	double min_equal, min_complete;
} opt = {2000, 999, NULL, NULL, 99.5, 98};

static struct stacks stacks;

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
	struct unwind_result got;
	uint64_t a, b, c;

	a = io_clock_ns(CLOCK_MONOTONIC);
	unwind_walk(r->unwinder, r->maps, s, frames, MAX_FRAMES, &got);
	b = io_clock_ns(CLOCK_MONOTONIC);
	unwind_walk(r->unwinder, r->maps, s, frames, MAX_FRAMES, &got);
	c = io_clock_ns(CLOCK_MONOTONIC);
	o->ns += b - a;
	o->warm_ns += c - b;
	o->frames += got.n;
	o->complete += unwind_end_complete(got.end);
	o->ends[got.end]++;
}

static struct ours time_ours(struct replay *r)
{
	struct ours o = {0};

	replay_all(r, &stacks, walk_ours, &o);
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

/* Where the file's address 0 is, by the code in @map: its first page may belong to another segment, too. */
static bool load_base(const struct profile_module *info, const struct mapping *map, uint64_t *base)
{
	const struct module_segment *s;
	uint64_t off, end = map->pgoff + (map->end - map->start);
	unsigned i;

	for (i = 0; i < info->n_segments; i++) {
		s = &info->segments[i];
		off = s->off > map->pgoff ? s->off : map->pgoff;
		if (!(s->flags & PF_X) || off >= end || off - s->off >= s->filesz)
			continue;
		*base = map->start + (off - map->pgoff) - (s->vaddr + (off - s->off));
		return true;
	}
	return false;
}

static void report_module(struct oracle *o, struct replay *r, const struct mapping *map)
{
	const struct profile_module *info = &r->profile.modules[map->module->id];
	const char *path = strtab_get(&r->profile.strings, info->path);
	uint64_t base;
	int fd;

	if (info->reason != MODULE_OK || !load_base(info, map, &base))
		return;
	if (info->image) {
		fd = memfd_create("vdso", MFD_CLOEXEC);
		if (fd < 0 || io_write_all(fd, info->image, info->image_size))
			stacks_die("copying the vdso", errno);
	} else {
		fd = dup(info->fd);
	}
	/* Owns the descriptor if it succeeds; a module with two mappings is refused the second time. */
	if (!dwfl_report_elf(o->dwfl, path, path, fd, base, true))
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
	char what[240];
	uint64_t samples, frames;
};

struct groups {
	struct group g[MAX_GROUPS];
	uint32_t n;
};

struct comparison {
	struct oracle oracle;
	uint64_t compared, equal, beyond, beyond_samples, spliced, spliced_samples, guessed, guessed_samples;
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
	char where[80] = "the first frame", leaf[80], what[240];

	place(r, &f[0], leaf, sizeof(leaf));
	if (first)
		place(r, &f[first - 1], where, sizeof(where));
	if (first >= n)
		snprintf(what, sizeof(what), "we end (%s) at %s", unwind_end_name(end), where);
	else if (first >= c->oracle.n)
		/* Mostly an epilogue: libdw does not know that a register popped below sp holds its value. */
		snprintf(what, sizeof(what), "libdw ends (%s) at %s, interrupted at %s",
			 c->oracle.error ? c->oracle.error : "done", where, leaf);
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

/* True if libdw has no CFI where @f is: what it says about the caller is a guess by the frame pointer. */
static bool libdw_guesses(struct oracle *o, const struct unwind_frame *f)
{
	Dwfl_Module *m = dwfl_addrmodule(o->dwfl, f->pc);
	Dwarf_CFI *eh, *debug;
	Dwarf_Frame *frame = NULL;
	Dwarf_Addr bias = 0;
	bool known;

	if (!m)
		return true;
	eh = dwfl_module_eh_cfi(m, &bias);
	known = eh && !dwarf_cfi_addrframe(eh, f->pc - bias, &frame);
	free(frame);
	frame = NULL;
	debug = known ? NULL : dwfl_module_dwarf_cfi(m, &bias);
	known = known || (debug && !dwarf_cfi_addrframe(debug, f->pc - bias, &frame));
	free(frame);
	return !known;
}

/* libdw has the same frames but for the last ones. */
static bool is_prefix(const struct oracle *o, const struct unwind_frame *f)
{
	uint32_t i;

	for (i = 0; i < o->n && f[i].pc == o->pcs[i]; i++)
		;
	return i == o->n;
}

static void compare(struct replay *r, const struct unwind_sample *s, void *arg)
{
	static struct unwind_frame f[MAX_FRAMES];
	struct comparison *c = arg;
	struct oracle *o = &c->oracle;
	uint32_t n, total, first = UINT32_MAX, i;
	struct unwind_result got;
	uint64_t equal = 0;
	enum unwind_end end;

	unwind_walk(r->unwinder, r->maps, s, f, MAX_FRAMES, &got);
	n = got.n;
	end = got.end;
	if (!unwind_end_complete(end))
		explain_end(c, r, &f[n - 1], end);
	walk_oracle(o, r, s);
	/* What comes from the kernel's callchain libdw has no part in. */
	c->spliced += got.spliced;
	c->spliced_samples += got.spliced > 0;
	if (got.spliced)
		o->n = o->n < n - got.spliced ? o->n : n - got.spliced;
	n -= got.spliced;
	total = n > o->n ? n : o->n;
	if (n > o->n && unwind_end_complete(end) && (o->error || is_prefix(o, f))) {
		c->beyond += n - o->n;
		c->beyond_samples++;
		total = o->n;
	}
	for (i = 0; i < total && i < n && i < o->n && f[i].pc == o->pcs[i]; i++)
		equal++;
	if (i < total) {
		first = i;
		/* One frame too many or too few shifts all behind it: those are equal again from the root. */
		while (i < n && i < o->n && f[n - 1 - (i - first)].pc == o->pcs[o->n - 1 - (i - first)])
			i++;
		equal += i - first;
	}
	if (first && first != UINT32_MAX && libdw_guesses(o, &f[first - 1])) {
		c->guessed += total - equal;
		c->guessed_samples++;
		total = (uint32_t)equal;
	}
	c->compared += total;
	c->equal += equal;
	if (first != UINT32_MAX && total > equal)
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
	double complete = percent(warm->complete, stacks.n), equal = percent(c->equal, c->compared);
	uint32_t i;

	printf("samples %" PRIu64 ", lost %" PRIu64 ", frames %" PRIu64 " (%.1f per stack)\n", stacks.n,
	       stacks.lost, warm->frames, stacks.n ? (double)warm->frames / (double)stacks.n : 0);
	printf("complete %.3f %%\n", complete);
	for (i = 0; i < UNWIND_END_COUNT; i++)
		if (warm->ends[i])
			printf("  %8" PRIu64 " %s\n", warm->ends[i], unwind_end_name(i));
	print_groups(&c->incomplete, false);
	printf("frames equal %.3f %% of %" PRIu64 "\n", equal, c->compared);
	if (c->beyond)
		printf("frames found where libdw gives up: %" PRIu64 " in %" PRIu64 " samples\n", c->beyond,
		       c->beyond_samples);
	if (c->guessed)
		printf("frames where libdw has no CFI and guesses: %" PRIu64 " in %" PRIu64 " samples\n",
		       c->guessed, c->guessed_samples);
	if (c->spliced)
		printf("frames from the kernel's callchain: %" PRIu64 " in %" PRIu64 " samples\n", c->spliced,
		       c->spliced_samples);
	print_groups(&c->unequal, true);
	if (warm->frames && c->oracle.frames)
		printf("ns/frame: ours %.1f (first pass %.1f, stack in cache %.1f); libdw %.1f\n",
		       (double)warm->ns / (double)warm->frames, (double)cold->ns / (double)cold->frames,
		       (double)warm->warm_ns / (double)warm->frames,
		       (double)c->oracle.ns / (double)c->oracle.frames);
	return stacks.n && complete >= opt.min_complete && equal >= opt.min_equal ? 0 : 1;
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
	stacks_init(&stacks);
	if (opt.in)
		stacks_load(&stacks, opt.in);
	else
		stacks_record(&stacks, argv + optind, opt.samples, opt.hz);
	if (opt.out)
		stacks_save(&stacks, opt.out);
	replay_init(&r);
	cold = time_ours(&r);
	warm = time_ours(&r);
	replay_all(&r, &stacks, compare, &c);
	rc = report(&c, &cold, &warm);
	dwfl_end(c.oracle.dwfl);
	replay_release(&r);
	stacks_release(&stacks);
	return rc;
}

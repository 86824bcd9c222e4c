/* SPDX-License-Identifier: Apache-2.0 */
/*
 * known_chain.c - are the stacks true that were not all in the copy?
 *
 *   known_chain [-n SAMPLES] [-F HZ] [--min-spliced P] [--min-complete P] -- PROGRAM...
 *
 * PROGRAM is tests/targets/known_chain or another build of it, unwound while it
 * runs. The stacks' own checksums tell which are wrong: none may be. This is also
 * what decided against reading the rest of a stack from the live process: of
 * stacks finished so 5 % were wrong with a reader that waited at the ring, and
 * 97 % with one that looked every 20 ms, though the bytes next to what was read
 * had not changed and every frame was by CFI.
 */
#include "stacks.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LEVELS     24
#define CHECKS     8
#define MAX_FRAMES 1024

static struct {
	uint64_t samples, hz;
	double min_spliced, min_complete;
} opt = {1000, 999, 0, 0};

static struct {
	uint64_t start, size;
	int digit; /* 0-3 data, 4-7 check */
} functions[8];
static unsigned n_functions;

static struct {
	uint64_t samples, complete, full, wrong, spliced, gap, ends[UNWIND_END_COUNT];
} seen;

static void read_symbols(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	Elf *elf = fd < 0 ? NULL : elf_begin(fd, ELF_C_READ_MMAP, NULL);
	Elf_Scn *scn = NULL;
	GElf_Shdr sh;
	GElf_Sym sym;
	const char *name;
	int i, d;

	while (elf && (scn = elf_nextscn(elf, scn)) && gelf_getshdr(scn, &sh)) {
		if (sh.sh_type != SHT_SYMTAB)
			continue;
		for (i = 0; gelf_getsym(elf_getdata(scn, NULL), i, &sym); i++) {
			name = elf_strptr(elf, sh.sh_link, sym.st_name);
			if (!name || GELF_ST_TYPE(sym.st_info) != STT_FUNC ||
			    (sscanf(name, "data_%d", &d) != 1 && sscanf(name, "check_%d", &d) != 1))
				continue;
			if (n_functions == 8)
				stacks_die("too many functions", EINVAL);
			functions[n_functions].start = sym.st_value;
			functions[n_functions].size = sym.st_size;
			functions[n_functions++].digit = d + (name[0] == 'c' ? 4 : 0);
		}
	}
	if (n_functions != 8)
		stacks_die(path, ENOENT);
	elf_end(elf);
	close(fd);
}

static int digit_of(struct replay *r, const struct unwind_frame *f)
{
	const struct profile_module *info;
	uint64_t vaddr;
	unsigned i;

	if (!f->map)
		return -1;
	info = &r->profile.modules[f->map->module->id];
	if (!profile_module_vaddr(info, f->pc - f->map->start + f->map->pgoff, &vaddr))
		return -1;
	for (i = 0; i < n_functions; i++)
		if (vaddr - functions[i].start < functions[i].size)
			return functions[i].digit;
	return -1;
}

static uint32_t checksum_of(const int *digits)
{
	uint32_t x = 1;
	unsigned i;

	for (i = 0; i < LEVELS; i++)
		x = x * 2654435761u + (uint32_t)digits[i] + 1;
	return x >> 16;
}

/* 1: data and checks are all there and agree; 0: the stack is of another moment; -1: they contradict. */
static int verdict(struct replay *r, const struct unwind_frame *f, uint32_t n)
{
	int data[LEVELS], check[CHECKS], d;
	unsigned n_data = 0, n_check = 0, i;
	uint32_t sum;

	while (n--) {
		d = digit_of(r, &f[n]);
		if (d < 0)
			continue;
		if (d < 4 ? n_data == LEVELS || n_check : n_check == CHECKS || n_data < LEVELS)
			return -1;
		if (d < 4)
			data[n_data++] = d;
		else
			check[n_check++] = d - 4;
	}
	if (n_data < LEVELS)
		return 0;
	sum = checksum_of(data);
	for (i = 0; i < n_check; i++)
		if (check[i] != (int)(sum >> 2 * i & 3))
			return -1;
	return n_check == CHECKS;
}

static void look(struct replay *r, const struct unwind_sample *s, void *arg)
{
	static struct unwind_frame f[MAX_FRAMES];
	struct unwind_result got;
	int v;

	(void)arg;
	unwind_walk(r->unwinder, r->maps, s, f, MAX_FRAMES, &got);
	seen.samples++;
	seen.ends[got.end]++;
	seen.spliced += got.spliced > 0;
	seen.gap += got.gap > 0;
	/* The kernel's chain ends below main's caller: what is there must be true all the same. */
	if (!unwind_end_complete(got.end) && !got.spliced)
		return;
	seen.complete += unwind_end_complete(got.end);
	v = verdict(r, f, got.n);
	seen.full += v != 0;
	seen.wrong += v < 0;
}

static void parse_options(int argc, char **argv)
{
	static const struct option longs[] = {{"min-spliced", required_argument, NULL, 's'},
					      {"min-complete", required_argument, NULL, 'c'},
					      {NULL, 0, NULL, 0}};
	int o;

	while ((o = getopt_long(argc, argv, "+n:F:", longs, NULL)) != -1) {
		if (o == 'n')
			opt.samples = strtoull(optarg, NULL, 10);
		else if (o == 'F')
			opt.hz = strtoull(optarg, NULL, 10);
		else if (o == 's')
			opt.min_spliced = strtod(optarg, NULL);
		else if (o == 'c')
			opt.min_complete = strtod(optarg, NULL);
		else
			exit(2);
	}
	if (optind == argc)
		stacks_die("usage: known_chain [OPTIONS] -- PROGRAM...", EINVAL);
}

int main(int argc, char **argv)
{
	struct stacks st;
	struct replay r;
	double spliced, complete;
	unsigned i;

	parse_options(argc, argv);
	elf_version(EV_CURRENT);
	read_symbols(argv[optind]);
	replay_init(&r);
	stacks_init(&st);
	stacks_watch(&st, &r, argv + optind, opt.samples, opt.hz, look, NULL);
	spliced = seen.samples ? 100.0 * (double)seen.spliced / (double)seen.samples : 0;
	complete = seen.samples ? 100.0 * (double)seen.complete / (double)seen.samples : 0;
	printf("samples %" PRIu64 ", lost %" PRIu64 ", complete %.2f %%, spliced %.2f %%, gaps %" PRIu64 "\n",
	       seen.samples, st.lost, complete, spliced, seen.gap);
	for (i = 0; i < UNWIND_END_COUNT; i++)
		if (seen.ends[i])
			printf("  %8" PRIu64 " %s\n", seen.ends[i], unwind_end_name(i));
	printf("with all levels %" PRIu64 ", wrong %" PRIu64 "\n", seen.full, seen.wrong);
	replay_release(&r);
	stacks_release(&st);
	return seen.samples && !seen.wrong && spliced >= opt.min_spliced && complete >= opt.min_complete ? 0
													 : 1;
}

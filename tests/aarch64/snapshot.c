/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snapshot.c - an aarch64 program that stores its own stack, and knows its chain.
 *
 *   snapshot FILE
 *
 * Built at -O2 without frame pointers and with -mbranch-protection=standard, so
 * that return addresses on the stack are signed where the processor can. Each
 * level of the chain writes down where it returns to; the last one stores
 * registers, stack and mappings as snapshot.h says. The chain goes through
 * alloca, many saved registers, a frame of 70 KB, a callback out of the C
 * library and hand-written code that has a frame record but no CFI.
 */
#include "snapshot.h"

#include <alloca.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOINLINE __attribute__((noinline, noclone))
/* As aarch64's compilers do by default. Code without CFI is left by frame records only. */
#define WITH_RECORD __attribute__((noinline, noclone, optimize("no-omit-frame-pointer")))

static struct snapshot shot;
static const char *path;
static volatile int sink;

/* x0: 33 words. Stores the registers as they are behind this call's return. */
void take_registers(uint64_t *regs);
__asm__(".text\n"
	".type take_registers, %function\n"
	"take_registers:\n"
	"	.cfi_startproc\n"
	"	stp x0, x1, [x0]\n"
	"	stp x2, x3, [x0, 16]\n"
	"	stp x4, x5, [x0, 32]\n"
	"	stp x6, x7, [x0, 48]\n"
	"	stp x8, x9, [x0, 64]\n"
	"	stp x10, x11, [x0, 80]\n"
	"	stp x12, x13, [x0, 96]\n"
	"	stp x14, x15, [x0, 112]\n"
	"	stp x16, x17, [x0, 128]\n"
	"	stp x18, x19, [x0, 144]\n"
	"	stp x20, x21, [x0, 160]\n"
	"	stp x22, x23, [x0, 176]\n"
	"	stp x24, x25, [x0, 192]\n"
	"	stp x26, x27, [x0, 208]\n"
	"	stp x28, x29, [x0, 224]\n"
	"	mov x1, sp\n"
	"	stp x30, x1, [x0, 240]\n"
	/* A sample in this very function: its return address is in x30 only. */
	"	adr x1, 1f\n"
	"1:	str x1, [x0, 256]\n"
	"	ret\n"
	"	.cfi_endproc\n"
	".size take_registers, . - take_registers\n");

/* Calls x0 with a frame record in the middle of its frame; no CFI. */
void without_cfi(void (*then)(void));
__asm__(".text\n"
	".type without_cfi, %function\n"
	"without_cfi:\n"
	"	paciasp\n"
	"	sub sp, sp, 64\n"
	"	stp x29, x30, [sp, 32]\n"
	"	add x29, sp, 32\n"
	"	blr x0\n"
	"	ldp x29, x30, [sp, 32]\n"
	"	add sp, sp, 64\n"
	"	autiasp\n"
	"	ret\n"
	".size without_cfi, . - without_cfi\n");

static void note(const void *ra)
{
	shot.chain[shot.n_chain++] = (uint64_t)ra & ((1ull << 48) - 1);
}

#define NOTE() note(__builtin_extract_return_addr(__builtin_return_address(0)))

static void add_mapping(const char *line)
{
	struct snapshot_map *m = &shot.maps[shot.n_maps];
	unsigned long long start, end, off, ino;
	char perms[8], file[256] = "";

	if (shot.n_maps == SNAPSHOT_MAPS ||
	    sscanf(line, "%llx-%llx %7s %llx %*s %llu %255s", &start, &end, perms, &off, &ino, file) < 5)
		return;
	if ((uint64_t)(uintptr_t)&start >= start && (uint64_t)(uintptr_t)&start < end)
		shot.stack_end = end;
	if (perms[2] != 'x')
		return;
	m->start = start;
	m->end = end;
	m->off = off;
	memcpy(m->path, file, sizeof(m->path));
	shot.n_maps++;
}

static void read_maps(void)
{
	char line[1024];
	FILE *f = fopen("/proc/self/maps", "re");

	while (f && fgets(line, sizeof(line), f))
		add_mapping(line);
	if (f)
		fclose(f);
}

NOINLINE static void store(void)
{
	FILE *f = fopen(path, "wbe");

	if (!f || fwrite(&shot, sizeof(shot), 1, f) != 1 || fclose(f)) {
		perror(path);
		exit(1);
	}
}

NOINLINE static void level_last(void)
{
	uint64_t size;

	NOTE();
	read_maps();
	take_registers(shot.regs);
	size = shot.stack_end - shot.regs[31];
	shot.stack_size = size < SNAPSHOT_STACK ? size : SNAPSHOT_STACK;
	memcpy(shot.stack, (const void *)shot.regs[31],
	       shot.stack_size); /* NOLINT(performance-no-int-to-ptr) */
	store();
}

NOINLINE static int by_qsort(const void *a, const void *b)
{
	if (!shot.stack_size) {
		NOTE();
		level_last();
	}
	return *(const int *)a - *(const int *)b;
}

NOINLINE static void level_callback(void)
{
	int v[] = {3, 1, 2};

	NOTE();
	qsort(v, 3, sizeof(v[0]), by_qsort);
	sink = v[0];
}

WITH_RECORD static void level_no_cfi(void)
{
	NOTE();
	without_cfi(level_callback);
	sink = 1;
}

NOINLINE static void level_large(void)
{
	volatile char large[70000];

	NOTE();
	large[sink & 1023] = 1;
	level_no_cfi();
	sink = large[7];
}

NOINLINE static int level_alloca(int n)
{
	char *p = alloca((size_t)n);

	NOTE();
	memset(p, n, (size_t)n);
	level_large();
	return p[n / 2];
}

/* Everything that calls preserve is in use across this one's. */
NOINLINE static int level_registers(const int *v)
{
	int a = v[0], b = v[1], c = v[2], d = v[3], e = v[4], f = v[5], g = v[6], h = v[7], i = v[8],
	    j = v[9];

	NOTE();
	a += level_alloca(500 + sink);
	return a + b * c - d * e + f * g - h * i + j;
}

NOINLINE static int level_recursive(int n, const int *v)
{
	NOTE();
	return n ? level_recursive(n - 1, v) + v[n] : level_registers(v);
}

int main(int argc, char **argv)
{
	int v[10] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};

	if (argc != 2)
		return 2;
	path = argv[1];
	v[0] = argc;
	sink = level_recursive(5, v);
	return 0;
}

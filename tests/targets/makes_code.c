/* SPDX-License-Identifier: Apache-2.0 */
/*
 * makes_code - run code made at run time, and tell profilers about it.
 *
 *   makes_code none|map|foreign|link|dump MILLISECONDS
 *
 * The code of one loop is copied to fresh pages and run there: "first" for
 * MILLISECONDS of CPU time, then "second" for twice that. With map a perf map
 * is written as CPython does, a line when code is made, flushed at once; with
 * foreign it is then given to user nobody (as root), with link the name is a
 * symbolic link to it. With dump a jitdump in the current directory has the
 * two at the very same address one after the other, "second" with lines, then
 * moved elsewhere. Prints the map's or dump's path.
 */
#include <elf.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define CODE_SIZE 64

typedef void (*code_fn)(long);

__attribute__((noinline, aligned(64))) static void loop(long n)
{
	while (n--)
		__asm__ volatile("");
}

static uint64_t clock_ns(clockid_t c)
{
	struct timespec t;

	clock_gettime(c, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static code_fn make(void *at)
{
	void *p = mmap(at, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | (at ? MAP_FIXED : 0),
		       -1, 0);
	code_fn fn;

	if (p == MAP_FAILED)
		exit(1);
	memcpy(p, (const void *)loop, CODE_SIZE);
	mprotect(p, 4096, PROT_READ | PROT_EXEC);
	__builtin___clear_cache(p, (char *)p + CODE_SIZE);
	memcpy(&fn, &p, sizeof(fn));
	return fn;
}

static void run(code_fn fn, uint64_t ms)
{
	uint64_t end = clock_ns(CLOCK_PROCESS_CPUTIME_ID) + ms * 1000000u;

	while (clock_ns(CLOCK_PROCESS_CPUTIME_ID) < end)
		fn(100000);
}

/* ---- jitdump ---- */

static void put(FILE *f, const void *p, size_t n)
{
	fwrite(p, 1, n, f);
}

static void put_u32(FILE *f, uint32_t v)
{
	put(f, &v, sizeof(v));
}

static void put_u64(FILE *f, uint64_t v)
{
	put(f, &v, sizeof(v));
}

static void head(FILE *f, uint32_t id, size_t size)
{
	put_u32(f, id);
	put_u32(f, (uint32_t)size + 16);
	put_u64(f, clock_ns(CLOCK_MONOTONIC));
}

static void dump_load(FILE *f, code_fn fn, const char *name, uint64_t index)
{
	uint64_t addr = (uint64_t)(uintptr_t)fn;

	head(f, 0, 40 + strlen(name) + 1 + CODE_SIZE);
	put_u32(f, (uint32_t)getpid());
	put_u32(f, (uint32_t)getpid());
	put_u64(f, addr);
	put_u64(f, addr);
	put_u64(f, CODE_SIZE);
	put_u64(f, index);
	put(f, name, strlen(name) + 1);
	put(f, (const void *)loop, CODE_SIZE);
	fflush(f);
}

static void dump_lines(FILE *f, code_fn fn, const char *file, uint32_t line)
{
	uint64_t addr = (uint64_t)(uintptr_t)fn;

	head(f, 2, 16 + 16 + strlen(file) + 1 + 16 + 2);
	put_u64(f, addr);
	put_u64(f, 2);
	put_u64(f, addr);
	put_u32(f, line);
	put_u32(f, 0);
	put(f, file, strlen(file) + 1);
	put_u64(f, addr + CODE_SIZE); /* no instruction of the loop */
	put_u32(f, line + 1);
	put_u32(f, 0);
	put(f, "\xff", 2); /* the same file */
}

static void dump_move(FILE *f, code_fn from, code_fn to, uint64_t index)
{
	head(f, 1, 48);
	put_u32(f, (uint32_t)getpid());
	put_u32(f, (uint32_t)getpid());
	put_u64(f, (uint64_t)(uintptr_t)to);
	put_u64(f, (uint64_t)(uintptr_t)from);
	put_u64(f, (uint64_t)(uintptr_t)to);
	put_u64(f, CODE_SIZE);
	put_u64(f, index);
	fflush(f);
}

static FILE *dump_begin(void)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "./jit-%d.dump", (int)getpid());
	f = fopen(path, "w+");
	if (!f)
		exit(1);
	puts(path);
	put_u32(f, 0x4a695444);
	put_u32(f, 1);
	put_u32(f, 40);
	put_u32(f, sizeof(void *) == 8 ? EM_X86_64 : EM_386);
	put_u32(f, 0);
	put_u32(f, (uint32_t)getpid());
	put_u64(f, clock_ns(CLOCK_MONOTONIC));
	put_u64(f, 0);
	fflush(f);
	mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fileno(f), 0);
	return f;
}

static void with_dump(uint64_t ms)
{
	FILE *f = dump_begin();
	code_fn fn = make(NULL), moved;

	dump_load(f, fn, "first", 1);
	run(fn, ms);
	head(f, 4, 32); /* unwinding information, of no use to anybody */
	put(f, "0123456789abcdef0123456789abcdef", 32);
	fn = make((void *)(uintptr_t)fn);
	dump_lines(f, fn, "/src/second.lang", 42);
	dump_load(f, fn, "second", 2);
	run(fn, ms);
	moved = make(NULL);
	dump_move(f, fn, moved, 2);
	run(moved, ms);
	head(f, 3, 0);
	fclose(f);
}

/* ---- perf map ---- */

static void with_map(uint64_t ms, int foreign, int link)
{
	char path[64], other[80];
	code_fn fn = make(NULL), second;
	FILE *f;

	snprintf(path, sizeof(path), "/tmp/perf-%d.map", (int)getpid());
	snprintf(other, sizeof(other), "%s.elsewhere", path);
	f = fopen(link ? other : path, "w");
	if (!f || (link && symlink(other, path)) || (foreign && fchown(fileno(f), 65534, 65534)))
		exit(1);
	puts(path);
	fflush(stdout);
	fprintf(f, "%lx %x py::first:/src/app.py\n", (unsigned long)(uintptr_t)fn, CODE_SIZE);
	fflush(f);
	run(fn, ms);
	second = make(NULL);
	fprintf(f, "%lx %x py::second:/src/app.py\n", (unsigned long)(uintptr_t)second, CODE_SIZE);
	fflush(f);
	run(second, 2 * ms);
	fprintf(f, "deadbeef 10 half a li");
	fclose(f);
}

int main(int argc, char **argv)
{
	uint64_t ms = argc > 2 ? strtoul(argv[2], NULL, 10) : 300;
	const char *mode = argc > 1 ? argv[1] : "map";

	if (!strcmp(mode, "dump"))
		with_dump(ms);
	else if (!strcmp(mode, "none"))
		run(make(NULL), ms);
	else
		with_map(ms, !strcmp(mode, "foreign"), !strcmp(mode, "link"));
	return 0;
}

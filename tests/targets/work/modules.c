/* SPDX-License-Identifier: Apache-2.0 */
/*
 * modules.c - code that comes, goes and lies in odd places. Each mode spends its
 * CPU time in one function of a known name.
 *
 *   modules SECONDS dlopen LIB FUNCTION [LIB FUNCTION]...   one after another, each closed before the next
 *   modules SECONDS deleted | replaced FILE                 its own file is gone, or another one
 *   modules SECONDS memfd LIB FUNCTION                      a library from a memfd
 *   modules SECONDS anon                                    copied into anonymous memory
 *   modules SECONDS split                                   its page's protection changed, and with it the
 * mapping modules SECONDS exec PROGRAM ARG...                     time in itself, then in another program
 *   modules SECONDS vfork                                   in a vfork child
 *   modules SECONDS spin                                    nothing odd
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

typedef unsigned burn_fn(unsigned);

static double seconds;
static volatile unsigned sink;

/* Alone on its pages: the page of a caller may change its protection and stay executable. */
__attribute__((noinline, aligned(4096))) unsigned burn_here(unsigned n)
{
	volatile unsigned v = n;

	while (n--)
		v = v * 3 + n;
	return v;
}

__attribute__((noinline, aligned(4096))) static void burn(burn_fn *f)
{
	clock_t end = clock() + (clock_t)(seconds * CLOCKS_PER_SEC);

	while (clock() < end)
		sink += f(200000);
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void open_and_burn(const char *path, const char *function)
{
	void *lib = dlopen(path, RTLD_NOW);
	burn_fn *f = lib ? (burn_fn *)(uintptr_t)dlsym(lib, function) : NULL;

	if (!f) {
		fprintf(stderr, "modules: %s\n", dlerror());
		exit(1);
	}
	printf("%s %p\n", function, (void *)(uintptr_t)f);
	burn(f);
	dlclose(lib);
}

static void from_memfd(const char *path, const char *function)
{
	int from = open(path, O_RDONLY), fd = memfd_create("library", 0);
	static char buf[65536]; /* on the stack it would be more than a stack copy holds */
	char name[64];
	ssize_t n;

	if (from < 0 || fd < 0)
		die(path);
	while ((n = read(from, buf, sizeof(buf))) > 0)
		if (write(fd, buf, (size_t)n) != n)
			die("memfd");
	close(from);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	open_and_burn(name, function);
}

static void from_anonymous(void)
{
	/* push %rbp; mov %rsp,%rbp; 1: dec %edi; jne 1b; pop %rbp; ret: as generated code has frame pointers
	 */
	static const unsigned char code[] = {0x55, 0x48, 0x89, 0xe5, 0xff, 0xcf, 0x75, 0xfc, 0x5d, 0xc3};
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		die("mmap");
	memcpy(p, code, sizeof(code));
	burn((burn_fn *)(uintptr_t)p);
}

static void split(void)
{
	if (mprotect((void *)((uintptr_t)burn_here & ~4095ul), 4096, PROT_READ | PROT_WRITE | PROT_EXEC) ||
	    mprotect((void *)((uintptr_t)burn_here & ~4095ul), 4096, PROT_READ | PROT_EXEC))
		die("mprotect");
	burn(burn_here);
}

static void in_vfork_child(void)
{
	int left = (int)(seconds / 0.02) + 1, status;
	pid_t pid;

	while (left--) {
		pid = vfork();
		if (!pid) {
			burn_here(20000000);
			_exit(0);
		}
		waitpid(pid, &status, 0);
	}
}

int main(int argc, char **argv)
{
	char self[4096] = "";
	int i;

	if (argc < 3)
		return 2;
	seconds = atof(argv[1]);
	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		die("/proc/self/exe");
	if (!strcmp(argv[2], "dlopen")) {
		for (i = 3; i + 1 < argc; i += 2)
			open_and_burn(argv[i], argv[i + 1]);
	} else if (!strcmp(argv[2], "deleted")) {
		unlink(self);
		burn(burn_here);
	} else if (!strcmp(argv[2], "replaced") && argc > 3) {
		if (rename(argv[3], self))
			die(argv[3]);
		burn(burn_here);
	} else if (!strcmp(argv[2], "memfd") && argc > 4) {
		from_memfd(argv[3], argv[4]);
	} else if (!strcmp(argv[2], "anon")) {
		from_anonymous();
	} else if (!strcmp(argv[2], "split")) {
		split();
	} else if (!strcmp(argv[2], "exec") && argc > 3) {
		burn(burn_here);
		execv(argv[3], argv + 3);
		die(argv[3]);
	} else if (!strcmp(argv[2], "vfork")) {
		in_vfork_child();
	} else {
		burn(burn_here);
	}
	return 0;
}

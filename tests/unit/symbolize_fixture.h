/* SPDX-License-Identifier: Apache-2.0 */
/*
 * symbolize_fixture.h - a small program with inlined calls and assembly, and what symbolizing makes of it.
 */
#ifndef TESTS_SYMBOLIZE_FIXTURE_H
#define TESTS_SYMBOLIZE_FIXTURE_H

#include "tests/unit/elf_fixture.h"

static const char program[] = "static inline __attribute__((always_inline)) int twice(int x)\n"
			      "{\n"
			      "	return x * 2 + (x >> 2);\n"
			      "}\n"
			      "__attribute__((noinline)) int work(int x)\n"
			      "{\n"
			      "	return twice(x) ^ 5;\n"
			      "}\n"
			      "int by_hand(int);\n"
			      "int main(int argc, char **argv)\n"
			      "{\n"
			      "	(void)argv;\n"
			      "	return work(argc) + by_hand(argc);\n"
			      "}\n";

static const char assembly[] = "	.text\n"
			       "	.globl by_hand\n"
			       "	.type by_hand, @function\n"
			       "by_hand:\n"
			       "	nop\n"
			       "	nop\n"
			       "	ret\n"
			       "	.size by_hand, . - by_hand\n"
			       "	.globl no_size\n"
			       "no_size:\n"
			       "	nop\n"
			       "	ret\n"
			       "	.section .note.GNU-stack,\"\",@progbits\n";

static char dir[64], full[96], stripped[96];
static uint64_t work_addr, by_hand_addr, no_size_addr;

/* A profile with one module and what became of it. */
struct run {
	struct profile p;
	struct names n;
	struct symbolize_report report;
	uint32_t module;
};

static inline void run_init(struct run *r, const char *path)
{
	memset(r, 0, sizeof(*r));
	assert_int_equal(profile_init(&r->p), 0);
	assert_int_equal(names_init(&r->n), 0);
	r->module = path ? fixture_module(&r->p, path) : PROFILE_NONE;
}

static inline void run_release(struct run *r)
{
	names_release(&r->n);
	fixture_close(&r->p);
}

static inline void run(struct run *r, const struct symbolize_options *opt)
{
	static const struct symbolize_options inlines = {.inlines = true};

	assert_int_equal(symbolize(&r->p, &r->n, opt ? opt : &inlines, &r->report), 0);
}

static inline int status_of(const struct run *r, uint32_t loc)
{
	return fixture_names(&r->n, loc)->status;
}

static inline int set_up(void **state)
{
	char path[96];

	(void)state;
	if (program_directory(dir, "/tmp/ddprof-sym-XXXXXX", program))
		return -1;
	snprintf(path, sizeof(path), "%s/hand.s", dir);
	if (write_text(path, assembly))
		return -1;
	snprintf(full, sizeof(full), "%s/full", dir);
	snprintf(stripped, sizeof(stripped), "%s/stripped", dir);
	if (sh("cd %s && cc -O2 -g -fcf-protection=none -o full prog.c hand.s && strip -o stripped full",
	       dir))
		return -1;
	work_addr = symbol_address(full, "work");
	by_hand_addr = symbol_address(full, "by_hand");
	no_size_addr = symbol_address(full, "no_size");
	return 0;
}

static inline int tear_down(void **state)
{
	(void)state;
	return sh("rm -rf %s", dir);
}

#endif

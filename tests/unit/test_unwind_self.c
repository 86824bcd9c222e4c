/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_unwind_self.c - this program's own stacks, against the C library's unwinder.
 *
 * A second file beside test_unwind.c because it needs a real address space:
 * the program's files, glibc's thread start and signal trampoline, the vdso.
 */
#include "collect/regs.h"
#include "collect/unwind.h"

#include <execinfo.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include <cmocka.h>

#define MAX_FRAMES 256
#define COPY       65536

static struct {
	struct profile profile;
	struct modules *modules;
	struct unwinder *unwinder;
	struct maps *maps;
} self;

struct captured {
	uint64_t regs[REGS_MAX];
	uint8_t stack[COPY];
	uint64_t size;
	void *reference[MAX_FRAMES]; /* by backtrace(3), capture() first */
	int n_reference;
	struct unwind_frame frames[MAX_FRAMES];
	uint32_t n;
	enum unwind_end end;
};

static struct captured now;

static void take_line(const char *line)
{
	struct module_ident id = {0};
	struct mapping m = {0};
	char perms[8], path[512] = "//anon";
	unsigned long start, end, off, ino;

	if (sscanf(line, "%lx-%lx %7s %lx %x:%x %lu %511s", &start, &end, perms, &off, &id.maj, &id.min, &ino,
		   path) < 7)
		return;
	if (perms[2] != 'x')
		return;
	id.ino = ino;
	m = (struct mapping){start, end, off, NULL, 0};
	m.module = modules_get(self.modules, getpid(), path, &id, start, end);
	assert_non_null(m.module);
	if (m.module->info->kind == MODULE_ANON)
		m.pgoff = start;
	else if (m.module->info->kind == MODULE_VDSO)
		m.pgoff = 0;
	assert_int_equal(maps_insert(&self.maps, &m), 0);
}

static int set_up(void **state)
{
	char line[1024];
	FILE *f = fopen("/proc/self/maps", "re");

	(void)state;
	assert_non_null(f);
	assert_int_equal(profile_init(&self.profile), 0);
	assert_int_equal(modules_new(&self.modules, &self.profile, 256), 0);
	assert_int_equal(unwinder_new(&self.unwinder, self.modules), 0);
	self.maps = maps_new();
	while (fgets(line, sizeof(line), f))
		take_line(line);
	fclose(f);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	maps_unref(self.maps);
	unwinder_free(self.unwinder);
	modules_free(self.modules);
	profile_release(&self.profile);
	return 0;
}

/* The end of the memory that @addr is in. */
static uint64_t end_of(uint64_t addr)
{
	unsigned long start, end, found = 0;
	char line[1024];
	FILE *f = fopen("/proc/self/maps", "re");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%lx-%lx", &start, &end) == 2 && addr >= start && addr < end)
			found = end;
	if (f)
		fclose(f);
	return found;
}

/* Byte by byte and unchecked: what lies between variables is of interest here. */
__attribute__((no_sanitize_address)) static void copy_stack(struct captured *c, uint64_t sp, uint64_t size)
{
	const volatile uint8_t *from = (const uint8_t *)sp;
	uint64_t i;

	c->size = size < COPY ? size : COPY;
	for (i = 0; i < c->size; i++)
		c->stack[i] = from[i];
}

static void take_registers(struct captured *c, const ucontext_t *uc)
{
#if defined(__x86_64__)
	static const int order[] = {REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI,
				    REG_RBP, REG_RSP, REG_R8,  REG_R9,  REG_R10, REG_R11,
				    REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP};
	unsigned i;

	for (i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		c->regs[i] = (uint64_t)uc->uc_mcontext.gregs[order[i]];
#elif defined(__aarch64__)
	memcpy(c->regs, uc->uc_mcontext.regs, 31 * 8);
	c->regs[31] = uc->uc_mcontext.sp;
	c->regs[32] = uc->uc_mcontext.pc;
#else
#error "which registers?"
#endif
}

static void unwind(struct captured *c)
{
	struct unwind_sample s = {.regs = c->regs, .stack = c->stack, .stack_size = c->size};
	struct unwind_result got;

	unwind_walk(self.unwinder, self.maps, &s, c->frames, MAX_FRAMES, &got);
	c->n = got.n;
	c->end = got.end;
}

/* Walk the stack of whoever calls, both ways. */
__attribute__((noinline)) static void capture(void)
{
	ucontext_t uc;
	uint64_t sp;

	now.n_reference = backtrace(now.reference, MAX_FRAMES);
	getcontext(&uc);
	take_registers(&now, &uc);
	sp = now.regs[regs_arch.sp];
	copy_stack(&now, sp, end_of(sp) - sp);
	unwind(&now);
}

/*
 * Equal frame by frame, from the outermost to the caller of capture(), which is
 * itself at two different places. Sanitizers put a frame above backtrace(3).
 */
static void assert_as_reference(void)
{
	uint64_t pc, ref;
	uint32_t i;

	assert_true(unwind_end_complete(now.end));
	assert_in_range(now.n, 3, MAX_FRAMES);
	assert_in_range(now.n_reference, now.n, now.n + 1);
	for (i = 1; i < now.n; i++) {
		pc = now.frames[i].pc;
		ref = (uint64_t)now.reference[i + (uint32_t)now.n_reference - now.n];
		assert_true(pc == ref - 1 || pc == ref);
	}
}

__attribute__((noinline)) static int recurse(int depth, void (*then)(void))
{
	volatile char local[100];

	local[0] = (char)depth;
	if (depth)
		return recurse(depth - 1, then) + local[0];
	then();
	return 0;
}

static void the_main_thread_is_walked_to_its_end(void **state)
{
	(void)state;
	recurse(20, capture);
	assert_as_reference();
	assert_in_range(now.n, 24, MAX_FRAMES);
}

static void *thread(void *arg)
{
	(void)arg;
	recurse(3, capture);
	return NULL;
}

static void a_thread_is_walked_to_where_it_was_cloned(void **state)
{
	pthread_t t;

	(void)state;
	assert_int_equal(pthread_create(&t, NULL, thread, NULL), 0);
	pthread_join(t, NULL);
	assert_as_reference();
}

static void by_signal(int sig)
{
	(void)sig;
	capture();
}

static void raise_it(void)
{
	raise(SIGUSR1);
}

static void a_signal_handler_is_walked_through_to_what_it_interrupted(void **state)
{
	struct sigaction sa = {.sa_handler = by_signal};

	(void)state;
	/* An emulator's, which has no CFI, where real kernels have one in the vdso. */
	if (regs_arch.lr >= 0 && !getauxval(AT_SYSINFO_EHDR))
		skip();
	assert_int_equal(sigaction(SIGUSR1, &sa, NULL), 0);
	recurse(4, raise_it);
	assert_as_reference();
	signal(SIGUSR1, SIG_DFL);
}

static int by_qsort(const void *a, const void *b)
{
	static bool done;

	if (!done)
		capture();
	done = true;
	return *(const int *)a - *(const int *)b;
}

static void callbacks_from_the_c_library_are_walked_through(void **state)
{
	int v[] = {3, 1, 2};

	(void)state;
	qsort(v, 3, sizeof(v[0]), by_qsort);
	assert_as_reference();
}

/* What the kernel would have sampled: the registers at a fault, in the middle of anything. */
static void by_fault(int sig, siginfo_t *info, void *context)
{
	uint64_t sp;

	(void)sig;
	take_registers(&now, context);
	sp = now.regs[regs_arch.sp];
	copy_stack(&now, sp, end_of(sp) - sp);
	unwind(&now);
	mprotect((void *)((uintptr_t)info->si_addr & ~(uintptr_t)4095), 4096, PROT_READ | PROT_WRITE);
}

static void an_interrupted_leaf_function_is_walked_from_where_it_stands(void **state)
{
	struct sigaction sa = {.sa_sigaction = by_fault, .sa_flags = SA_SIGINFO}, old;
	char *page = mmap(NULL, 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_ptr_not_equal(page, MAP_FAILED);
	assert_int_equal(sigaction(SIGSEGV, &sa, &old), 0);
	((volatile char *)page)[100] = 1;
	sigaction(SIGSEGV, &old, NULL);
	assert_true(unwind_end_complete(now.end));
	assert_in_range(now.n, 4, MAX_FRAMES);
	munmap(page, 8192);
}

static void a_short_copy_of_a_real_stack_gives_the_same_first_frames(void **state)
{
	struct unwind_frame whole[MAX_FRAMES];
	uint32_t n;

	(void)state;
	recurse(20, capture);
	memcpy(whole, now.frames, sizeof(whole));
	n = now.n;
	now.size = 2048;
	unwind(&now);
	assert_int_equal(now.end, UNWIND_END_STACK);
	assert_in_range(now.n, 2, n - 1);
	assert_memory_equal(now.frames, whole, now.n * sizeof(whole[0]));
}

#if defined(__x86_64__)
/* No CFI here. V8's builtins look so: nothing in endless leads to a return, and begin goes by its record. */
__asm__(".text\n"
	".balign 16\n"
	"begin: push %rbp\n mov %rsp, %rbp\n sub $32, %rsp\n call endless\n"
	"begin_return: mov %rbp, %rsp\n pop %rbp\n ret\n"
	".balign 16\n"
	"endless: push %rbp\n mov %rsp, %rbp\n sub $16, %rsp\n"
	"endless_at: jmp endless_at\n"
	"outer: call *%rax\n"
	"outer_return: mov $60, %eax\n syscall\n hlt\n");

extern const char begin_return[], endless_at[], outer_return[];

static void what_never_returns_gives_back_the_frame_pointer_it_saved(void **state)
{
	enum { FP = 6 };
	const uint64_t at = 0x70000000;
	uint64_t stack[32] = {0};

	(void)state;
	memset(&now, 0, sizeof(now));
	stack[2] = at + 8 * 16; /* endless's record; its locals are below */
	stack[3] = (uint64_t)begin_return;
	stack[16] = 0x1234; /* begin's, out of reach but by the frame pointer */
	stack[17] = (uint64_t)outer_return;
	memcpy(now.stack, stack, sizeof(stack));
	now.size = sizeof(stack);
	now.regs[regs_arch.sp] = at;
	now.regs[regs_arch.pc] = (uint64_t)endless_at;
	now.regs[FP] = at + 8 * 2;
	unwind(&now);
	assert_int_equal(now.n, 3);
	assert_int_equal(now.frames[1].pc, (uint64_t)begin_return - 1);
	assert_int_equal(now.frames[2].pc, (uint64_t)outer_return - 1);
	assert_int_equal(now.end, UNWIND_COMPLETE_RULE);

	/* One that it inherited is no record of its own: what it restored is not known. */
	now.regs[FP] = at + 8 * 16;
	unwind(&now);
	assert_int_equal(now.n, 2);
	assert_int_equal(now.end, UNWIND_END_NO_CFI);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_main_thread_is_walked_to_its_end),
		cmocka_unit_test(a_thread_is_walked_to_where_it_was_cloned),
		cmocka_unit_test(a_signal_handler_is_walked_through_to_what_it_interrupted),
		cmocka_unit_test(callbacks_from_the_c_library_are_walked_through),
		cmocka_unit_test(an_interrupted_leaf_function_is_walked_from_where_it_stands),
#if defined(__x86_64__)
		cmocka_unit_test(what_never_returns_gives_back_the_frame_pointer_it_saved),
#endif
		cmocka_unit_test(a_short_copy_of_a_real_stack_gives_the_same_first_frames),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

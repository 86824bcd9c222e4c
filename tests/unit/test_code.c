/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_code.c - rows from instructions alone: small functions without CFI in this
 * very program, each with one property. code_cfi.c has the truth over real libraries.
 */
#include "collect/code.h"

#include <link.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#if defined(__x86_64__)
#include "collect/insn_x86_64.h"

enum { RBX = 3, RBP = 6, RSP = 7, R12 = 12, RA = 16 };

/* File-scope assembly has no CFI. Names ending in _at are where it is asked. */
__asm__(".text\n"
	".balign 16\n"
	"plain: push %rbx\n"
	"plain_in_prologue: sub $32, %rsp\n"
	"plain_at: mov %rdi, %rbx\n test %rbx, %rbx\n je 1f\n call helper\n"
	"plain_return: mov %rax, 8(%rsp)\n"
	"1: add $32, %rsp\n pop %rbx\n"
	"plain_popped: ret\n"
	".balign 16\n"
	"framed: push %rbp\n mov %rsp, %rbp\n push %r12\n and $-64, %rsp\n sub $256, %rsp\n"
	"framed_at: mov %rsp, %rdi\n call helper\n"
	"mov -8(%rbp), %r12\n leave\n ret\n"
	".balign 16\n"
	"helper: ret\n"
	"carefree: sub $16, %rsp\n call helper\n"
	"carefree_return: add $16, %rsp\n ret\n"
	".balign 16\n"
	"starter: push %r13\n push %r12\n push %rbx\n push %rbp\n sub $8, %rsp\n call *%rbx\n"
	"starter_return: mov %eax, %edi\n call helper\n"
	".balign 16\n"
	"next: push %r13\n push %r12\n push %rbp\n call helper\n pop %rbp\n pop %r12\n pop %r13\n ret\n"
	".balign 16\n"
	"thread: pop %rdi\n call *%r9\n"
	"thread_return: mov %eax, %edi\n xor %eax, %eax\n mov $60, %al\n syscall\n hlt\n"
	"forever: jmp forever\n"
	"torn: test %edi, %edi\n je 2f\n pop %rcx\n pop %rcx\n ret\n 2: ret\n"
	"tail: jmp *%rdx\n"
	"table: movslq (%rdx,%rax,4), %rax\n add %rdx, %rax\n jmp *%rax\n"
	"moved: pop %rcx\n add $16, %rsp\n push %rcx\n ret\n"
	"made: push $1\n ret\n"
	"trampoline: mov $15, %rax\n syscall\n"
	"stub: jmp *0(%rip)\n"
	"unknown: .byte 0x06, 0xc3\n");

extern const char plain[], plain_in_prologue[], plain_at[], plain_return[], plain_popped[], framed_at[],
	starter_return[], thread_return[], forever[], torn[], tail[], table[], moved[], made[], trampoline[],
	stub[], unknown[], helper[], carefree_return[];

static struct {
	struct profile profile;
	struct modules *ms;
	struct module *m;
	uint64_t base;
} self;

static int first_object(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	*(uint64_t *)arg = info->dlpi_addr;
	return 1;
}

static int set_up(void **state)
{
	char path[4096] = "";

	(void)state;
	assert_true(readlink("/proc/self/exe", path, sizeof(path) - 1) > 0);
	assert_int_equal(profile_init(&self.profile), 0);
	assert_int_equal(modules_new(&self.ms, &self.profile, 16), 0);
	self.m = modules_get(self.ms, getpid(), path, NULL, 0, 0);
	assert_non_null(self.m);
	assert_int_equal(self.m->info->reason, MODULE_OK);
	dl_iterate_phdr(first_object, &self.base);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	modules_free(self.ms);
	profile_release(&self.profile);
	return 0;
}

static uint64_t vaddr(const char *at)
{
	return (uint64_t)(uintptr_t)at - self.base;
}

static enum code_verdict ask(const char *at, bool exact, struct cfi_row *row)
{
	return code_row_at(self.ms, self.m, vaddr(at), exact, row);
}

static void expect_row(const char *at, bool exact, unsigned cfa_reg, int64_t cfa_off, struct cfi_row *row)
{
	assert_int_equal(ask(at, exact, row), CODE_ROW);
	assert_int_equal(row->cfa_reg, cfa_reg);
	assert_int_equal(row->cfa_off, cfa_off);
	assert_int_equal(row->regs[RA].kind, CFI_OFFSET);
}

static void expect_saved(const struct cfi_row *row, unsigned reg, int64_t off)
{
	assert_int_equal(row->regs[reg].kind, CFI_OFFSET);
	assert_int_equal(row->regs[reg].u.off, off);
}

static void the_way_to_the_return_tells_the_row(void **state)
{
	struct cfi_row row;

	(void)state;
	expect_row(plain, true, RSP, 8, &row);
	assert_int_equal(row.regs[RBX].kind, CFI_SAME);
	expect_row(plain_in_prologue, true, RSP, 16, &row);
	expect_saved(&row, RBX, -16);
	expect_row(plain_at, true, RSP, 48, &row);
	expect_saved(&row, RBX, -16);
	assert_int_equal(row.regs[RBP].kind, CFI_SAME);
	expect_row(plain_return, false, RSP, 48, &row);
	expect_row(plain_popped, true, RSP, 8, &row);
	assert_int_equal(row.regs[RBX].kind, CFI_SAME);
}

static void a_frame_pointer_survives_an_aligned_stack(void **state)
{
	struct cfi_row row;

	(void)state;
	expect_row(framed_at, true, RBP, 16, &row);
	expect_saved(&row, RBP, -16);
	expect_saved(&row, R12, -24);
}

static void falling_through_into_another_function_is_no_way_to_return(void **state)
{
	struct cfi_row row;

	(void)state;
	assert_int_equal(ask(starter_return, false, &row), CODE_NORETURN);
	assert_int_equal(ask(forever, true, &row), CODE_NORETURN);
}

static void a_stack_that_was_not_aligned_for_a_call_makes_a_doubtful_row(void **state)
{
	struct cfi_row row;

	(void)state;
	assert_int_equal(ask(carefree_return, false, &row), CODE_DOUBTFUL);
	assert_int_equal(row.cfa_reg, RSP);
	assert_int_equal(row.cfa_off, 24);
}

static void an_exit_system_call_ends_a_thread(void **state)
{
	struct cfi_row row;

	(void)state;
	assert_int_equal(ask(thread_return, false, &row), CODE_EXITS);
}

static void what_contradicts_itself_or_cannot_be_followed_makes_no_row(void **state)
{
	struct cfi_row row;

	(void)state;
	assert_int_equal(ask(torn, true, &row), CODE_UNKNOWN);
	assert_int_equal(ask(table, true, &row), CODE_UNKNOWN);
	assert_int_equal(ask(made, true, &row), CODE_UNKNOWN);
	assert_int_equal(ask(unknown, true, &row), CODE_UNKNOWN);
	assert_int_equal(code_row_at(self.ms, self.m, UINT64_MAX - 3, true, &row), CODE_UNKNOWN);
}

static void jumps_in_the_place_of_a_return_are_returns(void **state)
{
	struct cfi_row row;

	(void)state;
	expect_row(tail, true, RSP, 8, &row);
	expect_row(stub, true, RSP, 8, &row);
}

static void a_return_address_that_was_moved_is_found_where_it_was(void **state)
{
	struct cfi_row row;

	(void)state;
	expect_row(moved, true, RSP, 24, &row);
	assert_int_equal(row.regs[RA].u.off, -24);
}

static void a_signal_trampoline_brings_all_registers_back(void **state)
{
	struct cfi_row row;

	(void)state;
	assert_true(code_signal_row(self.ms, self.m, vaddr(trampoline), &row));
	assert_true(row.signal);
	assert_int_equal(row.regs[RSP].u.off, 160); /* uc_mcontext.gregs[REG_RSP] */
	assert_int_equal(row.regs[RA].u.off, 168);
	assert_false(code_signal_row(self.ms, self.m, vaddr(plain_at), &row));
}

static void calls_are_told_from_what_only_looks_like_return_addresses(void **state)
{
	uint64_t target = 1;

	(void)state;
	assert_true(code_follows_call(self.ms, self.m, vaddr(plain_return), &target));
	assert_int_equal(target, vaddr(helper));
	assert_true(code_follows_call(self.ms, self.m, vaddr(thread_return), &target));
	assert_int_equal(target, 0);
	assert_false(code_follows_call(self.ms, self.m, vaddr(plain_at), NULL));
	assert_false(code_follows_call(self.ms, self.m, 3, NULL));
}

static void instructions_have_the_length_that_the_assembler_gave_them(void **state)
{
	static const struct {
		uint8_t len;
		const char *bytes;
	} t[] = {
		{1, "\xc3"},                                      /* ret */
		{7, "\x48\x8d\x05\x93\xff\xff\xff"},              /* lea -0x6d(%rip),%rax */
		{10, "\x49\xb8\xff\xfe\xfe\xfe\xfe\xfe\xfe\xfe"}, /* movabs */
		{9, "\x66\x0f\x1f\x84\x00\x00\x02\x00\x00"},      /* nopw */
		{9, "\x64\x48\x8b\x04\x25\xf8\xff\xff\xff"},      /* mov %fs:-8,%rax */
		{5, "\xc4\xe2\x79\x18\x07"},                      /* vbroadcastss (%rdi),%xmm0 */
		{7, "\x62\xf1\x7c\x48\x10\x47\x01"},              /* vmovups 64(%rdi),%zmm0 */
		{3, "\xf6\xc1\x0f"},                              /* test $15,%cl */
		{2, "\xf7\xd0"},                                  /* not %eax */
		{5, "\x66\x81\xf9\x34\x12"},                      /* cmp $0x1234,%cx */
		{6, "\x66\x0f\x3a\x0f\xc1\x08"},                  /* palignr */
		{9, "\xa0\1\2\3\4\5\6\7\10"},                     /* movabs 0x..,%al */
	};
	struct insn o;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(t) / sizeof(*t); i++) {
		assert_true(insn_decode((const uint8_t *)t[i].bytes,
					INSN_MAX < t[i].len ? INSN_MAX : t[i].len, &o));
		assert_int_equal(o.len, t[i].len);
		assert_false(insn_decode((const uint8_t *)t[i].bytes, t[i].len - 1u, &o));
	}
	assert_false(insn_decode((const uint8_t *)"\x06", 1, &o)); /* push %es, gone in 64-bit mode */
}
#endif

int main(void)
{
#if defined(__x86_64__)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_way_to_the_return_tells_the_row),
		cmocka_unit_test(a_frame_pointer_survives_an_aligned_stack),
		cmocka_unit_test(falling_through_into_another_function_is_no_way_to_return),
		cmocka_unit_test(a_stack_that_was_not_aligned_for_a_call_makes_a_doubtful_row),
		cmocka_unit_test(an_exit_system_call_ends_a_thread),
		cmocka_unit_test(what_contradicts_itself_or_cannot_be_followed_makes_no_row),
		cmocka_unit_test(jumps_in_the_place_of_a_return_are_returns),
		cmocka_unit_test(a_return_address_that_was_moved_is_found_where_it_was),
		cmocka_unit_test(a_signal_trampoline_brings_all_registers_back),
		cmocka_unit_test(calls_are_told_from_what_only_looks_like_return_addresses),
		cmocka_unit_test(instructions_have_the_length_that_the_assembler_gave_them),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
#else
	return 0;
#endif
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_unwind.c - the walk, over mutated sections and stacks of real libraries.
 *
 * The input is struct input, a stack copy, .eh_frame_hdr and .eh_frame, at the
 * addresses that they had in their file (seed_unwind.py cuts them out). Beside
 * that file there is generated code without unwind information. The walk is
 * done with empty caches, with full ones, and without its fast way: all three
 * must agree.
 */
#include "collect/regs.h"
#include "collect/unwind_fast.h"
#include "tests/fuzz/unwind_fuzz.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#define BASE       0x400000u
#define CODE_LEN   0x10000000u
#define JIT        0x20000000u
#define JIT_LEN    0x10000u
#define STACK      0x70000000u
#define STACK_MAX  1024 /* a frame can be as small as a byte, and each costs time */
#define IMAGE_MAX  65536
#define HEADERS    0x200u
#define MAX_FRAMES 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input { /* little-endian, packed */
	uint32_t hdr_vaddr, frame_vaddr, pc, entry;
	uint16_t hdr_size, stack_size;
	uint8_t kind;      /* bit 0: the frames have a section header, too */
	uint8_t n_chain;   /* words of the stack that are the kernel's callchain as well */
	uint8_t n_frames;  /* room for frames, 0: all */
	uint8_t change;    /* word of the stack that differs in a second walk */
	uint16_t regs[16]; /* those but sp and pc: odd, JIT + value; else STACK + value */
};

static void put_headers(uint8_t *image, const struct input *in, size_t frame_size)
{
	static const char names[] = "\0.eh_frame";
	Elf64_Ehdr eh = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
			 .e_type = ET_DYN,
			 .e_machine = EM_X86_64,
			 .e_version = EV_CURRENT,
			 .e_entry = in->entry,
			 .e_phoff = sizeof(eh),
			 .e_phentsize = sizeof(Elf64_Phdr),
			 .e_phnum = in->hdr_size ? 2 : 1};
	Elf64_Phdr ph[2] = {{.p_type = PT_LOAD, .p_flags = PF_R | PF_X},
			    {.p_type = PT_GNU_EH_FRAME,
			     .p_vaddr = in->hdr_vaddr,
			     .p_offset = HEADERS,
			     .p_filesz = in->hdr_size}};
	Elf64_Shdr sh[3] = {{0},
			    {.sh_name = 1,
			     .sh_type = SHT_PROGBITS,
			     .sh_flags = SHF_ALLOC,
			     .sh_addr = in->frame_vaddr,
			     .sh_offset = HEADERS + in->hdr_size,
			     .sh_size = frame_size},
			    {.sh_type = SHT_STRTAB, .sh_offset = 0x1f0, .sh_size = sizeof(names)}};

	ph[0].p_filesz = ph[0].p_memsz = CODE_LEN; /* more than there is: only addresses in it matter */
	if (in->kind & 1) {
		eh.e_shoff = 0x100;
		eh.e_shentsize = sizeof(sh[0]);
		eh.e_shnum = 3;
		eh.e_shstrndx = 2;
	}
	memset(image, 0, HEADERS);
	memcpy(image, &eh, sizeof(eh));
	memcpy(image + sizeof(eh), ph, sizeof(ph));
	memcpy(image + 0x100, sh, sizeof(sh));
	memcpy(image + 0x1f0, names, sizeof(names));
}

static void must_agree(const struct unwind_frame *a, const struct unwind_result *ra,
		       const struct unwind_frame *b, const struct unwind_result *rb)
{
	uint32_t i;

	if (ra->n != rb->n || ra->end != rb->end || ra->gap != rb->gap || ra->stack_used != rb->stack_used)
		abort();
	for (i = 0; i < ra->n; i++)
		if (a[i].pc != b[i].pc || a[i].map != b[i].map)
			abort();
}

static void walk(struct maps *maps, const struct unwind_sample *s, uint32_t max)
{
	static struct unwind_frame first[MAX_FRAMES], again[MAX_FRAMES];
	struct unwind_result got, more;

	unwind_walk(shared.u, maps, s, first, max, &got);
	if (got.n > max || got.end >= UNWIND_END_COUNT || got.stack_used > s->stack_size)
		abort();
	unwind_walk(shared.u, maps, s, again, max, &more);
	must_agree(first, &got, again, &more);
	unwind_thorough(shared.u, maps, s, again, max, &more);
	must_agree(first, &got, again, &more);
}

/* The same stack but for one word: what is remembered of the other one must not show. */
static void walk_changed(struct maps *maps, const struct unwind_sample *s, uint32_t max, uint8_t where)
{
	static struct unwind_frame first[MAX_FRAMES], again[MAX_FRAMES];
	uint64_t at = s->stack_size ? where * 8u % s->stack_size : 0;
	struct unwind_result got, more;
	struct unwind_sample changed = *s;
	uint8_t *stack;

	stack = s->stack_size ? malloc(s->stack_size) : NULL;
	if (!stack)
		return;
	memcpy(stack, s->stack, s->stack_size);
	stack[at] ^= 8;
	changed.stack = stack;
	unwind_walk(shared.u, maps, &changed, first, max, &got);
	unwind_thorough(shared.u, maps, &changed, again, max, &more);
	must_agree(first, &got, again, &more);
	free(stack);
}

static void walk_input(struct module *m, const struct input *in, const uint8_t *stack)
{
	struct mapping file = {BASE, BASE + CODE_LEN, 0, m, 0}, jit = {JIT, JIT + JIT_LEN, JIT, NULL, 1};
	struct unwind_sample s = {.stack = stack, .stack_size = in->stack_size};
	uint64_t regs[REGS_MAX] = {0}, chain[255];
	uint32_t max = in->n_frames ? in->n_frames % MAX_FRAMES + 1 : MAX_FRAMES;
	struct maps *maps = maps_new();
	unsigned i;

	jit.module = modules_get(shared.ms, 1, "//anon", NULL, JIT, JIT + JIT_LEN);
	if (!maps || !jit.module || maps_insert(&maps, &file) || maps_insert(&maps, &jit)) {
		maps_unref(maps);
		return;
	}
	for (i = 0; i < 16; i++)
		regs[i] = in->regs[i] & 1 ? JIT + in->regs[i] : STACK + in->regs[i];
	regs[regs_arch.sp] = STACK;
	regs[regs_arch.pc] = (uint64_t)BASE + in->pc;
	s.regs = regs;
	for (i = 0; i < in->n_chain && (i + 1) * 8 <= in->stack_size; i++)
		memcpy(&chain[i], stack + (size_t)i * 8, 8);
	s.chain = i ? chain : NULL;
	s.n_chain = i;
	walk(maps, &s, max);
	for (i = 0; i < 8; i++)
		walk_changed(maps, &s, max, (uint8_t)(in->change + i * i));
	maps_unref(maps);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *image, *stack;
	struct input in;
	struct module *m;
	size_t sections;

	if (size < sizeof(in) || size > IMAGE_MAX || shared_init())
		return 0;
	memcpy(&in, data, sizeof(in));
	data += sizeof(in);
	size -= sizeof(in);
	if (in.stack_size > STACK_MAX || in.stack_size > size || in.hdr_size > size - in.stack_size)
		return 0;
	sections = size - in.stack_size;
	/* Their exact sizes, so that a sanitizer sees one byte too far. */
	image = malloc(HEADERS + sections);
	stack = malloc(in.stack_size + !in.stack_size);
	if (image && stack) {
		memcpy(stack, data, in.stack_size);
		put_headers(image, &in, sections - in.hdr_size);
		memcpy(image + HEADERS, data + in.stack_size, sections);
		m = modules_add_image(shared.ms, "[fuzz]", image, HEADERS + sections);
		if (m)
			walk_input(m, &in, stack);
	}
	free(image);
	free(stack);
	return 0;
}

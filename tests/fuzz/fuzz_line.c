/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_line.c - line-number programs: any bytes, and well-formed ones against libdw.
 *
 * The first byte chooses. Even: the rest is a .debug_line section as it is.
 * Odd: the rest is turned into a program that a producer could have written (versions 2
 * to 5, any opcode, addresses that ascend in each sequence and from one to the next); then our answers
 * must be those of libdw, which reads it from an ELF file made around it.
 */
#include "tests/unit/line_oracle.h"

#include "base/buf.h"

#include <dwarf.h>
#include <elf.h>

#define QUERIES 64
#define SPACING 7
#define BASE    0x1000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- a well-formed program ---- */

struct input {
	const uint8_t *p, *end;
};

static uint8_t take(struct input *in)
{
	return in->p < in->end ? *in->p++ : 0;
}

static void put_u16(struct buf *b, uint16_t v)
{
	buf_put(b, &v, sizeof(v));
}

static void put_leb(struct buf *b, uint32_t v)
{
	for (; v >= 0x80; v >>= 7)
		buf_put_u8(b, (uint8_t)(v | 0x80));
	buf_put_u8(b, (uint8_t)v);
}

static void put_string(struct buf *b, const char *s)
{
	buf_put(b, s, strlen(s) + 1);
}

static void put_sleb(struct buf *b, int8_t v)
{
	if (v >= -64 && v < 64) {
		buf_put_u8(b, (uint8_t)(v & 0x7f));
	} else {
		buf_put_u8(b, (uint8_t)((v & 0x7f) | 0x80));
		buf_put_u8(b, v < 0 ? 0x7f : 1);
	}
}

static void put_names(struct buf *b, uint8_t version)
{
	static const char *const files[] = {"unit.c", "a.h", "b.h", "/abs/c.h"};
	static const uint8_t zeros[16];
	unsigned int i;

	if (version < 5) {
		put_string(b, "sub");
		put_string(b, "/dir");
		buf_put_u8(b, 0);
		for (i = 0; i < 4; i++) {
			put_string(b, files[i]);
			put_leb(b, i % 3);
			put_leb(b, 0);
			put_leb(b, 0);
		}
		buf_put_u8(b, 0);
		return;
	}
	buf_put_u8(b, 1);
	put_leb(b, DW_LNCT_path);
	put_leb(b, DW_FORM_string);
	put_leb(b, 3);
	put_string(b, "/comp");
	put_string(b, "sub");
	put_string(b, "/dir");
	buf_put_u8(b, 3);
	put_leb(b, DW_LNCT_path);
	put_leb(b, DW_FORM_string);
	put_leb(b, DW_LNCT_directory_index);
	put_leb(b, DW_FORM_udata);
	put_leb(b, DW_LNCT_MD5);
	put_leb(b, DW_FORM_data16);
	put_leb(b, 5);
	for (i = 0; i < 5; i++) {
		put_string(b, files[i % 4]);
		put_leb(b, i % 3);
		buf_put(b, zeros, sizeof(zeros));
	}
}

struct header {
	uint8_t version, min_inst, line_base, line_range, opcode_base;
};

/* One instruction; *@addr is where the state machine then is, *@line its line. */
static void put_instruction(struct input *in, struct buf *b, const struct header *h, uint64_t *addr,
			    int64_t *line)
{
	uint8_t op = take(in), v = take(in);
	int64_t step;

	switch (op % 8) {
	case 0:
		buf_put_u8(b, DW_LNS_copy);
		break;
	case 1:
		buf_put_u8(b, DW_LNS_advance_pc);
		put_leb(b, v);
		*addr += (uint64_t)v * h->min_inst;
		break;
	case 2:
		step = *line + (int8_t)v < 1 ? 1 : (int8_t)v;
		buf_put_u8(b, DW_LNS_advance_line);
		put_sleb(b, (int8_t)step);
		*line += step;
		break;
	case 3:
		buf_put_u8(b, DW_LNS_set_file);
		put_leb(b, v % 4 + 1);
		break;
	case 4:
		buf_put_u8(b, v & 1 ? DW_LNS_negate_stmt : DW_LNS_set_basic_block);
		break;
	case 5:
		buf_put_u8(b, DW_LNS_const_add_pc);
		*addr += (uint64_t)((255 - h->opcode_base) / h->line_range) * h->min_inst;
		break;
	case 6:
		buf_put_u8(b, DW_LNS_fixed_advance_pc);
		put_u16(b, v);
		*addr += v;
		break;
	default:
		if (v < h->opcode_base)
			v = h->opcode_base;
		step = (int8_t)h->line_base + (v - h->opcode_base) % h->line_range;
		if (*line + step < 1)
			break;
		buf_put_u8(b, v);
		*line += step;
		*addr += (uint64_t)((v - h->opcode_base) / h->line_range) * h->min_inst;
	}
}

static void put_sequence(struct input *in, struct buf *b, const struct header *h, uint64_t *addr)
{
	int64_t line = 1;
	uint8_t n = take(in) % 64;

	buf_put_u8(b, 0);
	put_leb(b, 9);
	buf_put_u8(b, DW_LNE_set_address);
	buf_put_u64(b, *addr);
	/* A producer's sequence begins with a row. */
	buf_put_u8(b, DW_LNS_copy);
	while (n--)
		put_instruction(in, b, h, addr, &line);
	/* The end beyond the last row, and a gap: what libdw says at an empty end is its own. */
	buf_put_u8(b, DW_LNS_fixed_advance_pc);
	put_u16(b, 1 + take(in) % 8);
	buf_put_u8(b, 0);
	put_leb(b, 1);
	buf_put_u8(b, DW_LNE_end_sequence);
	*addr += 64;
}

static void put_program(struct input *in, struct buf *out)
{
	static const uint8_t operands[] = {0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1};
	struct header h = {.version = (uint8_t)(2 + take(in) % 4),
			   .min_inst = (uint8_t)(1 + take(in) % 4),
			   .line_base = (uint8_t)(0 - take(in) % 8),
			   .line_range = (uint8_t)(1 + take(in) % 20),
			   .opcode_base = 13};
	struct buf head, program;
	uint64_t addr = BASE;

	buf_init(&head, 1 << 16);
	buf_init(&program, 1 << 20);
	buf_put_u8(&head, h.min_inst);
	if (h.version >= 4)
		buf_put_u8(&head, 1);
	buf_put_u8(&head, 1);
	buf_put_u8(&head, h.line_base);
	buf_put_u8(&head, h.line_range);
	buf_put_u8(&head, h.opcode_base);
	buf_put(&head, operands, sizeof(operands));
	put_names(&head, h.version);
	while (in->p < in->end && program.len < 1 << 14)
		put_sequence(in, &program, &h, &addr);
	buf_put_u32(out, (uint32_t)(2 + (h.version >= 5 ? 2 : 0) + 4 + head.len + program.len));
	put_u16(out, h.version);
	if (h.version >= 5)
		put_u16(out, 8); /* address size, no segments */
	buf_put_u32(out, (uint32_t)head.len);
	buf_put(out, head.data, head.len);
	buf_put(out, program.data, program.len);
	buf_release(&head);
	buf_release(&program);
}

/* ---- around it ---- */

static const uint8_t abbrev[] = {1,
				 DW_TAG_compile_unit,
				 0,
				 DW_AT_name,
				 DW_FORM_string,
				 DW_AT_comp_dir,
				 DW_FORM_string,
				 DW_AT_stmt_list,
				 DW_FORM_sec_offset,
				 0,
				 0,
				 0};

static void put_info(struct buf *b)
{
	static const char strings[] = "unit.c\0/comp"; /* name, directory */

	buf_put_u32(b, (uint32_t)(2 + 4 + 1 + 1 + sizeof(strings) + 4));
	put_u16(b, 4);
	buf_put_u32(b, 0);
	buf_put_u8(b, 8);
	buf_put_u8(b, 1);
	buf_put(b, strings, sizeof(strings));
	buf_put_u32(b, 0);
}

static void make_elf(struct buf *out, const struct buf *info, const struct buf *line)
{
	static const char names[] = "\0.debug_info\0.debug_abbrev\0.debug_line\0.shstrtab";
	Elf64_Ehdr eh = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
			 .e_type = ET_EXEC,
			 .e_machine = EM_X86_64,
			 .e_version = EV_CURRENT,
			 .e_ehsize = sizeof(eh),
			 .e_shentsize = sizeof(Elf64_Shdr),
			 .e_shnum = 5,
			 .e_shstrndx = 4};
	Elf64_Shdr sh[5] = {{0}};
	const void *data[5] = {NULL, info->data, abbrev, line->data, names};
	size_t len[5] = {0, info->len, sizeof(abbrev), line->len, sizeof(names)};
	uint32_t name[5] = {0, 1, 13, 27, 39}, i;
	uint64_t at = sizeof(eh) + sizeof(sh);

	for (i = 1; i < 5; i++) {
		sh[i] = (Elf64_Shdr){.sh_name = name[i],
				     .sh_type = i == 4 ? SHT_STRTAB : SHT_PROGBITS,
				     .sh_offset = at,
				     .sh_size = len[i],
				     .sh_addralign = 1};
		at += len[i];
	}
	eh.e_shoff = sizeof(eh);
	buf_put(out, &eh, sizeof(eh));
	buf_put(out, sh, sizeof(sh));
	for (i = 1; i < 5; i++)
		buf_put(out, data[i], len[i]);
}

static uint32_t fill(struct dwarf_line_query *q)
{
	uint32_t i;

	for (i = 0; i < QUERIES; i++)
		q[i] = (struct dwarf_line_query){.vaddr = BASE + (uint64_t)i * i * SPACING / 4};
	return QUERIES;
}

static void against_libdw(const struct buf *info, const struct buf *line, struct dwarf_lines *l)
{
	struct dwarf_line_query q[QUERIES];
	Dwarf_CU *cu = NULL;
	Dwarf_Die die;
	struct buf elf;
	uint32_t compared = 0;
	Elf *e;
	Dwarf *dbg;

	buf_init(&elf, 1 << 20);
	make_elf(&elf, info, line);
	elf_version(EV_CURRENT);
	e = elf_memory((char *)elf.data, elf.len);
	dbg = e ? dwarf_begin_elf(e, DWARF_C_READ, NULL) : NULL;
	if (!dbg || dwarf_get_units(dbg, NULL, &cu, NULL, NULL, &die, NULL) ||
	    oracle_compare(l, &die, q, fill(q), &compared))
		abort();
	dwarf_end(dbg);
	elf_end(e);
	buf_release(&elf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dwarf_span spans[DWARF_SECTIONS] = {{NULL, 0}};
	struct input in = {data + 1, data + size};
	struct dwarf_line_query q[QUERIES];
	struct dwarf_lines l;
	struct dwarf_reader f;
	struct dwarf_unit *u;
	struct buf info, line;
	char path[PATH_MAX];
	uint32_t i;

	if (!size)
		return 0;
	buf_init(&info, 1 << 10);
	buf_init(&line, 1 << 20);
	put_info(&info);
	if (data[0] & 1)
		put_program(&in, &line);
	else
		buf_put(&line, data + 1, size - 1);
	spans[DWARF_INFO] = (struct dwarf_span){info.data, info.len};
	spans[DWARF_ABBREV] = (struct dwarf_span){abbrev, sizeof(abbrev)};
	spans[DWARF_LINE] = (struct dwarf_span){line.data, line.len};
	dwarf_reader_over(&f, spans);
	u = dwarf_unit_at(&f, 0, false, NULL);
	if (!u)
		abort();
	if (!dwarf_lines_open(&l, u)) {
		if (data[0] & 1) {
			against_libdw(&info, &line, &l);
		} else {
			dwarf_lines_find(&l, q, fill(q), oracle_anywhere, NULL);
			for (i = 0; i < QUERIES; i++)
				if (q[i].found)
					(void)dwarf_lines_path(&l, q[i].file, path, sizeof(path));
		}
		dwarf_lines_release(&l);
	} else if (data[0] & 1) {
		abort();
	}
	dwarf_reader_close(&f);
	buf_release(&info);
	buf_release(&line);
	return 0;
}

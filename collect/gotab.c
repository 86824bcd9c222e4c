/* SPDX-License-Identifier: Apache-2.0 */
/* gotab.c - see gotab.h. */
#include "collect/gotab.h"

#include <string.h>

#define MAGIC_1_18 0xfffffff0u
#define MAGIC_1_20 0xfffffff1u

#define HEADER_SIZE 72
#define FUNC_SIZE   44   /* _func up to nfuncdata */
#define TABLE_BYTES 4096 /* of one function's stack pointer table */
#define MAX_FUNCS   (4 << 20)
#define MAX_FRAME   (1 << 30)

#define TOP_FRAME 1 /* FuncFlagTopFrame, FuncFlagSPWrite */
#define SP_WRITE  2

#define NO_TEXT UINT64_MAX /* module.go_text: there is no usable table */

struct table {
	struct modules *ms;
	struct module *m;
	uint64_t text;
	uint64_t n, pctab, funcs; /* functions; offsets in the section */
	uint8_t quantum;          /* bytes that program counters are counted in */
	bool start_line;          /* _func has it: since 1.20 */
};

struct function {
	uint64_t start;
	uint32_t pcsp;
	uint8_t flag;
};

static bool read_at(const struct table *t, uint64_t off, void *to, size_t len)
{
	const struct cfi_section *s = &t->m->gopclntab;

	return off <= s->size && len <= s->size - off && !module_read(t->ms, t->m, s->off + off, to, len);
}

static uint32_t u32_at(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint64_t u64_at(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static bool read_header(struct table *t, uint64_t *text_start)
{
	uint8_t h[HEADER_SIZE];
	uint32_t magic;

	if (!read_at(t, 0, h, sizeof(h)))
		return false;
	magic = u32_at(h);
	if ((magic != MAGIC_1_18 && magic != MAGIC_1_20) || h[4] || h[5] || !h[6] || h[7] != 8)
		return false;
	t->quantum = h[6];
	t->start_line = magic == MAGIC_1_20;
	t->n = u64_at(h + 8);
	*text_start = u64_at(h + 24);
	t->pctab = u64_at(h + 56);
	t->funcs = u64_at(h + 64);
	return t->n && t->n <= MAX_FUNCS && t->funcs < t->m->gopclntab.size;
}

/* The last function that starts at or before @off from the text's start. */
static bool find_entry(const struct table *t, uint64_t off, uint32_t entry[2])
{
	uint64_t lo = 0, hi = t->n, mid;
	uint32_t e[2], end;

	if (!read_at(t, t->funcs + t->n * sizeof(e), &end, sizeof(end)) || off >= end)
		return false;
	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (!read_at(t, t->funcs + mid * sizeof(e), e, sizeof(e)))
			return false;
		if (e[0] <= off)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo && read_at(t, t->funcs + (lo - 1) * sizeof(e), entry, sizeof(e));
}

/*
 * Where the addresses in the table count from. The linker of Go puts its text
 * first, and its entry point into the table; after another linker the header
 * must say it, which it did until 1.25 in programs at fixed addresses.
 */
static uint64_t find_text(struct table *t, uint64_t text_start)
{
	const struct cfi_section *text = &t->m->text;
	uint64_t entry = t->m->entry;
	uint32_t e[2];

	if (text->size && entry >= text->vaddr && find_entry(t, entry - text->vaddr, e) &&
	    e[0] == entry - text->vaddr)
		return text->vaddr;
	if (text_start >= text->vaddr && text_start - text->vaddr < text->size)
		return text_start;
	return NO_TEXT;
}

static bool open_table(struct table *t)
{
	uint64_t text_start;

	if (!t->m->gopclntab.size || t->m->go_text == NO_TEXT)
		return false;
	if (!read_header(t, &text_start)) {
		t->m->go_text = NO_TEXT;
		return false;
	}
	if (!t->m->go_text)
		t->m->go_text = find_text(t, text_start);
	t->text = t->m->go_text;
	return t->text != NO_TEXT;
}

static bool find_function(const struct table *t, uint64_t vaddr, struct function *f)
{
	uint8_t raw[FUNC_SIZE];
	uint32_t entry[2];

	if (vaddr < t->text || !find_entry(t, vaddr - t->text, entry) ||
	    !read_at(t, t->funcs + entry[1], raw, sizeof(raw)) || u32_at(raw) != entry[0])
		return false;
	f->start = t->text + entry[0];
	f->pcsp = u32_at(raw + 16);
	f->flag = raw[(t->start_line ? 40 : 36) + 1];
	return true;
}

static bool take_varint(const uint8_t *p, size_t n, size_t *at, uint32_t *v)
{
	unsigned shift = 0;

	*v = 0;
	do {
		if (*at == n || shift > 28)
			return false;
		*v |= (uint32_t)(p[*at] & 0x7f) << shift;
		shift += 7;
	} while (p[(*at)++] & 0x80);
	return true;
}

/* How far the stack pointer is below its value at the function's entry. */
static bool stack_delta(const struct table *t, const struct function *f, uint64_t vaddr, int64_t *delta)
{
	const uint64_t off = t->pctab + f->pcsp, size = t->m->gopclntab.size;
	uint8_t raw[TABLE_BYTES];
	uint64_t pc = f->start;
	int64_t v = -1;
	uint32_t d;
	size_t n, at = 0;

	if (!f->pcsp || off >= size)
		return false;
	n = size - off < 64 ? size - off : 64;
	if (!read_at(t, off, raw, n))
		return false;
	for (;;) {
		if (n - at < 12 && n == 64 && size - off > n) { /* long: all of it */
			n = size - off < sizeof(raw) ? size - off : sizeof(raw);
			if (!read_at(t, off, raw, n))
				return false;
		}
		if (!take_varint(raw, n, &at, &d) || (!d && pc != f->start))
			return false;
		v += d & 1 ? -(int64_t)(d >> 1) - 1 : (int64_t)(d >> 1);
		if (!take_varint(raw, n, &at, &d))
			return false;
		pc += (uint64_t)d * t->quantum;
		if (vaddr < pc)
			break;
	}
	*delta = v;
	return v >= 0 && v < MAX_FRAME;
}

/* No register survives a call but the frame pointer, whose place is next to the return address. */
static void make_row(int64_t delta, struct cfi_row *row)
{
	const bool lr = regs_arch.lr >= 0;
	unsigned i;

	memset(row, 0, sizeof(*row));
	row->cfa_reg = regs_arch.sp;
	row->cfa_off = lr ? delta : delta + 8;
	row->ra = lr ? (uint64_t)regs_arch.lr : regs_arch.pc;
	for (i = 0; i < regs_arch.n; i++)
		if (regs_arch.callee_saved & 1ull << i)
			row->regs[i] = (struct cfi_rule){.kind = CFI_UNDEFINED};
	if (delta)
		row->regs[regs_arch.fp] =
			(struct cfi_rule){.kind = CFI_OFFSET, .u.off = lr ? -delta - 8 : -16};
	else
		row->regs[regs_arch.fp] = (struct cfi_rule){.kind = CFI_SAME};
	if (!lr)
		row->regs[row->ra] = (struct cfi_rule){.kind = CFI_OFFSET, .u.off = -8};
	else if (delta)
		row->regs[row->ra] = (struct cfi_rule){.kind = CFI_OFFSET, .u.off = -delta};
	else
		row->regs[row->ra] = (struct cfi_rule){.kind = CFI_SAME};
}

enum gotab_verdict gotab_row_at(struct modules *ms, struct module *m, uint64_t vaddr, struct cfi_row *row)
{
	struct table t = {.ms = ms, .m = m};
	struct function f;
	int64_t delta;

	if (!open_table(&t) || !find_function(&t, vaddr, &f))
		return GOTAB_NONE;
	if (f.flag & TOP_FRAME)
		return GOTAB_TOP;
	if ((f.flag & SP_WRITE) && vaddr != f.start) { /* its first instruction has written nothing yet */
		memset(row, 0, sizeof(*row));
		if (stack_delta(&t, &f, vaddr, &delta) && delta)
			make_row(delta, row);
		return GOTAB_SWITCH;
	}
	if (!stack_delta(&t, &f, vaddr, &delta))
		return GOTAB_NONE;
	make_row(delta, row);
	return GOTAB_ROW;
}

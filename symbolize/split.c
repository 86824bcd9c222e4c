/* SPDX-License-Identifier: Apache-2.0 */
/*
 * split.c - see split.h: a split unit as an ordinary one.
 *
 * All references inside a unit count from its beginning, so its bytes stay
 * where they are. Only its root is rewritten, in its own length: it gets the
 * skeleton's low_pc, from which range lists count, and loses attributes that
 * nobody needs. The description of the new root comes in front of a copy of the
 * unit's other abbreviations.
 */
#include "symbolize/split.h"

#include "base/buf.h"
#include "symbolize/dwp.h"

#include <dwarf.h>
#include <errno.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>

#define MAX_PART     (1ull << 30)
#define MAX_IMAGE    (3ull << 30)
#define MAX_DWARF4   (4u << 20) /* bytes of the address and range tables that DWARF 4 does not delimit */
#define MAX_ROOT     4096       /* bytes of a unit's root */
#define ABBREV_ROOM  64         /* bytes of the new root's description */
#define AT_PADDING   0x3ffe     /* vendor's attribute without a meaning */
#define ADDRESS_SIZE 8

struct span {
	const uint8_t *p;
	size_t len;
};

enum part { INFO, ABBREV, STR_OFFSETS, STR, RNGLISTS, RANGES, ADDR, PARTS };

static const char *const part_names[PARTS] = {".debug_info", ".debug_abbrev",   ".debug_str_offsets",
					      ".debug_str",  ".debug_rnglists", ".debug_ranges",
					      ".debug_addr"};

/* What is needed of the skeleton. */
struct skeleton {
	uint64_t id, low_pc;
	uint64_t addr_base, ranges_base;
	unsigned int version;
};

struct builder {
	struct skeleton skel;
	struct span parts[PARTS];
	struct buf strings, offsets; /* copies of what a package's unit needs of all its strings */
	uint32_t low_pc_index;       /* into the addresses */
};

/* ---- sections ---- */

/* Contents of section @name, inflated if need be; valid as long as @elf. */
static struct span section(Elf *elf, const char *name)
{
	struct span none = {NULL, 0};
	Elf_Scn *scn = NULL;
	GElf_Shdr sh;
	Elf_Data *data;
	const char *s;
	size_t strings;

	if (elf_getshdrstrndx(elf, &strings))
		return none;
	while ((scn = elf_nextscn(elf, scn))) {
		if (!gelf_getshdr(scn, &sh) || sh.sh_type == SHT_NOBITS)
			continue;
		s = elf_strptr(elf, strings, sh.sh_name);
		if (!s)
			continue;
		if (!strncmp(s, ".zdebug", 7) && !strcmp(s + 2, name + 1))
			elf_compress_gnu(scn, 0, 0); /* fails when libdw has done it before */
		else if (strcmp(s, name) != 0)
			continue;
		if (sh.sh_flags & SHF_COMPRESSED)
			elf_compress(scn, 0, 0);
		data = elf_rawdata(scn, NULL);
		if (!data || !data->d_buf || data->d_size > MAX_PART)
			return none;
		return (struct span){data->d_buf, data->d_size};
	}
	return none;
}

/* @off and @len of @s, as far as they lie in it. */
static struct span slice(struct span s, uint64_t off, uint64_t len)
{
	if (off >= s.len)
		return (struct span){NULL, 0};
	s.p += off;
	s.len -= (size_t)off;
	if (len < s.len)
		s.len = (size_t)len;
	return s;
}

static uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* ---- the skeleton ---- */

static bool number(Dwarf_Die *die, unsigned int name, uint64_t *v)
{
	Dwarf_Attribute attr;
	Dwarf_Word w;

	if (!dwarf_attr(die, name, &attr) || dwarf_formudata(&attr, &w))
		return false;
	*v = w;
	return true;
}

static bool read_id(Dwarf_Die *skeleton, uint64_t *id, Dwarf_Half *version)
{
	uint8_t type;

	return !dwarf_cu_info(skeleton->cu, version, &type, NULL, NULL, id, NULL, NULL) &&
	       type == DW_UT_skeleton;
}

static bool read_skeleton(Dwarf_Die *die, struct skeleton *s)
{
	Dwarf_Half version;
	Dwarf_Addr low;

	*s = (struct skeleton){0};
	if (!read_id(die, &s->id, &version))
		return false;
	s->version = version;
	if (!number(die, DW_AT_addr_base, &s->addr_base))
		(void)number(die, DW_AT_GNU_addr_base, &s->addr_base);
	(void)number(die, DW_AT_GNU_ranges_base, &s->ranges_base);
	if (!dwarf_lowpc(die, &low))
		s->low_pc = low;
	return true;
}

bool split_wanted(Dwarf_Die *skeleton, Elf *dwp, struct split_file *out)
{
	struct dwp_span unused[DWP_PARTS];
	Dwarf_Attribute attr;
	Dwarf_Half version;
	struct span index;

	*out = (struct split_file){.fd = -1};
	if (!read_id(skeleton, &out->id, &version))
		return false;
	if (dwp) {
		index = section(dwp, ".debug_cu_index");
		if (!dwp_find(index.p, index.len, out->id, unused))
			return false;
	}
	/* borrowed, and not written to: the cast only takes what libdw gives */
	out->name = (char *)dwarf_formstring(dwarf_attr(skeleton, DW_AT_dwo_name, &attr));
	if (!out->name)
		out->name = (char *)dwarf_formstring(dwarf_attr(skeleton, DW_AT_GNU_dwo_name, &attr));
	out->dir = (char *)dwarf_formstring(dwarf_attr(skeleton, DW_AT_comp_dir, &attr));
	if (!out->dir)
		out->dir = (char *)"";
	return out->name != NULL;
}

/* ---- gathering the parts ---- */

/*
 * A package has all units' strings in one section, which may be huge: take those
 * that this unit's offsets lead to. The tables of version 5 begin with a header.
 */
static int take_strings(struct builder *b, struct span offsets, struct span all)
{
	size_t header = b->skel.version >= 5 ? 8 : 0, i, len;
	const uint8_t *end;
	uint32_t off, at;

	buf_init(&b->strings, MAX_PART);
	buf_init(&b->offsets, MAX_PART);
	if (offsets.len < header || (header && get32(offsets.p) == UINT32_MAX))
		return -EBADMSG;
	buf_put(&b->offsets, offsets.p, header);
	buf_put_u8(&b->strings, 0);
	for (i = header; i + sizeof(off) <= offsets.len; i += sizeof(off)) {
		off = get32(offsets.p + i);
		end = off < all.len ? memchr(all.p + off, 0, all.len - off) : NULL;
		len = end ? (size_t)(end - (all.p + off)) : 0;
		at = len ? (uint32_t)b->strings.len : 0;
		buf_put_u32(&b->offsets, at);
		if (len)
			buf_put(&b->strings, all.p + off, len + 1);
	}
	b->parts[STR_OFFSETS] = (struct span){b->offsets.data, b->offsets.len};
	b->parts[STR] = (struct span){b->strings.data, b->strings.len};
	return b->strings.error ? b->strings.error : b->offsets.error;
}

static int take_package(struct builder *b, Elf *elf)
{
	struct span index = section(elf, ".debug_cu_index");
	struct dwp_span at[DWP_PARTS];
	int err = dwp_find(index.p, index.len, b->skel.id, at);

	if (err)
		return err;
	b->parts[INFO] = slice(section(elf, ".debug_info.dwo"), at[DWP_INFO].off, at[DWP_INFO].size);
	b->parts[ABBREV] = slice(section(elf, ".debug_abbrev.dwo"), at[DWP_ABBREV].off, at[DWP_ABBREV].size);
	b->parts[RNGLISTS] =
		slice(section(elf, ".debug_rnglists.dwo"), at[DWP_RNGLISTS].off, at[DWP_RNGLISTS].size);
	return take_strings(b,
			    slice(section(elf, ".debug_str_offsets.dwo"), at[DWP_STR_OFFSETS].off,
				  at[DWP_STR_OFFSETS].size),
			    section(elf, ".debug_str.dwo"));
}

static void take_file(struct builder *b, Elf *elf)
{
	b->parts[INFO] = section(elf, ".debug_info.dwo");
	b->parts[ABBREV] = section(elf, ".debug_abbrev.dwo");
	b->parts[STR_OFFSETS] = section(elf, ".debug_str_offsets.dwo");
	b->parts[STR] = section(elf, ".debug_str.dwo");
	b->parts[RNGLISTS] = section(elf, ".debug_rnglists.dwo");
}

/* The skeleton's own tables, so that its bases become 0. Those of version 5 tell their length before the
 * base. */
static void take_tables(struct builder *b, Elf *elf)
{
	struct span addr = section(elf, ".debug_addr");
	uint64_t base = b->skel.addr_base, len = MAX_DWARF4;

	if (b->skel.version >= 5 && base >= 8 && base <= addr.len && get32(addr.p + base - 8) >= 4)
		len = get32(addr.p + base - 8) - 4;
	b->parts[ADDR] = slice(addr, base, len);
	b->parts[ADDR].len &= ~(size_t)(ADDRESS_SIZE - 1);
	b->low_pc_index = (uint32_t)(b->parts[ADDR].len / ADDRESS_SIZE);
	if (b->skel.version < 5)
		b->parts[RANGES] = slice(section(elf, ".debug_ranges"), b->skel.ranges_base, MAX_DWARF4);
}

/* ---- the image ---- */

static const char section_names[] =
	"\0.shstrtab\0.debug_info\0.debug_abbrev\0.debug_str_offsets\0.debug_str\0"
	".debug_rnglists\0.debug_ranges\0.debug_addr";

static uint32_t name_offset(const char *name)
{
	const char *p = section_names + 1;

	while (strcmp(p, name) != 0)
		p += strlen(p) + 1;
	return (uint32_t)(p - section_names);
}

/* Bytes of @part in the image: two have something added. */
static size_t part_room(const struct builder *b, int part)
{
	size_t len = b->parts[part].len;

	if (part == ABBREV)
		return 2 * len + ABBREV_ROOM;
	return part == ADDR ? len + ADDRESS_SIZE : len;
}

static size_t align8(size_t n)
{
	return (n + 7) & ~(size_t)7;
}

/* All parts one behind the other. *@at[part]: where each begins. */
static int build_image(const struct builder *b, char **image, size_t *size, size_t at[PARTS])
{
	size_t off = sizeof(Elf64_Ehdr), n = PARTS + 2;
	Elf64_Shdr sh[PARTS + 2] = {0};
	Elf64_Ehdr eh = {.e_type = ET_EXEC,
			 .e_machine = EM_NONE,
			 .e_version = EV_CURRENT,
			 .e_ehsize = sizeof(eh),
			 .e_shentsize = sizeof(*sh),
			 .e_shstrndx = 1};
	char *p;
	int i;

	memcpy(eh.e_ident, ELFMAG, SELFMAG);
	eh.e_ident[EI_CLASS] = ELFCLASS64;
	eh.e_ident[EI_DATA] = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB;
	eh.e_ident[EI_VERSION] = EV_CURRENT;
	sh[1] = (Elf64_Shdr){.sh_name = name_offset(".shstrtab"),
			     .sh_type = SHT_STRTAB,
			     .sh_offset = off,
			     .sh_size = sizeof(section_names),
			     .sh_addralign = 1};
	off = align8(off + sizeof(section_names));
	for (i = 0; i < PARTS; i++) {
		at[i] = off;
		/* a table that is not there must not be there: an empty one is an error to libdw */
		sh[i + 2] = (Elf64_Shdr){.sh_name = name_offset(part_names[i]),
					 .sh_type = part_room(b, i) ? SHT_PROGBITS : SHT_NOBITS,
					 .sh_offset = off,
					 .sh_size = part_room(b, i),
					 .sh_addralign = 1};
		off = align8(off + part_room(b, i));
	}
	eh.e_shoff = off;
	eh.e_shnum = (Elf64_Half)n;
	*size = off + sizeof(sh);
	p = *size <= MAX_IMAGE ? calloc(1, *size) : NULL;
	if (!p)
		return -ENOMEM;
	memcpy(p, &eh, sizeof(eh));
	memcpy(p + sh[1].sh_offset, section_names, sizeof(section_names));
	for (i = 0; i < PARTS; i++)
		if (b->parts[i].len)
			memcpy(p + at[i], b->parts[i].p, b->parts[i].len);
	memcpy(p + at[ADDR] + b->parts[ADDR].len, &b->skel.low_pc, ADDRESS_SIZE);
	memcpy(p + off, sh, sizeof(sh));
	*image = p;
	return 0;
}

/* ---- the root ---- */

static size_t put_uleb(uint8_t *out, uint64_t v)
{
	size_t n = 0;

	do {
		out[n] = (uint8_t)((v & 0x7f) | (v > 0x7f ? 0x80 : 0));
		v >>= 7;
		n++;
	} while (v);
	return n;
}

/* Where the unit is and how long its root, in the image as it came. */
struct root {
	uint64_t unit, die; /* offsets into .debug_info */
	uint64_t abbrev;    /* offset of its abbreviations */
	size_t len;
	unsigned int version;
	int language;
};

static bool open_image(struct split_view *v, size_t size)
{
	v->elf = elf_memory(v->image, size);
	v->dbg = v->elf ? dwarf_begin_elf(v->elf, DWARF_C_READ, NULL) : NULL;
	return v->dbg != NULL;
}

static void close_image(struct split_view *v)
{
	if (v->dbg)
		dwarf_end(v->dbg);
	if (v->elf)
		elf_end(v->elf);
	v->dbg = NULL;
	v->elf = NULL;
}

/* The unit itself: by its id, or in version 4, where files have one unit, the first that is no other. */
static int find_root(struct split_view *v, const struct skeleton *skel, struct root *r)
{
	Dwarf_CU *cu = NULL;
	Dwarf_Half version;
	Dwarf_Die die, child;
	uint8_t type;
	uint64_t id;

	while (!dwarf_get_units(v->dbg, cu, &cu, &version, &type, &die, NULL)) {
		if ((type != DW_UT_split_compile && type != DW_UT_compile) ||
		    dwarf_cu_info(cu, NULL, NULL, NULL, NULL, &id, NULL, NULL) || id != skel->id ||
		    version != skel->version)
			continue;
		if (dwarf_child(&die, &child))
			return -ENOENT; /* nothing in it */
		r->die = dwarf_dieoffset(&die);
		r->unit = r->die - dwarf_cuoffset(&die);
		r->len = (size_t)(dwarf_dieoffset(&child) - r->die);
		r->version = version;
		r->language = dwarf_srclang(&die);
		v->cu = die;
		return r->len <= MAX_ROOT ? 0 : -EBADMSG;
	}
	return -ENOENT;
}

/* Description of the new root: low_pc, language, padding of @pad bytes in all. */
static size_t describe_root(uint8_t *out, uint64_t code, const struct root *r, size_t pad)
{
	size_t n = put_uleb(out, code);

	out[n++] = DW_TAG_compile_unit;
	out[n++] = DW_CHILDREN_yes;
	out[n++] = DW_AT_low_pc;
	n += put_uleb(out + n, r->version >= 5 ? DW_FORM_addrx : DW_FORM_GNU_addr_index);
	if (r->language > 0) {
		out[n++] = DW_AT_language;
		n += put_uleb(out + n, DW_FORM_implicit_const);
		/* signed: a zero behind it keeps bit 6 from being the sign */
		n += put_uleb(out + n, (uint64_t)r->language & 0xffff);
		out[n - 1] |= 0x80;
		out[n++] = 0;
	}
	if (pad) {
		n += put_uleb(out + n, AT_PADDING);
		n += put_uleb(out + n, pad <= 256 ? DW_FORM_block1 : DW_FORM_block2);
	}
	out[n++] = 0;
	out[n++] = 0;
	return n;
}

/* Bytes of the ULEB128 number at @p, its value in *@v; 0 if it does not end within @len. */
static size_t get_uleb(const uint8_t *p, size_t len, uint64_t *v)
{
	size_t n;

	*v = 0;
	for (n = 0; n < len && n < 9; n++) {
		*v |= (uint64_t)(p[n] & 0x7f) << (7 * n);
		if (!(p[n] & 0x80))
			return n + 1;
	}
	return 0;
}

/* Entry of an abbreviation table at @p: its code in *@code (0 at the table's end), its length; 0: malformed.
 */
static size_t entry_length(const uint8_t *p, size_t len, uint64_t *code)
{
	size_t n = get_uleb(p, len, code), k;
	uint64_t name, form;

	if (!n || !*code)
		return n;
	k = get_uleb(p + n, len - n, &form); /* tag */
	n += k;
	if (!k || n >= len)
		return 0;
	n++; /* children */
	do {
		k = get_uleb(p + n, len - n, &name);
		n += k;
		if (!k)
			return 0;
		k = get_uleb(p + n, len - n, &form);
		n += k;
		if (!k)
			return 0;
		if (form == DW_FORM_implicit_const) {
			while (n < len && (p[n] & 0x80))
				n++;
			if (n++ >= len)
				return 0;
		}
	} while (name || form);
	return n;
}

/* The table at @at of @from to @to (room for as much), without the entry of @without, which libdw must not
 * see twice. */
static int copy_table(uint8_t *to, struct span from, size_t at, uint64_t without)
{
	uint64_t code;
	size_t n;

	do {
		n = entry_length(from.p + at, from.len - at, &code);
		if (!n)
			return -EBADMSG;
		if (code != without) {
			memcpy(to, from.p + at, n);
			to += n;
		}
		at += n;
	} while (code);
	return 0;
}

static int rewrite_root(const struct builder *b, struct root *r, uint8_t *info, uint8_t *abbrev)
{
	uint8_t *p = info + r->die, index[10];
	size_t code_len, index_len, pad, n, old = b->parts[ABBREV].len;
	uint32_t field = r->version >= 5 ? 8 : 6; /* of the header: offset of the abbreviations */
	uint64_t code;
	uint32_t at;

	code_len = get_uleb(p, r->len, &code);
	index_len = put_uleb(index, b->low_pc_index);
	at = get32(info + r->unit + field);
	if (!code_len || code_len + index_len > r->len || at >= old)
		return -EBADMSG;
	pad = r->len - code_len - index_len;
	n = describe_root(abbrev + old, code, r, pad);
	if (!code || copy_table(abbrev + old + n, b->parts[ABBREV], at, code))
		return -EBADMSG;
	at = (uint32_t)old;
	memcpy(info + r->unit + field, &at, sizeof(at));
	memcpy(p + code_len, index, index_len);
	p += code_len + index_len;
	memset(p, 0, pad);
	if (pad && pad <= 256) {
		p[0] = (uint8_t)(pad - 1);
	} else if (pad) {
		p[0] = (uint8_t)((pad - 2) & 0xff);
		p[1] = (uint8_t)((pad - 2) >> 8);
	}
	return 0;
}

/* ---- the view ---- */

/* After rewriting, the unit is at the same place; in version 4 without an id. */
static int find_again(struct split_view *v, const struct root *r)
{
	return dwarf_offdie(v->dbg, r->die, &v->cu) ? 0 : -EBADMSG;
}

static int make_view(struct split_view *v, const struct builder *b)
{
	size_t at[PARTS], size;
	struct root r = {0};
	int err;

	if (!b->parts[INFO].len || !b->parts[ABBREV].len)
		return -ENOENT;
	err = build_image(b, &v->image, &size, at);
	if (err)
		return err;
	err = open_image(v, size) ? find_root(v, &b->skel, &r) : -EBADMSG;
	if (err)
		return err;
	close_image(v);
	err = rewrite_root(b, &r, (uint8_t *)v->image + at[INFO], (uint8_t *)v->image + at[ABBREV]);
	if (err)
		return err;
	return open_image(v, size) ? find_again(v, &r) : -EBADMSG;
}

int split_view_open(struct split_view *v, Dwarf_Die *skeleton, Elf *elf, bool package)
{
	struct builder b = {0};
	int err;

	*v = (struct split_view){0};
	if (!read_skeleton(skeleton, &b.skel))
		return -ENOENT;
	if (package) {
		err = take_package(&b, elf);
	} else {
		take_file(&b, elf);
		err = 0;
	}
	if (!err) {
		take_tables(&b, dwarf_getelf(dwarf_cu_getdwarf(skeleton->cu)));
		err = make_view(v, &b);
	}
	if (err)
		split_view_close(v);
	buf_release(&b.strings);
	buf_release(&b.offsets);
	return err;
}

void split_view_close(struct split_view *v)
{
	close_image(v);
	free(v->image);
	*v = (struct split_view){0};
}

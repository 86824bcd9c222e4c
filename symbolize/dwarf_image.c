/* SPDX-License-Identifier: Apache-2.0 */
/* dwarf_image.c - see dwarf_image.h. */
#include "symbolize/dwarf_image.h"

#include "symbolize/elfsec.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <zlib.h>

#define MAX_RATIO   1032u        /* of a deflate stream; more is a lie about its size */
#define INFLATE_MIN (256u << 10) /* bytes made ready at a time */
#define GIVE_BACK   (16u << 20)
#define PAGE        4096u

struct dwarf_inflate {
	z_stream z;
	size_t in_left; /* beyond z.avail_in, which is an int */
	uint8_t *out;   /* mapped: pages not written cost nothing */
	size_t out_len;
};

static const char *const names[DWARF_SECTIONS] = {
	[DWARF_INFO] = "debug_info",
	[DWARF_ABBREV] = "debug_abbrev",
	[DWARF_LINE] = "debug_line",
	[DWARF_STR] = "debug_str",
	[DWARF_LINE_STR] = "debug_line_str",
	[DWARF_RANGES] = "debug_ranges",
	[DWARF_RNGLISTS] = "debug_rnglists",
	[DWARF_ADDR] = "debug_addr",
	[DWARF_STR_OFFSETS] = "debug_str_offsets",
};

static int set_compressed(struct dwarf_part *part, const uint8_t *in, size_t in_len, uint64_t len)
{
	struct dwarf_inflate *inf;

	/* RFC 1950: deflate, no preset dictionary, a multiple of 31. */
	if (!len || len / MAX_RATIO > in_len || len > SIZE_MAX / 2 || in_len < 2 ||
	    (in[0] & 0x0f) != Z_DEFLATED || (in[1] & 0x20) || (in[0] << 8 | in[1]) % 31)
		return -EBADMSG;
	inf = calloc(1, sizeof(*inf));
	if (!inf)
		return -ENOMEM;
	inf->z.next_in = (Bytef *)in + 2;
	inf->in_left = in_len - 2;
	*part = (struct dwarf_part){.len = (size_t)len, .inflate = inf};
	return 0;
}

/* @in is the section as it is in the file. */
static int set_part(struct dwarf_part *part, const uint8_t *in, size_t len, bool compressed, bool old_gnu)
{
	Elf64_Chdr chdr;
	uint64_t size = 0;
	int i;

	if (compressed) {
		if (len < sizeof(chdr))
			return -EBADMSG;
		memcpy(&chdr, in, sizeof(chdr));
		if (chdr.ch_type != ELFCOMPRESS_ZLIB)
			return -ENOTSUP;
		return set_compressed(part, in + sizeof(chdr), len - sizeof(chdr), chdr.ch_size);
	}
	if (old_gnu) {
		if (len < 12 || memcmp(in, "ZLIB", 4))
			return -EBADMSG;
		for (i = 4; i < 12; i++)
			size = size << 8 | in[i];
		return set_compressed(part, in + 12, len - 12, size);
	}
	*part = (struct dwarf_part){.data = in, .len = len, .ready = len};
	return 0;
}

static int find_part(struct dwarf_image *img, const struct elfsec *elf, enum dwarf_section id)
{
	char name[32];
	const Elf64_Shdr *sh;
	bool old_gnu = false;

	snprintf(name, sizeof(name), ".%s", names[id]);
	sh = elfsec_by_name(elf, name);
	if (!sh) {
		snprintf(name, sizeof(name), ".z%s", names[id]);
		sh = elfsec_by_name(elf, name);
		old_gnu = sh;
	}
	if (!sh || sh->sh_type == SHT_NOBITS || !sh->sh_size)
		return id == DWARF_INFO ? -ENOENT : 0;
	if (sh->sh_offset > img->map_len || sh->sh_size > img->map_len - sh->sh_offset)
		return -EBADMSG;
	return set_part(&img->parts[id], img->map + sh->sh_offset, sh->sh_size, sh->sh_flags & SHF_COMPRESSED,
			old_gnu);
}

int dwarf_image_open(struct dwarf_image *img, int fd)
{
	struct elfsec elf;
	int err, id;

	*img = (struct dwarf_image){0};
	err = elfsec_open(&elf, fd, NULL, 0);
	if (err)
		return err == -ENOMEM || err == -EBADMSG ? err : -ENOENT;
	/* Without units there is nothing to map the file for. */
	if (!elfsec_by_name(&elf, ".debug_info") && !elfsec_by_name(&elf, ".zdebug_info")) {
		err = -ENOENT;
		goto out;
	}
	img->map_len = elf.src.size;
	img->map = mmap(NULL, img->map_len, PROT_READ, MAP_PRIVATE, fd, 0);
	if (img->map == MAP_FAILED) {
		img->map = NULL;
		err = -ENOMEM;
	}
	for (id = 0; id < DWARF_SECTIONS && !err; id++)
		err = find_part(img, &elf, (enum dwarf_section)id);
out:
	elfsec_close(&elf);
	if (err)
		dwarf_image_close(img);
	return err;
}

void dwarf_image_over(struct dwarf_image *img, const struct dwarf_span spans[DWARF_SECTIONS])
{
	int id;

	*img = (struct dwarf_image){0};
	for (id = 0; id < DWARF_SECTIONS; id++)
		img->parts[id] = (struct dwarf_part){
			.data = spans[id].data, .len = spans[id].len, .ready = spans[id].len};
}

void dwarf_image_close(struct dwarf_image *img)
{
	struct dwarf_inflate *inf;
	int id;

	for (id = 0; id < DWARF_SECTIONS; id++) {
		inf = img->parts[id].inflate;
		if (!inf)
			continue;
		if (inf->out) {
			inflateEnd(&inf->z);
			munmap(inf->out, inf->out_len);
		}
		free(inf);
	}
	if (img->map)
		munmap(img->map, img->map_len);
	*img = (struct dwarf_image){0};
}

static bool start(struct dwarf_part *part)
{
	struct dwarf_inflate *inf = part->inflate;
	void *out;

	if (inf->out)
		return true;
	out = mmap(NULL, part->len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
		   0);
	if (out == MAP_FAILED)
		return false;
	/* The bare stream: its checksum would cost more than it tells about what is checked anyway. */
	if (inflateInit2(&inf->z, -MAX_WBITS) != Z_OK) {
		munmap(out, part->len);
		return false;
	}
	inf->out = out;
	inf->out_len = part->len;
	part->data = out;
	return true;
}

/* Inflate until @want bytes are ready, or nothing more comes. */
static void inflate_to(struct dwarf_part *part, size_t want)
{
	struct dwarf_inflate *inf = part->inflate;
	size_t step;
	int r = start(part) ? Z_OK : Z_MEM_ERROR;

	while (part->ready < want && r == Z_OK) {
		if (!inf->z.avail_in) {
			step = inf->in_left < (1u << 30) ? inf->in_left : 1u << 30;
			inf->z.avail_in = (uInt)step;
			inf->in_left -= step;
		}
		step = part->len - part->ready < INFLATE_MIN ? part->len - part->ready : INFLATE_MIN;
		inf->z.next_out = inf->out + part->ready;
		inf->z.avail_out = (uInt)step;
		r = inflate(&inf->z, Z_NO_FLUSH);
		part->ready += step - inf->z.avail_out;
	}
	/* Broken off: that is all there will ever be. */
	if (r != Z_OK)
		part->len = part->ready;
}

struct dwarf_span dwarf_image_need(struct dwarf_image *img, enum dwarf_section id, uint64_t upto)
{
	struct dwarf_part *part = &img->parts[id];
	size_t want = upto < part->len ? (size_t)upto : part->len;

	if (part->ready < want)
		inflate_to(part, want);
	return (struct dwarf_span){part->data, part->ready};
}

const char *dwarf_image_string(struct dwarf_image *img, enum dwarf_section id, uint64_t off)
{
	struct dwarf_span s = dwarf_image_need(img, id, off < UINT64_MAX - 256 ? off + 256 : off);

	while (off < s.len) {
		if (memchr(s.data + off, 0, s.len - off))
			return (const char *)s.data + off;
		if (s.len == img->parts[id].len)
			return NULL;
		s = dwarf_image_need(img, id, s.len + 1);
	}
	return NULL;
}

void dwarf_image_give_back(struct dwarf_image *img, enum dwarf_section id, uint64_t upto)
{
	struct dwarf_part *part = &img->parts[id];
	uintptr_t from, to;

	if (!img->map || part->inflate || upto > part->len || upto < part->given_back ||
	    upto - part->given_back < GIVE_BACK)
		return;
	from = ((uintptr_t)part->data + part->given_back + PAGE - 1) & ~(uintptr_t)(PAGE - 1);
	to = ((uintptr_t)part->data + upto) & ~(uintptr_t)(PAGE - 1);
	if (from < to)
		(void)madvise((void *)from, to - from, MADV_DONTNEED);
	part->given_back = upto;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unwind_libunwind.c - see unwind_engines.h: libunwind's remote unwinding with
 * accessors of our own, over files in memory. Its caches are global and hold
 * as many rows as ours.
 *
 * Finding the unwind table of a module is what its user has to bring; here it
 * takes one look at a sorted array.
 */
#include "unwind_engines.h"

#include "collect/regs.h"

#include <errno.h>
#include <libunwind.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Exported for remote unwinders, but in none of the installed headers. */
extern int UNW_OBJ(dwarf_search_unwind_table)(unw_addr_space_t as, unw_word_t ip, unw_dyn_info_t *di,
					      unw_proc_info_t *pi, int need_unwind_info, void *arg);

#define CACHED_ROWS 65536
#define MAX_IMAGES  4096

struct image { /* a file, mapped once */
	const uint8_t *data;
	uint64_t size;
	uint64_t table_off, entries; /* of .eh_frame_hdr's table; entries 0: none */
	uint64_t hdr_vaddr, hdr_size;
};

struct table { /* a mapping of an image with code */
	uint64_t start, end, bias;
	const struct image *image;
	const struct profile_module *info;
};

struct session {
	unw_addr_space_t as;
	const struct unwind_sample *sample;
	struct table *tables; /* by address */
	uint32_t n;
};

static struct session **sessions[LOAD_MAX];
static uint32_t n_sessions[LOAD_MAX];
static struct image images[MAX_IMAGES]; /* by module id */

static const struct table *table_of(const struct session *o, uint64_t addr)
{
	uint32_t lo = 0, hi = o->n, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (o->tables[mid].end <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < o->n && addr >= o->tables[lo].start ? &o->tables[lo] : NULL;
}

/* File contents are wanted near code only, at addresses beside it: the nearest image tells. */
static bool load_file(const struct session *o, uint64_t addr, unw_word_t *v)
{
	const struct module_segment *seg;
	const struct table *t;
	uint64_t vaddr, off;
	uint32_t i, j;

	for (i = 0; i < o->n; i++) {
		t = &o->tables[i];
		vaddr = addr - t->bias;
		for (j = 0; j < t->info->n_segments; j++) {
			seg = &t->info->segments[j];
			if (vaddr < seg->vaddr || vaddr - seg->vaddr >= seg->filesz)
				continue;
			off = seg->off + (vaddr - seg->vaddr);
			if (off > t->image->size || t->image->size - off < 8)
				return false;
			memcpy(v, t->image->data + off, 8);
			return true;
		}
	}
	return false;
}

static int access_mem(unw_addr_space_t as, unw_word_t addr, unw_word_t *v, int write, void *arg)
{
	const struct session *o = arg;
	uint64_t off = addr - o->sample->regs[regs_arch.sp];

	(void)as;
	if (write)
		return -UNW_EINVAL;
	if (off < o->sample->stack_size && o->sample->stack_size - off >= 8) {
		memcpy(v, o->sample->stack + off, 8);
		return 0;
	}
	return load_file(o, addr, v) ? 0 : -UNW_EINVAL;
}

static int access_reg(unw_addr_space_t as, unw_regnum_t reg, unw_word_t *v, int write, void *arg)
{
	const struct session *o = arg;

	(void)as;
	if (write || reg < 0 || reg >= regs_arch.n)
		return -UNW_EBADREG;
	*v = o->sample->regs[reg];
	return 0;
}

static int access_fpreg(unw_addr_space_t as, unw_regnum_t reg, unw_fpreg_t *v, int write, void *arg)
{
	(void)as, (void)reg, (void)v, (void)write, (void)arg;
	return -UNW_EINVAL;
}

static int find_proc_info(unw_addr_space_t as, unw_word_t ip, unw_proc_info_t *pi, int need, void *arg)
{
	const struct table *t = table_of(arg, ip);
	unw_dyn_info_t di = {.format = UNW_INFO_FORMAT_REMOTE_TABLE};

	if (!t || !t->image->entries)
		return -UNW_ENOINFO;
	di.start_ip = t->start;
	di.end_ip = t->end;
	di.u.rti.segbase = t->image->hdr_vaddr + t->bias;
	di.u.rti.table_data = di.u.rti.segbase + t->image->table_off;
	di.u.rti.table_len = t->image->entries * 8 / sizeof(unw_word_t);
	return UNW_OBJ(dwarf_search_unwind_table)(as, ip, &di, pi, need, arg);
}

static void put_unwind_info(unw_addr_space_t as, unw_proc_info_t *pi, void *arg)
{
	(void)as, (void)pi, (void)arg;
}

static int no_dyn_info(unw_addr_space_t as, unw_word_t *list, void *arg)
{
	(void)as, (void)list, (void)arg;
	return -UNW_ENOINFO;
}

static int no_resume(unw_addr_space_t as, unw_cursor_t *cursor, void *arg)
{
	(void)as, (void)cursor, (void)arg;
	return -UNW_EINVAL;
}

static int no_name(unw_addr_space_t as, unw_word_t addr, char *buf, size_t len, unw_word_t *off, void *arg)
{
	(void)as, (void)addr, (void)buf, (void)len, (void)off, (void)arg;
	return -UNW_EINVAL;
}

/* The search table as every linker writes it: 4-byte offsets from the header. */
static void find_table(struct image *im, const struct module *m)
{
	const uint8_t *hdr = im->data + m->eh_frame_hdr.off;
	uint32_t n;

	if (m->eh_frame_hdr.size < 12 || m->eh_frame_hdr.off > im->size ||
	    im->size - m->eh_frame_hdr.off < m->eh_frame_hdr.size || hdr[0] != 1 || hdr[2] != 3 ||
	    hdr[3] != 0x3b)
		return;
	memcpy(&n, hdr + 8, 4);
	im->table_off = 12;
	im->entries = n <= (m->eh_frame_hdr.size - 12) / 8 ? n : 0;
	im->hdr_vaddr = m->eh_frame_hdr.vaddr;
	im->hdr_size = m->eh_frame_hdr.size;
}

static const struct image *image_of(const struct world *w, const struct module *m)
{
	const struct profile_module *info = &w->r.profile.modules[m->id];
	struct image *im;
	void *data;

	if (m->id >= MAX_IMAGES)
		stacks_die("libunwind: modules", E2BIG);
	im = &images[m->id];
	if (im->data)
		return im;
	data = mmap(NULL, info->file_size, PROT_READ, MAP_PRIVATE, info->fd, 0);
	if (data == MAP_FAILED)
		stacks_die("mapping a module", errno);
	im->data = data;
	im->size = info->file_size;
	find_table(im, m);
	return im;
}

static void add_table(struct session *o, const struct world *w, const struct mapping *map)
{
	const struct profile_module *info = &w->r.profile.modules[map->module->id];
	uint64_t vaddr;

	if (info->reason != MODULE_OK || info->image || !profile_module_vaddr(info, map->pgoff, &vaddr))
		return;
	o->tables[o->n].start = map->start;
	o->tables[o->n].end = map->end;
	o->tables[o->n].bias = map->start - vaddr;
	o->tables[o->n].info = info;
	o->tables[o->n++].image = image_of(w, map->module);
}

static struct session *new_session(const struct world *w, const struct maps *maps)
{
	static unw_accessors_t accessors = {.find_proc_info = find_proc_info,
					    .put_unwind_info = put_unwind_info,
					    .get_dyn_info_list_addr = no_dyn_info,
					    .access_mem = access_mem,
					    .access_reg = access_reg,
					    .access_fpreg = access_fpreg,
					    .resume = no_resume,
					    .get_proc_name = no_name};
	struct session *o = calloc(1, sizeof(*o));
	uint32_t i;

	if (!o)
		stacks_die("libunwind", ENOMEM);
	o->tables = calloc(maps->n + 1, sizeof(*o->tables));
	o->as = unw_create_addr_space(&accessors, 0);
	if (!o->tables || !o->as)
		stacks_die("libunwind", ENOMEM);
	unw_set_caching_policy(o->as, UNW_CACHE_GLOBAL);
	unw_set_cache_size(o->as, CACHED_ROWS, 0);
	for (i = 0; i < maps->n; i++)
		add_table(o, w, &maps->m[i]);
	return o;
}

static uint32_t libunwind_walk(struct world *w, const struct load_sample *s)
{
	unw_cursor_t cursor;
	struct session *o;
	uint32_t n = 0;
	unw_word_t ip;

	if (!sessions[s->load]) {
		n_sessions[s->load] = w->n_spaces[s->load];
		sessions[s->load] = calloc(n_sessions[s->load], sizeof(struct session *));
		if (!sessions[s->load])
			stacks_die("libunwind", ENOMEM);
	}
	o = sessions[s->load][s->space];
	if (!o)
		o = sessions[s->load][s->space] = new_session(w, world_maps(w, s));
	o->sample = &s->u;
	if (unw_init_remote(&cursor, o->as, o))
		return 0;
	do {
		if (unw_get_reg(&cursor, UNW_REG_IP, &ip) || !ip)
			break;
		n++;
	} while (n < MAX_FRAMES && unw_step(&cursor) > 0);
	return n;
}

static void libunwind_release(void)
{
	uint32_t i, j;

	for (i = 0; i < LOAD_MAX; i++) {
		for (j = 0; sessions[i] && j < n_sessions[i]; j++) {
			if (!sessions[i][j])
				continue;
			unw_destroy_addr_space(sessions[i][j]->as);
			free(sessions[i][j]->tables);
			free(sessions[i][j]);
		}
		free(sessions[i]);
		sessions[i] = NULL;
	}
	for (i = 0; i < MAX_IMAGES; i++)
		if (images[i].data)
			munmap((void *)(uintptr_t)images[i].data, images[i].size);
	memset(images, 0, sizeof(images));
}

const struct engine engine_libunwind = {"libunwind", libunwind_walk, libunwind_release, NULL};

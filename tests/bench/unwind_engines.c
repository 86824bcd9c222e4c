/* SPDX-License-Identifier: Apache-2.0 */
/* unwind_engines.c - see unwind_engines.h: ours, and elfutils' libdwfl. */
#include "unwind_engines.h"

#include "collect/regs.h"
#include "collect/unwind_fast.h"

#include <elfutils/libdwfl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct unwind_frame frames[MAX_FRAMES];

static uint32_t ours_walk(struct world *w, const struct load_sample *s)
{
	struct unwind_result got;

	unwind_walk(w->r.unwinder, world_maps(w, s), &s->u, frames, MAX_FRAMES, &got);
	return got.n;
}

static void ours_release(void)
{
}

/* What the collector does with the ring's next record. */
static void ours_ahead(const struct world *w, const struct load_sample *s)
{
	unwind_prefetch(s->u.stack, unwinder_ahead(w->r.unwinder));
}

const struct engine engine_ours = {"ours", ours_walk, ours_release, ours_ahead};

/* ---- libdwfl ---- */

struct session {
	Dwfl *dwfl;
	const struct unwind_sample *sample;
	uint64_t pcs[MAX_FRAMES];
	uint32_t n;
};

static struct session **sessions[LOAD_MAX];
static uint32_t n_sessions[LOAD_MAX];

static int no_debuginfo(Dwfl_Module *m, void **user, const char *name, Dwarf_Addr base, const char *file,
			const char *link, GElf_Word crc, char **out)
{
	(void)m, (void)user, (void)name, (void)base, (void)file, (void)link, (void)crc, (void)out;
	return -1;
}

static pid_t next_thread(Dwfl *dwfl, void *arg, void **thread_arg)
{
	(void)dwfl;
	if (*thread_arg)
		return 0;
	*thread_arg = arg;
	return 1;
}

static bool read_memory(Dwfl *dwfl, Dwarf_Addr addr, Dwarf_Word *result, void *arg)
{
	const struct unwind_sample *s = ((struct session *)arg)->sample;
	uint64_t off = addr - s->regs[regs_arch.sp];

	(void)dwfl;
	if (off >= s->stack_size || s->stack_size - off < 8)
		return false;
	memcpy(result, s->stack + off, 8);
	return true;
}

static bool initial_registers(Dwfl_Thread *thread, void *arg)
{
	const struct unwind_sample *s = ((struct session *)arg)->sample;

	dwfl_thread_state_register_pc(thread, s->regs[regs_arch.pc]);
	return dwfl_thread_state_registers(thread, 0, regs_arch.n, s->regs);
}

static int take_frame(Dwfl_Frame *frame, void *arg)
{
	struct session *o = arg;
	Dwarf_Addr pc;

	if (o->n == MAX_FRAMES || !dwfl_frame_pc(frame, &pc, NULL))
		return DWARF_CB_ABORT;
	o->pcs[o->n++] = pc;
	return DWARF_CB_OK;
}

static void report_module(struct session *o, const struct world *w, const struct mapping *map)
{
	const struct profile_module *info = &w->r.profile.modules[map->module->id];
	const char *path = strtab_get(&w->r.profile.strings, info->path);
	uint64_t vaddr;
	int fd;

	if (info->reason != MODULE_OK || info->image || !profile_module_vaddr(info, map->pgoff, &vaddr))
		return;
	fd = dup(info->fd);
	/* Owns the descriptor if it succeeds; a module with two mappings is refused the second time. */
	if (!dwfl_report_elf(o->dwfl, path, path, fd, map->start - vaddr, true))
		close(fd);
}

static struct session *new_session(const struct world *w, const struct maps *maps)
{
	static const Dwfl_Callbacks callbacks = {.find_elf = dwfl_build_id_find_elf,
						 .find_debuginfo = no_debuginfo};
	static const Dwfl_Thread_Callbacks threads = {.next_thread = next_thread,
						      .memory_read = read_memory,
						      .set_initial_registers = initial_registers};
	struct session *o = calloc(1, sizeof(*o));
	uint32_t i;

	if (!o)
		stacks_die("libdwfl", ENOMEM);
	o->dwfl = dwfl_begin(&callbacks);
	dwfl_report_begin(o->dwfl);
	for (i = 0; i < maps->n; i++)
		report_module(o, w, &maps->m[i]);
	dwfl_report_end(o->dwfl, NULL, NULL);
	if (!dwfl_attach_state(o->dwfl, NULL, 1, &threads, o))
		stacks_die(dwfl_errmsg(-1), EINVAL);
	return o;
}

static uint32_t libdwfl_walk(struct world *w, const struct load_sample *s)
{
	struct session *o;

	if (!sessions[s->load]) {
		n_sessions[s->load] = w->n_spaces[s->load];
		sessions[s->load] = calloc(n_sessions[s->load], sizeof(struct session *));
		if (!sessions[s->load])
			stacks_die("libdwfl", ENOMEM);
	}
	o = sessions[s->load][s->space];
	if (!o)
		o = sessions[s->load][s->space] = new_session(w, world_maps(w, s));
	o->sample = &s->u;
	o->n = 0;
	(void)dwfl_getthread_frames(o->dwfl, 1, take_frame, o);
	return o->n;
}

static void libdwfl_release(void)
{
	uint32_t i, j;

	for (i = 0; i < LOAD_MAX; i++) {
		for (j = 0; sessions[i] && j < n_sessions[i]; j++) {
			if (sessions[i][j])
				dwfl_end(sessions[i][j]->dwfl);
			free(sessions[i][j]);
		}
		free(sessions[i]);
		sessions[i] = NULL;
	}
}

const struct engine engine_libdwfl = {"libdwfl", libdwfl_walk, libdwfl_release, NULL};

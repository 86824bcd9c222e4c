/* SPDX-License-Identifier: Apache-2.0 */
/* module.c - see module.h: the table of modules, and their contents. */
#include "collect/module_private.h"

#include "base/hash.h"
#include "base/log.h"
#include "collect/cfi.h"
#include "collect/elf_file.h"
#include "collect/regs.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK_CACHE_BYTES (4u << 20)
#define ANON_MAX          1024 /* processes with anonymous code of their own at a time */

struct key {
	const struct module_ident *ident;
	uint32_t path;
	pid_t pid;
};

int modules_new(struct modules **out, struct profile *profile, uint32_t max)
{
	struct modules *ms = calloc(1, sizeof(*ms));
	int err;

	if (!ms)
		return -ENOMEM;
	ms->profile = profile;
	ms->max = max;
	idmap_init(&ms->map);
	err = blockcache_new(&ms->blocks, BLOCK_CACHE_BYTES);
	if (err) {
		modules_free(ms);
		return err;
	}
	*out = ms;
	return 0;
}

void module_close(struct profile_module *info)
{
	if (info->fd >= 0)
		close(info->fd);
	info->fd = -1;
}

void modules_free(struct modules *ms)
{
	uint32_t i;

	if (!ms)
		return;
	for (i = 0; i < ms->n; i++) {
		module_close(module_info(ms, &ms->entries[i]->m));
		cfi_index_free(ms->entries[i]->m.index);
		free(ms->entries[i]);
	}
	free(ms->entries);
	free(ms->by_id);
	idmap_release(&ms->map);
	blockcache_free(ms->blocks);
	free(ms);
}

struct module *module_by_id(struct modules *ms, uint32_t id)
{
	struct module *m;

	if (id >= ms->n_by_id || ms->by_id[id] == IDMAP_NONE)
		return NULL;
	m = &ms->entries[ms->by_id[id]]->m;
	module_info(ms, m);
	return m;
}

/* ---- contents ---- */

static struct elf_source source_of(const struct profile_module *info)
{
	return (struct elf_source){info->fd, info->image, info->image ? info->image_size : info->file_size};
}

static void adopt_elf(struct module *m, const struct elf_file *f)
{
	struct profile_module *info = m->info;

	m->entry = f->entry;
	m->has_interp = f->has_interp;
	m->has_code = f->machine == regs_arch.e_machine;
	m->eh_frame_hdr = f->eh_frame_hdr;
	m->eh_frame = f->eh_frame;
	m->debug_frame = f->debug_frame;
	m->debug_frame_packed = f->debug_frame_packed;
	m->gopclntab = f->gopclntab;
	m->text = f->text;
	info->e_type = f->type;
	info->e_machine = f->machine;
	info->n_segments = f->n_segments;
	memcpy(info->segments, f->segments, sizeof(info->segments));
	info->build_id_len = f->build_id_len;
	memcpy(info->build_id, f->build_id, sizeof(info->build_id));
}

int module_read_elf(struct module *m)
{
	struct elf_source src = source_of(m->info);
	struct elf_file f;
	int err;

	if (!src.image && src.fd < 0)
		return -EBADF;
	err = elf_file_parse(&src, &f);
	if (!err)
		adopt_elf(m, &f);
	return err;
}

int module_read(struct modules *ms, struct module *m, uint64_t off, void *buf, size_t len)
{
	const struct profile_module *info = module_info(ms, m);
	int fd;

	if (info->image) {
		struct elf_source src = source_of(info);

		return elf_source_read(&src, off, buf, len);
	}
	fd = module_fd(ms, m);
	return fd < 0 ? -EIO : blockcache_read(ms->blocks, m->id, fd, off, buf, len);
}

int module_peek(struct modules *ms, struct module *m, uint64_t off, const uint8_t **at, size_t *len)
{
	const struct profile_module *info = module_info(ms, m);
	int fd;

	if (info->image) {
		if (off >= info->image_size)
			return -ENODATA;
		*at = info->image + off;
		*len = info->image_size - off;
		return 0;
	}
	fd = module_fd(ms, m);
	return fd < 0 ? -EIO : blockcache_peek(ms->blocks, m->id, fd, off, at, len);
}

bool module_vaddr_to_off(const struct module *m, uint64_t vaddr, uint64_t *off)
{
	const struct module_segment *s;
	unsigned i;

	for (i = 0; i < m->info->n_segments && i < PROFILE_MAX_SEGMENTS; i++) {
		s = &m->info->segments[i];
		if (vaddr < s->vaddr || vaddr - s->vaddr >= s->filesz || s->off > UINT64_MAX - s->filesz)
			continue;
		*off = s->off + (vaddr - s->vaddr);
		return true;
	}
	return false;
}

/* ---- the table ---- */

static uint64_t key_hash(const struct key *k)
{
	uint64_t h = hash_mix((uint64_t)k->ident->maj << 32 | k->ident->min, k->ident->ino);

	return hash_mix(hash_mix(h, k->path), (uint64_t)k->pid);
}

static uint64_t entry_hash(const void *owner, uint32_t id)
{
	return ((const struct modules *)owner)->entries[id]->hash;
}

static bool entry_same(const void *owner, uint32_t id, const void *key)
{
	const struct entry *e = ((const struct modules *)owner)->entries[id];
	const struct key *k = key;

	return !e->stale && e->path == k->path && e->pid == k->pid && e->ident.ino == k->ident->ino &&
	       e->ident.maj == k->ident->maj && e->ident.min == k->ident->min;
}

void modules_reindex(struct modules *ms)
{
	struct entry *e;
	uint32_t i;

	idmap_clear(&ms->map);
	for (i = 0; i < ms->n; i++) {
		e = ms->entries[i];
		if (!e->keyed)
			continue;
		e->hash = key_hash(&(struct key){&e->ident, e->path, e->pid});
		(void)idmap_add(&ms->map, e->hash, i, entry_hash, ms);
	}
}

static int grow_entries(struct modules *ms)
{
	uint32_t cap = ms->cap ? ms->cap * 2 : 64;
	struct entry **e;

	if (ms->n < ms->cap)
		return 0;
	e = realloc(ms->entries, cap * sizeof(struct entry *));
	if (!e)
		return -ENOMEM;
	ms->entries = e;
	ms->cap = cap;
	return 0;
}

static int grow_by_id(struct modules *ms, uint32_t id)
{
	uint32_t n = (id | 63) + 1, *p;

	if (id < ms->n_by_id)
		return 0;
	p = realloc(ms->by_id, n * sizeof(*p));
	if (!p)
		return -ENOMEM;
	memset(p + ms->n_by_id, 0xff, (n - ms->n_by_id) * sizeof(*p));
	ms->by_id = p;
	ms->n_by_id = n;
	return 0;
}

/*
 * A new module of @info, found by @k from now on if that is given. NULL: out
 * of memory, or the profile is full; @info's descriptor is the caller's again.
 */
static struct entry *add(struct modules *ms, const struct key *k, const struct profile_module *info)
{
	struct entry *e;
	uint32_t id;

	if (grow_entries(ms) || grow_by_id(ms, ms->profile->n_modules))
		return NULL;
	e = calloc(1, sizeof(*e));
	if (!e)
		return NULL;
	id = profile_add_module(ms->profile, info);
	if (id == PROFILE_NONE || grow_by_id(ms, id)) {
		free(e);
		return NULL;
	}
	e->m.id = id;
	ms->entries[ms->n] = e;
	ms->by_id[id] = ms->n;
	if (k) {
		e->ident = *k->ident;
		e->path = k->path;
		e->pid = k->pid;
		e->hash = key_hash(k);
		e->keyed = true;
		/* A failure here only means that the module is made anew next time. */
		(void)idmap_add(&ms->map, e->hash, ms->n, entry_hash, ms);
	}
	ms->n++;
	module_info(ms, &e->m);
	return e;
}

static struct module *add_plain(struct modules *ms, const struct key *k, enum module_kind kind,
				enum module_reason reason, const char *name, pid_t pid)
{
	struct profile_module info = {.kind = kind, .reason = reason, .fd = -1, .pid = pid};
	struct entry *e;

	strtab_put(&ms->profile->strings, name, &info.path);
	e = add(ms, k, &info);
	return e ? &e->m : NULL;
}

static struct entry *find(struct modules *ms, const struct key *k)
{
	uint32_t at = idmap_find(&ms->map, key_hash(k), entry_same, ms, k);

	return at == IDMAP_NONE ? NULL : ms->entries[at];
}

/* One module stands for all that are too many. */
static struct module *overflow(struct modules *ms)
{
	if (!ms->overflow)
		ms->overflow = add_plain(ms, NULL, MODULE_FILE, MODULE_LIMIT, "[too many modules]", 0);
	return ms->overflow;
}

static bool full(const struct modules *ms)
{
	return ms->n - ms->n_anon + 1 >= ms->max;
}

static struct module *get_anon(struct modules *ms, pid_t pid)
{
	static const struct module_ident none;
	struct key k = {&none, 0, pid};
	struct entry *e = find(ms, &k);
	struct module *m;

	if (!e && (ms->n_anon_now >= ANON_MAX || ms->n_anon >= MODULE_ANON_EVER)) {
		k.pid = 0; /* all the others together */
		e = find(ms, &k);
	}
	if (e)
		return &e->m;
	m = add_plain(ms, &k, MODULE_ANON, MODULE_NO_CONTENTS, "[anon]", k.pid);
	if (!m)
		return overflow(ms);
	ms->n_anon++;
	ms->n_anon_now++;
	return m;
}

struct module *modules_anon(struct modules *ms, pid_t pid)
{
	struct module *m = get_anon(ms, pid);

	if (m)
		module_info(ms, m);
	return m;
}

struct module *modules_retire_anon(struct modules *ms, pid_t pid)
{
	static const struct module_ident none;
	struct key k = {&none, 0, pid};
	struct entry *e = pid ? find(ms, &k) : NULL;

	if (!e)
		return NULL;
	e->stale = true;
	ms->n_anon_now--;
	return &e->m;
}

/* ---- files ---- */

/* Open and read what @e is about; sets what came of it in its profile_module. */
static void open_contents(struct modules *ms, struct entry *e, pid_t pid, const char *path,
			  const struct module_ident *ident, uint64_t start, uint64_t end)
{
	struct profile_module *info = module_info(ms, &e->m);
	int err;

	info->pid = pid;
	info->fd = module_open_room(ms, pid, path, ident, start, end, &info->reason);
	if (info->fd < 0)
		return;
	info->reason = MODULE_OK;
	if (fstat(info->fd, &e->was)) {
		info->reason = MODULE_GONE;
		module_close(info);
		return;
	}
	e->used = ++ms->clock;
	e->idle = 0;
	info->file_size = (uint64_t)e->was.st_size;
	err = module_read_elf(&e->m);
	if (err) {
		log_debug("module '%s' cannot be read: %s", path, strerror(-err));
		info->reason = MODULE_NOT_ELF;
		module_close(info);
	} else if (info->e_machine != regs_arch.e_machine) {
		/* Its code never runs here by itself: its CFI would mean other registers. */
		e->m.eh_frame_hdr = e->m.eh_frame = e->m.debug_frame = e->m.gopclntab =
			(struct cfi_section){0, 0, 0};
		e->m.entry = 0;
		e->m.has_code = false;
	}
}

bool module_differs(struct entry *e, int fd, const struct profile_module *info)
{
	struct elf_source src = {.fd = fd, .size = info->file_size};
	struct elf_file f;
	struct stat st;

	if (fstat(fd, &st) || st.st_dev != e->was.st_dev || st.st_ino != e->was.st_ino ||
	    st.st_size != e->was.st_size)
		return true;
	if (st.st_mtim.tv_sec == e->was.st_mtim.tv_sec && st.st_mtim.tv_nsec == e->was.st_mtim.tv_nsec)
		return false;
	if (elf_file_parse(&src, &f) || !f.build_id_len || f.build_id_len != info->build_id_len ||
	    memcmp(f.build_id, info->build_id, f.build_id_len))
		return true;
	e->was = st;
	return false;
}

/* True if the file that process @pid maps now is not what @e was read from. */
static bool changed(struct modules *ms, struct entry *e, pid_t pid, const struct module_ident *ident,
		    uint64_t start, uint64_t end)
{
	struct profile_module *info = module_info(ms, &e->m);

	if (ident->ino_generation && e->ident.ino_generation &&
	    ident->ino_generation != e->ident.ino_generation)
		return true;
	if (!e->ident.ino_generation)
		e->ident.ino_generation = ident->ino_generation;
	if (e->parked)
		return !module_unpark(ms, e, pid, start, end) && e->stale;
	return module_differs(e, info->fd, info);
}

static bool worth_retrying(enum module_reason reason)
{
	return reason == MODULE_GONE || reason == MODULE_DENIED || reason == MODULE_REPLACED ||
	       reason == MODULE_LIMIT;
}

static struct module *get_file(struct modules *ms, pid_t pid, const char *path,
			       const struct module_ident *ident, uint64_t start, uint64_t end)
{
	struct profile_module info = {.kind = MODULE_FILE, .reason = MODULE_GONE, .fd = -1, .pid = pid};
	struct key k = {ident, 0, 0};
	struct entry *e;

	strtab_put(&ms->profile->strings, path, &k.path);
	e = find(ms, &k);
	if (e && (e->parked || module_info(ms, &e->m)->reason == MODULE_OK) &&
	    changed(ms, e, pid, ident, start, end)) {
		/* What was read is gone, and names from the new contents would be wrong for the old. */
		e->stale = true;
		e->parked = false;
		module_close(module_info(ms, &e->m));
		e->m.info->reason = MODULE_REPLACED;
		e = NULL;
	}
	if (e) {
		/* Perhaps an earlier process was gone too soon, and this one is there. */
		if (!e->parked && worth_retrying(module_info(ms, &e->m)->reason))
			open_contents(ms, e, pid, path, ident, start, end);
		return &e->m;
	}
	if (full(ms)) {
		ms->refused = true;
		return overflow(ms);
	}
	info.path = k.path;
	e = add(ms, &k, &info);
	if (!e)
		return overflow(ms);
	open_contents(ms, e, pid, path, ident, start, end);
	return &e->m;
}

/* ---- memory without a file ---- */

struct module *modules_add_image(struct modules *ms, const char *name, const uint8_t *image, size_t size)
{
	struct profile_module info = {.kind = MODULE_VDSO, .reason = MODULE_NO_CONTENTS, .fd = -1};
	struct entry *e;

	strtab_put(&ms->profile->strings, name, &info.path);
	info.image = image;
	info.image_size = info.file_size = size;
	e = add(ms, NULL, &info);
	if (!e)
		return overflow(ms);
	if (image)
		e->m.info->reason = module_read_elf(&e->m) ? MODULE_NOT_ELF : MODULE_OK;
	return &e->m;
}

/* Bytes of our own vdso that are surely mapped. */
static size_t vdso_size(const uint8_t *image)
{
	const Elf64_Ehdr *eh = (const void *)image;
	const Elf64_Phdr *ph = (const void *)(image + eh->e_phoff);
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), end = 0;
	unsigned i;

	for (i = 0; i < eh->e_phnum; i++)
		if (ph[i].p_type == PT_LOAD && ph[i].p_offset + ph[i].p_filesz > end)
			end = ph[i].p_offset + ph[i].p_filesz;
	return (size_t)((end + page - 1) & ~(page - 1));
}

/* Ours is everyone's: the kernel has one for each word size. */
static struct module *get_vdso(struct modules *ms)
{
	const uint8_t *image =
		(const uint8_t *)getauxval(AT_SYSINFO_EHDR); /* NOLINT(performance-no-int-to-ptr) */

	if (!ms->vdso)
		ms->vdso = modules_add_image(ms, "[vdso]", image, image ? vdso_size(image) : 0);
	return ms->vdso;
}

struct module *modules_kernel(struct modules *ms)
{
	if (!ms->kernel)
		ms->kernel = add_plain(ms, NULL, MODULE_KERNEL, MODULE_NO_CONTENTS, "[kernel.kallsyms]", 0);
	if (ms->kernel)
		module_info(ms, ms->kernel);
	return ms->kernel;
}

/* Never read, and at one address everywhere (x86). */
static struct module *get_vsyscall(struct modules *ms)
{
	if (!ms->vsyscall)
		ms->vsyscall = add_plain(ms, NULL, MODULE_ANON, MODULE_NO_CONTENTS, "[vsyscall]", 0);
	return ms->vsyscall ? ms->vsyscall : overflow(ms);
}

static bool starts_with(const char *s, const char *with)
{
	return !strncmp(s, with, strlen(with));
}

static bool is_file_path(const char *path)
{
	/* "//anon" is the kernel's name for no name; the others are shared memory. */
	return path[0] == '/' && !starts_with(path, "//") && !starts_with(path, "/dev/zero") &&
	       !starts_with(path, "/SYSV") && !starts_with(path, "/anon_hugepage") &&
	       !starts_with(path, "/[");
}

/*
 * A memfd holds a program now and then (container runtimes start themselves
 * so), but mostly generated code, which is known by its addresses.
 */
static bool memfd_is_program(pid_t pid, const char *path, const struct module_ident *ident, uint64_t start,
			     uint64_t end)
{
	enum module_reason reason = MODULE_OK;
	struct elf_source src = {0};
	struct elf_file f;
	struct stat st;
	bool yes = false;

	src.fd = module_open_file(pid, path, ident, start, end, &reason);
	if (src.fd < 0)
		return false;
	if (!fstat(src.fd, &st)) {
		src.size = (uint64_t)st.st_size;
		yes = !elf_file_parse(&src, &f);
	}
	close(src.fd);
	return yes;
}

struct module *modules_get(struct modules *ms, pid_t pid, const char *path, const struct module_ident *ident,
			   uint64_t start, uint64_t end)
{
	static const struct module_ident unknown;
	struct module *m;

	if (!ident)
		ident = &unknown;
	if (!strcmp(path, "[vdso]"))
		m = get_vdso(ms);
	else if (!strcmp(path, "[vsyscall]"))
		m = get_vsyscall(ms);
	else if (!is_file_path(path))
		m = get_anon(ms, pid);
	else if (starts_with(path, "/memfd:") && !memfd_is_program(pid, path, ident, start, end))
		m = get_anon(ms, pid);
	else
		m = get_file(ms, pid, path, ident, start, end);
	if (m)
		module_info(ms, m);
	return m;
}

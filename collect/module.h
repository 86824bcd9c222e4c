/* SPDX-License-Identifier: Apache-2.0 */
/*
 * module.h - files (and file-less images) that code is mapped from.
 *
 * A module is opened when its MMAP record is read, not at its first sample:
 * the process may be gone by then. It is read with pread through one bounded
 * block cache, never mapped: a file truncated or replaced under us is
 * harmless. The same file mapped by many processes is one module, found by
 * identity (device, inode, generation) and path.
 */
#ifndef COLLECT_MODULE_H
#define COLLECT_MODULE_H

#include "collect/profile.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What the kernel says a mapping is of; zeros where it does not say. */
struct module_ident {
	uint32_t maj, min;
	uint64_t ino, ino_generation;
};

struct cfi_section { /* one CFI section; size 0: absent */
	uint64_t vaddr, off, size;
};

struct module {
	uint32_t id;     /* index into profile->modules; where path, fd, segments, build id are */
	uint64_t entry;  /* e_entry, an ELF virtual address */
	bool has_interp; /* PT_INTERP present: a dynamic executable */
	bool has_code;   /* an executable segment of this architecture */
	struct cfi_section eh_frame_hdr, eh_frame, debug_frame;
	bool debug_frame_packed;            /* as it is in the file, see elf_file.h */
	struct cfi_section gopclntab, text; /* a Go program's function table, see gotab.h */
	uint64_t go_text;                   /* private to gotab.c; 0: not looked for */
	struct cfi_index *index; /* private to cfi.c: built once where there is no usable search table */
	bool index_tried;
	struct jit *jit;             /* MODULE_ANON: private to jit.c; NULL: nothing known */
	struct profile_module *info; /* borrowed: refreshed by modules_get/module_by_id; see below */
};

struct modules;

/*
 * @profile receives one profile_module per module and is borrowed. Modules are
 * few and long-lived; at most @max of them (-> MODULE_LIMIT beyond) between two
 * times of modules_renumber(), which drops those that are gone. 0 or -errno.
 *
 * Anonymous executable memory is a MODULE_ANON of each process, besides @max so
 * that forking JITs never cost a file its module: 1024 of them at a time, and one more
 * (pid 0) for all processes after those. "[vsyscall]" is one for everyone.
 */
int modules_new(struct modules **out, struct profile *profile, uint32_t max);
void modules_free(struct modules *ms); /* closes descriptors */

/*
 * The module mapped as @path by process @pid, opening it when it is new.
 * @path is as the target knows it ("/usr/lib/x.so", "[vdso]", "//anon",
 * "/memfd:x (deleted)", ...). Never NULL except out of memory;
 * look at ->info->reason for whether there are contents. Borrowed for as long as
 * it is mapped (struct module pointers are stable; ->info may move when a module is
 * added, so it is only valid until the next modules_get()).
 *
 * Order of attempts: openat2(RESOLVE_IN_ROOT) below /proc/PID/root, then
 * /proc/PID/exe, /proc/PID/map_files/START-END if permitted, for memfds and
 * deleted files the process's own descriptors (the first 1024), then @path in our
 * own namespace; each accepted only if the inode agrees with @ident (the
 * device too, unless the file system reports another one, as overlayfs and
 * btrfs do).
 */
struct module *modules_get(struct modules *ms, pid_t pid, const char *path, const struct module_ident *ident,
			   uint64_t start, uint64_t end);
struct module *modules_kernel(struct modules *ms);

/* The MODULE_ANON of process @pid, or the shared one; not NULL except out of memory. Borrowed, as above. */
struct module *modules_anon(struct modules *ms, pid_t pid);

/*
 * The address space of @pid is gone: code it makes from now on is another
 * module. Returns the former one, or NULL if it had none of its own.
 */
struct module *modules_retire_anon(struct modules *ms, pid_t pid);

/*
 * A module of kind MODULE_VDSO whose ELF image is in memory, which stays the
 * caller's and must outlive @ms: the vdso, and made-up files in tests. NULL
 * when out of memory; ->info->reason tells whether it could be read.
 */
struct module *modules_add_image(struct modules *ms, const char *name, const uint8_t *image, size_t size);

/*
 * At a window's end, before it is handed over: between _begin and _end, every
 * mapping of every process is told by modules_mapped(). A file that no process
 * has mapped any more, and that was neither read nor gave new locations for
 * three windows, loses its descriptor; so do those used longest ago while more
 * than half of RLIMIT_NOFILE are open. They are opened again when they are
 * needed (read, mapped again, or for the names of new locations), if device,
 * inode, size and modification time or build id are still the same; else they
 * are MODULE_GONE or MODULE_REPLACED.
 */
void modules_look_begin(struct modules *ms);
void modules_mapped(struct module *m);
void modules_look_end(struct modules *ms);

/*
 * Should the profile's tables be numbered anew? By how much was added since it
 * was last asked for: a quarter of the most there can be of modules, half a
 * million locations, 16 MB of strings.
 */
bool modules_crowded(const struct modules *ms);

/*
 * profile_plan(), keeping what is mapped as of the last look, and @strings. -EAGAIN if less than an eighth of
 * anything would go, -ENOMEM. Then modules_renumber() frees modules by @r, which closes their descriptors,
 * and is to be called before profile_renumber(), modules_renumbered() after it: it returns whether
 * a file was refused for want of room before. Caches by module id are the caller's to forget.
 */
struct profile_renumber;
int modules_plan(struct modules *ms, const uint32_t *strings, uint32_t n, struct profile_renumber *out);
void modules_renumber(struct modules *ms, const struct profile_renumber *r);
bool modules_renumbered(struct modules *ms);

struct module *module_by_id(struct modules *ms, uint32_t id);

/*
 * Open the file that process @pid has mapped as @path: the order above.
 * Descriptor, or -1 with *@reason set. For tests, and for modules_get().
 *
 * A descriptor among the last 32 below RLIMIT_NOFILE (8 where that is under
 * 64) is given back, MODULE_LIMIT: the exporter needs a few.
 *
 * Files on NFS, CIFS and FUSE are MODULE_REMOTE, unless "/" is of that very
 * file system: their servers may never answer. Judged by @ident's device and
 * /proc/PID/mountinfo, before the path is touched; fstatfs() would ask the
 * server. What this does not prevent: a path that leads through a dead mount,
 * or to another file than was mapped, or @ident unknown - the lookup itself
 * can then hang; and a hung file system on a block device (fuseblk).
 */
int module_open_file(pid_t pid, const char *path, const struct module_ident *ident, uint64_t start,
		     uint64_t end, enum module_reason *reason);

/*
 * The second half of it: open for reading what the O_PATH descriptor @path_fd
 * is, which is closed. For files that a process names without mapping them.
 */
int module_open_found(pid_t pid, int path_fd, enum module_reason *reason);

/*
 * Read ELF header, program and section headers, build id and CFI sections.
 * Contents come from info->fd, or info->image for the vdso. 0, or -errno
 * (-ENOEXEC: not an ELF file of this machine's byte order and word size).
 */
int module_read_elf(struct module *m);

/*
 * @len bytes at file offset @off through the block cache. 0; -EIO or -ENODATA
 * when the file is too short or cannot be read. All or nothing.
 */
int module_read(struct modules *ms, struct module *m, uint64_t off, void *buf, size_t len);

/* Look at them without copying: see blockcache_peek(). Errors as above. */
int module_peek(struct modules *ms, struct module *m, uint64_t off, const uint8_t **at, size_t *len);

/* File offset of ELF virtual address @vaddr; false when not backed by the file. */
bool module_vaddr_to_off(const struct module *m, uint64_t vaddr, uint64_t *off);

#endif

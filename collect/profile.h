/* SPDX-License-Identifier: Apache-2.0 */
/*
 * profile.h - one window's profile as plain data; the boundary between layers.
 *
 * This is all that symbolize/ and export/ know of collect/. The collector adds
 * samples; at the end of a window a forked exporter inherits the whole thing
 * by copy-on-write and reads it. Everything is interned: memory grows with the
 * number of unique stacks, never with time. Every table has a cap; what does
 * not fit is counted under a synthetic `[overflow]` frame, never dropped.
 *
 * Locations, modules, mappings and jits survive profile_reset(), so that names found
 * for window N (indexed by location) are still good in window N + 1, but for the rare
 * times that they are numbered anew: profile_renumber.h.
 */
#ifndef COLLECT_PROFILE_H
#define COLLECT_PROFILE_H

#include "base/hash.h"
#include "base/strtab.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define PROFILE_MAX_TYPES    40
#define PROFILE_MAX_COUNTERS 33   /* events of one capture */
#define PROFILE_MAX_FRAMES   1024 /* per stack; more is cut and marked [truncated] */
#define PROFILE_MAX_STACKS   (1u << 20)
#define PROFILE_MAX_LABELS   (1u << 16) /* label sets */
#define PROFILE_MAX_SEGMENTS 16
#define PROFILE_MAX_EVENTS   (1u << 19) /* samples kept one by one, with their time: 20 MB */
#define PROFILE_MAX_COPIES   4
#define PROFILE_MAX_RESIZES  32
#define PROFILE_BUILD_ID_MAX 64
#define PROFILE_NONE         UINT32_MAX

/* ---- modules: what code comes from ---- */

enum module_kind {
	MODULE_FILE,   /* an ELF file */
	MODULE_VDSO,   /* ELF image in memory, no file */
	MODULE_KERNEL, /* kernel text and modules; offsets are addresses */
	MODULE_ANON,   /* executable memory without a file (JIT); offsets are addresses */
};

/* Why a module's contents are not available; MODULE_OK when they are. */
enum module_reason {
	MODULE_OK,
	MODULE_GONE,        /* the file is no longer there */
	MODULE_REPLACED,    /* another file stands at its path */
	MODULE_DENIED,      /* not permitted to open it */
	MODULE_IRREGULAR,   /* no regular file */
	MODULE_NOT_ELF,     /* not an ELF file we can read */
	MODULE_LIMIT,       /* too many modules or descriptors */
	MODULE_REMOTE,      /* on a network or FUSE file system, which could keep us waiting */
	MODULE_NO_CONTENTS, /* kernel or anonymous memory: nothing to open */
};

struct module_segment { /* one PT_LOAD */
	uint64_t vaddr, off, filesz, memsz;
	uint32_t flags; /* PF_* */
};

struct profile_module {
	enum module_kind kind;
	enum module_reason reason;
	uint32_t path; /* string id: as the target knows it; "[vdso]", "[kernel.kallsyms]", "[anon]" */
	int fd;        /* MODULE_FILE with MODULE_OK: open read-only, owned by the collector; else -1 */
	pid_t pid; /* a process that had it mapped when it was opened (MODULE_ANON: the only one; 0: of many)
		    */
	const uint8_t *image; /* MODULE_VDSO: the ELF image, process lifetime */
	size_t image_size;
	uint64_t file_size;
	uint8_t build_id[PROFILE_BUILD_ID_MAX];
	uint8_t build_id_len; /* bytes; 0: none */
	uint8_t n_segments;
	uint16_t e_type, e_machine; /* as in the ELF header */
	uint32_t jit;               /* MODULE_ANON: index into jits + 1; 0: none */
	struct module_segment segments[PROFILE_MAX_SEGMENTS];
};

/* ---- generated code: what its program says about it ---- */

/* Why there is no perf map to read. */
enum jit_reason {
	JIT_NO_MAP,    /* the program wrote none, as far as we could look */
	JIT_MAPPED,    /* there is one */
	JIT_FOREIGN,   /* owned by somebody other than root, us, or the process's user: not believed */
	JIT_OUTDATED,  /* older than the process: left behind by another one of its number */
	JIT_DENIED,    /* not permitted to look */
	JIT_IRREGULAR, /* no regular file, or on a file system that may not answer */
	JIT_LIMIT,     /* too many descriptors */
};

struct profile_jit {
	int map_fd;  /* perf map (/tmp/perf-PID.map), open read-only, owned by the collector; -1: none */
	int dump_fd; /* jitdump (jit-PID.dump), likewise */
	enum jit_reason reason;
	bool changed; /* since the window before: names found then may be outdated */
};

/*
 * One mapped segment of a module, shared by all processes: pprof's Mapping.
 * @start is where the first process seen had it.
 */
struct profile_mapping {
	uint32_t module;       /* index into modules */
	uint64_t start, limit; /* addresses; limit is exclusive */
	uint64_t off;          /* file offset of start (address itself for MODULE_KERNEL and MODULE_ANON) */
};

/*
 * An address that a stack can contain. For callers the address is that of the
 * call's last byte (return address - 1); for the innermost frame, and below a
 * signal frame, the exact pc. Generated code can be replaced by other code at
 * the same address: each is a generation, and locations of its own.
 */
struct profile_location {
	uint32_t mapping;    /* PROFILE_NONE: synthetic frame */
	uint32_t generation; /* MODULE_ANON: tells code from former code here; else 0 */
	uint64_t off;        /* offset in the module's file (or address, see above); synthetic: string id */
	uint64_t time;       /* MODULE_ANON: of its first sample, CLOCK_MONOTONIC ns; else 0 */
};

/* The address pprof shows: inside its mapping. Not for synthetic frames. */
static inline uint64_t profile_location_address(const struct profile_mapping *m,
						const struct profile_location *l)
{
	return m->start + (l->off - m->off);
}

/*
 * ELF virtual address of file offset @off in @mod, in *@vaddr; false when no
 * PT_LOAD holds it. For kernel and anonymous modules the offset is the address.
 */
bool profile_module_vaddr(const struct profile_module *mod, uint64_t off, uint64_t *vaddr);

/* ---- samples ---- */

struct profile_label {
	uint32_t key; /* string id */
	uint32_t str; /* id in label_strings, used if is_num is false */
	int64_t num;
	bool is_num;
};

struct profile_range { /* into frames or labels */
	uint32_t first, n;
};

struct profile_sample { /* its values: values[index * n_types ...] */
	uint32_t stack;
	uint32_t labels;
};

/*
 * Timeline: one event that is part of a sample's values, and when it was. Up
 * to two of the sample's types get a value from it.
 */
struct profile_event {
	uint64_t time_ns; /* Unix epoch */
	int64_t value[2];
	uint32_t sample; /* index */
	uint8_t type[2]; /* indexes; the same twice: value[1] is none */
};

struct profile_type {
	const char *name, *unit; /* static strings, as UPLOAD conventions name them */
};

/* One event of the capture, and what it counted in the window. Absent is not zero: see counted. */
struct profile_counter {
	const char *name;    /* borrowed for the capture's life */
	const char *refused; /* why it was not to be had, likewise; NULL: it was */
	const char *unit;    /* "count", "nanoseconds", "events" */
	bool sampled;        /* else only counted */
	bool kernel;         /* in the kernel as well; else in user mode only */
	bool counted;        /* total means something */
	bool has_user;       /* user does */
	uint32_t type;       /* index: what its samples stand for; sampled only */
	uint64_t total;      /* all tasks, scaled by enabled / running */
	uint64_t user;       /* of it in user mode, counted by itself */
	uint64_t samples, lost, throttled;
	uint64_t enabled_ns, running_ns; /* over tasks and CPUs; running less: it shared its counter */
	uint64_t period, freq;           /* asked for, one of both; sampled only */
};

enum unwind_end; /* collect/unwind_end.h */

/* How far the window can be trusted. CPU times in nanoseconds. */
/* How events were put on running processes; threads_all is 0 after a launch. */
struct profile_attach {
	uint32_t threads_all, threads; /* there were, and have events of their own */
	uint32_t share_ppm;            /* millionths of the CPU time used just before, by the latter */
	bool whole_cpus; /* instead: events of all CPUs, of which only the targets' samples count */
};

/* What sampling cost, of the program's CPU time since the capture began; limit_ppm 0: not looked at. */
struct profile_overhead {
	uint32_t limit_ppm, cost_ppm; /* millionths */
	uint64_t interrupt_ns;        /* price of one sample's interrupt, */
	bool measured;                /* or only assumed */
};

struct profile_quality {
	uint64_t samples;          /* records taken in, user or kernel */
	uint64_t user_samples;     /* those with a user stack to unwind */
	uint64_t complete;         /* user stacks that reached a proven end */
	uint64_t truncated;        /* user stacks that ran out of stack copy or frames */
	uint64_t ends[32];         /* user stacks by enum unwind_end */
	uint64_t spliced;          /* user stacks with frames from the kernel's own callchain */
	uint64_t lost;             /* samples the kernel says it dropped */
	uint64_t lost_sideband;    /* mmap, comm, fork, exit records dropped */
	uint64_t malformed;        /* records that could not be decoded */
	uint64_t throttled;        /* times the kernel throttled an event */
	uint64_t overflow;         /* samples whose stack did not fit the tables */
	uint64_t sampled_cpu_ns;   /* period x samples */
	uint64_t lost_cpu_ns;      /* period x lost */
	uint64_t event_cpu_ns;     /* the CPU clock events' own count */
	uint64_t kernel_denied_ns; /* of event - sampled - lost: kernel time we may not sample */
	uint64_t unsampled_ns;     /* of event - sampled - lost: the rest (short-lived tasks) */
	uint64_t rusage_cpu_ns;    /* user + system time of the tree by the kernel's accounting; 0: unknown */
	uint64_t own_cpu_ns;       /* collector's own */
	uint64_t own_rss_kb;       /* collector's resident memory now */
	uint32_t processes, threads; /* seen in the window */
	struct profile_attach attach;
	uint64_t foreign; /* samples of other processes that were taken and thrown away */
	struct profile_stack_copies {
		uint32_t size;    /* bytes of each copy asked for; 0: none */
		uint64_t samples; /* that came with one */
	} copies[PROFILE_MAX_COPIES];
	uint64_t stack_p995; /* 995 of 1000 user stacks needed no more bytes of it; rounded up to 1 KB */
	struct profile_resize {
		uint64_t at_ns; /* since the window began */
		pid_t tid; /* all that this thread started has another size from now on; -1: it has ended */
		uint32_t from, to;      /* bytes */
	} resizes[PROFILE_MAX_RESIZES]; /* the first of them */
	uint32_t n_resizes;             /* all */
	struct profile_overhead overhead;
	struct profile_rate {
		uint64_t at_ns;          /* since the window began */
		uint64_t from_ns, to_ns; /* periods */
		uint32_t cost_ppm;       /* why */
	} rates[PROFILE_MAX_RESIZES];    /* the first changes of rate */
	uint32_t n_rates;                /* all */
};

struct profile {
	struct strtab strings;
	struct strtab
		label_strings; /* of label values: thread and process names and ids; see profile_reset() */

	struct profile_module *modules;
	uint32_t n_modules, cap_modules;
	struct profile_mapping *mappings;
	uint32_t n_mappings, cap_mappings;
	struct profile_location *locations;
	uint32_t n_locations, cap_locations;
	struct profile_jit *jits;
	uint32_t n_jits, cap_jits;

	struct profile_type types[PROFILE_MAX_TYPES];
	uint32_t n_types;
	uint32_t default_type; /* index */
	struct profile_type period_type;
	int64_t period; /* in period_type's unit */

	uint32_t *frames; /* location ids, leaf first, pointed into by stacks */
	uint32_t n_frames, cap_frames;
	struct profile_range *stacks;
	uint32_t n_stacks, cap_stacks;
	struct profile_label *labels; /* pointed into by labelsets */
	uint32_t n_labels, cap_labels;
	struct profile_range *labelsets;
	uint32_t n_labelsets, cap_labelsets;
	struct profile_sample *samples;
	int64_t *values;
	uint32_t n_samples, cap_samples;
	struct profile_event *events; /* timeline, if there is one: by time */
	uint32_t n_events, cap_events;
	uint32_t max_events;    /* 0: no timeline; at most PROFILE_MAX_EVENTS */
	uint64_t merged_events; /* over that bound: only in their sample's values */

	uint64_t start_ns, end_ns; /* Unix epoch */
	uint64_t duration_ns;      /* by the monotonic clock */
	uint64_t seq;              /* window number from 0 */
	struct profile_quality quality;
	struct profile_counter counters[PROFILE_MAX_COUNTERS];
	uint32_t n_counters;

	/* private to profile.c */
	struct idmap mapping_map, location_map, stack_map, labelset_map, sample_map;
	uint32_t overflow_stack, overflow_labels;
};

/* 0 or -ENOMEM. Set the types before the first sample. */
int profile_init(struct profile *p);
void profile_release(struct profile *p); /* does not close module descriptors */

/* Forget stacks, labels and their strings, samples and quality; keep modules, mappings, locations, other
 * strings. */
void profile_reset(struct profile *p);

/* Find everything again by what the tables hold now: for profile_renumber.c, which leaves no more than there
 * was, so that no memory is needed. */
void profile_reindex(struct profile *p);

/* Each returns the index (existing or new), or PROFILE_NONE when out of memory or full. */
uint32_t profile_add_type(struct profile *p, const char *name, const char *unit);
uint32_t profile_add_module(struct profile *p, const struct profile_module *m); /* always new; copies *m */
uint32_t profile_mapping(struct profile *p, uint32_t module, uint64_t start, uint64_t limit, uint64_t off);
uint32_t profile_location(struct profile *p, uint32_t mapping, uint64_t off);
uint32_t profile_jit_location(struct profile *p, uint32_t mapping, uint64_t off, uint32_t generation,
			      uint64_t time);                    /* @time counts when the location is new */
uint32_t profile_add_jit(struct profile *p, uint32_t module);    /* always new; nothing open yet */
uint32_t profile_synthetic(struct profile *p, const char *name); /* a location */
uint32_t profile_stack(struct profile *p, const uint32_t *locations, uint32_t n); /* leaf first */
uint32_t profile_labelset(struct profile *p, const struct profile_label *labels, uint32_t n);

/*
 * Add @value to type @type of the sample (@stack, @labels). PROFILE_NONE for
 * @stack counts under the overflow stack, for @labels under the empty set, so
 * nothing is lost; quality.overflow counts such samples, when the value of the
 * default type comes. 0, -ENOMEM, or -EINVAL for a type that does not exist.
 */
int profile_add(struct profile *p, uint32_t stack, uint32_t labels, uint32_t type, int64_t value);

/*
 * Keep the time of what was just added by profile_add(): @v0 to type @t0 and
 * @v1 to type @t1 (@t1 == @t0: nothing). Without effect if p->max_events is
 * 0; beyond it, or out of memory, counted in merged_events: values are never lost.
 */
void profile_event(struct profile *p, uint32_t stack, uint32_t labels, uint64_t time_ns, uint32_t t0,
		   int64_t v0, uint32_t t1, int64_t v1);

#endif

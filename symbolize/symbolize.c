/* SPDX-License-Identifier: Apache-2.0 */
/*
 * symbolize.c - see symbolize.h: group by module, attempt, retry with less, account.
 *
 * A crash is blamed on the module the symbolizer was at: that one is tried once
 * more with symbol tables only, the others go on as they were. Too long, or a
 * crash outside any module, and everything left gets symbol tables only. The
 * number of attempts is bounded, so one profile costs bounded time.
 */
#include "symbolize/symbolize.h"

#include "base/io.h"
#include "base/log.h"
#include "symbolize/split.h"
#include "symbolize/symbolizer.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEFAULT_DEADLINE_MS 20000
#define RETRY_DEADLINE_MS   5000 /* symbol tables are quick */
#define MAX_ATTEMPTS        4
#define MAX_SPLIT_FILES     1024

struct pending {
	uint64_t vaddr, time;
	uint32_t module, location;
};

struct job {
	const struct profile *p;
	struct names *names;
	const struct symbolize_options *opt;
	struct pending *pending; /* sorted by module, then by address */
	uint32_t n_pending;
	struct source_module *modules;
	struct source_addr *addrs;
	bool *symbols_only, *given_up; /* [n_modules] */
	uint32_t n_modules;
};

/* ---- grouping ---- */

/* Answer at once for what no source can help with. True if the location has to be looked up. */
static bool needs_lookup(const struct job *j, uint32_t loc, struct pending *out, enum names_status *status)
{
	const struct profile_location *l = &j->p->locations[loc];
	const struct profile_module *mod;

	*status = NAMES_PENDING;
	if (l->mapping == PROFILE_NONE || l->mapping >= j->p->n_mappings)
		return false;
	out->location = loc;
	out->time = l->time;
	out->module = j->p->mappings[l->mapping].module;
	if (out->module >= j->p->n_modules)
		return false;
	mod = &j->p->modules[out->module];
	if (mod->kind == MODULE_ANON && !mod->jit)
		*status = NAMES_JIT_UNMAPPED;
	else if (mod->kind == MODULE_FILE && (mod->reason != MODULE_OK || mod->fd < 0))
		*status = NAMES_NO_FILE;
	else if (mod->kind == MODULE_VDSO && !mod->image)
		*status = NAMES_NO_FILE;
	else if (!profile_module_vaddr(mod, l->off, &out->vaddr))
		*status = NAMES_NO_SYMBOL;
	else
		return true;
	return false;
}

static int compare_pending(const void *a, const void *b)
{
	const struct pending *x = a, *y = b;

	if (x->module != y->module)
		return x->module < y->module ? -1 : 1;
	if (x->vaddr != y->vaddr)
		return x->vaddr < y->vaddr ? -1 : 1;
	return x->time < y->time ? -1 : x->time > y->time;
}

static int collect_pending(struct job *j)
{
	enum names_status status;
	struct pending *p;
	uint32_t loc;
	int err;

	j->pending = malloc(((size_t)j->p->n_locations + 1) * sizeof(*j->pending));
	if (!j->pending)
		return -ENOMEM;
	for (loc = 0; loc < j->p->n_locations; loc++) {
		if (j->names->locations[loc].status != NAMES_PENDING)
			continue;
		p = &j->pending[j->n_pending];
		if (needs_lookup(j, loc, p, &status)) {
			j->n_pending++;
		} else if (status != NAMES_PENDING) {
			err = names_set(j->names, loc, status, NULL, 0);
			if (err)
				return err;
		}
	}
	qsort(j->pending, j->n_pending, sizeof(*j->pending), compare_pending);
	return 0;
}

static void module_init(struct job *j, struct source_module *m, uint32_t module, struct source_addr *addrs)
{
	const struct source *src;
	unsigned int i;

	*m = (struct source_module){.profile = j->p,
				    .mod = &j->p->modules[module],
				    .path = strtab_get(&j->p->strings, j->p->modules[module].path),
				    .dirs = &j->opt->debug_dirs,
				    .debug_fd = -1,
				    .alt_fd = -1,
				    .missing = NAMES_STRIPPED,
				    .addrs = addrs};
	for (i = 0; i < SOURCE_AUX_FDS; i++)
		m->aux_fd[i] = -1;
	for (i = 0; (src = symbolizer_source(m->mod, i)); i++)
		if (src->prepare)
			src->prepare(m);
}

static uint64_t file_bytes(int fd)
{
	struct stat st;

	return fd >= 0 && !fstat(fd, &st) && st.st_size > 0 ? (uint64_t)st.st_size : 0;
}

/* Small files first: what a huge one takes cannot starve them. The kernel's own table is small too. */
static int compare_modules(const void *a, const void *b)
{
	const struct source_module *x = a, *y = b;
	uint64_t cost_x = file_bytes(x->mod->fd) + file_bytes(x->debug_fd);
	uint64_t cost_y = file_bytes(y->mod->fd) + file_bytes(y->debug_fd);

	if (cost_x != cost_y)
		return cost_x < cost_y ? -1 : 1;
	return x->mod < y->mod ? -1 : x->mod > y->mod;
}

static bool same_address(const struct pending *a, const struct pending *b)
{
	return a->module == b->module && a->vaddr == b->vaddr && a->time == b->time;
}

static int group(struct job *j)
{
	struct source_module *m = NULL;
	uint32_t i, n = 0;

	for (i = 0; i < j->n_pending; i++)
		n += !i || j->pending[i].module != j->pending[i - 1].module;
	j->modules = calloc((size_t)n + 1, sizeof(*j->modules));
	j->symbols_only = calloc((size_t)n + 1, sizeof(*j->symbols_only));
	j->given_up = calloc((size_t)n + 1, sizeof(*j->given_up));
	j->addrs = calloc((size_t)j->n_pending + 1, sizeof(*j->addrs));
	if (!j->modules || !j->symbols_only || !j->given_up || !j->addrs)
		return -ENOMEM;
	for (i = 0, n = 0; i < j->n_pending; i++) {
		if (!i || j->pending[i].module != j->pending[i - 1].module) {
			m = &j->modules[j->n_modules++];
			module_init(j, m, j->pending[i].module, &j->addrs[n]);
		} else if (same_address(&j->pending[i], &j->pending[i - 1])) {
			continue;
		}
		j->addrs[n++] = (struct source_addr){.vaddr = j->pending[i].vaddr,
						     .time = j->pending[i].time,
						     .location = j->pending[i].location};
		m->n_addrs++;
	}
	qsort(j->modules, j->n_modules, sizeof(*j->modules), compare_modules);
	return 0;
}

/* Locations in another mapping of the same module at the same address: the same answer. */
static void copy_duplicates(struct job *j)
{
	uint32_t i;

	for (i = 1; i < j->n_pending; i++)
		if (same_address(&j->pending[i], &j->pending[i - 1]))
			j->names->locations[j->pending[i].location] =
				j->names->locations[j->pending[i - 1].location];
}

static void job_release(struct job *j)
{
	struct source_module *m;
	uint32_t i, k;

	for (i = 0; i < j->n_modules; i++) {
		m = &j->modules[i];
		if (m->debug_fd >= 0)
			close(m->debug_fd);
		if (m->alt_fd >= 0)
			close(m->alt_fd);
		for (k = 0; k < SOURCE_AUX_FDS; k++)
			if (m->aux_fd[k] >= 0)
				close(m->aux_fd[k]);
		split_free(m->split);
	}
	free(j->pending);
	free(j->modules);
	free(j->addrs);
	free(j->symbols_only);
	free(j->given_up);
}

/* ---- attempts ---- */

static bool answered(const struct job *j, const struct source_module *m)
{
	uint32_t i;

	for (i = 0; i < m->n_addrs; i++)
		if (j->names->locations[m->addrs[i].location].status == NAMES_PENDING)
			return false;
	return true;
}

/* Leave the module out from now on. */
static int give_up(struct job *j, uint32_t module, enum names_status status)
{
	struct source_module *m = &j->modules[module];
	uint32_t i, loc;
	int err = 0;

	j->given_up[module] = true;
	for (i = 0; i < m->n_addrs && !err; i++) {
		loc = m->addrs[i].location;
		if (j->names->locations[loc].status == NAMES_PENDING)
			err = names_set(j->names, loc, status, NULL, 0);
	}
	return err;
}

/* One step down for @module: symbol tables only, then addresses. */
static int step_down(struct job *j, uint32_t module, enum names_status status)
{
	if (j->given_up[module] || answered(j, &j->modules[module]))
		return 0;
	if (j->symbols_only[module])
		return give_up(j, module, status);
	j->symbols_only[module] = true;
	return 0;
}

static void explain(const struct job *j, const struct symbolizer_result *r, uint32_t deadline_ms, char *why,
		    size_t len)
{
	const char *path = r->module == SYMBOLIZER_NO_MODULE ? "" : j->modules[r->module].path;
	const char *base = strrchr(path, '/');
	char at[48] = "";

	base = base ? base + 1 : path;
	if (*base)
		snprintf(at, sizeof(at), " at '%.40s'", base);
	if (r->end == SYMBOLIZER_TIMEOUT || r->signal == SIGXCPU)
		snprintf(why, len,
			 deadline_ms % 1000 ? "took longer than %.1f s%s" : "took longer than %.0f s%s",
			 deadline_ms / 1000.0, at);
	else if (r->end == SYMBOLIZER_LIED)
		snprintf(why, len, "symbolizer sent malformed data%s", at);
	else if (r->end == SYMBOLIZER_REFUSED)
		snprintf(why, len, "symbolizer could not be started (%s)", strerror(-r->error));
	else if (r->signal && r->signal != SIGKILL)
		snprintf(why, len, "symbolizer crashed (signal %d)%s", r->signal, at);
	else
		snprintf(why, len, "symbolizer ended early%s", at);
}

/* Draw the conclusions from an attempt that failed. */
static int degrade(struct job *j, const struct symbolizer_result *r)
{
	bool late = r->end == SYMBOLIZER_TIMEOUT || r->signal == SIGXCPU;
	enum names_status status = late ? NAMES_TIMEOUT : NAMES_FAILED;
	uint32_t i;
	int err = 0;

	if (!late && r->module != SYMBOLIZER_NO_MODULE && r->end != SYMBOLIZER_REFUSED)
		return step_down(j, r->module, status);
	for (i = 0; i < j->n_modules && !err; i++) {
		if (r->end == SYMBOLIZER_REFUSED)
			err = give_up(j, i, status);
		else if (!answered(j, &j->modules[i]))
			err = step_down(j, i, status);
	}
	return err;
}

static bool work_left(const struct job *j, bool *skip)
{
	bool left = false;
	uint32_t i;

	for (i = 0; i < j->n_modules; i++) {
		skip[i] = j->given_up[i] || answered(j, &j->modules[i]);
		left = left || !skip[i];
	}
	return left;
}

static void add_costs(struct symbolize_report *report, const struct symbolizer_result *r)
{
	report->cpu_ns += r->cpu_ns;
	if (r->peak_rss_kb > report->peak_rss_kb)
		report->peak_rss_kb = r->peak_rss_kb;
}

/* Half of what we may open stays for everything else. */
static uint32_t descriptor_budget(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl))
		return 0;
	return rl.rlim_cur / 2 < MAX_SPLIT_FILES ? (uint32_t)(rl.rlim_cur / 2) : MAX_SPLIT_FILES;
}

/*
 * Which .dwo files hold the units of the wanted addresses is in DWARF, which
 * only a sandboxed process may read; it lists them, we open them. Whatever fails
 * here costs their units' inlined calls, and is no attempt at names.
 */
static int find_split_files(struct job *j, const struct symbolize_options *opt,
			    struct symbolize_report *report)
{
	bool *skip = calloc((size_t)j->n_modules + 1, sizeof(*skip)), any = false;
	struct symbolizer_job sj = {.modules = j->modules,
				    .symbols_only = j->symbols_only,
				    .skip = skip,
				    .n_modules = j->n_modules,
				    .scout = true,
				    .attempt = SYMBOLIZE_SCOUT,
				    .deadline_ms = RETRY_DEADLINE_MS,
				    .memory_bytes = opt->memory_bytes,
				    .hook = opt->hook,
				    .hook_arg = opt->hook_arg};
	uint32_t i, budget = descriptor_budget();
	struct symbolizer_result r;
	struct source_module *m;
	int err = skip ? 0 : -ENOMEM;

	for (i = 0; i < j->n_modules && !err; i++) {
		skip[i] = !j->modules[i].split;
		any = any || !skip[i];
	}
	if (!err && any) {
		err = symbolizer_run(&sj, j->names, j->p->n_locations, &r);
		add_costs(report, &r);
	}
	for (i = 0; i < j->n_modules && !err; i++) {
		m = &j->modules[i];
		if (m->split)
			split_open(m->split, m->mod, m->path, m->dirs, &budget);
	}
	free(skip);
	return err;
}

/* A module's part of the profile: the default type's values of the stacks it is in, once per frame. */
static void measure_heat(struct job *j)
{
	const struct profile *p = j->p;
	uint64_t *heat = calloc((size_t)p->n_modules + 1, sizeof(*heat));
	const struct profile_range *stack;
	uint32_t i, k, mapping;
	int64_t v;

	for (i = 0; heat && i < p->n_samples; i++) {
		v = p->values[(size_t)i * p->n_types + p->default_type];
		stack = &p->stacks[p->samples[i].stack];
		for (k = 0; k < stack->n && v > 0; k++) {
			mapping = p->locations[p->frames[stack->first + k]].mapping;
			if (mapping != PROFILE_NONE)
				heat[p->mappings[mapping].module] += (uint64_t)v;
		}
	}
	for (i = 0; heat && i < j->n_modules; i++)
		j->modules[i].heat = heat[j->modules[i].mod - p->modules];
	free(heat);
}

/* What is left of the deadline after fetching. */
static uint32_t fetch(struct job *j, const struct symbolize_options *opt, struct symbolize_report *report)
{
	uint32_t deadline = opt->deadline_ms ? opt->deadline_ms : DEFAULT_DEADLINE_MS, used;
	struct debuginfod_options o = opt->debuginfod;
	uint64_t begin = io_clock_ns(CLOCK_MONOTONIC);

	if (!o.deadline_ms)
		return deadline;
	/* at least half is for the names themselves */
	if (o.deadline_ms > deadline / 2)
		o.deadline_ms = deadline / 2;
	measure_heat(j);
	debuginfod_fetch(j->modules, j->n_modules, &o, report->fetched);
	used = (uint32_t)((io_clock_ns(CLOCK_MONOTONIC) - begin) / 1000000u);
	return used < deadline ? deadline - used : 1;
}

static int run_attempts(struct job *j, const struct symbolize_options *opt, uint32_t deadline_ms,
			struct symbolize_report *report)
{
	bool *skip = calloc((size_t)j->n_modules + 1, sizeof(*skip));
	struct symbolizer_job sj = {.modules = j->modules,
				    .symbols_only = j->symbols_only,
				    .skip = skip,
				    .n_modules = j->n_modules,
				    .inlines = opt->inlines,
				    .deadline_ms = deadline_ms,
				    .memory_bytes = opt->memory_bytes,
				    .hook = opt->hook,
				    .hook_arg = opt->hook_arg};
	struct symbolizer_result r;
	uint32_t attempt, i;
	int err = skip ? 0 : -ENOMEM;

	for (attempt = 0; !err && attempt < MAX_ATTEMPTS && work_left(j, skip); attempt++) {
		sj.attempt = attempt;
		err = symbolizer_run(&sj, j->names, j->p->n_locations, &r);
		add_costs(report, &r);
		if (err || r.end == SYMBOLIZER_DONE)
			break;
		if (!report->why[0])
			explain(j, &r, sj.deadline_ms, report->why, sizeof(report->why));
		log_debug("symbolizing, attempt %u: %s", attempt + 1, report->why);
		err = degrade(j, &r);
		if (sj.deadline_ms > RETRY_DEADLINE_MS)
			sj.deadline_ms = RETRY_DEADLINE_MS;
	}
	for (i = 0; !err && i < j->n_modules; i++)
		if (!answered(j, &j->modules[i]))
			err = give_up(j, i, NAMES_FAILED);
	free(skip);
	return err;
}

/* The lowest that any module came down to. */
static enum symbolize_mode mode_of(const struct job *j)
{
	enum symbolize_mode mode = SYMBOLIZE_FULL;
	uint32_t i;

	for (i = 0; i < j->n_modules; i++) {
		if (j->given_up[i])
			return SYMBOLIZE_ADDRESSES_ONLY;
		if (j->symbols_only[i])
			mode = SYMBOLIZE_SYMBOLS_ONLY;
	}
	return mode;
}

void symbolize_outdated(const struct profile *p, struct names *names)
{
	const struct profile_location *l;
	uint32_t i, jit;

	for (i = 0; i < p->n_locations && i < names->n_locations; i++) {
		l = &p->locations[i];
		if (l->mapping >= p->n_mappings || p->mappings[l->mapping].module >= p->n_modules)
			continue;
		jit = p->modules[p->mappings[l->mapping].module].jit;
		if (jit && jit <= p->n_jits && p->jits[jit - 1].changed)
			names_outdated(names, i);
	}
}

int symbolize(const struct profile *p, struct names *names, const struct symbolize_options *opt,
	      struct symbolize_report *report)
{
	struct job j = {.p = p, .names = names, .opt = opt};
	uint64_t start = io_clock_ns(CLOCK_MONOTONIC);
	uint32_t deadline_ms = 0;
	int err;

	*report = (struct symbolize_report){.mode = SYMBOLIZE_FULL};
	err = names_resize(names, p->n_locations);
	if (!err)
		err = collect_pending(&j);
	if (!err)
		err = group(&j);
	if (!err) {
		deadline_ms = fetch(&j, opt, report);
		err = find_split_files(&j, opt, report);
	}
	if (!err)
		err = run_attempts(&j, opt, deadline_ms, report);
	if (!err) {
		copy_duplicates(&j);
		report->mode = mode_of(&j);
	}
	job_release(&j);
	report->wall_ns = io_clock_ns(CLOCK_MONOTONIC) - start;
	/* Only memory is the caller's problem; tables at their limit leave locations without names. */
	if (err == -E2BIG) {
		report->mode = SYMBOLIZE_ADDRESSES_ONLY;
		snprintf(report->why, sizeof(report->why), "too many names");
		err = 0;
	}
	return err;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* jit.c - see jit.h: the address spaces with generated code, and when to look at their files. */
#include "collect/jit.h"

#include "base/io.h"
#include "base/log.h"
#include "collect/profile_renumber.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIRST_PAUSE_NS 50000000u /* until the next look for a map that is not there, doubled each time */
#define LAST_PAUSE_NS  2000000000u

struct jit {
	uint32_t id; /* index into profile->jits */
	struct jit_owner owner;
	bool ended;
	uint64_t next_look_ns, pause_ns;
	struct stat map_was; /* at the last window's end */
	uint64_t dump_was;
	struct jit_code code;
};

struct jits {
	struct profile *profile;
	struct jit **all; /* the first n_open have files, or may get some; the rest is over */
	uint32_t n, cap, n_open;
};

int jits_new(struct jits **out, struct profile *profile)
{
	struct jits *js = calloc(1, sizeof(*js));

	if (!js)
		return -ENOMEM;
	js->profile = profile;
	*out = js;
	return 0;
}

static struct profile_jit *info_of(const struct jits *js, const struct jit *j)
{
	return &js->profile->jits[j->id];
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void close_files(struct jits *js, struct jit *j)
{
	close_fd(&info_of(js, j)->map_fd);
	close_fd(&info_of(js, j)->dump_fd);
	jit_code_release(&j->code);
	j->code.broken = true;
}

void jits_free(struct jits *js)
{
	uint32_t i;

	if (!js)
		return;
	for (i = 0; i < js->n; i++) {
		close_files(js, js->all[i]);
		free(js->all[i]);
	}
	free(js->all);
	free(js);
}

static bool same_file(int a, int b)
{
	struct stat x, y;

	return !fstat(a, &x) && !fstat(b, &y) && x.st_ino == y.st_ino && x.st_dev == y.st_dev;
}

/* ---- perf maps ---- */

/* Open it, or again if another file stands there now. */
static void look(struct jits *js, struct jit *j)
{
	struct profile_jit *info = info_of(js, j);
	enum jit_reason reason;
	int fd;

	if (!j->owner.known)
		jit_owner_read(&j->owner, j->owner.pid);
	fd = jit_open_map(&j->owner, &reason);
	if (fd < 0) {
		if (info->map_fd < 0)
			info->reason = reason;
		return;
	}
	if (info->map_fd >= 0 && same_file(info->map_fd, fd)) {
		close(fd);
		return;
	}
	close_fd(&info->map_fd);
	info->map_fd = fd;
	info->reason = JIT_MAPPED;
	log_debug("perf map of process %d is open", (int)j->owner.pid);
}

static struct jit *add(struct jits *js, struct module *anon, pid_t pid)
{
	uint32_t cap = js->cap ? js->cap * 2 : 16;
	struct jit **all, *j;

	if (js->n == js->cap) {
		all = realloc(js->all, cap * sizeof(*all));
		if (!all)
			return NULL;
		js->all = all;
		js->cap = cap;
	}
	j = calloc(1, sizeof(*j));
	if (!j)
		return NULL;
	j->id = profile_add_jit(js->profile, anon->id);
	if (j->id == PROFILE_NONE) {
		free(j);
		return NULL;
	}
	j->pause_ns = FIRST_PAUSE_NS;
	jit_owner_read(&j->owner, pid);
	js->all[js->n++] = js->all[js->n_open];
	js->all[js->n_open++] = j;
	return j;
}

void jits_code(struct jits *js, struct module *anon, pid_t pid)
{
	if (!anon->jit)
		anon->jit = add(js, anon, pid);
}

void jits_ended(struct jits *js, struct jit *j)
{
	if (!j || j->ended)
		return;
	if (info_of(js, j)->map_fd < 0)
		look(js, j);
	j->ended = true;
}

static void poll_one(struct jits *js, struct jit *j, uint64_t now)
{
	struct profile_jit *info = info_of(js, j);

	if (info->dump_fd >= 0)
		jit_code_read(&j->code, info->dump_fd);
	if (j->ended || info->map_fd >= 0 || now < j->next_look_ns)
		return;
	look(js, j);
	j->next_look_ns = now + j->pause_ns;
	if (j->pause_ns < LAST_PAUSE_NS)
		j->pause_ns *= 2;
}

void jits_poll(struct jits *js)
{
	uint64_t now = js->n_open ? io_clock_ns(CLOCK_MONOTONIC) : 0;
	uint32_t i;

	for (i = 0; i < js->n_open; i++)
		poll_one(js, js->all[i], now);
}

/* ---- jitdumps ---- */

bool jits_is_dump(const char *path)
{
	const char *base = strrchr(path, '/');
	size_t digits = 0;

	if (!base || strncmp(base, "/jit-", 5))
		return false;
	base += 5;
	while (isdigit((unsigned char)base[digits]))
		digits++;
	return digits && !strcmp(base + digits, ".dump");
}

void jits_dump(struct jits *js, struct module *anon, pid_t pid, const char *path,
	       const struct module_ident *ident, uint64_t start, uint64_t end)
{
	enum module_reason reason = MODULE_OK;
	struct profile_jit *info;
	int fd;

	jits_code(js, anon, pid);
	if (!anon->jit || anon->jit->ended)
		return;
	info = info_of(js, anon->jit);
	fd = module_open_file(pid, path, ident, start, end, &reason);
	if (fd < 0) {
		log_debug("jitdump '%s' of process %d cannot be read", path, (int)pid);
		return;
	}
	/* Told again when mappings are read anew: to begin anew with it would take generations back. */
	if (info->dump_fd >= 0 && same_file(info->dump_fd, fd)) {
		close(fd);
		return;
	}
	close_fd(&info->dump_fd);
	jit_code_release(&anon->jit->code);
	info->dump_fd = fd;
	anon->jit->dump_was = 0;
}

uint32_t jit_generation(const struct jit *j, uint64_t addr, uint64_t time)
{
	return j->code.n ? jit_code_generation(&j->code, addr, time) : 0;
}

/* ---- windows ---- */

static bool map_changed(struct jit *j, int fd)
{
	struct stat st;
	bool changed;

	if (fd < 0 || fstat(fd, &st))
		return false;
	changed = st.st_size != j->map_was.st_size || st.st_ino != j->map_was.st_ino ||
		  st.st_mtim.tv_sec != j->map_was.st_mtim.tv_sec ||
		  st.st_mtim.tv_nsec != j->map_was.st_mtim.tv_nsec;
	j->map_was = st;
	return changed;
}

void jits_window(struct jits *js)
{
	struct profile_jit *info;
	struct stat st;
	uint32_t i;

	for (i = 0; i < js->n_open; i++) {
		struct jit *j = js->all[i];

		info = info_of(js, j);
		info->changed = false;
		if (!j->ended || info->map_fd < 0)
			look(js, j);
		info->changed = map_changed(j, info->map_fd);
		if (info->dump_fd >= 0 && !fstat(info->dump_fd, &st)) {
			info->changed |= (uint64_t)st.st_size != j->dump_was;
			j->dump_was = (uint64_t)st.st_size;
		}
	}
}

void jits_next(struct jits *js)
{
	struct jit *j;
	uint32_t i = 0;

	while (i < js->n_open) {
		j = js->all[i];
		if (!j->ended) {
			i++;
			continue;
		}
		close_files(js, j);
		info_of(js, j)->changed = false;
		js->all[i] = js->all[--js->n_open];
		js->all[js->n_open] = j;
	}
}

void jits_renumber(struct jits *js, const struct profile_renumber *r)
{
	uint32_t i, n = 0, n_open = 0, id;
	struct jit *j;

	for (i = 0; i < js->n; i++) {
		j = js->all[i];
		id = renumbered(r->jits, r->n_jits, j->id);
		if (id == PROFILE_NONE) {
			close_files(js, j);
			free(j);
			continue;
		}
		j->id = id;
		js->all[n++] = j;
		n_open += i < js->n_open;
	}
	js->n = n;
	js->n_open = n_open;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* spool.c - the directory: what is in it, what must go, what is sent when. */
#include "export/spool_private.h"

#include "base/io.h"
#include "base/log.h"
#include "base/why.h"
#include "export/state_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define COUNTER    "dropped" /* decimal; changed under a lock on it */
#define TEMP_AGE_S 3600
#define STAMP      20 /* digits of the time a name begins with, so that names sort by age */

struct item {
	char name[SPOOL_NAME_MAX];
	uint64_t time_ns, bytes;
};

struct listing {
	struct item *items; /* oldest first */
	uint32_t n, cap;
	uint32_t foreign;
	uint64_t bytes;
};

/* ---- the directory itself ---- */

int spool_open(struct spool *s, const char *dir, const struct spool_limits *limits, char *why, size_t why_len)
{
	struct stat st;
	int err;

	*s = (struct spool){.dirfd = -1};
	if (limits)
		s->limits = *limits;
	if (!s->limits.bytes)
		s->limits.bytes = SPOOL_MAX_BYTES;
	if (!s->limits.count)
		s->limits.count = SPOOL_MAX_COUNT;
	if (!s->limits.age_s)
		s->limits.age_s = SPOOL_MAX_AGE_S;
	if (snprintf(s->path, sizeof(s->path), "%s", dir) >= (int)sizeof(s->path))
		return why_fail(-ENAMETOOLONG, why, why_len, "spool: the directory's name is too long");
	err = state_dir_make(dir);
	if (err)
		return why_fail(err, why, why_len, "spool: cannot create '%s': %s", dir, strerror(-err));
	s->dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->dirfd < 0)
		return why_fail(-errno, why, why_len, "spool: cannot open '%s': %s", dir, strerror(errno));
	if (fstat(s->dirfd, &st) || st.st_uid != geteuid() || (st.st_mode & 022)) {
		spool_close(s);
		return why_fail(-EPERM, why, why_len,
				"spool: '%s' could be written by others\n  fix: chmod 700 '%s', as its owner",
				dir, dir);
	}
	return 0;
}

void spool_close(struct spool *s)
{
	if (s->dirfd >= 0)
		close(s->dirfd);
	s->dirfd = -1;
}

int spool_default(char out[PATH_MAX])
{
	const char *state = getenv("XDG_STATE_HOME");

	/* Cron and services run as root often have no home. */
	if (!geteuid() && (!state || *state != '/'))
		return strcpy(out, "/var/spool/ddprof"), 0;
	return state_dir(out, "/spool");
}

/* ---- what is in it ---- */

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct item *)a)->name, ((const struct item *)b)->name);
}

static bool is_entry(const char *name, uint64_t *time_ns)
{
	size_t len = strlen(name), suffix = sizeof(SPOOL_SUFFIX) - 1;

	if (len <= STAMP + suffix || len >= SPOOL_NAME_MAX || strcmp(name + len - suffix, SPOOL_SUFFIX) ||
	    strspn(name, "0123456789") != STAMP || name[STAMP] != '-')
		return false;
	*time_ns = strtoull(name, NULL, 10);
	return true;
}

static int add_item(struct listing *l, const struct item *it)
{
	struct item *items;

	if (l->n == l->cap) {
		uint32_t cap = l->cap ? l->cap * 2 : 64;

		items = realloc(l->items, cap * sizeof(*items));
		if (!items)
			return -ENOMEM;
		l->items = items;
		l->cap = cap;
	}
	l->items[l->n++] = *it;
	l->bytes += it->bytes;
	return 0;
}

/* Where files must have a name from the start, a killed writer leaves one behind. */
static void sweep(struct spool *s, const char *name)
{
	uint64_t time_ns;
	struct stat st;

	if (is_entry(name + 1, &time_ns) && !fstatat(s->dirfd, name, &st, AT_SYMLINK_NOFOLLOW) &&
	    st.st_mtime + TEMP_AGE_S < time(NULL))
		unlinkat(s->dirfd, name, 0);
}

static int list(struct spool *s, struct listing *l)
{
	int fd = openat(s->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), err = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	uint32_t seen = 0;
	struct dirent *e;
	struct item it;
	struct stat st;

	*l = (struct listing){0};
	if (!d) {
		err = -errno;
		if (fd >= 0)
			close(fd);
		return err;
	}
	while (!err && seen++ < SPOOL_SCAN_MAX && (e = readdir(d))) {
		if (e->d_name[0] == '.') {
			sweep(s, e->d_name);
			continue;
		}
		if (!strcmp(e->d_name, COUNTER))
			continue;
		if (!is_entry(e->d_name, &it.time_ns) ||
		    fstatat(s->dirfd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode) ||
		    st.st_size > SPOOL_ENTRY_MAX) {
			l->foreign++;
			continue;
		}
		memcpy(it.name, e->d_name, strlen(e->d_name) + 1); /* is_entry() has looked at its length */
		it.bytes = (uint64_t)st.st_size;
		err = add_item(l, &it);
	}
	closedir(d);
	if (err)
		free(l->items);
	else if (l->n)
		qsort(l->items, l->n, sizeof(*l->items), compare);
	return err;
}

/* ---- the counter of dropped profiles ---- */

/* Add @delta to it, not below 0; the value then, or 0 when there is none. */
static uint64_t count_dropped(struct spool *s, int64_t delta)
{
	int create = delta > 0 ? O_CREAT : 0, n;
	int fd = openat(s->dirfd, COUNTER, O_RDWR | create | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	char text[32] = "";
	uint64_t v;

	if (fd < 0)
		return 0;
	if (flock(fd, LOCK_EX) || pread(fd, text, sizeof(text) - 1, 0) < 0) {
		close(fd);
		return 0;
	}
	v = strtoull(text, NULL, 10);
	if (delta < 0 && (uint64_t)-delta > v)
		v = 0;
	else
		v += (uint64_t)delta;
	if (delta) {
		n = snprintf(text, sizeof(text), "%" PRIu64 "\n", v);
		if (pwrite(fd, text, (size_t)n, 0) != n || ftruncate(fd, n))
			log_debug("spool: the counter of dropped profiles cannot be kept");
	}
	close(fd);
	return v;
}

uint64_t spool_dropped(struct spool *s)
{
	return count_dropped(s, 0);
}

void spool_dropped_told(struct spool *s, uint64_t n)
{
	if (n && n <= INT64_MAX)
		count_dropped(s, -(int64_t)n);
}

/* ---- limits ---- */

/* Remove one unless somebody is sending it. */
static bool drop(struct spool *s, const struct item *it)
{
	int fd = openat(s->dirfd, it->name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	bool done;

	if (fd < 0)
		return false;
	done = !flock(fd, LOCK_EX | LOCK_NB) && !unlinkat(s->dirfd, it->name, 0);
	close(fd);
	if (done)
		count_dropped(s, 1);
	return done;
}

/* Drop what is too old, and the oldest until @more bytes fit in one more file. Returns how many. */
static uint64_t make_room(struct spool *s, struct listing *l, uint64_t more)
{
	uint64_t now = io_clock_ns(CLOCK_REALTIME), oldest, dropped = 0;
	uint32_t i, left = l->n, extra = more ? 1 : 0;

	oldest = now > s->limits.age_s * 1000000000u ? now - s->limits.age_s * 1000000000u : 0;
	for (i = 0; i < l->n; i++) {
		struct item *it = &l->items[i];

		if (it->time_ns >= oldest && left + extra <= s->limits.count &&
		    l->bytes + more <= s->limits.bytes)
			break;
		if (!drop(s, it))
			continue;
		dropped++;
		left--;
		l->bytes -= it->bytes;
		it->name[0] = '\0';
	}
	return dropped;
}

/* ---- adding ---- */

void spool_target(const struct upload_target *target, char out[SPOOL_TARGET_MAX])
{
	size_t n = target->agentless ? strlen(SPOOL_AGENTLESS) : 0;

	memcpy(out, SPOOL_AGENTLESS, n);
	upload_target_show(target, out + n, SPOOL_TARGET_MAX - n);
}

int spool_add(struct spool *s, const struct upload_request *req, const char *target,
	      const struct identity *identity, uint64_t time_ns, bool duplicate, char *why, size_t why_len)
{
	uint64_t size = req->event_len + req->pprof_len + 256, dropped = 0;
	char name[SPOOL_NAME_MAX];
	struct listing l;
	uint32_t i;
	int err;

	if (size > s->limits.bytes)
		return why_fail(-E2BIG, why, why_len,
				"spool: a profile of %" PRIu64 " bytes is larger than its limit", size);
	err = list(s, &l);
	if (err)
		return why_fail(err, why, why_len, "spool: cannot read '%s': %s", s->path, strerror(-err));
	dropped = make_room(s, &l, size);
	snprintf(name, sizeof(name), "%0*" PRIu64 "-%d" SPOOL_SUFFIX, STAMP, time_ns, (int)getpid());
	err = spool_entry_write(s->dirfd, name, req, target, identity, time_ns, duplicate);
	/* A full disk: the oldest make room for the newest, as with the other limits. */
	for (i = 0; (err == -ENOSPC || err == -EDQUOT) && i < l.n; i++)
		if (l.items[i].name[0] && drop(s, &l.items[i])) {
			dropped++;
			err = spool_entry_write(s->dirfd, name, req, target, identity, time_ns, duplicate);
		}
	free(l.items);
	if (dropped)
		log_debug("spool: the %" PRIu64 " oldest profiles in '%s' had to go", dropped, s->path);
	if (err)
		return why_fail(err, why, why_len, "spool: cannot write to '%s': %s", s->path,
				strerror(-err));
	return 0;
}

/* ---- sending ---- */

/* One entry, open and locked. True: go on with the next. */
static bool send_one(struct spool *s, struct spool_file *f, spool_send_fn *send, void *arg,
		     struct spool_report *report)
{
	struct upload_result result = {0};
	bool remove = false;

	if (f->state == SPOOL_SENDING)
		upload_mark_duplicate(f->entry.req.event, f->entry.req.event_len);
	if (spool_entry_note(f, SPOOL_SENDING)) {
		/* Without the mark a crash would send it twice. */
		snprintf(report->why, sizeof(report->why), "spool: cannot write to '%.150s'", s->path);
		report->left++;
		spool_entry_close(s->dirfd, f, false);
		return false;
	}
	send(&f->entry, &result, arg);
	if (result.end == UPLOAD_DELIVERED) {
		report->sent++;
		remove = true;
	} else {
		snprintf(report->why, sizeof(report->why), "%s", result.why);
		if (result.end == UPLOAD_REFUSED && ++f->refusals >= SPOOL_REFUSALS) {
			report->refused++;
			remove = true;
			count_dropped(s, 1);
		} else {
			report->left++;
			(void)spool_entry_note(f, SPOOL_WAITING);
		}
	}
	spool_entry_close(s->dirfd, f, remove);
	return result.end != UPLOAD_GAVE_UP;
}

static bool take_one(struct spool *s, const struct item *it, const char *target, spool_send_fn *send,
		     void *arg, struct spool_report *report)
{
	struct spool_file f;
	int err = spool_entry_open(s->dirfd, it->name, &f);

	if (err == -ENOENT)
		return true;
	if (err == -EBADMSG) {
		report->foreign++;
		return true;
	}
	if (err) {
		report->left++;
		report->busy += err == -EBUSY;
		return err == -EBUSY;
	}
	if (target && strcmp(target, f.entry.target)) {
		spool_entry_close(s->dirfd, &f, false);
		report->left++;
		report->other++;
		return true;
	}
	return send_one(s, &f, send, arg, report);
}

int spool_drain(struct spool *s, const char *target, spool_send_fn *send, void *arg, uint64_t until_ns,
		struct spool_report *report)
{
	bool go_on = true;
	struct listing l;
	uint32_t i;
	int err;

	*report = (struct spool_report){0};
	err = list(s, &l);
	if (err)
		return err;
	report->foreign = l.foreign;
	report->dropped = make_room(s, &l, 0);
	for (i = 0; i < l.n; i++) {
		if (!l.items[i].name[0])
			continue;
		if (go_on && until_ns && io_clock_ns(CLOCK_MONOTONIC) >= until_ns)
			go_on = false;
		if (go_on)
			go_on = take_one(s, &l.items[i], target, send, arg, report);
		else
			report->left++;
	}
	free(l.items);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spool_entry.c - one profile in a file: header, label, event, attachment.
 *
 * The label is the target and the parts of the identity, each with a NUL behind it.
 *
 * The header's checksum is of label, event and attachment as they were written. The
 * state and the event's duplicate flag change in place later; the flag is left out of the sum.
 */
#include "export/spool_private.h"

#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define MAGIC     "ddspool1"
#define EVENT_MAX (1u << 20)
#define PPROF_MAX (64u << 20)
#define FLAG_LEN  5 /* "false" or "true " */
#define LABEL_MAX (SPOOL_TARGET_MAX + sizeof(struct identity))

struct header {
	char magic[8];
	uint64_t time_ns;
	uint32_t event_len, pprof_len;
	uint32_t sum; /* CRC-32 of label, event but for the flag's value, then of the attachment */
	uint8_t state, refusals;
	uint16_t label_len;
};

/* Where the value of the duplicate flag is, or @len. */
static size_t flag_at(const uint8_t *event, size_t len)
{
	static const char flag[] = UPLOAD_DUPLICATE_FLAG;
	const uint8_t *at = memmem(event, len, flag, sizeof(flag) - 1);

	if (!at || (size_t)(event + len - at) < sizeof(flag) - 1 + FLAG_LEN)
		return len;
	return (size_t)(at - event) + sizeof(flag) - 1;
}

static uint32_t checksum(const char *label, size_t label_len, const struct upload_request *r)
{
	size_t flag = flag_at(r->event, r->event_len), rest = flag + FLAG_LEN;
	uLong sum = crc32(0, (const Bytef *)label, (uInt)label_len);

	sum = crc32(sum, r->event, (uInt)flag);

	if (rest < r->event_len)
		sum = crc32(sum, r->event + rest, (uInt)(r->event_len - rest));
	return (uint32_t)crc32(sum, r->pprof, (uInt)r->pprof_len);
}

static size_t label_make(char label[LABEL_MAX], const char *target, const struct identity *id)
{
	int n = snprintf(label, LABEL_MAX, "%s%c%s%c%s%c%s", target, 0, id ? id->container_id : "", 0,
			 id ? id->entity_id : "", 0, id ? id->external_env : "");

	return (size_t)n + 1;
}

/* The next part of a label into @out. False: there is none, or it does not fit. */
static bool label_part(const char **at, size_t *left, char *out, size_t size)
{
	size_t n = strnlen(*at, *left);

	if (n == *left || n >= size)
		return false;
	memcpy(out, *at, n + 1);
	*at += n + 1;
	*left -= n + 1;
	return true;
}

static int label_read(struct spool_entry *e, const char *label, size_t len)
{
	struct identity *id = &e->identity;

	return label_part(&label, &len, e->target, sizeof(e->target)) &&
			       label_part(&label, &len, id->container_id, sizeof(id->container_id)) &&
			       label_part(&label, &len, id->entity_id, sizeof(id->entity_id)) &&
			       label_part(&label, &len, id->external_env, sizeof(id->external_env)) && !len
		       ? 0
		       : -EBADMSG;
}

static int write_parts(int fd, const struct header *h, const struct upload_request *req, const char *label)
{
	int err = io_write_all(fd, h, sizeof(*h));

	if (!err)
		err = io_write_all(fd, label, h->label_len);
	if (!err)
		err = io_write_all(fd, req->event, req->event_len);
	if (!err)
		err = io_write_all(fd, req->pprof, req->pprof_len);
	if (!err && fsync(fd))
		err = -errno;
	return err;
}

/* A file without a name, or where the file system has none such a hidden one. *@temp: "" for the former. */
static int open_new(int dirfd, const char *name, char temp[SPOOL_NAME_MAX])
{
	int fd = openat(dirfd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	temp[0] = '\0';
	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT))
		return fd < 0 ? -errno : fd;
	snprintf(temp, SPOOL_NAME_MAX, ".%.70s", name);
	fd = openat(dirfd, temp, O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0600);
	return fd < 0 ? -errno : fd;
}

static int give_name(int dirfd, int fd, const char *temp, const char *name)
{
	char self[40];

	if (*temp)
		return linkat(dirfd, temp, dirfd, name, 0) ? -errno : 0;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, self, dirfd, name, AT_SYMLINK_FOLLOW) ? -errno : 0;
}

int spool_entry_write(int dirfd, const char *name, const struct upload_request *req, const char *target,
		      const struct identity *identity, uint64_t time_ns, bool duplicate)
{
	struct header h = {.time_ns = time_ns};
	char temp[SPOOL_NAME_MAX], label[LABEL_MAX];
	int fd, err;

	if (req->event_len > EVENT_MAX || req->pprof_len > PPROF_MAX || strlen(target) >= SPOOL_TARGET_MAX)
		return -E2BIG;
	if (duplicate)
		upload_mark_duplicate(req->event, req->event_len);
	memcpy(h.magic, MAGIC, sizeof(h.magic));
	h.event_len = (uint32_t)req->event_len;
	h.pprof_len = (uint32_t)req->pprof_len;
	h.label_len = (uint16_t)label_make(label, target, identity);
	h.sum = checksum(label, h.label_len, req);
	fd = open_new(dirfd, name, temp);
	if (fd < 0)
		return fd;
	err = write_parts(fd, &h, req, label);
	if (!err)
		err = give_name(dirfd, fd, temp, name);
	if (*temp)
		unlinkat(dirfd, temp, 0);
	close(fd);
	/* The name is good after a crash of the machine only when the directory is on disk, too. */
	if (!err && fsync(dirfd) && errno != EBADF && errno != EINVAL)
		err = -errno;
	return err;
}

/* Lock what @name is now. A file that was removed meanwhile is another process's success. */
static int open_locked(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), err;
	struct stat st;

	if (fd < 0)
		return errno == ELOOP ? -EBADMSG : -errno;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_uid != geteuid())
		err = -EBADMSG;
	else if (flock(fd, LOCK_EX | LOCK_NB))
		err = errno == EWOULDBLOCK ? -EBUSY : -errno;
	else if (fstat(fd, &st) || !st.st_nlink)
		err = -ENOENT;
	else
		return fd;
	close(fd);
	return err;
}

static int check(const struct header *h, uint64_t file_size)
{
	uint64_t size = sizeof(*h) + (uint64_t)h->label_len + h->event_len + h->pprof_len;

	if (memcmp(h->magic, MAGIC, sizeof(h->magic)) || h->event_len > EVENT_MAX ||
	    h->pprof_len > PPROF_MAX || h->label_len > LABEL_MAX || size != file_size)
		return -EBADMSG;
	return 0;
}

static int load(struct spool_file *f)
{
	struct upload_request *req = &f->entry.req;
	char label[LABEL_MAX];
	struct header h;
	struct stat st;
	uint8_t *pprof;
	int err;

	if (fstat(f->fd, &st) || io_pread_full(f->fd, &h, sizeof(h), 0) != sizeof(h))
		return -EBADMSG;
	err = check(&h, (uint64_t)st.st_size);
	if (err)
		return err;
	f->event_off = sizeof(h) + h.label_len;
	req->event = malloc(h.event_len + 1);
	pprof = malloc(h.pprof_len + 1);
	req->pprof = pprof;
	if (!req->event || !pprof)
		return -ENOMEM;
	req->event_len = h.event_len;
	req->pprof_len = h.pprof_len;
	if (io_pread_full(f->fd, label, h.label_len, sizeof(h)) != h.label_len ||
	    io_pread_full(f->fd, req->event, h.event_len, f->event_off) != (ssize_t)h.event_len ||
	    io_pread_full(f->fd, pprof, h.pprof_len, f->event_off + h.event_len) != (ssize_t)h.pprof_len)
		return -EBADMSG;
	f->entry.time_ns = h.time_ns;
	f->state = h.state;
	f->refusals = h.refusals;
	return checksum(label, h.label_len, req) == h.sum ? label_read(&f->entry, label, h.label_len)
							  : -EBADMSG;
}

int spool_entry_open(int dirfd, const char *name, struct spool_file *f)
{
	int err;

	memset(f, 0, sizeof(*f));
	snprintf(f->name, sizeof(f->name), "%s", name);
	f->fd = open_locked(dirfd, name);
	if (f->fd < 0)
		return f->fd;
	err = load(f);
	if (err)
		spool_entry_close(dirfd, f, false);
	return err;
}

int spool_entry_note(struct spool_file *f, enum spool_state state)
{
	struct upload_request *req = &f->entry.req;
	size_t flag = flag_at(req->event, req->event_len);
	uint8_t two[2] = {(uint8_t)state, f->refusals};

	/* The flag first: a crash between the two must not make a duplicate look new. */
	if (flag < req->event_len &&
	    pwrite(f->fd, req->event + flag, FLAG_LEN, (off_t)(f->event_off + flag)) != FLAG_LEN)
		return -EIO;
	if (pwrite(f->fd, two, 2, offsetof(struct header, state)) != 2)
		return -EIO;
	f->state = (uint8_t)state;
	return fdatasync(f->fd) ? -errno : 0;
}

void spool_entry_close(int dirfd, struct spool_file *f, bool remove)
{
	if (remove)
		unlinkat(dirfd, f->name, 0);
	free(f->entry.req.event);
	free((void *)(uintptr_t)f->entry.req.pprof);
	if (f->fd >= 0)
		close(f->fd);
	memset(f, 0, sizeof(*f));
	f->fd = -1;
}

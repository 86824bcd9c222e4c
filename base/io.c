/* SPDX-License-Identifier: Apache-2.0 */
/* io.c - see io.h. */
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

int io_write_all(int fd, const void *data, size_t len)
{
	const char *p = data;
	ssize_t n;

	while (len) {
		n = write(fd, p, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

ssize_t io_read_full(int fd, void *data, size_t len)
{
	char *p = data;
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		n = read(fd, p + done, len - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

ssize_t io_pread_full(int fd, void *data, size_t len, uint64_t off)
{
	char *p = data;
	size_t done = 0;
	ssize_t n;

	if (off > INT64_MAX - len)
		return -EOVERFLOW;
	while (done < len) {
		n = pread(fd, p + done, len - done, (off_t)(off + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

int io_open_regular(int dirfd, const char *path)
{
	int path_fd = openat(dirfd, path, O_PATH | O_CLOEXEC);
	int fd;

	if (path_fd < 0)
		return -errno;
	fd = io_reopen_regular(path_fd);
	close(path_fd);
	return fd;
}

int io_reopen_regular(int path_fd)
{
	char self[40];
	struct stat st;
	int fd;

	if (fstat(path_fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", path_fd);
	fd = open(self, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	return fd < 0 ? -errno : fd;
}

int io_read_file(int dirfd, const char *path, struct buf *out)
{
	int fd = openat(dirfd, path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	ssize_t n;
	int err = 0;

	if (fd < 0)
		return -errno;
	for (;;) {
		err = buf_reserve(out, out->max - out->len < 4096 ? 1 : 4096);
		if (err)
			break;
		n = io_read_full(fd, out->data + out->len, out->cap - out->len);
		if (n < 0)
			err = (int)n;
		if (n <= 0)
			break;
		out->len += (size_t)n;
	}
	close(fd);
	return err;
}

uint64_t io_clock_ns(clockid_t clock)
{
	struct timespec ts;

	if (clock_gettime(clock, &ts))
		return 0;
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

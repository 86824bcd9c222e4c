/* SPDX-License-Identifier: Apache-2.0 */
/* identity.c - see identity.h. */
#include "export/identity.h"

#include "base/io.h"

#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_TEXT          (1u << 20)
#define HOST_CGROUP_INODE 0xEFFFFFFBu /* linux/proc_ns.h: PROC_CGROUP_INIT_INO */

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

/* Do the @n characters at @s follow @pattern: 'x' a hex digit, else itself? */
static bool follows(const char *s, const char *pattern)
{
	for (; *pattern; pattern++, s++)
		if (*pattern == 'x' ? !is_hex(*s) : *s != *pattern)
			return false;
	return true;
}

/* Length of the id that @s, of @len characters, ends in; 0: none. */
static size_t id_length(const char *s, size_t len)
{
	static const char *const uuid[] = {"xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx",
					   "xxxxxxxx_xxxx_xxxx_xxxx_xxxxxxxxxxxx"};
	static const char task[] = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx-";
	size_t hex = 0, digits = 0, i, n;

	while (hex < len && is_hex(s[len - 1 - hex]))
		hex++;
	if (hex == 64)
		return 64;
	for (i = 0; i < 2; i++) {
		n = strlen(uuid[i]);
		if (len >= n && follows(s + len - n, uuid[i]) && (len == n || !is_hex(s[len - n - 1])))
			return n;
	}
	while (digits < len && s[len - 1 - digits] >= '0' && s[len - 1 - digits] <= '9')
		digits++;
	n = strlen(task) + digits;
	if (digits && digits <= 20 && len >= n && follows(s + len - n, task) &&
	    (len == n || !is_hex(s[len - n - 1])))
		return n;
	return 0;
}

int identity_container_id(const char *path, char *id)
{
	size_t len = strlen(path), end, n;
	unsigned component;

	/* the last component, or the one before it */
	for (component = 0; component < 2; component++) {
		end = len;
		if (end > 6 && !strncmp(path + end - 6, ".scope", 6))
			end -= 6;
		n = id_length(path, end);
		if (n) {
			memcpy(id, path + end - n, n);
			id[n] = '\0';
			return 1;
		}
		while (len && path[len - 1] != '/')
			len--;
		if (!len)
			break;
		len--;
	}
	return 0;
}

static char *read_text(const char *path, struct buf *out)
{
	buf_clear(out);
	if (io_read_file(AT_FDCWD, path, out) || buf_put_u8(out, 0))
		return NULL;
	return (char *)out->data;
}

/* "N:controllers:path": the path, or NULL. */
static const char *path_of(const char *line)
{
	size_t n = strspn(line, "0123456789");
	const char *colon = n && line[n] == ':' ? strchr(line + n + 1, ':') : NULL;

	return colon ? colon + 1 : NULL;
}

static bool has_controller(const char *line, const char *name)
{
	const char *s = strchr(line, ':') + 1, *end = strchr(s, ':');
	size_t len = strlen(name), n;

	for (; s < end; s += n + 1) {
		n = strcspn(s, ",:");
		if (n == len && !strncmp(s, name, n))
			return true;
	}
	return false;
}

static void set_inode(struct identity *id, const char *root, const char *controller, const char *path)
{
	char dir[PATH_MAX];
	struct stat st;
	int n = snprintf(dir, sizeof(dir), "%s%s%s", root, controller, path);

	if (*id->entity_id || strstr(path, "/..") || n < 0 || (size_t)n >= sizeof(dir))
		return;
	if (!stat(dir, &st) && S_ISDIR(st.st_mode))
		snprintf(id->entity_id, sizeof(id->entity_id), "in-%llu", (unsigned long long)st.st_ino);
}

/* By the text of /proc/PID/cgroup: the id of the first line that has one, else the group's inode. */
static void from_cgroup(struct identity *id, char *text, const char *root, bool host)
{
	char *line, *next;
	const char *path;

	for (line = text; line && *line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		path = path_of(line);
		if (!path)
			continue;
		if (identity_container_id(path, id->container_id))
			return;
		if (host)
			continue;
		if (!strncmp(line, "0::", 3))
			set_inode(id, root, "", path);
		else if (has_controller(line, "memory"))
			set_inode(id, root, "/memory", path);
	}
}

/*
 * In a cgroup namespace of its own a container sees only "/". But engines
 * mount /etc/hostname from a directory named by the container's id; a
 * "sandboxes" directory is named by the pod's.
 */
static void from_mountinfo(struct identity *id, char *text)
{
	char *line, *next, *root, *end, *slash, *at, found[80];
	unsigned i;

	for (line = text; line && *line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		for (root = line, i = 0; root && i < 3; i++) {
			root = strchr(root, ' ');
			root = root ? root + 1 : NULL;
		}
		end = root ? strchr(root, ' ') : NULL;
		if (!end || strncmp(end, " /etc/hostname ", 15))
			continue;
		*end = '\0';
		slash = strrchr(root, '/');
		if (!slash || strcmp(slash, "/hostname"))
			continue;
		*slash = '\0';
		at = strrchr(root, '/');
		if (at && !strstr(root, "sandboxes/") && identity_container_id(at, found)) {
			memcpy(id->container_id, found, sizeof(found));
			return;
		}
	}
}

void identity_from(struct identity *id, const char *cgroup_file, const char *mountinfo_file,
		   const char *cgroup_root, int host_namespace, const char *external_env)
{
	struct buf text;
	char *s;
	size_t i;

	*id = (struct identity){.container_id = ""};
	buf_init(&text, MAX_TEXT);
	s = read_text(cgroup_file, &text);
	if (s)
		from_cgroup(id, s, cgroup_root, host_namespace);
	s = *id->container_id ? NULL : read_text(mountinfo_file, &text);
	if (s)
		from_mountinfo(id, s);
	if (*id->container_id)
		snprintf(id->entity_id, sizeof(id->entity_id), "ci-%s", id->container_id);
	buf_release(&text);
	for (i = 0; external_env && external_env[i]; i++)
		if (external_env[i] < ' ' || external_env[i] >= 0x7f || i + 1 >= sizeof(id->external_env))
			return;
	if (external_env)
		memcpy(id->external_env, external_env, i + 1);
}

void identity_of(struct identity *id, pid_t pid, const char *external_env)
{
	char cgroup[64], mountinfo[64], ns[64];
	struct stat st;
	int host;

	snprintf(cgroup, sizeof(cgroup), "/proc/%d/cgroup", (int)pid);
	snprintf(mountinfo, sizeof(mountinfo), "/proc/%d/mountinfo", (int)pid);
	snprintf(ns, sizeof(ns), "/proc/%d/ns/cgroup", (int)pid);
	host = !stat(ns, &st) || !stat("/proc/self/ns/cgroup", &st) ? st.st_ino == HOST_CGROUP_INODE : 1;
	identity_from(id, cgroup, mountinfo, "/sys/fs/cgroup", host, external_env);
}

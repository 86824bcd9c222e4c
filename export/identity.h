/* SPDX-License-Identifier: Apache-2.0 */
/*
 * identity.h - which container the profiled process is in, as receivers want to be told.
 *
 * Sources: /proc/PID/cgroup (cgroups(7)), /proc/PID/mountinfo (proc(5)), the
 * inode of the control group's directory, DD_EXTERNAL_ENV.
 */
#ifndef EXPORT_IDENTITY_H
#define EXPORT_IDENTITY_H

#include <stddef.h>
#include <sys/types.h>

struct identity {
	char container_id[80];  /* 64 hex digits, a UUID, or a Fargate task's; "": none known */
	char entity_id[96];     /* "ci-CONTAINER" or "in-INODE"; "": none */
	char external_env[256]; /* printable ASCII; "": none */
};

/*
 * Of process @pid, as far as it can be read. @external_env is what
 * $DD_EXTERNAL_ENV holds, or NULL; unusable in a header, it is left out.
 */
void identity_of(struct identity *id, pid_t pid, const char *external_env);

/* The same from files: for tests. @host_namespace: the process is in the host's own cgroup namespace. */
void identity_from(struct identity *id, const char *cgroup_file, const char *mountinfo_file,
		   const char *cgroup_root, int host_namespace, const char *external_env);

/*
 * The container id in @path of a line of /proc/PID/cgroup: 1 and @id (80
 * bytes), or 0. It ends in 64 hex digits, a UUID (written with '-' or '_'), or 32
 * hex digits, '-' and digits; then maybe ".scope", and one more component.
 */
int identity_container_id(const char *path, char *id);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deny_perf.c - run a command in which perf_event_open fails with the errno
 * given (a number), as a container's seccomp profile makes it; and with
 * "ERRNO,NAME..." the other system calls named, as a sandbox makes them. The name
 * "as-kernel" lets calls with flags that no kernel knows through, as a kernel that refuses by
 * kernel.perf_event_paranoid does: it looks at them first.
 */
#include <linux/filter.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DENIED_MAX 16
#define KNOWN_FLAGS                                                                                          \
	(PERF_FLAG_FD_NO_GROUP | PERF_FLAG_FD_OUTPUT | PERF_FLAG_PID_CGROUP | PERF_FLAG_FD_CLOEXEC)

static const struct {
	const char *name;
	unsigned nr;
} calls[] = {
	{"memfd_create", SYS_memfd_create},
	{"process_vm_readv", SYS_process_vm_readv},
	{"ptrace", SYS_ptrace},
	{"pidfd_open", SYS_pidfd_open},
	{"timer_create", SYS_timer_create},
	{"close_range", SYS_close_range},
	{"openat2", SYS_openat2},
	{"statx", SYS_statx},
	{"eventfd2", SYS_eventfd2},
	{"userfaultfd", SYS_userfaultfd},
};

static unsigned number(const char *name)
{
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (!strcmp(calls[i].name, name))
			return calls[i].nr;
	fprintf(stderr, "deny_perf: which call is %s?\n", name);
	exit(2);
}

int main(int argc, char **argv)
{
	unsigned err = argc > 2 ? (unsigned)strtoul(argv[1], NULL, 10) : 0,
		 denied[DENIED_MAX] = {SYS_perf_event_open};
	struct sock_filter code[2 * DENIED_MAX + 8] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	};
	static const struct sock_filter as_kernel[] = {
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_perf_event_open, 0, 4),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[4])),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, KNOWN_FLAGS, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	};
	struct sock_fprog prog = {1, code};
	unsigned n = 1, i;
	char *name;

	for (name = argc > 2 ? strtok(argv[1], ",") : NULL;
	     name && n < DENIED_MAX && (name = strtok(NULL, ","));) {
		if (strcmp(name, "as-kernel")) {
			denied[n++] = number(name);
			continue;
		}
		if (prog.len > 1)
			continue;
		memcpy(code + prog.len, as_kernel, sizeof(as_kernel));
		prog.len += sizeof(as_kernel) / sizeof(*as_kernel);
	}
	for (i = 0; i < n; i++) {
		code[prog.len++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, denied[i], 0, 1);
		code[prog.len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K,
								SECCOMP_RET_ERRNO | (err & SECCOMP_RET_DATA));
	}
	code[prog.len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	if (!err || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog)) {
		perror("deny_perf");
		return 2;
	}
	execvp(argv[2], argv + 2);
	perror(argv[2]);
	return 127;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* ladder_trace.c - the rung for running processes: see ladder.h and tracer.h. */
#include "collect/ladder.h"

#include "base/io.h"
#include "collect/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void ladder_trace(struct ladder *l)
{
	*l = (struct ladder){.trace = true, .paranoid = l->paranoid};
}

/* kernel.yama.ptrace_scope; 0 also where there is no such thing. */
static int read_yama(void)
{
	struct buf b;
	int v = 0;

	buf_init(&b, 64);
	if (!io_read_file(AT_FDCWD, "/proc/sys/kernel/yama/ptrace_scope", &b) && !buf_put_u8(&b, 0))
		v = atoi((const char *)b.data);
	buf_release(&b);
	return v;
}

void ladder_trace_refused(struct ladder *l, int err, int pid, int by)
{
	const char *why = strerror(-err);
	char comm[16] = "?";
	int scope = read_yama();

	l->err = err;
	if (err == -EBUSY) {
		(void)procfs_comm(by, by, comm);
		snprintf(l->advice, sizeof(l->advice),
			 "pid %d is being traced already, by pid %d ('%s')\n  fix: end that first, it takes "
			 "one at "
			 "a time",
			 pid, by, comm);
	} else if (err == -ENOSYS) {
		snprintf(l->advice, sizeof(l->advice),
			 "ptrace: %s: this kernel or sandbox does not have it\n  fix: start the program by "
			 "ddprof "
			 "run, whose timers in it need neither",
			 why);
	} else if (err == -EPERM && scope >= 3) {
		snprintf(l->advice, sizeof(l->advice),
			 "ptrace: %s, kernel.yama.ptrace_scope is %d, for good until the next boot\n  fix: "
			 "start the "
			 "program by ddprof run",
			 why, scope);
	} else if (err == -EPERM && scope > 0 && geteuid() != 0) {
		snprintf(l->advice, sizeof(l->advice),
			 "ptrace: %s, kernel.yama.ptrace_scope is %d\n  fix: sudo sysctl "
			 "kernel.yama.ptrace_scope=0, or run as root",
			 why, scope);
	} else if (err == -EPERM) {
		snprintf(l->advice, sizeof(l->advice),
			 "ptrace: %s to trace pid %d\n  fix: run as the user it belongs to, or as root with "
			 "CAP_SYS_PTRACE",
			 why, pid);
	} else {
		snprintf(l->advice, sizeof(l->advice), "ptrace: %s", why);
	}
}

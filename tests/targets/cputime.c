/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cputime.c - run a command and write to a file the CPU time that the kernel
 * counts for it and all that it starts, in nanoseconds.
 *
 * The kernel keeps two counts. A task's clock event runs on through interrupts
 * and time that a hypervisor stole, and ends before the task frees its memory;
 * its rusage is the other way round. What was really used is no less than
 * either of them: the larger one is written.
 */
#include <errno.h>
#include <linux/perf_event.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static uint64_t ns(struct timeval t)
{
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_usec * 1000u;
}

/* A task-clock of @pid and its descendants, from its next exec. Descriptor or -1. */
static int open_clock(pid_t pid)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_TASK_CLOCK,
		.disabled = 1,
		.inherit = 1,
		.exclude_kernel = 1,
		.enable_on_exec = 1,
	};

	return (int)syscall(SYS_perf_event_open, &attr, pid, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

int main(int argc, char **argv)
{
	uint64_t clock = 0, used;
	struct rusage ru;
	int fd, go[2], status = 0;
	char c = 0;
	FILE *out;
	pid_t pid;

	if (argc < 3 || pipe(go) || (pid = fork()) < 0) {
		fprintf(stderr, "usage: cputime FILE COMMAND...\n");
		return 2;
	}
	if (!pid) {
		close(go[1]);
		if (read(go[0], &c, 1) != 1)
			_exit(2);
		close(go[0]);
		execvp(argv[2], argv + 2);
		perror(argv[2]);
		_exit(127);
	}
	close(go[0]);
	fd = open_clock(pid);
	if (fd < 0)
		perror("cputime: perf_event_open");
	if (write(go[1], &c, 1) != 1)
		perror("cputime");
	close(go[1]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (fd < 0 || read(fd, &clock, sizeof(clock)) != sizeof(clock) || getrusage(RUSAGE_CHILDREN, &ru) ||
	    !(out = fopen(argv[1], "we")))
		return 2;
	used = ns(ru.ru_utime) + ns(ru.ru_stime);
	fprintf(out, "%llu\n", (unsigned long long)(used > clock ? used : clock));
	return fclose(out) || status ? 1 : 0;
}

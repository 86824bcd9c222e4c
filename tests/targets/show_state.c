/* SPDX-License-Identifier: Apache-2.0 */
/*
 * show_state.c - everything a program can see of how it was started that must
 * not differ under the profiler: what is unique to a process (ids, times,
 * sizes) is left out, so that two outputs can be compared byte by byte.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

static void status_lines(void)
{
	static const char *const keep[] = {"Umask",        "Uid",          "Gid",   "Groups",   "Threads",
					   "Sig",          "Shd",          "Cap",   "NoNew",    "Secc",
					   "Cpus_allowed", "Mems_allowed", "State", "TracerPid"};
	char line[1024];
	FILE *f = fopen("/proc/self/status", "r");

	while (f && fgets(line, sizeof(line), f)) {
		if (strncmp(line, "SigQ", 4) == 0) /* counts the user's, not ours */
			continue;
		for (size_t i = 0; i < sizeof(keep) / sizeof(keep[0]); i++) {
			if (strncmp(line, keep[i], strlen(keep[i])) == 0) {
				fputs(line, stdout);
				break;
			}
		}
	}
	if (f)
		fclose(f);
}

static void whole_file(const char *path)
{
	char line[4096];
	FILE *f = fopen(path, "r");

	while (f && fgets(line, sizeof(line), f))
		fputs(line, stdout);
	if (f)
		fclose(f);
}

static void descriptors(void)
{
	char path[64], target[4096];

	for (int fd = 0; fd < 4096; fd++) {
		ssize_t n;

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		n = readlink(path, target, sizeof(target) - 1);
		if (n >= 0)
			printf("fd %d -> %.*s flags %x %x\n", fd, (int)n, target,
			       (unsigned)fcntl(fd, F_GETFL), (unsigned)fcntl(fd, F_GETFD));
	}
}

int main(int argc, char **argv)
{
	struct sigaction sa;
	struct itimerval timer;
	int death = 0;

	descriptors();
	for (int i = 0; i < argc; i++)
		printf("arg %s\n", argv[i]);
	for (char **e = environ; *e; e++)
		printf("env %s\n", *e);
	status_lines();
	whole_file("/proc/self/limits");
	whole_file("/proc/self/oom_score_adj");
	whole_file("/proc/self/coredump_filter");
	whole_file("/proc/self/cgroup");
	for (int s = 1; s < 65; s++)
		printf("%c", sigaction(s, NULL, &sa) == 0 && sa.sa_handler == SIG_IGN ? 'i' : 'd');
	for (int which = 0; which < 3; which++)
		printf(" timer %d", getitimer(which, &timer) == 0 && timerisset(&timer.it_value));
	prctl(PR_GET_PDEATHSIG, &death);
	printf("\nnice %d death %d dumpable %d slack %d sid-same %d\n", getpriority(PRIO_PROCESS, 0), death,
	       prctl(PR_GET_DUMPABLE), prctl(PR_GET_TIMERSLACK), getpgid(0) == getpgid(getppid()));
	return 0;
}

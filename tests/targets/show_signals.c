/* SPDX-License-Identifier: Apache-2.0 */
/*
 * show_signals.c - say which signals arrive, one line each, until SIGUSR2.
 *
 * "ready PID", then "signal NUMBER" per signal, in order of arrival. All are
 * blocked and waited for, so none is lost and none acts by default.
 */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

int main(void)
{
	sigset_t all;
	int signo;

	sigfillset(&all);
	sigdelset(&all, SIGALRM);
	sigprocmask(SIG_SETMASK, &all, NULL);
	alarm(60); /* never outlive the test by much */
	printf("ready %d\n", (int)getpid());
	fflush(stdout);
	for (;;) {
		if (sigwait(&all, &signo) != 0)
			continue;
		printf("signal %d\n", signo);
		fflush(stdout);
		if (signo == SIGUSR2)
			return 0;
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
/* signals.c - see signals.h. */
#include "base/signals.h"

#include <signal.h>

void signals_reset(const int *ignored, size_t n)
{
	struct sigaction sa = {.sa_handler = SIG_DFL};
	size_t i;
	int sig;

	/* SIGKILL, SIGSTOP and those of libc's own are refused, which is fine. */
	for (sig = 1; sig < NSIG; sig++)
		sigaction(sig, &sa, NULL);
	sa.sa_handler = SIG_IGN;
	for (i = 0; i < n; i++)
		sigaction(ignored[i], &sa, NULL);
}

void signals_unblock(void)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

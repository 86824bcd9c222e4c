/* SPDX-License-Identifier: Apache-2.0 */
/* supervise.c - see supervise.h. */
#include "cli/supervise.h"

#include "base/io.h"
#include "base/log.h"
#include "cli/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define READY_MS 10000 /* the program does not wait longer for its events */

int supervise_init(struct supervisor *sup, struct session *s)
{
	void *shared = mmap(NULL, sizeof(struct supervise_state), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	*sup = (struct supervisor){.session = s, .news_fd = -1};
	if (shared == MAP_FAILED)
		return -errno;
	sup->state = s->state = shared;
	return 0;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void supervise_release(struct supervisor *sup)
{
	close_fd(&sup->news_fd);
	if (sup->state)
		munmap(sup->state, sizeof(*sup->state));
	sup->session->state = NULL;
	sup->state = NULL;
}

int supervise_fork(struct supervisor *sup, int ready_fd, int news_fd)
{
	pid_t pid = fork();
	int err = pid < 0 ? -errno : 0;

	if (!pid)
		capture_process(sup->session, ready_fd, news_fd);
	if (!err)
		sup->collector = pid;
	close_fd(&ready_fd);
	close_fd(&news_fd);
	return err;
}

/* One byte or an end of file. */
static void await_ready(struct supervisor *sup, int fd)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};
	uint64_t until = io_clock_ns(CLOCK_MONOTONIC) + READY_MS * UINT64_C(1000000), now;

	while ((now = io_clock_ns(CLOCK_MONOTONIC)) < until)
		if (poll(&pfd, 1, (int)((until - now) / 1000000) + 1) > 0)
			return;
	log_warn("opening events takes too long: '%s' runs without being profiled", sup->session->program);
	(void)kill(sup->collector, SIGKILL);
	sup->state->restarts = SUPERVISE_RESTARTS;
}

/* A pipe for news whose other end goes to a new collector. */
static int fork_with_news(struct supervisor *sup, int ready_fd)
{
	int news[2];

	close_fd(&sup->news_fd);
	if (pipe2(news, O_CLOEXEC)) {
		close_fd(&ready_fd);
		return -errno;
	}
	(void)fcntl(news[1], F_SETFL, O_NONBLOCK);
	sup->news_fd = news[1];
	return supervise_fork(sup, ready_fd, news[0]);
}

int supervise_start(struct supervisor *sup)
{
	int ready[2], err;

	if (pipe2(ready, O_CLOEXEC))
		return -errno;
	err = fork_with_news(sup, ready[1]);
	if (!err)
		await_ready(sup, ready[0]);
	close(ready[0]);
	return err;
}

void supervise_tell(struct supervisor *sup, const struct news *news)
{
	if (sup->news_fd >= 0)
		(void)io_write_all(sup->news_fd, news, sizeof(*news));
}

static const char *how_it_died(int status, char *out, size_t len)
{
	if (WIFSIGNALED(status))
		snprintf(out, len, "was killed by signal %d (%s)", WTERMSIG(status),
			 strsignal(WTERMSIG(status)));
	else
		snprintf(out, len, "ended with status %d", WEXITSTATUS(status));
	return out;
}

bool supervise_reaped(struct supervisor *sup, int status, bool program_runs)
{
	const char *program = sup->session->program;
	char how[96];
	int err;

	sup->collector = 0;
	if (WIFEXITED(status) &&
	    (WEXITSTATUS(status) == SUPERVISE_DONE || WEXITSTATUS(status) == SUPERVISE_GAVE_UP))
		return false;
	how_it_died(status, how, sizeof(how));
	if (!program_runs) {
		log_error("the collector %s: the last window of '%s' is lost", how, program);
		return false;
	}
	if (sup->state->restarts >= SUPERVISE_RESTARTS) {
		log_error("the collector %s: '%s' runs on without being profiled", how, program);
		return false;
	}
	sup->state->restarts++;
	log_warn("the collector %s: restarted (%u of %u), the samples of this window are lost", how,
		 sup->state->restarts, SUPERVISE_RESTARTS);
	/* One without news believes that nobody reaps the program: only for a supervisor that does not. */
	err = sup->news_fd >= 0 ? fork_with_news(sup, -1) : supervise_fork(sup, -1, -1);
	if (err)
		log_error("no process for another collector: %s", strerror(-err));
	else
		supervise_tell(sup, &(struct news){.kind = NEWS_STARTED});
	return !err;
}

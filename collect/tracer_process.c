/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tracer_process.c - the process that interrupts threads: its looks, and its wait between them.
 *
 * It is apart from the collector because a tracer has to wait for its tracees:
 * nothing that the collector does may lengthen a pause, and nobody else's
 * waitpid() may take a stop away.
 */
#include "collect/tracer_private.h"

#include "base/io.h"
#include "base/signals.h"
#include "collect/procfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define COST_FACTOR   20         /* a look costs at most one part in so many of the time */
#define CHILDREN_NS   250000000u /* so often it looks for processes that were started */
#define SWEEP_LOOKS   64
#define PER_CPU       4 /* threads interrupted at a look, for each CPU: so many run, or wait to */
#define CHILDREN_TEXT 4096
#define SPIN_NS       50000u

struct look {
	struct tracing *t;
	struct traced_process *p;
	uint64_t number;
	bool children;                  /* look for them too */
	pid_t chosen[TRACER_STOPS_MAX]; /* a fair choice of the running threads, by reservoir sampling */
	uint32_t n_chosen, max_chosen, n_running;
};

/* ---- /proc ---- */

static int read_task(pid_t pid, pid_t tid, const char *name, char *out, size_t size)
{
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/%s", (int)pid, (int)tid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = io_read_full(fd, out, size - 1);
	close(fd);
	if (n < 0)
		return (int)n;
	out[n] = '\0';
	return 0;
}

static int parse_stat(const char *text, struct tracer_stat *out)
{
	uint64_t tick = 1000000000u / (uint64_t)sysconf(_SC_CLK_TCK);
	const char *p = strrchr(text, ')'); /* the name may itself hold parentheses and blanks */
	unsigned long long ut, st, start, stack;
	char state;

	if (!p || sscanf(p + 1,
			 " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d %*d %*d "
			 "%llu %*u %*d %*u %*u %*u %llu",
			 &state, &ut, &st, &start, &stack) != 5)
		return -EBADMSG;
	*out = (struct tracer_stat){state, ut * tick, st * tick, start, stack};
	return 0;
}

int tracer_stat(pid_t pid, pid_t tid, struct tracer_stat *out)
{
	char text[1024];
	int err = read_task(pid, tid, "stat", text, sizeof(text));

	return err ? err : parse_stat(text, out);
}

int tracer_clock_open(const struct tracing *t, pid_t pid, pid_t tid)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/%s", (int)pid, (int)tid,
		 t->ticks ? "stat" : "schedstat");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int tracer_clock_read(const struct tracing *t, int fd, struct tracer_clock *out)
{
	unsigned long long run, delay;
	struct tracer_stat st;
	char text[1024];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	if (n <= 0)
		return n ? -errno : -ESRCH;
	text[n] = '\0';
	if (t->ticks) {
		if (parse_stat(text, &st))
			return -EBADMSG;
		*out = (struct tracer_clock){st.user_ns + st.system_ns, 0};
		return 0;
	}
	if (sscanf(text, "%llu %llu", &run, &delay) != 2)
		return -EBADMSG;
	*out = (struct tracer_clock){run, delay};
	return 0;
}

static uint64_t run_time(const struct tracing *t, pid_t pid, pid_t tid)
{
	struct tracer_clock clock = {0};
	int fd = tracer_clock_open(t, pid, tid);

	if (fd < 0)
		return 0;
	(void)tracer_clock_read(t, fd, &clock);
	close(fd);
	return clock.run_ns;
}

/* Does the kernel account run times (CONFIG_SCHED_INFO)? This process has some. */
static bool only_ticks(struct tracing *t)
{
	return !run_time(t, getpid(), getpid());
}

/* ---- records ---- */

void tracer_put(struct tracing *t, const void *record, size_t len, bool *full)
{
	static const uint64_t one = 1;
	uint64_t fill;

	*full = !tracer_push(t->ring, TRACER_HEAD, TRACER_RING_BYTES, record, len, &fill);
	if (fill > TRACER_RING_BYTES / 4)
		(void)!write(t->wake_fd, &one, sizeof(one));
}

static void note_exec(struct tracing *t, struct traced_process *p, const struct tracer_stat *st)
{
	bool is_new = p->start_stack && st->start_stack && st->start_stack != p->start_stack, full = false;
	uint64_t words[16];
	char comm[16];

	if (is_new && !procfs_comm(p->pid, p->pid, comm))
		tracer_put(t, words, tracer_exec_record(words, p->pid, comm, io_clock_ns(CLOCK_MONOTONIC)),
			   &full);
	if (st->start_stack && !full)
		p->start_stack = st->start_stack;
}

/* ---- one look ---- */

static uint32_t below(struct tracing *t, uint32_t n)
{
	/* Marsaglia 2003: xorshift, 64 bits. */
	t->random ^= t->random << 13;
	t->random ^= t->random >> 7;
	t->random ^= t->random << 17;
	return (uint32_t)((t->random >> 32) % n);
}

static void choose(struct look *l, pid_t tid)
{
	uint32_t at = l->n_chosen;

	l->n_running++;
	if (l->n_chosen < l->max_chosen)
		l->n_chosen++;
	else
		at = below(l->t, l->n_running);
	if (at < l->max_chosen)
		l->chosen[at] = tid;
}

static bool known_process(const struct tracing *t, pid_t pid)
{
	uint32_t i;

	for (i = 0; i < t->n_processes; i++)
		if (t->processes[i].pid == pid)
			return true;
	return false;
}

/* What it has started since we are here; what ran before is not meant. */
static void add_children(struct look *l, pid_t tid)
{
	char text[CHILDREN_TEXT], *p = text, *end;
	struct tracing *t = l->t;
	long pid;

	if (read_task(l->p->pid, tid, "children", text, sizeof(text)))
		return;
	/* A number that was cut off at the end has no blank behind it. */
	for (; (pid = strtol(p, &end, 10)) > 0 && *end == ' '; p = end)
		if (t->n_processes < TRACER_PROCESS_MAX && !known_process(t, (pid_t)pid)) {
			struct tracer_stat st;

			if (tracer_stat((pid_t)pid, (pid_t)pid, &st) || st.start_ticks < t->begin_ticks)
				continue;
			t->processes[t->n_processes++] = (struct traced_process){.pid = (pid_t)pid};
		}
}

static int look_at(pid_t tid, void *arg)
{
	struct look *l = arg;
	struct tracing *t = l->t;
	struct tracer_stat st;
	bool fresh;
	struct traced_thread *th = traced_threads_get(&t->threads, l->p->pid, tid, &fresh);

	if (!th)
		return 0;
	th->seen = l->number;
	if (fresh && l->number == 1 && l->p->running)
		th->time.begin.run_ns = run_time(t, l->p->pid, tid);
	if (l->children)
		add_children(l, tid);
	if (th->stopping || tracer_stat(l->p->pid, tid, &st))
		return 0;
	if (th->time.begin.run_ns && fresh) {
		th->time.begin.user_ns = st.user_ns;
		th->time.begin.system_ns = st.system_ns;
	}
	if (st.state != 'R')
		return 0;
	note_exec(t, l->p, &st);
	choose(l, tid);
	return 0;
}

static void drop_gone(struct tracing *t)
{
	uint32_t i, n = 0;

	for (i = 0; i < t->n_processes; i++)
		if (!t->processes[i].gone)
			t->processes[n++] = t->processes[i];
	t->n_processes = n;
}

/* A running thread stops within microseconds: sleeping meanwhile would lengthen its pause. */
static void await_stops(struct tracing *t)
{
	uint64_t until = io_clock_ns(CLOCK_MONOTONIC) + SPIN_NS;

	while (t->n_stops && io_clock_ns(CLOCK_MONOTONIC) < until)
		tracer_serve(t);
}

static void look(struct tracing *t, uint64_t number, uint32_t max_chosen, bool children)
{
	struct look l = {.t = t, .number = number, .max_chosen = max_chosen, .children = children};
	uint32_t i;

	for (i = 0; i < t->n_processes; i++) {
		l.p = &t->processes[i];
		l.p->gone = procfs_tasks(l.p->pid, look_at, &l) == -ESRCH;
	}
	drop_gone(t);
	for (i = 0; i < l.n_chosen && t->n_stops < TRACER_STOPS_MAX; i++) {
		struct traced_thread *th = traced_threads_find(&t->threads, l.chosen[i]);

		if (th)
			tracer_interrupt(t, th);
		tracer_serve(t);
	}
	await_stops(t);
	if (number % SWEEP_LOOKS == 0) {
		traced_threads_sweep(&t->threads, number);
		tracer_forget_stale(t);
	}
}

/* ---- the process ---- */

static bool is_kept(const struct tracing *t, int fd)
{
	return fd == t->ctl_fd || fd == t->wake_fd || fd == t->signal_fd;
}

/* Nothing of the collector's is held: who reads from its output sees it end. */
static void drop_descriptors(const struct tracing *t)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), fd;
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *d;

	for (fd = 0; null >= 0 && fd <= STDERR_FILENO; fd++)
		dup2(null, fd);
	while (dir && (d = readdir(dir))) {
		fd = atoi(d->d_name);
		if (fd > STDERR_FILENO && fd != dirfd(dir) && !is_kept(t, fd))
			close(fd);
	}
	if (dir)
		closedir(dir);
}

/* Only SIGKILL ends it; SIGCHLD, which tells of stops, is read from a descriptor. */
static int settle(struct tracing *t, pid_t parent)
{
	sigset_t set;

	signals_reset(NULL, 0);
	sigfillset(&set);
	sigprocmask(SIG_SETMASK, &set, NULL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		return -ESRCH;
	prctl(PR_SET_NAME, "ddprof-tracer");
	setsid();
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	t->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (t->signal_fd < 0)
		return -errno;
	drop_descriptors(t);
	return 0;
}

/* True: the collector wants no more. */
static bool wait_until(struct tracing *t, uint64_t until)
{
	struct pollfd pfd[2] = {{.fd = t->ctl_fd, .events = POLLIN}, {.fd = t->signal_fd, .events = POLLIN}};
	struct signalfd_siginfo si;
	uint64_t now;

	while ((now = io_clock_ns(CLOCK_MONOTONIC)) < until) {
		struct timespec left = {(time_t)((until - now) / 1000000000u),
					(long)((until - now) % 1000000000u)};

		if (ppoll(pfd, 2, &left, NULL) <= 0)
			continue;
		if (pfd[0].revents)
			return true;
		while (read(t->signal_fd, &si, sizeof(si)) == (ssize_t)sizeof(si))
			;
		tracer_serve(t);
	}
	pfd[0].revents = 0;
	return poll(pfd, 1, 0) == 1 && pfd[0].revents;
}

static uint32_t stops_a_look(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	return cpus < 1                            ? PER_CPU
	       : cpus > TRACER_STOPS_MAX / PER_CPU ? TRACER_STOPS_MAX
						   : (uint32_t)cpus * PER_CPU;
}

_Noreturn void tracer_process(struct tracing *t, pid_t parent)
{
	uint64_t interval = 1000000000u / t->opt.rate, children_ns = 0, begin, from, cpu, number = 0, slot;
	struct tracer_stats *stats = &t->shared->stats;
	uint32_t max_chosen = stops_a_look();

	if (settle(t, parent))
		_exit(1);
	t->ticks = only_ticks(t);
	t->random = io_clock_ns(CLOCK_MONOTONIC) | 1;
	begin = slot = io_clock_ns(CLOCK_MONOTONIC);
	do {
		bool children;

		from = io_clock_ns(CLOCK_MONOTONIC);
		children = from - children_ns >= CHILDREN_NS;
		children_ns = children ? from : children_ns;
		cpu = io_clock_ns(CLOCK_PROCESS_CPUTIME_ID);
		look(t, ++number, max_chosen, children);
		stats->looks = number;
		stats->look_ns = io_clock_ns(CLOCK_MONOTONIC) - begin;
		stats->cpu_ns = io_clock_ns(CLOCK_PROCESS_CPUTIME_ID);
		cpu = (stats->cpu_ns - cpu) * COST_FACTOR;
		/* Anywhere in the interval after this one: no program runs in step with that. */
		slot += interval;
		if (slot < from + cpu)
			slot = from + cpu;
		if (slot + interval < from) /* after a standstill: none is made up for */
			slot = from;
	} while (!wait_until(t, slot + below(t, (uint32_t)interval)));
	_exit(0); /* whatever is in the middle of being interrupted, the kernel lets go */
}

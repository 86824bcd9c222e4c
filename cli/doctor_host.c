/* SPDX-License-Identifier: Apache-2.0 */
/* doctor_host.c - what the kernel grants: events, frames, rings, descriptors, rates; and the timers instead.
 */
#include "cli/doctor.h"

#include "base/log.h"
#include "collect/event.h"
#include "collect/timer.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ENOUGH_THREADS  100        /* that can be attached to: fewer are degraded */
#define ENOUGH_STACK    32760      /* bytes of stack copies: smaller ones are degraded */
#define KALLSYMS_LOOKED (1u << 20) /* bytes until the first function must have come */
#define TRY_TIMERS_S    5          /* loading the library takes milliseconds */

/* ---- timers ---- */

/* In a process of its own: what the library does when loaded is its business. 0, 1: not loadable, 2: no
 * timer. */
static _Noreturn void try_timers(const char *library)
{
	struct sigevent none = {.sigev_notify = SIGEV_NONE};
	timer_t t;

	alarm(TRY_TIMERS_S);
	if (timer_create(CLOCK_THREAD_CPUTIME_ID, &none, &t))
		_exit(2);
	_exit(dlopen(library, RTLD_NOW | RTLD_LOCAL) ? 0 : 1);
}

static int timers_in_child(const char *library)
{
	pid_t pid = fork();
	int status = 0;

	if (!pid)
		try_timers(library);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return pid < 0 ? -errno : WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static void probe_timers(struct doctor *d, char *why, size_t len)
{
	struct timer *t = NULL;
	int err = timer_new(&t);

	d->hz = timer_rate(d->opt->frequency);
	if (err == -ENOENT) {
		snprintf(why, len, "%s is neither beside ddprof nor in ../lib/ddprof", TIMER_LIBRARY);
	} else if (err == -EINVAL) {
		snprintf(why, len, "the path of %s has a blank or colon, which LD_PRELOAD cannot have",
			 TIMER_LIBRARY);
	} else if (err) {
		snprintf(why, len, "no memory to share with programs: %s", strerror(-err));
	} else {
		err = timers_in_child(timer_library(t));
		d->timers = !err;
		snprintf(why, len, "%s",
			 err == 1   ? "the library cannot be loaded (a noexec file system, or damaged)"
			 : err == 2 ? "timer_create is refused"
			 : err      ? "no process can be started"
				    : "");
	}
	timer_free(t);
}

static void tell_timers(struct doctor *d, const char *why)
{
	const struct doctor_ill ill = {DOCTOR_MISSING,
				       d->perf,
				       "timers",
				       "timers instead of perf events",
				       "make install (lib/ddprof/" TIMER_LIBRARY " belongs to ddprof)",
				       d->perf ? "perf events, which work" : ""};

	if (d->timers)
		doctor_ok(d, "timers", "timers instead of perf events",
			  "%s, at most %u Hz (CONFIG_HZ) of CPU time, without kernel frames",
			  d->perf ? "ready" : "used", timer_rate(UINT32_MAX));
	else
		doctor_ill(d, &ill, "%s", why);
}

/* ---- perf events ---- */

static const char *errno_name(int err)
{
	const char *name = strerrorname_np(-err);

	return name ? name : "?";
}

/* The two lines of @l->advice. */
static void tell_refusal(struct doctor *d)
{
	const struct ladder *l = &d->ladder;
	const char *fix = strstr(l->advice, "fix: ");
	char meanwhile[160];
	const struct doctor_ill ill = {.state = DOCTOR_MISSING,
				       .key = "perf",
				       .what = "perf events",
				       .fix = fix ? fix + 5 : "",
				       .meanwhile = meanwhile};

	if (d->timers)
		snprintf(meanwhile, sizeof(meanwhile),
			 "timers in what ddprof-run starts, %u Hz, no kernel frames; attach cannot", d->hz);
	else
		snprintf(meanwhile, sizeof(meanwhile), "nothing: programs run unprofiled");
	doctor_ill(d, &ill, "%.*s (%s)", (int)strcspn(l->advice, "\n"), l->advice, errno_name(l->err));
}

/* Of rings and descriptors. A capture raises its own limit of descriptors, so that is what is tried. */
static void take_rings(struct doctor *d)
{
	struct rlimit rl;
	int err;

	if (!getrlimit(RLIMIT_NOFILE, &rl) && rl.rlim_cur < rl.rlim_max) {
		rl.rlim_cur = rl.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &rl);
	}
	err = ladder_try_rings(&d->ladder, event_default(), &d->rings);
	d->perf = !err;
	if (err == -EMFILE || err == -ENFILE)
		ladder_note(&d->ladder, LADDER_FILES, err);
	else if (err)
		ladder_note(&d->ladder, LADDER_RINGS, err);
	else
		ladder_note(&d->ladder, LADDER_RINGS, d->rings.bytes < d->rings.wanted ? -EPERM : 0);
	if (err)
		ladder_refused(&d->ladder, err, "a ring per CPU");
}

static void check_rings(struct doctor *d)
{
	const struct ladder_rings *r = &d->rings;
	const struct ladder_rung *rung = &ladder_table[LADDER_RINGS];
	struct doctor_ill ill = {.key = "rings",
				 .what = "ring memory",
				 .fix = "sudo sysctl kernel.perf_event_mlock_kb=8192",
				 .meanwhile = rung->instead};
	char mlock[32];

	if (!d->perf)
		return;
	if (r->bytes >= r->wanted) {
		doctor_ok(d, ill.key, ill.what, "%zu KB for each of %u CPUs, stack copies of up to %u bytes",
			  r->bytes / 1024, r->cpus, r->stack_size);
		return;
	}
	if (!doctor_read("/proc/sys/kernel/perf_event_mlock_kb", mlock, sizeof(mlock)))
		strcpy(mlock, "unknown");
	ill.state = DOCTOR_DEGRADED;
	ill.optional = r->stack_size >= ENOUGH_STACK;
	doctor_ill(d, &ill, "%zu of %zu KB a CPU, stack copies of %u bytes: kernel.perf_event_mlock_kb is %s",
		   r->bytes / 1024, r->wanted / 1024, r->stack_size, mlock);
}

static void check_files(struct doctor *d)
{
	struct rlimit rl = {0};
	unsigned long long threads;
	uint32_t each = d->rings.cpus ? d->rings.fds : 0;
	struct doctor_ill ill = {.state = DOCTOR_DEGRADED,
				 .key = "files",
				 .what = "open files",
				 .fix = "ulimit -n 1048576 (as root, or LimitNOFILE= of the service)",
				 .meanwhile = ladder_table[LADDER_FILES].instead};

	if (getrlimit(RLIMIT_NOFILE, &rl) || !d->perf || !each)
		return;
	threads = (unsigned long long)rl.rlim_max / each;
	if (threads < ENOUGH_THREADS)
		doctor_ill(d, &ill, "the hard limit of %llu allows attaching to %llu threads",
			   (unsigned long long)rl.rlim_max, threads);
	else
		doctor_ok(d, ill.key, ill.what, "a limit of %llu, for events on %llu threads",
			  (unsigned long long)rl.rlim_max, threads);
}

static void check_kernel(struct doctor *d)
{
	int err = ladder_answer(&d->ladder, LADDER_KERNEL);
	const struct ladder_rung *rung = &ladder_table[LADDER_KERNEL];
	char meanwhile[160], lockdown[96];
	bool locked = doctor_read("/sys/kernel/security/lockdown", lockdown, sizeof(lockdown)) &&
		      strstr(lockdown, "[confidentiality]");
	const struct doctor_ill ill = {.state = DOCTOR_DEGRADED,
				       .key = "kernel",
				       .what = "kernel frames",
				       .fix = locked ? "boot with lockdown=integrity"
						     : "sudo sysctl kernel.perf_event_paranoid=1",
				       .meanwhile = meanwhile};

	if (!d->perf)
		return;
	snprintf(meanwhile, sizeof(meanwhile), "%s: %s", rung->instead, rung->costs);
	if (!err)
		doctor_ok(d, ill.key, ill.what, "sampled");
	else
		doctor_ill(d, &ill, "not permitted to this user (%s)%s", errno_name(err),
			   locked ? ": the kernel is locked down (confidentiality)" : "");
}

/* 1: /proc/kallsyms has addresses, 0: zeros, -1: unreadable. Its first lines are no functions. */
static int kallsyms_addresses(void)
{
	FILE *f = fopen("/proc/kallsyms", "re");
	char line[512], type = 0;
	unsigned long long addr = 0;
	size_t looked = 0;
	int found = -1;

	while (f && found < 0 && looked < KALLSYMS_LOOKED && fgets(line, sizeof(line), f)) {
		looked += strlen(line);
		if (sscanf(line, "%llx %c", &addr, &type) == 2 && (type == 'T' || type == 't'))
			found = addr != 0;
	}
	if (f)
		fclose(f);
	return found;
}

static void check_symbols(struct doctor *d)
{
	int found = kallsyms_addresses();
	char kptr[16];
	bool hidden = doctor_read("/proc/sys/kernel/kptr_restrict", kptr, sizeof(kptr)) && strcmp(kptr, "0");
	const struct doctor_ill ill = {.state = DOCTOR_DEGRADED,
				       .optional = !d->perf || ladder_answer(&d->ladder, LADDER_KERNEL) != 0,
				       .key = "kernel-symbols",
				       .what = "names of kernel functions",
				       .fix = hidden ? "sudo sysctl kernel.kptr_restrict=0"
						     : "sudo sysctl kernel.perf_event_paranoid=1",
				       .meanwhile = "kernel frames are addresses"};

	if (found > 0)
		doctor_ok(d, ill.key, ill.what, "/proc/kallsyms has addresses");
	else if (found < 0)
		doctor_ill(d, &ill, "/proc/kallsyms cannot be read");
	else
		doctor_ill(d, &ill, "/proc/kallsyms shows this user zeros only (kernel.kptr_restrict is %s)",
			   *kptr ? kptr : "unknown");
}

static void check_rate(struct doctor *d)
{
	const struct ladder_rung *rung = &ladder_table[LADDER_RATE];
	const struct doctor_ill ill = {.state = DOCTOR_DEGRADED,
				       .key = "rate",
				       .what = "sampling rate",
				       .fix = "sudo sysctl kernel.perf_event_max_sample_rate=100000",
				       .meanwhile = rung->instead};
	char limit[32];

	if (!d->perf)
		return;
	if (!doctor_read("/proc/sys/kernel/perf_event_max_sample_rate", limit, sizeof(limit)))
		strcpy(limit, "unknown");
	if (ladder_answer(&d->ladder, LADDER_RATE))
		doctor_ill(d, &ill, "%u of %u Hz granted: kernel.perf_event_max_sample_rate is %s",
			   d->ladder.rate, d->opt->frequency, limit);
	else
		doctor_ok(d, ill.key, ill.what, "%u Hz granted (the kernel's limit is %s)", d->ladder.rate,
			  limit);
}

/* ---- what has to be asked for ---- */

static void check_pmu(struct doctor *d)
{
	struct event e = *event_default();
	const struct doctor_ill ill = {.state = DOCTOR_MISSING,
				       .optional = true,
				       .key = "pmu",
				       .what = "hardware counters",
				       .meanwhile = "a software clock, for CPU time"};
	struct event_state st;

	e.attr.type = PERF_TYPE_HARDWARE;
	e.attr.config = PERF_COUNT_HW_CPU_CYCLES;
	ladder_event(&e, &st);
	if (st.access == EVENT_SAMPLE_ALL || st.access == EVENT_SAMPLE_USER)
		doctor_ok(d, ill.key, ill.what, "cycles are sampled%s",
			  st.access == EVENT_SAMPLE_USER ? ", in user mode" : "");
	else
		doctor_ill(d, &ill, "%s (%s)%s", st.text, errno_name(st.err),
			   st.err == -ENOENT ? "; many virtual machines have none" : "");
}

static void check_tracepoints(struct doctor *d)
{
	struct doctor_ill ill = {
		.state = DOCTOR_MISSING,
		.optional = true,
		.key = "tracepoints",
		.what = "tracepoints",
		.fix = "run as root, or with CAP_PERFMON and a readable /sys/kernel/tracing"};
	struct event_state st = {.access = EVENT_REFUSED};
	struct event_list list;
	char why[256] = "";

	event_list_init(&list);
	if (!event_list_parse(&list, "sched:sched_switch", why, sizeof(why)))
		ladder_event(&list.events[0], &st);
	if (st.access == EVENT_SAMPLE_ALL || st.access == EVENT_SAMPLE_USER)
		doctor_ok(d, ill.key, ill.what, "sched:sched_switch is sampled");
	else
		doctor_ill(d, &ill, "%s", *why ? why : st.text);
	event_list_release(&list);
}

void doctor_host(struct doctor *d)
{
	char no_timers[160] = "";

	d->section = DOCTOR_HOST;
	probe_timers(d, no_timers, sizeof(no_timers));
	if (!ladder_probe(&d->ladder, event_default(), d->opt->frequency, false))
		take_rings(d);
	if (d->perf)
		doctor_ok(d, "perf", "perf events", "CPU time is sampled, per task and CPU, inherited");
	else
		tell_refusal(d);
	tell_timers(d, no_timers);
	check_kernel(d);
	check_symbols(d);
	check_rings(d);
	check_files(d);
	check_rate(d);
	check_pmu(d);
	check_tracepoints(d);
}

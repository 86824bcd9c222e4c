/* SPDX-License-Identifier: Apache-2.0 */
/*
 * supervise_targets.c - see supervise_targets.h.
 *
 * Descendants alone would miss what was orphaned, and what is remembered
 * misses what started since: together they find all but orphans of the last second.
 */
#include "cli/supervise_targets.h"

#include "base/io.h"
#include "collect/collector.h"
#include "collect/procfs.h"

#include <dirent.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define NOTE_NS     1000000000u
#define PROCESS_MAX 131072 /* of the machine */

struct process {
	pid_t pid, ppid;
};

void supervise_note(struct supervise_state *state, struct collector *collector)
{
	uint64_t now = io_clock_ns(CLOCK_BOOTTIME);

	if (now - state->stamp_ns < NOTE_NS)
		return;
	/* One may be killed between any two of these: too few are remembered then, never the wrong ones. */
	__atomic_store_n(&state->n_pids, 0, __ATOMIC_SEQ_CST);
	__atomic_store_n(&state->stamp_ns, now, __ATOMIC_SEQ_CST);
	__atomic_store_n(&state->n_pids, collector_processes(collector, state->pids, SUPERVISE_PIDS),
			 __ATOMIC_SEQ_CST);
}

static bool has(const pid_t *pids, uint32_t n, pid_t pid)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		if (pids[i] == pid)
			return true;
	return false;
}

/* Start times are in ticks since boot, cut: one that started in the very tick of the stamp is taken. */
static bool is_same(pid_t pid, uint64_t stamp_ns)
{
	uint64_t hz = (uint64_t)sysconf(_SC_CLK_TCK);
	struct procfs_stat st;

	return !procfs_stat(pid, &st) && st.state != 'Z' && st.start_ticks <= stamp_ns / (1000000000u / hz);
}

static struct process *list_processes(uint32_t *n)
{
	struct process *all = NULL, *grown;
	uint32_t cap = 0;
	DIR *dir = opendir("/proc");
	struct procfs_stat st;
	struct dirent *d;

	*n = 0;
	while (dir && *n < PROCESS_MAX && (d = readdir(dir))) {
		pid_t pid = (pid_t)strtol(d->d_name, NULL, 10);

		if (pid <= 0 || procfs_stat(pid, &st))
			continue;
		if (*n == cap) {
			grown = realloc(all, (cap ? cap * 2 : 256) * sizeof(*all));
			if (!grown)
				break;
			all = grown;
			cap = cap ? cap * 2 : 256;
		}
		all[(*n)++] = (struct process){pid, st.ppid};
	}
	if (dir)
		closedir(dir);
	return all;
}

uint32_t supervise_targets(const struct supervise_state *state, pid_t program, pid_t *pids, uint32_t max)
{
	uint32_t n = 1, n_all, i, k, known = state->n_pids < SUPERVISE_PIDS ? state->n_pids : SUPERVISE_PIDS;
	struct process *all = list_processes(&n_all);

	pids[0] = program;
	for (i = 0; i < known && n < max; i++)
		if (state->pids[i] > 0 && !has(pids, n, state->pids[i]) &&
		    is_same(state->pids[i], state->stamp_ns))
			pids[n++] = state->pids[i];
	/* breadth first: what is added is looked at in its turn */
	for (i = 0; i < n; i++)
		for (k = 0; k < n_all && n < max; k++)
			if (all[k].ppid == pids[i] && !has(pids, n, all[k].pid))
				pids[n++] = all[k].pid;
	free(all);
	return n;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * begin.c - the library is loaded: find the shared memory, hide, and start.
 *
 * Whatever is missing or refused, the program runs as without us.
 */
#include "collect/preload/preload.h"

#include <elf.h>
#include <linux/fcntl.h>

#define PHDRS_MAX 64
#define NOTES_MAX 32
#define DONTDUMP  16
#define FAILED(p) ((uintptr_t)(p) > -4096ul)

struct preload_shared *preload_shared;
int preload_signal;

extern char **__environ __attribute__((weak));

bool preload_same_pid_space(const struct preload_shared *s)
{
	char here[32];
	long n = sys4(SYS_readlinkat, AT_FDCWD, "/proc/self/ns/pid", here, sizeof(here) - 1);
	unsigned i;

	if (n < 0 || !s->pid_space[0])
		return true; /* nothing to tell them by */
	here[n] = '\0';
	for (i = 0; here[i] && here[i] == s->pid_space[i]; i++)
		;
	return here[i] == s->pid_space[i];
}

/* ---- Go: its runtime takes all signals for itself ---- */

static bool is_go_note(const char *at, const char *end)
{
	unsigned n;

	for (n = 0; n < NOTES_MAX && end - at >= (long)sizeof(Elf64_Nhdr); n++) {
		const Elf64_Nhdr *note = (const void *)at;
		uint64_t name = ((uint64_t)note->n_namesz + 3) & ~3ull;
		uint64_t size = sizeof(*note) + name + (((uint64_t)note->n_descsz + 3) & ~3ull);

		if (size > (uint64_t)(end - at))
			return false;
		if (note->n_namesz == 4 && preload_begins(at + sizeof(*note), "Go"))
			return true;
		at += size;
	}
	return false;
}

/* By the program headers that the kernel names in the auxiliary vector, which follows the environment. */
static bool is_go_program(char **env)
{
	const Elf64_Phdr *ph = NULL;
	const uint64_t *aux;
	uint64_t n = 0, i, bias = 0;

	while (*env)
		env++;
	for (aux = (const uint64_t *)(void *)(env + 1); *aux; aux += 2)
		if (aux[0] == 3 /* AT_PHDR */)
			ph = (const void *)(uintptr_t)aux[1];
		else if (aux[0] == 5 /* AT_PHNUM */)
			n = aux[1];
	for (i = 0; ph && i < n && i < PHDRS_MAX; i++)
		if (ph[i].p_type == PT_PHDR)
			bias = (uint64_t)(uintptr_t)ph - ph[i].p_vaddr;
	for (i = 0; ph && i < n && i < PHDRS_MAX; i++) {
		const char *at = (const char *)(uintptr_t)(bias + ph[i].p_vaddr);

		if (ph[i].p_type == PT_NOTE && is_go_note(at, at + ph[i].p_memsz))
			return true;
	}
	return false;
}

/* ---- the memory ---- */

static bool usable(const struct preload_shared *s)
{
	return s->magic == PRELOAD_MAGIC && s->n_rings && s->n_rings <= PRELOAD_RINGS_MAX &&
	       s->ring_bytes >= 65536 && s->ring_bytes <= (64u << 20) &&
	       !(s->ring_bytes & (s->ring_bytes - 1)) && s->stack_size <= 61440 && s->period_ns &&
	       preload_same_pid_space(s);
}

static struct preload_shared *map_file(const char *path)
{
	int fd = (int)sys4(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
	struct preload_shared *s;
	uint64_t size;

	if (fd < 0)
		return NULL;
	s = (void *)sys6(SYS_mmap, 0, PRELOAD_HEAD, 3 /* READ, WRITE */, 1 /* SHARED */, fd, 0);
	if (!FAILED(s)) {
		size = usable(s) ? preload_ring_offset(s, s->n_rings) : 0;
		sys2(SYS_munmap, s, PRELOAD_HEAD);
		s = size ? (void *)sys6(SYS_mmap, 0, (long)size, 3, 1, fd, 0) : NULL;
	}
	sys1(SYS_close, fd);
	return FAILED(s) ? NULL : s;
}

static struct preload_shared *map_segment(const char *number)
{
	struct preload_shared *s;
	long id = 0;

	for (; *number >= '0' && *number <= '9' && id < 100000000; number++)
		id = id * 10 + (*number - '0');
	s = (void *)sys3(SYS_shmat, id, NULL, 0);
	if (*number || FAILED(s))
		return NULL;
	if (usable(s))
		return s;
	sys1(SYS_shmdt, s);
	return NULL;
}

/* glibc passes the arguments; musl has set __environ by now, and passes nothing. */
__attribute__((constructor)) static void begin(int argc, char **argv, char **env)
{
	char path[PRELOAD_PATH_MAX];
	struct preload_shared *s;
	bool blocked;

	(void)argc;
	(void)argv;
	if (!&__environ || !__environ)
		return;
	env = __environ;
	if (is_go_program(env) || !preload_take_environment(env, path))
		return;
	s = path[0] == '/' ? map_file(path) : map_segment(path);
	if (!s || !s->run || !preload_take_signal(0))
		return;
	/* Core files of the program are no place for other processes' stacks. */
	sys3(SYS_madvise, s, preload_ring_offset(s, s->n_rings), DONTDUMP);
	preload_shared = s;
	blocked = preload_unblock();
	preload_watch_forks();
	preload_note_exec();
	__atomic_fetch_add(&s->processes, 1, __ATOMIC_RELAXED);
	preload_arm_self(blocked);
}

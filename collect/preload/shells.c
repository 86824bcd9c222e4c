/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shells.c - system() and popen(): their shells are sampled like all that the program starts.
 *
 * The calls stay the C library's own, with what they do to signals, descriptors
 * and cancellation; only the command that they are given is another.
 */
#include "collect/preload/preload.h"

static void *real_system, *real_popen;

EXPORTED int system(const char *command)
{
	int (*fn)(const char *) = preload_next(&real_system, "system");
	char *ours;
	size_t size;
	int got;

	if (!fn)
		return -1;
	size = preload_shell_command(command, &ours);
	got = fn(size ? ours : command);
	if (size)
		sys2(SYS_munmap, ours, size);
	return got;
}

EXPORTED void *popen(const char *command, const char *type)
{
	void *(*fn)(const char *, const char *) = preload_next(&real_popen, "popen");
	char *ours;
	size_t size;
	void *got;

	if (!fn)
		return NULL;
	size = preload_shell_command(command, &ours);
	got = fn(size ? ours : command, type);
	if (size)
		sys2(SYS_munmap, ours, size);
	return got;
}

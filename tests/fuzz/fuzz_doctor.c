/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_doctor.c - a program or library that the doctor looks into: headers, CFI, symbols, what it needs.
 *
 * Stored inputs: a program of two functions by gcc -O1, with its symbols, stripped, and cut at 3000 bytes;
 * the same as a shared library without unwind tables, with frame pointers and -rpath '$ORIGIN/x'.
 */
#include "cli/doctor_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ignore(const char *path, const char *name, void *arg)
{
	(void)arg;
	if (!path && !name)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	static struct doctor_file f;

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	doctor_file_look(&f, fd, "/nowhere/fuzz", 0, NULL);
	if (f.framed > f.functions || (f.cfi_pct > 100 && f.cfi_pct != DOCTOR_CFI_UNKNOWN))
		abort();
	doctor_libraries("/nowhere/fuzz", fd, ignore, NULL);
	close(fd);
	return 0;
}

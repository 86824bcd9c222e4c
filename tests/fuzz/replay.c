/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replay.c - run a fuzzer's entry point over files, without libFuzzer.
 * Arguments: files or directories. Prints how many inputs it ran.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned long replayed;

static int replay_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data = NULL;
	long size;
	int err = -1;

	if (!f || fseek(f, 0, SEEK_END) || (size = ftell(f)) < 0 || fseek(f, 0, SEEK_SET))
		goto out;
	/* An exact allocation, so that a sanitizer sees one byte too far. */
	data = malloc((size_t)size ? (size_t)size : 1);
	if (!data || fread(data, 1, (size_t)size, f) != (size_t)size)
		goto out;
	LLVMFuzzerTestOneInput(data, (size_t)size);
	replayed++;
	err = 0;
out:
	if (err)
		perror(path);
	free(data);
	if (f)
		fclose(f);
	return err;
}

static int replay(const char *path)
{
	char file[4096];
	struct dirent *d;
	DIR *dir = opendir(path);
	int err = 0;

	if (!dir)
		return replay_file(path);
	while ((d = readdir(dir))) {
		if (d->d_name[0] == '.')
			continue;
		snprintf(file, sizeof(file), "%s/%s", path, d->d_name);
		err |= replay_file(file);
	}
	closedir(dir);
	return err;
}

int main(int argc, char **argv)
{
	int i, err = 0;

	for (i = 1; i < argc; i++)
		err |= replay(argv[i]);
	printf("%lu inputs\n", replayed);
	return err || !replayed;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_doctor.c - ddprof doctor: what works, what does not, why, and the one command that helps.
 */
#include "base/io.h"
#include "base/log.h"
#include "cli/command.h"
#include "cli/doctor.h"
#include "cli/help.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define TEXT_MAX (1u << 20)
#define LOG_MAX  (4u << 20)

static bool wants_colour(void)
{
	const char *term = getenv("TERM"), *no = getenv("NO_COLOR");

	return isatty(STDOUT_FILENO) && !(no && *no) && term && strcmp(term, "dumb");
}

static void take_log(int fd, struct buf *log)
{
	char chunk[4096];
	ssize_t n;

	while ((n = io_pread_full(fd, chunk, sizeof(chunk), log->len)) > 0)
		if (buf_put(log, chunk, (size_t)n))
			break;
}

/* With a bundle, what the checks log at any level goes there, too. */
static int examine(struct doctor *d, struct buf *log)
{
	int fd = d->opt->bundle ? memfd_create("ddprof-log", MFD_CLOEXEC) : -1;

	log_also_to(fd);
	doctor_host(d);
	doctor_system(d);
	doctor_target(d);
	doctor_delivery(d);
	log_also_to(-1);
	if (fd < 0)
		return 0;
	take_log(fd, log);
	close(fd);
	return log->error;
}

static int tell(const struct doctor *d)
{
	struct buf out;
	int code;

	buf_init(&out, TEXT_MAX);
	if (d->opt->json)
		(void)doctor_json(d, &out);
	else
		doctor_text(d, wants_colour(), &out);
	code = help_print(&out);
	buf_release(&out);
	return code;
}

int cmd_doctor(struct options *opt, struct launch *l)
{
	static struct doctor d;
	char why[PATH_MAX + 128] = "";
	struct buf log;
	int code, err;

	(void)l;
	d = (struct doctor){.opt = opt};
	buf_init(&log, LOG_MAX);
	err = examine(&d, &log);
	code = tell(&d);
	if (opt->bundle)
		err = doctor_bundle(&d, opt->bundle, &log, why, sizeof(why));
	buf_release(&log);
	if (err) {
		log_error("%s", *why ? why : strerror(-err));
		return EXIT_FAIL;
	}
	return code == EXIT_OK ? doctor_verdict(&d) : code;
}

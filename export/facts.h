/* SPDX-License-Identifier: Apache-2.0 */
/*
 * facts.h - what a receiver is told of the profiled process, noted while it lives.
 *
 * Filled in by the collector's process, so only /proc and the cgroup file
 * system are read, with bounds; its executable is held by an O_PATH
 * descriptor and looked into later by the exporter (runtime.h), when the process may be
 * gone and where a slow file system stops nobody.
 */
#ifndef EXPORT_FACTS_H
#define EXPORT_FACTS_H

#include "export/identity.h"
#include "export/tags.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct facts {
	pid_t pid;          /* 0: nothing known */
	uid_t uid;          /* who it runs as */
	char exe[PATH_MAX]; /* "" when it cannot be read */
	int exe_fd;         /* O_PATH; -1: none */
	char cwd[PATH_MAX];
	char command[2048];  /* secrets masked: mask.h */
	uint64_t started_ns; /* Unix epoch; 0: unknown */
	bool same_root;      /* its files are our files */
	struct identity identity;
	uint64_t memory_limit;         /* bytes, of its control group; 0: none known */
	uint32_t cpu_limit_pct;        /* of one CPU, likewise */
	char mapped_runtime[PATH_MAX]; /* libjvm, libpython or libnode that it has mapped; "": none seen */
	struct facts_tracer {          /* of a tracer in it, if there is one */
		char language[32], version[64], runtime_id[64];
	} tracer;
};

void facts_init(struct facts *f);
void facts_release(struct facts *f);

/* Note what process @pid is now; @external_env as in identity.h. Keeps what it cannot read. */
void facts_read(struct facts *f, pid_t pid, const char *external_env);

/*
 * Has it executed another program since facts_read()? Cheap: one system call.
 * False also when it is gone.
 */
bool facts_stale(const struct facts *f);

/*
 * Tags that process @pid carries: DD_SERVICE, DD_ENV, DD_VERSION and DD_TAGS of
 * its environment (@with_environ), and below these what its tracer says of it. Those that
 * @tags has already stay. 0 or -ENOMEM; what cannot be read is left out.
 */
int facts_tags(struct facts *f, pid_t pid, bool with_environ, struct tags *tags);

/* The value of variable @name in @environ (@len bytes of NUL-terminated "NAME=VALUE"); NULL: not there. */
const char *facts_variable(const char *environ_text, size_t len, const char *name);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* upload_tags.c - see upload_tags.h. */
#include "export/upload_tags.h"

#include "export/git.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#if defined(__x86_64__)
#define CPU_ARCH "amd64"
#define MACHINE  "x86_64"
#elif defined(__aarch64__)
#define CPU_ARCH "arm64"
#define MACHINE  "aarch64"
#else
#error "name this architecture as receivers do"
#endif

int upload_tags_clean(struct tags *t, const char *key, const char *value)
{
	char text[TAG_LEN_MAX + 1];
	size_t room = TAG_LEN_MAX - strlen(key) - 1, i;

	for (i = 0; value[i] && i < room; i++) {
		char c = value[i];

		text[i] = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
					  strchr("_:./\\-", c)
				  ? c
				  : '_';
	}
	text[i] = '\0';
	return tags_set(t, key, text);
}

/* Where nothing is set yet. Only want of memory matters: the rest costs the tag. */
static int add(struct tags *t, const char *key, const char *value)
{
	int err = value && *value && !tags_get(t, key) ? upload_tags_clean(t, key, value) : 0;

	return err == -ENOMEM ? err : 0;
}

static int add_number(struct tags *t, const char *key, uint64_t v)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, v);
	return add(t, key, text);
}

static int add_cpu(struct tags *t)
{
	int err = add(t, "cpu_arch", CPU_ARCH);

	return err ? err : add_number(t, "number_of_cpu_cores", (uint64_t)sysconf(_SC_NPROCESSORS_ONLN));
}

/* First of all, so that no tag of the user's can take their place. */
static int add_identity(struct tags *t, const struct upload_job *job, uint64_t seq)
{
	int err = add(t, "runtime-id", job->runtime_id);

	if (!err)
		err = add_number(t, "profile_seq", seq);
	if (!err)
		err = add_number(t, "process_id", (uint64_t)job->facts->pid);
	if (!err)
		err = add(t, "profiler_version", DDPROF_VERSION);
	if (!err)
		err = add(t, "include_kernel", job->include_kernel ? "true" : "false");
	return err ? err : add_cpu(t);
}

static int add_git(struct tags *t, const struct upload_job *job, const struct runtime *r)
{
	const char *start = job->facts->exe;
	char dir[PATH_MAX], url[TAG_LEN_MAX + 1];
	struct git_info g = {.commit = ""};
	int err;

	/* the program of an interpreter lies where it was started, its own file in the system */
	if (r->language && (!strcmp(r->language, "python") || !strcmp(r->language, "java") ||
			    !strcmp(r->language, "javascript")))
		snprintf(dir, sizeof(dir), "%s", job->facts->cwd);
	else
		snprintf(dir, sizeof(dir), "%.*s",
			 (int)(strrchr(start, '/') ? strrchr(start, '/') - start + 1 : 0), start);
	if (*dir && job->facts->same_root)
		(void)git_find(&g, dir, job->facts->uid);
	err = add(t, "git.commit.sha", g.commit);
	if (!err && *g.repository) {
		git_clean_url(g.repository, url, sizeof(url));
		err = add(t, "git.repository_url", url);
	}
	return err;
}

/* A variable of its own beats what DD_TAGS says of git; and neither may carry a password. */
static int add_user(struct tags *t, const struct tags *user, const struct upload_job *job)
{
	char url[TAG_LEN_MAX + 1];
	const struct tag *tag;
	uint32_t i;
	int err = 0;

	if (job->git && job->git_url) {
		git_clean_url(job->git_url, url, sizeof(url));
		err = add(t, "git.repository_url", url);
	}
	if (job->git && !err)
		err = add(t, "git.commit.sha", job->git_commit);
	for (i = 0; user && i < user->n && !err; i++) {
		tag = &user->tags[i];
		if (!job->git && !strncmp(tag->key, "git.", 4))
			continue;
		if (!strcmp(tag->key, "git.repository_url")) {
			git_clean_url(tag->value, url, sizeof(url));
			err = add(t, tag->key, url);
			continue;
		}
		err = add(t, tag->key, tag->value);
	}
	return err;
}

static int add_found(struct tags *t, const struct upload_job *job, const struct runtime *r)
{
	bool native = !strcmp(r->runtime, "native");
	char platform[64], host[256] = "";
	int err = add(t, "service", job->program);

	if (!err)
		err = add(t, "service", "unknown"); /* a name that is no tag in any form */
	if (!err)
		err = add(t, "language", native ? "native" : r->language);
	if (!err)
		err = add(t, "runtime", r->runtime);
	if (!err)
		err = add(t, "runtime_version", r->version);
	snprintf(platform, sizeof(platform), MACHINE "-unknown-linux-%s",
		 strcmp(r->libc, "musl") ? "gnu" : "musl");
	if (!err)
		err = add(t, "runtime_platform", platform);
	/* an Agent adds its own host; the name a container has is not that of its host */
	if (!err && job->host)
		err = add(t, "host", job->host);
	else if (!err && job->target->agentless && !gethostname(host, sizeof(host) - 1))
		err = add(t, "host", host);
	if (!err && job->git)
		err = add_git(t, job, r);
	return err;
}

int upload_tags_machine(struct tags *t)
{
	int err = add_cpu(t);

	return err ? err : add(t, "runtime_platform", MACHINE "-unknown-linux-gnu");
}

int upload_tags(struct tags *out, const struct tags *user, const struct upload_job *job,
		const struct runtime *runtime, uint64_t seq)
{
	int err = add_identity(out, job, seq);

	if (!err)
		err = add_user(out, user, job);
	if (!err)
		err = add_found(out, job, runtime);
	return err;
}
